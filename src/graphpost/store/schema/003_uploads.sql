-- Upload sessions: files on their way to be attached to drafts.  received counts acknowledged bytes, sha256 is known
-- when all of them are there, and token_hash is the SHA-256 of what authorises.
CREATE TABLE uploads (
    mailbox_id {bigint} NOT NULL,
    upload_id {bigint} NOT NULL,
    message_id {bigint} NOT NULL,
    token_hash {text} NOT NULL,
    total {bigint} NOT NULL,
    received {bigint} NOT NULL,
    sha256 {text} NOT NULL,
    is_attached {smallint} NOT NULL,
    expires_at {bigint} NOT NULL,
    document {blob} NOT NULL,
    PRIMARY KEY (mailbox_id, upload_id)
) {clustered};
