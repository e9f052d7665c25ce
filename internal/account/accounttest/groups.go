package accounttest

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scimbridge/scimbridge/internal/account"
)

// holder is who holds a name, by the error.
func holder(err error) string {
	var taken *account.TakenError
	if errors.As(err, &taken) {
		return taken.ID
	}
	return ""
}

// groups: groups that the integration makes.
func groups(t *testing.T, open func(t testing.TB) Fixture) {
	cases(t, open, map[string]func(t *testing.T, f Fixture){
		"read back as made": func(t *testing.T, f Fixture) {
			ada := f.invite(t, "ada")
			n := account.NewGroup{ID: newID(t), Name: "Engineers", ExternalID: "e1", Profile: []byte(`{"displayName":"Engineers"}`), Members: []string{ada.ID, ada.ID}}
			res, err := f.CreateGroup(t.Context(), n)
			must(t, err)
			got, err := f.Group(t.Context(), n.ID)
			must(t, err)
			same(t, "Group", got, res.Group)
			want := account.Group{ID: n.ID, Name: n.Name, ExternalID: n.ExternalID, Profile: n.Profile, Managed: true, Mode: account.Exclusive, Members: 1}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(account.Group{}, "Created", "Modified", "Revision")); diff != "" {
				t.Errorf("Group (-want +got):\n%s", diff)
			}
			if !res.Changed || len(res.Unknown) != 0 {
				t.Errorf("result %+v", res)
			}
		},
		"the same call again": func(t *testing.T, f Fixture) {
			n := account.NewGroup{ID: newID(t), Name: "Engineers", Members: []string{f.invite(t, "ada").ID}}
			first, err := f.CreateGroup(t.Context(), n)
			must(t, err)
			again, err := f.CreateGroup(t.Context(), n)
			must(t, err)
			same(t, "group", again.Group, first.Group)
			same(t, "Changed", again.Changed, false)
		},
		"an id is given once": func(t *testing.T, f Fixture) {
			g := f.group(t, "Engineers")
			_, err := f.CreateGroup(t.Context(), account.NewGroup{ID: g.ID, Name: "Poets"})
			wantError(t, err, account.ErrInvalid)
		},
		"a managed group has the name": func(t *testing.T, f Fixture) {
			g, other := f.group(t, "Café Engineers"), f.group(t, "Poets")
			for _, name := range []string{"Café Engineers", "CAFÉ ENGINEERS", "cafe\u0301 engineers"} {
				_, err := f.CreateGroup(t.Context(), account.NewGroup{ID: newID(t), Name: name})
				taken(t, err, account.TakenError{Kind: account.ErrGroupName, ID: g.ID, Managed: true})
				_, err = f.ChangeGroup(t.Context(), other.ID, account.GroupChange{Name: &name})
				taken(t, err, account.TakenError{Kind: account.ErrGroupName, ID: g.ID, Managed: true})
			}
		},
		"an unmanaged group has the name": func(t *testing.T, f Fixture) {
			g, err := f.Admin.MakeGroup(t.Context(), "Poets", nil)
			must(t, err)
			_, err = f.CreateGroup(t.Context(), account.NewGroup{ID: newID(t), Name: "poets"})
			taken(t, err, account.TakenError{Kind: account.ErrGroupName, ID: g.ID})
		},
		"several groups have the name": func(t *testing.T, f Fixture) {
			for range 2 {
				_, err := f.Admin.MakeGroup(t.Context(), "Poets", nil)
				must(t, err)
			}
			_, err := f.CreateGroup(t.Context(), account.NewGroup{ID: newID(t), Name: "Poets"})
			var got *account.TakenError
			if !errors.As(err, &got) || !got.Several {
				t.Errorf("got %v", err)
			}
		},
		"changed": func(t *testing.T, f Fixture) {
			g := f.group(t, "Engineers")
			name, external := "ENGINEERS", "e2"
			res, err := f.ChangeGroup(t.Context(), g.ID, account.GroupChange{IfRevision: g.Revision, Name: &name, ExternalID: &external, Profile: []byte("{}")})
			must(t, err)
			got, err := f.Group(t.Context(), g.ID)
			must(t, err)
			same(t, "Group", got, res.Group)
			if got.Name != name || got.ExternalID != external || string(got.Profile) != "{}" || got.Revision <= g.Revision || !got.Modified.After(g.Modified) {
				t.Errorf("got %+v after %+v", got, g)
			}
			_, err = f.ChangeGroup(t.Context(), g.ID, account.GroupChange{IfRevision: g.Revision, Name: &g.Name})
			wantError(t, err, account.ErrRevision)
			wantError(t, f.DeleteGroup(t.Context(), g.ID, g.Revision), account.ErrRevision)
		},
		"a change of nothing": func(t *testing.T, f Fixture) {
			ada := f.invite(t, "ada")
			g := f.group(t, "Engineers", ada.ID)
			res, err := f.ChangeGroup(t.Context(), g.ID, account.GroupChange{Name: &g.Name, Steps: []account.MemberStep{add(ada.ID), remove(newID(t)), replace(ada.ID)}})
			must(t, err)
			same(t, "result", res, account.GroupResult{Group: g})
		},
		"deleted": func(t *testing.T, f Fixture) {
			ada := f.invite(t, "ada")
			g := f.group(t, "Engineers", ada.ID)
			must(t, f.DeleteGroup(t.Context(), g.ID, g.Revision))
			wantError(t, f.DeleteGroup(t.Context(), g.ID, 0), account.ErrNotFound)
			_, err := f.Group(t.Context(), g.ID)
			wantError(t, err, account.ErrNotFound)
			_, err = f.Members(t.Context(), g.ID, "", 1)
			wantError(t, err, account.ErrNotFound)
			u, err := f.User(t.Context(), ada.ID)
			must(t, err)
			same(t, "groups", len(u.Groups), 0)
			f.group(t, "Engineers")
		},
	})
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		f := open(t)
		g := f.group(t, "Engineers")
		for _, tt := range []struct {
			name string
			n    account.NewGroup
		}{
			{"no name", account.NewGroup{}},
			{"blank name", account.NewGroup{Name: "\t "}},
			{"long name", account.NewGroup{Name: strings.Repeat("n", 1<<11)}},
			{"long external id", account.NewGroup{Name: "x", ExternalID: strings.Repeat("n", 1<<11)}},
			{"large profile", account.NewGroup{Name: "x", Profile: make([]byte, 2<<20)}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				tt.n.ID = newID(t)
				_, err := f.CreateGroup(t.Context(), tt.n)
				wantError(t, err, account.ErrInvalid)
				_, err = f.ChangeGroup(t.Context(), g.ID, account.GroupChange{Name: &tt.n.Name, ExternalID: &tt.n.ExternalID, Profile: tt.n.Profile})
				wantError(t, err, account.ErrInvalid)
			})
		}
		_, err := f.CreateGroup(t.Context(), account.NewGroup{ID: "no id", Name: "x"})
		wantError(t, err, account.ErrInvalid)
		after, err := f.Group(t.Context(), g.ID)
		must(t, err)
		same(t, "after the refusals", after, g)
	})
}

func taken(t *testing.T, err error, want account.TakenError) {
	t.Helper()
	var got *account.TakenError
	if !errors.As(err, &got) {
		t.Fatalf("error is %v", err)
	}
	if *got != want {
		t.Fatalf("got %+v, want %+v", *got, want)
	}
}

// members: changes of a group's members.
func members(t *testing.T, open func(t testing.TB) Fixture) {
	cases(t, open, map[string]func(t *testing.T, f Fixture){
		"in the order of steps": func(t *testing.T, f Fixture) {
			a, b, c := f.invite(t, "a").ID, f.invite(t, "b").ID, f.invite(t, "c").ID
			g := f.group(t, "Engineers")
			for _, tt := range []struct {
				name    string
				steps   []account.MemberStep
				want    []string
				changed bool
			}{
				{"add two", []account.MemberStep{add(b, a)}, []string{a, b}, true},
				{"add one who is in", []account.MemberStep{add(a)}, []string{a, b}, false},
				{"remove one who is not in", []account.MemberStep{remove(c)}, []string{a, b}, false},
				{"add and remove the same", []account.MemberStep{add(c), remove(c)}, []string{a, b}, true},
				{"remove and add the same", []account.MemberStep{remove(a), add(a)}, []string{a, b}, true},
				{"replace", []account.MemberStep{replace(c, b, c)}, []string{b, c}, true},
				{"replace by the same", []account.MemberStep{replace(b, c)}, []string{b, c}, false},
				{"replace and add", []account.MemberStep{replace(a), add(b)}, []string{a, b}, true},
				{"replace by nobody", []account.MemberStep{replace()}, []string{}, true},
			} {
				before, err := f.Group(t.Context(), g.ID)
				must(t, err)
				res := f.change(t, g.ID, tt.steps...)
				same(t, tt.name+": members", f.members(t, g.ID), tt.want)
				same(t, tt.name+": count", res.Group.Members, len(tt.want))
				same(t, tt.name+": changed", res.Changed, tt.changed)
				if moved := res.Group.Revision != before.Revision; moved != tt.changed || moved == res.Group.Modified.Equal(before.Modified) {
					t.Errorf("%s: revision %d → %d", tt.name, before.Revision, res.Group.Revision)
				}
			}
		},
		"somebody unknown is named and skipped": func(t *testing.T, f Fixture) {
			a, nobody := f.invite(t, "a").ID, newID(t)
			g := f.group(t, "Engineers")
			res := f.change(t, g.ID, add(nobody, a, nobody, ""), remove(newID(t)))
			same(t, "Unknown", res.Unknown, []string{nobody, ""})
			same(t, "members", f.members(t, g.ID), []string{a})
			made, err := f.CreateGroup(t.Context(), account.NewGroup{ID: newID(t), Name: "Poets", Members: []string{nobody}})
			must(t, err)
			same(t, "Unknown", made.Unknown, []string{nobody})
		},
		"somebody unknown is refused where asked for": func(t *testing.T, f Fixture) {
			a, nobody := f.invite(t, "a").ID, newID(t)
			g := f.group(t, "Engineers")
			_, err := f.ChangeGroup(t.Context(), g.ID, account.GroupChange{Steps: []account.MemberStep{add(a), add(nobody)}, Strict: true})
			var unknown *account.UnknownMembersError
			if !errors.As(err, &unknown) {
				t.Fatalf("error is %v", err)
			}
			same(t, "IDs", unknown.IDs, []string{nobody})
			same(t, "members", f.members(t, g.ID), []string{})
			_, err = f.CreateGroup(t.Context(), account.NewGroup{ID: newID(t), Name: "Poets", Members: []string{nobody}, Strict: true})
			wantError(t, err, account.ErrUnknownMember)
			f.group(t, "Poets")
		},
		"a group is no member": func(t *testing.T, f Fixture) {
			g := f.group(t, "Engineers")
			res := f.change(t, g.ID, add(g.ID))
			same(t, "Unknown", res.Unknown, []string{g.ID})
		},
		"many at once": func(t *testing.T, f Fixture) {
			var ids []string
			for _, name := range strings.Split("abcdefghijkl", "") {
				ids = append(ids, f.invite(t, name).ID)
			}
			g := f.group(t, "Engineers", ids...)
			same(t, "members", f.members(t, g.ID), ids)
			list, err := f.Members(t.Context(), g.ID, ids[4], 2)
			must(t, err)
			same(t, "page", list, []account.Member{{UserID: ids[5], Name: "Person f", Source: account.SCIM}, {UserID: ids[6], Name: "Person g", Source: account.SCIM}})
			f.change(t, g.ID, remove(ids[2:10]...))
			same(t, "members", f.members(t, g.ID), append(ids[:2:2], ids[10:]...))
		},
	})
}

// adopted: groups that were handed over.
func adopted(t *testing.T, open func(t testing.TB) Fixture) {
	cases(t, open, map[string]func(t *testing.T, f Fixture){
		"is not there before": func(t *testing.T, f Fixture) {
			g, err := f.Admin.MakeGroup(t.Context(), "Poets", nil)
			must(t, err)
			_, err = f.Group(t.Context(), g.ID)
			wantError(t, err, account.ErrNotFound)
			_, err = f.ChangeGroup(t.Context(), g.ID, account.GroupChange{Steps: []account.MemberStep{replace()}})
			wantError(t, err, account.ErrNotFound)
		},
		"shows and removes only its own": func(t *testing.T, f Fixture) {
			byHand, both, own := f.invite(t, "hand").ID, f.invite(t, "both").ID, f.invite(t, "own").ID
			g, err := f.Admin.MakeGroup(t.Context(), "Poets", []string{byHand, both})
			must(t, err)
			g, err = f.Admin.Adopt(t.Context(), g.ID)
			must(t, err)
			if g.Mode != account.Additive || !g.Managed {
				t.Errorf("adopted: %+v", g)
			}
			same(t, "members at first", f.members(t, g.ID), []string{})
			res := f.change(t, g.ID, add(both, own))
			same(t, "count", res.Group.Members, 2)
			same(t, "changed", res.Changed, true)
			same(t, "added again", f.change(t, g.ID, add(both)).Changed, false)
			same(t, "members", f.members(t, g.ID), []string{both, own})
			f.inGroup(t, byHand, g.ID, false)
			f.inGroup(t, both, g.ID, true)
			f.change(t, g.ID, remove(byHand, both))
			same(t, "members", f.members(t, g.ID), []string{own})
			same(t, "all members", f.everybody(t, g.ID), 3)
			f.change(t, g.ID, replace())
			same(t, "all members", f.everybody(t, g.ID), 2)
		},
		"found by member": func(t *testing.T, f Fixture) {
			byHand, own := f.invite(t, "hand").ID, f.invite(t, "own").ID
			g, err := f.Admin.MakeGroup(t.Context(), "Poets", []string{byHand})
			must(t, err)
			_, err = f.Admin.Adopt(t.Context(), g.ID)
			must(t, err)
			f.change(t, g.ID, add(own))
			for id, want := range map[string]int{byHand: 0, own: 1} {
				page, err := f.Groups(t.Context(), account.Query{Terms: []account.Term{{Field: account.ByMember, Op: account.Eq, Value: id}}, Limit: 5})
				must(t, err)
				same(t, "groups", len(page.Groups), want)
			}
		},
		"goes back when deleted": func(t *testing.T, f Fixture) {
			byHand, both, own := f.invite(t, "hand").ID, f.invite(t, "both").ID, f.invite(t, "own").ID
			g, err := f.Admin.MakeGroup(t.Context(), "Poets", []string{byHand, both})
			must(t, err)
			_, err = f.Admin.Adopt(t.Context(), g.ID)
			must(t, err)
			f.change(t, g.ID, add(both, own))
			must(t, f.DeleteGroup(t.Context(), g.ID, 0))
			_, err = f.Group(t.Context(), g.ID)
			wantError(t, err, account.ErrNotFound)
			same(t, "all members", f.everybody(t, g.ID), 2)
			_, err = f.Admin.Adopt(t.Context(), g.ID)
			must(t, err)
			same(t, "members after being handed over again", f.members(t, g.ID), []string{})
		},
		"who is released leaves for good": func(t *testing.T, f Fixture) {
			both := f.invite(t, "both").ID
			g, err := f.Admin.MakeGroup(t.Context(), "Poets", []string{both})
			must(t, err)
			_, err = f.Admin.Adopt(t.Context(), g.ID)
			must(t, err)
			f.change(t, g.ID, add(both))
			must(t, f.ReleaseUser(t.Context(), both, 0))
			same(t, "all members", f.everybody(t, g.ID), 0)
			got, err := f.Group(t.Context(), g.ID)
			must(t, err)
			same(t, "count", got.Members, 0)
		},
		"once only": func(t *testing.T, f Fixture) {
			g := f.group(t, "Engineers")
			_, err := f.Admin.Adopt(t.Context(), g.ID)
			wantError(t, err, account.ErrState)
			_, err = f.Admin.Adopt(t.Context(), newID(t))
			wantError(t, err, account.ErrNotFound)
		},
	})
}

func (f Fixture) inGroup(t testing.TB, user, group string, want bool) {
	t.Helper()
	u, err := f.User(t.Context(), user)
	must(t, err)
	got := false
	for _, g := range u.Groups {
		got = got || g.ID == group
	}
	same(t, "shown in the group", got, want)
}

// everybody counts a group's members, those included that the integration does not see.
func (f Fixture) everybody(t testing.TB, group string) int {
	t.Helper()
	all, err := f.Admin.AllGroups(t.Context(), "", 100)
	must(t, err)
	for _, g := range all {
		if g.ID == group {
			return g.Members
		}
	}
	return -1
}
