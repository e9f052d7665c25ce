// Package accounttest holds what every account owes a bridge, as one suite: the state table cell by cell, uniqueness,
// taking back, protection, groups of all kinds, listing, concurrency. An account runs it in five lines.
package accounttest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/internal/account"
)

// Account is what the suite needs: what a bridge uses, and the administrator's acts that set the stage.
type Account interface {
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

	Person(ctx context.Context, idOrName string) (account.User, error)
	AllGroups(ctx context.Context, after string, limit int) ([]account.Group, error)
	SetState(ctx context.Context, id string, s account.State) (account.User, error)
	Protect(ctx context.Context, id, reason string) (account.User, error)
	ConfirmUserName(ctx context.Context, id string) (account.User, error)
	MakeGroup(ctx context.Context, name string, members []string) (account.Group, error)
	Adopt(ctx context.Context, group string) (account.Group, error)
	Verify(ctx context.Context) (account.Verification, error)
}

// Run runs the suite. open returns a new account that has been founded with the owner owner@example.com.
func Run(t *testing.T, open func(t *testing.T) Account) {
	for _, c := range []struct {
		name string
		test func(*stage)
	}{
		{"states", states}, {"taken names", takenNames}, {"renaming", renaming}, {"taking back", takingBack}, {"nothing changes", nothingChanges},
		{"revisions", revisions}, {"repeated calls", repeatedCalls}, {"protection", protection}, {"groups", groups}, {"group names", groupNames},
		{"members", members}, {"adopted groups", adopted}, {"queries", queries}, {"orders", orders}, {"walks", walks}, {"bad input", badInput},
		{"concurrency", concurrency},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := &stage{t, open(t)}
			c.test(s)
			if v, err := s.Verify(t.Context()); err != nil || v.Problem != "" {
				t.Errorf("the activity log: %v %s", err, v.Problem)
			}
		})
	}
}

// stage is a test with its account.
type stage struct {
	*testing.T
	Account
}

func id(t testing.TB) string {
	t.Helper()
	s, err := account.NewID(time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func someone(name string) account.Person {
	return account.Person{UserName: name, Email: name, Name: "Name of " + name, ExternalID: "x-" + name, Profile: []byte(`{"userName":"` + name + `"}`)}
}

// person makes a person in a state.
func (s *stage) person(name string, state account.State) account.User {
	s.Helper()
	u, err := s.Invite(s.Context(), account.Invitation{ID: id(s), Person: someone(name)})
	if err != nil {
		s.Fatal(err)
	}
	if u.State != state {
		if u, err = s.SetState(s.Context(), u.ID, state); err != nil {
			s.Fatal(err)
		}
	}
	return u
}

func (s *stage) group(name string, members ...string) account.Group {
	s.Helper()
	res, err := s.CreateGroup(s.Context(), account.NewGroup{ID: id(s), Name: name, Members: members})
	if err != nil {
		s.Fatal(err)
	}
	return res.Group
}

func term(f account.Field, op account.Op, value string) account.Term {
	return account.Term{Field: f, Op: op, Value: value}
}

func step(k account.StepKind, users []string) account.MemberStep {
	return account.MemberStep{Kind: k, Users: users}
}

func (s *stage) wantError(what string, err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Errorf("%s: error %v, want %v", what, err, want)
	}
}

func (s *stage) active(id string, active bool) (account.User, error) {
	return s.ChangeUser(s.Context(), id, account.UserChange{Active: &active})
}

// states walks the state table.
func states(s *stage) {
	const none account.State = ""
	for _, c := range []struct {
		from, off, on, released account.State
	}{
		{account.Invited, account.InviteSuspended, account.Invited, account.InviteSuspended},
		{account.Accepted, account.InviteSuspended, account.Accepted, account.InviteSuspended},
		{account.Active, account.Suspended, account.Active, account.Suspended},
		{account.Suspended, account.Suspended, account.Active, account.Suspended},
		{account.InviteSuspended, account.InviteSuspended, account.Invited, account.InviteSuspended},
		{account.Deleted, none, none, none},
	} {
		for what, want := range map[string]account.State{"off": c.off, "on": c.on, "release": c.released, "invite": none} {
			u := s.person(fmt.Sprintf("%s.%s@example.com", c.from, what), c.from)
			var err error
			var got account.User
			switch what {
			case "off", "on":
				got, err = s.active(u.ID, what == "on")
			case "release":
				if err = s.ReleaseUser(s.Context(), u.ID, 0); err == nil {
					_, gone := s.User(s.Context(), u.ID)
					s.wantError("a released person read", gone, account.ErrNotFound)
					if got, err = s.Person(s.Context(), u.ID); !got.Released {
						s.Errorf("%s: not released", c.from)
					}
				}
			case "invite":
				_, err = s.Invite(s.Context(), account.Invitation{ID: id(s), Person: u.Person})
				if c.from != account.Deleted {
					s.wantError(string(c.from)+" invited again", err, account.ErrUserNameTaken)
				} else if err != nil {
					s.Errorf("the name of a deleted person is not free: %v", err)
				}
				continue
			}
			if want == none {
				s.wantError(string(c.from)+" "+what, err, account.ErrNotFound)
				continue
			}
			if err != nil || got.State != want {
				s.Errorf("%s %s: %s %v, want %s", c.from, what, got.State, err, want)
			}
		}
	}
	u, err := s.Invite(s.Context(), account.Invitation{ID: id(s), Person: someone("inactive@example.com"), Inactive: true})
	if err != nil || u.State != account.InviteSuspended {
		s.Errorf("invited as inactive: %s %v", u.State, err)
	}
}

func takenNames(s *stage) {
	u := s.person("Ann@Example.com", account.Invited)
	for _, name := range []string{"ann@example.com", "ANN@EXAMPLE.COM", "ａnn@example.com"} {
		_, err := s.Invite(s.Context(), account.Invitation{ID: id(s), Person: someone(name)})
		var taken *account.TakenError
		if !errors.As(err, &taken) || taken.ID != u.ID {
			s.Errorf("%s: %v does not name %s", name, err, u.ID)
		}
	}
	s.person("é@example.com", account.Invited)
	_, err := s.Invite(s.Context(), account.Invitation{ID: id(s), Person: someone("e\u0301@example.com")})
	s.wantError("composed and decomposed", err, account.ErrUserNameTaken)
	other := s.person("other@example.com", account.Active)
	p := someone("ann@example.com")
	_, err = s.ChangeUser(s.Context(), other.ID, account.UserChange{Person: &p})
	s.wantError("renamed to a taken name", err, account.ErrUserNameTaken)
}

func renaming(s *stage) {
	for state, want := range map[account.State]string{account.Invited: "new", account.InviteSuspended: "new", account.Active: "old", account.Suspended: "old"} {
		old, now := "old."+string(state)+"@example.com", "new."+string(state)+"@example.com"
		u := s.person(old, state)
		p := someone(now)
		got, err := s.ChangeUser(s.Context(), u.ID, account.UserChange{Person: &p})
		if err != nil || got.UserName != now || got.SignInName != want+"."+string(state)+"@example.com" || got.State != state {
			s.Errorf("%s: %s signs in as %s, %v", state, got.UserName, got.SignInName, err)
		}
		_, err = s.Invite(s.Context(), account.Invitation{ID: id(s), Person: someone(old)})
		if want == "new" && err != nil {
			s.Errorf("%s: the old name is not free: %v", state, err)
		}
		if want == "old" {
			s.wantError("the old name while it is signed in with", err, account.ErrUserNameTaken)
			if got, err = s.ConfirmUserName(s.Context(), u.ID); err != nil || got.SignInName != now {
				s.Errorf("confirmed: %s %v", got.SignInName, err)
			}
			if _, err := s.Invite(s.Context(), account.Invitation{ID: id(s), Person: someone(old)}); err != nil {
				s.Errorf("the old name after the change is confirmed: %v", err)
			}
		}
	}
	u := s.person("accepted@example.com", account.Accepted)
	p := someone("later@example.com")
	_, err := s.ChangeUser(s.Context(), u.ID, account.UserChange{Person: &p})
	s.wantError("renamed while accepted", err, account.ErrPendingName)
	_, err = s.ConfirmUserName(s.Context(), u.ID)
	s.wantError("nothing to confirm", err, account.ErrState)
	back := s.person("there@example.com", account.Active)
	for _, name := range []string{"away@example.com", "there@example.com"} {
		p := someone(name)
		if back, err = s.ChangeUser(s.Context(), back.ID, account.UserChange{Person: &p}); err != nil {
			s.Fatal(err)
		}
	}
	if back.SignInName != "there@example.com" {
		s.Errorf("renamed there and back: signs in as %s", back.SignInName)
	}
}

func takingBack(s *stage) {
	u := s.person("leaver@example.com", account.Active)
	g := s.group("team", u.ID)
	if err := s.ReleaseUser(s.Context(), u.ID, 0); err != nil {
		s.Fatal(err)
	}
	if got, err := s.Group(s.Context(), g.ID); err != nil || got.Members != 0 {
		s.Errorf("the group after its member was released: %d members, %v", got.Members, err)
	}
	s.wantError("released twice", s.ReleaseUser(s.Context(), u.ID, 0), account.ErrNotFound)
	back, err := s.Invite(s.Context(), account.Invitation{ID: id(s), Person: u.Person})
	if err != nil || back.ID != u.ID || back.State != account.Active || len(back.Groups) != 0 || back.Released {
		s.Fatalf("taken back: %+v %v", back, err)
	}
	for name, external := range map[string]string{"no external id": "", "another external id": "other"} {
		if err := s.ReleaseUser(s.Context(), u.ID, 0); err != nil {
			s.Fatal(err)
		}
		p := u.Person
		p.ExternalID = external
		n, err := s.Invite(s.Context(), account.Invitation{ID: id(s), Person: p})
		if err != nil || n.ID == u.ID || n.State != account.Invited {
			s.Errorf("%s: a namesake got %+v %v", name, n, err)
		}
		old, err := s.Person(s.Context(), u.ID)
		if err != nil || !old.Released || account.Fold(old.UserName) == account.Fold(p.UserName) {
			s.Errorf("%s: the leaver is %+v %v", name, old, err)
		}
		u = n
	}
	inactive := s.person("inactive@example.com", account.Active)
	if err := s.ReleaseUser(s.Context(), inactive.ID, 0); err != nil {
		s.Fatal(err)
	}
	if got, err := s.Invite(s.Context(), account.Invitation{ID: id(s), Person: inactive.Person, Inactive: true}); err != nil || got.ID != inactive.ID || got.State != account.Suspended {
		s.Errorf("taken back as inactive: %+v %v", got, err)
	}
}

func nothingChanges(s *stage) {
	u := s.person("same@example.com", account.Active)
	p, yes := u.Person, true
	for what, c := range map[string]account.UserChange{"person": {Person: &p}, "active": {Active: &yes}, "nothing": {}} {
		got, err := s.ChangeUser(s.Context(), u.ID, c)
		if err != nil || got.Revision != u.Revision || !got.Modified.Equal(u.Modified) {
			s.Errorf("the same %s: revision %d of %s, %v", what, got.Revision, got.Modified, err)
		}
	}
	g := s.group("same", u.ID)
	name := g.Name
	for what, c := range map[string]account.GroupChange{
		"name": {Name: &name}, "present member": {Steps: []account.MemberStep{{Kind: account.Add, Users: []string{u.ID}}}},
		"absent member": {Steps: []account.MemberStep{{Kind: account.Remove, Users: []string{id(s)}}}},
		"same members":  {Steps: []account.MemberStep{{Kind: account.Replace, Users: []string{u.ID, u.ID}}}},
	} {
		res, err := s.ChangeGroup(s.Context(), g.ID, c)
		if err != nil || res.Changed || res.Group.Revision != g.Revision || !res.Group.Modified.Equal(g.Modified) {
			s.Errorf("the same %s: %+v %v", what, res, err)
		}
	}
	p.Name = "Another"
	got, err := s.ChangeUser(s.Context(), u.ID, account.UserChange{Person: &p})
	if err != nil || got.Revision <= u.Revision || !got.Modified.After(u.Modified) {
		s.Errorf("a change: revision %d of %s, %v", got.Revision, got.Modified, err)
	}
}

func revisions(s *stage) {
	u := s.person("rev@example.com", account.Invited)
	p := u.Person
	p.Name = "A"
	if _, err := s.ChangeUser(s.Context(), u.ID, account.UserChange{IfRevision: u.Revision, Person: &p}); err != nil {
		s.Fatal(err)
	}
	p.Name = "B"
	_, err := s.ChangeUser(s.Context(), u.ID, account.UserChange{IfRevision: u.Revision, Person: &p})
	s.wantError("an old revision", err, account.ErrRevision)
	s.wantError("released at an old revision", s.ReleaseUser(s.Context(), u.ID, u.Revision), account.ErrRevision)
	if got, _ := s.User(s.Context(), u.ID); got.Name != "A" {
		s.Errorf("refused, but the name is %s", got.Name)
	}
	g := s.group("rev")
	name := "rev 2"
	if _, err := s.ChangeGroup(s.Context(), g.ID, account.GroupChange{IfRevision: g.Revision, Name: &name}); err != nil {
		s.Fatal(err)
	}
	_, err = s.ChangeGroup(s.Context(), g.ID, account.GroupChange{IfRevision: g.Revision, Steps: []account.MemberStep{{Kind: account.Add, Users: []string{u.ID}}}})
	s.wantError("a group's old revision", err, account.ErrRevision)
	s.wantError("deleted at an old revision", s.DeleteGroup(s.Context(), g.ID, g.Revision), account.ErrRevision)
}

func repeatedCalls(s *stage) {
	i := account.Invitation{ID: id(s), Person: someone("twice@example.com")}
	a, err := s.Invite(s.Context(), i)
	if err != nil {
		s.Fatal(err)
	}
	b, err := s.Invite(s.Context(), i)
	if err != nil || b.ID != a.ID || b.Revision != a.Revision {
		s.Errorf("invited by the same call again: %+v %v", b, err)
	}
	n := account.NewGroup{ID: id(s), Name: "twice", Members: []string{a.ID}}
	for range 2 {
		if res, err := s.CreateGroup(s.Context(), n); err != nil || res.Group.ID != n.ID || res.Group.Members != 1 {
			s.Errorf("made by the same call: %+v %v", res, err)
		}
	}
}

func protection(s *stage) {
	owner, err := s.Person(s.Context(), "owner@example.com")
	if err != nil {
		s.Fatal(err)
	}
	marked := s.person("break-glass@example.com", account.Active)
	if _, err := s.Protect(s.Context(), marked.ID, "break-glass"); err != nil {
		s.Fatal(err)
	}
	for who, id := range map[string]string{"the last owner": owner.ID, "a marked person": marked.ID} {
		_, err := s.active(id, false)
		var p *account.ProtectedError
		if !errors.As(err, &p) || p.Reason == "" {
			s.Errorf("%s suspended: %v gives no reason", who, err)
		}
		s.wantError(who+" released", s.ReleaseUser(s.Context(), id, 0), account.ErrProtected)
		if u, err := s.User(s.Context(), id); err != nil || u.State != account.Active {
			s.Errorf("%s is %s, %v", who, u.State, err)
		}
	}
	_, err = s.SetState(s.Context(), owner.ID, account.Suspended)
	s.wantError("the last owner suspended by an administrator", err, account.ErrProtected)
	if _, err := s.Protect(s.Context(), marked.ID, ""); err != nil {
		s.Fatal(err)
	}
	if _, err := s.active(marked.ID, false); err != nil {
		s.Errorf("suspended after the protection was taken away: %v", err)
	}
}

func groups(s *stage) {
	all, err := s.AllGroups(s.Context(), "", 100)
	if err != nil || len(all) != 4 {
		s.Fatalf("%d groups of the account's own, %v", len(all), err)
	}
	for _, g := range all {
		_, err := s.Group(s.Context(), g.ID)
		s.wantError(g.Name+" read", err, account.ErrNotFound)
		_, err = s.ChangeGroup(s.Context(), g.ID, account.GroupChange{})
		s.wantError(g.Name+" changed", err, account.ErrNotFound)
		s.wantError(g.Name+" deleted", s.DeleteGroup(s.Context(), g.ID, 0), account.ErrNotFound)
		_, err = s.Adopt(s.Context(), g.ID)
		s.wantError(g.Name+" adopted", err, account.ErrProtected)
	}
	u := s.person("in@example.com", account.Invited)
	g := s.group("mine", u.ID)
	if got, err := s.User(s.Context(), u.ID); err != nil || len(got.Groups) != 1 || got.Groups[0].ID != g.ID || got.Groups[0].Name != "mine" {
		s.Errorf("the person's groups: %+v %v", got.Groups, err)
	}
	if err := s.DeleteGroup(s.Context(), g.ID, 0); err != nil {
		s.Fatal(err)
	}
	s.wantError("deleted twice", s.DeleteGroup(s.Context(), g.ID, 0), account.ErrNotFound)
	if got, err := s.User(s.Context(), u.ID); err != nil || len(got.Groups) != 0 {
		s.Errorf("the person's groups after: %+v %v", got.Groups, err)
	}
	s.group("mine")
}

func groupNames(s *stage) {
	g := s.group("Sales")
	_, err := s.CreateGroup(s.Context(), account.NewGroup{ID: id(s), Name: "SALES"})
	var taken *account.TakenError
	if !errors.As(err, &taken) || taken.ID != g.ID || !taken.Managed || taken.Several {
		s.Errorf("the name of a managed group: %+v", err)
	}
	other := s.group("Other")
	name := "sales"
	_, err = s.ChangeGroup(s.Context(), other.ID, account.GroupChange{Name: &name})
	s.wantError("renamed to a taken name", err, account.ErrGroupName)
	name = "SALES"
	if _, err := s.ChangeGroup(s.Context(), g.ID, account.GroupChange{Name: &name}); err != nil {
		s.Errorf("another case of its own name: %v", err)
	}
	if _, err := s.MakeGroup(s.Context(), "Theirs", nil); err != nil {
		s.Fatal(err)
	}
	_, err = s.CreateGroup(s.Context(), account.NewGroup{ID: id(s), Name: "theirs"})
	if !errors.As(err, &taken) || taken.Managed {
		s.Errorf("the name of an unmanaged group: %+v", err)
	}
	if _, err := s.MakeGroup(s.Context(), "Theirs", nil); err != nil {
		s.Fatal(err)
	}
	_, err = s.CreateGroup(s.Context(), account.NewGroup{ID: id(s), Name: "theirs"})
	if !errors.As(err, &taken) || !taken.Several {
		s.Errorf("the name of several groups: %+v", err)
	}
	_, err = s.CreateGroup(s.Context(), account.NewGroup{ID: id(s), Name: "Owners"})
	s.wantError("the name of a group of the account's own", err, account.ErrGroupName)
}

func (s *stage) memberIDs(group string) []string {
	s.Helper()
	list, err := s.Members(s.Context(), group, "", 1000)
	if err != nil {
		s.Fatal(err)
	}
	ids := []string{}
	for _, m := range list {
		ids = append(ids, m.UserID)
	}
	slices.Sort(ids)
	return ids
}

func members(s *stage) {
	var p []string
	for i := range 6 {
		p = append(p, s.person(fmt.Sprintf("m%d@example.com", i), account.Active).ID)
	}
	g := s.group("members", p[0], "nobody", p[1], p[1])
	for _, c := range []struct {
		name    string
		steps   []account.MemberStep
		want    []string
		unknown int
	}{
		{"made", nil, p[:2], 0},
		{"added", []account.MemberStep{step(account.Add, []string{p[2], p[0], "nobody"})}, p[:3], 1},
		{"removed", []account.MemberStep{step(account.Remove, []string{p[0], "nobody"})}, p[1:3], 0},
		{"in order", []account.MemberStep{step(account.Add, []string{p[4]}), step(account.Remove, []string{p[4], p[1]}), step(account.Add, []string{p[5]})}, []string{p[2], p[5]}, 0},
		{"replaced", []account.MemberStep{step(account.Replace, []string{p[3], p[5]})}, []string{p[3], p[5]}, 0},
		{"many", []account.MemberStep{step(account.Add, append([]string{"a", "b", "c"}, p...))}, p, 3},
		{"emptied", []account.MemberStep{step(account.Replace, nil)}, []string{}, 0},
	} {
		res, err := s.ChangeGroup(s.Context(), g.ID, account.GroupChange{Steps: c.steps})
		if err != nil || len(res.Unknown) != c.unknown || res.Group.Members != len(c.want) {
			s.Errorf("%s: %+v %v", c.name, res, err)
		}
		want := slices.Sorted(slices.Values(c.want))
		if got := s.memberIDs(g.ID); !slices.Equal(got, want) {
			s.Errorf("%s: %v, want %v", c.name, got, want)
		}
	}
	_, err := s.ChangeGroup(s.Context(), g.ID, account.GroupChange{Strict: true, Steps: []account.MemberStep{step(account.Add, []string{p[0], "nobody"})}})
	var unknown *account.UnknownMembersError
	if !errors.As(err, &unknown) || !slices.Equal(unknown.IDs, []string{"nobody"}) {
		s.Errorf("strict: %v", err)
	}
	if got := s.memberIDs(g.ID); len(got) != 0 {
		s.Errorf("strict: half done: %v", got)
	}
}

func adopted(s *stage) {
	manual, through := s.person("manual@example.com", account.Active), s.person("scim@example.com", account.Active)
	g, err := s.MakeGroup(s.Context(), "adopted", []string{manual.ID})
	if err != nil {
		s.Fatal(err)
	}
	_, err = s.Group(s.Context(), g.ID)
	s.wantError("read before it is adopted", err, account.ErrNotFound)
	if _, err := s.Adopt(s.Context(), g.ID); err != nil {
		s.Fatal(err)
	}
	_, err = s.Adopt(s.Context(), g.ID)
	s.wantError("adopted twice", err, account.ErrState)
	if got := s.memberIDs(g.ID); len(got) != 0 {
		s.Errorf("members that were there before are shown: %v", got)
	}
	if u, _ := s.User(s.Context(), manual.ID); len(u.Groups) != 0 {
		s.Errorf("a membership that was there before is shown: %v", u.Groups)
	}
	res, err := s.ChangeGroup(s.Context(), g.ID, account.GroupChange{Steps: []account.MemberStep{step(account.Add, []string{through.ID}), step(account.Remove, []string{manual.ID})}})
	if err != nil || res.Group.Members != 1 {
		s.Errorf("changed: %+v %v", res, err)
	}
	if page, err := s.Groups(s.Context(), account.Query{Terms: []account.Term{term(account.ByMember, account.Eq, manual.ID)}, Limit: 10}); err != nil || page.Total != 0 {
		s.Errorf("found by a member that was there before: %+v %v", page, err)
	}
	if _, err := s.ChangeGroup(s.Context(), g.ID, account.GroupChange{Steps: []account.MemberStep{{Kind: account.Replace}}}); err != nil {
		s.Fatal(err)
	}
	if all, _ := s.AllGroups(s.Context(), "", 100); !slices.ContainsFunc(all, func(x account.Group) bool { return x.ID == g.ID && x.Members == 1 }) {
		s.Errorf("the member that was there before is gone: %+v", all)
	}
	if err := s.DeleteGroup(s.Context(), g.ID, 0); err != nil {
		s.Fatal(err)
	}
	all, err := s.AllGroups(s.Context(), "", 100)
	if err != nil || !slices.ContainsFunc(all, func(x account.Group) bool { return x.ID == g.ID && !x.Managed && x.Members == 1 }) {
		s.Errorf("an adopted group that is deleted goes back to the account: %+v %v", all, err)
	}
}

func queries(s *stage) {
	a, b := s.person("Alpha@example.com", account.Active), s.person("beta@example.com", account.Active)
	p := someone("gamma@example.com")
	p.Email, p.Addresses = "primary@example.org", []string{"second@example.org"}
	c, err := s.Invite(s.Context(), account.Invitation{ID: id(s), Person: p})
	if err != nil {
		s.Fatal(err)
	}
	if _, err := s.active(b.ID, false); err != nil {
		s.Fatal(err)
	}
	gone := s.person("gone@example.com", account.Active)
	if err := s.ReleaseUser(s.Context(), gone.ID, 0); err != nil {
		s.Fatal(err)
	}
	g := s.group("Alpha team", a.ID)
	at := c.Created.Format(time.RFC3339Nano)
	for _, q := range []struct {
		name  string
		terms []account.Term
		want  []string
	}{
		{"id", []account.Term{term(account.ByID, account.Eq, a.ID)}, []string{a.ID}},
		{"user name", []account.Term{term(account.ByUserName, account.Eq, "ALPHA@example.com")}, []string{a.ID}},
		{"prefix", []account.Term{term(account.ByUserName, account.Prefix, "ALP")}, []string{a.ID}},
		{"range", []account.Term{term(account.ByUserName, account.Ge, "beta"), term(account.ByUserName, account.Lt, "h")}, []string{b.ID, c.ID}},
		{"external id", []account.Term{term(account.ByExternalID, account.Eq, "x-beta@example.com")}, []string{b.ID}},
		{"external id in another case", []account.Term{term(account.ByExternalID, account.Eq, "X-beta@example.com")}, nil},
		{"e-mail", []account.Term{term(account.ByEmail, account.Eq, "PRIMARY@example.org")}, []string{c.ID}},
		{"further e-mail", []account.Term{term(account.ByEmail, account.Eq, "second@example.org")}, []string{c.ID}},
		{"e-mail that is the user name", []account.Term{term(account.ByEmail, account.Eq, "alpha@example.com")}, []string{a.ID}},
		{"user name that is no e-mail", []account.Term{term(account.ByEmail, account.Eq, "gamma@example.com")}, nil},
		{"name", []account.Term{term(account.ByName, account.Eq, "name of BETA@example.com")}, []string{b.ID}},
		{"inactive", []account.Term{term(account.ByActive, account.Eq, "false")}, []string{b.ID}},
		{"inactive and name", []account.Term{term(account.ByActive, account.Eq, "true"), term(account.ByUserName, account.Eq, "beta@example.com")}, nil},
		{"created", []account.Term{term(account.ByCreated, account.Eq, at), term(account.ByUserName, account.Eq, "gamma@example.com")}, []string{c.ID}},
		{"created before", []account.Term{term(account.ByCreated, account.Lt, at), term(account.ByUserName, account.Eq, "gamma@example.com")}, nil},
		{"released", []account.Term{term(account.ByUserName, account.Eq, "gone@example.com")}, nil},
	} {
		page, err := s.Users(s.Context(), account.Query{Terms: q.terms, Limit: 10})
		var got []string
		for _, u := range page.Users {
			got = append(got, u.ID)
		}
		if err != nil || page.Total != len(q.want) || !slices.Equal(got, q.want) {
			s.Errorf("%s: %v of %d, %v; want %v", q.name, got, page.Total, err, q.want)
		}
		count, err := s.Users(s.Context(), account.Query{Terms: q.terms})
		if err != nil || count.Total != len(q.want) || len(count.Users) != 0 {
			s.Errorf("%s counted: %d, %v", q.name, count.Total, err)
		}
	}
	for name, terms := range map[string][]account.Term{
		"member": {term(account.ByMember, account.Eq, a.ID)}, "name": {term(account.ByName, account.Eq, "ALPHA TEAM")}, "prefix": {term(account.ByName, account.Prefix, "alpha")},
		"id and member": {term(account.ByID, account.Eq, g.ID), term(account.ByMember, account.Eq, a.ID)},
	} {
		if page, err := s.Groups(s.Context(), account.Query{Terms: terms, Limit: 10}); err != nil || page.Total != 1 || page.Groups[0].ID != g.ID {
			s.Errorf("group by %s: %+v %v", name, page, err)
		}
	}
	if page, err := s.Groups(s.Context(), account.Query{Terms: []account.Term{term(account.ByMember, account.Eq, b.ID)}, Limit: 10}); err != nil || page.Total != 0 {
		s.Errorf("group by somebody who is in none: %+v %v", page, err)
	}
}

func orders(s *stage) {
	for _, name := range []string{"c@example.com", "A@example.com", "b@example.com"} {
		s.person(name, account.Invited)
	}
	for _, c := range []struct {
		order      account.Field
		descending bool
		want       string
	}{
		{account.ByUserName, false, "Abco"}, {account.ByUserName, true, "ocbA"}, {account.BySequence, false, "ocAb"}, {account.ByCreated, true, "bAco"}, {account.ByID, false, "ocAb"},
	} {
		got := ""
		var after *account.Position
		for {
			page, err := s.Users(s.Context(), account.Query{Order: c.order, Descending: c.descending, Limit: 1, After: after})
			if err != nil {
				s.Fatal(err)
			}
			for _, u := range page.Users {
				got += u.UserName[:1]
			}
			if after = page.Next; after == nil {
				break
			}
		}
		if c.order == account.ByCreated || c.order == account.ByID { // people made in one millisecond have no order
			if len(got) != len(c.want) {
				s.Errorf("order %q: %s", c.order, got)
			}
			continue
		}
		if got != c.want {
			s.Errorf("order %q, descending %v: %s, want %s", c.order, c.descending, got, c.want)
		}
	}
}

// walks reads everybody by offsets and by positions, in sizes around those that stores treat apart.
func walks(s *stage) {
	const people = 700
	var wg sync.WaitGroup
	names := make(chan int)
	for range 8 {
		wg.Go(func() {
			for i := range names {
				u, err := s.Invite(s.Context(), account.Invitation{ID: id(s), Person: someone(fmt.Sprintf("w%d@example.com", i))})
				if err == nil && i%3 == 0 {
					err = s.ReleaseUser(s.Context(), u.ID, 0)
				}
				if err != nil {
					s.Error(err)
				}
			}
		})
	}
	for i := range people {
		names <- i
	}
	close(names)
	wg.Wait()
	const want = people - (people+2)/3 + 1 // and the owner
	var byOffset []string
	for {
		page, err := s.Users(s.Context(), account.Query{Offset: len(byOffset), Limit: 77})
		if err != nil || page.Total != want {
			s.Fatalf("offset %d: total %d, %v; want %d", len(byOffset), page.Total, err, want)
		}
		for _, u := range page.Users {
			byOffset = append(byOffset, u.ID)
		}
		if len(page.Users) == 0 {
			break
		}
	}
	var byPosition []string
	q := account.Query{Limit: 64, NoTotal: true}
	for {
		page, err := s.Users(s.Context(), q)
		if err != nil {
			s.Fatal(err)
		}
		for _, u := range page.Users {
			byPosition = append(byPosition, u.ID)
		}
		if q.After = page.Next; q.After == nil {
			break
		}
	}
	if diff := cmp.Diff(byOffset, byPosition); diff != "" || len(byOffset) != want {
		s.Errorf("%d by offset, %d by position, want %d", len(byOffset), len(byPosition), want)
	}
}

func badInput(s *stage) {
	long := string(make([]byte, 2000))
	for field, p := range map[string]account.Person{
		"userName": {UserName: " "}, "displayName": {UserName: "a", Name: long}, "externalId": {UserName: "a", ExternalID: long}, "emails": {UserName: "a", Email: long},
	} {
		_, err := s.Invite(s.Context(), account.Invitation{ID: id(s), Person: p})
		var bad *account.InvalidError
		if !errors.As(err, &bad) || bad.Field != field {
			s.Errorf("%s: %v", field, err)
		}
	}
	_, err := s.CreateGroup(s.Context(), account.NewGroup{ID: id(s), Name: ""})
	s.wantError("a group without a name", err, account.ErrInvalid)
	u := s.person("state@example.com", account.Invited)
	_, err = s.SetState(s.Context(), u.ID, "ASLEEP")
	s.wantError("an unknown state", err, account.ErrInvalid)
	_, err = s.User(s.Context(), "nobody")
	s.wantError("nobody", err, account.ErrNotFound)
}

func concurrency(s *stage) {
	var p []string
	for i := range 40 {
		p = append(p, s.person(fmt.Sprintf("c%d@example.com", i), account.Active).ID)
	}
	g := s.group("parallel")
	var wg sync.WaitGroup
	for _, id := range p {
		wg.Go(func() {
			if _, err := s.ChangeGroup(s.Context(), g.ID, account.GroupChange{Steps: []account.MemberStep{step(account.Add, []string{id})}}); err != nil {
				s.Error(err)
			}
		})
	}
	wg.Wait()
	if got := s.memberIDs(g.ID); len(got) != 40 {
		s.Errorf("%d of 40 parallel adds survive", len(got))
	}
	if got, err := s.Group(s.Context(), g.ID); err != nil || got.Members != 40 {
		s.Errorf("the group counts %d members, %v", got.Members, err)
	}
	var mu sync.Mutex
	made := 0
	for range 20 {
		wg.Go(func() {
			_, err := s.Invite(s.Context(), account.Invitation{ID: id(s), Person: someone("one@example.com")})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				made++
			} else if !errors.Is(err, account.ErrUserNameTaken) {
				s.Error(err)
			}
		})
	}
	wg.Wait()
	if made != 1 {
		s.Errorf("%d of 20 parallel invitations of one name succeed", made)
	}
}
