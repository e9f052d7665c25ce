package certificates

import (
	"context"
	"time"

	"github.com/caddyserver/certmagic"
)

// Hurry makes Files look at its files without a pause.
func (f *Files) Hurry() { f.look, f.again = time.Millisecond, time.Millisecond }

// NewHurriedACME makes an ACME that looks for what is due all the time, and asks one DNS server instead of a zone's own.
func NewHurriedACME(c ACMEConfig, dns func(ctx context.Context, server, name string) ([]string, error)) *ACME {
	a := newACME(c, 100*time.Millisecond)
	a.look = 50 * time.Millisecond
	if dns != nil {
		if s, ok := a.config.Issuers[0].(*certmagic.ACMEIssuer).DNS01Solver.(*solver); ok {
			s.look, s.each = dns, 10*time.Millisecond
		}
	}
	return a
}

// NewMemoryShelf is a shelf that several may share in a test.
func NewMemoryShelf() Shelf { return newMemory() }

// OnShelf is a storage on a shelf, not sealed, whose locks hurry.
func OnShelf(s Shelf) certmagic.Storage {
	storage := newStorage(s, nil)
	storage.poll, storage.beat = time.Millisecond, time.Millisecond
	return storage
}

// Hurry makes a Shared give up the shelf at once, and keep on keeping.
func (s *Shared) Hurry() {
	s.patience, s.keeping, s.shelf.poll = 10*time.Millisecond, 10*time.Millisecond, time.Millisecond
}

// Keep is what Run does from time to time.
func (s *Shared) Keep(ctx context.Context) { s.keep(ctx) }

// LockLife is how long a lock outlives its holder.
const LockLife = lockLife
