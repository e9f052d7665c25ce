package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/scimbridge/scimbridge/internal/account/accountapi"
	"github.com/scimbridge/scimbridge/internal/keyset"
)

type backupVerb struct {
	where
	File string `arg:"" help:"File to write; it must not exist."`
}

// Run writes a backup.
func (v *backupVerb) Run(ctx context.Context, e *environment) error {
	path, err := filepath.Abs(v.File)
	if err != nil {
		return err
	}
	return v.with(ctx, func(a accountapi.Administrator) error {
		err := a.Backup(ctx, path)
		if errors.Is(err, errors.ErrUnsupported) { // it says what to use instead
			return err
		}
		if err != nil {
			return fmt.Errorf("no backup was written: %w. Name a new file, in a folder that the user of the running process may write to, on a disk with room", err)
		}
		_, err = fmt.Fprintf(e.stdout, "Written to %s. It holds everything about people and groups: keep it as safe as the account itself.\n", path)
		return err
	})
}

type restoreVerb struct {
	where
	File string `arg:"" help:"File written by backup."`
}

// Run restores a backup.
func (v *restoreVerb) Run(ctx context.Context, e *environment) error {
	if v.DatabaseURL != "" {
		return errors.New("OP_DATABASE_URL: an account in a database is not restored by this verb. Use pg_restore, and stop what serves the account before")
	}
	dir, err := v.folder()
	if err != nil {
		return err
	}
	old, err := restore(ctx, v.File, dir)
	if err != nil {
		return err
	}
	if old != "" {
		if _, err := fmt.Fprintf(e.stdout, "What was there before is kept as %s.\n", old); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(e.stdout, "Restored. Identity providers bring what has changed since the backup with their next full synchronisation.\n")
	if err != nil {
		return err
	}
	return credentialsAfterRestore(ctx, e, dir)
}

// credentialsAfterRestore says so where the scimsession in the folder is of another generation than the backup.
func credentialsAfterRestore(ctx context.Context, e *environment, dir string) error {
	raw, err := os.ReadFile(sessionPath(dir))
	if err != nil {
		return nil //nolint:nilerr // deployments keep it elsewhere
	}
	session, err := keyset.ParseSession(raw)
	if err != nil {
		return nil //nolint:nilerr // whoever starts the bridge with it is told
	}
	service, closeStore, err := openAccount(ctx, dir, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	if mismatch := belongs(ctx, service, session.Header()); mismatch != nil {
		_, err = fmt.Fprintf(e.stdout, "The credentials do not fit any more: %s.\n", mismatch)
	}
	return errors.Join(err, closeStore())
}

type exportVerb struct{ where }

// Run exports the account.
func (v *exportVerb) Run(ctx context.Context, e *environment) error {
	return v.with(ctx, func(a accountapi.Administrator) error { return a.Export(ctx, e.stdout) })
}
