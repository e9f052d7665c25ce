package cache_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	randv2 "math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/cache"
)

// world is an account, several replicas with copies of it, and what has been made there.
type world struct {
	ctx      context.Context
	account  *account.Service
	replicas []*cache.Cache
	users    []string
	groups   []string
	n        int
}

func newWorld(t testing.TB, replicas int) *world {
	service, owner := found(t)
	w := &world{ctx: account.WithCaller(t.Context(), account.Caller{Kind: account.Integration}), account: service, users: []string{owner}}
	for range replicas {
		w.replicas = append(w.replicas, open(t, service))
	}
	return w
}

// names are few, so that they are taken, given up and taken again.
const persons, externals = 4, 2

func name(n int) string { return fmt.Sprintf("person%d@example.com", n%persons) }

func groupName(n int) string { return fmt.Sprintf("group %d", n%4) }

func id(t testing.TB) string {
	id, err := account.NewID(time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// questions are everything that a copy may answer.
func (w *world) questions() []account.Query {
	var list []account.Query
	for n := range persons {
		for _, f := range []account.Field{account.ByUserName, account.ByEmail, account.ByExternalID} {
			value := name(n)
			if f == account.ByExternalID {
				if n >= externals {
					continue
				}
				value = fmt.Sprint("x", n)
			}
			list = append(list, account.Query{Terms: []account.Term{{Field: f, Op: account.Eq, Value: value}}, Limit: 100, Groups: true})
		}
	}
	return list
}

// compare fails where an answer of a replica is not the account's.
func (w *world) compare(t interface{ Fatalf(string, ...any) }, c *cache.Cache, who string) {
	for _, id := range w.users {
		got, gotErr := c.User(w.ctx, id)
		want, wantErr := w.account.User(w.ctx, id)
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); !errors.Is(gotErr, wantErr) || gotErr == nil && d != "" {
			t.Fatalf("%s, user %s: %v %v %s", who, id, gotErr, wantErr, d)
		}
	}
	for _, q := range w.questions() {
		got, err := c.Users(w.ctx, q)
		want, wantErr := w.account.Users(w.ctx, q)
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" || err != nil || wantErr != nil {
			t.Fatalf("%s, %v: %v %v %s", who, q.Terms, err, wantErr, d)
		}
	}
	for n, id := range w.groups {
		got, gotErr := c.Group(w.ctx, id)
		want, wantErr := w.account.Group(w.ctx, id)
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); !errors.Is(gotErr, wantErr) || gotErr == nil && d != "" {
			t.Fatalf("%s, group %s: %v %v %s", who, id, gotErr, wantErr, d)
		}
		probe := account.Query{Limit: 1, Terms: []account.Term{
			{Field: account.ByID, Op: account.Eq, Value: id}, {Field: account.ByMember, Op: account.Eq, Value: w.users[n%len(w.users)]},
		}}
		byName := account.Query{Limit: 10, Terms: []account.Term{{Field: account.ByName, Op: account.Eq, Value: groupName(n)}}}
		for _, q := range []account.Query{probe, byName} {
			got, err := c.Groups(w.ctx, q)
			want, wantErr := w.account.Groups(w.ctx, q)
			if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" || err != nil || wantErr != nil {
				t.Fatalf("%s, %v: %v %v %s", who, q.Terms, err, wantErr, d)
			}
		}
	}
}

// hear waits until a replica has heard of everything.
func (w *world) hear(t testing.TB, c *cache.Cache) {
	feed, err := w.account.Changes(w.ctx, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return c.Position() >= feed.Last })
}

// person is one of few, so that people come back and change places.
func person(n int) account.Person {
	return account.Person{UserName: name(n), Email: name(n / 2), Name: fmt.Sprint("Person ", n), ExternalID: fmt.Sprint("x", n%externals), Profile: fmt.Appendf(nil, `{"n":%d}`, n)}
}

// act makes one change through a replica, or by an administrator where c is nil. pick chooses one of n.
func (w *world) act(t testing.TB, c *cache.Cache, pick func(n int) int) {
	w.n++
	user := w.users[pick(len(w.users))]
	if c == nil {
		switch pick(4) {
		case 0:
			_, _ = w.account.SetState(w.ctx, user, []account.State{account.Active, account.Suspended, account.Accepted}[pick(3)])
		case 1:
			_, _ = w.account.Protect(w.ctx, user, []string{"", "guest"}[pick(2)])
		case 2:
			if g, err := w.account.MakeGroup(w.ctx, groupName(pick(4)), []string{user}); err == nil {
				w.groups = append(w.groups, g.ID)
			}
		default:
			if len(w.groups) > 0 {
				_, _ = w.account.Adopt(w.ctx, w.groups[pick(len(w.groups))])
			}
		}
		return
	}
	active := pick(2) == 0
	p := person(pick(12))
	switch pick(8) {
	case 0, 1:
		if u, err := c.Invite(w.ctx, account.Invitation{ID: id(t), Person: p, Inactive: active}); err == nil && !slices.Contains(w.users, u.ID) {
			w.users = append(w.users, u.ID)
		}
	case 2:
		_, _ = c.ChangeUser(w.ctx, user, account.UserChange{Person: &p})
	case 3:
		_, _ = c.ChangeUser(w.ctx, user, account.UserChange{Active: &active})
	case 4:
		_ = c.ReleaseUser(w.ctx, user, 0)
	case 5:
		if g, err := c.CreateGroup(w.ctx, account.NewGroup{ID: id(t), Name: groupName(pick(4)), Members: []string{user}}); err == nil {
			w.groups = append(w.groups, g.Group.ID)
		}
	default:
		if len(w.groups) == 0 {
			return
		}
		group := w.groups[pick(len(w.groups))]
		switch pick(4) {
		case 0:
			n := groupName(pick(4)) + " renamed"
			_, _ = c.ChangeGroup(w.ctx, group, account.GroupChange{Name: &n})
		case 1:
			_ = c.DeleteGroup(w.ctx, group, 0)
		default:
			_, _ = c.ChangeGroup(w.ctx, group, account.GroupChange{Steps: []account.MemberStep{{Kind: account.StepKind(pick(3)), Users: []string{user}}}})
		}
	}
}

// TestRandomChanges: after each change, whoever made it reads what it has written, and once they have heard of it,
// all others do.
func TestRandomChanges(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(t, 2)
		for range rapid.IntRange(1, 8).Draw(r, "changes") {
			who := rapid.IntRange(0, len(w.replicas)).Draw(r, "who")
			pick := func(n int) int { return rapid.IntRange(0, n-1).Draw(r, "pick") }
			if who == len(w.replicas) {
				w.act(t, nil, pick)
			} else {
				for _, c := range w.replicas { // whoever writes has heard of the others; that nobody lags behind is not what is asked
					w.hear(t, c)
				}
				w.act(t, w.replicas[who], pick)
				w.compare(r, w.replicas[who], "the writer")
			}
			for _, c := range w.replicas {
				w.hear(t, c)
				w.compare(r, c, "a replica that has heard")
			}
		}
	})
}

// TestWritersAtOnce has writers and readers at all replicas at once. Whoever writes reads what it has written; in the end,
// once all have heard, all are as the account is.
func TestWritersAtOnce(t *testing.T) {
	w := newWorld(t, 3)
	const people, rounds = 8, 60
	for n := range people {
		u, err := w.account.Invite(w.ctx, account.Invitation{ID: id(t), Person: account.Person{UserName: fmt.Sprint("p", n), Email: "p", Name: "P", Profile: []byte("{}")}})
		if err != nil {
			t.Fatal(err)
		}
		w.users = append(w.users, u.ID)
	}
	g, err := w.account.CreateGroup(w.ctx, account.NewGroup{ID: id(t), Name: "everybody"})
	if err != nil {
		t.Fatal(err)
	}
	w.groups = append(w.groups, g.Group.ID)
	var all sync.WaitGroup
	for n := range people {
		all.Go(func() {
			c, user := w.replicas[n%len(w.replicas)], w.users[1+n]
			for i := range rounds {
				p := account.Person{UserName: fmt.Sprint("p", n), Email: "p", Name: fmt.Sprint(i), Profile: []byte("{}")}
				u, err := c.ChangeUser(w.ctx, user, account.UserChange{Person: &p})
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := c.User(w.ctx, user); err != nil || got.Revision < u.Revision || got.Name != p.Name {
					t.Errorf("%d written at revision %d, and %q read at %d, %v", i, u.Revision, got.Name, got.Revision, err)
				}
				kind := account.StepKind(i % 2)
				res, err := c.ChangeGroup(w.ctx, g.Group.ID, account.GroupChange{Steps: []account.MemberStep{{Kind: kind, Users: []string{user}}}})
				if err != nil {
					t.Error(err)
					return
				}
				got, err := c.Group(w.ctx, g.Group.ID)
				if err != nil || got.Revision < res.Group.Revision {
					t.Errorf("group written at %d and read at %d, %v", res.Group.Revision, got.Revision, err)
				}
				if got, err := c.User(w.ctx, user); err != nil || (len(got.Groups) == 1) != (kind == account.Add) {
					t.Errorf("step %v, and the person is in %v, %v", kind, got.Groups, err)
				}
				_, _ = w.replicas[randv2.IntN(len(w.replicas))].User(w.ctx, w.users[randv2.IntN(len(w.users))]) //nolint:gosec // no secret
			}
		})
	}
	all.Wait()
	for _, c := range w.replicas {
		w.hear(t, c)
		w.compare(t, c, "in the end")
	}
}

// silent is an account whose feed says nothing any more once it is told to.
type silent struct {
	*account.Service
	mute chan struct{}
}

func (s *silent) Changes(ctx context.Context, after int64, limit int) (account.Feed, error) {
	select {
	case <-s.mute:
		return account.Feed{}, account.ErrUnavailable
	default:
		return s.Service.Changes(ctx, after, limit)
	}
}

// TestSilence: while nothing is heard from the feed for too long, no copy serves.
func TestSilence(t *testing.T) {
	service, owner := found(t)
	s := &silent{service, make(chan struct{})}
	var mu sync.Mutex
	late := time.Duration(0)
	c := openAt(t, s, func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return time.Now().Add(late)
	})
	if _, err := c.User(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	close(s.mute)
	if _, err := service.Protect(t.Context(), owner, "changed"); err != nil { // wakes the feed, which fails from now on
		t.Fatal(err)
	}
	mu.Lock()
	late = cache.MaxLag
	mu.Unlock()
	u, err := c.User(t.Context(), owner)
	if err != nil || u.Protection != "changed" {
		t.Errorf("a copy from before the silence serves: %q, %v", u.Protection, err)
	}
}

// TestNothingBeforeTheFeed: until the feed has been heard, the account is asked.
func TestNothingBeforeTheFeed(t *testing.T) {
	service, owner := found(t)
	c, err := cache.New(cache.Config{Account: service})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // nothing is lost
	for _, reason := range []string{"one", "two"} {
		if _, err := service.Protect(t.Context(), owner, reason); err != nil {
			t.Fatal(err)
		}
		if u, err := c.User(t.Context(), owner); err != nil || u.Protection != reason {
			t.Errorf("%q, %v", u.Protection, err)
		}
	}
}

// restored is an account that goes back to before.
type restored struct {
	*account.Service
	back sync.Once
	gone chan struct{}
}

func (r *restored) Changes(ctx context.Context, after int64, limit int) (account.Feed, error) {
	select {
	case <-r.gone:
		feed := account.Feed{Last: after}
		r.back.Do(func() { feed.Last = 1 })
		if feed.Last == after {
			<-ctx.Done()
		}
		return feed, nil
	default:
		return r.Service.Changes(ctx, after, limit)
	}
}

// TestRestore: where the log has become shorter, no copy of before serves.
func TestRestore(t *testing.T) {
	service, owner := found(t)
	r := &restored{Service: service, gone: make(chan struct{})}
	c := openAt(t, r, time.Now)
	if _, err := service.Protect(t.Context(), owner, "before"); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return c.Position() > 1 })
	if _, err := c.User(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	close(r.gone)
	if _, err := service.Protect(t.Context(), owner, "after"); err != nil { // wakes the feed
		t.Fatal(err)
	}
	until(t, func() bool { return c.Position() == 1 })
	if u, err := c.User(t.Context(), owner); err != nil || u.Protection != "after" {
		t.Errorf("a copy from before the restore serves: %q, %v", u.Protection, err)
	}
}

// TestDirect: whoever computes a change reads the account itself.
func TestDirect(t *testing.T) {
	service, owner := found(t)
	c := open(t, service)
	if _, err := c.User(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	d := c.Direct()
	term := account.Query{Terms: []account.Term{{Field: account.ByUserName, Op: account.Eq, Value: "olga@example.com"}}, Limit: 1}
	for n := range 20 {
		reason := fmt.Sprint(n)
		if _, err := service.Protect(t.Context(), owner, reason); err != nil {
			t.Fatal(err)
		}
		if u, err := d.User(t.Context(), owner); err != nil || u.Protection != reason {
			t.Fatalf("%q, %v", u.Protection, err)
		}
		if page, err := d.Users(t.Context(), term); err != nil || page.Users[0].Protection != reason {
			t.Fatalf("%v, %v", page, err)
		}
	}
}
