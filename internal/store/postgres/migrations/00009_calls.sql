-- +goose Up
-- Calls that were carried out, with what of their answers cannot be read again later. Those of the last day are forgotten
-- with this: who repeats one of them makes it again, which changes nothing.
DROP TABLE calls;
CREATE TABLE calls (
    account integer NOT NULL REFERENCES accounts (key) ON DELETE CASCADE,
    call    bytea NOT NULL, -- 16 bytes: SHA-256 of the idempotency key, cut
    digest  bytea NOT NULL,
    at      bigint NOT NULL,
    outcome bytea,          -- NULL: nothing has to be kept
    PRIMARY KEY (account, call)
);
CREATE INDEX calls_at ON calls (account, at);
