package certificates

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
)

const (
	// lockPatience is how long a replica tries to reach the shelf before it orders a certificate without asking the others:
	// longer than a connection takes to be made after the start, and than a server takes to be replaced by its twin.
	lockPatience = 15 * time.Second
	// lockRetry is how often it tries meanwhile.
	lockRetry = 250 * time.Millisecond
	// keepEvery is how often a replica sees that the shelf still has what was issued. A shelf in memory loses it.
	keepEvery = 5 * time.Minute
)

// SharedConfig is what NewShared needs.
type SharedConfig struct {
	// Shelf is where those keep their values who share a secret, by a place that the secret names.
	Shelf  func(place string) Shelf
	Secret [32]byte
	// Former is the secret before, while there is one: those who start with the new one take over the certificate.
	Former *[32]byte
	Own    Storage // of this replica alone
	Log    *slog.Logger
}

// Shared is a storage that the replicas of a bridge share, sealed, with a copy of each replica's own. While the shelf cannot be
// reached the copy serves, and what the shelf has lost is put back from it.
type Shared struct {
	shelf    *storage
	former   *storage // nil: there is none
	own      Storage
	log      *slog.Logger
	patience time.Duration
	keeping  time.Duration

	mu    sync.Mutex      // guards alone
	alone map[string]bool // locks that were taken without the others
}

var _ Storage = (*Shared)(nil)

// NewShared makes a Shared.
func NewShared(c SharedConfig) *Shared {
	seal := newSealer(c.Secret)
	s := &Shared{shelf: newStorage(c.Shelf(seal.place), seal), own: c.Own, log: c.Log, patience: lockPatience, keeping: keepEvery, alone: map[string]bool{}}
	if c.Former != nil {
		seal := newSealer(*c.Former)
		s.former = newStorage(c.Shelf(seal.place), seal)
	}
	return s
}

// Store implements Storage. One of the two is enough.
func (s *Shared) Store(ctx context.Context, key string, value []byte) error {
	err := s.shelf.Store(ctx, key, value)
	s.note(ctx, key, err)
	if ownErr := s.own.Store(ctx, key, value); ownErr != nil {
		s.log.WarnContext(ctx, "this replica's own copy cannot be written", "name", key, "error", ownErr)
		return err
	}
	return nil
}

// note says what the shelf said, where that matters to nobody now.
func (s *Shared) note(ctx context.Context, key string, err error) {
	switch {
	case errors.Is(err, errSealed):
		s.log.WarnContext(ctx, "what is kept for all replicas was altered, or sealed under another secret; it counts as not there", "name", key)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		s.log.DebugContext(ctx, "what all replicas share cannot be reached", "name", key, "error", err)
	}
}

// Load implements Storage.
func (s *Shared) Load(ctx context.Context, key string) ([]byte, error) {
	value, err := s.shelf.Load(ctx, key)
	if err == nil {
		return value, nil
	}
	s.note(ctx, key, err)
	return s.own.Load(ctx, key)
}

// Delete implements Storage.
func (s *Shared) Delete(ctx context.Context, key string) error {
	s.note(ctx, key, s.shelf.Delete(ctx, key))
	return s.own.Delete(ctx, key)
}

// Exists implements Storage.
func (s *Shared) Exists(ctx context.Context, key string) bool {
	return s.shelf.Exists(ctx, key) || s.own.Exists(ctx, key)
}

// List implements Storage.
func (s *Shared) List(ctx context.Context, dir string, recursive bool) ([]string, error) {
	list, err := s.shelf.List(ctx, dir, recursive)
	s.note(ctx, dir, err)
	own, err := s.own.List(ctx, dir, recursive)
	if err != nil && len(list) == 0 {
		return nil, err
	}
	list = append(list, own...)
	slices.Sort(list)
	return slices.Compact(list), nil
}

// Stat implements Storage.
func (s *Shared) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	if info, err := s.shelf.Stat(ctx, key); err == nil {
		return info, nil
	}
	return s.own.Stat(ctx, key)
}

// Lock implements Storage. Where the shelf cannot be reached for a while, the lock is among this process only.
func (s *Shared) Lock(ctx context.Context, name string) error {
	for begin := time.Now(); ; {
		err := s.shelf.Lock(ctx, name)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if time.Since(begin) >= s.patience || !wait(ctx, min(lockRetry, s.patience)) {
			break
		}
	}
	if err := s.own.Lock(ctx, name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alone[name] = true
	return nil
}

// Unlock implements Storage.
func (s *Shared) Unlock(ctx context.Context, name string) error {
	s.mu.Lock()
	alone := s.alone[name]
	delete(s.alone, name)
	s.mu.Unlock()
	if alone {
		return s.own.Unlock(ctx, name)
	}
	return s.shelf.Unlock(ctx, name)
}

// keep sees that the shelf has a certificate: from the place of the former secret, or from this replica's copy. It tells
// whether the shelf could be reached.
func (s *Shared) keep(ctx context.Context) bool {
	has, err := s.shelf.List(ctx, issued, true)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.note(ctx, issued, err)
		return false
	}
	switch {
	case len(has) > 0:
	case s.former != nil && s.fill(ctx, s.former):
		s.log.InfoContext(ctx, "the certificate was taken over from the credentials before")
	case s.fill(ctx, s.own):
		s.log.InfoContext(ctx, "what all replicas share had lost the certificate, and was given it again")
	}
	return true
}

// begin waits for the shelf, whose connection may still be being made, and keeps for the first time: whoever orders
// without having looked there orders too much.
func (s *Shared) begin(ctx context.Context) {
	for begin := time.Now(); !s.keep(ctx) && time.Since(begin) < s.patience; {
		if !wait(ctx, min(lockRetry, s.patience)) {
			return
		}
	}
}

// wait lets time pass; false: ctx has ended before.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// Where certmagic keeps what was issued, and the accounts at those who issue.
const (
	issued   = "certificates"
	accounts = "acme"
)

// fill puts what another storage has onto the shelf, all or nothing, and tells whether it did.
func (s *Shared) fill(ctx context.Context, from Storage) bool {
	if list, err := from.List(ctx, issued, true); err != nil || len(list) == 0 {
		return false
	}
	values := map[string][]byte{}
	for _, dir := range []string{issued, accounts} {
		list, err := from.List(ctx, dir, true)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false
		}
		for _, key := range list {
			info, err := from.Stat(ctx, key)
			if err != nil {
				return false
			}
			if !info.IsTerminal || strings.Contains(key, "challenge_tokens") { // a folder, or of an order under way
				continue
			}
			value, err := from.Load(ctx, key)
			if err != nil {
				s.note(ctx, key, err)
				return false
			}
			values[key] = s.shelf.seal.seal(key, value)
		}
	}
	done, err := s.shelf.shelf.SetNew(ctx, values)
	s.note(ctx, issued, err)
	return done
}

// run keeps until ctx ends.
func (s *Shared) run(ctx context.Context) {
	for s.keep(ctx); wait(ctx, s.keeping); s.keep(ctx) {
	}
}
