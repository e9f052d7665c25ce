package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/scimbridge/scimbridge/internal/account"
)

// Store is one account of a database.
type Store struct {
	db     *Database
	id     string
	name   string       // of this writer, among all processes
	key    atomic.Int32 // of the account when it was last looked up; 0: it is not there
	number int64        // of the last batch; the writer's

	mu      sync.Mutex // guards jobs, writing and closed
	jobs    []*job     // changes that wait
	writing bool       // a writer is at work
	closed  bool
	work    sync.WaitGroup // the writer, and reads
}

var _ account.Store = (*Store)(nil)

func newStore(d *Database, id string) *Store {
	return &Store{db: d, id: id, name: rand.Text()}
}

// Close waits for reads and changes under way, and ends. The database stays open for others.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.work.Wait()
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if s.db.stores[s.id] == s {
		delete(s.db.stores, s.id)
	}
	return nil
}

var errClosed = fmt.Errorf("%w: it is shutting down", account.ErrUnavailable)

// Backup is not for this program to do.
func (s *Store) Backup(context.Context, string) error {
	return fmt.Errorf("the account is in PostgreSQL: back its database up with pg_dump, or with whatever keeps the server's log (%w)", errors.ErrUnsupported)
}

// View reads, all of it from one state of the database.
func (s *Store) View(ctx context.Context, read func(account.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return errClosed
	}
	s.work.Add(1)
	s.mu.Unlock()
	defer s.work.Done()
	c, err := s.connect(ctx, s.db.readers, lookUpAccount, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
	if err != nil {
		return err
	}
	defer c.end("COMMIT") // also when read panics
	return read(&tx{conn: c})
}
