-- +goose Up
-- Which bridge does what one at a time is to do.
CREATE TABLE leases (
    account    integer NOT NULL REFERENCES accounts (key) ON DELETE CASCADE,
    name       text COLLATE "C" NOT NULL,
    number     bigint NOT NULL,
    holder     text NOT NULL,
    generation bigint NOT NULL,
    expires    bigint NOT NULL,
    PRIMARY KEY (account, name)
);
