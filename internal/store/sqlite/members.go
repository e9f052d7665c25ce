package sqlite

import "github.com/scimbridge/scimbridge/internal/account"

// A membership's source is SCIM, MANUAL or BOTH.

func (t *tx) seqs(text string, args ...any) (list []int64, err error) {
	err = t.rows(text, args, func(s *stmt) error {
		list = append(list, s.int(0))
		return nil
	})
	return list, err
}

func (t *tx) MemberSeqs(group int64, from account.Source) ([]int64, error) {
	return t.seqs("SELECT user_seq FROM memberships WHERE group_seq = ?1 AND (?2 = '' OR source IN (?2, 'BOTH')) ORDER BY user_seq", group, string(from))
}

func (t *tx) Memberships(user int64) ([]int64, error) {
	return t.seqs("SELECT group_seq FROM memberships WHERE user_seq = ? ORDER BY group_seq", user)
}

func (t *tx) AddMembers(group int64, users []int64, from account.Source, evidence map[int64][]byte) (added, claimed []int64, err error) {
	proof := func(user int64) any {
		if e := evidence[user]; len(e) > 0 {
			return e
		}
		return nil
	}
	return t.each(group, users, from, proof,
		"INSERT INTO memberships (group_seq, user_seq, source, evidence) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
		"UPDATE memberships SET source = 'BOTH', evidence = coalesce(?4, evidence), granted = max(granted, 0) WHERE group_seq = ?1 AND user_seq = ?2 AND source NOT IN (?3, 'BOTH')")
}

func (t *tx) RemoveMembers(group int64, users []int64, from account.Source) (removed, yielded []int64, err error) {
	return t.each(group, users, from, nil,
		"DELETE FROM memberships WHERE group_seq = ?1 AND user_seq = ?2 AND source = ?3",
		"UPDATE memberships SET source = CASE ?3 WHEN 'SCIM' THEN 'MANUAL' ELSE 'SCIM' END WHERE group_seq = ?1 AND user_seq = ?2 AND source = 'BOTH'")
}

// each runs a statement for every user, and another where the first had nothing to do, and returns who was affected
// by which. more, if any, is a fourth argument.
func (t *tx) each(group int64, users []int64, from account.Source, more func(user int64) any, text, otherwise string) (first, second []int64, err error) {
	for _, u := range users {
		args := []any{group, u, string(from)}
		if more != nil {
			args = append(args, more(u))
		}
		n, err := t.exec(text, args...)
		if err != nil {
			return nil, nil, err
		}
		if n > 0 {
			first = append(first, u)
			continue
		}
		if n, err = t.exec(otherwise, args...); err != nil {
			return nil, nil, err
		}
		if n > 0 {
			second = append(second, u)
		}
	}
	return first, second, nil
}

func (t *tx) Members(group int64, after string, n int, from account.Source) ([]account.Member, error) {
	begin := int64(-1)
	if after != "" {
		var err error
		if begin, err = t.number("SELECT seq FROM users WHERE id = ?", after); err != nil {
			return nil, err
		}
	}
	var list []account.Member
	err := t.rows(`SELECT u.id, u.name, m.source FROM memberships m JOIN users u ON u.seq = m.user_seq
		WHERE m.group_seq = ?1 AND m.user_seq > ?2 AND (?3 = '' OR m.source IN (?3, 'BOTH')) ORDER BY m.user_seq`+limit(n), []any{group, begin, string(from)},
		func(s *stmt) error {
			list = append(list, account.Member{UserID: s.text(0), Name: s.text(1), Source: s.source(2)})
			return enough(len(list), n)
		})
	return list, err
}
