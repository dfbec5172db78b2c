-- Held deliveries are found without looking at all the others.
CREATE INDEX deliveries_held ON deliveries (bucket, destination) WHERE state = 2;

-- What nothing is sent to: an address in lower case, or @ and a domain. origin: administrator | bounce
CREATE TABLE suppressions (
    entry {text} NOT NULL PRIMARY KEY,
    reason {text} NOT NULL,
    status {text} NOT NULL,
    origin {text} NOT NULL,
    created_at {bigint} NOT NULL,
    expires_at {bigint} NOT NULL
) {clustered};

-- Grows with every change, so that a process knows from one small read that what it remembers is old.
CREATE TABLE suppressions_revision (
    one {smallint} NOT NULL PRIMARY KEY,
    revision {bigint} NOT NULL
) {clustered};

INSERT INTO suppressions_revision VALUES (1, 0);
