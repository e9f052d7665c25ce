package accounttest

import (
	"testing"

	"github.com/scimbridge/scimbridge/internal/account"
)

// act is a column of the state table: something an identity provider does to a person who is there.
type act string

const (
	post       act = "POST"
	deactivate act = "active:false"
	activate   act = "active:true"
	let        act = "DELETE"
	rename     act = "userName changed"
	join       act = "group add"
)

// cell is what becomes of the person: the state afterwards, or an error and everything as it was.
type cell struct {
	state    account.State
	err      error
	noop     bool // revision and time stay
	released bool
}

// table is the state table. A person who comes back comes back to where it was.
var table = map[account.State]map[act]cell{
	account.Invited: {
		post:       {state: account.Invited, err: account.ErrUserNameTaken},
		deactivate: {state: account.InviteSuspended},
		activate:   {state: account.Invited, noop: true},
		let:        {state: account.InviteSuspended, released: true},
		rename:     {state: account.Invited},
		join:       {state: account.Invited, noop: true},
	},
	account.Accepted: {
		post:       {state: account.Accepted, err: account.ErrUserNameTaken},
		deactivate: {state: account.InviteSuspended},
		activate:   {state: account.Accepted, noop: true},
		let:        {state: account.InviteSuspended, released: true},
		rename:     {state: account.Accepted, err: account.ErrPendingName},
		join:       {state: account.Accepted, noop: true},
	},
	account.Active: {
		post:       {state: account.Active, err: account.ErrUserNameTaken},
		deactivate: {state: account.Suspended},
		activate:   {state: account.Active, noop: true},
		let:        {state: account.Suspended, released: true},
		rename:     {state: account.Active},
		join:       {state: account.Active, noop: true},
	},
	account.Suspended: {
		post:       {state: account.Suspended, err: account.ErrUserNameTaken},
		deactivate: {state: account.Suspended, noop: true},
		activate:   {state: account.Active},
		let:        {state: account.Suspended, released: true},
		rename:     {state: account.Suspended},
		join:       {state: account.Suspended, noop: true},
	},
	account.InviteSuspended: {
		post:       {state: account.InviteSuspended, err: account.ErrUserNameTaken},
		deactivate: {state: account.InviteSuspended, noop: true},
		activate:   {state: account.Invited},
		let:        {state: account.InviteSuspended, released: true},
		rename:     {state: account.InviteSuspended},
		join:       {state: account.InviteSuspended, noop: true},
	},
}

// states goes through the state table cell by cell.
func states(t *testing.T, open func(t testing.TB) Fixture) {
	for from, row := range table {
		for what, want := range row {
			t.Run(string(from)+" "+string(what), func(t *testing.T) {
				t.Parallel()
				f := open(t)
				before := f.inState(t, "ada", from)
				err := f.do(t, before, what)
				wantError(t, err, want.err)
				after, err := f.Admin.Person(t.Context(), before.ID)
				must(t, err)
				if after.State != want.state || after.Released != want.released {
					t.Errorf("%s, released: %t; want %s, %t", after.State, after.Released, want.state, want.released)
				}
				if still := want.noop || want.err != nil; still != (after.Revision == before.Revision) || still != after.Modified.Equal(before.Modified) {
					t.Errorf("revision %d → %d, modified %v → %v", before.Revision, after.Revision, before.Modified, after.Modified)
				}
			})
		}
	}
	cases(t, open, map[string]func(t *testing.T, f Fixture){
		"invited while inactive": func(t *testing.T, f Fixture) {
			u, err := f.Invite(t.Context(), account.Invitation{ID: newID(t), Person: person("ada"), Inactive: true})
			must(t, err)
			same(t, "state", u.State, account.InviteSuspended)
			u, err = f.setActive(t, u.ID, true)
			must(t, err)
			same(t, "state", u.State, account.Invited)
		},
		"accepted keys outlast a suspension": func(t *testing.T, f Fixture) {
			u := f.inState(t, "ada", account.Accepted)
			_, err := f.setActive(t, u.ID, false)
			must(t, err)
			u, err = f.setActive(t, u.ID, true)
			must(t, err)
			same(t, "state", u.State, account.Accepted)
		},
		"an invitation that was suspended once more": func(t *testing.T, f Fixture) {
			u := f.inState(t, "ada", account.Accepted)
			_, err := f.setActive(t, u.ID, false)
			must(t, err)
			u, err = f.Admin.SetState(t.Context(), u.ID, account.Invited)
			must(t, err)
			_, err = f.setActive(t, u.ID, false)
			must(t, err)
			u, err = f.setActive(t, u.ID, true)
			must(t, err)
			same(t, "state", u.State, account.Invited)
		},
		"person and state in one change": func(t *testing.T, f Fixture) {
			u := f.inState(t, "ada", account.Active)
			p, active := person("ada"), false
			p.Name = "Ada L"
			got, err := f.ChangeUser(t.Context(), u.ID, account.UserChange{Person: &p, Active: &active})
			must(t, err)
			if got.State != account.Suspended || got.Name != "Ada L" || got.Revision != u.Revision+1 {
				t.Errorf("got %+v", got)
			}
		},
		"deleted is for good": func(t *testing.T, f Fixture) {
			u := f.inState(t, "ada", account.Active)
			g := f.group(t, "Engineers", u.ID)
			_, err := f.Admin.SetState(t.Context(), u.ID, account.Deleted)
			must(t, err)
			_, err = f.User(t.Context(), u.ID)
			wantError(t, err, account.ErrNotFound)
			_, err = f.Admin.SetState(t.Context(), u.ID, account.Active)
			wantError(t, err, account.ErrState)
			same(t, "members", f.members(t, g.ID), []string{})
			fresh := f.invite(t, "ada")
			if fresh.ID == u.ID {
				t.Error("a deleted person came back")
			}
		},
		"the same state again": func(t *testing.T, f Fixture) {
			u := f.inState(t, "ada", account.Active)
			again, err := f.Admin.SetState(t.Context(), u.ID, account.Active)
			must(t, err)
			same(t, "user", again, u)
		},
		"no such state": func(t *testing.T, f Fixture) {
			u := f.invite(t, "ada")
			_, err := f.Admin.SetState(t.Context(), u.ID, "SLEEPING")
			wantError(t, err, account.ErrInvalid)
		},
	})
}

// do acts on a person as an identity provider would.
func (f Fixture) do(t *testing.T, u account.User, what act) error {
	t.Helper()
	var err error
	switch what {
	case post:
		_, err = f.Invite(t.Context(), account.Invitation{ID: newID(t), Person: u.Person})
	case deactivate, activate:
		_, err = f.setActive(t, u.ID, what == activate)
	case let:
		err = f.ReleaseUser(t.Context(), u.ID, 0)
	case rename:
		p := u.Person
		p.UserName = "lovelace@example.com"
		_, err = f.ChangeUser(t.Context(), u.ID, account.UserChange{Person: &p})
	case join:
		g := f.group(t, "Engineers")
		f.change(t, g.ID, add(u.ID))
		same(t, "members", f.members(t, g.ID), []string{u.ID})
		var got account.User
		if got, err = f.User(t.Context(), u.ID); err == nil {
			same(t, "Groups", got.Groups, []account.GroupRef{{ID: g.ID, Name: g.Name}})
		}
	}
	return err
}
