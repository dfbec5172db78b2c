-- Who there is, how they prove it, and what they were granted.  Lists are JSON, secrets are hashed.

CREATE TABLE mailboxes (
    mailbox_id {bigint} NOT NULL PRIMARY KEY,
    object_id {text} NOT NULL UNIQUE,
    name {text} NOT NULL,
    password {text} NOT NULL,
    enabled {smallint} NOT NULL,
    created_at {bigint} NOT NULL
) {clustered};

-- position 0 is the primary address, address is casefolded, spelling is as it was given
CREATE TABLE addresses (
    address {text} NOT NULL PRIMARY KEY,
    mailbox_id {bigint} NOT NULL,
    position {smallint} NOT NULL,
    spelling {text} NOT NULL
) {clustered};

CREATE TABLE applications (
    client_id {text} NOT NULL PRIMARY KEY,
    object_id {text} NOT NULL UNIQUE,
    enabled {smallint} NOT NULL,
    document {text} NOT NULL
) {clustered};

-- kind: secret | certificate, origin: settings | command
CREATE TABLE credentials (
    client_id {text} NOT NULL,
    credential_id {text} NOT NULL,
    kind {text} NOT NULL,
    origin {text} NOT NULL,
    value {text} NOT NULL,
    expires_at {bigint} NOT NULL,
    PRIMARY KEY (client_id, credential_id)
) {clustered};

-- kind: code | refresh | device | session | assertion, grant_id is the SHA-256 of the secret its holder has
CREATE TABLE grants (
    grant_id {text} NOT NULL PRIMARY KEY,
    kind {text} NOT NULL,
    client_id {text} NOT NULL,
    object_id {text} NOT NULL,
    family {text} NOT NULL,
    state {smallint} NOT NULL,
    expires_at {bigint} NOT NULL,
    used_at {bigint} NOT NULL,
    document {text} NOT NULL
) {clustered};
CREATE INDEX grants_by_family ON grants (family);
CREATE INDEX grants_by_holder ON grants (object_id);
CREATE INDEX grants_by_expiry ON grants (expires_at);

CREATE TABLE consents (
    client_id {text} NOT NULL,
    object_id {text} NOT NULL,
    scopes {text} NOT NULL,
    PRIMARY KEY (client_id, object_id)
) {clustered};

-- one row: counts the changes of the directory, so that a snapshot knows when it is old
CREATE TABLE directory_revision (
    one {smallint} NOT NULL PRIMARY KEY,
    revision {bigint} NOT NULL
) {clustered};
INSERT INTO directory_revision (one, revision) VALUES (1, 1);
