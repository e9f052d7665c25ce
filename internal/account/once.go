package account

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrCallReused means that a call's key was used before, for something else.
var ErrCallReused = errors.New("the idempotency key was used for another call")

// outcome is what of a call's answer cannot be read again later. The rest is answered as it stands when the call comes
// again, which is the same unless somebody has changed it since.
type outcome struct {
	ID      string   `json:"id,omitempty"` // of whom an invitation has brought back, in the place of the id that was asked for
	Changed bool     `json:"changed,omitempty"`
	Unknown []string `json:"unknown,omitempty"` // at most keptUnknown
}

// keptUnknown bounds the ids that are kept of those that name nobody. They are for the log of the bridge, and take some 30
// KiB.
const keptUnknown = 1000

// repeatedError means that the call was carried out before.
type repeatedError struct{ outcome }

func (*repeatedError) Error() string { return "the call was carried out before" }

// callLife is how long calls are remembered. A caller that has had no answer for so long has given up.
const callLife = 24 * time.Hour

// callKey is a call as the store knows it. The keys that callers choose are longer, and come at random.
func (c *Call) callKey() []byte {
	const size = 16
	sum := sha256.Sum256([]byte(c.Key))
	return sum[:size]
}

// once lets a change be made only where its call is new, by whichever process. The call is remembered within the change, so
// that either both are there or neither. left is what to keep of the outcome, once the change has been made; nil: nothing.
func (s *Service) once(c *Call, change func(Tx) error, left func() outcome) func(Tx) error {
	return func(tx Tx) error {
		key := c.callKey()
		digest, kept, err := tx.Call(key)
		switch {
		case errors.Is(err, ErrNotFound):
			return s.remembered(tx, key, c.Digest, change, left)
		case err != nil:
			return err
		case !bytes.Equal(digest, c.Digest):
			return ErrCallReused
		}
		again := &repeatedError{}
		if kept != nil {
			if err := json.Unmarshal(kept, &again.outcome); err != nil {
				return fmt.Errorf("what was kept of a call: %w", err)
			}
		}
		return again
	}
}

// remembered makes a change and remembers its call.
func (s *Service) remembered(tx Tx, key, digest []byte, change func(Tx) error, left func() outcome) error {
	if err := change(tx); err != nil {
		return err
	}
	var o outcome
	if left != nil {
		o = left()
	}
	kept, err := o.encode()
	if err != nil {
		return err
	}
	return tx.PutCall(key, digest, kept, s.now())
}

// encode is the outcome as the store keeps it; nil where there is nothing to keep.
func (o outcome) encode() ([]byte, error) {
	if o.ID == "" && !o.Changed && len(o.Unknown) == 0 {
		return nil, nil
	}
	o.Unknown = o.Unknown[:min(len(o.Unknown), keptUnknown)]
	return json.Marshal(o)
}

// repeated is what was kept of the same call, which was carried out before; nil where it was not.
func repeated(err error) *outcome {
	var again *repeatedError
	if errors.As(err, &again) {
		return &again.outcome
	}
	return nil
}

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
	head, err := s.follow(ctx, after, func(head int64) bool { return head > after })
	if ctx.Err() != nil {
		return max(head, after), nil
	}
	return head, err
}
