package sqlite_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/store/sqlite"
)

// benchAccount is an account of 2,000 people, each in one of 20 groups.
func benchAccount(b *testing.B) (*account.Service, []string) {
	b.Helper()
	store, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "account.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	a := account.New(account.Config{Store: store})
	ids := make([]string, 2000)
	for i := range ids {
		ids[i] = fmt.Sprintf("aaaaaaaaaaaaaaaaaaaaaa%04d", i)
		name := fmt.Sprintf("p%d@example.com", i)
		if _, err := a.Invite(context.Background(), account.Invitation{ID: ids[i], Person: account.Person{UserName: name, Email: name, Name: name, ExternalID: name, Profile: make([]byte, 760)}}); err != nil {
			b.Fatal(err)
		}
	}
	return a, ids
}

func BenchmarkUser(b *testing.B) {
	a, ids := benchAccount(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := a.User(b.Context(), ids[i%len(ids)]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLookUp(b *testing.B) {
	a, _ := benchAccount(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		page, err := a.Users(b.Context(), account.Query{Terms: []account.Term{{Field: account.ByUserName, Op: account.Eq, Value: fmt.Sprintf("p%d@example.com", i%2000)}}, Limit: 100, Groups: true})
		if err != nil || len(page.Users) != 1 {
			b.Fatal(err, len(page.Users))
		}
	}
}

func BenchmarkPage(b *testing.B) {
	a, _ := benchAccount(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := a.Users(b.Context(), account.Query{Offset: i % 1900, Limit: 100, Groups: true}); err != nil {
			b.Fatal(err)
		}
	}
}
