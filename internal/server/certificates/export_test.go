package certificates

import (
	"context"
	"log/slog"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/scimbridge/scimbridge/internal/server/certificates/zone"
)

// Hurry makes Files look at its files without a pause.
func (f *Files) Hurry() { f.look, f.again = time.Millisecond, time.Millisecond }

// NewHurriedACME makes an ACME that looks for what is due all the time, and asks one DNS server instead of a zone's own.
func NewHurriedACME(c ACMEConfig, dns func(ctx context.Context, server, name string) ([]string, error)) *ACME {
	a := newACME(c, 100*time.Millisecond)
	a.look, a.again = 20*time.Millisecond, 20*time.Millisecond
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

// Wait makes a Shared wait for its shelf as long as it takes.
func (s *Shared) Wait() { s.patience = time.Hour }

// Keep is what Run does from time to time.
func (s *Shared) Keep(ctx context.Context) { s.keep(ctx) }

// LockLife is how long a lock outlives its holder.
const LockLife = lockLife

// Solver answers DNS-01.
type Solver = solver

// NewHurriedSolver makes one that asks without a pause, as it is told, and gives up after a while.
func NewHurriedSolver(z zone.Provider, log *slog.Logger, within time.Duration, look func(ctx context.Context, server, name string) ([]string, error)) *Solver {
	s := newSolver(z, log)
	s.look, s.each, s.blind, s.within = look, time.Millisecond, 20*time.Millisecond, within
	return s
}
