-- one row: a slow hash of all secrets that the settings declared at the last start, and of what was kept of them then
CREATE TABLE seal (
    one {smallint} NOT NULL PRIMARY KEY,
    hash {text} NOT NULL
) {clustered};
INSERT INTO seal (one, hash) VALUES (1, '');
