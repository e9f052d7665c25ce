package accounttest

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scimbridge/scimbridge/internal/account"
)

// people: what is said of a person is what is read back.
func people(t *testing.T, open func(t testing.TB) Fixture) {
	cases(t, open, map[string]func(t *testing.T, f Fixture){
		"read back as invited": func(t *testing.T, f Fixture) {
			p := person("ada")
			p.Addresses = []string{"countess@example.org", "ada@example.net"}
			made, err := f.Invite(t.Context(), account.Invitation{ID: newID(t), Person: p})
			must(t, err)
			got, err := f.User(t.Context(), made.ID)
			must(t, err)
			same(t, "User", got, made)
			want := account.User{ID: made.ID, Person: p, SignInName: p.UserName, State: account.Invited, Managed: true, Revision: 1}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(account.User{}, "Created", "Modified")); diff != "" {
				t.Fatalf("User (-want +got):\n%s", diff)
			}
			if got.Created.IsZero() || !got.Created.Equal(got.Modified) {
				t.Errorf("created %v, modified %v", got.Created, got.Modified)
			}
		},
		"bare person": func(t *testing.T, f Fixture) {
			made, err := f.Invite(t.Context(), account.Invitation{ID: newID(t), Person: account.Person{UserName: "bare"}})
			must(t, err)
			got, err := f.User(t.Context(), made.ID)
			must(t, err)
			same(t, "User", got, made)
		},
		"the same invitation again": func(t *testing.T, f Fixture) {
			i := account.Invitation{ID: newID(t), Person: person("ada")}
			first, err := f.Invite(t.Context(), i)
			must(t, err)
			again, err := f.Invite(t.Context(), i)
			must(t, err)
			same(t, "user of the repeated call", again, first)
		},
		"an id is given once": func(t *testing.T, f Fixture) {
			ada := f.invite(t, "ada")
			_, err := f.Invite(t.Context(), account.Invitation{ID: ada.ID, Person: person("grace")})
			wantError(t, err, account.ErrInvalid)
		},
		"replaced": func(t *testing.T, f Fixture) {
			ada := f.invite(t, "ada")
			p := person("ada")
			p.Name, p.Language, p.ExternalID, p.Profile, p.Addresses = "Ada L", "fr", "other", nil, []string{"a@b.example"}
			changed, err := f.ChangeUser(t.Context(), ada.ID, account.UserChange{Person: &p})
			must(t, err)
			if changed.Revision <= ada.Revision || !changed.Modified.After(ada.Modified) {
				t.Errorf("revision %d, modified %v after %d, %v", changed.Revision, changed.Modified, ada.Revision, ada.Modified)
			}
			got, err := f.User(t.Context(), ada.ID)
			must(t, err)
			same(t, "Person", got.Person, p)
			same(t, "the answer", changed, got)
		},
		"a change of nothing": func(t *testing.T, f Fixture) {
			ada := f.invite(t, "ada")
			p, active := person("ada"), true
			for range 2 {
				got, err := f.ChangeUser(t.Context(), ada.ID, account.UserChange{Person: &p, Active: &active})
				must(t, err)
				same(t, "user", got, ada)
			}
		},
		"a change of case is a change": func(t *testing.T, f Fixture) {
			ada := f.invite(t, "ada")
			p := person("ada")
			p.UserName = "Ada@Example.com"
			got, err := f.ChangeUser(t.Context(), ada.ID, account.UserChange{Person: &p})
			must(t, err)
			if got.UserName != p.UserName || got.SignInName != p.UserName || got.Revision == ada.Revision {
				t.Errorf("got %+v", got)
			}
		},
		"revision": func(t *testing.T, f Fixture) {
			ada := f.invite(t, "ada")
			p := person("ada")
			p.Name = "Ada L"
			_, err := f.ChangeUser(t.Context(), ada.ID, account.UserChange{IfRevision: ada.Revision + 1, Person: &p})
			wantError(t, err, account.ErrRevision)
			got, err := f.ChangeUser(t.Context(), ada.ID, account.UserChange{IfRevision: ada.Revision, Person: &p})
			must(t, err)
			wantError(t, f.ReleaseUser(t.Context(), ada.ID, ada.Revision), account.ErrRevision)
			must(t, f.ReleaseUser(t.Context(), ada.ID, got.Revision))
		},
		"nobody": func(t *testing.T, f Fixture) {
			id, active := newID(t), false
			_, err := f.User(t.Context(), id)
			wantError(t, err, account.ErrNotFound)
			_, err = f.ChangeUser(t.Context(), id, account.UserChange{Active: &active})
			wantError(t, err, account.ErrNotFound)
			wantError(t, f.ReleaseUser(t.Context(), id, 0), account.ErrNotFound)
			_, err = f.User(t.Context(), "")
			wantError(t, err, account.ErrNotFound)
		},
		"the account's name": func(t *testing.T, f Fixture) {
			info, err := f.Describe(t.Context())
			must(t, err)
			if info.ID == "" || info.Name == "" {
				t.Errorf("Describe: %+v", info)
			}
		},
	})
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		f := open(t)
		for _, tt := range []struct {
			name string
			edit func(i *account.Invitation)
		}{
			{"no user name", func(i *account.Invitation) { i.UserName = "" }},
			{"blank user name", func(i *account.Invitation) { i.UserName = " \t" }},
			{"user name beginning with a control character", func(i *account.Invitation) { i.UserName = "\x01parked:x" }},
			{"long user name", func(i *account.Invitation) { i.UserName = strings.Repeat("u", 1<<11) }},
			{"long name", func(i *account.Invitation) { i.Name = strings.Repeat("n", 1<<11) }},
			{"long e-mail address", func(i *account.Invitation) { i.Email = strings.Repeat("e", 1<<11) }},
			{"long language", func(i *account.Invitation) { i.Language = strings.Repeat("l", 1<<11) }},
			{"long external id", func(i *account.Invitation) { i.ExternalID = strings.Repeat("x", 1<<11) }},
			{"large profile", func(i *account.Invitation) { i.Profile = make([]byte, 2<<20) }},
			{"no id", func(i *account.Invitation) { i.ID = "" }},
			{"short id", func(i *account.Invitation) { i.ID = "abc" }},
			{"id in capitals", func(i *account.Invitation) { i.ID = strings.ToUpper(i.ID) }},
			{"id with a line break", func(i *account.Invitation) { i.ID = "\n" + i.ID[1:] }},
		} {
			t.Run(tt.name, func(t *testing.T) {
				i := account.Invitation{ID: newID(t), Person: person("ada")}
				tt.edit(&i)
				_, err := f.Invite(t.Context(), i)
				wantError(t, err, account.ErrInvalid)
			})
		}
		page, err := f.Users(t.Context(), account.Query{Limit: 10})
		must(t, err)
		if slices.ContainsFunc(page.Users, func(u account.User) bool { return u.ID != f.Owner }) {
			t.Errorf("a refused invitation left somebody: %v", userNames(page.Users))
		}
	})
}
