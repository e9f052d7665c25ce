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

func (w *where) userTerm(t account.Term, s account.Scope) error {
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
		cond := `u.seq IN (SELECT seq FROM users WHERE email_key = ? AND email_key IS NOT NULL
			UNION ALL SELECT seq FROM users WHERE user_name_key = ? AND state <> 'DELETED' AND email_key IS NULL
			UNION ALL SELECT user FROM addresses WHERE address_key = ?)`
		if s == account.Everything { // no index has the user names of the deleted
			w.add("("+cond+" OR u.user_name_key = ? AND u.email_key IS NULL)", key, key, key, key)
			return nil
		}
		w.add(cond, key, key, key)
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
	at, err := time.Parse(time.RFC3339Nano, t.Value)
	if err != nil {
		return err
	}
	op, ms := t.Op, at.UnixMilli()
	if !at.Equal(time.UnixMilli(ms)) { // between two of the milliseconds that the columns hold
		switch op {
		case account.Eq:
			w.add("FALSE")
			return nil
		case account.Lt:
			op = account.Le
		case account.Ge:
			op = account.Gt
		}
	}
	return w.compare(alias+column, op, ms)
}

// ordering is how a listing is sorted: by a column, then by the sequence number.
type ordering struct {
	column, seq string // the same in the order of creation
	number      bool   // the column holds numbers
	descending  bool
}

// orderOf is the ordering of a query over users u or groups g.
func orderOf(alias string, q account.Query) (ordering, error) {
	o := ordering{seq: alias + ".seq", descending: q.Descending}
	switch q.Order {
	case account.BySequence:
		o.column, o.number = o.seq, true
	case account.ByID:
		o.column = alias + ".id"
	case account.ByUserName:
		o.column = alias + ".user_name_key"
	case account.ByName:
		o.column = alias + ".name_key"
	case account.ByExternalID:
		o.column = alias + ".external_id"
	case account.ByModified:
		o.column, o.number = alias+".modified", true
	case account.ByCreated:
		o.column, o.number = alias+".created", true
	default:
		return o, fmt.Errorf("no order by %q", q.Order)
	}
	return o, nil
}

// clause is the ORDER BY clause.
func (o ordering) clause() string {
	direction := " ASC"
	if o.descending {
		direction = " DESC"
	}
	if o.column == o.seq {
		return " ORDER BY " + o.seq + direction
	}
	return " ORDER BY " + o.column + direction + ", " + o.seq + direction
}

// after adds what comes strictly after a position.
func (o ordering) after(w *where, p *account.Position) error {
	var key any = p.Key
	if o.number {
		n, err := strconv.ParseInt(p.Key, 10, 64)
		if err != nil {
			return fmt.Errorf("position %q: %w", p.Key, err)
		}
		key = n
	}
	seq, err := strconv.ParseInt(p.ID, 10, 64)
	if err != nil { // the position is an id, in an order by id
		w.add(o.column+o.sign()+" ?", key)
		return nil
	}
	o.beyond(w, o.sign(), key, seq)
	return nil
}

func (o ordering) sign() string {
	if o.descending {
		return " <"
	}
	return " >"
}

func (o ordering) beyond(w *where, sign string, key any, seq int64) {
	if o.column == o.seq {
		w.add(o.seq+sign+" ?", key)
		return
	}
	w.add("("+o.column+", "+o.seq+")"+sign+" (?, ?)", key, seq)
}
