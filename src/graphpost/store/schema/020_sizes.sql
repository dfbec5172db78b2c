-- How many bytes the messages of a folder have, kept as its other counts are.
ALTER TABLE folders ADD COLUMN size {bigint} NOT NULL DEFAULT 0;

UPDATE folders SET size = COALESCE(
    (SELECT SUM(m.size) FROM messages m WHERE m.mailbox_id = folders.mailbox_id AND m.folder_id = folders.folder_id), 0
);
