-- Sendings that a client may ask for again without sending again: what was asked for, by its digest, and what it became.
CREATE TABLE repeats (
    mailbox_id {bigint} NOT NULL,
    request {blob} NOT NULL,
    message_id {bigint} NOT NULL,
    done_at {bigint} NOT NULL,
    PRIMARY KEY (mailbox_id, request)
) {clustered};
