-- +goose Up
CREATE TABLE settings (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID, STRICT;

-- The narrow table is what look-ups, counts and pages read; the profile, most of the bytes, lies apart.
CREATE TABLE users (
    seq           INTEGER PRIMARY KEY,
    id            TEXT NOT NULL UNIQUE,
    user_name     TEXT NOT NULL,
    user_name_key TEXT NOT NULL,
    sign_in_name  TEXT NOT NULL,
    sign_in_key   TEXT,             -- NULL: the same as user_name_key
    email         TEXT NOT NULL,
    email_key     TEXT,             -- NULL: the same as user_name_key
    name          TEXT NOT NULL,
    name_key      TEXT NOT NULL,
    language      TEXT NOT NULL,
    external_id   TEXT NOT NULL,
    state         TEXT NOT NULL,
    active        INTEGER NOT NULL,
    managed       INTEGER NOT NULL,
    protection    TEXT NOT NULL,
    released      INTEGER NOT NULL,
    stale         INTEGER NOT NULL,
    visible       INTEGER NOT NULL, -- neither released nor deleted
    addresses     TEXT NOT NULL,    -- further addresses, one a line
    revision      INTEGER NOT NULL,
    created       INTEGER NOT NULL, -- milliseconds since 1970
    modified      INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX users_user_name ON users (user_name_key) WHERE state <> 'DELETED';
CREATE UNIQUE INDEX users_sign_in ON users (sign_in_key) WHERE sign_in_key IS NOT NULL AND state <> 'DELETED';
CREATE INDEX users_email ON users (email_key) WHERE email_key IS NOT NULL;
CREATE INDEX users_name ON users (name_key);
CREATE INDEX users_external_id ON users (external_id) WHERE external_id <> '';
CREATE INDEX users_inactive ON users (seq) WHERE visible = 1 AND active = 0;
CREATE INDEX users_modified ON users (modified);
CREATE INDEX users_created ON users (created);

CREATE TABLE profiles (
    user    INTEGER PRIMARY KEY REFERENCES users (seq) ON DELETE CASCADE,
    profile BLOB NOT NULL
) STRICT;

CREATE TABLE addresses (
    address_key TEXT NOT NULL,
    user        INTEGER NOT NULL REFERENCES users (seq) ON DELETE CASCADE,
    PRIMARY KEY (address_key, user)
) WITHOUT ROWID, STRICT;
CREATE INDEX addresses_user ON addresses (user);

-- How many users are visible in each 1,024 sequence numbers: totals and deep pages without walking all rows.
CREATE TABLE tallies (
    bucket INTEGER PRIMARY KEY,
    users  INTEGER NOT NULL,
    live   INTEGER NOT NULL -- of these, those that SCIM calls active
) STRICT;

CREATE TABLE groups (
    seq          INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    name         TEXT NOT NULL,
    name_key     TEXT NOT NULL,
    external_id  TEXT NOT NULL,
    profile      BLOB,
    managed      INTEGER NOT NULL,
    mode         TEXT NOT NULL,
    privileged   INTEGER NOT NULL,
    members      INTEGER NOT NULL,
    through_scim INTEGER NOT NULL,
    revision     INTEGER NOT NULL,
    created      INTEGER NOT NULL,
    modified     INTEGER NOT NULL
) STRICT;
CREATE INDEX groups_name ON groups (name_key);
CREATE INDEX groups_external_id ON groups (external_id) WHERE external_id <> '';
CREATE INDEX groups_modified ON groups (modified);
CREATE INDEX groups_created ON groups (created);

CREATE TABLE memberships (
    group_seq INTEGER NOT NULL REFERENCES groups (seq) ON DELETE CASCADE,
    user_seq  INTEGER NOT NULL REFERENCES users (seq) ON DELETE CASCADE,
    source    TEXT NOT NULL,
    PRIMARY KEY (group_seq, user_seq)
) WITHOUT ROWID, STRICT;
CREATE INDEX memberships_user ON memberships (user_seq, group_seq);

CREATE TABLE activity (
    number    INTEGER PRIMARY KEY,
    time      INTEGER NOT NULL,
    caller    TEXT NOT NULL,
    request   TEXT NOT NULL,
    verb      TEXT NOT NULL,
    object    TEXT NOT NULL,
    object_id TEXT NOT NULL,
    detail    TEXT NOT NULL
) STRICT;

CREATE TABLE activity_links (
    number INTEGER PRIMARY KEY,
    first  INTEGER NOT NULL,
    last   INTEGER NOT NULL,
    hash   BLOB NOT NULL
) STRICT;
