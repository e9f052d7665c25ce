// Package sqlite keeps an account's rows in a SQLite database: one file, write-ahead log, every commit on the disk
// before it is acknowledged.
//
// Changes that arrive together share a commit. A single writer runs them one after another, each within a savepoint
// of its own, and acknowledges all of them once the transaction that carries them is durable; a change that fails
// is undone by itself. So a durable write costs a share of an fsync.
//
// A file lock keeps a second process away. The package knows rows, uniqueness and references, and no rule.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	_ "modernc.org/sqlite" // the driver that migrations run on
	"zombiezen.com/go/sqlite"

	"github.com/scimbridge/scimbridge/internal/account"
)

const (
	// readers is how many reads go on at once. Reads take microseconds; more would only hold more cache.
	readers = 4
	// checkpointPages is after how many pages the log is written back, in 4 KiB pages.
	checkpointPages = 2000
)

// ErrLocked means that another process has the database open.
var ErrLocked = errors.New("another process has the account open")

// Store is an account's database.
type Store struct {
	path string
	lock *os.File

	pool   *pool
	jobs   chan *job
	closed chan struct{} // closed when no more jobs are taken
	done   chan struct{} // closed when the writer has ended
	once   sync.Once
	err    error // of Close
}

var _ account.Store = (*Store)(nil)

// Open opens the database at path, makes it where there is none, and brings its schema up to date. ErrLocked,
// ErrNewer.
func Open(ctx context.Context, path string) (*Store, error) {
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, err
	}
	s, err := open(ctx, path)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s.lock = lock
	return s, nil
}

// lockFile takes the lock, which ends with the process.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s is locked. Use the running process, or stop it first", ErrLocked, filepath.Dir(path)), f.Close())
	}
	return f, nil
}

func open(ctx context.Context, path string) (*Store, error) {
	// The database must not be readable by others from the moment it is there.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	cacheKiB := cacheSize >> 10
	if !sharedCache() {
		cacheKiB /= 1 + readers
	}
	if err := migrate(ctx, path); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	w, err := newWriter(path, cacheKiB)
	if err != nil {
		return nil, err
	}
	s := &Store{path: path, pool: newPool(), jobs: make(chan *job), closed: make(chan struct{}), done: make(chan struct{})}
	for range readers {
		r, err := connect(path, cacheKiB)
		if err != nil {
			return nil, errors.Join(err, w.close(), s.pool.close())
		}
		s.pool.put(r)
	}
	go s.write(w)
	return s, nil
}

// pragmas are what every connection says first. A commit is on the disk when it returns: synchronous = FULL.
func pragmas() []string {
	return []string{
		"busy_timeout = 10000", "journal_mode = WAL", "synchronous = FULL", "foreign_keys = 1", "temp_store = MEMORY",
		fmt.Sprintf("wal_autocheckpoint = %d", checkpointPages),
	}
}

// Close waits for changes under way, ends, and gives the lock back.
func (s *Store) Close() error {
	s.once.Do(func() {
		close(s.closed)
		<-s.done
		for range readers {
			<-s.pool.free
			s.err = errors.Join(s.err, s.pool.take().close())
		}
		s.err = errors.Join(s.err, s.lock.Close())
	})
	return s.err
}

// View reads, all of it from one state of the database.
func (s *Store) View(ctx context.Context, read func(account.Tx) error) error {
	select {
	case <-s.pool.free:
		r := s.pool.take()
		defer s.pool.put(r)
		return r.view(read)
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closed:
		return errClosed
	}
}

func (c *conn) view(read func(account.Tx) error) (err error) {
	if _, err := c.exec("BEGIN"); err != nil {
		return err
	}
	defer func() { // also when read panics
		_, endErr := c.exec("COMMIT")
		if endErr != nil && c.inTransaction() {
			_, endErr = c.exec("ROLLBACK")
		}
		if err == nil {
			err = endErr
		}
	}()
	return read(&tx{conn: c})
}

var errClosed = fmt.Errorf("%w: it is shutting down", account.ErrUnavailable)

// failure names what the database says: a unique index that is hit, a full disk.
func failure(err error) error {
	if err == nil {
		return nil
	}
	switch code := sqlite.ErrCode(err); code {
	case sqlite.ResultConstraintUnique:
		switch text := err.Error(); {
		case strings.Contains(text, "users.user_name_key"), strings.Contains(text, "users.sign_in_key"):
			return fmt.Errorf("%w: %w", account.ErrUserNameTaken, err)
		case strings.Contains(text, "users.id"), strings.Contains(text, "groups.id"):
			return fmt.Errorf("%w: %w", account.ErrIDTaken, err)
		}
	case sqlite.ResultConstraintForeignKey:
		return fmt.Errorf("%w: %w", account.ErrNotFound, err)
	default:
		switch code.ToPrimary() {
		case sqlite.ResultBusy, sqlite.ResultLocked, sqlite.ResultIOErr, sqlite.ResultFull, sqlite.ResultCantOpen,
			sqlite.ResultReadOnly, sqlite.ResultCorrupt, sqlite.ResultNotADB, sqlite.ResultNoMem:
			return fmt.Errorf("%w: %w", account.ErrUnavailable, err)
		}
	}
	return err
}
