-- Who there is, how they prove it, and what they were granted.  Lists are JSON; secrets are hashed.

CREATE TABLE mailboxes (
  mailbox_id BIGINT NOT NULL PRIMARY KEY,
  object_id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  password TEXT NOT NULL,
  enabled SMALLINT NOT NULL,
  created_at BIGINT NOT NULL
);

-- position 0 is the primary address; address is casefolded, spelling is as it was given
CREATE TABLE addresses (
  address TEXT NOT NULL PRIMARY KEY,
  mailbox_id BIGINT NOT NULL,
  position INTEGER NOT NULL,
  spelling TEXT NOT NULL
);

CREATE TABLE applications (
  client_id TEXT NOT NULL PRIMARY KEY,
  object_id TEXT NOT NULL UNIQUE,
  enabled SMALLINT NOT NULL,
  document TEXT NOT NULL
);

-- kind: secret | certificate; origin: settings | command
CREATE TABLE credentials (
  client_id TEXT NOT NULL,
  credential_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  origin TEXT NOT NULL,
  value TEXT NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (client_id, credential_id)
);

-- kind: code | refresh | device | session | assertion; grant_id is the SHA-256 of the secret its holder has
CREATE TABLE grants (
  grant_id TEXT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  client_id TEXT NOT NULL,
  object_id TEXT NOT NULL,
  family TEXT NOT NULL,
  state SMALLINT NOT NULL,
  expires_at BIGINT NOT NULL,
  used_at BIGINT NOT NULL,
  document TEXT NOT NULL
);
CREATE INDEX grants_by_family ON grants (family);
CREATE INDEX grants_by_holder ON grants (object_id);
CREATE INDEX grants_by_expiry ON grants (expires_at);

CREATE TABLE consents (
  client_id TEXT NOT NULL,
  object_id TEXT NOT NULL,
  scopes TEXT NOT NULL,
  PRIMARY KEY (client_id, object_id)
);

-- one row: counts the changes of the directory, so that a snapshot knows when it is old
CREATE TABLE directory_revision (
  one SMALLINT NOT NULL PRIMARY KEY,
  revision BIGINT NOT NULL
);
INSERT INTO directory_revision (one, revision) VALUES (1, 1);
