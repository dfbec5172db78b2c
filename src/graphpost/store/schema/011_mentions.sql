-- Whether a message mentions its mailbox's owner, for filters.
ALTER TABLE messages ADD COLUMN is_mentioned {smallint} NOT NULL DEFAULT 0;
