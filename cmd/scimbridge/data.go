package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accountapi"
	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/internal/store/sqlite"
)

// A data folder holds account.db (with its -wal, -shm and .lock), the administrator's socket, and, where dev or
// "credentials new" has put them there, scimsession and token.

func databasePath(dir string) string { return filepath.Join(dir, "account.db") }
func sessionPath(dir string) string  { return filepath.Join(dir, "scimsession") }
func tokenPath(dir string) string    { return filepath.Join(dir, "token") }

// maxSocketPath is what a unix socket's path may have, in bytes, on every system.
const maxSocketPath = 100

// socketPath is where the administrator's socket is. Where the folder's own path is too long for one, it is in the
// folder for temporary files, in a folder of the user's own.
func socketPath(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	if path := filepath.Join(dir, "admin.sock"); len(path) <= maxSocketPath {
		return path
	}
	sum := sha256.Sum256([]byte(dir))
	return filepath.Join(os.TempDir(), fmt.Sprintf("scimbridge-%d", os.Getuid()), hex.EncodeToString(sum[:8])+".sock")
}

// openAccount opens the account in a folder.
func openAccount(ctx context.Context, dir string, log *slog.Logger) (*account.Service, func() error, error) {
	if err := os.MkdirAll(filepath.Dir(socketPath(dir)), 0o700); err != nil {
		return nil, nil, err
	}
	store, err := sqlite.Open(ctx, databasePath(dir))
	if err != nil {
		return nil, nil, err
	}
	return account.New(account.Config{Store: store, Log: log}), store.Close, nil
}

// prepare makes what is missing in the folder of dev: account, owner, credentials.
func prepare(ctx context.Context, dir string, log *slog.Logger) (session []byte, token string, fresh bool, err error) {
	_, statErr := os.Stat(databasePath(dir))
	fresh = errors.Is(statErr, os.ErrNotExist)
	service, closeStore, err := openAccount(ctx, dir, log)
	if err != nil {
		return nil, "", false, err
	}
	defer func() { err = errors.Join(err, closeStore()) }()
	if _, err := service.Found(ctx, account.Founding{Name: devAccount, Owner: devOwner, UserName: devOwnerMail}); err != nil {
		return nil, "", false, err
	}
	session, token, err = stored(dir)
	if err == nil {
		return session, token, fresh, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, "", false, err
	}
	generation, err := service.Generation(ctx)
	if err != nil {
		return nil, "", false, err
	}
	if generation > 0 && !fresh {
		if _, err := os.Stat(sessionPath(dir)); err == nil {
			return nil, "", false, errHalfMade
		}
	}
	if err := issue(ctx, service, dir, tokenPath(dir)); err != nil {
		return nil, "", false, err
	}
	session, token, err = stored(dir)
	return session, token, fresh, err
}

// stored reads the credentials that dev keeps.
func stored(dir string) (session []byte, token string, err error) {
	if session, err = os.ReadFile(sessionPath(dir)); err != nil {
		return nil, "", err
	}
	text, err := os.ReadFile(tokenPath(dir))
	return session, strings.TrimSpace(string(text)), err
}

// issue makes new credentials: the scimsession in the folder, the token in a file. The token is written first: a
// scimsession without its token could never be opened.
func issue(ctx context.Context, a accountapi.Administrator, dir, tokenFile string) error {
	raw, token, err := makeCredentials(ctx, a)
	if err != nil {
		return err
	}
	if err := writeSecret(tokenFile, []byte(token.Reveal()+"\n")); err != nil {
		return err
	}
	return writeSecret(sessionPath(dir), raw)
}

// makeCredentials begins a new generation of credentials.
func makeCredentials(ctx context.Context, a accountapi.Administrator) ([]byte, keyset.Token, error) {
	info, err := a.Describe(ctx)
	if err != nil {
		return nil, keyset.Token{}, err
	}
	token, err := keyset.NewToken(rand.Reader)
	if err != nil {
		return nil, token, err
	}
	id, err := account.NewID(time.Now(), rand.Reader)
	if err != nil {
		return nil, token, err
	}
	generation, err := a.NextGeneration(ctx)
	if err != nil {
		return nil, token, err
	}
	seed, err := keyset.NewSeed(rand.Reader)
	if err != nil {
		return nil, token, err
	}
	invitation, err := seed.InvitationKey(info.ID, id, generation)
	if err != nil {
		return nil, token, err
	}
	raw, err := keyset.Seal(keyset.Header{
		Account: info.ID, Integration: id, Generation: generation, Created: time.Now(),
	}, token, keyset.Material{Seed: seed, Invitation: invitation}, nil, time.Time{}, rand.Reader)
	return raw, token, err
}

// writeSecret writes a file that only its owner may read, all of it or nothing.
func writeSecret(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// restore puts a backup in the place of the account and checks its activity log.
func restore(ctx context.Context, file, dir string) (old string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	old, err = sqlite.Restore(ctx, file, databasePath(dir), "before-restore-"+time.Now().UTC().Format("20060102T150405Z"))
	if err != nil {
		return old, err
	}
	return old, administer(ctx, dir, func(a accountapi.Administrator) error {
		check, err := a.Verify(ctx)
		if err == nil && check.Problem != "" {
			err = fmt.Errorf("restored, but the activity log in the backup has been altered: %s", check.Problem)
		}
		return err
	})
}
