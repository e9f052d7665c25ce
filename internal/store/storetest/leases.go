package storetest

import (
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
)

func leases(t *testing.T, s account.Store) {
	read := func(name string) (l account.LeaseRow) {
		view(t, s, func(tx account.Tx) (err error) {
			l, err = tx.Lease(name)
			return err
		})
		return l
	}
	put := func(name string, l account.Lease, life time.Duration) {
		update(t, s, func(tx account.Tx) error { return tx.PutLease(name, l, life) })
	}
	same(t, "a lease that nobody has had", read("a"), account.LeaseRow{})
	first, second := account.Lease{Number: 1, Holder: "one", Generation: 2}, account.Lease{Number: 1 << 40, Holder: "two", Generation: 3}
	put("a", first, time.Hour)
	put("b", second, time.Minute)
	if l := read("a"); l.Lease != first || l.Left > time.Hour || l.Left < 59*time.Minute {
		t.Errorf("lease %+v", l)
	}
	if l := read("b"); l.Lease != second || l.Left > time.Minute || l.Left < 30*time.Second {
		t.Errorf("the other lease %+v", l)
	}
	put("a", second, 0)
	if l := read("a"); l.Lease != second || l.Left > 0 {
		t.Errorf("a lease that has ended %+v", l)
	}
	// Within a change the clock goes on, and what was put is read.
	update(t, s, func(tx account.Tx) error {
		if err := tx.PutLease("a", first, time.Millisecond); err != nil {
			return err
		}
		const patience = 20 * time.Second
		for begin := time.Now(); ; {
			l, err := tx.Lease("a")
			if err != nil || l.Lease != first || l.Left <= 0 {
				return err
			}
			if time.Since(begin) > patience {
				t.Errorf("a millisecond has not passed: %+v", l)
				return nil
			}
		}
	})
}
