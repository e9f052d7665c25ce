package accountapi_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accountapi"
	"github.com/scimbridge/scimbridge/internal/account/accounttest"
	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/internal/store/sqlite"
)

// template is the file of an empty account, made once: under the race detector the migrations cost more than most
// tests.
var template = sync.OnceValues(func() (raw []byte, err error) {
	dir, err := os.MkdirTemp("", "accountapi")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	store, err := sqlite.Open(context.Background(), filepath.Join(dir, "account.db"))
	if err != nil {
		return nil, err
	}
	copied := filepath.Join(dir, "copy.db")
	if err = errors.Join(err, store.Backup(context.Background(), copied), store.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(copied)
})

// founded is a new account with keys, on disk, closed with the test.
func founded(t testing.TB) *accounttest.Keyed {
	t.Helper()
	raw, err := template()
	must(t, err)
	path := filepath.Join(t.TempDir(), "account.db")
	must(t, os.WriteFile(path, raw, 0o600))
	store, err := sqlite.Open(t.Context(), path)
	must(t, err)
	t.Cleanup(func() { must(t, store.Close()) })
	return accounttest.Founded(t, store)
}

// serve serves accounts over TCP until the test ends, and returns the URL.
func serve(t testing.TB, edit func(*accountapi.Config), accounts ...*accounttest.Keyed) (string, *accountapi.Handler) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	c := accountapi.Config{Accounts: several(accounts), URL: "http://" + l.Addr().String(), Version: "1.2.3"}
	if edit != nil {
		edit(&c)
	}
	h, err := accountapi.New(c)
	must(t, err)
	s := httptest.NewUnstartedServer(h)
	must(t, s.Listener.Close())
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return s.URL, h
}

// several are the accounts of one process.
type several []*accounttest.Keyed

func (s several) Account(_ context.Context, id string) (*account.Service, error) {
	for _, k := range s {
		if k.ID == id {
			return k.Service, nil
		}
	}
	return nil, account.ErrNotFound
}

// credentials are those of the account's newest generation.
func credentials(k *accounttest.Keyed) *accountapi.Credentials {
	ks := k.Keyset
	return &accountapi.Credentials{
		Account: k.ID, Integration: k.Integration, Generation: k.Newest,
		Sign: func(c keyset.ChallengeClaim) []byte { return ks.Sign(c) },
	}
}

// remote is the account as its bridge uses it.
func remote(t testing.TB, url string, client *http.Client, k *accounttest.Keyed) *accountapi.Remote {
	t.Helper()
	present := credentials(k)
	r, err := accountapi.NewRemote(accountapi.RemoteConfig{
		URL: url, HTTP: client, Pause: time.Millisecond, Credentials: func() *accountapi.Credentials { return present },
	})
	must(t, err)
	t.Cleanup(r.Close)
	return r
}

// TestAccountInProcess holds the helper to what the suite wants of an account with keys.
func TestAccountInProcess(t *testing.T) {
	t.Parallel()
	accounttest.Run(t, func(t testing.TB) accounttest.Fixture {
		k := founded(t)
		return accounttest.Fixture{Account: k, Admin: k, Owner: k.Owner.ID}
	})
}

func TestRemote(t *testing.T) {
	t.Parallel()
	accounttest.Run(t, func(t testing.TB) accounttest.Fixture {
		k := founded(t)
		url, _ := serve(t, nil, k)
		return accounttest.Fixture{Account: remote(t, url, nil, k), Admin: k, Owner: k.Owner.ID}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
