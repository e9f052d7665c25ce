// Package cache keeps copies of an account's people and groups, so that the questions that identity providers ask all
// the time need not travel to the account: who has this id, user name, address or external id, or that nobody has; which
// group is this; is this person in that group.
//
// It is a decorator: a Cache is an account as the bridge needs one. Only answers may come from a copy. Whoever computes a
// change from what it reads asks Direct, and nothing that is about keys, confirmations or rules passes through here.
//
// # When a copy serves
//
// A copy is stamped with how far this process had followed the account before the copy was read. Everything that may
// have made it wrong is noted under a name, such as "the user 7k…": one's own changes when they return, and everybody's
// when the account's feed tells of them. A copy serves while nothing that it depends on has been noted after its stamp.
// So a copy that was read while the change was under way is dropped, whatever overtakes what.
//
// Hence a client reads what it has written at once, and what others have written when the feed has told of it. While
// nothing has been heard from the feed for a while, no copy serves. Several replicas share copies, and tell one another of
// their changes, through Redis: see shared.
package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/redis"
)

// Account is what is cached: what the bridge needs of an account, and the feed of its changes.
type Account interface {
	Describe(ctx context.Context) (account.Info, error)
	User(ctx context.Context, id string) (account.User, error)
	Users(ctx context.Context, q account.Query) (account.UserPage, error)
	Invite(ctx context.Context, i account.Invitation) (account.User, error)
	ChangeUser(ctx context.Context, id string, c account.UserChange) (account.User, error)
	ReleaseUser(ctx context.Context, id string, ifRevision int64) error
	Group(ctx context.Context, id string) (account.Group, error)
	Groups(ctx context.Context, q account.Query) (account.GroupPage, error)
	CreateGroup(ctx context.Context, g account.NewGroup) (account.GroupResult, error)
	ChangeGroup(ctx context.Context, id string, c account.GroupChange) (account.GroupResult, error)
	DeleteGroup(ctx context.Context, id string, ifRevision int64) error
	Members(ctx context.Context, group, after string, limit int) ([]account.Member, error)

	// Changes waits for what has changed after a number of the activity log; when ctx ends first, it returns nothing,
	// without an error where the account was there. With limit 0 it says at once where the log ends.
	Changes(ctx context.Context, after int64, limit int) (account.Feed, error)
}

var _ Account = (*account.Service)(nil)

const (
	// DefaultMemory is for how many bytes of copies there is room: those of 100,000 people, each found by two names.
	DefaultMemory = 42 << 20
	// MaxLag is after how long without a word from the feed no copy serves any more. Where nothing changes, it says so
	// every feedWait.
	MaxLag   = 40 * time.Second
	feedWait = 20 * time.Second
	// feedPage is how many entries of the activity log are looked at at once.
	feedPage = 1000
	// history is how many entries before the start are looked at, so that what other replicas have copied serves.
	history = 10 * feedPage
	// DefaultLull is how long the feed rests between two looks, so that a busy account is not asked after each change.
	DefaultLull = 50 * time.Millisecond
	// again is how long the feed rests after the account could not be reached.
	again = time.Second
)

// Config is what New needs.
type Config struct {
	Account Account
	// Redis is what replicas share; nil: there is nothing to share.
	Redis *redis.Conn
	// Secret says which generation of credentials is in use, 0 while locked, and gives a key that is particular to it. nil:
	// a key by chance.
	Secret interface {
		Generation() int
		Derive(purpose string) ([32]byte, error)
	}
	Memory int           // bytes for copies; 0: DefaultMemory
	Lull   time.Duration // 0: DefaultLull
	Clock  func() time.Time
	Log    *slog.Logger
}

// Cache is an account of which copies are kept. Its feed is followed by Run, without which no copy serves.
type Cache struct {
	Config
	memory *memory
	marks  *marks
	shared *shared      // nil: no Redis
	heard  atomic.Int64 // when the feed last said something, in ns since 1970; 0: never
	keys   atomic.Pointer[keys]
	stats  struct {
		hits, misses atomic.Int64 // questions that a copy answered, and that went to the account though a copy might
	}
}

// New makes a Cache.
func New(c Config) (*Cache, error) {
	if c.Memory == 0 {
		c.Memory = DefaultMemory
	}
	if c.Lull == 0 {
		c.Lull = DefaultLull
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Secret == nil {
		c.Secret = byChance{}
	}
	m, err := newMemory(c.Memory)
	if err != nil {
		return nil, err
	}
	cache := &Cache{Config: c, memory: m, marks: newMarks()}
	if c.Redis != nil {
		cache.shared = newShared(c.Redis)
	}
	return cache, nil
}

// byChance is a secret that ends with the process.
type byChance struct{}

func (byChance) Generation() int { return 1 }

func (byChance) Derive(string) (key [32]byte, err error) {
	_, err = rand.Read(key[:])
	return key, err
}

// Close gives the memory of the copies back. Questions go to the account from then on.
func (c *Cache) Close() error { return c.memory.close() }

// Lag is how long ago the feed last said something; false: it never has.
func (c *Cache) Lag() (time.Duration, bool) {
	at := c.heard.Load()
	return c.Clock().Sub(time.Unix(0, at)), at != 0
}

// serving returns what copies are read with; nil while none may serve.
func (c *Cache) serving(ctx context.Context) *keys {
	if lag, ever := c.Lag(); !ever || lag >= MaxLag {
		return nil
	}
	ks := c.current()
	if ks == nil || c.shared != nil && !c.sync(ctx, ks) {
		return nil
	}
	return ks
}

// current are the keys of the credentials that are in use; nil while locked.
func (c *Cache) current() *keys {
	generation := c.Secret.Generation()
	if generation == 0 {
		return nil
	}
	if ks := c.keys.Load(); ks != nil && ks.generation == generation {
		return ks
	}
	secret, err := c.Secret.Derive("cache")
	if err != nil {
		return nil
	}
	ks, err := newKeys(generation, secret)
	if err != nil {
		return nil
	}
	if old := c.keys.Load(); !c.keys.CompareAndSwap(old, ks) {
		return c.keys.Load()
	}
	return ks
}

// Run follows the account's feed until ctx ends.
func (c *Cache) Run(ctx context.Context) {
	ctx = account.WithCaller(ctx, account.Caller{Kind: account.Integration})
	started := false
	for ctx.Err() == nil {
		var more bool
		var err error
		if started {
			more, err = c.listen(ctx)
		} else {
			err = c.start(ctx)
			started = err == nil
		}
		switch {
		case ctx.Err() != nil:
		case err != nil:
			c.Log.DebugContext(ctx, "changes of the account not heard", "error", err)
			pause(ctx, again)
		case !more:
			c.heard.Store(c.Clock().UnixNano())
			pause(ctx, c.Lull)
		}
	}
}

// start finds out where to begin, and follows the feed to its end.
func (c *Cache) start(ctx context.Context) error {
	feed, err := c.Account.Changes(ctx, 0, 0)
	if err != nil {
		return err
	}
	at := feed.Last
	if c.shared != nil {
		at = max(0, at-history)
	}
	c.marks.start(at)
	return c.hearAll(ctx)
}

// listen follows one page of the feed, and tells whether there is more.
func (c *Cache) listen(ctx context.Context) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, feedWait)
	defer cancel()
	begin := c.marks.stamp()
	feed, err := c.Account.Changes(ctx, begin.at, feedPage)
	if err != nil {
		return false, err
	}
	more = feed.Last-begin.at >= feedPage
	if c.marks.follow(begin.at, feed) && !more {
		c.marks.settle(begin.tick)
	}
	return more, nil
}

// hearAll follows the feed to where it ends now.
func (c *Cache) hearAll(ctx context.Context) error {
	begin := c.marks.stamp()
	end, err := c.Account.Changes(ctx, 0, 0)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if begin.at > end.Last { // the account was restored from a backup
		c.marks.follow(begin.at, end)
	}
	after := c.marks.stamp().at
	for after < end.Last {
		feed, err := c.Account.Changes(ctx, after, feedPage)
		if err = errors.Join(err, ctx.Err()); err != nil { // who is told to stop hears nothing, and no error
			return err
		}
		c.marks.follow(after, feed)
		after = c.marks.stamp().at
	}
	c.marks.settle(begin.tick)
	return nil
}

// pause waits, but not longer than ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// copyKind says what a copy answers.
type copyKind byte

// The kinds of a copy.
const (
	userCopy    copyKind = 'u' // who has an id
	groupCopy   copyKind = 'g'
	usersFound  copyKind = 'U' // the ids that a term finds
	groupsFound copyKind = 'G'
)

// copyKey is what a copy is kept under: a MAC of what it answers.
type copyKey [keyBytes]byte

const keyBytes = 14

// absent tells errors that say that something is not there, which is an answer, from those that say nothing.
func absent(err error) bool { return errors.Is(err, account.ErrNotFound) }
