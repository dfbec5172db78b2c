-- When the next message may go to a destination that takes only so many in a minute, whichever server sends it.
CREATE TABLE paces (
    bucket {smallint} NOT NULL,
    destination {text} NOT NULL,
    next_at {bigint} NOT NULL,
    PRIMARY KEY (bucket, destination)
) {clustered};
