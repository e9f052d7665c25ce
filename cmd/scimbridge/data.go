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
	"syscall"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accountapi"
	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/internal/owner"
	"github.com/scimbridge/scimbridge/internal/store/sqlite"
	"github.com/scimbridge/scimbridge/internal/store/timed"
)

// A data folder holds account.db (with its -wal, -shm and .lock), the administrator's socket, and, where dev or
// "credentials new" has put them there, scimsession and token. dev keeps its owner's kit and password there as well.

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

// socketFolder makes the folder of the administrator's socket. Where that is not the data folder itself, it lies among
// everybody's temporary files: somebody else may have made it first, to answer in our place.
func socketFolder(dir string) error {
	folder := filepath.Dir(socketPath(dir))
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	abs, err := filepath.Abs(dir)
	if err != nil || folder == abs {
		return err
	}
	info, err := os.Lstat(folder)
	if err != nil {
		return err
	}
	const others = 0o077
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || info.Mode().Perm()&others != 0 || !ok || int(owner.Uid) != os.Getuid() {
		return fmt.Errorf("%s, the folder of the administrator's socket, can be used by others. Remove it, or name a data folder with a shorter path", folder)
	}
	return nil
}

// errNoAccount means that a folder holds no account.
var errNoAccount = errors.New("there is no account in the data folder")

// holdsAccount finds out whether a folder holds an account, without making anything there. errNoAccount.
func holdsAccount(dir string) error {
	info, err := os.Stat(databasePath(dir))
	if errors.Is(err, os.ErrNotExist) || err == nil && info.Size() == 0 {
		return &noAccountError{dir}
	}
	return err
}

// noAccountError is errNoAccount, with the folder.
type noAccountError struct{ dir string }

func (e *noAccountError) Error() string {
	return fmt.Sprintf("there is no account in %s. Name the folder that has one with --data or OP_DATA_DIR, or make one: scimbridge credentials new --data DIR --owner E-MAIL", e.dir)
}

func (e *noAccountError) Unwrap() error { return errNoAccount }

// openAccount opens the account in a folder, measured where there is a meter.
func openAccount(ctx context.Context, dir string, meter *timed.Meter, log *slog.Logger) (*account.Service, func() error, error) {
	if err := socketFolder(dir); err != nil {
		return nil, nil, err
	}
	store, err := sqlite.Open(ctx, databasePath(dir))
	if err != nil {
		var system syscall.Errno
		if !errors.Is(err, sqlite.ErrLocked) && !errors.Is(err, sqlite.ErrNewer) && !errors.As(err, &system) {
			err = fmt.Errorf("%w. See that the disk has room; if the file is damaged, put a backup in its place: scimbridge account restore FILE --data %s", err, dir)
		}
		return nil, nil, err
	}
	return account.New(account.Config{Store: meter.Wrap(store), Clock: clock, Log: log}), store.Close, nil
}

// prepare makes what is missing in the folder of dev: account, owner, credentials.
func prepare(ctx context.Context, dir string, log *slog.Logger) (session *keyset.Session, token string, fresh bool, err error) {
	fresh = errors.Is(holdsAccount(dir), errNoAccount)
	service, closeStore, err := openAccount(ctx, dir, nil, log)
	if err != nil {
		return nil, "", false, err
	}
	defer func() { err = errors.Join(err, closeStore()) }()
	var o *owner.Owner
	if _, err := service.Describe(ctx); errors.Is(err, account.ErrNotFound) {
		o, err = foundDev(ctx, service, dir)
		if err != nil {
			return nil, "", false, err
		}
	} else if err != nil {
		return nil, "", false, err
	}
	session, token, err = stored(dir)
	if err == nil {
		return session, token, fresh, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, "", false, err
	}
	if exists(sessionPath(dir)) {
		return nil, "", false, halfMade(dir)
	}
	if o == nil {
		if o, err = ownerOf(ctx, &environment{}, service, kitFlags{}.withDev(dir)); err != nil {
			return nil, "", false, err
		}
	}
	if _, err := issue(ctx, service, o, owner.Credentials{}, sessionPath(dir), tokenPath(dir)); err != nil {
		return nil, "", false, err
	}
	session, token, err = stored(dir)
	return session, token, fresh, err
}

// foundDev makes the account of dev. Its owner's kit and password lie beside it, so that everything works unattended.
func foundDev(ctx context.Context, service *account.Service, dir string) (*owner.Owner, error) {
	// Left over from a process that was killed before the account was there: they open nothing.
	if err := os.Remove(devKitPath(dir)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	password := rand.Text()
	f, err := foundKeys(owner.Founding{AccountName: devAccount, Name: devOwner, UserName: devOwnerMail, Password: password}, devKitPath(dir))
	if err != nil {
		return nil, err
	}
	out, err := reserve(devPasswordPath(dir))
	if err != nil {
		return nil, err
	}
	if err := errors.Join(out.write([]byte(password+"\n")), out.discard()); err != nil {
		return nil, err
	}
	return f.owner, f.found(ctx, service, devKitPath(dir))
}

// ownerOf unlocks the owner of an account; nil where the account has no keys, and nobody has to sign.
func ownerOf(ctx context.Context, e *environment, a accountapi.Administrator, k kitFlags) (*owner.Owner, error) {
	info, err := a.Describe(ctx)
	if err != nil || len(info.Root) == 0 {
		return nil, err
	}
	return unlockOwner(ctx, e, a, k)
}

// halfMade means that the two halves of a data folder's credentials do not belong together, or one is missing.
func halfMade(dir string) error {
	return fmt.Errorf("%s has an account, but its scimsession and its token do not belong together, or one of them is missing. Make new ones: scimbridge credentials new --data %s --token-file %s", dir, dir, tokenPath(dir))
}

// stored reads the credentials that dev keeps, and sees that the token opens the scimsession.
func stored(dir string) (*keyset.Session, string, error) {
	raw, err := os.ReadFile(sessionPath(dir))
	if err != nil {
		return nil, "", err
	}
	text, err := os.ReadFile(tokenPath(dir))
	if err != nil {
		return nil, "", err
	}
	session, err := keyset.ParseSession(raw)
	if err != nil {
		return nil, "", sessionProblem(sessionPath(dir), err)
	}
	token, err := keyset.ParseToken(keyset.Bare(string(text)))
	if err == nil {
		_, err = session.Open(token, clock())
	}
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w. %w", tokenPath(dir), err, halfMade(dir))
	}
	return session, token.Reveal(), nil
}

// issue makes new credentials, the scimsession in one file and the token in others. The files are reserved first,
// since the credentials before no longer count once there are newer ones; the tokens are written first, since a
// scimsession without its token could never be opened.
func issue(ctx context.Context, a accountapi.Administrator, o *owner.Owner, c owner.Credentials, sessionFile string, tokenFiles ...string) (made owner.Issued, err error) {
	var outs []*secretOut
	defer func() {
		for _, o := range outs {
			err = errors.Join(err, o.discard())
		}
	}()
	for _, path := range append(tokenFiles, sessionFile) {
		o, err := reserve(path)
		if err != nil {
			return made, fmt.Errorf("no credentials were made, those before still work: %w", err)
		}
		outs = append(outs, o)
	}
	if o != nil {
		made, err = o.Issue(ctx, a, c)
	} else {
		made.Session, made.Token, err = makeCredentials(ctx, a)
	}
	if err != nil {
		return made, err
	}
	last := len(outs) - 1
	for _, o := range outs[:last] {
		if err := o.write([]byte(made.Token.Reveal() + "\n")); err != nil {
			return made, err
		}
	}
	return made, outs[last].write(made.Session)
}

// makeCredentials begins a new generation of credentials of an account without keys.
func makeCredentials(ctx context.Context, a accountapi.Administrator) ([]byte, keyset.Token, error) {
	info, err := a.Describe(ctx)
	if err != nil {
		return nil, keyset.Token{}, err
	}
	token, err := keyset.NewToken(rand.Reader)
	if err != nil {
		return nil, token, err
	}
	id, err := account.NewID(clock(), rand.Reader)
	if err != nil {
		return nil, token, err
	}
	generation, err := a.NextGeneration(ctx, account.Generation{Integration: id, Token: token.KeyID()})
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
		Account: info.ID, Integration: id, Generation: generation, Created: clock(),
	}, token, keyset.Material{Seed: seed, Invitation: invitation}, nil, time.Time{}, rand.Reader)
	return raw, token, err
}

// restore puts a backup in the place of the account and checks its activity log.
func restore(ctx context.Context, file, dir string) (old string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	suffix := "before-restore-" + time.Now().UTC().Format("20060102T150405Z")
	for n := 2; exists(databasePath(dir) + "." + suffix); n++ { // twice within a second: neither may replace the other
		suffix = fmt.Sprintf("before-restore-%s-%d", time.Now().UTC().Format("20060102T150405Z"), n)
	}
	old, err = sqlite.Restore(ctx, file, databasePath(dir), suffix)
	if err != nil {
		return old, err
	}
	return old, place{dir: dir}.administer(ctx, func(a accountapi.Administrator) error {
		check, err := a.Verify(ctx)
		if err == nil && check.Problem != "" {
			err = fmt.Errorf("restored, but the activity log in the backup has been altered: %s", check.Problem)
		}
		return err
	})
}
