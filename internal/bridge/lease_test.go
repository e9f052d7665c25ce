package bridge_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/bridge"
)

// replica is an account as one of several bridges sees it, which can be made to stand still with all its threads, as a
// process does that is stopped or gets no CPU.
type replica struct {
	bridge.Admission
	bridge.Leases

	mu    sync.Mutex    // guards what follows
	still chan struct{} // closed when it goes on; nil: it does not stand still
	only  bool          // confirmations stand still, and nothing else
	begun chan struct{} // closed once a confirmation stands still
	err   error         // of everything that is asked about leases

	looks    atomic.Int64 // at what is due
	refusals atomic.Int64 // because another bridge has the lease
}

func newReplica(s *site) *replica { return &replica{Admission: s.service, Leases: s.service} }

// stand lets it stand still, or its confirmations only, until goOn is called or the test ends. begun is closed once a
// confirmation does.
func (r *replica) stand(t *testing.T, only bool) (begun <-chan struct{}, goOn func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	still := make(chan struct{})
	r.still, r.only, r.begun = still, only, make(chan struct{})
	goOn = sync.OnceFunc(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		close(still)
		r.still = nil
	})
	t.Cleanup(goOn)
	return r.begun, goOn
}

func (r *replica) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

// pass waits while the replica stands still. A stopped process does not notice that its calls have timed out either.
func (r *replica) pass(confirms bool) error {
	r.mu.Lock()
	still, err := r.still, r.err
	if still != nil && confirms {
		select {
		case <-r.begun:
		default:
			close(r.begun)
		}
	}
	if r.only && !confirms {
		still = nil
	}
	r.mu.Unlock()
	if still != nil {
		<-still
	}
	return err
}

func (r *replica) Due(ctx context.Context, after string, limit int) (account.Due, error) {
	_ = r.pass(false)
	r.looks.Add(1)
	return r.Admission.Due(ctx, after, limit)
}

func (r *replica) Confirm(ctx context.Context, user string, c account.Confirmation) error {
	_ = r.pass(true)
	err := r.Admission.Confirm(context.WithoutCancel(ctx), user, c)
	if errors.Is(err, account.ErrFenced) {
		r.refusals.Add(1)
	}
	return err
}

func (r *replica) TakeLease(ctx context.Context, a account.LeaseAsk) (account.Lease, error) {
	if err := r.pass(false); err != nil {
		return account.Lease{}, err
	}
	return r.Leases.TakeLease(ctx, a)
}

func (s *site) join(t *testing.T, r *replica, name string) (*bridge.Watchers, func()) {
	t.Helper()
	return s.start(t, bridge.WatcherConfig{Account: r, Leases: r, Replica: name})
}

func holds(t *testing.T, w *bridge.Watchers, number int64) {
	t.Helper()
	until(t, "the lease", func() bool { l := w.Lease(); return l.Held && l.Number == number })
}

// TestOneWatches: of several bridges one works, and another goes on at once when it leaves.
func TestOneWatches(t *testing.T) {
	t.Parallel()
	s := closedSite(t)
	a, b := newReplica(s), newReplica(s)
	first, stop := s.join(t, a, "a")
	holds(t, first, 1)
	second, _ := s.join(t, b, "b")
	until(t, "rest", func() bool { l := second.Lease(); return !l.Held && l.Holder == "a" && l.Number == 1 })
	ada := s.person("ada@example.com", "")
	s.accept(t, s.link(t, ada.ID))
	until(t, "a confirmation", func() bool { return s.state(t, ada.ID) == account.Active })
	if n := b.looks.Load(); n != 0 {
		t.Errorf("the other bridge has looked %d times", n)
	}
	if got := second.Confirmation(); got.Err != nil || got.Last.IsZero() || len(got.Faults) > 0 {
		t.Errorf("the other bridge says %+v", got)
	}
	stop()
	// Given back: nobody waits for its end.
	l, err := s.service.TakeLease(t.Context(), account.LeaseAsk{Name: account.WatchersLease, Holder: "b", Generation: 1, Life: time.Second})
	ok(t, err)
	if l.Holder != "b" || l.Number != 2 {
		t.Errorf("after the release: %+v", l)
	}
	holds(t, second, 2)
	grace := s.person("grace@example.com", "")
	s.accept(t, s.link(t, grace.ID))
	until(t, "a confirmation", func() bool { return s.state(t, grace.ID) == account.Active })
}

// TestStandsStill: a bridge that stands still in the middle of a confirmation, until another has taken over, is refused
// when it goes on, stands back, and nothing is wrong with its health. Later on it takes over again.
func TestStandsStill(t *testing.T) {
	t.Parallel()
	if bridge.TakeOver > 8*time.Second {
		t.Errorf("another takes over after %s, and 10 s have to do for the confirmation as well", bridge.TakeOver)
	}
	s := closedSite(t)
	a, b := newReplica(s), newReplica(s)
	first, _ := s.join(t, a, "a")
	holds(t, first, 1)
	second, stop := s.join(t, b, "b")
	ada := s.person("ada@example.com", "")
	link := s.link(t, ada.ID)
	waits, goOn := a.stand(t, false)
	s.accept(t, link)
	// The first may have looked just before: what is due wakes it again, and it stands still sooner or later.
	until(t, "the second bridge's turn", func() bool { return second.Lease().Held })
	until(t, "a confirmation", func() bool { return s.state(t, ada.ID) == account.Active })
	if l := first.Lease(); !l.Held {
		t.Error("who stands still knows that it has lost the lease")
	}
	goOn()
	until(t, "the first bridge's rest", func() bool { l := first.Lease(); return !l.Held && l.Holder == "b" && l.Number == 2 })
	select {
	case <-waits:
		until(t, "a refusal", func() bool { return a.refusals.Load() > 0 })
	default: // it stood still before it had begun to confirm
	}
	for _, got := range []bridge.WatcherState{first.Confirmation(), first.Provision()} {
		if got.Err != nil || len(got.Faults) > 0 {
			t.Errorf("who stood still says %+v", got)
		}
	}
	stop()
	holds(t, first, 3)
}

// TestRefusedConfirmation: a confirmation that another bridge was faster with is refused as such, whatever the reason.
func TestRefusedConfirmation(t *testing.T) {
	t.Parallel()
	s := closedSite(t)
	a := newReplica(s)
	first, _ := s.join(t, a, "a")
	holds(t, first, 1)
	ada := s.person("ada@example.com", "")
	link := s.link(t, ada.ID)
	waits, goOn := a.stand(t, true)
	s.accept(t, link)
	<-waits
	ok(t, s.service.ReleaseLease(t.Context(), account.Fence{Name: account.WatchersLease, Number: 1}))
	_, err := s.service.TakeLease(t.Context(), account.LeaseAsk{Name: account.WatchersLease, Holder: "b", Generation: 1, Life: time.Second})
	ok(t, err)
	goOn()
	until(t, "a refusal", func() bool { return a.refusals.Load() > 0 })
	if s.state(t, ada.ID) == account.Active {
		t.Error("a bridge whose lease is another's has confirmed somebody")
	}
	holds(t, first, 3) // b does not come back
	until(t, "a confirmation", func() bool { return s.state(t, ada.ID) == account.Active })
}

// TestNoLeases: where the account gives none, the bridge works all the same; where it cannot be asked, it does not, and
// says so.
func TestNoLeases(t *testing.T) {
	t.Parallel()
	s := closedSite(t)
	a := newReplica(s)
	a.fail(account.ErrUnavailable)
	w, _ := s.join(t, a, "a")
	until(t, "a reason", func() bool {
		return errors.Is(w.Confirmation().Err, account.ErrUnavailable) && errors.Is(w.Provision().Err, account.ErrUnavailable)
	})
	a.fail(errors.ErrUnsupported)
	ada := s.person("ada@example.com", "")
	s.accept(t, s.link(t, ada.ID))
	until(t, "a confirmation", func() bool { return s.state(t, ada.ID) == account.Active })
	if l := w.Lease(); !l.Held || l.Number != 0 || w.Confirmation().Err != nil {
		t.Errorf("lease %+v, %v", l, w.Confirmation().Err)
	}
}

// TestNewerGeneration: a bridge with newer credentials takes over at once, and one with older ones does not take it back.
func TestNewerGeneration(t *testing.T) {
	t.Parallel()
	s := closedSite(t)
	take := func(holder string, generation int) account.Lease {
		t.Helper()
		l, err := s.service.TakeLease(t.Context(), account.LeaseAsk{Name: account.WatchersLease, Holder: holder, Generation: generation, Life: time.Minute / 2})
		ok(t, err)
		return l
	}
	for i, step := range []struct {
		holder     string
		generation int
		want       account.Lease
	}{
		{"old", 1, account.Lease{Number: 1, Holder: "old", Generation: 1}},
		{"new", 2, account.Lease{Number: 2, Holder: "new", Generation: 2}},
		{"old", 1, account.Lease{Number: 2, Holder: "new", Generation: 2}},
		{"newer too", 2, account.Lease{Number: 2, Holder: "new", Generation: 2}},
		{"new", 3, account.Lease{Number: 2, Holder: "new", Generation: 3}}, // unlocked by the newer token
	} {
		if got := take(step.holder, step.generation); got != step.want {
			t.Errorf("step %d: %+v, want %+v", i, got, step.want)
		}
	}
}
