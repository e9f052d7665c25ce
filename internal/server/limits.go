package server

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/scimbridge/scimbridge/internal/bucket"
	"github.com/scimbridge/scimbridge/internal/redis"
)

const (
	// wrongTokenBurst is how many wrong tokens a source may send before it has to slow down: an administrator who
	// pastes the wrong line a few times, or a test suite, is not held up.
	wrongTokenBurst = 20
	// wrongTokenPause is how long it then waits between two. A token has 256 random bits, so that this is not what
	// stops guessing; it keeps a client with an old token from filling the log.
	wrongTokenPause = 3 * time.Second
	// maxSources bounds the memory for counting: 10,000 sources are 2 MB. When it is full, the oldest half goes.
	maxSources = 10_000
)

// SharedLimit lets replicas count the wrong tokens of a source together. The key hides sources from Redis; all replicas have
// the same.
func SharedLimit(c *redis.Conn, key [32]byte) *bucket.Shared {
	return bucket.New(bucket.Config{Redis: c, Name: "wrong", Key: key, Size: wrongTokenBurst, Pause: wrongTokenPause})
}

// limits counts wrong tokens by source: here, and with other replicas where there are any. Nothing but a wrong token ever waits
// for them, and while they cannot be asked what was counted here decides.
type limits struct {
	clock  func() time.Time
	shared *bucket.Shared // nil: there are no others

	mu      sync.Mutex
	sources map[netip.Prefix]*source
}

type source struct {
	bucket *rate.Limiter
	seen   time.Time
}

func newLimits(clock func() time.Time, shared *bucket.Shared) *limits {
	return &limits{clock: clock, shared: shared, sources: map[netip.Prefix]*source{}}
}

// allow takes one of the source's tries; where none is left it says how long to wait. Of IPv6 the network counts, since a host
// has as many addresses there as it likes.
func (l *limits) allow(ctx context.Context, addr netip.Addr) (wait time.Duration, ok bool) {
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	key, _ := addr.Prefix(bits)
	if wait, ok = l.here(key); !ok || l.shared == nil {
		return wait, ok // who has been stopped here costs the others nothing
	}
	wait, ok, err := l.shared.Take(ctx, key.String())
	return wait, ok || err != nil
}

func (l *limits) here(key netip.Prefix) (wait time.Duration, ok bool) {
	now := l.clock()
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sources[key]
	if s == nil {
		l.makeRoom(now)
		s = &source{bucket: rate.NewLimiter(rate.Every(wrongTokenPause), wrongTokenBurst)}
		l.sources[key] = s
	}
	s.seen = now
	if s.bucket.AllowN(now, 1) {
		return 0, true
	}
	return wrongTokenPause, false
}

func (l *limits) makeRoom(now time.Time) {
	if len(l.sources) < maxSources {
		return
	}
	for age := 10 * time.Minute; len(l.sources) > maxSources/2; age /= 2 {
		for k, s := range l.sources {
			if now.Sub(s.seen) >= age {
				delete(l.sources, k)
			}
		}
	}
}
