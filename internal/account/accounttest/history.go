package accounttest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/scimbridge/scimbridge/internal/account"
)

// history: random histories leave an account as they leave a model.
func history(t *testing.T, open func(t testing.TB) Fixture) {
	f := open(t)
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		// One account serves all histories; the names of each are its own.
		round++
		m := &model{f: f, ctx: t.Context(), prefix: fmt.Sprint(round, "-"), people: map[string]*modelUser{}, groups: map[string]*modelGroup{}, newID: func() string { return newID(t) }}
		rt.Repeat(map[string]func(*rapid.T){
			"":        m.check,
			"invite":  m.invite,
			"active":  m.active,
			"release": m.release,
			"rename":  m.rename,
			"state":   m.state,
			"make":    m.make,
			"members": m.change,
			"delete":  m.remove,
		})
	})
}

// model is an account in a few maps.
type model struct {
	f      Fixture
	ctx    context.Context //nolint:containedctx // of the test
	prefix string
	newID  func() string
	people map[string]*modelUser // by id
	groups map[string]*modelGroup
}

type modelUser struct {
	name, signIn, external string
	state                  account.State
	accepted, released     bool
}

type modelGroup struct {
	name    string
	members map[string]bool
}

// holder finds who has a name; nobody is "".
func (m *model) holder(name string) string {
	for id, u := range m.people {
		if u.name == name || u.signIn == name {
			return id
		}
	}
	return ""
}

func (m *model) name(t *rapid.T) string {
	return m.prefix + rapid.SampledFrom([]string{"ada", "bob", "carol", "dan"}).Draw(t, "name")
}

func (m *model) somebody(t *rapid.T) (string, *modelUser) {
	if len(m.people) == 0 {
		t.Skip("nobody is there")
	}
	id := rapid.SampledFrom(slices.Sorted(maps.Keys(m.people))).Draw(t, "user")
	return id, m.people[id]
}

func expect(t *rapid.T, err, want error) bool {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
	return want == nil
}

func (m *model) park(id string) {
	m.people[id].name, m.people[id].signIn = "parked "+id, "parked "+id
}

func (m *model) leave(id string) {
	for _, g := range m.groups {
		delete(g.members, id)
	}
}

func (u *modelUser) resume() {
	switch {
	case u.state == account.Suspended:
		u.state = account.Active
	case u.state == account.InviteSuspended && u.accepted:
		u.state = account.Accepted
	case u.state == account.InviteSuspended:
		u.state = account.Invited
	}
	u.accepted = false
}

func (u *modelUser) suspend() {
	switch u.state {
	case account.Active:
		u.state = account.Suspended
	case account.Invited, account.Accepted:
		u.accepted = u.state == account.Accepted
		u.state = account.InviteSuspended
	}
}

func (m *model) invite(t *rapid.T) {
	name, external := m.name(t), rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "external id")
	id := m.newID()
	got, err := m.f.Invite(m.ctx, account.Invitation{ID: id, Person: account.Person{UserName: name, ExternalID: external}})
	held := m.holder(name)
	if held != "" && !m.people[held].released {
		expect(t, err, account.ErrUserNameTaken)
		return
	}
	if !expect(t, err, nil) {
		return
	}
	if held != "" {
		if old := m.people[held]; external != "" && external == old.external && old.name == name {
			if got.ID != held {
				t.Fatalf("somebody new came for %s", name)
			}
			old.released = false
			old.resume()
			return
		}
		m.park(held)
	}
	if got.ID != id {
		t.Fatalf("an old person came for %s", name)
	}
	m.people[id] = &modelUser{name: name, signIn: name, external: external, state: account.Invited}
}

func (m *model) active(t *rapid.T) {
	id, u := m.somebody(t)
	active := rapid.Bool().Draw(t, "active")
	_, err := m.f.ChangeUser(m.ctx, id, account.UserChange{Active: &active})
	if u.released {
		expect(t, err, account.ErrNotFound)
		return
	}
	expect(t, err, nil)
	if active {
		u.resume()
	} else {
		u.suspend()
	}
}

func (m *model) release(t *rapid.T) {
	id, u := m.somebody(t)
	err := m.f.ReleaseUser(m.ctx, id, 0)
	if u.released {
		expect(t, err, account.ErrNotFound)
		return
	}
	expect(t, err, nil)
	u.suspend()
	u.released = true
	m.leave(id)
}

func (m *model) rename(t *rapid.T) {
	id, u := m.somebody(t)
	name := m.name(t)
	_, err := m.f.ChangeUser(m.ctx, id, account.UserChange{Person: &account.Person{UserName: name, ExternalID: u.external}})
	held := m.holder(name)
	switch {
	case u.released:
		expect(t, err, account.ErrNotFound)
		return
	case name == u.name:
		expect(t, err, nil)
		return
	case u.state == account.Accepted:
		expect(t, err, account.ErrPendingName)
		return
	case held != "" && held != id && !m.people[held].released:
		expect(t, err, account.ErrUserNameTaken)
		return
	}
	expect(t, err, nil)
	if held != "" && held != id {
		m.park(held)
	}
	u.name = name
	if u.state != account.Active && u.state != account.Suspended {
		u.signIn = name
	}
}

// state is the administrator's act.
func (m *model) state(t *rapid.T) {
	id, u := m.somebody(t)
	to := rapid.SampledFrom([]account.State{account.Accepted, account.Active}).Draw(t, "state")
	if u.released || u.state != account.Invited && u.state != account.Accepted {
		t.Skip("not what an administrator does")
	}
	_, err := m.f.Admin.SetState(m.ctx, id, to)
	expect(t, err, nil)
	u.state, u.accepted = to, false
}

func (m *model) make(t *rapid.T) {
	name := m.prefix + rapid.SampledFrom([]string{"one", "two"}).Draw(t, "group")
	id := m.newID()
	_, err := m.f.CreateGroup(m.ctx, account.NewGroup{ID: id, Name: name})
	for _, g := range m.groups {
		if g.name == name {
			expect(t, err, account.ErrGroupName)
			return
		}
	}
	expect(t, err, nil)
	m.groups[id] = &modelGroup{name: name, members: map[string]bool{}}
}

func (m *model) anyGroup(t *rapid.T) (string, *modelGroup) {
	if len(m.groups) == 0 {
		t.Skip("no group is there")
	}
	id := rapid.SampledFrom(slices.Sorted(maps.Keys(m.groups))).Draw(t, "group")
	return id, m.groups[id]
}

func (m *model) change(t *rapid.T) {
	id, g := m.anyGroup(t)
	if len(m.people) == 0 {
		t.Skip("nobody is there")
	}
	step := account.MemberStep{
		Kind:  rapid.SampledFrom([]account.StepKind{account.Add, account.Remove, account.Replace}).Draw(t, "kind"),
		Users: rapid.SliceOfN(rapid.SampledFrom(slices.Sorted(maps.Keys(m.people))), 0, 6).Draw(t, "users"),
	}
	_, err := m.f.ChangeGroup(m.ctx, id, account.GroupChange{Steps: []account.MemberStep{step}})
	expect(t, err, nil)
	if step.Kind == account.Replace {
		clear(g.members)
	}
	for _, user := range step.Users {
		switch {
		case step.Kind == account.Remove:
			delete(g.members, user)
		case !m.people[user].released:
			g.members[user] = true
		}
	}
}

func (m *model) remove(t *rapid.T) {
	id, _ := m.anyGroup(t)
	expect(t, m.f.DeleteGroup(m.ctx, id, 0), nil)
	delete(m.groups, id)
}

// check compares everything that can be seen.
func (m *model) check(t *rapid.T) {
	for id, want := range m.people {
		got, err := m.f.User(m.ctx, id)
		if want.released {
			expect(t, err, account.ErrNotFound)
			continue
		}
		expect(t, err, nil)
		if got.State != want.state || got.UserName != want.name || got.SignInName != want.signIn || got.ExternalID != want.external {
			t.Fatalf("user is %+v, want %+v", got, *want)
		}
		in := map[string]bool{}
		for _, g := range got.Groups {
			in[g.ID] = true
		}
		for gid, g := range m.groups {
			if g.members[id] != in[gid] {
				t.Fatalf("user %s in group %s: %t, want %t", id, gid, in[gid], g.members[id])
			}
			delete(in, gid)
		}
		if len(in) > 0 {
			t.Fatalf("user %s is in groups that are not there: %v", id, in)
		}
	}
	for id, want := range m.groups {
		got, err := m.f.Group(m.ctx, id)
		expect(t, err, nil)
		list, err := m.f.Members(m.ctx, id, "", 100)
		expect(t, err, nil)
		if got.Members != len(want.members) || len(list) != len(want.members) {
			t.Fatalf("group has %d members, lists %d, want %d", got.Members, len(list), len(want.members))
		}
	}
}
