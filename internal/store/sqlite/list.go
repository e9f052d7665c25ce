package sqlite

import (
	"errors"
	"strconv"

	"github.com/scimbridge/scimbridge/internal/account"
)

// Users lists users.
func (t *tx) Users(q account.Query, s account.Scope) ([]account.UserRow, int, *account.Position, error) {
	var w where
	if s == account.VisibleOnly {
		// The second says nothing more, but lets the indexes of names be used, which have no deleted users.
		w.add("u.visible = 1")
		w.add("u.state <> 'DELETED'")
	}
	for _, term := range q.Terms {
		if err := w.userTerm(term); err != nil {
			return nil, 0, nil, err
		}
	}
	count := where{conds: w.conds, args: w.args}
	rows, next, err := t.userPage(q, s, &w)
	if err != nil {
		return nil, 0, nil, err
	}
	total, err := total(q, len(rows), next != nil, func() (int, error) { return t.countUsers(q, s, count) })
	return rows, total, next, err
}

func (t *tx) userPage(q account.Query, s account.Scope, w *where) (rows []account.UserRow, next *account.Position, err error) {
	if q.Limit <= 0 {
		return nil, nil, nil
	}
	clause, err := w.paging("u", q)
	if err != nil {
		return nil, nil, err
	}
	offset := q.Offset
	if q.After != nil {
		offset = 0
	}
	tally := tallied(q, s)
	if offset > 0 && tally != "" && q.Order == account.BySequence && !q.Descending {
		if offset, err = t.skip(w, tally, offset); err != nil {
			return nil, nil, err
		}
	}
	text := "SELECT " + userColumns + fromUsers + w.text() + clause + " LIMIT ? OFFSET ?"
	if offset > 0 {
		// Only the narrow rows are passed over, and only the page's profiles are read.
		text = "SELECT " + userColumns + " FROM (SELECT u.seq FROM users u" + w.text() + clause + " LIMIT ? OFFSET ?) x CROSS JOIN users u ON u.seq = x.seq LEFT JOIN profiles p ON p.user = u.seq" + clause
	}
	err = t.rows(text, append(w.args, q.Limit+1, offset), func(s *stmt) error {
		if rows == nil {
			rows = make([]account.UserRow, 0, min(q.Limit, usualPage)+1)
		}
		rows = append(rows, account.UserRow{})
		scanUser(s, &rows[len(rows)-1])
		return nil
	})
	if err == nil && len(rows) > q.Limit {
		rows = rows[:q.Limit]
		next = userPosition(q.Order, &rows[q.Limit-1])
	}
	return rows, next, err
}

// usualPage is for how many rows a page has room from the start.
const usualPage = 100

// total is known without counting where the first page holds everything; -1 where it is not wanted.
func total(q account.Query, n int, more bool, count func() (int, error)) (int, error) {
	switch {
	case q.NoTotal:
		return -1, nil
	case q.Offset == 0 && q.After == nil && !more && q.Limit > 0:
		return n, nil
	}
	return count()
}

// tallied is the column of the tallies that counts what a query asks for, "" where none does.
func tallied(q account.Query, s account.Scope) string {
	switch {
	case s != account.VisibleOnly || len(q.Terms) > 1:
		return ""
	case len(q.Terms) == 0:
		return "users"
	case q.Terms[0].Field != account.ByActive:
		return ""
	case q.Terms[0].Value == "true":
		return "live"
	}
	return "users - live"
}

func (t *tx) countUsers(q account.Query, s account.Scope, w where) (int, error) {
	text := "SELECT count(*) FROM users u" + w.text()
	if tally := tallied(q, s); tally != "" {
		text, w.args = "SELECT coalesce(sum("+tally+"), 0) FROM tallies", nil
	}
	n, err := t.number(text, w.args...)
	return int(n), err
}

// skip turns most of an offset into a beginning: whole buckets of the tallies are passed over.
func (t *tx) skip(w *where, tally string, offset int) (rest int, err error) {
	begin, rest := int64(0), offset
	err = t.one(`SELECT bucket, before FROM (SELECT bucket, `+tally+` AS n, sum(`+tally+`) OVER (ORDER BY bucket) - (`+tally+`) AS before FROM tallies)
		WHERE before + n > ?1 OR bucket = (SELECT max(bucket) FROM tallies) LIMIT 1`, []any{offset}, func(s *stmt) {
		begin, rest = s.int(0)<<bucketBits, offset-int(s.int(1))
	})
	if errors.Is(err, account.ErrNotFound) { // nobody is there
		return rest, nil
	}
	w.add("u.seq >= ?", begin)
	return rest, err
}

func userPosition(f account.Field, u *account.UserRow) *account.Position {
	p := &account.Position{ID: strconv.FormatInt(u.Seq, 10)}
	switch f {
	case account.BySequence:
		p.Key = p.ID
	case account.ByID:
		p.Key = u.ID
	case account.ByUserName:
		p.Key = account.Fold(u.UserName)
	case account.ByName:
		p.Key = account.Fold(u.Name)
	case account.ByExternalID:
		p.Key = u.ExternalID
	case account.ByModified:
		p.Key = strconv.FormatInt(u.Modified.UnixMilli(), 10)
	case account.ByCreated:
		p.Key = strconv.FormatInt(u.Created.UnixMilli(), 10)
	}
	return p
}

// Groups lists groups.
func (t *tx) Groups(q account.Query, s account.Scope) ([]account.GroupRow, int, *account.Position, error) {
	var w where
	if s == account.VisibleOnly {
		w.add("g.managed = 1")
		w.add("g.privileged = 0")
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
		offset := q.Offset
		if q.After != nil {
			offset = 0
		}
		if rows, err = t.groups(w.text()+clause+" LIMIT ? OFFSET ?", append(w.args, q.Limit+1, offset)...); err != nil {
			return nil, 0, nil, err
		}
	}
	var next *account.Position
	if len(rows) > q.Limit {
		rows = rows[:q.Limit]
		next = groupPosition(q.Order, &rows[q.Limit-1])
	}
	total, err := total(q, len(rows), next != nil, func() (int, error) {
		n, err := t.number("SELECT count(*) FROM groups g"+count.text(), count.args...)
		return int(n), err
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
