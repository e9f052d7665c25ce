package accountapi

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// wrongBurst is how often a source may be wrong before it has to slow down: somebody who mistypes a password a few
	// times is not held up.
	wrongBurst = 10
	// wrongPause is how long it then waits. Behind the password stands a Secret Key of more than 128 bits, so that this
	// is not what stops guessing; it keeps somebody from trying as fast as the line allows.
	wrongPause = 5 * time.Second
	// maxSources bounds the memory for counting. When it is full, the oldest half goes.
	maxSources = 10_000
)

// limits counts wrong signatures and wrong links by source. Who is right is never held back.
type limits struct {
	clock func() time.Time

	mu      sync.Mutex // guards sources
	sources map[netip.Prefix]*source
}

type source struct {
	bucket *rate.Limiter
	seen   time.Time
}

func newLimits(clock func() time.Time) *limits {
	return &limits{clock: clock, sources: map[netip.Prefix]*source{}}
}

// wrong counts, and tells whether the source may go on. Of IPv6 the network counts, since a host has as many addresses
// there as it likes.
func (l *limits) wrong(addr netip.Addr) bool {
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	key, _ := addr.Prefix(bits)
	now := l.clock()
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sources[key]
	if s == nil {
		l.makeRoom(now)
		s = &source{bucket: rate.NewLimiter(rate.Every(wrongPause), wrongBurst)}
		l.sources[key] = s
	}
	s.seen = now
	return s.bucket.AllowN(now, 1)
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

// source is who sends a request: the nearest address that is no trusted proxy's.
func (h *Handler) source(r *http.Request) netip.Addr {
	addr := netip.Addr{}
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		addr = peer.Addr().Unmap().WithZone("")
	} else if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		addr, _ = netip.ParseAddr(host)
	}
	if !h.trusts(addr) {
		return addr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = hop.Unmap().WithZone("")
		if !h.trusts(addr) {
			break
		}
	}
	return addr
}

func (h *Handler) trusts(addr netip.Addr) bool {
	for _, p := range h.c.Trusted {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
