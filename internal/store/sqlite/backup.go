package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
)

// Backup writes a consistent copy beside everything else that goes on. It never overwrites a file.
func (s *Store) Backup(ctx context.Context, path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists already; name a new file", path)
	}
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := s.copyInto(ctx, path); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// copyInto fills an empty file. The copy is read in one transaction, which holds nobody up.
func (s *Store) copyInto(ctx context.Context, path string) error {
	db, err := through(s.path)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", path)
	if err = errors.Join(failure(err), db.Close()); err != nil {
		return err
	}
	return syncFile(path)
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

// Restore puts a backup in the place of the database at path, which must not be in use: ErrLocked. A backup that is
// damaged or too new for the program (ErrNewer) changes nothing. A database that is there is kept beside it, with
// suffix after a dot; its name is returned. The chain of the activity log is the caller's to verify.
func Restore(ctx context.Context, backup, path, suffix string) (old string, err error) {
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	fresh := path + ".restoring"
	for _, end := range []string{"", "-wal", "-shm"} {
		defer os.Remove(fresh + end) //nolint:errcheck // gone when all went well
	}
	if err := copyFile(backup, fresh); err != nil {
		return "", err
	}
	// What an earlier restore has set aside may have a log of its own, after a process that was killed.
	if err := copyFile(backup+"-wal", fresh+"-wal"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err := whole(ctx, fresh); err != nil {
		return "", fmt.Errorf("%s: %w", backup, err)
	}
	if old, err = setAside(path, suffix); err != nil {
		return old, err
	}
	if err := os.Rename(fresh, path); err != nil {
		return old, err
	}
	return old, syncFile(path)
}

// setAside renames a database with its log. The log goes even where there is no database: SQLite would apply it to
// whatever comes to lie beside it.
func setAside(path, suffix string) (old string, err error) {
	for _, end := range []string{"", "-wal"} {
		err := os.Rename(path+end, path+"."+suffix+end)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return old, err
		}
		if err == nil && end == "" {
			old = path + "." + suffix
		}
	}
	if err := os.Remove(path + "-shm"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return old, err
	}
	return old, nil
}

// whole checks that a file is an undamaged database of an account, and not of a program that is too new.
func whole(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=rw")
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
	var current int64
	if err := db.QueryRowContext(ctx, "SELECT max(version_id) FROM goose_db_version WHERE is_applied = 1").Scan(&current); err != nil {
		return fmt.Errorf("this is no backup of an account: %w", err)
	}
	target, err := latest()
	if err != nil {
		return err
	}
	if current > target {
		if err := reaches(ctx, db, current, target); err != nil {
			return err
		}
	}
	_, err = db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	return err
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
