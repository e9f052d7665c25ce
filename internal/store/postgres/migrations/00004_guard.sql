-- +goose Up
-- What the guard counts, by minute.
CREATE TABLE guard (
    account integer NOT NULL REFERENCES accounts (key) ON DELETE CASCADE,
    kind    text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    minute  bigint NOT NULL,
    n       bigint NOT NULL,
    PRIMARY KEY (account, kind, subject, minute)
);

-- Changes that wait for an administrator.
CREATE TABLE held (
    account integer NOT NULL REFERENCES accounts (key) ON DELETE CASCADE,
    kind    text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    users   text NOT NULL, -- ids, separated by spaces
    at      bigint NOT NULL,
    PRIMARY KEY (account, kind, subject)
);
