package sqlite

import (
	"bytes"
	"strings"

	"github.com/scimbridge/scimbridge/internal/account"
)

const userColumns = `u.seq, u.id, u.user_name, u.sign_in_name, u.email, u.name, u.language, u.external_id, u.state,
	u.managed, u.protection, u.released, u.accepted, u.stale, u.addresses, u.revision, u.created, u.modified, u.profile`

const fromUsers = " FROM users u "

func scanUser(s *stmt, u *account.UserRow) {
	u.Seq, u.ID, u.UserName = s.int(0), s.text(1), s.text(2)
	u.SignInName, u.Email = s.same(3, u.UserName), s.same(4, u.UserName)
	u.Name, u.Language, u.ExternalID, u.State = s.text(5), s.text(6), s.text(7), s.state(8)
	u.Managed, u.Protection, u.Released, u.Accepted, u.ProfileStale = s.bool(9), s.text(10), s.bool(11), s.bool(12), s.bool(13)
	if addresses := s.text(14); addresses != "" {
		u.Addresses = strings.Split(addresses, "\n")
	}
	u.Revision, u.Created, u.Modified, u.Profile = s.int(15), s.time(16), s.time(17), s.blob(18)
}

const (
	userByID   = "SELECT " + userColumns + fromUsers + "WHERE u.id = ?"
	userByName = "SELECT " + userColumns + fromUsers + `WHERE u.seq IN (
		SELECT seq FROM users WHERE user_name_key = ?1 AND state <> 'DELETED'
		UNION ALL SELECT seq FROM users WHERE sign_in_key = ?1 AND sign_in_key IS NOT NULL AND state <> 'DELETED') LIMIT 1`
)

func (t *tx) UserByID(id string) (u account.UserRow, err error) {
	err = t.one(userByID, []any{id}, func(s *stmt) { scanUser(s, &u) })
	return u, err
}

func (t *tx) UserByName(folded string) (u account.UserRow, err error) {
	err = t.one(userByName, []any{folded}, func(s *stmt) { scanUser(s, &u) })
	return u, err
}

func (t *tx) UserID(seq int64) (id string, err error) {
	err = t.one("SELECT id FROM users WHERE seq = ?", []any{seq}, func(s *stmt) { id = s.text(0) })
	return id, err
}

// keys are a user's folded names; nil where they are the user name's.
func keys(u *account.UserRow) (userName string, signIn, email any) {
	userName = account.Fold(u.UserName)
	if k := account.Fold(u.SignInName); k != userName {
		signIn = k
	}
	if k := account.Fold(u.Email); k != userName {
		email = k
	}
	return userName, signIn, email
}

func (t *tx) InsertUser(u *account.UserRow) error {
	userName, signIn, email := keys(u)
	seq, err := t.insert(`INSERT INTO users (id, user_name, user_name_key, sign_in_name, sign_in_key, email, email_key, name, name_key,
		language, external_id, state, active, managed, protection, released, accepted, stale, visible, addresses, revision, created, modified, profile)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		u.ID, u.UserName, userName, u.SignInName, signIn, u.Email, email, u.Name, account.Fold(u.Name),
		u.Language, u.ExternalID, string(u.State), u.State.Live(), u.Managed, u.Protection, u.Released, u.Accepted, u.ProfileStale, u.Visible(),
		strings.Join(u.Addresses, "\n"), u.Revision, u.Created.UnixMilli(), u.Modified.UnixMilli(), u.Profile)
	if err != nil {
		return err
	}
	u.Seq = seq
	if err := t.indexAddresses(seq, u.Addresses); err != nil {
		return err
	}
	return t.tally(seq, one(u.Visible()), one(u.Visible() && u.State.Live()))
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (t *tx) indexAddresses(seq int64, addresses []string) error {
	for _, a := range addresses {
		if _, err := t.exec("INSERT OR IGNORE INTO addresses (address_key, user) VALUES (?, ?)", account.Fold(a), seq); err != nil {
			return err
		}
	}
	return nil
}

// bucketBits: a bucket of the tallies covers 512 sequence numbers. Fewer would make more buckets to add up, more
// would make a deep page walk further to its beginning; at 100,000 people both cost about the same.
const bucketBits = 9

func (t *tx) tally(seq int64, users, live int) error {
	if users == 0 && live == 0 {
		return nil
	}
	_, err := t.exec("INSERT INTO tallies (bucket, users, live) VALUES (?, ?, ?) ON CONFLICT (bucket) DO UPDATE SET users = users + excluded.users, live = live + excluded.live",
		seq>>bucketBits, users, live)
	return err
}

func (t *tx) UpdateUser(old, u *account.UserRow) error {
	if err := t.tally(u.Seq, one(u.Visible())-one(old.Visible()), one(u.Visible() && u.State.Live())-one(old.Visible() && old.State.Live())); err != nil {
		return err
	}
	if !bytes.Equal(old.Profile, u.Profile) {
		if _, err := t.exec("UPDATE users SET profile = ? WHERE seq = ?", u.Profile, u.Seq); err != nil {
			return err
		}
	}
	addresses := strings.Join(u.Addresses, "\n")
	if addresses != strings.Join(old.Addresses, "\n") {
		if _, err := t.exec("DELETE FROM addresses WHERE user = ?", u.Seq); err != nil {
			return err
		}
		if err := t.indexAddresses(u.Seq, u.Addresses); err != nil {
			return err
		}
	}
	if sameNames(old, u) {
		_, err := t.exec(`UPDATE users SET state = ?, active = ?, managed = ?, protection = ?, released = ?, accepted = ?, stale = ?, revision = ?, modified = ? WHERE seq = ?`,
			string(u.State), u.State.Live(), u.Managed, u.Protection, u.Released, u.Accepted, u.ProfileStale, u.Revision, u.Modified.UnixMilli(), u.Seq)
		return err
	}
	userName, signIn, email := keys(u)
	_, err := t.exec(`UPDATE users SET user_name = ?, user_name_key = ?, sign_in_name = ?, sign_in_key = ?, email = ?, email_key = ?, name = ?, name_key = ?,
		language = ?, external_id = ?, state = ?, active = ?, managed = ?, protection = ?, released = ?, accepted = ?, stale = ?, visible = ?, addresses = ?, revision = ?, modified = ? WHERE seq = ?`,
		u.UserName, userName, u.SignInName, signIn, u.Email, email, u.Name, account.Fold(u.Name),
		u.Language, u.ExternalID, string(u.State), u.State.Live(), u.Managed, u.Protection, u.Released, u.Accepted, u.ProfileStale, u.Visible(), addresses, u.Revision, u.Modified.UnixMilli(), u.Seq)
	return err
}

// sameNames tells whether neither names nor visibility change, which leaves six indexes alone.
func sameNames(a, b *account.UserRow) bool {
	return a.UserName == b.UserName && a.SignInName == b.SignInName && a.Email == b.Email && a.Name == b.Name &&
		a.Language == b.Language && a.ExternalID == b.ExternalID && len(a.Addresses) == len(b.Addresses) &&
		strings.Join(a.Addresses, "\n") == strings.Join(b.Addresses, "\n") && (a.State == account.Deleted) == (b.State == account.Deleted) &&
		a.Visible() == b.Visible()
}

func (t *tx) CountActive(group int64) (int, error) {
	n, err := t.number("SELECT count(*) FROM memberships m JOIN users u ON u.seq = m.user_seq WHERE m.group_seq = ? AND u.state = 'ACTIVE'", group)
	return int(n), err
}
