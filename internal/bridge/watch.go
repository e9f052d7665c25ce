package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/internal/tracing"
)

// WatcherConfig is what NewWatchers needs.
type WatcherConfig struct {
	Account Admission
	// Leases lets one of several bridges work at a time; nil: nobody else does.
	Leases Leases
	// Replica is what this process is called among the bridges of the account, and no other is.
	Replica string
	Lock    *Lock
	// Mailer sends the invitations; nil: the account delivers them.
	Mailer Mailer
	// Origin is scheme and host that the links of invitations begin with; "" where it is not known yet.
	Origin func() string
	// Interval is after how long the account is asked without a reason.
	Interval time.Duration
	Version  string
	// Client names the identity provider, as its last request has.
	Client func() string
	Tracer *tracing.Tracer
	Clock  func() time.Time
	Log    *slog.Logger
}

// Watchers do what waits at the account without anybody asking: StartProvisionWatcher makes the links of invitations
// and the keys of groups, ConfirmationWatcher confirms people and hands them the keys of their groups. They begin when
// the lock opens, are woken by every change of the account, and look by themselves at intervals. Of several bridges one
// works at a time, under a lease (lease.go); where there are no leases all of them may, and whatever they do is done once.
type Watchers struct {
	WatcherConfig
	provision, confirm *watcher
	lease              lease
}

// watcher is one loop and what it says of itself.
type watcher struct {
	name string // of its rounds in traces
	wake chan struct{}

	mu        sync.Mutex // guards what follows
	last      time.Time  // when it last looked
	err       error      // of the last look
	faults    map[string]string
	later     map[string]time.Time // users whose mail could not be sent, and when it is tried again
	rekeyings []account.Rekeying   // as they were found when they were last measured
	measured  time.Time
	said      time.Time // when the log was told of them
}

const (
	// duePage is how much is taken from the account at once: some 200 kB.
	duePage = 100
	// workers is how many people and groups are seen to at once: the account then shares commits between them.
	workers = 8
	// breather is how long a watcher lets changes gather before it looks again, so that a burst costs few looks. The
	// time from accepting to being confirmed has it in it.
	breather = 200 * time.Millisecond
	// lull is how long the feed is not looked at after a change, so that a busy account is not asked for each of them.
	lull = 50 * time.Millisecond
	// waitAgain is how long the feed rests after the account could not be reached.
	waitAgain = 2 * time.Second
	// contactEvery is how often the account is told that the bridge is there.
	contactEvery = time.Hour
)

// NewWatchers makes watchers, which run once Run is called.
func NewWatchers(c WatcherConfig) *Watchers {
	w := func(name string) *watcher {
		return &watcher{name: name, wake: make(chan struct{}, 1), faults: map[string]string{}, later: map[string]time.Time{}}
	}
	return &Watchers{WatcherConfig: c, provision: w("StartProvisionWatcher"), confirm: w("ConfirmationWatcher"), lease: lease{fenced: make(chan struct{}, 1)}}
}

// Run works until ctx ends, and returns when everything has ended.
func (w *Watchers) Run(ctx context.Context) {
	select {
	case <-w.Lock.Opened():
	case <-ctx.Done():
		return
	}
	ctx = account.WithCaller(ctx, account.Caller{Kind: account.Integration})
	var g sync.WaitGroup
	g.Go(func() { w.report(ctx) })
	if w.Leases != nil {
		w.takeTurns(ctx)
	} else {
		w.work(ctx)
	}
	g.Wait()
}

// work does what waits until ctx ends.
func (w *Watchers) work(ctx context.Context) {
	var g sync.WaitGroup
	g.Go(func() { w.follow(ctx) })
	g.Go(func() { w.loop(ctx, w.provision, w.startProvision) })
	g.Go(func() { w.loop(ctx, w.confirm, w.confirmAll) })
	g.Wait()
}

// follow wakes the loops whenever the account has changed.
func (w *Watchers) follow(ctx context.Context) {
	at := int64(0)
	for ctx.Err() == nil {
		head, err := w.Account.Wait(ctx, at)
		if err != nil {
			pause(ctx, waitAgain)
			continue
		}
		if head != at { // also when it is smaller: the account was restored from a backup
			at = head
			w.provision.poke()
			w.confirm.poke()
		}
		pause(ctx, lull)
	}
}

func (w *watcher) poke() {
	select {
	case w.wake <- struct{}{}:
	default: // it is awake
	}
}

// report tells the account at intervals which program drives it.
func (w *Watchers) report(ctx context.Context) {
	for ctx.Err() == nil {
		wait := contactEvery
		if s := w.Lock.Secrets(); s != nil {
			if err := w.Account.Contact(ctx, s.Generation(), w.Version, w.Client()); err != nil && ctx.Err() == nil {
				w.Log.DebugContext(ctx, "contact not noted", "error", err)
				wait = w.Interval
			}
		}
		pause(ctx, wait)
	}
}

// pause waits, but not longer than ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// loop looks whenever it is woken, and at intervals.
func (w *Watchers) loop(ctx context.Context, l *watcher, look func(context.Context, *keyring) error) {
	tick := time.NewTicker(w.Interval)
	defer tick.Stop()
	var ring *keyring
	for ctx.Err() == nil {
		if s := w.Lock.Secrets(); s != nil && (ring == nil || ring.secrets != s) {
			ring = newKeyring(w.Account, s, w.Lock.Header(), w.Clock)
		}
		within, span := w.Tracer.Begin(ctx, l.name)
		err := w.look(within, ring, look)
		span.End(err == nil)
		if errors.Is(err, account.ErrFenced) {
			w.lease.lose()
			return
		}
		if ctx.Err() != nil {
			return
		}
		l.done(w.Clock(), err)
		if err != nil {
			w.Log.WarnContext(ctx, "what waits at the account could not be done; it is tried again", "error", err)
		}
		pause(ctx, breather)
		select {
		case <-l.wake:
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func (w *Watchers) look(ctx context.Context, ring *keyring, look func(context.Context, *keyring) error) error {
	info, err := w.Account.Describe(ctx)
	if err != nil {
		return err
	}
	if len(info.Root) == 0 || ring == nil || ring.secrets.Root() == (keyset.Signer{}) {
		return nil // an account that admits nobody by keys
	}
	if info.ID != ring.secrets.Account() {
		return fmt.Errorf("the account is %s, and the scimsession is of %s", info.ID, ring.secrets.Account())
	}
	return look(ctx, ring)
}

// clear forgets what was found out about people: another bridge is seeing to them.
func (l *watcher) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.faults)
	clear(l.later)
	l.rekeyings = nil
}

func (l *watcher) done(now time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last, l.err = now, err
}

// fault remembers what cannot be done for somebody; an empty text forgets it. It tells whether that is news.
func (l *watcher) fault(id, text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.faults[id] == text {
		return false
	}
	if text == "" {
		delete(l.faults, id)
	} else if len(l.faults) < maxFaults {
		l.faults[id] = text
	}
	return true
}

// rests tells whether a user's mail is not to be tried again yet.
func (l *watcher) rests(user string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return now.Before(l.later[user])
}

// rest lets a user's mail rest until a time; the zero time forgets it.
func (l *watcher) rest(user string, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until.IsZero() {
		delete(l.later, user)
		return
	}
	l.later[user] = until
}

// maxFaults bounds what is remembered; whoever has more has one cause of all.
const maxFaults = 1000

// WatcherState is what a watcher says of itself.
type WatcherState struct {
	Last   time.Time // when it last looked; zero: not yet
	Err    error     // why it could not
	Faults map[string]string
	// Rekeyings are the groups whose newest key is being handed over, and how far that has come.
	Rekeyings []account.Rekeying
}

func (l *watcher) state() WatcherState {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := WatcherState{Last: l.last, Err: l.err, Faults: make(map[string]string, len(l.faults)), Rekeyings: l.rekeyings}
	for id, text := range l.faults {
		s.Faults[id] = text
	}
	return s
}

// Provision is the state of StartProvisionWatcher.
func (w *Watchers) Provision() WatcherState { return w.provision.state() }

// Confirmation is the state of ConfirmationWatcher.
func (w *Watchers) Confirmation() WatcherState { return w.confirm.state() }

// learn reads whom the account's administrators have signed for. What nobody has signed for is noted and not believed.
func (w *Watchers) learn(ctx context.Context, ring *keyring, l *watcher) error {
	bad, err := ring.learn(ctx)
	if err != nil {
		return err
	}
	text := ""
	if bad != nil {
		text = bad.Error()
	}
	if l.fault("trust", text) && bad != nil {
		w.Log.WarnContext(ctx, "statement not believed", "error", bad)
	}
	return nil
}

// startProvision makes keys of groups and links of invitations until nothing is due.
func (w *Watchers) startProvision(ctx context.Context, ring *keyring) error {
	for {
		due, err := w.Account.Due(ctx, "", duePage)
		if err != nil || len(due.Groups)+len(due.Invitations) == 0 {
			return err
		}
		if err := w.learn(ctx, ring, w.provision); err != nil {
			return err
		}
		// Groups first, and by themselves: they get their keys also where no link can be made or delivered.
		if err := w.keyGroups(ctx, ring, due.Groups); err != nil {
			return err
		}
		invited, err := w.invite(ctx, ring, due.Invitations)
		if err != nil {
			return err
		}
		if len(due.Groups)+invited == 0 {
			return nil // what is left waits for the mail server, or for a person
		}
	}
}

func (w *Watchers) keyGroups(ctx context.Context, ring *keyring, groups []account.Group) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	for i := range groups {
		g.Go(func() error { return w.keyGroup(ctx, ring, &groups[i]) })
	}
	return g.Wait()
}

func (w *Watchers) keyGroup(ctx context.Context, ring *keyring, g *account.Group) error {
	key, err := ring.newGroupKey(g.ID, g.Serial+1)
	if err != nil {
		return err
	}
	err = w.Account.KeyGroup(ctx, g.ID, key)
	if errors.Is(err, account.ErrRevision) || errors.Is(err, account.ErrNotFound) {
		return nil // another bridge was faster, or the group is gone
	}
	return err
}

// confirmAll goes through everybody who waits, and says how far new keys of groups have come.
func (w *Watchers) confirmAll(ctx context.Context, ring *keyring) error {
	if err := w.confirmDue(ctx, ring); err != nil {
		return err
	}
	if underWay, _ := w.confirm.rekeyed(); len(underWay) > 0 {
		return w.measure(ctx)
	}
	return nil
}

func (w *Watchers) confirmDue(ctx context.Context, ring *keyring) error {
	for after := ""; ; {
		due, err := w.Account.Due(ctx, after, duePage)
		if err != nil || len(due.People) == 0 {
			return err
		}
		if err := w.learn(ctx, ring, w.confirm); err != nil {
			return err
		}
		if err := w.measureSometimes(ctx, due.People); err != nil {
			return err
		}
		if err := w.admitEach(ctx, ring, due.People); err != nil {
			return err
		}
		after = due.People[len(due.People)-1].UserID
		if len(due.People) < duePage {
			return nil
		}
	}
}

// admitEach confirms several people at once. The workers are few and stay: sealing needs a deep stack, which each has to
// grow first.
func (w *Watchers) admitEach(ctx context.Context, ring *keyring, people []account.Candidate) error {
	g, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(workers, len(people)) {
		g.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(people) {
					return nil
				}
				if err := w.admit(ctx, ring, &people[i]); err != nil {
					return err
				}
			}
		})
	}
	return g.Wait()
}

// admit confirms one person. An error means that the account cannot be reached or fails; whatever concerns the person
// alone is noted and does not keep others waiting.
func (w *Watchers) admit(ctx context.Context, ring *keyring, c *account.Candidate) error {
	keys, err := ring.verify(c)
	if errors.Is(err, errRefused) {
		if w.confirm.fault(c.UserID, err.Error()) {
			w.Log.WarnContext(ctx, "person not confirmed", "user", c.UserID, "reason", err)
		}
		if c.State != account.Accepted {
			return nil
		}
		return w.Account.RefuseAcceptance(ctx, c.UserID, c.Number, err.Error())
	}
	if err != nil {
		return err
	}
	confirmation, err := ring.confirmation(ctx, c, keys)
	if err != nil {
		return err
	}
	err = w.Account.Confirm(ctx, c.UserID, confirmation)
	switch {
	case errors.Is(err, account.ErrRevision):
		w.confirm.poke() // memberships have moved: look again
		return nil
	case errors.Is(err, account.ErrState), errors.Is(err, account.ErrNotFound):
		return nil // suspended or released in the meantime
	case err != nil:
		return err
	}
	note := ""
	switch {
	case len(confirmation.Refused) > 0:
		note = fmt.Sprintf("%d memberships that nobody who may has signed were not given keys", len(confirmation.Refused))
	case len(confirmation.Withheld) > 0:
		note = fmt.Sprintf("the keys of %d groups are missing, since the integration was never given them", len(confirmation.Withheld))
	}
	if w.confirm.fault(c.UserID, note) && note != "" {
		w.Log.WarnContext(ctx, "keys not handed over", "user", c.UserID, "reason", note)
	}
	if c.State == account.Accepted {
		w.Log.InfoContext(ctx, "person confirmed", "user", c.UserID, "groups", len(confirmation.Grants))
	}
	return nil
}
