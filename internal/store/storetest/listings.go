package storetest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scimbridge/scimbridge/internal/account"
)

// crowd is how many users the listings are tried on: more than two buckets of whatever a store counts by.
const crowd = 1300

// listings: what a store finds is what a plain loop over all rows finds.
func listings(t *testing.T, s account.Store) {
	rows := make([]account.UserRow, crowd)
	for i := range rows {
		u := user(t, fmt.Sprintf("User%d@Example.com", i))
		u.Name = []string{"Ada", "ada", "Émile", "zoe", ""}[i%5] + strconv.Itoa(i%7)
		u.ExternalID = []string{"", "x1", "X1", "x" + strconv.Itoa(i)}[i%4]
		u.State = []account.State{account.Active, account.Invited, account.Suspended, account.Active, account.InviteSuspended, account.Accepted, account.Active, account.Deleted}[i%8]
		u.Released = i%9 == 0 && !u.State.Live()
		u.Created, u.Modified = moment(i/10), moment(crowd-i/3)
		if i%6 == 0 {
			u.Email = "team@example.com"
			u.Addresses = []string{"Info@example.com"}
		}
		rows[i] = u
	}
	update(t, s, func(tx account.Tx) error {
		for i := range rows {
			if err := tx.InsertUser(&rows[i]); err != nil {
				return err
			}
		}
		// Some change from visible to not, and back, so that kept counts have to follow.
		for i := 0; i < len(rows); i += 11 {
			old := rows[i]
			rows[i].Released = !rows[i].Released
			if err := tx.UpdateUser(&old, &rows[i]); err != nil {
				return err
			}
		}
		return nil
	})
	rapid.Check(t, func(rt *rapid.T) {
		q, scope := drawQuery(rt)
		var want []account.UserRow
		for i := range rows {
			if (scope == account.Everything || rows[i].Visible()) && matches(&rows[i], q.Terms) {
				want = append(want, rows[i])
			}
		}
		want = sortedRows(want, q)
		if q.After != nil { // the drawn offset tells after which row
			after := min(q.Offset, len(want)) - 1
			if q.After = nil; after >= 0 {
				q.After = position(&want[after], q.Order)
			}
		}
		total := len(want)
		if q.NoTotal {
			total = -1
		}
		page := want[min(q.Offset, len(want)):]
		more := len(page) > q.Limit && q.Limit > 0
		page = page[:min(max(q.Limit, 0), len(page))]
		err := s.View(t.Context(), func(tx account.Tx) error {
			got, n, next, err := tx.Users(q, scope)
			if err != nil {
				return err
			}
			if !slices.Equal(ids(got), ids(page)) {
				rt.Fatalf("%+v found\n%v, want\n%v", q, ids(got), ids(page))
			}
			if n != total || (next != nil) != more {
				rt.Fatalf("%+v: total %d, want %d; next %v, want %t", q, n, total, next, more)
			}
			return nil
		})
		if err != nil {
			rt.Fatal(err)
		}
	})
}

func position(u *account.UserRow, f account.Field) *account.Position {
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

func drawQuery(t *rapid.T) (account.Query, account.Scope) {
	q := account.Query{
		Order:      rapid.SampledFrom([]account.Field{account.BySequence, account.ByID, account.ByUserName, account.ByName, account.ByExternalID, account.ByModified, account.ByCreated}).Draw(t, "order"),
		Descending: rapid.Bool().Draw(t, "descending"),
		Offset:     rapid.SampledFrom([]int{0, 0, 1, 7, 100, 511, 512, 513, 1000, 2000}).Draw(t, "offset"),
		Limit:      rapid.IntRange(0, 20).Draw(t, "limit"),
		NoTotal:    rapid.Bool().Draw(t, "no total"),
	}
	if rapid.Bool().Draw(t, "by position") {
		q.After = &account.Position{}
	}
	for range rapid.SampledFrom([]int{0, 0, 1, 1, 2, 3}).Draw(t, "terms") {
		q.Terms = append(q.Terms, drawTerm(t))
	}
	return q, rapid.SampledFrom([]account.Scope{account.VisibleOnly, account.VisibleOnly, account.Everything}).Draw(t, "scope")
}

func drawTerm(t *rapid.T) account.Term {
	text := []account.Op{account.Eq, account.Prefix, account.Gt, account.Ge, account.Lt, account.Le}
	number := rapid.IntRange(0, crowd).Draw(t, "number")
	term := account.Term{Field: rapid.SampledFrom([]account.Field{account.ByID, account.ByUserName, account.ByEmail, account.ByExternalID, account.ByName, account.ByActive, account.ByModified, account.ByCreated}).Draw(t, "field")}
	term.Op = account.Eq
	switch term.Field {
	case account.ByID:
		term.Value = "nobody"
	case account.ByUserName:
		term.Op = rapid.SampledFrom(text).Draw(t, "op")
		term.Value = fmt.Sprintf("USER%d", number)
		if term.Op != account.Prefix {
			term.Value += "@example.com"
		}
	case account.ByEmail:
		term.Value = rapid.SampledFrom([]string{"Team@example.com", "info@example.com", "nobody", fmt.Sprintf("user%d@example.com", number)}).Draw(t, "address")
	case account.ByExternalID:
		term.Op = rapid.SampledFrom(text).Draw(t, "op")
		term.Value = rapid.SampledFrom([]string{"x1", "X", "y", "x" + strconv.Itoa(number)}).Draw(t, "external id")
	case account.ByName:
		term.Op = rapid.SampledFrom(text).Draw(t, "op")
		term.Value = rapid.SampledFrom([]string{"ADA", "ÉMILE3", "e", "z", "0"}).Draw(t, "name")
	case account.ByActive:
		term.Value = strconv.FormatBool(rapid.Bool().Draw(t, "active"))
	default:
		term.Op = rapid.SampledFrom([]account.Op{account.Eq, account.Gt, account.Ge, account.Lt, account.Le}).Draw(t, "op")
		at := moment(number / 5).Add(rapid.SampledFrom([]time.Duration{0, 0, 1, 999_999}).Draw(t, "fraction"))
		term.Value = at.Format(time.RFC3339Nano)
	}
	return term
}

func matches(u *account.UserRow, terms []account.Term) bool {
	for _, term := range terms {
		var ok bool
		switch term.Field {
		case account.ByID:
			ok = compare(term.Op, u.ID, term.Value)
		case account.ByUserName:
			ok = compare(term.Op, account.Fold(u.UserName), account.Fold(term.Value))
		case account.ByEmail:
			ok = account.Fold(u.Email) == account.Fold(term.Value)
			for _, a := range u.Addresses {
				ok = ok || account.Fold(a) == account.Fold(term.Value)
			}
		case account.ByExternalID:
			ok = compare(term.Op, u.ExternalID, term.Value)
		case account.ByName:
			ok = compare(term.Op, account.Fold(u.Name), account.Fold(term.Value))
		case account.ByActive:
			ok = u.State.Live() == (term.Value == "true")
		case account.ByModified:
			ok = compareTime(term.Op, u.Modified, term.Value)
		case account.ByCreated:
			ok = compareTime(term.Op, u.Created, term.Value)
		}
		if !ok {
			return false
		}
	}
	return true
}

func compare(op account.Op, have, want string) bool {
	if op == account.Prefix {
		return strings.HasPrefix(have, want)
	}
	return holds(op, strings.Compare(have, want))
}

func compareTime(op account.Op, have time.Time, want string) bool {
	at, err := time.Parse(time.RFC3339Nano, want)
	return err == nil && holds(op, have.Compare(at))
}

func holds(op account.Op, c int) bool {
	switch op {
	case account.Eq:
		return c == 0
	case account.Gt:
		return c > 0
	case account.Ge:
		return c >= 0
	case account.Lt:
		return c < 0
	case account.Le:
		return c <= 0
	}
	return false
}
