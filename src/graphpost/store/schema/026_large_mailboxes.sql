-- PostgreSQL keeps a plan for whichever mailbox it is asked for, and makes it for one of the average size.  Where nearly all
-- are small, such a plan reads a large one from end to end, to find a hundred of its messages.  Said to be one mailbox, the
-- table's plans are made for its largest.
{postgres}ALTER TABLE messages ALTER COLUMN mailbox_id SET (n_distinct = 1);
{postgres}ALTER TABLE contents ALTER COLUMN mailbox_id SET (n_distinct = 1);
{postgres}ANALYZE messages;
{postgres}ANALYZE contents;
