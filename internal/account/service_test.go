package account_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accounttest"
	"github.com/scimbridge/scimbridge/internal/store/sqlite"
)

func TestAccount(t *testing.T) {
	t.Parallel()
	accounttest.Run(t, func(t testing.TB) accounttest.Fixture {
		s := founded(t)
		return accounttest.Fixture{Account: s, Admin: s, Owner: owner(t, s).ID}
	})
}

// founded opens a new account on disk, closed with the test.
func founded(t testing.TB) *account.Service {
	t.Helper()
	raw, err := template()
	must(t, err)
	path := filepath.Join(t.TempDir(), "account.db")
	must(t, os.WriteFile(path, raw, 0o600))
	return account.New(account.Config{Store: open(t, path)})
}

// template is the file of an account that has just been founded, made once: under the race detector the migrations
// cost more than most tests.
var template = sync.OnceValues(func() (raw []byte, err error) {
	dir, err := os.MkdirTemp("", "account")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	store, err := sqlite.Open(context.Background(), filepath.Join(dir, "account.db"))
	if err != nil {
		return nil, err
	}
	_, err = account.New(account.Config{Store: store}).Found(context.Background(), founding)
	copied := filepath.Join(dir, "copy.db")
	if err = errors.Join(err, store.Backup(context.Background(), copied), store.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(copied)
})

func open(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	store, err := sqlite.Open(t.Context(), path)
	must(t, err)
	t.Cleanup(func() { must(t, store.Close()) })
	return store
}

const ownerName = "owner@example.com"

var founding = account.Founding{Name: "Example", Owner: "Olive Owner", UserName: ownerName}

// found makes a new account in a store.
func found(t testing.TB, store account.Store) *account.Service {
	t.Helper()
	s := account.New(account.Config{Store: store})
	_, err := s.Found(t.Context(), founding)
	must(t, err)
	return s
}

func owner(t testing.TB, s *account.Service) account.User {
	t.Helper()
	u, err := s.Person(t.Context(), ownerName)
	must(t, err)
	return u
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
