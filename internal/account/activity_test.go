package account_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scimbridge/scimbridge/internal/account"
)

const (
	adaID   = "aaaaaaaaaaaaaaaaaaaaaaaaaa"
	graceID = "bbbbbbbbbbbbbbbbbbbbbbbbbb"
	groupID = "cccccccccccccccccccccccccc"
)

// entries is the log after a number, without numbers and times.
func entries(t *testing.T, s *account.Service, after int64) []account.Entry {
	t.Helper()
	list, err := s.Activity(t.Context(), after, 1000)
	must(t, err)
	return list
}

func last(t *testing.T, s *account.Service) int64 {
	t.Helper()
	v, err := s.Verify(t.Context())
	must(t, err)
	if v.Problem != "" {
		t.Fatal(v.Problem)
	}
	return v.Entries
}

func TestActivity(t *testing.T) {
	t.Parallel()
	inactive, external, name := false, "x2", "Poets"
	ada := account.Person{UserName: "ada@example.com", ExternalID: "x1"}
	renamed := account.Person{UserName: "lovelace@example.com", ExternalID: "x1"}
	sleeping := renamed
	sleeping.Name = "Sleeping"
	for _, tt := range []struct {
		name string
		act  func(ctx context.Context, s *account.Service) error
		want []account.Entry // verb, object, id, detail
	}{
		{"invite", func(ctx context.Context, s *account.Service) error {
			_, err := s.Invite(ctx, account.Invitation{ID: graceID, Person: account.Person{UserName: "grace"}})
			return err
		}, []account.Entry{{Verb: "user.invite", Object: "user", ObjectID: graceID, Detail: "INVITED"}}},
		{"invitation refused", func(ctx context.Context, s *account.Service) error {
			_, err := s.Invite(ctx, account.Invitation{ID: graceID, Person: ada})
			return err
		}, []account.Entry{{Verb: "user.invite.refused", Object: "user", ObjectID: graceID, Detail: "user name is taken by " + adaID}}},
		{"change of person and state", func(ctx context.Context, s *account.Service) error {
			_, err := s.ChangeUser(ctx, adaID, account.UserChange{Person: &renamed, Active: &inactive})
			return err
		}, []account.Entry{
			{Verb: "user.rename", Object: "user", ObjectID: adaID, Detail: "INVITE_SUSPENDED"},
			{Verb: "user.suspend", Object: "user", ObjectID: adaID, Detail: "INVITE_SUSPENDED"},
		}},
		{"change of nothing", func(ctx context.Context, s *account.Service) error {
			_, err := s.ChangeUser(ctx, adaID, account.UserChange{Person: &ada})
			return err
		}, nil},
		{"somebody changed it before", func(ctx context.Context, s *account.Service) error {
			_, err := s.ChangeUser(ctx, adaID, account.UserChange{IfRevision: 77, Person: &ada})
			return err
		}, nil},
		{"release", func(ctx context.Context, s *account.Service) error { return s.ReleaseUser(ctx, adaID, 0) }, []account.Entry{
			{Verb: "group.members.remove", Object: "group", ObjectID: groupID, Detail: adaID},
			{Verb: "user.release", Object: "user", ObjectID: adaID, Detail: "INVITE_SUSPENDED"},
		}},
		{"a namesake", func(ctx context.Context, s *account.Service) error {
			if err := s.ReleaseUser(ctx, adaID, 0); err != nil {
				return err
			}
			_, err := s.Invite(ctx, account.Invitation{ID: graceID, Person: account.Person{UserName: ada.UserName}})
			return err
		}, []account.Entry{
			{Verb: "group.members.remove", Object: "group", ObjectID: groupID, Detail: adaID},
			{Verb: "user.release", Object: "user", ObjectID: adaID, Detail: "INVITE_SUSPENDED"},
			{Verb: "user.park", Object: "user", ObjectID: adaID},
			{Verb: "user.invite", Object: "user", ObjectID: graceID, Detail: "INVITED"},
		}},
		{"taken back", func(ctx context.Context, s *account.Service) error {
			if err := s.ReleaseUser(ctx, adaID, 0); err != nil {
				return err
			}
			_, err := s.Invite(ctx, account.Invitation{ID: graceID, Person: ada})
			return err
		}, []account.Entry{
			{Verb: "group.members.remove", Object: "group", ObjectID: groupID, Detail: adaID},
			{Verb: "user.release", Object: "user", ObjectID: adaID, Detail: "INVITE_SUSPENDED"},
			{Verb: "user.takeback", Object: "user", ObjectID: adaID, Detail: "INVITED"},
		}},
		{"group", func(ctx context.Context, s *account.Service) error {
			_, err := s.ChangeGroup(ctx, groupID, account.GroupChange{Name: &name, ExternalID: &external, Steps: []account.MemberStep{
				{Kind: account.Remove, Users: []string{adaID}}, {Kind: account.Replace, Users: []string{adaID}},
			}})
			return errors.Join(err, s.DeleteGroup(ctx, groupID, 0))
		}, []account.Entry{
			{Verb: "group.rename", Object: "group", ObjectID: groupID},
			{Verb: "group.members.remove", Object: "group", ObjectID: groupID, Detail: adaID},
			{Verb: "group.members.add", Object: "group", ObjectID: groupID, Detail: adaID},
			{Verb: "group.delete", Object: "group", ObjectID: groupID},
		}},
		{"group refused", func(ctx context.Context, s *account.Service) error {
			_, err := s.CreateGroup(ctx, account.NewGroup{ID: graceID, Name: "ENGINEERS"})
			return err
		}, []account.Entry{{Verb: "group.create.refused", Object: "group", ObjectID: graceID, Detail: "group name is taken by " + groupID}}},
		{"administrator", func(ctx context.Context, s *account.Service) error {
			_, stateErr := s.SetState(ctx, adaID, account.Active)
			_, protectErr := s.Protect(ctx, adaID, "break-glass")
			_, changeErr := s.ChangeUser(ctx, adaID, account.UserChange{Active: &inactive})
			return errors.Join(stateErr, protectErr, changeErr)
		}, []account.Entry{
			{Verb: "user.state", Object: "user", ObjectID: adaID, Detail: "ACTIVE"},
			{Verb: "user.protect", Object: "user", ObjectID: adaID, Detail: "ACTIVE"},
			{Verb: "user.change.refused", Object: "user", ObjectID: adaID, Detail: "protected"},
		}},
		{"credentials", func(ctx context.Context, s *account.Service) error {
			_, err := s.NextGeneration(ctx, account.Generation{})
			return err
		}, []account.Entry{{Verb: "integration.regenerate", Object: "integration", Detail: "1"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := founded(t)
			_, err := s.Invite(t.Context(), account.Invitation{ID: adaID, Person: ada})
			must(t, err)
			_, err = s.CreateGroup(t.Context(), account.NewGroup{ID: groupID, Name: "Engineers", Members: []string{adaID}})
			must(t, err)
			before := last(t, s)
			ctx := account.WithCaller(t.Context(), account.Caller{Kind: account.Integration, RequestID: "r1"})
			if err := tt.act(ctx, s); err != nil {
				t.Log(err)
			}
			got := entries(t, s, before)
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(account.Entry{}, "Number", "Time", "Caller", "RequestID"), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("log (-want +got):\n%s", diff)
			}
			for i, e := range got {
				if e.Number != before+int64(i)+1 || e.Caller != account.Integration || e.RequestID != "r1" || time.Since(e.Time) > time.Hour {
					t.Errorf("entry %+v", e)
				}
			}
			if n := last(t, s); n != before+int64(len(got)) {
				t.Errorf("%d entries are linked, want %d", n, before+int64(len(got)))
			}
		})
	}
}

func TestActivityNamesEverybody(t *testing.T) {
	t.Parallel()
	s := founded(t)
	const many = 2300
	ids := make([]string, many)
	for i := range ids {
		id, err := account.NewID(time.UnixMilli(int64(i)), zeros{})
		must(t, err)
		ids[i] = id
	}
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			for _, id := range ids[i*many/50 : (i+1)*many/50] {
				if _, err := s.Invite(t.Context(), account.Invitation{ID: id, Person: account.Person{UserName: id}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	before := last(t, s)
	_, err := s.CreateGroup(t.Context(), account.NewGroup{ID: groupID, Name: "Everybody", Members: ids})
	must(t, err)
	var named []string
	for _, e := range entries(t, s, before) {
		if e.Verb == "group.members.add" {
			named = append(named, strings.Fields(e.Detail)...)
		}
		if len(e.Detail) > 32<<10 {
			t.Errorf("an entry of %d bytes", len(e.Detail))
		}
	}
	if diff := cmp.Diff(ids, named); diff != "" {
		t.Errorf("people in the log (-want +got):\n%s", diff)
	}
	last(t, s)
}

// zeros is a source of no randomness.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestRefusalsCannotFillTheLog(t *testing.T) {
	t.Parallel()
	store := open(t, filepath.Join(t.TempDir(), "account.db"))
	s := account.New(account.Config{Store: store, Clock: func() time.Time { return time.Unix(1_700_000_000, 0) }})
	_, err := s.Found(t.Context(), founding)
	must(t, err)
	before := last(t, s)
	var wg sync.WaitGroup
	for range 60 {
		wg.Go(func() {
			for range 20 {
				if _, err := s.Invite(t.Context(), account.Invitation{ID: adaID, Person: account.Person{UserName: ownerName}}); !errors.Is(err, account.ErrUserNameTaken) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := last(t, s) - before; n != 1000 {
		t.Errorf("%d of 1,200 refusals are in the log, want 1,000", n)
	}
}

func TestRefusalIsEnteredThoughTheCallerHasGone(t *testing.T) {
	t.Parallel()
	store := &interrupting{Store: open(t, filepath.Join(t.TempDir(), "account.db"))}
	s := found(t, store)
	before := last(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	store.after = cancel
	_, err := s.Invite(ctx, account.Invitation{ID: adaID, Person: account.Person{UserName: ownerName}})
	if !errors.Is(err, account.ErrUserNameTaken) {
		t.Fatal(err)
	}
	if n := last(t, s) - before; n != 1 {
		t.Errorf("%d entries, want 1", n)
	}
}

// interrupting calls a function after each update.
type interrupting struct {
	account.Store
	after func()
}

func (s *interrupting) Update(ctx context.Context, change func(account.Tx) error) error {
	err := s.Store.Update(ctx, change)
	if s.after != nil {
		s.after()
	}
	return err
}

func TestNextLink(t *testing.T) {
	t.Parallel()
	// Vectors that must never change, made by another program from the format: links that have been written have to
	// verify with every later version.
	e := account.Entry{Number: 1, Time: time.UnixMilli(1_700_000_000_123), Caller: account.Administrator, RequestID: "r", Verb: "user.invite", Object: "user", ObjectID: adaID, Detail: "INVITED"}
	one := account.NextLink(account.Link{}, []account.Entry{e})
	e.Number = 2
	two := account.NextLink(one, []account.Entry{e, {Number: 3, Time: time.UnixMilli(0)}})
	got := []account.Link{one, two}
	want := []account.Link{
		{Number: 1, First: 1, Last: 1, Hash: unhex(t, "a33c5d5b0264dfcf24aad8a04b9f5b1b58804e5ffefb8538caf274c64d8cf68e")},
		{Number: 2, First: 2, Last: 3, Hash: unhex(t, "5f5956625c47576580fd68b7bd8984e3816f592e113469b61afaff79f9f0dd8b")},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
}

func TestExport(t *testing.T) {
	t.Parallel()
	s := founded(t)
	_, err := s.Invite(t.Context(), account.Invitation{ID: adaID, Person: account.Person{UserName: "ada", Profile: []byte(`{"title":"Countess"}`)}})
	must(t, err)
	_, err = s.CreateGroup(t.Context(), account.NewGroup{ID: groupID, Name: "Engineers", Members: []string{adaID}})
	must(t, err)
	must(t, s.ReleaseUser(t.Context(), adaID, 0))
	var out bytes.Buffer
	must(t, s.Export(t.Context(), &out))
	kinds := map[string]int{}
	for line := range bytes.Lines(out.Bytes()) {
		var row struct {
			Kind, ID string
			Released bool
			Profile  struct{ Title string }
			Members  []struct{ ID string }
		}
		must(t, json.Unmarshal(line, &row))
		kinds[row.Kind]++
		if row.ID == adaID && (!row.Released || row.Profile.Title != "Countess") {
			t.Errorf("exported %s", line)
		}
		if row.ID == groupID && (row.Members == nil || len(row.Members) != 0) {
			t.Errorf("exported %s", line)
		}
	}
	if diff := cmp.Diff(map[string]int{"user": 2, "group": 5, "activity": 6}, kinds); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestFound(t *testing.T) {
	t.Parallel()
	s := account.New(account.Config{Store: open(t, filepath.Join(t.TempDir(), "account.db"))})
	if _, err := s.Describe(t.Context()); !errors.Is(err, account.ErrNotFound) {
		t.Fatalf("an account that has not been founded: %v", err)
	}
	first, err := s.Found(t.Context(), founding)
	must(t, err)
	again, err := s.Found(t.Context(), account.Founding{Name: "Other", Owner: "O", UserName: "other@example.com"})
	must(t, err)
	if !cmp.Equal(first, again) || first.Name != founding.Name || !account.IsID(first.ID) {
		t.Errorf("founded %+v, then %+v", first, again)
	}
	if u := owner(t, s); u.State != account.Active || u.Managed {
		t.Errorf("owner: %+v", u)
	}
	if _, err := s.Person(t.Context(), "other@example.com"); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("a second owner: %v", err)
	}
	for want := range 3 {
		if n, err := s.Generation(t.Context()); err != nil || n != want {
			t.Errorf("generation %d, %v; want %d", n, err, want)
		}
		_, err := s.NextGeneration(t.Context(), account.Generation{})
		must(t, err)
	}
}

func TestPeople(t *testing.T) {
	t.Parallel()
	s := founded(t)
	for _, id := range []string{graceID, adaID} {
		_, err := s.Invite(t.Context(), account.Invitation{ID: id, Person: account.Person{UserName: id}})
		must(t, err)
	}
	must(t, s.ReleaseUser(t.Context(), graceID, 0))
	var got []string
	for after := ""; ; {
		page, err := s.People(t.Context(), after, 1)
		must(t, err)
		if len(page) == 0 {
			break
		}
		after = page[0].ID
		if after != owner(t, s).ID {
			got = append(got, after)
		}
	}
	if diff := cmp.Diff([]string{adaID, graceID}, got); diff != "" {
		t.Errorf("people by id (-want +got):\n%s", diff)
	}
	groups, err := s.AllGroups(t.Context(), "", 2)
	must(t, err)
	rest, err := s.AllGroups(t.Context(), groups[1].ID, 10)
	must(t, err)
	if len(groups)+len(rest) != 4 {
		t.Errorf("%d and %d groups", len(groups), len(rest))
	}
}
