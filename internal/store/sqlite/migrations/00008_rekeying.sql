-- +goose Up
-- The groups whose newest key has not reached everybody yet, for people to see how far it has come.
CREATE INDEX groups_outdated ON groups (id) WHERE managed = 1 AND privileged = 0 AND outdated > 0;
