-- Mailboxes that are shared, bounded, or deleted for a while, and groups of mailboxes.

-- kind: person | shared, which nobody signs in to
ALTER TABLE mailboxes ADD COLUMN kind {text} NOT NULL DEFAULT 'person';

-- in bytes, 0: no bound, -1: what the settings say
ALTER TABLE mailboxes ADD COLUMN quota {bigint} NOT NULL DEFAULT -1;

-- 0: not deleted.  A deleted one has no row in addresses: former is what it had, as a JSON list.
ALTER TABLE mailboxes ADD COLUMN deleted_at {bigint} NOT NULL DEFAULT 0;

ALTER TABLE mailboxes ADD COLUMN former {text} NOT NULL DEFAULT '[]';

-- 1: it is being erased, and cannot come back
ALTER TABLE mailboxes ADD COLUMN is_erased {smallint} NOT NULL DEFAULT 0;

-- name_key and member are casefolded, member is an address or an object id, origin: settings | command
CREATE TABLE mailbox_groups (
    name_key {text} NOT NULL PRIMARY KEY,
    name {text} NOT NULL,
    address {text} NOT NULL,
    origin {text} NOT NULL
) {clustered};

CREATE TABLE mailbox_group_members (
    name_key {text} NOT NULL,
    member {text} NOT NULL,
    origin {text} NOT NULL,
    PRIMARY KEY (name_key, member, origin)
) {clustered};
