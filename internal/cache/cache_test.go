package cache_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accounttest"
	"github.com/scimbridge/scimbridge/internal/cache"
	"github.com/scimbridge/scimbridge/internal/store/sqlite"
)

// TestAccount passes the suite through the cache. The administrator's acts do not pass through it: each is over when the
// cache has heard of it.
func TestAccount(t *testing.T) {
	accounttest.Run(t, func(t testing.TB) accounttest.Fixture {
		service, owner := found(t)
		c := open(t, service)
		return accounttest.Fixture{Account: c, Admin: &patient{service, c}, Owner: owner}
	})
}

// found makes an account.
func found(t testing.TB) (*account.Service, string) {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "account.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	service := account.New(account.Config{Store: store})
	if _, err := service.Found(t.Context(), account.Founding{Name: "Example", Owner: "Olga Owner", UserName: "olga@example.com"}); err != nil {
		t.Fatal(err)
	}
	owner, err := service.Person(t.Context(), "olga@example.com")
	if err != nil {
		t.Fatal(err)
	}
	return service, owner.ID
}

// open makes a cache that follows an account until the test ends, and waits until it does.
func open(t testing.TB, a cache.Account) *cache.Cache {
	t.Helper()
	return openAt(t, a, time.Now)
}

func openAt(t testing.TB, a cache.Account, clock func() time.Time) *cache.Cache {
	t.Helper()
	return run(t, cache.Config{Account: a, Memory: 1 << 20, Lull: time.Millisecond, Clock: clock})
}

func run(t testing.TB, config cache.Config) *cache.Cache {
	t.Helper()
	c, err := cache.New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	until(t, func() bool { _, ever := c.Lag(); return ever })
	return c
}

// until waits for a condition.
func until(t testing.TB, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited for 30 s in vain")
		}
	}
}

// patient is an administrator who waits until a cache has heard of what he did.
type patient struct {
	*account.Service
	cache *cache.Cache
}

func (p *patient) heard(ctx context.Context) {
	feed, err := p.Changes(ctx, 0, 0)
	for err == nil && p.cache.Position() < feed.Last && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
}

func (p *patient) SetState(ctx context.Context, id string, s account.State) (account.User, error) {
	defer p.heard(ctx)
	return p.Service.SetState(ctx, id, s)
}

func (p *patient) Protect(ctx context.Context, id, reason string) (account.User, error) {
	defer p.heard(ctx)
	return p.Service.Protect(ctx, id, reason)
}

func (p *patient) ConfirmUserName(ctx context.Context, id string) (account.User, error) {
	defer p.heard(ctx)
	return p.Service.ConfirmUserName(ctx, id)
}

func (p *patient) MakeGroup(ctx context.Context, name string, members []string) (account.Group, error) {
	defer p.heard(ctx)
	return p.Service.MakeGroup(ctx, name, members)
}

func (p *patient) Adopt(ctx context.Context, group string) (account.Group, error) {
	defer p.heard(ctx)
	return p.Service.Adopt(ctx, group)
}

// behind is an account that says that there is more, and does not say what until ctx ends.
type behind struct {
	*account.Service
	last  int64
	asked chan struct{}
}

func (b *behind) Changes(ctx context.Context, _ int64, limit int) (account.Feed, error) {
	if limit == 0 {
		b.last++
		return account.Feed{Last: b.last}, nil
	}
	close(b.asked)
	<-ctx.Done()
	return account.Feed{}, nil
}

// TestEndWhileStarting: who is told to stop while the feed is read to its end stops.
func TestEndWhileStarting(t *testing.T) {
	t.Parallel()
	service, _ := found(t)
	b := &behind{Service: service, asked: make(chan struct{})}
	c, err := cache.New(cache.Config{Account: b})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Run(ctx)
	}()
	<-b.asked
	cancel()
	<-done
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
