package sqlite

import (
	"encoding/json"
	"strconv"

	"github.com/scimbridge/scimbridge/internal/account"
)

const groupColumns = `g.seq, g.id, g.name, g.external_id, g.profile, g.managed, g.mode, g.privileged, g.members, g.through_scim,
	g.revision, g.created, g.modified`

func scanGroup(r *row, g *account.GroupRow) {
	g.Seq, g.ID, g.Name, g.ExternalID, g.Profile = r.int(), r.text(), r.text(), r.text(), r.bytes()
	g.Managed, g.Mode, g.Privileged, g.Members, g.ThroughSCIM = r.bool(), account.GroupMode(r.text()), r.bool(), int(r.int()), int(r.int())
	g.Revision, g.Created, g.Modified = r.int(), moment(r.int()), moment(r.int())
}

func (t *tx) groups(rest string, args ...any) ([]account.GroupRow, error) {
	var list []account.GroupRow
	err := t.rows("SELECT "+groupColumns+" FROM groups g"+rest, args, func(r *row) error {
		list = append(list, account.GroupRow{})
		scanGroup(r, &list[len(list)-1])
		return nil
	})
	return list, err
}

func first(list []account.GroupRow, err error) (account.GroupRow, error) {
	if err == nil && len(list) == 0 {
		err = account.ErrNotFound
	}
	if err != nil {
		return account.GroupRow{}, err
	}
	return list[0], nil
}

func (t *tx) GroupByID(id string) (account.GroupRow, error) {
	return first(t.groups(" WHERE g.id = ?", id))
}

func (t *tx) GroupBySeq(seq int64) (account.GroupRow, error) {
	return first(t.groups(" WHERE g.seq = ?", seq))
}

func (t *tx) GroupsByName(folded string) ([]account.GroupRow, error) {
	return t.groups(" WHERE g.name_key = ? ORDER BY g.seq", folded)
}

func (t *tx) InsertGroup(g *account.GroupRow) error {
	seq, err := t.insert(`INSERT INTO groups (id, name, name_key, external_id, profile, managed, mode, privileged, members, through_scim, revision, created, modified)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		g.ID, g.Name, account.Fold(g.Name), g.ExternalID, g.Profile, g.Managed, string(g.Mode), g.Privileged, g.Members, g.ThroughSCIM,
		g.Revision, g.Created.UnixMilli(), g.Modified.UnixMilli())
	g.Seq = seq
	return err
}

func (t *tx) UpdateGroup(g *account.GroupRow) error {
	_, err := t.exec(`UPDATE groups SET name = ?, name_key = ?, external_id = ?, profile = ?, managed = ?, mode = ?, members = ?, through_scim = ?, revision = ?, modified = ? WHERE seq = ?`,
		g.Name, account.Fold(g.Name), g.ExternalID, g.Profile, g.Managed, string(g.Mode), g.Members, g.ThroughSCIM, g.Revision, g.Modified.UnixMilli(), g.Seq)
	return err
}

func (t *tx) DeleteGroup(seq int64) error {
	_, err := t.exec("DELETE FROM groups WHERE seq = ?", seq)
	return err
}

// Groups lists groups.
func (t *tx) Groups(q account.Query, s account.Scope) ([]account.GroupRow, int, *account.Position, error) {
	var w where
	if s == account.VisibleOnly {
		w.add("g.managed = 1 AND g.privileged = 0")
	}
	for _, term := range q.Terms {
		if err := w.groupTerm(term); err != nil {
			return nil, 0, nil, err
		}
	}
	count := where{conds: w.conds, args: w.args}
	clause, err := w.paging("g", q)
	if err != nil {
		return nil, 0, nil, err
	}
	var rows []account.GroupRow
	if q.Limit > 0 {
		if rows, err = t.groups(w.text()+clause+limit(q.Limit+1)+" OFFSET ?", append(w.args, q.Offset)...); err != nil {
			return nil, 0, nil, err
		}
	}
	var next *account.Position
	if len(rows) > q.Limit {
		rows = rows[:q.Limit]
		next = groupPosition(q.Order, &rows[q.Limit-1])
	}
	total, err := t.total(q, s, len(rows), next != nil, func() (n int, err error) {
		err = t.one("SELECT count(*) FROM groups g"+count.text(), count.args, func(r *row) { n = int(r.int()) })
		return n, err
	})
	return rows, total, next, err
}

func groupPosition(f account.Field, g *account.GroupRow) *account.Position {
	p := &account.Position{ID: strconv.FormatInt(g.Seq, 10)}
	switch f {
	case account.BySequence:
		p.Key = p.ID
	case account.ByID:
		p.Key = g.ID
	case account.ByName:
		p.Key = account.Fold(g.Name)
	case account.ByExternalID:
		p.Key = g.ExternalID
	case account.ByModified:
		p.Key = strconv.FormatInt(g.Modified.UnixMilli(), 10)
	case account.ByCreated:
		p.Key = strconv.FormatInt(g.Created.UnixMilli(), 10)
	}
	return p
}

// few is up to how many keys are looked up one by one; more go to the database as one list.
const few = 4

func (t *tx) FindUsers(ids []string) (map[string]int64, error) {
	found := make(map[string]int64, len(ids))
	scan := func(r *row) error {
		id := r.text()
		found[id] = r.int()
		return nil
	}
	if len(ids) <= few {
		for _, id := range ids {
			if err := t.rows("SELECT id, seq FROM users WHERE id = ? AND visible = 1", []any{id}, scan); err != nil {
				return nil, err
			}
		}
		return found, nil
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	return found, t.rows("SELECT u.id, u.seq FROM json_each(?) j JOIN users u ON u.id = j.value WHERE u.visible = 1", []any{string(list)}, scan)
}

// GroupsOf lists the visible groups of users: of an adopted group, only memberships that came through SCIM count.
func (t *tx) GroupsOf(users []int64) (map[int64][]account.GroupRef, error) {
	const columns = "SELECT m.user_seq, g.id, g.name FROM "
	const join = ` memberships m JOIN groups g ON g.seq = m.group_seq WHERE g.managed = 1 AND g.privileged = 0 AND (g.mode <> 'ADDITIVE' OR m.source = 'SCIM') AND `
	var found map[int64][]account.GroupRef
	scan := func(r *row) error {
		user := r.int()
		if found == nil {
			found = map[int64][]account.GroupRef{}
		}
		found[user] = append(found[user], account.GroupRef{ID: r.text(), Name: r.text()})
		return nil
	}
	if len(users) == 1 {
		err := t.rows(columns+join+"m.user_seq = ? ORDER BY m.group_seq", []any{users[0]}, scan)
		return found, err
	}
	list, err := json.Marshal(users)
	if err != nil {
		return nil, err
	}
	err = t.rows(columns+"json_each(?) j CROSS JOIN"+join+"m.user_seq = j.value ORDER BY m.user_seq, m.group_seq", []any{string(list)}, scan)
	return found, err
}

func (t *tx) MemberSeqs(group int64, from account.Source) ([]int64, error) {
	var list []int64
	err := t.rows("SELECT user_seq FROM memberships WHERE group_seq = ?1 AND (?2 = '' OR source = ?2) ORDER BY user_seq", []any{group, string(from)},
		func(r *row) error {
			list = append(list, r.int())
			return nil
		})
	return list, err
}

func (t *tx) AddMembers(group int64, users []int64, from account.Source) ([]int64, error) {
	return t.each(users, "INSERT INTO memberships (group_seq, user_seq, source) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING", group, from)
}

func (t *tx) RemoveMembers(group int64, users []int64, from account.Source) ([]int64, error) {
	return t.each(users, "DELETE FROM memberships WHERE group_seq = ?1 AND user_seq = ?2 AND source = ?3", group, from)
}

// each runs a statement for every user and returns those it did something for.
func (t *tx) each(users []int64, text string, group int64, from account.Source) ([]int64, error) {
	var done []int64
	for _, u := range users {
		n, err := t.exec(text, group, u, string(from))
		if err != nil {
			return nil, err
		}
		if n > 0 {
			done = append(done, u)
		}
	}
	return done, nil
}

func (t *tx) Memberships(user int64) ([]int64, error) {
	var list []int64
	err := t.rows("SELECT group_seq FROM memberships WHERE user_seq = ?", []any{user}, func(r *row) error {
		list = append(list, r.int())
		return nil
	})
	return list, err
}

func (t *tx) Members(group int64, after string, n int, from account.Source) ([]account.Member, error) {
	begin := int64(-1)
	if after != "" {
		if err := t.one("SELECT seq FROM users WHERE id = ?", []any{after}, func(r *row) { begin = r.int() }); err != nil {
			return nil, err
		}
	}
	var list []account.Member
	err := t.rows(`SELECT u.id, u.name, m.source FROM memberships m JOIN users u ON u.seq = m.user_seq
		WHERE m.group_seq = ?1 AND m.user_seq > ?2 AND (?3 = '' OR m.source = ?3) ORDER BY m.user_seq`+limit(n), []any{group, begin, string(from)},
		func(r *row) error {
			list = append(list, account.Member{UserID: r.text(), Name: r.text(), Source: account.Source(r.text())})
			return enough(len(list), n)
		})
	return list, err
}
