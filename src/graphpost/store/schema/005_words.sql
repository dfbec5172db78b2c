-- What searching finds messages by: the ids of the messages that have a word, in blocks, the first id of each in its key;
-- and how far the index of a mailbox is.  A mailbox that was never searched has no rows here.

CREATE TABLE words (
    mailbox_id {bigint} NOT NULL,
    word {text} NOT NULL,
    first_id {bigint} NOT NULL,
    ids {blob} NOT NULL,
    PRIMARY KEY (mailbox_id, word, first_id)
) {clustered};

CREATE TABLE indexes (
    mailbox_id {bigint} NOT NULL,
    changed {bigint} NOT NULL,
    changed_id {bigint} NOT NULL,
    built_to {bigint} NOT NULL,
    pruned_word {text} NOT NULL,
    pruned_id {bigint} NOT NULL,
    PRIMARY KEY (mailbox_id)
) {clustered};
