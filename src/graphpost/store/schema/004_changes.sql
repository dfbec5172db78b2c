-- What changed when.  Changes are numbered by the transaction that made them (store/numbering.py): `changed` is the last
-- one of a message or folder, `placed` the one that brought a message to its present place.

ALTER TABLE folders ADD COLUMN changed {bigint} NOT NULL DEFAULT 0;

ALTER TABLE messages ADD COLUMN changed {bigint} NOT NULL DEFAULT 0;

ALTER TABLE messages ADD COLUMN placed {bigint} NOT NULL DEFAULT 0;

CREATE INDEX messages_by_change ON messages (mailbox_id, folder_id, changed, message_id);

-- What was in a folder and is not any more, under the id that it had there (moves).  Folder 0: a folder that is gone.
CREATE TABLE removals (
    mailbox_id {bigint} NOT NULL,
    folder_id {bigint} NOT NULL,
    changed {bigint} NOT NULL,
    message_id {bigint} NOT NULL,
    moves {bigint} NOT NULL,
    reason {smallint} NOT NULL,
    PRIMARY KEY (mailbox_id, folder_id, changed, message_id)
) {clustered};

-- Which number was the last one at which time. What was removed up to a forgotten one is not known any more.
CREATE TABLE horizons (
    number {bigint} NOT NULL PRIMARY KEY,
    seen_at {bigint} NOT NULL,
    is_forgotten {smallint} NOT NULL
) {clustered};

CREATE TABLE numbering (
    generation {bigint} NOT NULL PRIMARY KEY
) {clustered};

INSERT INTO numbering (generation) VALUES (0);
