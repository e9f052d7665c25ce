package sqlite

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
)

// where gathers conditions and their arguments.
type where struct {
	conds []string
	args  []any
}

func (w *where) add(cond string, args ...any) {
	w.conds = append(w.conds, cond)
	w.args = append(w.args, args...)
}

func (w *where) text() string {
	if len(w.conds) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conds, " AND ")
}

var comparisons = map[account.Op]string{
	account.Eq: "=", account.Gt: ">", account.Ge: ">=", account.Lt: "<", account.Le: "<=",
}

// compare adds a comparison of a column. Text comes folded where the column is.
func (w *where) compare(column string, op account.Op, value any) error {
	if op == account.Prefix {
		text, ok := value.(string)
		if !ok {
			return fmt.Errorf("prefix of %s: not a text", column)
		}
		w.add(column+" >= ?", text)
		if end, ok := afterPrefix(text); ok {
			w.add(column+" < ?", end)
		}
		return nil
	}
	sign := comparisons[op]
	if sign == "" {
		return fmt.Errorf("no comparison %q of %s", op, column)
	}
	w.add(column+" "+sign+" ?", value)
	return nil
}

// afterPrefix is the least text, byte by byte, above all that begin with prefix.
func afterPrefix(prefix string) (string, bool) {
	b := []byte(prefix)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] < 0xff {
			b[i]++
			return string(b[:i+1]), true
		}
	}
	return "", false
}

// instant reads a time as the columns hold it. One that has no whole milliseconds is put between two.
func instant(op account.Op, value string) (account.Op, int64, error) {
	at, err := time.Parse(time.RFC3339Nano, value)
	return op, at.UnixMilli(), err
}

func (w *where) userTerm(t account.Term) error {
	switch t.Field {
	case account.ByID:
		return w.compare("u.id", t.Op, t.Value)
	case account.ByUserName:
		w.add("u.state <> 'DELETED'") // what the index is about
		return w.compare("u.user_name_key", t.Op, account.Fold(t.Value))
	case account.ByExternalID:
		w.add("u.external_id <> ''")
		return w.compare("u.external_id", t.Op, t.Value)
	case account.ByName:
		return w.compare("u.name_key", t.Op, account.Fold(t.Value))
	case account.ByEmail:
		if t.Op != account.Eq {
			return fmt.Errorf("no comparison %q of e-mail addresses", t.Op)
		}
		key := account.Fold(t.Value)
		w.add(`u.seq IN (SELECT seq FROM users WHERE email_key = ? AND email_key IS NOT NULL
			UNION ALL SELECT seq FROM users WHERE user_name_key = ? AND state <> 'DELETED' AND email_key IS NULL
			UNION ALL SELECT user FROM addresses WHERE address_key = ?)`, key, key, key)
		return nil
	case account.ByActive:
		w.add("u.active = " + strconv.Itoa(one(t.Value == "true")))
		return nil
	}
	return w.commonTerm("u", t)
}

func (w *where) groupTerm(t account.Term) error {
	switch t.Field {
	case account.ByID:
		return w.compare("g.id", t.Op, t.Value)
	case account.ByName:
		return w.compare("g.name_key", t.Op, account.Fold(t.Value))
	case account.ByExternalID:
		w.add("g.external_id <> ''")
		return w.compare("g.external_id", t.Op, t.Value)
	case account.ByMember:
		w.add(`g.seq IN (SELECT m.group_seq FROM memberships m JOIN users u ON u.seq = m.user_seq WHERE u.id = ? AND u.visible = 1
			AND (m.source = 'SCIM' OR g.mode <> 'ADDITIVE'))`, t.Value)
		return nil
	}
	return w.commonTerm("g", t)
}

func (w *where) commonTerm(alias string, t account.Term) error {
	column := map[account.Field]string{account.ByModified: ".modified", account.ByCreated: ".created"}[t.Field]
	if column == "" {
		return fmt.Errorf("no index for %q", t.Field)
	}
	op, ms, err := instant(t.Op, t.Value)
	if err != nil {
		return err
	}
	return w.compare(alias+column, op, ms)
}

// order is the column that a listing is sorted by, and whether it is a number.
func order(alias string, f account.Field) (column string, number bool, err error) {
	switch f {
	case account.BySequence:
		return alias + ".seq", true, nil
	case account.ByID:
		return alias + ".id", false, nil
	case account.ByUserName:
		return alias + ".user_name_key", false, nil
	case account.ByName:
		return alias + ".name_key", false, nil
	case account.ByExternalID:
		return alias + ".external_id", false, nil
	case account.ByModified:
		return alias + ".modified", true, nil
	case account.ByCreated:
		return alias + ".created", true, nil
	}
	return "", false, fmt.Errorf("no order by %q", f)
}

// paging adds what comes after a position and returns the ORDER BY clause.
func (w *where) paging(alias string, q account.Query) (clause string, err error) {
	column, number, err := order(alias, q.Order)
	if err != nil {
		return "", err
	}
	direction, sign := "ASC", ">"
	if q.Descending {
		direction, sign = "DESC", "<"
	}
	id := alias + ".seq"
	if q.After != nil {
		var key any = q.After.Key
		if number {
			if key, err = strconv.ParseInt(q.After.Key, 10, 64); err != nil {
				return "", fmt.Errorf("position %q: %w", q.After.Key, err)
			}
		}
		if column == id {
			w.add(id+" "+sign+" ?", key)
		} else {
			seq, err := strconv.ParseInt(q.After.ID, 10, 64)
			if err != nil { // the position is an id, in an order by id
				w.add(column+" "+sign+" ?", key)
			} else {
				w.add("("+column+", "+id+") "+sign+" (?, ?)", key, seq)
			}
		}
	}
	if column == id {
		return " ORDER BY " + id + " " + direction, nil
	}
	return " ORDER BY " + column + " " + direction + ", " + id + " " + direction, nil
}

// Users lists users: first the sequence numbers of the page from the indexes, then the rows.
func (t *tx) Users(q account.Query, s account.Scope) ([]account.UserRow, int, *account.Position, error) {
	var w where
	if s == account.VisibleOnly {
		w.add("u.visible = 1")
	}
	for _, term := range q.Terms {
		if err := w.userTerm(term); err != nil {
			return nil, 0, nil, err
		}
	}
	count := where{conds: w.conds, args: w.args}
	clause, err := w.paging("u", q)
	if err != nil {
		return nil, 0, nil, err
	}
	var rows []account.UserRow
	if q.Limit > 0 {
		offset := q.Offset
		if q.Order == account.BySequence && !q.Descending && len(q.Terms) == 0 && offset > 0 && s == account.VisibleOnly {
			if offset, err = t.skip(&w, offset); err != nil {
				return nil, 0, nil, err
			}
		}
		text := "SELECT " + userColumns + fromUsers + w.text() + clause + limit(q.Limit+1) + " OFFSET ?"
		if offset > 0 || len(q.Terms) == 0 && q.Order != account.BySequence {
			// The narrow rows are walked, and only the page's profiles are read.
			text = "SELECT " + userColumns + " FROM (SELECT u.seq FROM users u" + w.text() + clause + limit(q.Limit+1) + " OFFSET ?) x CROSS JOIN users u ON u.seq = x.seq LEFT JOIN profiles p ON p.user = u.seq" + clause
		}
		err = t.rows(text, append(w.args, offset), func(r *row) error {
			rows = append(rows, account.UserRow{})
			scanUser(r, &rows[len(rows)-1])
			return enough(len(rows), q.Limit+1)
		})
		if err != nil {
			return nil, 0, nil, err
		}
	}
	var next *account.Position
	if len(rows) > q.Limit {
		rows = rows[:q.Limit]
		next = userPosition(q.Order, &rows[q.Limit-1])
	}
	total, err := t.total(q, s, len(rows), next != nil, func() (int, error) { return t.countUsers(q, s, count) })
	return rows, total, next, err
}

// enough ends the reading at the n-th row.
func enough(have, n int) error {
	if have >= n {
		return errEnough
	}
	return nil
}

// total is known without counting where the first page holds everything.
func (t *tx) total(q account.Query, _ account.Scope, n int, more bool, count func() (int, error)) (int, error) {
	switch {
	case q.NoTotal:
		return -1, nil
	case q.Offset == 0 && q.After == nil && !more && q.Limit > 0:
		return n, nil
	}
	return count()
}

func (t *tx) countUsers(q account.Query, s account.Scope, w where) (int, error) {
	var n int
	if s == account.VisibleOnly && len(q.Terms) == 0 {
		err := t.one("SELECT users FROM tallies WHERE bucket = -1", nil, func(r *row) { n = int(r.int()) })
		return n, err
	}
	if s == account.VisibleOnly && len(q.Terms) == 1 && q.Terms[0].Field == account.ByActive {
		column := "live"
		if q.Terms[0].Value != "true" {
			column = "users - live"
		}
		err := t.one("SELECT "+column+" FROM tallies WHERE bucket = -1", nil, func(r *row) { n = int(r.int()) })
		return n, err
	}
	err := t.one("SELECT count(*) FROM users u"+w.text(), w.args, func(r *row) { n = int(r.int()) })
	return n, err
}

// skip turns most of an offset into a beginning: whole buckets of the tallies are passed over.
func (t *tx) skip(w *where, offset int) (rest int, err error) {
	const everyBucket = "SELECT bucket, users FROM tallies WHERE bucket >= 0 ORDER BY bucket"
	begin, rest, found := int64(0), offset, false
	err = t.rows(everyBucket, nil, func(r *row) error {
		bucket, users := r.int(), int(r.int())
		begin = bucket << bucketBits
		if found = users > rest; !found {
			rest -= users
			begin = (bucket + 1) << bucketBits
			return nil
		}
		return errEnough
	})
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
