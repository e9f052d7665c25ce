package account_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
)

// asIntegration is the context of the identity provider's requests.
func asIntegration(t testing.TB) context.Context {
	t.Helper()
	return account.WithCaller(t.Context(), account.Caller{Kind: account.Integration, RequestID: "request"})
}

func anID(t testing.TB) string {
	t.Helper()
	id, err := account.NewID(time.Now(), rand.Reader)
	must(t, err)
	return id
}

// staff invites n people.
func staff(t testing.TB, s *account.Service, n int) []string {
	t.Helper()
	ids := make([]string, n)
	for i := range ids {
		name := fmt.Sprintf("u%03d@example.com", i)
		u, err := s.Invite(asIntegration(t), account.Invitation{ID: anID(t), Person: account.Person{UserName: name, Email: name, Name: name}})
		must(t, err)
		ids[i] = u.ID
	}
	return ids
}

func suspend(t testing.TB, s *account.Service, ctx context.Context, id string) error {
	t.Helper()
	no := false
	_, err := s.ChangeUser(ctx, id, account.UserChange{Active: &no})
	return err
}

func live(t testing.TB, s *account.Service) int {
	t.Helper()
	page, err := s.Users(t.Context(), account.Query{Terms: []account.Term{{Field: account.ByActive, Op: account.Eq, Value: "true"}}})
	must(t, err)
	return page.Total
}

// TestGuardHolds: above one in ten within an hour nothing is suspended before an administrator has said so; then it is.
func TestGuardHolds(t *testing.T) {
	t.Parallel()
	s := founded(t)
	must(t, s.SetPolicy(t.Context(), account.Policy{Guard: account.GuardHold}))
	ids := staff(t, s, 99) // and the owner: a hundred
	for _, id := range ids[:10] {
		must(t, suspend(t, s, asIntegration(t), id))
	}
	for _, id := range ids[10:13] {
		if err := suspend(t, s, asIntegration(t), id); !errors.Is(err, account.ErrHeld) {
			t.Fatalf("one in ten is suspended, and the next: %v", err)
		}
	}
	if err := s.ReleaseUser(asIntegration(t), ids[13], 0); !errors.Is(err, account.ErrHeld) {
		t.Fatalf("a release passes by: %v", err)
	}
	if n := live(t, s); n != 90 {
		t.Fatalf("%d are active, want 90", n)
	}
	must(t, suspend(t, s, t.Context(), ids[20])) // an administrator is not held
	held, err := s.HeldChanges(t.Context())
	must(t, err)
	if g, err := s.Guard(t.Context()); err != nil || g.Held != 4 || g.Tripped.IsZero() || len(held) != 4 {
		t.Fatalf("%+v %v, held %+v", g, err, held)
	}
	n, err := s.Approve(t.Context())
	must(t, err)
	if n != 4 || live(t, s) != 85 {
		t.Fatalf("%d were made, %d are active", n, live(t, s))
	}
	must(t, suspend(t, s, asIntegration(t), ids[10])) // the retry finds the work done
	must(t, suspend(t, s, asIntegration(t), ids[14])) // and the identity provider finishes
	if _, err := s.User(t.Context(), ids[13]); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("the release was not made: %v", err)
	}
	if v, err := s.Verify(t.Context()); err != nil || v.Problem != "" {
		t.Error(v, err)
	}
}

// TestGuardObserves: by default everything is done, and said.
func TestGuardObserves(t *testing.T) {
	t.Parallel()
	s := founded(t)
	for i, id := range staff(t, s, 20) {
		must(t, suspend(t, s, asIntegration(t), id))
		g, err := s.Guard(t.Context())
		must(t, err)
		if tripped := !g.Tripped.IsZero(); tripped != (i >= 5) {
			t.Fatalf("after %d of 21: tripped %t", i+1, tripped)
		}
	}
	trips := 0
	entries, err := s.Activity(t.Context(), 0, 1000)
	must(t, err)
	for _, e := range entries {
		if e.Verb == "guard.trip" {
			trips++
		}
	}
	if trips != 1 {
		t.Errorf("entered %d times", trips)
	}
}

// TestGuardForgets: what was counted an hour ago does not count.
func TestGuardForgets(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	store := open(t, t.TempDir()+"/account.db")
	s := account.New(account.Config{Store: store, Clock: func() time.Time { return now }})
	_, err := s.Found(t.Context(), founding)
	must(t, err)
	must(t, s.SetPolicy(t.Context(), account.Policy{Guard: account.GuardHold}))
	ids := staff(t, s, 20)
	for hour := range 3 {
		for _, id := range ids[hour*5 : hour*5+5] {
			must(t, suspend(t, s, asIntegration(t), id))
		}
		if err := suspend(t, s, asIntegration(t), ids[hour*5+5]); !errors.Is(err, account.ErrHeld) {
			t.Fatalf("hour %d: the sixth: %v", hour, err)
		}
		if n, err := s.Dismiss(t.Context()); err != nil || n != 1 {
			t.Fatal(n, err)
		}
		now = now.Add(time.Hour + time.Minute)
	}
}

// TestGuardOfGroups: a group is not emptied by halves; a small one is.
func TestGuardOfGroups(t *testing.T) {
	t.Parallel()
	s := founded(t)
	must(t, s.SetPolicy(t.Context(), account.Policy{Guard: account.GuardHold}))
	ids := staff(t, s, 12)
	for _, size := range []int{9, 12} {
		g, err := s.CreateGroup(asIntegration(t), account.NewGroup{ID: anID(t), Name: fmt.Sprint("group of ", size), Members: ids[:size]})
		must(t, err)
		remove := func(users ...string) error {
			_, err := s.ChangeGroup(asIntegration(t), g.Group.ID, account.GroupChange{Steps: []account.MemberStep{{Kind: account.Remove, Users: users}}})
			return err
		}
		if size < 10 {
			must(t, remove(ids[:9]...))
			continue
		}
		must(t, remove(ids[:6]...))
		if err := remove(ids[6]); !errors.Is(err, account.ErrHeld) {
			t.Fatalf("the seventh of twelve: %v", err)
		}
		_, err = s.ChangeGroup(asIntegration(t), g.Group.ID, account.GroupChange{Steps: []account.MemberStep{{Kind: account.Replace}}})
		if !errors.Is(err, account.ErrHeld) {
			t.Fatalf("emptying by a list: %v", err)
		}
		if n, err := s.Approve(t.Context()); err != nil || n != 1 {
			t.Fatal(n, err)
		}
		if now, err := s.Group(t.Context(), g.Group.ID); err != nil || now.Members != 0 {
			t.Fatalf("%d members are left: %v", now.Members, err)
		}
	}
}
