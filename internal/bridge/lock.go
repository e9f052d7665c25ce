package bridge

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scimbridge/scimbridge/internal/keyset"
)

// ErrLocked means that no bearer token has been presented since the start, so that what the scimsession holds is
// still sealed.
var ErrLocked = errors.New("the bridge is locked until the bearer token is presented")

// ErrWrongToken means that a bearer token is not this scimsession's.
var ErrWrongToken = errors.New("wrong bearer token")

// Lock guards what the scimsession holds. It starts locked; the right token opens it, whoever brings it, and it
// stays open until the process ends. The token itself is never kept.
type Lock struct {
	session *keyset.Session
	clock   func() time.Time

	mu      sync.Mutex                     // serialises opening
	secrets atomic.Pointer[keyset.Secrets] // nil while locked
	opened  chan struct{}                  // closed when the lock opens
}

// NewLock makes a locked Lock.
func NewLock(session *keyset.Session, clock func() time.Time) *Lock {
	return &Lock{session: session, clock: clock, opened: make(chan struct{})}
}

// Present judges a bearer token as the client sent it, and opens the lock with the right one. ErrWrongToken.
func (l *Lock) Present(text string) error {
	token, err := keyset.ParseToken(text)
	if err != nil {
		return ErrWrongToken
	}
	if s := l.secrets.Load(); s != nil {
		if s.Verify(token) {
			return nil
		}
		return ErrWrongToken
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.secrets.Load(); s != nil {
		if s.Verify(token) {
			return nil
		}
		return ErrWrongToken
	}
	s, err := l.session.Open(token, l.clock())
	if err != nil {
		return ErrWrongToken
	}
	l.secrets.Store(s)
	close(l.opened)
	return nil
}

// Open tells whether the token has been presented.
func (l *Lock) Open() bool { return l.secrets.Load() != nil }

// Opened is closed when the lock opens.
func (l *Lock) Opened() <-chan struct{} { return l.opened }

// Derive returns a key for one purpose, the same in every replica. ErrLocked.
func (l *Lock) Derive(purpose string) ([32]byte, error) {
	s := l.secrets.Load()
	if s == nil {
		return [32]byte{}, ErrLocked
	}
	return s.Derive(purpose)
}
