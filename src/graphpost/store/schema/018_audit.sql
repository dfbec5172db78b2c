-- Who did what, to which mailbox, by which right. Rows are added, and deleted when they are old, and never changed.
-- A message that was sent has the record with its own number, and records of no mailbox are under mailbox 0.
CREATE TABLE audit (
    mailbox_id {bigint} NOT NULL,
    number {bigint} NOT NULL,
    document {blob} NOT NULL,
    PRIMARY KEY (mailbox_id, number)
) {clustered};
