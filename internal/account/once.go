package account

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"
)

// ErrCallReused means that a call's key was used before, for something else.
var ErrCallReused = errors.New("the idempotency key was used for another call")

// errRepeated means that the call was carried out before.
var errRepeated = errors.New("the call was carried out before")

// callLife is how long calls are remembered. A caller that has had no answer for so long has given up.
const callLife = 24 * time.Hour

// once lets a change be made only where its call is new. The call is remembered within the change, so that either both
// are there or neither.
func (s *Service) once(c *Call, change func(Tx) error) func(Tx) error {
	return func(tx Tx) error {
		known, err := tx.Once(c.Key, c.Digest, s.now())
		switch {
		case err != nil:
			return err
		case known == nil:
			return change(tx)
		case !bytes.Equal(known, c.Digest):
			return ErrCallReused
		}
		return errRepeated
	}
}

// repeated tells whether a change was made by the same call before, so that the caller is told how things stand now.
func repeated(err error) bool { return errors.Is(err, errRepeated) }

// ForgetCalls forgets the calls of more than a day ago.
func (s *Service) ForgetCalls(ctx context.Context) error {
	return s.store.Update(ctx, func(tx Tx) error { return tx.Forget(s.now().Add(-callLife)) })
}

// bell wakes those who wait for changes.
type bell struct {
	mu      sync.Mutex
	waiting chan struct{} // closed by the next change; nil while nobody waits
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting != nil {
		close(b.waiting)
		b.waiting = nil
	}
}

func (b *bell) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting == nil {
		b.waiting = make(chan struct{})
	}
	return b.waiting
}

// otherProcesses is how often the log is looked at for what other processes on the same database have changed.
const otherProcesses = 500 * time.Millisecond

// Wait returns the number of the activity log's last entry as soon as it is above a number, or when ctx ends, then
// without an error.
func (s *Service) Wait(ctx context.Context, after int64) (int64, error) {
	head, err := s.follow(ctx, func(head int64) bool { return head > after })
	if ctx.Err() != nil {
		return max(head, after), nil
	}
	return head, err
}
