package accounttest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
)

// Leases is an account by which several bridges agree who of them does what one at a time is to do. See the interface of
// the same name in package bridge.
type Leases interface {
	TakeLease(ctx context.Context, a account.LeaseAsk) (account.Lease, error)
	ReleaseLease(ctx context.Context, f account.Fence) error
}

// long is a life that does not end within a test.
const long = account.MaxLease

func under(t testing.TB, number int64) context.Context {
	return account.WithCaller(t.Context(), account.Caller{Kind: account.Integration, Fence: account.Fence{Name: account.WatchersLease, Number: number}})
}

func leases(t *testing.T, open func(t testing.TB) Fixture) {
	if _, ok := open(t).Account.(Leases); !ok {
		t.Skip("the account gives no leases")
	}
	take := func(t testing.TB, f Fixture, holder string, life time.Duration) account.Lease {
		t.Helper()
		l, err := f.Account.(Leases).TakeLease(t.Context(), account.LeaseAsk{Name: account.WatchersLease, Holder: holder, Generation: 1, Life: life})
		must(t, err)
		return l
	}
	release := func(t testing.TB, f Fixture, number int64) {
		t.Helper()
		must(t, f.Account.(Leases).ReleaseLease(t.Context(), account.Fence{Name: account.WatchersLease, Number: number}))
	}
	holds := func(t testing.TB, l account.Lease, holder string, number int64) {
		t.Helper()
		same(t, "lease", l, account.Lease{Number: number, Holder: holder, Generation: 1})
	}
	cases(t, open, map[string]func(t *testing.T, f Fixture){
		"one at a time": func(t *testing.T, f Fixture) {
			holds(t, take(t, f, "a", long), "a", 1)
			holds(t, take(t, f, "b", long), "a", 1)
			holds(t, take(t, f, "a", long), "a", 1)
			release(t, f, 2) // nobody's
			holds(t, take(t, f, "b", long), "a", 1)
			release(t, f, 1)
			holds(t, take(t, f, "b", long), "b", 2)
			release(t, f, 1) // of before
			holds(t, take(t, f, "a", long), "b", 2)
		},
		"comes to its end": func(t *testing.T, f Fixture) {
			holds(t, take(t, f, "a", time.Millisecond), "a", 1)
			for take(t, f, "b", long).Holder != "b" {
				if t.Context().Err() != nil {
					return
				}
			}
			holds(t, take(t, f, "a", long), "b", 2)
		},
		// Whoever has stood still while another took over changes nothing, and notices.
		"stale holders": func(t *testing.T, f Fixture) {
			u := f.invite(t, "ada")
			take(t, f, "a", long)
			change := func(number int64, name string) error {
				p := person("ada")
				p.Name = name
				_, err := f.ChangeUser(under(t, number), u.ID, account.UserChange{Person: &p})
				return err
			}
			wantError(t, change(1, "First"), nil)
			release(t, f, 1)
			wantError(t, change(1, "Still first"), nil) // nobody has taken over
			take(t, f, "b", long)
			wantError(t, change(1, "Stale"), account.ErrFenced)
			wantError(t, change(3, "Of before a restore"), account.ErrFenced)
			got, err := f.User(t.Context(), u.ID)
			must(t, err)
			same(t, "name", got.Name, "Still first")
			wantError(t, change(2, "Second"), nil)
			_, err = f.Invite(under(t, 1), account.Invitation{ID: newID(t), Person: person("grace")})
			wantError(t, err, account.ErrFenced)
			// Who is under no lease is not concerned.
			_, err = f.setActive(t, u.ID, false)
			must(t, err)
		},
		"what is none": func(t *testing.T, f Fixture) {
			for name, a := range map[string]account.LeaseAsk{
				"name":   {Name: "others", Holder: "a", Life: long},
				"holder": {Name: account.WatchersLease, Life: long},
				"long":   {Name: account.WatchersLease, Holder: strings.Repeat("a", 129), Life: long},
				"line":   {Name: account.WatchersLease, Holder: "a\nb", Life: long},
				"life":   {Name: account.WatchersLease, Holder: "a"},
				"past":   {Name: account.WatchersLease, Holder: "a", Life: -time.Hour},
				"years":  {Name: account.WatchersLease, Holder: "a", Life: 1<<63 - 1},
			} {
				if _, err := f.Account.(Leases).TakeLease(t.Context(), a); err == nil {
					t.Errorf("%s: taken", name)
				} else {
					wantError(t, err, account.ErrInvalid)
				}
			}
			holds(t, take(t, f, "a", long), "a", 1)
		},
		"at once": func(t *testing.T, f Fixture) {
			const bridges = 8
			var g sync.WaitGroup
			var got [bridges]account.Lease
			for i := range bridges {
				g.Go(func() { got[i] = take(t, f, fmt.Sprint("bridge ", i), long) })
			}
			g.Wait()
			for i := range got {
				same(t, "lease", got[i], got[0])
			}
			same(t, "number", got[0].Number, int64(1))
		},
	})
}
