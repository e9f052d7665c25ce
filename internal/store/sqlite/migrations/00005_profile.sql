-- +goose Up
-- The profile comes to lie in the person's row, as the last column: a look-up reads one page where it read two.
ALTER TABLE users ADD COLUMN profile BLOB;
UPDATE users SET profile = (SELECT p.profile FROM profiles p WHERE p.user = users.seq);
DROP TABLE profiles;

-- To pass over the people of a bucket of the tallies without reading their rows.
CREATE INDEX users_visible ON users (seq) WHERE visible = 1;
