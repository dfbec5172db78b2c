-- Who may open a mailbox that is not theirs, and send in its name; and since when users let applications act for them.

-- holder: an address, an object id, or group:NAME, casefolded; origin: settings | command; rights: words
CREATE TABLE rights (
    mailbox_id {bigint} NOT NULL,
    holder {text} NOT NULL,
    origin {text} NOT NULL,
    rights {text} NOT NULL,
    PRIMARY KEY (mailbox_id, holder, origin)
) {clustered};

-- consented_at 0: before this was kept; object_id of consents may be everyone's
ALTER TABLE consents ADD COLUMN consented_at {bigint} NOT NULL DEFAULT 0;
