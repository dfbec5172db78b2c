-- Who wants to be told of which mailbox's changes, and how far everybody has been told.
-- A subscription lies in the bucket of its mailbox, which is the first digit of its id.
-- folder_id 0 is the whole mailbox, state: 0 active, 1 removed (only its last lifecycle event is still to be sent).
CREATE TABLE subscriptions (
    bucket {smallint} NOT NULL,
    subscription_id {text} NOT NULL,
    mailbox_id {bigint} NOT NULL,
    folder_id {bigint} NOT NULL,
    client_id {text} NOT NULL,
    object_id {text} NOT NULL,
    state {smallint} NOT NULL,
    expires_at {bigint} NOT NULL,
    document {blob} NOT NULL,
    PRIMARY KEY (bucket, subscription_id)
) {clustered};

CREATE INDEX subscriptions_by_mailbox ON subscriptions (bucket, mailbox_id);

-- channel: 0 changes, 1 lifecycle events.  Everything up to (changed, message_id) has been told, in a walk through the
-- change log that began behind number began, and events is a set of bits.
-- due_at is when it may be tried again or, while owner is set, when the lease ends.
CREATE TABLE feeds (
    bucket {smallint} NOT NULL,
    subscription_id {text} NOT NULL,
    channel {smallint} NOT NULL,
    mailbox_id {bigint} NOT NULL,
    folder_id {bigint} NOT NULL,
    url {text} NOT NULL,
    changed {bigint} NOT NULL,
    message_id {bigint} NOT NULL,
    began {bigint} NOT NULL,
    events {bigint} NOT NULL,
    remind_at {bigint} NOT NULL,
    due_at {bigint} NOT NULL,
    owner {bigint} NOT NULL,
    failures {bigint} NOT NULL,
    failing_since {bigint} NOT NULL,
    PRIMARY KEY (bucket, subscription_id, channel)
) {clustered};
