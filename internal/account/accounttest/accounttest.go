// Package accounttest is what every account owes a bridge: one suite, run against the native account and against
// whatever else the bridge drives.
//
// The suite knows an account by the methods that the bridge needs, and an administrator by the few acts that put
// people and groups where a test wants them. It goes through the state table cell by cell, and through what happens
// to people who were let go, to names, to groups that were handed over, to pages, and to many calls at once; a
// property test compares random histories with a model that fits on a screen.
//
// It must not know how an account keeps its rows.
package accounttest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/internal/account"
)

// Account is what a bridge needs of an account. See the interface of the same name in package bridge for what each
// method promises.
type Account interface {
	Describe(ctx context.Context) (account.Info, error)
	User(ctx context.Context, id string) (account.User, error)
	Users(ctx context.Context, q account.Query) (account.UserPage, error)
	Invite(ctx context.Context, i account.Invitation) (account.User, error)
	ChangeUser(ctx context.Context, id string, c account.UserChange) (account.User, error)
	ReleaseUser(ctx context.Context, id string, ifRevision int64) error
	Group(ctx context.Context, id string) (account.Group, error)
	Groups(ctx context.Context, q account.Query) (account.GroupPage, error)
	CreateGroup(ctx context.Context, g account.NewGroup) (account.GroupResult, error)
	ChangeGroup(ctx context.Context, id string, c account.GroupChange) (account.GroupResult, error)
	DeleteGroup(ctx context.Context, id string, ifRevision int64) error
	Members(ctx context.Context, group, after string, limit int) ([]account.Member, error)
}

// Administrator puts people and groups where a test wants them.
type Administrator interface {
	Person(ctx context.Context, idOrName string) (account.User, error)
	AllGroups(ctx context.Context, after string, limit int) ([]account.Group, error)
	SetState(ctx context.Context, id string, s account.State) (account.User, error)
	Protect(ctx context.Context, id, reason string) (account.User, error)
	ConfirmUserName(ctx context.Context, id string) (account.User, error)
	MakeGroup(ctx context.Context, name string, members []string) (account.Group, error)
	Adopt(ctx context.Context, group string) (account.Group, error)
}

// Fixture is an account that has just been founded: nobody is in it but its owner.
type Fixture struct {
	Account
	Admin Administrator
	Owner string // id of the only owner, who is active
}

// Run runs the suite. open makes a new account that is closed with the test.
func Run(t *testing.T, open func(t testing.TB) Fixture) {
	t.Helper()
	for _, suite := range []struct {
		name string
		run  func(t *testing.T, open func(t testing.TB) Fixture)
	}{
		{"people", people},
		{"states", states},
		{"released", released},
		{"names", names},
		{"protected", protected},
		{"groups", groups},
		{"members", members},
		{"adopted", adopted},
		{"queries", queries},
		{"at once", atOnce},
		{"history", history},
		{"leases", leases},
	} {
		t.Run(suite.name, func(t *testing.T) {
			t.Parallel()
			suite.run(t, open)
		})
	}
}

// cases runs tests that each have an account of their own.
func cases(t *testing.T, open func(t testing.TB) Fixture, tests map[string]func(t *testing.T, f Fixture)) {
	t.Helper()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// newID makes an id as a bridge does.
func newID(t testing.TB) string {
	t.Helper()
	id, err := account.NewID(time.Now(), rand.Reader)
	must(t, err)
	return id
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantError fails unless err wraps want; nil wants none.
func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
}

func same(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// person is what an identity provider might say of somebody.
func person(name string) account.Person {
	mail := name + "@example.com"
	return account.Person{
		UserName: mail, Email: mail, Name: "Person " + name, Language: "en-GB", ExternalID: "ext-" + name,
		Profile: fmt.Appendf(nil, `{"userName":%q}`, mail),
	}
}

// invite adds a person.
func (f Fixture) invite(t testing.TB, name string) account.User {
	t.Helper()
	u, err := f.Invite(t.Context(), account.Invitation{ID: newID(t), Person: person(name)})
	must(t, err)
	return u
}

// inState adds a person and puts it into a state.
func (f Fixture) inState(t testing.TB, name string, s account.State) account.User {
	t.Helper()
	u := f.invite(t, name)
	if s == u.State {
		return u
	}
	u, err := f.Admin.SetState(t.Context(), u.ID, s)
	must(t, err)
	return u
}

// group adds a group with members.
func (f Fixture) group(t testing.TB, name string, members ...string) account.Group {
	t.Helper()
	res, err := f.CreateGroup(t.Context(), account.NewGroup{ID: newID(t), Name: name, Members: members, Strict: true})
	must(t, err)
	return res.Group
}

func (f Fixture) setActive(t testing.TB, id string, active bool) (account.User, error) {
	t.Helper()
	return f.ChangeUser(t.Context(), id, account.UserChange{Active: &active})
}

// members are the ids of a group's members, read in small pages.
func (f Fixture) members(t testing.TB, group string) []string {
	t.Helper()
	const page = 3
	ids, after := []string{}, ""
	for {
		list, err := f.Members(t.Context(), group, after, page)
		must(t, err)
		for _, m := range list {
			ids = append(ids, m.UserID)
			after = m.UserID
		}
		if len(list) < page {
			return ids
		}
	}
}

// change changes a group's members.
func (f Fixture) change(t testing.TB, group string, steps ...account.MemberStep) account.GroupResult {
	t.Helper()
	res, err := f.ChangeGroup(t.Context(), group, account.GroupChange{Steps: steps})
	must(t, err)
	return res
}

func add(ids ...string) account.MemberStep { return account.MemberStep{Kind: account.Add, Users: ids} }

func remove(ids ...string) account.MemberStep {
	return account.MemberStep{Kind: account.Remove, Users: ids}
}

func replace(ids ...string) account.MemberStep {
	return account.MemberStep{Kind: account.Replace, Users: ids}
}

// userNames are the user names on a page.
func userNames(list []account.User) []string {
	out := make([]string, len(list))
	for i := range list {
		out[i] = list[i].UserName
	}
	return out
}
