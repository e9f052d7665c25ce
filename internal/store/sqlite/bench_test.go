package sqlite_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/store/sqlite"
)

// The benchmarks measure the account over a database on disk, in CPU time of the process ("cpu-µs/op"): that figure
// survives a slow disk and a noisy machine.

const (
	benchUsers  = 20_000
	largeGroup  = 10_000
	smallGroup  = 10
	benchWaits  = 64 // concurrent calls while the account is filled
	profileText = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],` +
		`"externalId":"00u%[1]d","userName":"user%[1]d@example.com","name":{"formatted":"Ada Lovelace","familyName":"Lovelace","givenName":"Ada"},` +
		`"displayName":"Ada Lovelace %[1]d","title":"Analyst","preferredLanguage":"en-GB","emails":[{"value":"user%[1]d@example.com","type":"work","primary":true}],` +
		`"phoneNumbers":[{"value":"+44 20 7946 0000","type":"work"}],` +
		`"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"%[1]d","department":"Engines","manager":{"value":"26118915"}}}`
)

type filled struct {
	*account.Service
	ids          []string
	small, large string // groups
}

// fill makes an account of benchUsers people, each of them in one of the groups of 100, and two groups more.
func fill(b *testing.B) *filled {
	b.Helper()
	store, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "account.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := store.Close(); err != nil {
			b.Error(err)
		}
	})
	f := &filled{Service: account.New(account.Config{Store: store}), ids: make([]string, benchUsers)}
	if _, err := f.Found(b.Context(), account.Founding{Name: "Bench", Owner: "Owner", UserName: "owner@example.com"}); err != nil {
		b.Fatal(err)
	}
	var wg sync.WaitGroup
	for w := range benchWaits {
		wg.Go(func() {
			for i := w; i < benchUsers; i += benchWaits {
				f.ids[i] = f.invite(b, i)
			}
		})
	}
	wg.Wait()
	for i := 0; i < benchUsers; i += 100 {
		f.group(b, fmt.Sprintf("Team %d", i), f.ids[i:i+100])
	}
	f.small = f.group(b, "Small", f.ids[:smallGroup])
	f.large = f.group(b, "Large", f.ids[:largeGroup])
	return f
}

func (f *filled) invite(b *testing.B, n int) string {
	return f.inviteBy(context.Background(), b, n)
}

// afar is how a change comes from a bridge far away: with a key, by which it is known when it comes again.
func afar() context.Context {
	return account.WithCall(context.Background(), account.Call{Key: "agra4een4d2pprgmni6wlshpdm/" + rand.Text(), Digest: make([]byte, 32)})
}

func (f *filled) inviteBy(ctx context.Context, b *testing.B, n int) string {
	id, err := account.NewID(time.Now(), rand.Reader)
	if err == nil {
		_, err = f.Invite(ctx, account.Invitation{ID: id, Person: account.Person{
			UserName: fmt.Sprintf("user%d@example.com", n), Email: fmt.Sprintf("user%d@example.com", n), Name: fmt.Sprintf("Ada Lovelace %d", n),
			Language: "en-GB", ExternalID: fmt.Sprintf("00u%d", n), Profile: fmt.Appendf(nil, profileText, n),
		}})
	}
	if err != nil {
		b.Error(err)
	}
	return id
}

func (f *filled) group(b *testing.B, name string, members []string) string {
	b.Helper()
	id, err := account.NewID(time.Now(), rand.Reader)
	if err == nil {
		_, err = f.CreateGroup(b.Context(), account.NewGroup{ID: id, Name: name, Members: members})
	}
	if err != nil {
		b.Fatal(err)
	}
	return id
}

// cpu is the CPU time that the process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkAccount(b *testing.B) {
	f := fill(b)
	ctx := b.Context()
	var next atomic.Int64
	next.Store(benchUsers)
	must := func(b *testing.B, err error) {
		if err != nil {
			b.Error(err)
		}
	}
	newcomer := []string{f.ids[benchUsers-1]}
	member := map[string]bool{} // of which groups the newcomer is one
	change := func(ctx context.Context, b *testing.B, group string) {
		kind := account.Add
		if member[group] {
			kind = account.Remove
		}
		member[group] = !member[group]
		res, err := f.ChangeGroup(ctx, group, account.GroupChange{Steps: []account.MemberStep{{Kind: kind, Users: newcomer}}})
		if must(b, err); !res.Changed {
			b.Error("nothing changed")
		}
	}
	for _, bench := range []struct {
		name    string
		writers int // concurrent calls
		op      func(b *testing.B, i int)
	}{
		{"read by id", 1, func(b *testing.B, i int) {
			_, err := f.User(ctx, f.ids[i*7919%benchUsers])
			must(b, err)
		}},
		{"look up userName", 1, func(b *testing.B, i int) {
			p, err := f.Users(ctx, account.Query{Terms: []account.Term{{Field: account.ByUserName, Op: account.Eq, Value: fmt.Sprintf("user%d@example.com", i*7919%benchUsers)}}, Limit: 2, Groups: true})
			if must(b, err); len(p.Users) != 1 {
				b.Errorf("%d users", len(p.Users))
			}
		}},
		{"look up externalId", 1, func(b *testing.B, i int) {
			p, err := f.Users(ctx, account.Query{Terms: []account.Term{{Field: account.ByExternalID, Op: account.Eq, Value: fmt.Sprintf("00u%d", i*7919%benchUsers)}}, Limit: 2, Groups: true})
			if must(b, err); len(p.Users) != 1 {
				b.Errorf("%d users", len(p.Users))
			}
		}},
		{"page of 100", 1, func(b *testing.B, _ int) {
			p, err := f.Users(ctx, account.Query{Limit: 100, Groups: true})
			if must(b, err); len(p.Users) != 100 {
				b.Errorf("%d users", len(p.Users))
			}
		}},
		{"deep page of 100", 1, func(b *testing.B, i int) {
			p, err := f.Users(ctx, account.Query{Offset: benchUsers/2 + i*7919%(benchUsers/3), Limit: 100, Groups: true})
			if must(b, err); len(p.Users) != 100 {
				b.Errorf("%d users", len(p.Users))
			}
		}},
		{"create", 8, func(b *testing.B, _ int) { f.invite(b, int(next.Add(1))) }},
		{"create from afar", 8, func(b *testing.B, _ int) { f.inviteBy(afar(), b, int(next.Add(1))) }},
		{"change active", 8, func(b *testing.B, i int) {
			active := i/benchUsers%2 == 1
			_, err := f.ChangeUser(ctx, f.ids[i%benchUsers], account.UserChange{Active: &active})
			must(b, err)
		}},
		{"change active from afar", 8, func(b *testing.B, i int) {
			active := i/benchUsers%2 == 0
			_, err := f.ChangeUser(afar(), f.ids[i%benchUsers], account.UserChange{Active: &active})
			must(b, err)
		}},
		{"member of 10", 1, func(b *testing.B, _ int) { change(ctx, b, f.small) }},
		{"member of 10 from afar", 1, func(b *testing.B, _ int) { change(afar(), b, f.small) }},
		{"member of 10,000", 1, func(b *testing.B, _ int) { change(ctx, b, f.large) }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			begin := cpu(b)
			var wg sync.WaitGroup
			for w := range bench.writers {
				wg.Go(func() {
					for i := w; i < b.N; i += bench.writers {
						bench.op(b, i)
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64((cpu(b)-begin).Nanoseconds())/1e3/float64(b.N), "cpu-µs/op")
		})
	}
}
