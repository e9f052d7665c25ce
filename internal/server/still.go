package server

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/scimbridge/scimbridge/scim"
)

// A process that was stopped, or whose machine stood still, goes on with requests that have waited for it all the time.
// Whoever sent them has given up long ago, has sent them to another bridge, and may by now have asked for the contrary
// there: somebody who was suspended since must not be let in again by a request of before. Who waits and who does not
// cannot be told apart, so that for a moment nothing is changed.

const (
	// standstill is what counts as one: below the patience of load balancers and clients, above what a process has to wait
	// for its turn on a busy machine.
	standstill = 3 * time.Second
	// waking is how long afterwards nothing is changed: until what has waited is answered.
	waking = time.Second
	// pulse is how often the process notes that it is at work.
	pulse = 250 * time.Millisecond
)

// stillness notices that the process stood still.
type stillness struct {
	clock func() time.Time

	mu   sync.Mutex // guards what follows
	last time.Time  // when the process was at work; zero: nobody looks
	woke time.Time  // when it went on after it had stood still
}

// beat notes that the process is at work.
func (s *stillness) beat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look()
}

// look is beat for who holds mu. Of a machine that stands still one clock or the other goes on.
func (s *stillness) look() time.Time {
	now := s.clock()
	if !s.last.IsZero() && max(now.Sub(s.last), now.Round(0).Sub(s.last.Round(0))) >= standstill {
		s.woke = now
	}
	s.last = now
	return now
}

// justWoke tells whether the process has stood still a moment ago. It never has where nobody beats.
func (s *stillness) justWoke() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last.IsZero() {
		return false
	}
	now := s.look()
	return !s.woke.IsZero() && now.Sub(s.woke) < waking
}

// Pulse notes until ctx ends that the process is at work, so that changes are refused after it has stood still.
func (s *Server) Pulse(ctx context.Context) {
	tick := time.NewTicker(pulse)
	defer tick.Stop()
	for {
		s.still.beat()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// wanted refuses a change that may have waited for the bridge longer than whoever sent it.
func (s *Server) wanted(r *http.Request) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead || !s.still.justWoke() {
		return nil
	}
	return scim.Errorf(http.StatusServiceUnavailable, "", "The bridge has stood still for some seconds and does not know whether this is still wanted. Nothing was changed; send it again.")
}
