package account_test

import (
	"path/filepath"
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

// founded makes a new account on disk, closed with the test.
func founded(t testing.TB) *account.Service {
	t.Helper()
	return found(t, open(t, filepath.Join(t.TempDir(), "account.db")))
}

func open(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	store, err := sqlite.Open(t.Context(), path)
	must(t, err)
	t.Cleanup(func() { must(t, store.Close()) })
	return store
}

const ownerName = "owner@example.com"

func found(t testing.TB, store account.Store) *account.Service {
	t.Helper()
	s := account.New(account.Config{Store: store})
	_, err := s.Found(t.Context(), account.Founding{Name: "Example", Owner: "Olive Owner", UserName: ownerName})
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
