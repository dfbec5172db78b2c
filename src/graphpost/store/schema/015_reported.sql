-- What reports said of a message's recipients after we had handed it on: one row a recipient, the one that says most.
-- `state` orders what can be said (store/reported.py).  Rows go with the deliveries of their message.
CREATE TABLE reported (
    bucket {smallint} NOT NULL,
    message_id {bigint} NOT NULL,
    recipient {text} NOT NULL,
    state {smallint} NOT NULL,
    reported_at {bigint} NOT NULL,
    document {blob} NOT NULL,
    PRIMARY KEY (bucket, message_id, recipient)
) {clustered};
