-- +goose Up
-- The groups whose newest key has not reached everybody yet, for people to see how far it has come.
CREATE INDEX groups_outdated ON groups (account, id) WHERE managed AND NOT privileged AND outdated > 0;
