-- +goose Up
-- In SQLite the profile comes to lie in the person's row. Here it stays apart: PostgreSQL writes a row anew with every
-- change, and most changes leave the profile alone.

-- To pass over the people of a bucket of the tallies without reading their rows.
CREATE INDEX users_visible ON users (account, seq) WHERE visible;
