package postgres_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accounttest"
	"github.com/scimbridge/scimbridge/internal/store/postgres"
	"github.com/scimbridge/scimbridge/internal/store/postgrestest"
	"github.com/scimbridge/scimbridge/internal/store/storetest"
)

// Both suites run every test in an account of its own, all of them in one database.

func TestStore(t *testing.T) {
	t.Parallel()
	db := open(t, postgrestest.New(t))
	storetest.Run(t, func(t testing.TB) account.Store { return db.Account(newID(t)) })
}

// TestModes: the ways to speak to a server that has a pooler before it, or knows no prepared statements.
func TestModes(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"exec", "describe_exec", "cache_describe"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			db := open(t, postgrestest.New(t)+"&default_query_exec_mode="+mode)
			storetest.Run(t, func(t testing.TB) account.Store { return db.Account(newID(t)) })
		})
	}
}

func TestAccount(t *testing.T) {
	t.Parallel()
	db := open(t, postgrestest.New(t))
	accounttest.Run(t, func(t testing.TB) accounttest.Fixture {
		a, _ := found(t, db)
		owner, err := a.Person(t.Context(), ownerName)
		must(t, err)
		return accounttest.Fixture{Account: a, Admin: a, Owner: owner.ID}
	})
}

// open opens a database, closed with the test.
func open(t testing.TB, url string) *postgres.Database {
	t.Helper()
	db, err := postgres.Open(t.Context(), url)
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return db
}

const ownerName = "owner@example.com"

// found makes a new account, closed with the test.
func found(t testing.TB, db *postgres.Database) (*account.Service, account.Store) {
	t.Helper()
	store := db.Account(newID(t))
	t.Cleanup(func() { must(t, store.Close()) })
	a := account.New(account.Config{Store: store})
	_, err := a.Found(t.Context(), account.Founding{Name: "Example", Owner: "Olive Owner", UserName: ownerName})
	must(t, err)
	return a, store
}

func newID(t testing.TB) string {
	t.Helper()
	id, err := account.NewID(time.Now(), rand.Reader)
	must(t, err)
	return id
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
