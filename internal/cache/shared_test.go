package cache_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accounttest"
	"github.com/scimbridge/scimbridge/internal/cache"
	"github.com/scimbridge/scimbridge/internal/redis"
	"github.com/scimbridge/scimbridge/internal/redis/redistest"
)

// secret is the same in all replicas.
type secret struct{}

func (secret) Generation() int { return 1 }

func (secret) Derive(purpose string) ([32]byte, error) { return sha256.Sum256([]byte(purpose)), nil }

// patience is longer than a busy machine holds a server up: what is tested is not how Redis is given up.
const patience = 20 * time.Second

// connect makes a connection that is up.
func connect(t testing.TB, s *redistest.Server) *redis.Conn {
	t.Helper()
	conn := redis.New(redis.Config{Server: s.Server(), Account: "account", Integration: "integration", Patience: patience, Clock: time.Now, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	until(t, func() bool { return conn.State().Up })
	return conn
}

// replica is a cache with a connection of its own.
func replica(t testing.TB, a cache.Account, s *redistest.Server, memory int) *cache.Cache {
	t.Helper()
	return run(t, cache.Config{Account: a, Redis: connect(t, s), Secret: secret{}, Memory: memory, Lull: time.Millisecond})
}

// counted is an account that counts what is read.
type counted struct {
	*account.Service
	mu    sync.Mutex
	reads int
}

func (c *counted) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reads
}

func (c *counted) read() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads++
}

func (c *counted) User(ctx context.Context, id string) (account.User, error) {
	c.read()
	return c.Service.User(ctx, id)
}

func (c *counted) Users(ctx context.Context, q account.Query) (account.UserPage, error) {
	c.read()
	return c.Service.Users(ctx, q)
}

// deaf is an account whose feed says where it ends and nothing else, as if it lagged behind for ever.
type deaf struct{ *counted }

func (d deaf) Changes(ctx context.Context, after int64, limit int) (account.Feed, error) {
	if limit == 0 {
		return account.Feed{}, nil
	}
	<-ctx.Done()
	return account.Feed{Last: after}, nil
}

func TestSharedAccount(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	var n int
	var mu sync.Mutex
	accounttest.Run(t, func(t testing.TB) accounttest.Fixture {
		service, owner := found(t)
		mu.Lock()
		n++
		conn := redis.New(redis.Config{Server: server.Server(), Account: fmt.Sprint(n), Integration: "integration", Patience: patience, Clock: time.Now, Log: slog.New(slog.DiscardHandler)})
		mu.Unlock()
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			conn.Run(ctx)
		}()
		t.Cleanup(func() {
			cancel()
			<-done
		})
		until(t, func() bool { return conn.State().Up })
		c := run(t, cache.Config{Account: service, Redis: conn, Secret: secret{}, Memory: 1 << 20, Lull: time.Millisecond})
		return accounttest.Fixture{Account: c, Admin: &patient{service, c}, Owner: owner}
	})
}

// TestOthersCopies: what one replica has copied serves another, also one that begins later.
func TestOthersCopies(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	service, owner := found(t)
	a := &counted{Service: service}
	first, second := replica(t, a, server, 0), replica(t, a, server, 0)
	byName := account.Query{Terms: []account.Term{{Field: account.ByUserName, Op: account.Eq, Value: "Olga@example.com"}}, Limit: 100, Groups: true}
	nobody := account.Query{Terms: []account.Term{{Field: account.ByUserName, Op: account.Eq, Value: "nobody"}}, Limit: 100}
	ask := func(c *cache.Cache) {
		t.Helper()
		if u, err := c.User(t.Context(), owner); err != nil || u.ID != owner {
			t.Fatal(u, err)
		}
		if page, err := c.Users(t.Context(), byName); err != nil || page.Total != 1 {
			t.Fatal(page, err)
		}
		if page, err := c.Users(t.Context(), nobody); err != nil || page.Total != 0 {
			t.Fatal(page, err)
		}
	}
	ask(first)
	reads := a.count()
	ask(second)
	ask(replica(t, a, server, 0))
	if n := a.count() - reads; n > 0 {
		t.Errorf("the account was asked %d times for what another replica has copied", n)
	}
}

// TestOthersChanges: while Redis can be reached, what one replica has written is read at all others at once, whether or
// not the feed has told of it.
func TestOthersChanges(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	service, _ := found(t)
	a := deaf{&counted{Service: service}}
	replicas := []*cache.Cache{replica(t, a, server, 0), replica(t, a, server, 0), replica(t, a, server, 0)}
	w := &world{ctx: account.WithCaller(t.Context(), account.Caller{Kind: account.Integration}), account: service, replicas: replicas}
	owner, err := service.Person(t.Context(), "olga@example.com")
	if err != nil {
		t.Fatal(err)
	}
	w.users = []string{owner.ID}
	for range 60 {
		w.act(t, replicas[rand.IntN(len(replicas))], rand.IntN) //nolint:gosec // no secret
		for _, i := range rand.Perm(len(replicas)) {            //nolint:gosec // no secret
			w.compare(t, replicas[i], "any replica")
		}
	}
	before := a.count()
	w.compare(t, replicas[0], "nobody has written")
	if n := a.count() - before; n > 0 {
		t.Errorf("copies do not serve: the account was asked %d times", n)
	}
}

// TestOwnChangeAfterOthers: a replica that has written somebody does not take another's copy of before for a newer one
// because it comes to read of an earlier change of the same person only then.
func TestOwnChangeAfterOthers(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	service, owner := found(t)
	a := deaf{&counted{Service: service}}
	first, second, third := replica(t, a, server, 0), replica(t, a, server, 0), replica(t, a, server, 0)
	ctx := account.WithCaller(t.Context(), account.Caller{Kind: account.Integration})
	name := func(c *cache.Cache) string {
		t.Helper()
		u, err := c.User(ctx, owner)
		if err != nil {
			t.Fatal(err)
		}
		return u.Name
	}
	rename := func(c *cache.Cache, name string) {
		t.Helper()
		p := account.Person{UserName: "olga@example.com", Email: "olga@example.com", Name: name, Profile: []byte("{}")}
		if _, err := c.ChangeUser(ctx, owner, account.UserChange{Person: &p}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []*cache.Cache{first, second, third} { // follows the notes from here on
		name(c)
	}
	rename(second, "A")
	if got := name(third); got != "A" { // makes a copy
		t.Errorf("at the third: %s", got)
	}
	rename(first, "B")
	for i, c := range []*cache.Cache{first, second, third} {
		if got := name(c); got != "B" {
			t.Errorf("at %d: %s", i+1, got)
		}
	}
}

// TestRedisComesAndGoes has writers and readers at all replicas while Redis is killed, started again empty, loses keys and
// forgets notes. Whoever writes reads what it has written; a reader at another replica does, while Redis was there
// throughout; and in the end all are as the account is.
func TestRedisComesAndGoes(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	service, _ := found(t)
	const people, storms = 6, 12
	w := &world{ctx: account.WithCaller(t.Context(), account.Caller{Kind: account.Integration}), account: service}
	for range 3 {
		w.replicas = append(w.replicas, replica(t, service, server, 1<<20))
	}
	for n := range people {
		u, err := service.Invite(w.ctx, account.Invitation{ID: id(t), Person: account.Person{UserName: fmt.Sprint("p", n), Email: "p", Name: "P", Profile: []byte("{}")}})
		if err != nil {
			t.Fatal(err)
		}
		w.users = append(w.users, u.ID)
	}
	over := make(chan struct{})
	c0 := w.replicas[0]
	var trouble, all sync.WaitGroup
	var storm sync.RWMutex // held by who makes trouble
	trouble.Go(func() {
		defer close(over)
		for n := range storms {
			until(t, func() bool { return c0.Told(w.ctx) })
			storm.Lock()
			switch n % 4 {
			case 0:
				server.Do("FLUSHALL")
			case 1:
				for _, key := range strings.Fields(server.Do("KEYS", "*")) {
					if strings.Contains(key, "notes") || rand.IntN(2) == 0 { //nolint:gosec // no secret
						server.Do("DEL", key)
					}
				}
			case 2:
				server.Kill()
				server.Start()
			default:
				for _, key := range strings.Fields(server.Do("KEYS", "*notes")) {
					server.Do("XTRIM", key, "MAXLEN", "0")
				}
			}
			storm.Unlock()
		}
	})
	for n := range people {
		all.Go(func() {
			c, user := w.replicas[n%len(w.replicas)], w.users[n]
			for i := 0; ; i++ {
				select {
				case <-over:
					return
				default:
				}
				calm := storm.TryRLock()
				p := account.Person{UserName: fmt.Sprint("p", n), Email: "p", Name: fmt.Sprint(i), Profile: []byte("{}")}
				u, err := c.ChangeUser(w.ctx, user, account.UserChange{Person: &p})
				if err != nil {
					t.Error(err)
				}
				if got, err := c.User(w.ctx, user); err != nil || got.Revision < u.Revision {
					t.Errorf("%d written at revision %d, and read at %d, %v", i, u.Revision, got.Revision, err)
				}
				if calm {
					// Whether Redis took the note is not known where it has just come back.
					reachable := c.Told(w.ctx)
					other := w.replicas[rand.IntN(len(w.replicas))] //nolint:gosec // no secret
					if got, err := other.User(w.ctx, user); reachable && (err != nil || got.Revision < u.Revision) {
						t.Errorf("%d written at revision %d, and read elsewhere at %d, %v", i, u.Revision, got.Revision, err)
					}
					storm.RUnlock()
				}
			}
		})
	}
	trouble.Wait()
	all.Wait()
	for _, c := range w.replicas {
		w.hear(t, c)
		w.compare(t, c, "in the end")
	}
}

// TestNothingReadable: nothing that is kept in Redis shows a name or an id.
func TestNothingReadable(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	service, owner := found(t)
	c := replica(t, service, server, 0)
	if _, err := c.Users(t.Context(), account.Query{Terms: []account.Term{{Field: account.ByUserName, Op: account.Eq, Value: "olga@example.com"}}, Limit: 1}); err != nil {
		t.Fatal(err)
	}
	active := true
	if _, err := c.ChangeUser(account.WithCaller(t.Context(), account.Caller{Kind: account.Integration}), owner, account.UserChange{Active: &active}); err != nil {
		t.Fatal(err)
	}
	kept := 0
	for _, key := range strings.Fields(server.Do("KEYS", "*")) {
		value := ""
		switch server.Do("TYPE", key) {
		case "string":
			value = server.Do("GET", key)
		case "stream":
			value = server.Do("XRANGE", key, "-", "+")
		}
		kept++
		for _, plain := range []string{"olga", "Olga", owner} {
			if strings.Contains(key+value, plain) {
				t.Errorf("%s shows %s", key, plain)
			}
		}
	}
	if kept < 3 {
		t.Errorf("only %d keys are kept", kept)
	}
}

// TestMoments: what one replica has written is read at another at once, also while that one is asked so much that it does
// not ask Redis each time.
func TestMoments(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	service, owner := found(t)
	a := deaf{&counted{Service: service}}
	writer, reader := replica(t, a, server, 0), replica(t, a, server, 0)
	reader.Crowd()
	ctx, cancel := context.WithCancel(t.Context())
	var crowd sync.WaitGroup
	for range 4 {
		crowd.Go(func() {
			for ctx.Err() == nil {
				_, _ = reader.User(ctx, owner)
			}
		})
	}
	defer crowd.Wait()
	defer cancel()
	until(t, reader.Moments)
	const changes = 300
	for n := range changes {
		want := account.Person{UserName: "olga@example.com", Email: "olga@example.com", Name: fmt.Sprint("Olga ", n)}
		if _, err := writer.ChangeUser(t.Context(), owner, account.UserChange{Person: &want}); err != nil {
			t.Fatal(err)
		}
		if u, err := reader.User(t.Context(), owner); err != nil || u.Name != want.Name {
			t.Fatalf("after change %d: %q %v", n, u.Name, err)
		}
	}
	if !reader.Moments() {
		t.Error("Redis was asked each time")
	}
}
