package account

import (
	"errors"
	"sync/atomic"
	"time"
)

// Trouble remembers that changes cannot be made, for whoever asks how the account is: it may well be read all the same, as
// where a disk is full.
type Trouble struct{ last atomic.Pointer[failedChange] }

type failedChange struct {
	err error
	at  time.Time
}

// troubleLife is how long a change that was not made is remembered: longer than identity providers pause between two within
// a cycle, and well below the 15 s within which everything is to be well once a fault is over.
const troubleLife = 5 * time.Second

// Note notes how a change went.
func (t *Trouble) Note(err error, now time.Time) {
	if errors.Is(err, ErrUnavailable) {
		t.last.Store(&failedChange{err, now})
	}
}

// Err is why a change was not made lately; nil where all were. Changes that were made in between prove nothing: on a full
// disk those that need no room succeed.
func (t *Trouble) Err(now time.Time) error {
	last := t.last.Load()
	if last == nil || now.Sub(last.at) >= troubleLife {
		return nil
	}
	return last.err
}
