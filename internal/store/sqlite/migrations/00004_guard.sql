-- +goose Up
-- What the guard counts, by minute.
CREATE TABLE guard (
    kind    TEXT NOT NULL,
    subject TEXT NOT NULL,
    minute  INTEGER NOT NULL,
    n       INTEGER NOT NULL,
    PRIMARY KEY (kind, subject, minute)
) WITHOUT ROWID, STRICT;

-- Changes that wait for an administrator.
CREATE TABLE held (
    kind    TEXT NOT NULL,
    subject TEXT NOT NULL,
    users   TEXT NOT NULL, -- ids, separated by spaces
    at      INTEGER NOT NULL,
    PRIMARY KEY (kind, subject)
) WITHOUT ROWID, STRICT;
