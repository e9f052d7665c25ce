-- +goose Up
-- Who had accepted before being suspended comes back as accepted.
ALTER TABLE users ADD COLUMN accepted INTEGER NOT NULL DEFAULT 0;

-- Orders by external id need those without one as well.
DROP INDEX users_external_id;
CREATE INDEX users_external_id ON users (external_id);
DROP INDEX groups_external_id;
CREATE INDEX groups_external_id ON groups (external_id);

-- Totals without reading the groups themselves.
CREATE INDEX groups_visible ON groups (seq) WHERE managed = 1 AND privileged = 0;

-- The groups of a page of people from the index alone.
DROP INDEX memberships_user;
CREATE INDEX memberships_user ON memberships (user_seq, group_seq, source);

-- Buckets of 512 sequence numbers from now on.
DELETE FROM tallies;
INSERT INTO tallies (bucket, users, live)
    SELECT seq >> 9, sum(visible), sum(visible AND active) FROM users GROUP BY seq >> 9;
