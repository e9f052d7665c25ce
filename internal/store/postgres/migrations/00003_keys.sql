-- +goose Up
-- People's keys. The account can open none of them.
CREATE TABLE person_keys (
    account       integer NOT NULL,
    user_seq      bigint NOT NULL,
    serial        bigint NOT NULL,
    public        bytea NOT NULL,
    sealed        bytea NOT NULL,
    sign_in       bytea NOT NULL,
    attestation   bytea NOT NULL,
    sessions_from bigint NOT NULL,
    PRIMARY KEY (account, user_seq),
    FOREIGN KEY (account, user_seq) REFERENCES users (account, seq) ON DELETE CASCADE
);

CREATE TABLE invitations (
    account    integer NOT NULL,
    user_seq   bigint NOT NULL,
    number     bigint NOT NULL,
    state      text COLLATE "C" NOT NULL,
    email      text NOT NULL,
    evidence   bytea NOT NULL,
    generation bigint NOT NULL,
    commitment bytea NOT NULL,
    link       text NOT NULL,
    sent       bigint NOT NULL, -- 0: not yet
    expires    bigint NOT NULL,
    reason     text NOT NULL,
    proposed   bigint NOT NULL, -- when the person accepted; 0: not yet
    public     bytea NOT NULL,
    sealed     bytea NOT NULL,
    sign_in    bytea NOT NULL,
    possession bytea NOT NULL,
    proof      bytea NOT NULL,
    PRIMARY KEY (account, user_seq),
    FOREIGN KEY (account, user_seq) REFERENCES users (account, seq) ON DELETE CASCADE
);
-- What is done with is not in the index, so that those who are in do not weigh on it.
CREATE INDEX invitations_state ON invitations (account, state, user_seq) WHERE state <> 'CONFIRMED';
-- Those that the bridge delivers apart from those in the outbox, which may be many.
CREATE INDEX invitations_unsent ON invitations (account, user_seq) WHERE state = 'OPEN' AND sent = 0 AND link = '';
CREATE INDEX invitations_outbox ON invitations (account, user_seq) WHERE state = 'OPEN' AND sent = 0 AND link <> '';
CREATE INDEX invitations_expires ON invitations (account, expires) WHERE state = 'OPEN';

-- Who waits for the bridge.
CREATE TABLE due (
    account  integer NOT NULL,
    user_seq bigint NOT NULL,
    PRIMARY KEY (account, user_seq),
    FOREIGN KEY (account, user_seq) REFERENCES users (account, seq) ON DELETE CASCADE
);

ALTER TABLE groups ADD COLUMN serial bigint NOT NULL DEFAULT 0;      -- of the group's key; 0: none
ALTER TABLE groups ADD COLUMN rotate boolean NOT NULL DEFAULT false; -- a new key is wanted
ALTER TABLE groups ADD COLUMN outdated bigint NOT NULL DEFAULT 0;    -- members with a grant of an older key only
CREATE INDEX groups_unkeyed ON groups (account, seq) WHERE managed AND NOT privileged AND (serial = 0 OR rotate);

ALTER TABLE memberships ADD COLUMN evidence bytea;
ALTER TABLE memberships ADD COLUMN granted bigint NOT NULL DEFAULT 0; -- serial of the newest grant; 0: none; -1: refused

CREATE TABLE grants (
    account       integer NOT NULL,
    group_seq     bigint NOT NULL,
    holder        text COLLATE "C" NOT NULL,
    holder_kind   text COLLATE "C" NOT NULL,
    holder_serial bigint NOT NULL,
    serial        bigint NOT NULL,
    sealed        bytea NOT NULL,
    PRIMARY KEY (account, group_seq, holder, holder_kind, holder_serial, serial),
    FOREIGN KEY (account, group_seq) REFERENCES groups (account, seq) ON DELETE CASCADE
);
CREATE INDEX grants_holder ON grants (account, holder, holder_kind, holder_serial, group_seq, serial);

CREATE TABLE attestations (
    account integer NOT NULL REFERENCES accounts (key) ON DELETE CASCADE,
    kind    text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    serial  bigint NOT NULL,
    body    bytea NOT NULL,
    PRIMARY KEY (account, kind, subject, serial)
);

CREATE TABLE generations (
    account      integer NOT NULL REFERENCES accounts (key) ON DELETE CASCADE,
    number       bigint NOT NULL,
    integration  text NOT NULL,
    signer       bytea NOT NULL,
    attestation  bytea NOT NULL,
    created      bigint NOT NULL,
    expires      bigint NOT NULL, -- 0: not until it is replaced
    ended        boolean NOT NULL,
    last_contact bigint NOT NULL, -- 0: never
    version      text NOT NULL,
    client       text NOT NULL,
    PRIMARY KEY (account, number)
);

-- Calls that were carried out, by their idempotency keys.
CREATE TABLE calls (
    account integer NOT NULL REFERENCES accounts (key) ON DELETE CASCADE,
    call    text COLLATE "C" NOT NULL,
    digest  bytea NOT NULL,
    at      bigint NOT NULL,
    PRIMARY KEY (account, call)
);
CREATE INDEX calls_at ON calls (account, at);
