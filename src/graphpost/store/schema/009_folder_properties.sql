-- Extended properties that somebody has set on folders.
CREATE TABLE folder_properties (
    mailbox_id {bigint} NOT NULL,
    folder_id {bigint} NOT NULL,
    document {blob} NOT NULL,
    PRIMARY KEY (mailbox_id, folder_id)
) {clustered};
