-- What is known of how domains take mail: the best TLS that was reached, and their MTA-STS policies (RFC 8461).
-- A domain has a bucket (store/tls.py), so that the tables can be distributed as the queue is.
CREATE TABLE tls_levels (
    bucket {smallint} NOT NULL,
    domain {text} NOT NULL,
    level {smallint} NOT NULL,
    reached_at {bigint} NOT NULL,
    PRIMARY KEY (bucket, domain)
) {clustered};

CREATE TABLE tls_policies (
    bucket {smallint} NOT NULL,
    domain {text} NOT NULL,
    record_id {text} NOT NULL,
    policy {text} NOT NULL,
    fetched_at {bigint} NOT NULL,
    expires_at {bigint} NOT NULL,
    PRIMARY KEY (bucket, domain)
) {clustered};
