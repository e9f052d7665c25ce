package account_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/internal/account"
)

// TestEveryProcessAnswersTheSame: a call that comes again, to another process on the same database, is not made again, and is
// answered as it was the first time: with the ids that name nobody, with the members, and with who was brought back.
func TestEveryProcessAnswersTheSame(t *testing.T) {
	t.Parallel()
	store := open(t, t.TempDir()+"/account.db")
	one, other := account.New(account.Config{Store: store}), account.New(account.Config{Store: store})
	_, err := one.Found(t.Context(), account.Founding{Name: "Example", Owner: "Olive Owner", UserName: ownerName})
	must(t, err)
	person := func(name string) account.Person {
		return account.Person{UserName: name, Email: name, Name: name, ExternalID: name, Profile: []byte("{}")}
	}
	ada, err := one.Invite(asIntegration(t), account.Invitation{ID: anID(t), Person: person("ada@example.com")})
	must(t, err)
	gone, err := one.Invite(asIntegration(t), account.Invitation{ID: anID(t), Person: person("gone@example.com")})
	must(t, err)
	must(t, one.ReleaseUser(asIntegration(t), gone.ID, 0))
	group, nobody, new1, back := anID(t), anID(t), anID(t), anID(t)
	no := false
	for _, c := range []struct {
		name string
		call func(ctx context.Context, s *account.Service) (any, error)
	}{
		{"invite", func(ctx context.Context, s *account.Service) (any, error) {
			return s.Invite(ctx, account.Invitation{ID: new1, Person: person("grace@example.com")})
		}},
		{"take back", func(ctx context.Context, s *account.Service) (any, error) {
			u, err := s.Invite(ctx, account.Invitation{ID: back, Person: person("gone@example.com")})
			if err == nil && u.ID != gone.ID {
				err = fmt.Errorf("%s and not %s came back", u.ID, gone.ID)
			}
			return u, err
		}},
		{"suspend", func(ctx context.Context, s *account.Service) (any, error) {
			return s.ChangeUser(ctx, new1, account.UserChange{Active: &no})
		}},
		{"make a group", func(ctx context.Context, s *account.Service) (any, error) {
			return s.CreateGroup(ctx, account.NewGroup{ID: group, Name: "Crew", Members: []string{ada.ID, nobody}})
		}},
		{"change its members", func(ctx context.Context, s *account.Service) (any, error) {
			return s.ChangeGroup(ctx, group, account.GroupChange{Show: 10, Steps: []account.MemberStep{{Kind: account.Add, Users: []string{new1, nobody, "x"}}}})
		}},
		{"change nothing", func(ctx context.Context, s *account.Service) (any, error) {
			return s.ChangeGroup(ctx, group, account.GroupChange{Show: 1, Steps: []account.MemberStep{{Kind: account.Add, Users: []string{new1}}}})
		}},
		{"release", func(ctx context.Context, s *account.Service) (any, error) { return nil, s.ReleaseUser(ctx, new1, 0) }},
		{"delete the group", func(ctx context.Context, s *account.Service) (any, error) { return nil, s.DeleteGroup(ctx, group, 0) }},
	} {
		ctx := account.WithCall(asIntegration(t), account.Call{Key: "key of " + c.name, Digest: []byte(c.name)})
		entries := func() int64 {
			v, err := one.Verify(t.Context())
			must(t, err)
			return v.Entries
		}
		before := entries()
		first, err := c.call(ctx, one)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		after := entries()
		if made := after > before; made != (c.name != "change nothing") {
			t.Errorf("%s: %d entries", c.name, after-before)
		}
		for name, s := range map[string]*account.Service{"the same process": one, "another process": other} {
			again, err := c.call(ctx, s)
			if err != nil {
				t.Fatalf("%s, again, to %s: %v", c.name, name, err)
			}
			if diff := cmp.Diff(first, again); diff != "" {
				t.Errorf("%s, to %s (-first +again):\n%s", c.name, name, diff)
			}
		}
		if n := entries(); n != after {
			t.Errorf("%s was made again: %d entries more", c.name, n-after)
		}
	}
}

// TestTheSameCallAtOnce: of many who bring the same call at the same moment, to several processes, one makes it and all get
// the same answer.
func TestTheSameCallAtOnce(t *testing.T) {
	t.Parallel()
	store := open(t, t.TempDir()+"/account.db")
	processes := []*account.Service{account.New(account.Config{Store: store}), account.New(account.Config{Store: store})}
	_, err := processes[0].Found(t.Context(), account.Founding{Name: "Example", Owner: "Olive Owner", UserName: ownerName})
	must(t, err)
	group, nobody := anID(t), anID(t)
	ctx := account.WithCall(asIntegration(t), account.Call{Key: "one", Digest: []byte("make")})
	const many = 20
	results := make([]account.GroupResult, many)
	var g sync.WaitGroup
	for i := range many {
		g.Go(func() {
			var err error
			if results[i], err = processes[i%2].CreateGroup(ctx, account.NewGroup{ID: group, Name: "Crew", Members: []string{nobody}}); err != nil {
				t.Error(err)
			}
		})
	}
	g.Wait()
	for _, r := range results {
		if diff := cmp.Diff(results[0], r); diff != "" || !r.Changed || len(r.Unknown) != 1 {
			t.Fatalf("%+v\n%s", r, diff)
		}
	}
}

// TestUnknownAreKeptWithinBounds: an identity provider that names a million strangers does not fill the disk.
func TestUnknownAreKeptWithinBounds(t *testing.T) {
	t.Parallel()
	k := foundKeyed(t)
	strangers := make([]string, 3000)
	for i := range strangers {
		strangers[i] = fmt.Sprintf("stranger %d", i)
	}
	ctx := account.WithCall(asIntegration(t), account.Call{Key: "one", Digest: []byte("make")})
	n := account.NewGroup{ID: anID(t), Name: "Crew", Members: strangers}
	first, err := k.CreateGroup(ctx, n)
	must(t, err)
	again, err := k.CreateGroup(ctx, n)
	must(t, err)
	if len(first.Unknown) != 3000 || len(again.Unknown) != 1000 || !cmp.Equal(first.Unknown[:1000], again.Unknown) {
		t.Errorf("%d at first, %d again", len(first.Unknown), len(again.Unknown))
	}
}
