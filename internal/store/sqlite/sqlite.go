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
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver that migrations run on
	"zombiezen.com/go/sqlite"

	"github.com/scimbridge/scimbridge/internal/account"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	// readers is how many reads go on at once. Reads take microseconds; more would only hold more cache.
	readers = 4
	// writerCache and readerCache are SQLite's page caches in KiB for each connection. They bound the memory of the
	// program, whose whole is to stay below 128 MB with 100,000 people.
	writerCache = 8 << 10
	readerCache = 3 << 10
	// checkpointPages is after how many pages the log is written back, in 4 KiB pages.
	checkpointPages = 2000
)

// ErrLocked means that another process has the database open.
var ErrLocked = errors.New("another process has the account open")

// ErrNewer means that a newer version of the program has written the database.
var ErrNewer = errors.New("the database was written by a newer version of scimbridge")

// Store is an account's database.
type Store struct {
	path string
	lock *os.File

	pool   chan *session // idle reading sessions
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
	if err := migrate(ctx, path); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s := &Store{path: path, pool: make(chan *session, readers), jobs: make(chan *job), closed: make(chan struct{}), done: make(chan struct{})}
	for range readers {
		r, err := newSession(path, readerCache)
		if err != nil {
			return nil, errors.Join(err, s.closeReaders())
		}
		s.pool <- r
	}
	w, err := newWriter(path)
	if err != nil {
		return nil, errors.Join(err, s.closeReaders())
	}
	go s.write(w)
	return s, nil
}

// pragmas set up every connection.
func pragmas() []string {
	return []string{
		"journal_mode = WAL", "synchronous = FULL", "foreign_keys = 1", "busy_timeout = 10000", "temp_store = MEMORY",
		fmt.Sprintf("wal_autocheckpoint = %d", checkpointPages),
	}
}

// migrate brings the schema up to date; the library for it speaks database/sql.
func migrate(ctx context.Context, path string) (err error) {
	db, err := sql.Open("sqlite", location(path)+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", account.ErrUnavailable, err)
	}
	if current > target {
		return fmt.Errorf("%w (schema %d, this program knows %d). Install that version or a newer one", ErrNewer, current, target)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("%w: %w", account.ErrUnavailable, err)
	}
	return nil
}

// location is a path as database/sql's driver takes it.
func location(path string) string { return "file:" + (&url.URL{Path: path}).EscapedPath() }

func (s *Store) closeReaders() error {
	var err error
	for len(s.pool) > 0 {
		err = errors.Join(err, (<-s.pool).close())
	}
	return err
}

// Close waits for changes under way, ends, and gives the lock back.
func (s *Store) Close() error {
	s.once.Do(func() {
		close(s.closed)
		<-s.done
		for range readers {
			s.err = errors.Join(s.err, (<-s.pool).close())
		}
		s.err = errors.Join(s.err, s.lock.Close())
	})
	return s.err
}

// View reads.
func (s *Store) View(ctx context.Context, read func(account.Tx) error) error {
	select {
	case r := <-s.pool:
		defer func() { s.pool <- r }()
		return read(&tx{session: r})
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closed:
		return errClosed
	}
}

var errClosed = fmt.Errorf("%w: it is shutting down", account.ErrUnavailable)

// Backup writes a consistent copy beside everything else that goes on.
func (s *Store) Backup(ctx context.Context, path string) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s exists already; name a new file", path)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	from, err := newSession(s.path, readerCache)
	if err == nil {
		from.conn.SetInterrupt(ctx.Done())
		_, err = from.exec("VACUUM INTO ?", path)
		err = errors.Join(err, from.close())
	}
	if err == nil {
		err = syncFile(path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// syncFile makes a file and its entry in the folder durable.
func syncFile(path string) error {
	for _, p := range []string{path, filepath.Dir(path)} {
		f, err := os.Open(p)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// Restore puts a backup in the place of the database at path, which must not be in use. A database that is there is
// kept beside it; its new name is returned.
func Restore(ctx context.Context, backup, path, suffix string) (old string, err error) {
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	fresh := path + ".restoring"
	if err := copyFile(backup, fresh); err != nil {
		return "", err
	}
	defer os.Remove(fresh) //nolint:errcheck // gone when all went well
	if err := whole(ctx, fresh); err != nil {
		return "", fmt.Errorf("%s: %w", backup, err)
	}
	if _, err := os.Stat(path); err == nil {
		old = path + "." + suffix
		for _, end := range []string{"", "-wal"} {
			if err := os.Rename(path+end, old+end); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return "", err
			}
		}
		if err := os.Remove(path + "-shm"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	if err := os.Rename(fresh, path); err != nil {
		return old, err
	}
	return old, syncFile(path)
}

// whole checks that a file is an undamaged database of an account.
func whole(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", location(path)+"?mode=ro")
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // read only
	var word string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check").Scan(&word); err != nil {
		return fmt.Errorf("this is no backup of an account: %w", err)
	}
	if word != "ok" {
		return fmt.Errorf("the file is damaged: %s", word)
	}
	if err := db.QueryRowContext(ctx, "SELECT value FROM settings WHERE key = 'account.id'").Scan(&word); err != nil {
		return errors.New("this is no backup of an account")
	}
	return nil
}

func copyFile(from, to string) error {
	raw, err := os.Open(from)
	if err != nil {
		return err
	}
	defer raw.Close() //nolint:errcheck // read only
	f, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.ReadFrom(raw)
	return errors.Join(err, f.Sync(), f.Close())
}

// failure names what the database says: a unique index that is hit, a full disk.
func failure(err error) error {
	if err == nil {
		return nil
	}
	code := sqlite.ErrCode(err)
	if code == sqlite.ResultConstraintUnique && (strings.Contains(err.Error(), "user_name_key") || strings.Contains(err.Error(), "sign_in_key")) {
		return fmt.Errorf("%w: %w", account.ErrUserNameTaken, err)
	}
	switch code.ToPrimary() {
	case sqlite.ResultBusy, sqlite.ResultLocked, sqlite.ResultIOErr, sqlite.ResultFull, sqlite.ResultCantOpen, sqlite.ResultReadOnly:
		return fmt.Errorf("%w: %w", account.ErrUnavailable, err)
	}
	return err
}
