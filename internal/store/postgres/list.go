package postgres

import (
	"errors"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/internal/account"
)

// Users lists users.
func (t *tx) Users(q account.Query, s account.Scope) ([]account.UserRow, int, *account.Position, error) {
	w := whole("u")
	if s == account.VisibleOnly {
		w.add("u.visible")
		if byName(q) {
			// This says nothing more, but lets the index of user names be used, which has no deleted users.
			w.add("u.state <> 'DELETED'")
		}
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

func byName(q account.Query) bool {
	return q.Order == account.ByUserName || slices.ContainsFunc(q.Terms, func(t account.Term) bool { return t.Field == account.ByUserName })
}

func (t *tx) userPage(q account.Query, s account.Scope, w *where) (rows []account.UserRow, next *account.Position, err error) {
	if q.Limit <= 0 {
		return nil, nil, nil
	}
	o, err := orderOf("u", q)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case q.After != nil:
		err = o.after(w, q.After)
	case q.Offset > 0:
		err = t.skip(w, o, tallied(q, s), q.Offset)
	}
	if errors.Is(err, account.ErrNotFound) { // there are not so many
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	var row userRow
	err = t.rows("SELECT "+userColumns+fromUsers+w.text()+o.clause()+limit(q.Limit+1), w.args, func(r pgx.Rows) error {
		if rows == nil {
			rows = make([]account.UserRow, 0, expected(q))
		}
		err := row.scan(r)
		rows = append(rows, row.UserRow)
		return err
	})
	if err == nil && len(rows) > q.Limit {
		rows = rows[:q.Limit]
		next = userPosition(q.Order, &rows[q.Limit-1])
	}
	return rows, next, err
}

// expected is for how many rows a page has room from the start: a listing fills it, a look-up finds one.
func expected(q account.Query) int {
	const usualPage = 100
	if len(q.Terms) > 0 {
		return 1
	}
	return min(q.Limit, usualPage) + 1
}

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
		text, w.args = "SELECT coalesce(sum("+tally+"), 0)::bigint FROM tallies WHERE account = $1", nil
	}
	n, err := t.number(text, w.args...)
	return int(n), err
}

// skip turns an offset into a beginning, reading no more than index rows: ErrNotFound where there are not so many.
// In the order of creation whole buckets of a tally are passed over.
func (t *tx) skip(w *where, o ordering, tally string, offset int) error {
	if tally != "" && o.column == o.seq && !o.descending {
		begin, rest, err := t.bucket(tally, offset)
		if err != nil {
			return err
		}
		w.add(o.seq+" >= ?", begin)
		offset = rest
	}
	var name string // as it is kept
	var number, seq int64
	into := any(&name)
	if o.number {
		into = &number
	}
	rest := where{conds: w.conds, args: slices.Clip(w.args)}
	err := t.one("SELECT "+o.column+", "+o.seq+" FROM users u"+w.text()+o.clause()+" LIMIT 1 OFFSET "+rest.arg(offset), rest.args, into, &seq)
	if o.number {
		o.beyond(w, o.sign()+"=", number, seq)
	} else {
		o.beyond(w, o.sign()+"=", name, seq)
	}
	return err
}

// bucket finds the bucket that an offset falls into; rest is what remains of the offset there.
func (t *tx) bucket(tally string, offset int) (begin int64, rest int, err error) {
	rest = offset
	err = t.rows("SELECT bucket, "+tally+" FROM tallies WHERE account = $1 ORDER BY bucket", nil, func(r pgx.Rows) error {
		var n int
		if err := r.Scan(&begin, &n); err != nil {
			return err
		}
		begin <<= bucketBits
		if n > rest {
			return errFound
		}
		rest -= n
		return nil
	})
	switch {
	case errors.Is(err, errFound):
		return begin, rest, nil
	case err == nil:
		err = account.ErrNotFound
	}
	return 0, 0, err
}

// errFound ends a walk that has come to its end early.
var errFound = errors.New("found")

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
	w := whole("g")
	if s == account.VisibleOnly {
		w.add("g.managed")
		w.add("NOT g.privileged")
	}
	for _, term := range q.Terms {
		if err := w.groupTerm(term); err != nil {
			return nil, 0, nil, err
		}
	}
	count := where{conds: w.conds, args: w.args}
	rows, err := t.groupPage(q, &w)
	if err != nil {
		return nil, 0, nil, err
	}
	var next *account.Position
	if len(rows) > max(q.Limit, 0) {
		rows = rows[:q.Limit]
		next = groupPosition(q.Order, &rows[q.Limit-1])
	}
	total, err := total(q, len(rows), next != nil, func() (int, error) {
		n, err := t.number("SELECT count(*) FROM groups g"+count.text(), count.args...)
		return int(n), err
	})
	return rows, total, next, err
}

func (t *tx) groupPage(q account.Query, w *where) ([]account.GroupRow, error) {
	if q.Limit <= 0 {
		return nil, nil
	}
	o, err := orderOf("g", q)
	if err != nil {
		return nil, err
	}
	offset := q.Offset
	if q.After != nil {
		offset = 0
		if err := o.after(w, q.After); err != nil {
			return nil, err
		}
	}
	text := fromGroups + w.text() + o.clause() + limit(q.Limit+1) + " OFFSET " + w.arg(offset)
	return t.groups(text, w.args...)
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
