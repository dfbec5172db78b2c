-- What a mailbox keeps beside its mail: settings, categories, rules, overrides.  kind tells them apart (store/preferences.py);
-- name_key is what only one of a mailbox's entries of that kind may have.
CREATE TABLE preferences (
    mailbox_id {bigint} NOT NULL,
    kind {smallint} NOT NULL,
    entry_id {text} NOT NULL,
    name_key {text} NOT NULL,
    document {blob} NOT NULL,
    PRIMARY KEY (mailbox_id, kind, entry_id)
) {clustered};

CREATE UNIQUE INDEX preferences_by_name ON preferences (mailbox_id, kind, name_key);
