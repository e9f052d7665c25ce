package storetest

import (
	"slices"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/internal/account"
)

// oddTexts: whatever text a store is given it gives back, finds and sorts byte by byte.
func oddTexts(t *testing.T, s account.Store) {
	const long = "\U0001d160" // three times as long once it is folded
	sortable := []string{
		"a", "a\x00", "a\x00\x00", "a\x00b", "a\x00\x01", "a\x01", "a\x01\x00", "a\x01\x01", "a\x01\x02", "a\x01b", "a\x02", "a\x1f", "a b", "a-b", "a_b", "ab", "a\x7f",
		"a\u0080", "a\u0081", "é", "e\u0301x", "ß", "\ud7ff", "\ue000", "\ufffd", "\U0010ffff", "\U0010ffffa", "\x00", "\x01", "A%", "a\\", "a'\"",
	}
	others := []string{"1\xff", "2\x80", "3\xffb", "4\xc3", "5\xed\xa0\x80", strings.Repeat(long, 255) + "x", strings.Repeat(long, 255) + "y", strings.Repeat("\x01", 1024)}
	var rows []account.UserRow
	for _, name := range slices.Concat(sortable, others) {
		u := user(t, name)
		u.Language, u.ExternalID, u.Protection = name, name, name
		u.Addresses = []string{"x" + name}
		rows = append(rows, u)
	}
	rows[len(rows)-1].ExternalID = "" // twice as long where U+0001 is written as two
	g := group(t, "g")
	update(t, s, func(tx account.Tx) error {
		for i := range rows {
			if err := tx.InsertUser(&rows[i]); err != nil {
				return err
			}
			if err := tx.SetSetting(rows[i].UserName, rows[i].UserName); err != nil {
				return err
			}
			if err := tx.Log(account.Entry{Time: moment(0), Verb: rows[i].UserName, RequestID: rows[i].UserName, Detail: rows[i].UserName}); err != nil {
				return err
			}
		}
		return tx.InsertGroup(&g)
	})
	view(t, s, func(tx account.Tx) error {
		for _, u := range rows {
			got, err := tx.UserByName(account.Fold(u.UserName))
			must(t, err)
			same(t, "user", got, u)
			setting, err := tx.Setting(u.UserName)
			must(t, err)
			same(t, "setting", setting, u.UserName)
			for f, value := range map[account.Field]string{account.ByUserName: u.UserName, account.ByEmail: "x" + u.UserName, account.ByExternalID: u.ExternalID} {
				found, _, _, err := tx.Users(account.Query{Terms: []account.Term{{Field: f, Op: account.Eq, Value: value}}, Limit: 5}, account.VisibleOnly)
				must(t, err)
				same(t, "found by "+string(f)+" "+value, len(found), 1)
			}
			_, err = tx.UserByID(u.UserName)
			wantError(t, err, account.ErrNotFound)
			_, err = tx.GroupByID(u.UserName)
			wantError(t, err, account.ErrNotFound)
		}
		return nil
	})
	chained(t, s)
	update(t, s, func(tx account.Tx) error { // the order is of these alone
		for i := range rows[len(sortable):] {
			old := rows[len(sortable)+i]
			next := old
			next.Released = true
			if err := tx.UpdateUser(&old, &next); err != nil {
				return err
			}
		}
		return nil
	})
	rows = rows[:len(sortable)]
	view(t, s, func(tx account.Tx) error {
		for _, f := range []account.Field{account.ByUserName, account.ByName, account.ByExternalID} {
			for _, descending := range []bool{false, true} {
				q := account.Query{Order: f, Descending: descending, Limit: 7}
				want := ids(sortedRows(rows, q))
				for at := 0; at < len(want); at += q.Limit {
					page, _, next, err := tx.Users(q, account.VisibleOnly)
					must(t, err)
					same(t, "order by "+string(f), ids(page), want[at:min(at+q.Limit, len(want))])
					q.After = next
				}
			}
			for _, u := range rows {
				for _, op := range []account.Op{account.Prefix, account.Gt, account.Ge, account.Lt, account.Le} {
					term := account.Term{Field: f, Op: op, Value: u.UserName}
					var want []string
					for i := range rows {
						if matches(&rows[i], []account.Term{term}) {
							want = append(want, rows[i].ID)
						}
					}
					got, _, _, err := tx.Users(account.Query{Terms: []account.Term{term}, Limit: 100}, account.VisibleOnly)
					must(t, err)
					if !slices.Equal(ids(got), want) {
						t.Errorf("%s %s %q found %d, want %d", f, op, u.UserName, len(got), len(want))
					}
				}
			}
		}
		return nil
	})
}
