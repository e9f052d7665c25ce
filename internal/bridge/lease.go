package bridge

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
)

// Which of several bridges watches: see docs/adr/0005-leases.md. The account decides, by its own clock; a bridge keeps no
// time. A bridge that has stood still learns that another has taken over from the refusal of whatever it goes on with.

const (
	// leaseLife is how long nobody else takes over from a bridge that has gone without a word. With askEvery it is below
	// the 10 s within which people are to be confirmed all the same.
	leaseLife = 6 * time.Second
	// renewEvery leaves room for two renewals that fail, so that a bridge on little CPU or a short fault of the
	// network does not hand over.
	renewEvery = 2 * time.Second
	// askEvery is how often the others ask. The question costs the account one look-up.
	askEvery = 1 * time.Second
	// leaseTime bounds one question.
	leaseTime = 2 * time.Second
)

// lease is how the lease of the watchers stands, as far as this bridge knows.
type lease struct {
	fenced chan struct{} // holds one token once something was refused because another bridge has the lease

	mu    sync.Mutex // guards state
	state LeaseState
}

// LeaseState says which bridge watches.
type LeaseState struct {
	Held   bool   // it is this one
	Holder string // what the one that does is called; empty: not known
	Number int64  // of the lease; 0: there are none
}

// Lease says which bridge watches, as far as this one knows.
func (w *Watchers) Lease() LeaseState {
	if w.Leases == nil {
		return LeaseState{Held: w.Lock.Open(), Holder: w.Replica}
	}
	w.lease.mu.Lock()
	defer w.lease.mu.Unlock()
	return w.lease.state
}

// lose makes the bridge stand back.
func (l *lease) lose() {
	select {
	case l.fenced <- struct{}{}:
	default: // it is about to
	}
}

// see keeps how the lease stands, and tells whether that is news.
func (l *lease) see(s LeaseState) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	news := l.state != s
	l.state = s
	return news
}

// takeTurns works whenever this bridge has the lease, and gives it back when ctx ends.
func (w *Watchers) takeTurns(ctx context.Context) {
	for ctx.Err() == nil {
		l, err := w.ask(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			w.lease.see(LeaseState{})
			w.rested(err)
		case l.Holder != w.Replica:
			if w.lease.see(LeaseState{Holder: l.Holder, Number: l.Number}) {
				w.Log.InfoContext(ctx, "another replica makes links and confirms people", "replica", l.Holder, "lease", l.Number)
			}
			w.rested(nil)
		default:
			w.workUnder(ctx, l)
			continue
		}
		pause(ctx, askEvery)
	}
}

// ask takes the lease or prolongs it. An account that gives none gives one without a number, which nobody checks.
func (w *Watchers) ask(ctx context.Context) (account.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, leaseTime)
	defer cancel()
	generation := 0
	if s := w.Lock.Secrets(); s != nil {
		generation = s.Generation()
	}
	l, err := w.Leases.TakeLease(ctx, account.LeaseAsk{Name: account.WatchersLease, Holder: w.Replica, Generation: generation, Life: leaseLife})
	if errors.Is(err, errors.ErrUnsupported) {
		return account.Lease{Holder: w.Replica}, nil
	}
	return l, err
}

// rested is what both watchers say of themselves while they do not work.
func (w *Watchers) rested(err error) {
	w.provision.done(w.Clock(), err)
	w.confirm.done(w.Clock(), err)
}

// workUnder works until the lease is another's or ctx ends.
func (w *Watchers) workUnder(ctx context.Context, l account.Lease) {
	select {
	case <-w.lease.fenced: // of the time before
	default:
	}
	w.lease.see(LeaseState{Held: true, Holder: l.Holder, Number: l.Number})
	w.Log.InfoContext(ctx, "this replica makes links and confirms people", "replica", l.Holder, "lease", l.Number)
	fence := account.Fence{}
	if l.Number != 0 {
		fence = account.Fence{Name: account.WatchersLease, Number: l.Number}
	}
	within, cancel := context.WithCancel(account.WithCaller(ctx, account.Caller{Kind: account.Integration, Fence: fence}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.work(within)
	}()
	w.renew(ctx, l)
	cancel()
	<-done
	w.provision.clear()
	w.confirm.clear()
	w.lease.see(LeaseState{})
	if ctx.Err() == nil || l.Number == 0 {
		return
	}
	last, stop := context.WithTimeout(context.WithoutCancel(ctx), leaseTime)
	defer stop()
	if err := w.Leases.ReleaseLease(last, fence); err != nil {
		w.Log.DebugContext(ctx, "the lease was not given back; it ends by itself", "error", err)
	}
}

// renew prolongs the lease until it is another's or ctx ends. While the account cannot be reached nothing can be done
// under it either.
func (w *Watchers) renew(ctx context.Context, l account.Lease) {
	every := renewEvery
	if l.Number == 0 { // there may be leases one day
		every = w.Interval
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-w.lease.fenced:
			return
		case <-ctx.Done():
			return
		}
		if now, err := w.ask(ctx); err == nil && (now.Holder != l.Holder || now.Number != l.Number) {
			return
		}
	}
}
