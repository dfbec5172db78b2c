-- What is asked for among many: what is unread, and what somebody sent.  The messages that people send themselves are read
-- and from themselves, so they are in neither, and accepting one costs nothing more.

CREATE INDEX messages_unread ON messages (mailbox_id, folder_id, received_at, message_id) WHERE is_read = 0;

CREATE INDEX messages_by_sender ON messages (mailbox_id, folder_id, from_address, received_at, message_id)
    WHERE folder_id <> 9;
