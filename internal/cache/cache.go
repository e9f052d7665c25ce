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
// nothing has been heard from the feed for a while, no copy serves.
package cache

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"hash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
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
	// without an error. With limit 0 it says at once where the log ends.
	Changes(ctx context.Context, after int64, limit int) (account.Feed, error)
}

var _ Account = (*account.Service)(nil)

const (
	// DefaultMemory is for how many bytes of copies there is room: those of 100,000 people, each found by two names.
	DefaultMemory = 52 << 20
	// MaxLag is after how long without a word from the feed no copy serves any more. Where nothing changes, it says so
	// every feedWait.
	MaxLag   = 40 * time.Second
	feedWait = 20 * time.Second
	// feedPage is how many changes are read at once.
	feedPage = 1000
	// DefaultLull is how long the feed rests between two looks, so that a busy account is not asked after each change.
	DefaultLull = 50 * time.Millisecond
	// again is how long the feed rests after the account could not be reached.
	again = time.Second
)

// Config is what New needs.
type Config struct {
	Account Account
	Memory  int           // bytes for copies; 0: DefaultMemory
	Lull    time.Duration // 0: DefaultLull
	Clock   func() time.Time
	Log     *slog.Logger
}

// Cache is an account of which copies are kept. Its feed is followed by Run, without which no copy serves.
type Cache struct {
	account Account
	clock   func() time.Time
	log     *slog.Logger
	memory  *memory
	lull    time.Duration
	marks   *marks
	heard   atomic.Int64 // when the feed last said something, in ns since 1970; 0: never
	names   sync.Pool    // of hash.Hash: HMAC-SHA-256 under a key that nobody else knows
	stats   struct {
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
	m, err := newMemory(c.Memory)
	if err != nil {
		return nil, err
	}
	key := make([]byte, sha256.Size)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	cache := &Cache{account: c.Account, clock: c.Clock, log: c.Log, memory: m, lull: c.Lull, marks: newMarks()}
	cache.names.New = func() any { return hmac.New(sha256.New, key) }
	return cache, nil
}

// Close gives the memory of the copies back. Questions go to the account from then on.
func (c *Cache) Close() error { return c.memory.close() }

// Lag is how long ago the feed last said something; false: it never has.
func (c *Cache) Lag() (time.Duration, bool) {
	at := c.heard.Load()
	return c.clock().Sub(time.Unix(0, at)), at != 0
}

// current tells whether copies may serve.
func (c *Cache) current() bool {
	lag, ever := c.Lag()
	return ever && lag < MaxLag
}

// Run follows the account's feed until ctx ends.
func (c *Cache) Run(ctx context.Context) {
	ctx = account.WithCaller(ctx, account.Caller{Kind: account.Integration})
	limit := 0 // at first only where the log ends
	for ctx.Err() == nil {
		feed, err := c.listen(ctx, limit)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			c.log.DebugContext(ctx, "changes of the account not heard", "error", err)
			pause(ctx, again)
			continue
		}
		c.marks.follow(feed)
		c.heard.Store(c.clock().UnixNano())
		limit = feedPage
		if len(feed.Changes) < feedPage {
			pause(ctx, c.lull)
		}
	}
}

func (c *Cache) listen(ctx context.Context, limit int) (account.Feed, error) {
	ctx, cancel := context.WithTimeout(ctx, feedWait)
	defer cancel()
	return c.account.Changes(ctx, c.marks.position(), limit)
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
type copyKey [16]byte

func (c *Cache) key(kind copyKind, field account.Field, value string) (k copyKey) {
	mac, _ := c.names.Get().(hash.Hash)
	mac.Reset()
	var buf [256]byte
	b := append(buf[:0], byte(kind))
	b = append(b, field...)
	b = append(b, 0)
	b = append(b, value...)
	mac.Write(b)
	var sum [sha256.Size]byte
	copy(k[:], mac.Sum(sum[:0]))
	c.names.Put(mac)
	return k
}

// absent tells errors that say that something is not there, which is an answer, from those that say nothing.
func absent(err error) bool { return errors.Is(err, account.ErrNotFound) }
