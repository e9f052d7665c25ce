-- +goose Up
-- Which bridge does what one at a time is to do.
CREATE TABLE leases (
    name       TEXT PRIMARY KEY,
    number     INTEGER NOT NULL,
    holder     TEXT NOT NULL,
    generation INTEGER NOT NULL,
    expires    INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
