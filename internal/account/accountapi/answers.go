package accountapi

import (
	"bytes"
	"context"
	"sync"
	"time"
)

const (
	// answerLife is how long an answer is kept for whoever has not got it. That the change was made is known for a day;
	// after this time, and after a restart, a repeated call is told how things stand.
	answerLife = 5 * time.Minute
	maxAnswers = 8 << 20 // bytes
)

// answers are those of changes that were made, by the calls that made them. A call that comes again gets the same
// answer; one that comes while the first is under way waits for it.
type answers struct {
	clock func() time.Time

	mu    sync.Mutex // guards what follows
	calls map[string]*answered
	order []string // of those that are done, the oldest first
	bytes int
}

// answered is a call under way or done.
type answered struct {
	digest []byte
	done   chan struct{} // closed when it is done
	body   []byte        // nil: without a body
	at     time.Time
}

func newAnswers(clock func() time.Time) *answers {
	return &answers{clock: clock, calls: map[string]*answered{}}
}

// begin finds the answer of a call that was made before, waiting for one under way. Where there is none, the caller
// makes the call and says with end what came of it. Another call with the same key is for the account to refuse.
func (a *answers) begin(ctx context.Context, key string, digest []byte) (known *answered, end func(body []byte, ok bool), err error) {
	for {
		a.mu.Lock()
		c := a.calls[key]
		if c == nil {
			c = &answered{digest: digest, done: make(chan struct{})}
			a.calls[key] = c
			a.mu.Unlock()
			return nil, func(body []byte, ok bool) { a.end(key, c, body, ok) }, nil
		}
		a.mu.Unlock()
		if !bytes.Equal(c.digest, digest) {
			return nil, func([]byte, bool) {}, nil
		}
		select {
		case <-c.done:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
		if !c.at.IsZero() {
			return c, nil, nil
		}
	}
}

// end keeps an answer; that of a call that has failed is not kept, since it may be made again.
func (a *answers) end(key string, c *answered, body []byte, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer close(c.done)
	if !ok {
		delete(a.calls, key)
		return
	}
	c.body, c.at = body, a.clock()
	a.order = append(a.order, key)
	a.bytes += weight(key, c)
	for len(a.order) > 0 {
		oldest := a.calls[a.order[0]]
		if a.bytes <= maxAnswers && c.at.Sub(oldest.at) < answerLife {
			return
		}
		a.bytes -= weight(a.order[0], oldest)
		delete(a.calls, a.order[0])
		a.order = a.order[1:]
	}
}

func weight(key string, c *answered) int {
	const structs = 200 // bytes, about
	return len(key) + len(c.body) + structs
}
