package bridge

import (
	"crypto/sha256"
	"crypto/subtle"
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

// Lock guards what the scimsession holds. It starts locked; the right token opens it, whoever brings it, or another
// replica's hand-over, where the administrator wants that; it stays open until the process ends. The token itself is never
// kept.
//
// While credentials overlap, two tokens are right: each opens its own generation's file, and the bridge acts by the
// newest that has been opened.
type Lock struct {
	session *keyset.Session
	clock   func() time.Time

	mu       sync.Mutex                        // serialises opening
	current  atomic.Pointer[keyset.Secrets]    // nil while its token has not been presented nor its key handed over
	previous atomic.Pointer[keyset.Secrets]    // of the generation before, likewise
	digest   atomic.Pointer[[sha256.Size]byte] // of the token that opened the current generation; nil before, also after a hand-over
	once     sync.Once
	opened   chan struct{} // closed when the lock opens
}

// NewLock makes a locked Lock.
func NewLock(session *keyset.Session, clock func() time.Time) *Lock {
	return &Lock{session: session, clock: clock, opened: make(chan struct{})}
}

// Present judges a bearer token as the client sent it, and opens the lock with the right one. ErrWrongToken.
func (l *Lock) Present(text string) error {
	if l.again(text) {
		return nil
	}
	token, err := keyset.ParseToken(text)
	if err != nil {
		return ErrWrongToken
	}
	if l.known(token) {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known(token) {
		return nil
	}
	s, err := l.session.Open(token, l.clock())
	if err != nil {
		return ErrWrongToken
	}
	l.keep(s)
	if !s.Previous() {
		d := sha256.Sum256([]byte(text))
		l.digest.Store(&d)
	}
	return nil
}

// of is where what has been opened is kept.
func (l *Lock) of(previous bool) *atomic.Pointer[keyset.Secrets] {
	if previous {
		return &l.previous
	}
	return &l.current
}

// keep keeps what has been opened. l.mu is held.
func (l *Lock) keep(s *keyset.Secrets) {
	l.of(s.Previous()).Store(s)
	l.once.Do(func() { close(l.opened) })
}

// again tells whether this is the text that opened the current generation, for which there is no end. It spares the
// derivation of keys at every request; a digest suffices, since the token is a random key and not a password.
func (l *Lock) again(text string) bool {
	right := l.digest.Load()
	if right == nil {
		return false
	}
	d := sha256.Sum256([]byte(text))
	return subtle.ConstantTimeCompare(d[:], right[:]) == 1
}

// known tells whether a token has been presented before and still counts.
func (l *Lock) known(t keyset.Token) bool {
	if s := l.current.Load(); s != nil && s.Verify(t) {
		return true
	}
	s := l.previous.Load()
	return s != nil && s.Verify(t) && l.clock().Before(l.session.Header().PreviousUntil)
}

// Wanted are the generations whose key another replica may hand over: the newest, and the one before while neither has been
// opened and the former token counts. None once the newest has been opened.
func (l *Lock) Wanted() []int {
	if l.current.Load() != nil {
		return nil
	}
	list := l.session.Generations(l.clock())
	if l.previous.Load() != nil {
		return list[:1]
	}
	return list
}

// Ask asks for the key of a generation, on behalf of this process.
func (l *Lock) Ask(generation int, startUp *keyset.Keyset) ([]byte, error) {
	return l.session.Ask(generation, startUp, l.clock())
}

// Take opens the lock with what another replica has handed over. The errors are keyset's.
func (l *Lock) Take(handOver []byte, startUp *keyset.Keyset) error {
	s, err := l.session.OpenHandOver(handOver, startUp, l.clock())
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of(s.Previous()).Load() == nil { // a token that came meanwhile knows more
		l.keep(s)
	}
	return nil
}

// Held are what has been opened and still counts: what this replica can hand over.
func (l *Lock) Held() []*keyset.Secrets {
	var list []*keyset.Secrets
	if s := l.current.Load(); s != nil {
		list = append(list, s)
	}
	if s := l.previous.Load(); s != nil && l.clock().Before(l.session.Header().PreviousUntil) {
		list = append(list, s)
	}
	return list
}

// Open tells whether the lock is open.
func (l *Lock) Open() bool { return l.Secrets() != nil }

// Opened is closed when the lock opens.
func (l *Lock) Opened() <-chan struct{} { return l.opened }

// Secrets are those of the newest generation that has been opened; nil while locked.
func (l *Lock) Secrets() *keyset.Secrets {
	if s := l.current.Load(); s != nil {
		return s
	}
	return l.previous.Load()
}

// Generation is that of the credentials that are in use; 0 while locked.
func (l *Lock) Generation() int {
	if s := l.Secrets(); s != nil {
		return s.Generation()
	}
	return 0
}

// Header is what the scimsession says to everybody.
func (l *Lock) Header() keyset.Header { return l.session.Header() }

// Derive returns a key for one purpose, the same in every replica that was opened with the same token. ErrLocked.
func (l *Lock) Derive(purpose string) ([32]byte, error) {
	s := l.Secrets()
	if s == nil {
		return [32]byte{}, ErrLocked
	}
	return s.Derive(purpose)
}
