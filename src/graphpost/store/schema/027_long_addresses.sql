-- What an index has is bounded in PostgreSQL (2704 bytes).  A stranger writes this column, and it was kept whole.
UPDATE messages SET from_address = substr(from_address, 1, 400) WHERE length(from_address) > 400;
