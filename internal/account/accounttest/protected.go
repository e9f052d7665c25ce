package accounttest

import (
	"testing"

	"github.com/scimbridge/scimbridge/internal/account"
)

// protected: whom nobody may suspend or release through the integration.
func protected(t *testing.T, open func(t testing.TB) Fixture) {
	refused := func(t *testing.T, f Fixture, id string) {
		t.Helper()
		before, err := f.User(t.Context(), id)
		must(t, err)
		_, err = f.setActive(t, id, false)
		wantError(t, err, account.ErrProtected)
		wantError(t, f.ReleaseUser(t.Context(), id, 0), account.ErrProtected)
		p, active := before.Person, false
		p.Name = "Renamed"
		_, err = f.ChangeUser(t.Context(), id, account.UserChange{Person: &p, Active: &active})
		wantError(t, err, account.ErrProtected)
		after, err := f.User(t.Context(), id)
		must(t, err)
		same(t, "after the refusals", after, before)
	}
	cases(t, open, map[string]func(t *testing.T, f Fixture){
		"the last owner": func(t *testing.T, f Fixture) {
			refused(t, f, f.Owner)
			for _, s := range []account.State{account.Suspended, account.Deleted} {
				_, err := f.Admin.SetState(t.Context(), f.Owner, s)
				wantError(t, err, account.ErrProtected)
			}
		},
		"an owner may be renamed": func(t *testing.T, f Fixture) {
			u, err := f.User(t.Context(), f.Owner)
			must(t, err)
			p := u.Person
			p.Name = "The Owner"
			u, err = f.ChangeUser(t.Context(), f.Owner, account.UserChange{Person: &p})
			must(t, err)
			same(t, "name", u.Name, p.Name)
		},
		"somebody who is marked": func(t *testing.T, f Fixture) {
			u := f.inState(t, "glass", account.Active)
			marked, err := f.Admin.Protect(t.Context(), u.ID, "break-glass")
			must(t, err)
			same(t, "Protection", marked.Protection, "break-glass")
			refused(t, f, u.ID)
			_, err = f.Admin.Protect(t.Context(), u.ID, "")
			must(t, err)
			must(t, f.ReleaseUser(t.Context(), u.ID, 0))
		},
		"the privileged groups": func(t *testing.T, f Fixture) {
			all, err := f.Admin.AllGroups(t.Context(), "", 100)
			must(t, err)
			seen := map[string]bool{}
			ada := f.invite(t, "ada")
			for _, g := range all {
				if !g.Privileged {
					continue
				}
				seen[g.Name] = true
				_, err := f.Group(t.Context(), g.ID)
				wantError(t, err, account.ErrNotFound)
				_, err = f.Members(t.Context(), g.ID, "", 10)
				wantError(t, err, account.ErrNotFound)
				_, err = f.ChangeGroup(t.Context(), g.ID, account.GroupChange{Steps: []account.MemberStep{add(ada.ID)}})
				wantError(t, err, account.ErrNotFound)
				wantError(t, f.DeleteGroup(t.Context(), g.ID, 0), account.ErrNotFound)
				_, err = f.Admin.Adopt(t.Context(), g.ID)
				wantError(t, err, account.ErrProtected)
				_, err = f.CreateGroup(t.Context(), account.NewGroup{ID: newID(t), Name: g.Name})
				wantError(t, err, account.ErrGroupName)
			}
			same(t, "privileged groups", seen, map[string]bool{"Owners": true, "Administrators": true, "Recovery": true, "Provision Managers": true})
			page, err := f.Groups(t.Context(), account.Query{Limit: 10})
			must(t, err)
			same(t, "groups that the integration sees", len(page.Groups)+page.Total, 0)
			owner, err := f.User(t.Context(), f.Owner)
			must(t, err)
			same(t, "the owner's groups", len(owner.Groups), 0)
		},
	})
}
