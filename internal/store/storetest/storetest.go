// Package storetest is what every store owes an account: one suite, run against each database.
//
// It asks for rows, uniqueness and references, for all or nothing, for reads of one state, for listings that agree
// with a plain loop over all rows, and for a chain that covers every entry. Rules are not its business.
package storetest

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/internal/account"
)

// Run runs the suite. open opens a new empty store, which the suite closes.
func Run(t *testing.T, open func(t testing.TB) account.Store) {
	t.Helper()
	for name, test := range map[string]func(t *testing.T, s account.Store){
		"settings":                settings,
		"users":                   users,
		"unique":                  unique,
		"groups":                  groups,
		"memberships":             memberships,
		"groups of people":        groupsOf,
		"members":                 members,
		"rekeyings":               rekeyings,
		"calls":                   calls,
		"listings":                listings,
		"odd texts":               oddTexts,
		"all or nothing":          allOrNothing,
		"panic":                   panics,
		"one state":               oneState,
		"at once":                 atOnce,
		"log":                     log,
		"backup":                  backup,
		"leases":                  leases,
		"backlog":                 backlog,
		"closed":                  closed,
		"a context that is ended": ended,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			t.Cleanup(func() { must(t, s.Close()) })
			test(t, s)
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
}

func same(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// update changes. The change must not end the test, since a store may run it on another goroutine.
func update(t testing.TB, s account.Store, change func(tx account.Tx) error) {
	t.Helper()
	must(t, s.Update(context.Background(), change))
}

func view(t testing.TB, s account.Store, read func(tx account.Tx) error) {
	t.Helper()
	must(t, s.View(context.Background(), read))
}

func newID(t testing.TB) string {
	t.Helper()
	id, err := account.NewID(time.Now(), rand.Reader)
	must(t, err)
	return id
}

// moment is a time as it is kept.
func moment(n int) time.Time { return time.UnixMilli(1_700_000_000_000 + int64(n)).UTC() }

func user(t testing.TB, name string) account.UserRow {
	t.Helper()
	return account.UserRow{User: account.User{
		ID: newID(t), Person: account.Person{UserName: name, Email: name, Name: name}, SignInName: name, State: account.Invited,
		Revision: 1, Created: moment(0), Modified: moment(0),
	}}
}

func group(t testing.TB, name string) account.GroupRow {
	t.Helper()
	return account.GroupRow{Group: account.Group{
		ID: newID(t), Name: name, Managed: true, Mode: account.Exclusive, Revision: 1, Created: moment(0), Modified: moment(0),
	}}
}

// insert adds users of these names.
func insert(t testing.TB, s account.Store, names ...string) []account.UserRow {
	t.Helper()
	rows := make([]account.UserRow, len(names))
	for i, name := range names {
		rows[i] = user(t, name)
	}
	update(t, s, func(tx account.Tx) error {
		for i := range rows {
			if err := tx.InsertUser(&rows[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return rows
}

func insertGroup(t testing.TB, s account.Store, g account.GroupRow) account.GroupRow {
	t.Helper()
	update(t, s, func(tx account.Tx) error { return tx.InsertGroup(&g) })
	return g
}

func settings(t *testing.T, s account.Store) {
	update(t, s, func(tx account.Tx) error {
		return errors.Join(tx.SetSetting("a", "1"), tx.SetSetting("b", ""), tx.SetSetting("a", "2"))
	})
	view(t, s, func(tx account.Tx) error {
		for key, want := range map[string]string{"a": "2", "b": "", "c": ""} {
			got, err := tx.Setting(key)
			if err != nil || got != want {
				t.Errorf("setting %s is %q, %v; want %q", key, got, err, want)
			}
		}
		return nil
	})
}

func users(t *testing.T, s account.Store) {
	u := account.UserRow{User: account.User{
		ID: newID(t),
		Person: account.Person{
			UserName: "Ada@Example.com", Email: "ada@example.org", Addresses: []string{"a@b", "c@d"}, Name: "Ada", Language: "en",
			ExternalID: "x", Profile: []byte(`{"a":1}`),
		},
		SignInName: "old@example.com", State: account.Suspended, Managed: true, Protection: "why", Released: true, ProfileStale: true,
		Revision: 7, Created: moment(1), Modified: moment(2),
	}, Accepted: true}
	update(t, s, func(tx account.Tx) error { return tx.InsertUser(&u) })
	read := func() (got account.UserRow) {
		view(t, s, func(tx account.Tx) (err error) {
			got, err = tx.UserByID(u.ID)
			return err
		})
		return got
	}
	same(t, "user", read(), u)
	for _, name := range []string{"ada@example.com", "old@example.com"} {
		view(t, s, func(tx account.Tx) error {
			got, err := tx.UserByName(name)
			same(t, "user by name", got, u)
			return err
		})
	}
	view(t, s, func(tx account.Tx) error {
		id, err := tx.UserID(u.Seq)
		same(t, "id", id, u.ID)
		return err
	})
	// Each field on its own, so that no column is forgotten by an update that leaves others alone.
	for name, edit := range map[string]func(u *account.UserRow){
		"user name":     func(u *account.UserRow) { u.UserName = "Lovelace" },
		"sign-in name":  func(u *account.UserRow) { u.SignInName = u.UserName },
		"e-mail":        func(u *account.UserRow) { u.Email = "" },
		"addresses":     func(u *account.UserRow) { u.Addresses = []string{"e@f"} },
		"no addresses":  func(u *account.UserRow) { u.Addresses = nil },
		"name":          func(u *account.UserRow) { u.Name = "Lady Ada" },
		"language":      func(u *account.UserRow) { u.Language = "" },
		"external id":   func(u *account.UserRow) { u.ExternalID = "" },
		"profile":       func(u *account.UserRow) { u.Profile = []byte("{}") },
		"no profile":    func(u *account.UserRow) { u.Profile = nil },
		"large profile": func(u *account.UserRow) { u.Profile = make([]byte, 20_000) },
		"state":         func(u *account.UserRow) { u.State = account.Accepted },
		"managed":       func(u *account.UserRow) { u.Managed = !u.Managed },
		"protection":    func(u *account.UserRow) { u.Protection = "" },
		"released":      func(u *account.UserRow) { u.Released = !u.Released },
		"accepted":      func(u *account.UserRow) { u.Accepted = !u.Accepted },
		"stale":         func(u *account.UserRow) { u.ProfileStale = !u.ProfileStale },
		"modified":      func(u *account.UserRow) { u.Modified = u.Modified.Add(time.Second) },
	} {
		next := read()
		old := next
		edit(&next)
		next.Revision++
		update(t, s, func(tx account.Tx) error { return tx.UpdateUser(&old, &next) })
		same(t, name, read(), next)
	}
	deleted := user(t, "deleted@example.com")
	deleted.State = account.Deleted
	update(t, s, func(tx account.Tx) error { return tx.InsertUser(&deleted) })
	view(t, s, func(tx account.Tx) error {
		for scope, want := range map[account.Scope]int{account.VisibleOnly: 0, account.Everything: 1} {
			found, _, _, err := tx.Users(account.Query{Terms: []account.Term{{Field: account.ByEmail, Op: account.Eq, Value: deleted.Email}}, Limit: 5}, scope)
			must(t, err)
			same(t, "deleted people by their address", len(found), want)
		}
		return nil
	})
	address := user(t, "moved@example.com")
	address.Addresses = []string{"old@example.org", "both@example.org"}
	update(t, s, func(tx account.Tx) error { return tx.InsertUser(&address) })
	moved := address
	moved.Addresses = []string{"both@example.org", "new@example.org"}
	update(t, s, func(tx account.Tx) error { return tx.UpdateUser(&address, &moved) })
	view(t, s, func(tx account.Tx) error {
		for value, want := range map[string]int{"old@example.org": 0, "both@example.org": 1, "NEW@example.org": 1} {
			found, _, _, err := tx.Users(account.Query{Terms: []account.Term{{Field: account.ByEmail, Op: account.Eq, Value: value}}, Limit: 5}, account.VisibleOnly)
			must(t, err)
			same(t, "people with the address "+value, len(found), want)
		}
		return nil
	})
	view(t, s, func(tx account.Tx) error {
		_, err := tx.UserByID("nobody")
		wantError(t, err, account.ErrNotFound)
		_, err = tx.UserByName("nobody")
		wantError(t, err, account.ErrNotFound)
		_, err = tx.UserID(u.Seq + 1<<40)
		wantError(t, err, account.ErrNotFound)
		return nil
	})
}

func unique(t *testing.T, s account.Store) {
	ada, bob := insert(t, s, "Ada")[0], insert(t, s, "bob")[0]
	g := insertGroup(t, s, group(t, "Engineers"))
	twin := func(edit func(u *account.UserRow)) func(tx account.Tx) error {
		u := user(t, "somebody")
		edit(&u)
		return func(tx account.Tx) error { return tx.InsertUser(&u) }
	}
	for _, tt := range []struct {
		name   string
		change func(tx account.Tx) error
		want   error
	}{
		{"the same user name in another case", twin(func(u *account.UserRow) { u.UserName, u.SignInName = "ADA", "ADA" }), account.ErrUserNameTaken},
		{"the same id", twin(func(u *account.UserRow) { u.ID = ada.ID }), account.ErrIDTaken},
		{"the same e-mail address", twin(func(u *account.UserRow) { u.Email = ada.Email }), nil},
		{"the same name of a deleted person", twin(func(u *account.UserRow) { u.UserName, u.SignInName, u.State = "ada", "ada", account.Deleted }), nil},
		{"renamed", func(tx account.Tx) error {
			u := bob
			u.UserName = "ada"
			return tx.UpdateUser(&bob, &u)
		}, account.ErrUserNameTaken},
		{"the same id of a group", func(tx account.Tx) error { return tx.InsertGroup(&account.GroupRow{Group: g.Group}) }, account.ErrIDTaken},
		{"the same name of a group", func(tx account.Tx) error {
			other := group(t, "Engineers")
			return tx.InsertGroup(&other)
		}, nil},
		{"a member who is nobody", func(tx account.Tx) error {
			_, _, err := tx.AddMembers(g.Seq, []int64{1 << 40}, account.SCIM, nil)
			return err
		}, account.ErrNotFound},
		{"a member of no group", func(tx account.Tx) error {
			_, _, err := tx.AddMembers(1<<40, []int64{ada.Seq}, account.SCIM, nil)
			return err
		}, account.ErrNotFound},
	} {
		t.Run(tt.name, func(t *testing.T) { wantError(t, s.Update(t.Context(), tt.change), tt.want) })
	}
}

func groups(t *testing.T, s account.Store) {
	g := group(t, "Café")
	g.ExternalID, g.Profile, g.Members, g.ThroughSCIM = "x", []byte("{}"), 3, 2
	g = insertGroup(t, s, g)
	read := func() (got account.GroupRow) {
		view(t, s, func(tx account.Tx) (err error) {
			got, err = tx.GroupByID(g.ID)
			return err
		})
		return got
	}
	same(t, "group", read(), g)
	view(t, s, func(tx account.Tx) error {
		bySeq, err := tx.GroupBySeq(g.Seq)
		same(t, "group by number", bySeq, g)
		byName, nameErr := tx.GroupsByName(account.Fold("CAFÉ"))
		same(t, "groups by name", byName, []account.GroupRow{g})
		return errors.Join(err, nameErr)
	})
	g.Name, g.ExternalID, g.Profile, g.Managed, g.Mode = "Bar", "", nil, false, account.Additive
	g.Members, g.ThroughSCIM, g.Revision, g.Modified = 0, 0, 9, moment(9)
	update(t, s, func(tx account.Tx) error { return tx.UpdateGroup(&g) })
	same(t, "changed group", read(), g)
	update(t, s, func(tx account.Tx) error { return tx.DeleteGroup(g.Seq) })
	view(t, s, func(tx account.Tx) error {
		_, err := tx.GroupByID(g.ID)
		wantError(t, err, account.ErrNotFound)
		_, err = tx.GroupBySeq(g.Seq)
		wantError(t, err, account.ErrNotFound)
		list, err := tx.GroupsByName("bar")
		same(t, "groups by name", len(list), 0)
		return err
	})
}

func memberships(t *testing.T, s account.Store) {
	rows := insert(t, s, "a", "b")
	a, b := rows[0].Seq, rows[1].Seq
	g := insertGroup(t, s, group(t, "Engineers"))
	none := []int64(nil)
	for i, tt := range []struct {
		add           bool
		users         []int64
		from          account.Source
		first, second []int64
		scim, all     []int64 // members afterwards
	}{
		{true, []int64{a}, account.Manual, []int64{a}, none, none, []int64{a}},
		{true, []int64{a}, account.Manual, none, none, none, []int64{a}},
		{true, []int64{b, a}, account.SCIM, []int64{b}, []int64{a}, []int64{a, b}, []int64{a, b}},
		{true, []int64{a, b}, account.SCIM, none, none, []int64{a, b}, []int64{a, b}},
		{false, []int64{b}, account.Manual, none, none, []int64{a, b}, []int64{a, b}},
		{false, []int64{a, b}, account.SCIM, []int64{b}, []int64{a}, none, []int64{a}},
		{false, []int64{a}, account.SCIM, none, none, none, []int64{a}},
		{true, []int64{a}, account.SCIM, none, []int64{a}, []int64{a}, []int64{a}},
		{false, []int64{a}, account.Manual, none, []int64{a}, []int64{a}, []int64{a}},
		{false, []int64{a}, account.SCIM, []int64{a}, none, none, none},
	} {
		var first, second, scim, all []int64
		update(t, s, func(tx account.Tx) (err error) {
			if tt.add {
				first, second, err = tx.AddMembers(g.Seq, tt.users, tt.from, nil)
			} else {
				first, second, err = tx.RemoveMembers(g.Seq, tt.users, tt.from)
			}
			return err
		})
		view(t, s, func(tx account.Tx) error {
			var scimErr, allErr error
			scim, scimErr = tx.MemberSeqs(g.Seq, account.SCIM)
			all, allErr = tx.MemberSeqs(g.Seq, "")
			return errors.Join(scimErr, allErr)
		})
		same(t, fmt.Sprint("step ", i), [][]int64{first, second, scim, all}, [][]int64{tt.first, tt.second, tt.scim, tt.all})
	}
	update(t, s, func(tx account.Tx) error {
		_, _, err := tx.AddMembers(g.Seq, []int64{a, b}, account.SCIM, nil)
		return errors.Join(err, tx.DeleteGroup(g.Seq))
	})
	view(t, s, func(tx account.Tx) error {
		list, err := tx.Memberships(a)
		same(t, "memberships after the group is gone", len(list), 0)
		return err
	})
}

func groupsOf(t *testing.T, s account.Store) {
	var names []string
	for i := range 12 {
		names = append(names, fmt.Sprint("u", i))
	}
	rows := insert(t, s, names...)
	shown, adopted, unmanaged, privileged := group(t, "shown"), group(t, "adopted"), group(t, "unmanaged"), group(t, "privileged")
	adopted.Mode, unmanaged.Managed, privileged.Privileged = account.Additive, false, true
	want := map[int64][]account.GroupRef{}
	all := []*account.GroupRow{&shown, &adopted, &unmanaged, &privileged}
	for _, g := range all {
		*g = insertGroup(t, s, *g)
	}
	update(t, s, func(tx account.Tx) error {
		for i, u := range rows {
			from := account.SCIM
			if i%2 == 0 {
				from = account.Manual
			}
			for _, g := range all {
				if _, _, err := tx.AddMembers(g.Seq, []int64{u.Seq}, from, nil); err != nil {
					return err
				}
			}
			want[u.Seq] = append(want[u.Seq], account.GroupRef{ID: shown.ID, Name: shown.Name})
			if from == account.SCIM {
				want[u.Seq] = append(want[u.Seq], account.GroupRef{ID: adopted.ID, Name: adopted.Name})
			}
		}
		return nil
	})
	for name, pick := range map[string][]int{"nobody": {}, "one": {3}, "neighbours": {2, 3, 4, 5}, "far apart": {0, 11}, "backwards": {7, 6, 5}} {
		t.Run(name, func(t *testing.T) {
			view(t, s, func(tx account.Tx) error {
				var seqs []int64
				for _, i := range pick {
					seqs = append(seqs, rows[i].Seq)
				}
				got, err := tx.GroupsOf(seqs)
				for _, seq := range seqs {
					same(t, "groups", got[seq], want[seq])
				}
				return err
			})
		})
	}
	view(t, s, func(tx account.Tx) error {
		got, err := tx.Memberships(rows[1].Seq)
		same(t, "memberships", got, []int64{shown.Seq, adopted.Seq, unmanaged.Seq, privileged.Seq})
		return err
	})
}

func members(t *testing.T, s account.Store) {
	rows := insert(t, s, "a", "b", "c", "d")
	gone := user(t, "gone")
	gone.Released = true
	update(t, s, func(tx account.Tx) error { return tx.InsertUser(&gone) })
	g := insertGroup(t, s, group(t, "Engineers"))
	update(t, s, func(tx account.Tx) error {
		_, _, err := tx.AddMembers(g.Seq, []int64{rows[2].Seq, rows[0].Seq}, account.SCIM, nil)
		_, _, byHandErr := tx.AddMembers(g.Seq, []int64{rows[1].Seq, rows[2].Seq}, account.Manual, nil)
		active := rows[0]
		active.State = account.Active
		return errors.Join(err, byHandErr, tx.UpdateUser(&rows[0], &active))
	})
	a := account.Member{UserID: rows[0].ID, Name: "a", Source: account.SCIM}
	b := account.Member{UserID: rows[1].ID, Name: "b", Source: account.Manual}
	c := account.Member{UserID: rows[2].ID, Name: "c", Source: account.Both}
	view(t, s, func(tx account.Tx) error {
		for _, tt := range []struct {
			after string
			limit int
			from  account.Source
			want  []account.Member
		}{
			{"", 10, "", []account.Member{a, b, c}},
			{"", 2, "", []account.Member{a, b}},
			{rows[1].ID, 10, "", []account.Member{c}},
			{rows[3].ID, 10, "", nil},
			{"", 10, account.SCIM, []account.Member{a, c}},
			{"", 10, account.Manual, []account.Member{b, c}},
		} {
			got, err := tx.Members(g.Seq, tt.after, tt.limit, tt.from)
			same(t, fmt.Sprintf("%+v", tt), got, tt.want)
			must(t, err)
		}
		_, err := tx.Members(g.Seq, "nobody", 10, "")
		wantError(t, err, account.ErrNotFound)
		n, err := tx.CountActive(g.Seq)
		same(t, "active members", n, 1)
		must(t, err)
		for _, ids := range [][]string{
			{}, {rows[0].ID}, {rows[0].ID, rows[0].ID, "nobody", gone.ID}, {rows[0].ID, rows[1].ID, rows[2].ID, rows[3].ID, "nobody", "", gone.ID, `"'[]`},
		} {
			want := map[string]int64{}
			for _, r := range rows {
				if slices.Contains(ids, r.ID) {
					want[r.ID] = r.Seq
				}
			}
			got, err := tx.FindUsers(ids)
			same(t, "found", got, want)
			must(t, err)
		}
		return nil
	})
}

func allOrNothing(t *testing.T, s account.Store) {
	why := errors.New("thought better of it")
	u, g := user(t, "ada"), group(t, "Engineers")
	err := s.Update(t.Context(), func(tx account.Tx) error {
		if err := errors.Join(tx.InsertUser(&u), tx.InsertGroup(&g), tx.SetSetting("a", "1"), tx.Log(account.Entry{Time: moment(0), Verb: "undone"})); err != nil {
			return err
		}
		if _, _, err := tx.AddMembers(g.Seq, []int64{u.Seq}, account.SCIM, nil); err != nil {
			return err
		}
		return why
	})
	wantError(t, err, why)
	view(t, s, func(tx account.Tx) error {
		_, err := tx.UserByID(u.ID)
		wantError(t, err, account.ErrNotFound)
		_, err = tx.GroupByID(g.ID)
		wantError(t, err, account.ErrNotFound)
		setting, err := tx.Setting("a")
		same(t, "setting", setting, "")
		must(t, err)
		_, n, _, err := tx.Users(account.Query{}, account.VisibleOnly)
		same(t, "users", n, 0)
		must(t, err)
		list, err := tx.Entries(0, 10)
		same(t, "entries", len(list), 0)
		return err
	})
	insert(t, s, "ada")
}

func panics(t *testing.T, s account.Store) {
	u := user(t, "ada")
	err := s.Update(t.Context(), func(tx account.Tx) error {
		if err := tx.InsertUser(&u); err != nil {
			return err
		}
		panic("a bug")
	})
	if err == nil {
		t.Error("a change that panics is acknowledged")
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a read that panics goes on")
			}
		}()
		_ = s.View(t.Context(), func(account.Tx) error { panic("a bug") })
	}()
	// The store goes on: more reads than it has connections, and a change.
	for range 20 {
		view(t, s, func(tx account.Tx) error {
			_, err := tx.UserByID(u.ID)
			wantError(t, err, account.ErrNotFound)
			return nil
		})
	}
	insert(t, s, "ada")
}

// oneState: a read sees one state, whatever is committed meanwhile.
func oneState(t *testing.T, s account.Store) {
	insert(t, s, "ada")
	view(t, s, func(tx account.Tx) error {
		count := func() int {
			_, n, _, err := tx.Users(account.Query{}, account.Everything)
			must(t, err)
			return n
		}
		before := count()
		insert(t, s, "bob")
		same(t, "users", count(), before)
		return nil
	})
}

func atOnce(t *testing.T, s account.Store) {
	const many = 60
	var wg sync.WaitGroup
	refused := errors.New("refused")
	for i := range many {
		wg.Go(func() {
			u := user(t, fmt.Sprint("u", i))
			err := s.Update(t.Context(), func(tx account.Tx) error {
				if err := errors.Join(tx.InsertUser(&u), tx.Log(account.Entry{Time: moment(i), Verb: "made", ObjectID: u.ID})); err != nil {
					return err
				}
				if i%3 == 0 {
					return refused
				}
				return nil
			})
			if i%3 == 0 != errors.Is(err, refused) || i%3 != 0 && err != nil {
				t.Errorf("change %d: %v", i, err)
			}
			// What is acknowledged is there for everybody.
			err = s.View(t.Context(), func(tx account.Tx) error {
				_, err := tx.UserByID(u.ID)
				return err
			})
			if i%3 == 0 != errors.Is(err, account.ErrNotFound) || i%3 != 0 && err != nil {
				t.Errorf("read %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	view(t, s, func(tx account.Tx) error {
		_, n, _, err := tx.Users(account.Query{}, account.VisibleOnly)
		same(t, "users", n, many*2/3)
		must(t, err)
		list, err := tx.Entries(0, many)
		same(t, "entries", len(list), many*2/3)
		return err
	})
	chained(t, s)
}

func log(t *testing.T, s account.Store) {
	var want []account.Entry
	for i := range 7 {
		e := account.Entry{Time: moment(i), Caller: account.Integration, RequestID: fmt.Sprint("r", i), Verb: "v", Object: "o", ObjectID: "id", Detail: "d"}
		update(t, s, func(tx account.Tx) error { return errors.Join(tx.Log(e), tx.Log(e)) })
		for range 2 {
			e.Number++
			e.Number = int64(len(want)) + 1
			want = append(want, e)
		}
	}
	view(t, s, func(tx account.Tx) error {
		all, err := tx.Entries(0, 100)
		same(t, "entries", all, want)
		must(t, err)
		some, err := tx.Entries(3, 5)
		same(t, "entries after one", some, want[3:8])
		return err
	})
	chained(t, s)
}

// chained checks that links cover all entries without a gap.
func chained(t *testing.T, s account.Store) {
	t.Helper()
	view(t, s, func(tx account.Tx) error {
		links, err := tx.Links(0, 1000)
		must(t, err)
		var before account.Link
		for _, link := range links {
			list, err := tx.Entries(link.First-1, int(link.Last-link.First)+1)
			must(t, err)
			same(t, "link", link, account.NextLink(before, list))
			before = link
		}
		rest, err := tx.Entries(before.Last, 1)
		same(t, "entries that belong to no link", len(rest), 0)
		return err
	})
}

func backup(t *testing.T, s account.Store) {
	insert(t, s, "ada")
	path := filepath.Join(t.TempDir(), "copy")
	err := s.Backup(t.Context(), path)
	if errors.Is(err, errors.ErrUnsupported) {
		return
	}
	must(t, err)
	if err := s.Backup(t.Context(), path); err == nil {
		t.Error("a backup has overwritten a file")
	}
	if err := s.Backup(t.Context(), filepath.Join(t.TempDir(), "no folder", "copy")); err == nil {
		t.Error("a backup into no folder is acknowledged")
	}
}

func closed(t *testing.T, s account.Store) {
	must(t, s.Close())
	must(t, s.Close())
	nothing := func(account.Tx) error { return nil }
	wantError(t, s.View(t.Context(), nothing), account.ErrUnavailable)
	wantError(t, s.Update(t.Context(), nothing), account.ErrUnavailable)
}

func ended(t *testing.T, s account.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantError(t, s.Update(ctx, func(account.Tx) error {
		t.Error("a change was made for a caller who has gone")
		return nil
	}), context.Canceled)
}

// sortedRows are rows in the order that a query asks for.
func sortedRows(rows []account.UserRow, q account.Query) []account.UserRow {
	key := map[account.Field]func(u account.UserRow) string{
		account.ByID:         func(u account.UserRow) string { return u.ID },
		account.ByUserName:   func(u account.UserRow) string { return account.Fold(u.UserName) },
		account.ByName:       func(u account.UserRow) string { return account.Fold(u.Name) },
		account.ByExternalID: func(u account.UserRow) string { return u.ExternalID },
		account.ByCreated:    func(u account.UserRow) string { return strconv.FormatInt(u.Created.UnixMilli(), 10) },
		account.ByModified:   func(u account.UserRow) string { return strconv.FormatInt(u.Modified.UnixMilli(), 10) },
		account.BySequence:   func(account.UserRow) string { return "" },
	}[q.Order]
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b account.UserRow) int {
		c := cmp.Or(cmp.Compare(key(a), key(b)), cmp.Compare(a.Seq, b.Seq))
		if q.Descending {
			return -c
		}
		return c
	})
	return rows
}

func ids(rows []account.UserRow) []string {
	out := make([]string, len(rows))
	for i := range rows {
		out[i] = rows[i].ID
	}
	return out
}
