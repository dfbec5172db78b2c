-- Servers that share the queue and are alive. Each adds to its beats again and again.
CREATE TABLE nodes (
    bucket {smallint} NOT NULL,
    owner {bigint} NOT NULL,
    beats {bigint} NOT NULL,
    PRIMARY KEY (bucket, owner)
) {clustered};
