-- Drafts that are to be sent at a time of their own. The draft itself is what will be sent, and due_at is when.
CREATE TABLE deferrals (
    bucket {smallint} NOT NULL,
    message_id {bigint} NOT NULL,
    mailbox_id {bigint} NOT NULL,
    due_at {bigint} NOT NULL,
    created_at {bigint} NOT NULL,
    document {blob} NOT NULL,
    PRIMARY KEY (bucket, message_id)
) {clustered};

CREATE INDEX deferrals_by_time ON deferrals (due_at, bucket);
