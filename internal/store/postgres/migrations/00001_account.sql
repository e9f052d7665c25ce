-- +goose Up
-- Each account of the database. Every other table carries its key, first in every primary key and index. Whatever is
-- compared or sorted is so byte by byte, as in SQLite: COLLATE "C".
CREATE TABLE accounts (
    key integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id  text COLLATE "C" NOT NULL CONSTRAINT accounts_id UNIQUE
);

-- The last batch of changes that each writer has committed. It tells a writer that lost its connection within a
-- commit whether that commit is there.
CREATE TABLE writers (
    account integer NOT NULL REFERENCES accounts (key) ON DELETE CASCADE,
    writer  text COLLATE "C" NOT NULL,
    batch   bigint NOT NULL,
    at      timestamptz NOT NULL,
    PRIMARY KEY (account, writer)
);

CREATE TABLE settings (
    account integer NOT NULL REFERENCES accounts (key) ON DELETE CASCADE,
    key     text COLLATE "C" NOT NULL,
    value   text NOT NULL,
    PRIMARY KEY (account, key)
);

-- The narrow table is what look-ups, counts and pages read; the profile, most of the bytes, lies apart.
CREATE TABLE users (
    account       integer NOT NULL REFERENCES accounts (key) ON DELETE CASCADE,
    seq           bigint NOT NULL,
    id            text COLLATE "C" NOT NULL,
    user_name     text NOT NULL,
    user_name_key text COLLATE "C" NOT NULL,
    sign_in_name  text NOT NULL,
    sign_in_key   text COLLATE "C",          -- NULL: the same as user_name_key
    email         text NOT NULL,
    email_key     text COLLATE "C",          -- NULL: the same as user_name_key
    name          text NOT NULL,
    name_key      text COLLATE "C" NOT NULL,
    language      text NOT NULL,
    external_id   text COLLATE "C" NOT NULL,
    state         text COLLATE "C" NOT NULL,
    active        boolean NOT NULL,
    managed       boolean NOT NULL,
    protection    text NOT NULL,
    released      boolean NOT NULL,
    stale         boolean NOT NULL,
    visible       boolean NOT NULL,          -- neither released nor deleted
    addresses     text NOT NULL,             -- further addresses, one a line
    revision      bigint NOT NULL,
    created       bigint NOT NULL,           -- milliseconds since 1970
    modified      bigint NOT NULL,
    PRIMARY KEY (account, seq),
    CONSTRAINT users_id UNIQUE (account, id)
);
CREATE UNIQUE INDEX users_user_name ON users (account, user_name_key) WHERE state <> 'DELETED';
CREATE UNIQUE INDEX users_sign_in ON users (account, sign_in_key) WHERE sign_in_key IS NOT NULL AND state <> 'DELETED';
CREATE INDEX users_email ON users (account, email_key) WHERE email_key IS NOT NULL;
CREATE INDEX users_name ON users (account, name_key, seq);
CREATE INDEX users_external_id ON users (account, external_id, seq) WHERE external_id <> '';
CREATE INDEX users_inactive ON users (account, seq) WHERE visible AND NOT active;
CREATE INDEX users_modified ON users (account, modified, seq);
CREATE INDEX users_created ON users (account, created, seq);

CREATE TABLE profiles (
    account  integer NOT NULL,
    user_seq bigint NOT NULL,
    profile  bytea NOT NULL,
    PRIMARY KEY (account, user_seq),
    FOREIGN KEY (account, user_seq) REFERENCES users (account, seq) ON DELETE CASCADE
);

CREATE TABLE addresses (
    account     integer NOT NULL,
    address_key text COLLATE "C" NOT NULL,
    user_seq    bigint NOT NULL,
    PRIMARY KEY (account, address_key, user_seq),
    FOREIGN KEY (account, user_seq) REFERENCES users (account, seq) ON DELETE CASCADE
);
CREATE INDEX addresses_user ON addresses (account, user_seq);

-- How many users are visible in each bucket of sequence numbers: totals and deep pages without walking all rows.
CREATE TABLE tallies (
    account integer NOT NULL REFERENCES accounts (key) ON DELETE CASCADE,
    bucket  bigint NOT NULL,
    users   bigint NOT NULL,
    live    bigint NOT NULL, -- of these, those that SCIM calls active
    PRIMARY KEY (account, bucket)
);

CREATE TABLE groups (
    account      integer NOT NULL REFERENCES accounts (key) ON DELETE CASCADE,
    seq          bigint NOT NULL,
    id           text COLLATE "C" NOT NULL,
    name         text NOT NULL,
    name_key     text COLLATE "C" NOT NULL,
    external_id  text COLLATE "C" NOT NULL,
    profile      bytea,
    managed      boolean NOT NULL,
    mode         text COLLATE "C" NOT NULL,
    privileged   boolean NOT NULL,
    members      bigint NOT NULL,
    through_scim bigint NOT NULL,
    revision     bigint NOT NULL,
    created      bigint NOT NULL,
    modified     bigint NOT NULL,
    PRIMARY KEY (account, seq),
    CONSTRAINT groups_id UNIQUE (account, id)
);
CREATE INDEX groups_name ON groups (account, name_key, seq);
CREATE INDEX groups_external_id ON groups (account, external_id, seq) WHERE external_id <> '';
CREATE INDEX groups_modified ON groups (account, modified, seq);
CREATE INDEX groups_created ON groups (account, created, seq);

CREATE TABLE memberships (
    account   integer NOT NULL,
    group_seq bigint NOT NULL,
    user_seq  bigint NOT NULL,
    source    text COLLATE "C" NOT NULL,
    PRIMARY KEY (account, group_seq, user_seq),
    FOREIGN KEY (account, group_seq) REFERENCES groups (account, seq) ON DELETE CASCADE,
    FOREIGN KEY (account, user_seq) REFERENCES users (account, seq) ON DELETE CASCADE
);
CREATE INDEX memberships_user ON memberships (account, user_seq, group_seq);

CREATE TABLE activity (
    account   integer NOT NULL REFERENCES accounts (key) ON DELETE CASCADE,
    number    bigint NOT NULL,
    time      bigint NOT NULL,
    caller    text NOT NULL,
    request   text NOT NULL,
    verb      text NOT NULL,
    object    text NOT NULL,
    object_id text NOT NULL,
    detail    text NOT NULL,
    PRIMARY KEY (account, number)
);

CREATE TABLE activity_links (
    account integer NOT NULL REFERENCES accounts (key) ON DELETE CASCADE,
    number  bigint NOT NULL,
    first   bigint NOT NULL,
    last    bigint NOT NULL,
    hash    bytea NOT NULL,
    PRIMARY KEY (account, number)
);
