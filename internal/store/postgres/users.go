package postgres

import (
	"bytes"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/internal/account"
)

const userColumns = `u.seq, u.id, u.user_name, u.sign_in_name, u.email, u.name, u.language, u.external_id, u.state,
	u.managed, u.protection, u.released, u.accepted, u.stale, u.addresses, u.revision, u.created, u.modified, p.profile`

const fromUsers = " FROM users u LEFT JOIN profiles p ON p.account = $1 AND p.user_seq = u.seq "

// userRow is where the columns of a user go.
type userRow struct {
	account.UserRow
	addresses string
	into      []any
}

// scan reads a row, which is good until the next one.
func (u *userRow) scan(r pgx.Rows) error {
	if u.into == nil {
		u.into = []any{
			&u.Seq, (*text)(&u.ID), (*text)(&u.UserName), (*text)(&u.SignInName), (*text)(&u.Email), (*text)(&u.Name), (*text)(&u.Language),
			(*text)(&u.ExternalID), (*text)(&u.State), &u.Managed, (*text)(&u.Protection), &u.Released, &u.Accepted, &u.ProfileStale,
			(*text)(&u.addresses), &u.Revision, (*millis)(&u.Created), (*millis)(&u.Modified), (*blob)(&u.Profile),
		}
	}
	u.Addresses = nil
	err := r.Scan(u.into...)
	if u.addresses != "" {
		u.Addresses = strings.Split(u.addresses, "\n")
	}
	return err
}

const (
	userByID   = "SELECT " + userColumns + fromUsers + "WHERE u.account = $1 AND u.id = $2"
	userBySeq  = "SELECT " + userColumns + fromUsers + "WHERE u.account = $1 AND u.seq = $2"
	userByName = "SELECT " + userColumns + fromUsers + `WHERE u.account = $1 AND u.seq IN (
		SELECT n.seq FROM users n WHERE n.account = $1 AND n.user_name_key = $2 AND n.state <> 'DELETED'
		UNION ALL SELECT s.seq FROM users s WHERE s.account = $1 AND s.sign_in_key = $2 AND s.sign_in_key IS NOT NULL AND s.state <> 'DELETED') LIMIT 1`
)

func (t *tx) user(query string, arg any) (account.UserRow, error) {
	var u userRow
	found := false
	err := t.rows(query, []any{arg}, func(r pgx.Rows) error {
		found = true
		return u.scan(r)
	})
	if err == nil && !found {
		err = account.ErrNotFound
	}
	return u.UserRow, err
}

func (t *tx) UserByID(id string) (account.UserRow, error) { return t.user(userByID, encode(id)) }

func (t *tx) UserByName(folded string) (account.UserRow, error) {
	return t.user(userByName, indexed(folded))
}

func (t *tx) UserBySeq(seq int64) (account.UserRow, error) { return t.user(userBySeq, seq) }

func (t *tx) UserID(seq int64) (string, error) {
	return t.ids.get(seq, func(from int64, n int, put func(int64, string)) error {
		return t.rows("SELECT seq, id FROM users WHERE account = $1 AND seq >= $2 ORDER BY seq"+limit(n), []any{from}, func(r pgx.Rows) error {
			var seq int64
			var id text
			err := r.Scan(&seq, &id)
			put(seq, string(id))
			return err
		})
	})
}

// keys are a user's folded names as they are indexed; nil where they are the user name's.
func keys(u *account.UserRow) (userName string, signIn, email any) {
	userName = account.Fold(u.UserName)
	if k := account.Fold(u.SignInName); k != userName {
		signIn = indexed(k)
	}
	if k := account.Fold(u.Email); k != userName {
		email = indexed(k)
	}
	return indexed(userName), signIn, email
}

func lines(list []string) string { return encode(strings.Join(list, "\n")) }

func (t *tx) InsertUser(u *account.UserRow) error {
	if t.writer == nil {
		return errReading
	}
	userName, signIn, email := keys(u)
	seq := t.writer.user + 1
	list := []statement{{text: `INSERT INTO users (account, seq, id, user_name, user_name_key, sign_in_name, sign_in_key, email, email_key, name, name_key,
		language, external_id, state, active, managed, protection, released, accepted, stale, visible, addresses, revision, created, modified)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)`, args: []any{
		seq, encode(u.ID), encode(u.UserName), userName, encode(u.SignInName), signIn, encode(u.Email), email, encode(u.Name), indexed(account.Fold(u.Name)),
		encode(u.Language), encode(u.ExternalID), encode(string(u.State)), u.State.Live(), u.Managed, encode(u.Protection), u.Released, u.Accepted, u.ProfileStale,
		u.Visible(), lines(u.Addresses), u.Revision, u.Created.UnixMilli(), u.Modified.UnixMilli(),
	}}}
	if len(u.Profile) > 0 {
		list = append(list, putProfile(seq, u.Profile))
	}
	list = append(list, indexAddresses(seq, u.Addresses)...)
	list = append(list, tally(seq, one(u.Visible()), one(u.Visible() && u.State.Live()))...)
	if _, err := t.execAll(list...); err != nil {
		return err
	}
	u.Seq, t.writer.user = seq, seq
	return nil
}

func one(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func putProfile(seq int64, profile []byte) statement {
	return statement{
		text: "INSERT INTO profiles (account, user_seq, profile) VALUES ($1, $2, $3) ON CONFLICT (account, user_seq) DO UPDATE SET profile = excluded.profile",
		args: []any{seq, bytesOf(profile)},
	}
}

func indexAddresses(seq int64, addresses []string) []statement {
	if len(addresses) == 0 {
		return nil
	}
	list := make([]string, len(addresses))
	for i, a := range addresses {
		list[i] = indexed(account.Fold(a))
	}
	return []statement{{text: "INSERT INTO addresses (account, address_key, user_seq) SELECT $1, a, $3 FROM unnest($2::text[]) a ON CONFLICT DO NOTHING", args: []any{list, seq}}}
}

// bucketBits: a bucket of the tallies covers 512 sequence numbers. Fewer would make more buckets to add up, more
// would make a deep page walk further to its beginning; at 100,000 people both cost about the same.
const bucketBits = 9

func tally(seq, users, live int64) []statement {
	if users == 0 && live == 0 {
		return nil
	}
	return []statement{{text: `INSERT INTO tallies (account, bucket, users, live) VALUES ($1, $2, $3, $4)
		ON CONFLICT (account, bucket) DO UPDATE SET users = tallies.users + excluded.users, live = tallies.live + excluded.live`, args: []any{seq >> bucketBits, users, live}}}
}

func (t *tx) UpdateUser(old, u *account.UserRow) error {
	list := tally(u.Seq, one(u.Visible())-one(old.Visible()), one(u.Visible() && u.State.Live())-one(old.Visible() && old.State.Live()))
	if !bytes.Equal(old.Profile, u.Profile) {
		list = append(list, putProfile(u.Seq, u.Profile))
	}
	addresses := lines(u.Addresses)
	if addresses != lines(old.Addresses) {
		list = append(list, statement{text: "DELETE FROM addresses WHERE account = $1 AND user_seq = $2", args: []any{u.Seq}})
		list = append(list, indexAddresses(u.Seq, u.Addresses)...)
	}
	if sameNames(old, u) {
		list = append(list, statement{text: `UPDATE users SET state = $3, active = $4, managed = $5, protection = $6, released = $7, accepted = $8, stale = $9,
			visible = $10, revision = $11, modified = $12 WHERE account = $1 AND seq = $2`, args: []any{
			u.Seq, encode(string(u.State)), u.State.Live(), u.Managed, encode(u.Protection), u.Released, u.Accepted, u.ProfileStale, u.Visible(), u.Revision, u.Modified.UnixMilli(),
		}})
		_, err := t.execAll(list...)
		return err
	}
	userName, signIn, email := keys(u)
	list = append(list, statement{text: `UPDATE users SET user_name = $3, user_name_key = $4, sign_in_name = $5, sign_in_key = $6, email = $7, email_key = $8,
		name = $9, name_key = $10, language = $11, external_id = $12, state = $13, active = $14, managed = $15, protection = $16, released = $17, accepted = $18,
		stale = $19, visible = $20, addresses = $21, revision = $22, modified = $23 WHERE account = $1 AND seq = $2`, args: []any{
		u.Seq, encode(u.UserName), userName, encode(u.SignInName), signIn, encode(u.Email), email, encode(u.Name), indexed(account.Fold(u.Name)),
		encode(u.Language), encode(u.ExternalID), encode(string(u.State)), u.State.Live(), u.Managed, encode(u.Protection), u.Released, u.Accepted, u.ProfileStale,
		u.Visible(), addresses, u.Revision, u.Modified.UnixMilli(),
	}})
	_, err := t.execAll(list...)
	return err
}

// sameNames tells whether only what is not indexed by name changes, which leaves five indexes alone.
func sameNames(a, b *account.UserRow) bool {
	return a.UserName == b.UserName && a.SignInName == b.SignInName && a.Email == b.Email && a.Name == b.Name &&
		a.Language == b.Language && a.ExternalID == b.ExternalID && len(a.Addresses) == len(b.Addresses) &&
		strings.Join(a.Addresses, "\n") == strings.Join(b.Addresses, "\n") && (a.State == account.Deleted) == (b.State == account.Deleted)
}

func (t *tx) CountActive(group int64) (int, error) {
	n, err := t.number("SELECT count(*) FROM memberships m JOIN users u ON u.account = $1 AND u.seq = m.user_seq WHERE m.account = $1 AND m.group_seq = $2 AND u.state = 'ACTIVE'", group)
	return int(n), err
}
