-- +goose Up
-- Calls that were carried out, with what of their answers cannot be read again later. They lie in the order in which they
-- came, so that only a small index is written at random and the oldest go without one. Those of the last day are forgotten
-- with this: who repeats one of them makes it again, which changes nothing.
DROP TABLE calls;
CREATE TABLE calls (
    number  INTEGER PRIMARY KEY,
    call    BLOB NOT NULL UNIQUE, -- 16 bytes: SHA-256 of the idempotency key, cut
    digest  BLOB NOT NULL,
    at      INTEGER NOT NULL,
    outcome BLOB                  -- NULL: nothing has to be kept
) STRICT;
