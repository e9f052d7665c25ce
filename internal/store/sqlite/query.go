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

// moment is a comparison with a time, in the milliseconds that the columns hold. A time between two milliseconds
// is after the one and before the other.
func moment(op account.Op, value string) (account.Op, int64, error) {
	at, err := time.Parse(time.RFC3339Nano, value)
	ms := at.UnixMilli()
	if at.Equal(time.UnixMilli(ms)) {
		return op, ms, err
	}
	switch op {
	case account.Lt:
		op = account.Le
	case account.Ge:
		op = account.Gt
	}
	return op, ms, err
}

func (w *where) userTerm(t account.Term) error {
	switch t.Field {
	case account.ByID:
		return w.compare("u.id", t.Op, t.Value)
	case account.ByUserName:
		return w.compare("u.user_name_key", t.Op, account.Fold(t.Value))
	case account.ByExternalID:
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
		if t.Op != account.Eq {
			return fmt.Errorf("no comparison %q of active", t.Op)
		}
		w.add("u.active = " + strconv.Itoa(one(t.Value == "true"))) // a literal, as in the index
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
		return w.compare("g.external_id", t.Op, t.Value)
	case account.ByMember:
		if t.Op != account.Eq {
			return fmt.Errorf("no comparison %q of members", t.Op)
		}
		w.add(`g.seq IN (SELECT m.group_seq FROM memberships m JOIN groups x ON x.seq = m.group_seq
			WHERE m.user_seq = (SELECT seq FROM users WHERE id = ? AND visible = 1) AND (m.source <> 'MANUAL' OR x.mode <> 'ADDITIVE'))`, t.Value)
		return nil
	}
	return w.commonTerm("g", t)
}

func (w *where) commonTerm(alias string, t account.Term) error {
	column := map[account.Field]string{account.ByModified: ".modified", account.ByCreated: ".created"}[t.Field]
	if column == "" {
		return fmt.Errorf("no index for %q", t.Field)
	}
	op, ms, err := moment(t.Op, t.Value)
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
