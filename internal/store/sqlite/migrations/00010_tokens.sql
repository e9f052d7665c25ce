-- +goose Up
-- Which bearer token is that of a generation, by its key id, which is no secret; empty: not known. After a restore two
-- generations may have had the same number.
ALTER TABLE generations ADD COLUMN token TEXT NOT NULL DEFAULT '';
