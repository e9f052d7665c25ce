package sqlite

import (
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
)

const userColumns = `u.seq, u.id, u.user_name, u.sign_in_name, u.email, u.name, u.language, u.external_id, u.state,
	u.managed, u.protection, u.released, u.stale, u.addresses, u.revision, u.created, u.modified, p.profile`

const fromUsers = " FROM users u LEFT JOIN profiles p ON p.user = u.seq "

func scanUser(r *row, u *account.UserRow) {
	u.Seq, u.ID, u.UserName, u.SignInName = r.int(), r.text(), r.text(), r.text()
	u.Email, u.Name, u.Language, u.ExternalID = r.text(), r.text(), r.text(), r.text()
	u.State, u.Managed, u.Protection, u.Released, u.ProfileStale = account.State(r.text()), r.bool(), r.text(), r.bool(), r.bool()
	if addresses := r.text(); addresses != "" {
		u.Addresses = strings.Split(addresses, "\n")
	}
	u.Revision, u.Created, u.Modified = r.int(), moment(r.int()), moment(r.int())
	u.Profile = r.bytes()
}

func moment(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func (t *tx) user(where string, args ...any) (account.UserRow, error) {
	var u account.UserRow
	err := t.one("SELECT "+userColumns+fromUsers+"WHERE "+where, args, func(r *row) { scanUser(r, &u) })
	return u, err
}

func (t *tx) UserByID(id string) (account.UserRow, error) { return t.user("u.id = ?", id) }

func (t *tx) UserByName(folded string) (account.UserRow, error) {
	return t.user(`u.seq IN (
		SELECT seq FROM users WHERE user_name_key = ?1 AND state <> 'DELETED'
		UNION ALL SELECT seq FROM users WHERE sign_in_key = ?1 AND sign_in_key IS NOT NULL AND state <> 'DELETED') LIMIT 1`, folded)
}

func (t *tx) UserID(seq int64) (string, error) {
	var id string
	err := t.one("SELECT id FROM users WHERE seq = ?", []any{seq}, func(r *row) { id = r.text() })
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
		language, external_id, state, active, managed, protection, released, stale, visible, addresses, revision, created, modified)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		u.ID, u.UserName, userName, u.SignInName, signIn, u.Email, email, u.Name, account.Fold(u.Name),
		u.Language, u.ExternalID, string(u.State), u.State.Live(), u.Managed, u.Protection, u.Released, u.ProfileStale, u.Visible(),
		strings.Join(u.Addresses, "\n"), u.Revision, u.Created.UnixMilli(), u.Modified.UnixMilli())
	if err != nil {
		return err
	}
	u.Seq = seq
	if len(u.Profile) > 0 {
		if _, err := t.exec("INSERT INTO profiles (user, profile) VALUES (?, ?)", seq, u.Profile); err != nil {
			return err
		}
	}
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

const (
	// bucketBits: a bucket of the tallies covers 256 sequence numbers, so that a deep page passes over 400 buckets of
	// 100,000 people and 128 rows on average.
	bucketBits = 8
	// allBuckets is the bucket that counts everybody.
	allBuckets = -1
)

func (t *tx) tally(seq int64, users, live int) error {
	if users == 0 && live == 0 {
		return nil
	}
	for _, bucket := range []int64{seq >> bucketBits, allBuckets} {
		_, err := t.exec("INSERT INTO tallies (bucket, users, live) VALUES (?, ?, ?) ON CONFLICT (bucket) DO UPDATE SET users = users + excluded.users, live = live + excluded.live",
			bucket, users, live)
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) UpdateUser(old, u *account.UserRow) error {
	if err := t.tally(u.Seq, one(u.Visible())-one(old.Visible()), one(u.Visible() && u.State.Live())-one(old.Visible() && old.State.Live())); err != nil {
		return err
	}
	if string(old.Profile) != string(u.Profile) {
		if _, err := t.exec("INSERT INTO profiles (user, profile) VALUES (?, ?) ON CONFLICT (user) DO UPDATE SET profile = excluded.profile", u.Seq, u.Profile); err != nil {
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
		_, err := t.exec(`UPDATE users SET state = ?, active = ?, managed = ?, protection = ?, released = ?, stale = ?, visible = ?, revision = ?, modified = ? WHERE seq = ?`,
			string(u.State), u.State.Live(), u.Managed, u.Protection, u.Released, u.ProfileStale, u.Visible(), u.Revision, u.Modified.UnixMilli(), u.Seq)
		return err
	}
	userName, signIn, email := keys(u)
	_, err := t.exec(`UPDATE users SET user_name = ?, user_name_key = ?, sign_in_name = ?, sign_in_key = ?, email = ?, email_key = ?, name = ?, name_key = ?,
		language = ?, external_id = ?, state = ?, active = ?, managed = ?, protection = ?, released = ?, stale = ?, visible = ?, addresses = ?, revision = ?, modified = ? WHERE seq = ?`,
		u.UserName, userName, u.SignInName, signIn, u.Email, email, u.Name, account.Fold(u.Name),
		u.Language, u.ExternalID, string(u.State), u.State.Live(), u.Managed, u.Protection, u.Released, u.ProfileStale, u.Visible(), addresses, u.Revision, u.Modified.UnixMilli(), u.Seq)
	return err
}

// sameNames tells whether only what is not indexed by name changes, which leaves five indexes alone.
func sameNames(a, b *account.UserRow) bool {
	return a.UserName == b.UserName && a.SignInName == b.SignInName && a.Email == b.Email && a.Name == b.Name &&
		a.Language == b.Language && a.ExternalID == b.ExternalID && len(a.Addresses) == len(b.Addresses) &&
		strings.Join(a.Addresses, "\n") == strings.Join(b.Addresses, "\n") && (a.State == account.Deleted) == (b.State == account.Deleted)
}

func (t *tx) CountActive(group int64) (int, error) {
	var n int
	err := t.one("SELECT count(*) FROM memberships m JOIN users u ON u.seq = m.user_seq WHERE m.group_seq = ? AND u.state = 'ACTIVE'", []any{group}, func(r *row) { n = int(r.int()) })
	return n, err
}
