package accounttest

import (
	"testing"

	"github.com/scimbridge/scimbridge/internal/account"
)

// released: who was let go, who comes back, and who only has the name.
func released(t *testing.T, open func(t testing.TB) Fixture) {
	cases(t, open, map[string]func(t *testing.T, f Fixture){
		"is not there any more": func(t *testing.T, f Fixture) {
			u := f.inState(t, "ada", account.Active)
			g := f.group(t, "Engineers", u.ID)
			must(t, f.ReleaseUser(t.Context(), u.ID, 0))
			wantError(t, f.ReleaseUser(t.Context(), u.ID, 0), account.ErrNotFound)
			_, err := f.setActive(t, u.ID, true)
			wantError(t, err, account.ErrNotFound)
			page, err := f.Users(t.Context(), account.Query{Terms: []account.Term{{Field: account.ByUserName, Op: account.Eq, Value: u.UserName}}, Limit: 5})
			must(t, err)
			same(t, "found", len(page.Users)+page.Total, 0)
			same(t, "members", f.members(t, g.ID), []string{})
			after, err := f.Group(t.Context(), g.ID)
			must(t, err)
			if after.Members != 0 || after.Revision == g.Revision {
				t.Errorf("group after its member left: %+v", after)
			}
			res := f.change(t, g.ID, add(u.ID))
			same(t, "unknown", res.Unknown, []string{u.ID})
			kept, err := f.Admin.Person(t.Context(), u.ID)
			must(t, err)
			same(t, "what the account keeps", kept.Person, u.Person)
		},
		"comes back as the same person": func(t *testing.T, f Fixture) {
			for from, back := range map[account.State]account.State{
				account.Invited: account.Invited, account.Accepted: account.Accepted, account.Active: account.Active,
				account.Suspended: account.Active, account.InviteSuspended: account.Invited,
			} {
				u := f.inState(t, string(from), from)
				f.group(t, "Group of "+string(from), u.ID)
				must(t, f.ReleaseUser(t.Context(), u.ID, 0))
				p := u.Person
				p.Name = "Back"
				got, err := f.Invite(t.Context(), account.Invitation{ID: newID(t), Person: p})
				must(t, err)
				if got.ID != u.ID || got.State != back || got.Released || len(got.Groups) != 0 || got.Name != "Back" || got.Revision <= u.Revision {
					t.Errorf("%s came back as %+v", from, got)
				}
				read, err := f.User(t.Context(), u.ID)
				must(t, err)
				same(t, "read", read, got)
			}
		},
		"comes back inactive": func(t *testing.T, f Fixture) {
			u := f.inState(t, "ada", account.Active)
			must(t, f.ReleaseUser(t.Context(), u.ID, 0))
			got, err := f.Invite(t.Context(), account.Invitation{ID: newID(t), Person: u.Person, Inactive: true})
			must(t, err)
			if got.ID != u.ID || got.State != account.Suspended {
				t.Errorf("got %+v", got)
			}
		},
		"a namesake inherits nothing": func(t *testing.T, f Fixture) {
			for name, external := range map[string]string{"other": "somebody else", "none": ""} {
				u := f.inState(t, name, account.Active)
				must(t, f.ReleaseUser(t.Context(), u.ID, 0))
				p := u.Person
				p.ExternalID = external
				got, err := f.Invite(t.Context(), account.Invitation{ID: newID(t), Person: p})
				must(t, err)
				if got.ID == u.ID || got.State != account.Invited {
					t.Errorf("%s: got %+v", name, got)
				}
				old, err := f.Admin.Person(t.Context(), u.ID)
				must(t, err)
				if old.State != account.Suspended || !old.Released || old.UserName == u.UserName || old.Name != u.Name {
					t.Errorf("%s: the one who left is now %+v", name, old)
				}
			}
		},
		"neither has an external id": func(t *testing.T, f Fixture) {
			p := person("ada")
			p.ExternalID = ""
			u, err := f.Invite(t.Context(), account.Invitation{ID: newID(t), Person: p})
			must(t, err)
			must(t, f.ReleaseUser(t.Context(), u.ID, 0))
			got, err := f.Invite(t.Context(), account.Invitation{ID: newID(t), Person: p})
			must(t, err)
			if got.ID == u.ID {
				t.Error("taken back without an external id")
			}
		},
		"three of one name": func(t *testing.T, f Fixture) {
			seen := map[string]bool{}
			for range 3 {
				p := person("ada")
				p.ExternalID = ""
				u, err := f.Invite(t.Context(), account.Invitation{ID: newID(t), Person: p})
				must(t, err)
				seen[u.ID] = true
				must(t, f.ReleaseUser(t.Context(), u.ID, 0))
			}
			same(t, "people", len(seen), 3)
		},
		"somebody is renamed to the name": func(t *testing.T, f Fixture) {
			gone := f.inState(t, "ada", account.Active)
			must(t, f.ReleaseUser(t.Context(), gone.ID, 0))
			u := f.invite(t, "grace")
			p := u.Person
			p.UserName = gone.UserName
			got, err := f.ChangeUser(t.Context(), u.ID, account.UserChange{Person: &p})
			must(t, err)
			same(t, "name", got.UserName, gone.UserName)
		},
		"the same invitation after the person was let go": func(t *testing.T, f Fixture) {
			i := account.Invitation{ID: newID(t), Person: person("ada")}
			_, err := f.Invite(t.Context(), i)
			must(t, err)
			must(t, f.ReleaseUser(t.Context(), i.ID, 0))
			got, err := f.Invite(t.Context(), i)
			must(t, err)
			if got.ID != i.ID || got.Released {
				t.Errorf("got %+v", got)
			}
		},
	})
}
