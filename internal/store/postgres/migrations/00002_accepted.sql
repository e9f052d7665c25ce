-- +goose Up
-- Who had accepted before being suspended comes back as accepted.
ALTER TABLE users ADD COLUMN accepted boolean NOT NULL DEFAULT false;

-- Orders by external id need those without one as well.
DROP INDEX users_external_id;
CREATE INDEX users_external_id ON users (account, external_id, seq);
DROP INDEX groups_external_id;
CREATE INDEX groups_external_id ON groups (account, external_id, seq);

-- Totals without reading the groups themselves.
CREATE INDEX groups_visible ON groups (account, seq) WHERE managed AND NOT privileged;

-- The groups of a page of people from the index alone.
DROP INDEX memberships_user;
CREATE INDEX memberships_user ON memberships (account, user_seq, group_seq, source);

-- Buckets of 512 sequence numbers from now on.
DELETE FROM tallies;
INSERT INTO tallies (account, bucket, users, live)
    SELECT account, seq >> 9, count(*) FILTER (WHERE visible), count(*) FILTER (WHERE visible AND active) FROM users GROUP BY account, seq >> 9;
