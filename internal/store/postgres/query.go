package postgres

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
)

// where gathers conditions and their arguments. The account is $1; the arguments count from $2.
type where struct {
	conds []string
	args  []any
}

// whole begins a condition: all rows of the account in the table named so.
func whole(alias string) where { return where{conds: []string{alias + ".account = $1"}} }

// arg adds an argument, and returns its place.
func (w *where) arg(value any) string {
	w.args = append(w.args, value)
	return "$" + strconv.Itoa(len(w.args)+1)
}

// add adds a condition, in which each ? stands for the next of the arguments.
func (w *where) add(cond string, args ...any) {
	for _, arg := range args {
		cond = strings.Replace(cond, "?", w.arg(arg), 1)
	}
	w.conds = append(w.conds, cond)
}

func (w *where) text() string { return " WHERE " + strings.Join(w.conds, " AND ") }

var comparisons = map[account.Op]string{
	account.Eq: "=", account.Gt: ">", account.Ge: ">=", account.Lt: "<", account.Le: "<=",
}

// compare adds a comparison of a column. Text comes as the column keeps it.
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

func (w *where) userTerm(t account.Term) error {
	switch t.Field {
	case account.ByID:
		return w.compare("u.id", t.Op, encode(t.Value))
	case account.ByUserName:
		return w.compare("u.user_name_key", t.Op, indexed(account.Fold(t.Value)))
	case account.ByExternalID:
		return w.compare("u.external_id", t.Op, encode(t.Value))
	case account.ByName:
		return w.compare("u.name_key", t.Op, indexed(account.Fold(t.Value)))
	case account.ByEmail:
		if t.Op != account.Eq {
			return fmt.Errorf("no comparison %q of e-mail addresses", t.Op)
		}
		key := indexed(account.Fold(t.Value))
		w.add(`u.seq IN (SELECT e.seq FROM users e WHERE e.account = $1 AND e.email_key = ? AND e.email_key IS NOT NULL
			UNION ALL SELECT n.seq FROM users n WHERE n.account = $1 AND n.user_name_key = ? AND n.state <> 'DELETED' AND n.email_key IS NULL
			UNION ALL SELECT a.user_seq FROM addresses a WHERE a.account = $1 AND a.address_key = ?)`, key, key, key)
		return nil
	case account.ByActive:
		if t.Op != account.Eq {
			return fmt.Errorf("no comparison %q of active", t.Op)
		}
		w.add(map[bool]string{true: "u.active", false: "NOT u.active"}[t.Value == "true"]) // as in the index
		return nil
	}
	return w.commonTerm("u", t)
}

func (w *where) groupTerm(t account.Term) error {
	switch t.Field {
	case account.ByID:
		return w.compare("g.id", t.Op, encode(t.Value))
	case account.ByName:
		return w.compare("g.name_key", t.Op, indexed(account.Fold(t.Value)))
	case account.ByExternalID:
		return w.compare("g.external_id", t.Op, encode(t.Value))
	case account.ByMember:
		if t.Op != account.Eq {
			return fmt.Errorf("no comparison %q of members", t.Op)
		}
		w.add(`g.seq IN (SELECT m.group_seq FROM memberships m JOIN groups x ON x.account = $1 AND x.seq = m.group_seq
			WHERE m.account = $1 AND m.user_seq = (SELECT v.seq FROM users v WHERE v.account = $1 AND v.id = ? AND v.visible)
			AND (m.source <> 'MANUAL' OR x.mode <> 'ADDITIVE'))`, encode(t.Value))
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
	var key any = o.kept(p.Key)
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

// kept is a key as the column keeps it.
func (o ordering) kept(key string) string {
	if strings.HasSuffix(o.column, "_key") {
		return indexed(key)
	}
	return encode(key)
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
