-- Mailboxes' folders and messages, their contents, and the delivery queue.
-- mailbox_id (in the queue: a bucket of it) leads every key, so that the same schema can be distributed by it.

CREATE TABLE folders (
    mailbox_id {bigint} NOT NULL,
    folder_id {bigint} NOT NULL,
    parent_id {bigint} NOT NULL,
    name {text} NOT NULL,
    name_key {text} NOT NULL,
    well_known {text} NOT NULL,
    is_hidden {smallint} NOT NULL,
    total_count {bigint} NOT NULL,
    unread_count {bigint} NOT NULL,
    version {bigint} NOT NULL,
    PRIMARY KEY (mailbox_id, folder_id)
) {clustered};

CREATE UNIQUE INDEX folders_by_name ON folders (mailbox_id, parent_id, name_key);

CREATE TABLE messages (
    mailbox_id {bigint} NOT NULL,
    message_id {bigint} NOT NULL,
    folder_id {bigint} NOT NULL,
    moves {bigint} NOT NULL,
    version {bigint} NOT NULL,
    created_at {bigint} NOT NULL,
    modified_at {bigint} NOT NULL,
    received_at {bigint} NOT NULL,
    sent_at {bigint} NOT NULL,
    is_read {smallint} NOT NULL,
    is_draft {smallint} NOT NULL,
    has_attachments {smallint} NOT NULL,
    importance {smallint} NOT NULL,
    inference {smallint} NOT NULL,
    flag_status {smallint} NOT NULL,
    size {bigint} NOT NULL,
    subject {text} NOT NULL,
    from_address {text} NOT NULL,
    from_name {text} NOT NULL,
    sender_address {text} NOT NULL,
    internet_message_id {text} NOT NULL,
    conversation_id {blob} NOT NULL,
    categories {text} NOT NULL,
    document {blob} NOT NULL,
    PRIMARY KEY (mailbox_id, message_id)
) {clustered};

CREATE INDEX messages_by_time ON messages (mailbox_id, folder_id, received_at, message_id);

CREATE TABLE contents (
    mailbox_id {bigint} NOT NULL,
    message_id {bigint} NOT NULL,
    content_id {bigint} NOT NULL,
    size {bigint} NOT NULL,
    sha256 {text} NOT NULL,
    data {blob},
    PRIMARY KEY (mailbox_id, message_id, content_id)
) {clustered};

CREATE INDEX contents_in_blobs ON contents (mailbox_id, sha256) WHERE data IS NULL;

CREATE TABLE deliveries (
    bucket {smallint} NOT NULL,
    message_id {bigint} NOT NULL,
    position {smallint} NOT NULL,
    mailbox_id {bigint} NOT NULL,
    destination {text} NOT NULL,
    state {smallint} NOT NULL,
    due_at {bigint} NOT NULL,
    owner {bigint} NOT NULL,
    attempts {bigint} NOT NULL,
    created_at {bigint} NOT NULL,
    finished_at {bigint} NOT NULL,
    document {blob} NOT NULL,
    PRIMARY KEY (bucket, message_id, position)
) {clustered};

CREATE INDEX deliveries_queued ON deliveries (bucket, destination, due_at, created_at) WHERE state = 0;

CREATE TABLE destinations (
    bucket {smallint} NOT NULL,
    destination {text} NOT NULL,
    not_before {bigint} NOT NULL,
    failures {bigint} NOT NULL,
    PRIMARY KEY (bucket, destination)
) {clustered};
