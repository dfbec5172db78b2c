-- Who may open a mailbox that is not theirs, and send in its name, and since when applications act for users.

-- holder: an address, an object id, or group:NAME, casefolded, origin: settings | command, rights: words
CREATE TABLE rights (
    mailbox_id {bigint} NOT NULL,
    holder {text} NOT NULL,
    origin {text} NOT NULL,
    rights {text} NOT NULL,
    PRIMARY KEY (mailbox_id, holder, origin)
) {clustered};

-- object_id is '' for the consent of the administrator, which is everybody's, consented_at 0 is before this was kept
ALTER TABLE consents ADD COLUMN consented_at {bigint} NOT NULL DEFAULT 0;
