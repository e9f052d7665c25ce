package postgres

import (
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/internal/account"
)

// A membership's source is SCIM, MANUAL or BOTH.

func (t *tx) seqs(text string, args ...any) (list []int64, err error) {
	err = t.rows(text, args, func(r pgx.Rows) error {
		var n int64
		err := r.Scan(&n)
		list = append(list, n)
		return err
	})
	return list, err
}

func (t *tx) MemberSeqs(group int64, from account.Source) ([]int64, error) {
	return t.seqs("SELECT user_seq FROM memberships WHERE account = $1 AND group_seq = $2 AND ($3::text = '' OR source IN ($3, 'BOTH')) ORDER BY user_seq", group, string(from))
}

func (t *tx) Memberships(user int64) ([]int64, error) {
	return t.seqs("SELECT group_seq FROM memberships WHERE account = $1 AND user_seq = $2 ORDER BY group_seq", user)
}

func (t *tx) AddMembers(group int64, users []int64, from account.Source, evidence map[int64][]byte) (added, claimed []int64, err error) {
	proofs := func(users []int64) []any {
		list := make([][]byte, len(users))
		for i, u := range users {
			if e := evidence[u]; len(e) > 0 {
				list[i] = e
			}
		}
		return []any{list}
	}
	return t.both(group, users, from, proofs,
		`INSERT INTO memberships (account, group_seq, user_seq, source, evidence) SELECT $1, $2, m.u, $4, m.e FROM unnest($3::bigint[], $5::bytea[]) m (u, e)
			ON CONFLICT DO NOTHING RETURNING user_seq`,
		`UPDATE memberships b SET source = 'BOTH', evidence = coalesce(m.e, b.evidence), granted = greatest(b.granted, 0) FROM unnest($3::bigint[], $5::bytea[]) m (u, e)
			WHERE b.account = $1 AND b.group_seq = $2 AND b.user_seq = m.u AND b.source NOT IN ($4, 'BOTH') RETURNING b.user_seq`)
}

func (t *tx) RemoveMembers(group int64, users []int64, from account.Source) (removed, yielded []int64, err error) {
	nothing := func([]int64) []any { return nil }
	return t.both(group, users, from, nothing,
		"DELETE FROM memberships WHERE account = $1 AND group_seq = $2 AND user_seq = ANY($3::bigint[]) AND source = $4 RETURNING user_seq",
		`UPDATE memberships SET source = CASE $4::text WHEN 'SCIM' THEN 'MANUAL' ELSE 'SCIM' END
			WHERE account = $1 AND group_seq = $2 AND user_seq = ANY($3::bigint[]) AND source = 'BOTH' RETURNING user_seq`)
}

// maxMembers is how many memberships are changed by one statement, so that each is done within patience.
const maxMembers = 10_000

// both runs a statement for users, and another for those to whom the first had nothing to do, and returns who was
// affected by which, in the order of users. more are further arguments.
func (t *tx) both(group int64, users []int64, from account.Source, more func([]int64) []any, text, otherwise string) (first, second []int64, err error) {
	if t.writer == nil {
		return nil, nil, errReading
	}
	t.writer.wrote = true
	t.granted.forget()
	change := func(text string, users []int64) (hit, rest []int64, err error) {
		if len(users) == 0 {
			return nil, nil, nil
		}
		hit, err = t.seqs(text, append([]any{group, users, string(from)}, more(users)...)...)
		hit, rest = apart(users, hit)
		return hit, rest, err
	}
	for users := range slices.Chunk(users, maxMembers) {
		hit, rest, err := change(text, users)
		if err != nil {
			return nil, nil, err
		}
		also, _, err := change(otherwise, rest)
		if err != nil {
			return nil, nil, err
		}
		first, second = append(first, hit...), append(second, also...)
	}
	return first, second, nil
}

// apart divides users into those who are in a list and the rest, each once.
func apart(users, list []int64) (in, out []int64) {
	found := make(map[int64]bool, len(users))
	for _, u := range list {
		found[u] = true
	}
	for _, u := range users {
		is, known := found[u]
		switch {
		case is:
			in = append(in, u)
		case !known:
			out = append(out, u)
		}
		found[u] = false
	}
	return in, out
}

func (t *tx) Members(group int64, after string, n int, from account.Source) ([]account.Member, error) {
	begin := int64(-1)
	if after != "" {
		var err error
		if begin, err = t.number("SELECT seq FROM users WHERE account = $1 AND id = $2", encode(after)); err != nil {
			return nil, err
		}
	}
	var list []account.Member
	err := t.rows(`SELECT u.id, u.name, m.source FROM memberships m JOIN users u ON u.account = $1 AND u.seq = m.user_seq
		WHERE m.account = $1 AND m.group_seq = $2 AND m.user_seq > $3 AND ($4::text = '' OR m.source IN ($4, 'BOTH')) ORDER BY m.user_seq`+limit(n), []any{group, begin, string(from)},
		func(r pgx.Rows) error {
			var m account.Member
			err := r.Scan((*text)(&m.UserID), (*text)(&m.Name), (*text)(&m.Source))
			list = append(list, m)
			return err
		})
	return list, err
}
