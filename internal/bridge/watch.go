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
)

// Mail is an invitation to be sent.
type Mail struct {
	AccountName   string
	Account, User string // ids
	Number        int    // the same account, user and number are the same mail
	To            string
	Name          string
	Language      string // BCP 47, as the identity provider says it
	Link          string
	Expires       time.Time
}

// ErrUndeliverable means that a mail cannot be delivered, however often it is sent.
var ErrUndeliverable = errors.New("the invitation cannot be delivered")

// Mailer sends invitations.
type Mailer interface {
	// Send hands a mail over to a mail server. The same mail may be sent twice; then it is recognisable as the same.
	// ErrUndeliverable; other errors pass.
	Send(ctx context.Context, m Mail) error
}

// WatcherConfig is what NewWatchers needs.
type WatcherConfig struct {
	Account Admission
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
	Clock  func() time.Time
	Log    *slog.Logger
}

// Watchers do what waits at the account without anybody asking: StartProvisionWatcher makes the links of invitations
// and the keys of groups, ConfirmationWatcher confirms people and hands them the keys of their groups. They begin when
// the lock opens, are woken by every change of the account, and look by themselves at intervals. Several bridges may do
// the same work at once: whatever they do is done once.
type Watchers struct {
	WatcherConfig
	provision, confirm *watcher
}

// watcher is one loop and what it says of itself.
type watcher struct {
	wake chan struct{}

	mu     sync.Mutex // guards what follows
	last   time.Time  // when it last looked
	err    error      // of the last look
	faults map[string]string
	later  map[string]time.Time // users whose mail could not be sent, and when it is tried again
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
	w := func() *watcher {
		return &watcher{wake: make(chan struct{}, 1), faults: map[string]string{}, later: map[string]time.Time{}}
	}
	return &Watchers{WatcherConfig: c, provision: w(), confirm: w()}
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
	g.Go(func() { w.follow(ctx) })
	g.Go(func() { w.loop(ctx, w.provision, w.startProvision) })
	g.Go(func() { w.loop(ctx, w.confirm, w.confirmAll) })
	g.Go(func() { w.report(ctx) })
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
		err := w.look(ctx, ring, look)
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
}

func (l *watcher) state() WatcherState {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := WatcherState{Last: l.last, Err: l.err, Faults: make(map[string]string, len(l.faults))}
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
		var done atomic.Int64
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(workers)
		for i := range due.Groups {
			g.Go(func() error {
				done.Add(1)
				return w.keyGroup(ctx, ring, &due.Groups[i])
			})
		}
		g.Go(func() error {
			n, err := w.invite(ctx, ring, due.Invitations)
			done.Add(int64(n))
			return err
		})
		if err := g.Wait(); err != nil {
			return err
		}
		if done.Load() == 0 {
			return nil // what is left waits for the mail server, or for a person
		}
	}
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

// letter is an invitation with its link.
type letter struct {
	*account.InvitationRow
	link string
}

// invite makes the links of invitations, all of them with one change of the account, and sees to their delivery. It
// tells how much was done.
func (w *Watchers) invite(ctx context.Context, ring *keyring, list []account.InvitationRow) (done int, err error) {
	if len(list) == 0 {
		return 0, nil
	}
	origin := w.Origin()
	if origin == "" {
		return 0, errors.New("it is not known under which address people reach the account: set OP_PUBLIC_URL")
	}
	var openings []account.Opening
	var letters []letter
	for i := range list {
		row := &list[i]
		invitation, ok, err := w.invitation(ctx, ring, row)
		if err != nil {
			return done, err
		}
		if !ok {
			continue
		}
		letters = append(letters, letter{row, invitation.Link(origin)})
		if row.State == account.InvitationDue {
			commitment := invitation.Commitment()
			o := account.Opening{User: row.UserID, Number: row.Number, Generation: ring.secrets.Generation(), Commitment: commitment[:]}
			if w.Mailer == nil {
				o.Link = letters[len(letters)-1].link
			}
			openings = append(openings, o)
		}
	}
	open := map[string]bool{}
	if len(openings) > 0 {
		users, err := w.Account.OpenInvitations(ctx, openings)
		if err != nil {
			return done, err
		}
		for _, user := range users {
			open[user] = true
		}
	}
	done += len(openings)
	if w.Mailer == nil {
		return done, nil
	}
	return w.post(ctx, letters, open, done)
}

// invitation makes the invitation that a row is of. ok is false where there is none to be made; a row for whose address
// nobody has asked is refused.
func (w *Watchers) invitation(ctx context.Context, ring *keyring, i *account.InvitationRow) (invitation keyset.Invitation, ok bool, err error) {
	id := ring.secrets.Account()
	if !ring.proves(i.Evidence, keyset.InviteeClaim{Account: id, User: i.UserID, Email: i.Email}) {
		if i.State != account.InvitationDue {
			return invitation, false, nil
		}
		const reason = "no identity provider has asked for this address; change the person there once more"
		w.Log.WarnContext(ctx, "invitation refused", "user", i.UserID, "reason", reason)
		return invitation, false, w.Account.RefuseAcceptance(ctx, i.UserID, i.Number, reason)
	}
	generation := ring.secrets.Generation()
	if i.State == account.InvitationOpen {
		generation = i.Generation
	}
	invitation, err = ring.secrets.Invitation(generation, keyset.Invited{Account: id, User: i.UserID, Email: i.Email, Number: i.Number})
	if errors.Is(err, keyset.ErrKeyGone) {
		return invitation, false, nil // the account makes it due again when credentials are replaced
	}
	if err != nil {
		w.provision.fault(i.UserID, "no link can be made: "+err.Error())
		return invitation, false, nil
	}
	return invitation, true, nil
}

// post sends the letters whose links work, several at once. It tells how much was done.
func (w *Watchers) post(ctx context.Context, letters []letter, open map[string]bool, done int) (int, error) {
	var sent atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	for _, l := range letters {
		if l.State == account.InvitationDue && !open[l.UserID] || l.State == account.InvitationOpen && w.provision.rests(l.UserID, w.Clock()) {
			continue
		}
		g.Go(func() error {
			ok, err := w.send(ctx, l.InvitationRow, l.link)
			if ok {
				sent.Add(1)
			}
			return err
		})
	}
	err := g.Wait()
	return done + int(sent.Load()), err
}

// invitationLife is how long the account lets a link live, for the mail to say so.
const invitationLife = 5 * 24 * time.Hour

func (w *Watchers) send(ctx context.Context, i *account.InvitationRow, link string) (bool, error) {
	info, err := w.Account.Describe(ctx)
	if err != nil {
		return false, err
	}
	expires := i.Expires
	if expires.IsZero() {
		expires = w.Clock().Add(invitationLife)
	}
	err = w.Mailer.Send(ctx, Mail{
		AccountName: info.Name, Account: info.ID, User: i.UserID, Number: i.Number, To: i.Email, Name: i.Name, Language: i.Language, Link: link, Expires: expires,
	})
	if errors.Is(err, ErrUndeliverable) {
		w.Log.WarnContext(ctx, "invitation not sent", "user", i.UserID, "error", err)
		return true, w.Account.RefuseAcceptance(ctx, i.UserID, i.Number, err.Error())
	}
	if err != nil {
		if w.provision.fault(i.UserID, "the invitation could not be mailed: "+err.Error()) {
			w.Log.WarnContext(ctx, "invitation not sent", "user", i.UserID, "error", err)
		}
		w.provision.rest(i.UserID, w.Clock().Add(w.Interval))
		return false, nil
	}
	w.provision.fault(i.UserID, "")
	w.provision.rest(i.UserID, time.Time{})
	return true, w.Account.InvitationSent(ctx, i.UserID, i.Number)
}

// confirmAll goes through everybody who waits.
func (w *Watchers) confirmAll(ctx context.Context, ring *keyring) error {
	for after := ""; ; {
		due, err := w.Account.Due(ctx, after, duePage)
		if err != nil || len(due.People) == 0 {
			return err
		}
		if err := w.learn(ctx, ring, w.confirm); err != nil {
			return err
		}
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(workers)
		for i := range due.People {
			g.Go(func() error { return w.admit(ctx, ring, &due.People[i]) })
		}
		if err := g.Wait(); err != nil {
			return err
		}
		after = due.People[len(due.People)-1].UserID
		if len(due.People) < duePage {
			return nil
		}
	}
}

// admit confirms one person. An error means that the account cannot be reached or fails; whatever concerns the person
// alone is noted and does not keep others waiting.
func (w *Watchers) admit(ctx context.Context, ring *keyring, c *account.Candidate) error {
	public, err := ring.verify(c)
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
	confirmation, err := ring.confirmation(ctx, c, public)
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
