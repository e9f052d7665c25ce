package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A lease says which of several bridges does what one at a time is to do. The account gives it, for a while, with a
// number that is greater than all before; who does something under a lease says under which, and is refused where it is
// not the present one any more. So a bridge that has stood still while another took over can do no harm, however late it
// wakes, and no bridge's clock matters.

// WatchersLease is the lease of the bridge that makes links and confirms people.
const WatchersLease = "watchers"

// leases are those that there are: what holds credentials cannot fill the account with others.
var leases = [...]string{WatchersLease}

// Limits of a lease.
const (
	// MaxLease is the longest life of a lease: nobody needs to be waited for longer.
	MaxLease  = 30 * time.Second
	maxHolder = 128 // bytes of what a holder is called
)

// ErrFenced means that something was to be done under a lease that another holds by now. Nothing was done.
var ErrFenced = errors.New("another bridge has taken over")

// Lease is a lease as it stands.
type Lease struct {
	Number     int64  // of the holder, greater than those of all before; 0: it was never given
	Holder     string // who has it, or has had it last
	Generation int    // of the holder's credentials
}

// LeaseRow is a lease with what is left of it.
type LeaseRow struct {
	Lease
	Left time.Duration // by the database's own clock, which is one for all processes; not above 0: it is free
}

// LeaseAsk is what TakeLease takes.
type LeaseAsk struct {
	Name       string
	Holder     string // who asks, another one for every process
	Generation int    // of the credentials of who asks
	Life       time.Duration
}

// Fence says under which lease something is done; the zero value, under none.
type Fence struct {
	Name   string
	Number int64
}

// TakeLease gives a lease to who asks, or prolongs it, and returns how it stands: who asked has it if it is the holder.
// Credentials of a newer generation get it at once, since those of an older one cannot see to everything.
func (s *Service) TakeLease(ctx context.Context, a LeaseAsk) (Lease, error) {
	if err := a.check(); err != nil {
		return Lease{}, err
	}
	var row LeaseRow
	look := func(tx Tx) (err error) {
		row, err = tx.Lease(a.Name)
		return err
	}
	// Those who wait ask often, and write nothing.
	if err := s.store.View(ctx, look); err != nil || row.heldAgainst(a) {
		return row.Lease, err
	}
	err := s.store.Update(ctx, func(tx Tx) error {
		if err := look(tx); err != nil || row.heldAgainst(a) {
			return err
		}
		if row.Holder != a.Holder {
			row.Number++
		}
		row.Holder, row.Generation = a.Holder, a.Generation
		return tx.PutLease(a.Name, row.Lease, a.Life)
	})
	return row.Lease, err
}

// heldAgainst tells whether somebody else has the lease. What seems to have longer to live than any lease was given before
// the clock was set back.
func (r *LeaseRow) heldAgainst(a LeaseAsk) bool {
	return r.Holder != a.Holder && r.Left > 0 && r.Left <= MaxLease && r.Generation >= a.Generation
}

func (a *LeaseAsk) check() error {
	odd := func(r rune) bool { return r < ' ' || r > '~' }
	switch {
	case !slices.Contains(leases[:], a.Name):
		return &InvalidError{"lease", "is none that there is"}
	case a.Holder == "" || len(a.Holder) > maxHolder || strings.ContainsFunc(a.Holder, odd):
		return &InvalidError{"holder", "is empty, too long or not in ASCII"}
	case a.Life <= 0 || a.Life > MaxLease:
		return &InvalidError{"life", fmt.Sprintf("must be above 0 and at most %s", MaxLease)}
	}
	return nil
}

// ReleaseLease gives a lease back, so that another can have it at once. One that is not the present one stays as it is.
func (s *Service) ReleaseLease(ctx context.Context, f Fence) error {
	return s.store.Update(ctx, func(tx Tx) error {
		row, err := tx.Lease(f.Name)
		if err != nil || row.Number != f.Number || f.Number == 0 {
			return err
		}
		return tx.PutLease(f.Name, row.Lease, 0)
	})
}

// fenced lets a change be made only where the lease that it is made under is the present one. A number that was never
// given is not, either: the account was restored from a backup.
func fenced(f Fence, change func(Tx) error) func(Tx) error {
	return func(tx Tx) error {
		row, err := tx.Lease(f.Name)
		if err != nil {
			return err
		}
		if row.Number != f.Number {
			return fmt.Errorf("%w: the lease %s has the number %d, and not %d", ErrFenced, f.Name, row.Number, f.Number)
		}
		return change(tx)
	}
}
