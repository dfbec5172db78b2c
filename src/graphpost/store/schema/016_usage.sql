-- What applications and mailboxes have used of their limits: how much in the stretch of time that began then.
CREATE TABLE usage (
    bucket {smallint} NOT NULL,
    name {text} NOT NULL,
    began_at {bigint} NOT NULL,
    expires_at {bigint} NOT NULL,
    amount {bigint} NOT NULL,
    PRIMARY KEY (bucket, name, began_at)
) {clustered};

-- Which application opened an upload session: its bytes count as that one's.
ALTER TABLE uploads ADD COLUMN client_id {text} NOT NULL DEFAULT '';
