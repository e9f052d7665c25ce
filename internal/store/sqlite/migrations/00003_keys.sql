-- +goose Up
-- People's keys. The account can open none of them.
CREATE TABLE person_keys (
    user          INTEGER PRIMARY KEY REFERENCES users (seq) ON DELETE CASCADE,
    serial        INTEGER NOT NULL,
    public        BLOB NOT NULL,
    sealed        BLOB NOT NULL,
    sign_in       BLOB NOT NULL,
    attestation   BLOB NOT NULL,
    sessions_from INTEGER NOT NULL
) STRICT;

CREATE TABLE invitations (
    user       INTEGER PRIMARY KEY REFERENCES users (seq) ON DELETE CASCADE,
    number     INTEGER NOT NULL,
    state      TEXT NOT NULL,
    email      TEXT NOT NULL,
    evidence   BLOB NOT NULL,
    generation INTEGER NOT NULL,
    commitment BLOB NOT NULL,
    link       TEXT NOT NULL,
    sent       INTEGER NOT NULL, -- 0: not yet
    expires    INTEGER NOT NULL,
    reason     TEXT NOT NULL,
    proposed   INTEGER NOT NULL, -- when the person accepted; 0: not yet
    public     BLOB NOT NULL,
    sealed     BLOB NOT NULL,
    sign_in    BLOB NOT NULL,
    possession BLOB NOT NULL,
    proof      BLOB NOT NULL
) STRICT;
-- What is done with is not in the index, so that those who are in do not weigh on it.
CREATE INDEX invitations_state ON invitations (state, user) WHERE state <> 'CONFIRMED';
-- Those that the bridge delivers apart from those in the outbox, which may be many.
CREATE INDEX invitations_unsent ON invitations (user) WHERE state = 'OPEN' AND sent = 0 AND link = '';
CREATE INDEX invitations_outbox ON invitations (user) WHERE state = 'OPEN' AND sent = 0 AND link <> '';
CREATE INDEX invitations_expires ON invitations (expires) WHERE state = 'OPEN';

-- Who waits for the bridge.
CREATE TABLE due (
    user INTEGER PRIMARY KEY REFERENCES users (seq) ON DELETE CASCADE
) STRICT;

ALTER TABLE groups ADD COLUMN serial INTEGER NOT NULL DEFAULT 0;   -- of the group's key; 0: none
ALTER TABLE groups ADD COLUMN rotate INTEGER NOT NULL DEFAULT 0;   -- a new key is wanted
ALTER TABLE groups ADD COLUMN outdated INTEGER NOT NULL DEFAULT 0; -- members with a grant of an older key only
CREATE INDEX groups_unkeyed ON groups (seq) WHERE managed = 1 AND privileged = 0 AND (serial = 0 OR rotate = 1);

ALTER TABLE memberships ADD COLUMN evidence BLOB;
ALTER TABLE memberships ADD COLUMN granted INTEGER NOT NULL DEFAULT 0; -- serial of the newest grant; 0: none; -1: refused

CREATE TABLE grants (
    group_seq     INTEGER NOT NULL REFERENCES groups (seq) ON DELETE CASCADE,
    holder        TEXT NOT NULL,
    holder_kind   TEXT NOT NULL,
    holder_serial INTEGER NOT NULL,
    serial        INTEGER NOT NULL,
    sealed        BLOB NOT NULL,
    PRIMARY KEY (group_seq, holder, holder_kind, holder_serial, serial)
) WITHOUT ROWID, STRICT;
CREATE INDEX grants_holder ON grants (holder, holder_kind, holder_serial, group_seq, serial);

CREATE TABLE attestations (
    kind    TEXT NOT NULL,
    subject TEXT NOT NULL,
    serial  INTEGER NOT NULL,
    body    BLOB NOT NULL,
    PRIMARY KEY (kind, subject, serial)
) WITHOUT ROWID, STRICT;

CREATE TABLE generations (
    number       INTEGER PRIMARY KEY,
    integration  TEXT NOT NULL,
    signer       BLOB NOT NULL,
    attestation  BLOB NOT NULL,
    created      INTEGER NOT NULL,
    expires      INTEGER NOT NULL, -- 0: not until it is replaced
    ended        INTEGER NOT NULL,
    last_contact INTEGER NOT NULL, -- 0: never
    version      TEXT NOT NULL,
    client       TEXT NOT NULL
) STRICT;

-- Calls that were carried out, by their idempotency keys.
CREATE TABLE calls (
    call   TEXT PRIMARY KEY,
    digest BLOB NOT NULL,
    at     INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE INDEX calls_at ON calls (at);
