package bridge_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/bridge"
	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/internal/server/scimapi"
	"github.com/scimbridge/scimbridge/internal/store/sqlite"
	"github.com/scimbridge/scimbridge/scim/schema"
)

// site is an account with keys, and a bridge that drives it with its watchers at work.
type site struct {
	*client
	service *account.Service
	account string // id
	owner   *keyset.Keyset
	owners  keyset.Key // the group
	// ownersKeys open what is granted to the owners.
	ownersKeys  *keyset.Keyset
	integration keyset.Key
	bridge      *keyset.Keyset
	lock        *bridge.Lock
	watch       *bridge.Watchers
	nowhere     atomic.Bool // it is not known where people reach the account
	log         lines       // of the watchers
}

// lines is a log that is written and read at once.
type lines struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newID(t testing.TB) string {
	t.Helper()
	text, err := account.NewID(time.Now(), rand.Reader)
	ok(t, err)
	return text
}

func newKeys(t testing.TB) (keyset.Seed, *keyset.Keyset) {
	t.Helper()
	seed, err := keyset.NewSeed(rand.Reader)
	ok(t, err)
	k, err := seed.Keyset()
	ok(t, err)
	return seed, k
}

func attestation(k *keyset.Keyset, c keyset.Claim) []byte {
	return keyset.EncodeAttestation(keyset.Attestation{Claim: c, Signer: k.Signer(), Signature: k.Sign(c)})
}

// openSite makes the account, its owner, the integration's first credentials, and starts the watchers. What the
// watchers see of the account goes through a function, if there is one.
func openSite(t *testing.T, through func(bridge.Admission) bridge.Admission) *site {
	t.Helper()
	return openSiteWith(t, through, nil)
}

func openSiteWith(t *testing.T, through func(bridge.Admission) bridge.Admission, mailer bridge.Mailer) *site {
	t.Helper()
	s := closedSite(t)
	admission := bridge.Admission(s.service)
	if through != nil {
		admission = through(admission)
	}
	s.watch, _ = s.start(t, bridge.WatcherConfig{Account: admission, Mailer: mailer})
	return s
}

// start lets watchers run until the test ends, or the function that is returned is called.
func (s *site) start(t *testing.T, c bridge.WatcherConfig) (w *bridge.Watchers, stop func()) {
	t.Helper()
	c.Lock, c.Origin, c.Interval, c.Clock = s.lock, s.origin, time.Minute, time.Now
	c.Version, c.Client, c.Log = "test", func() string { return "tester" }, slog.New(slog.NewTextHandler(&s.log, nil))
	w = bridge.NewWatchers(c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return w, stop
}

// closedSite is a site whose watchers have not been started.
func closedSite(t *testing.T) *site {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "account.db"))
	ok(t, err)
	t.Cleanup(func() { ok(t, store.Close()) })
	s := &site{service: account.New(account.Config{Store: store}), account: newID(t)}
	ownersSeed := s.found(t)
	s.lock = s.issue(t, ownersSeed)
	types := schema.Standard()
	h := scimapi.New(scimapi.Config{
		Provider: bridge.New(bridge.Config{Account: s.service, Types: types, Lock: s.lock}),
		Guard:    func(*http.Request, bool) error { return nil }, Log: slog.New(slog.DiscardHandler),
	})
	s.client = &client{t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.Serve(w, r, "http://example.com/scim/v2", segments(r.URL.Path))
	})}
	return s
}

func (s *site) origin() string {
	if s.nowhere.Load() {
		return ""
	}
	return "https://account.example"
}

func (s *site) found(t testing.TB) (ownersSeed keyset.Seed) {
	t.Helper()
	_, s.owner = newKeys(t)
	ownerID := newID(t)
	root := s.owner.Signer()
	f := &account.FoundingKeys{Account: s.account, Root: root[:], OwnerID: ownerID, Owner: account.PersonKeys{
		Serial: 1, Public: s.owner.Public().Bytes(), Sealed: []byte("sealed"), SignIn: []byte("sign-in"),
		Attestation: attestation(s.owner, keyset.AdministratorClaim{Account: s.account, User: ownerID, Serial: 1, Public: s.owner.Public()}),
	}}
	for i := range f.Groups {
		seed, keys := newKeys(t)
		id := newID(t)
		claim := keyset.Claim(keyset.GroupKeyClaim{Account: s.account, Group: id, Serial: 1, Public: keys.Public()})
		if i == 0 {
			ownersSeed, s.ownersKeys, s.owners = seed, keys, keyset.Key{Kind: keyset.GroupKey, ID: id, Serial: 1}
			claim = keyset.OwnersClaim{Account: s.account, Group: id, Serial: 1, Public: keys.Public()}
		}
		f.Groups[i] = account.FoundingGroup{ID: id, Key: account.GroupKey{Serial: 1, Attestation: attestation(s.owner, claim)}}
	}
	_, err := s.service.Found(t.Context(), account.Founding{Name: "Example", Owner: "Olive", UserName: "olive@example.com", Keys: f})
	ok(t, err)
	return ownersSeed
}

func (s *site) issue(t testing.TB, ownersSeed keyset.Seed) *bridge.Lock {
	t.Helper()
	s.integration = keyset.Key{Kind: keyset.IntegrationKey, ID: newID(t), Serial: 1}
	var seed keyset.Seed
	seed, s.bridge = newKeys(t)
	ok(t, s.service.AddGeneration(t.Context(), account.NewGeneration{Generation: account.Generation{
		Number: 1, Integration: s.integration.ID, Signer: []byte("signer"),
		Attestation: attestation(s.owner, keyset.GenerationClaim{Account: s.account, Integration: s.integration.ID, Generation: 1, Public: s.bridge.Public()}),
	}}))
	invitation, err := ownersSeed.InvitationKey(s.account, s.integration.ID, 1)
	ok(t, err)
	token, err := keyset.NewToken(rand.Reader)
	ok(t, err)
	raw, err := keyset.Seal(keyset.Header{Account: s.account, Integration: s.integration.ID, Generation: 1, Created: time.Now(), Root: s.owner.Signer()},
		token, keyset.Material{Seed: seed, Invitation: invitation}, nil, time.Time{}, rand.Reader)
	ok(t, err)
	session, err := keyset.ParseSession(raw)
	ok(t, err)
	lock := bridge.NewLock(session, time.Now)
	ok(t, lock.Present(token.Reveal()))
	return lock
}

// until waits for a condition.
func until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	const patience = 20 * time.Second
	deadline := time.Now().Add(patience)
	for tick := time.NewTicker(5 * time.Millisecond); !condition(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come about", what)
		}
	}
}

// link waits for a person's invitation.
func (s *site) link(t testing.TB, user string) keyset.Invitation {
	t.Helper()
	var text string
	until(t, "an invitation", func() bool {
		list, err := s.service.Outbox(t.Context(), 1000)
		ok(t, err)
		for _, i := range list {
			if i.UserID == user {
				text = i.Link
			}
		}
		return text != ""
	})
	_, i, err := keyset.ParseLink(text)
	ok(t, err)
	return i
}

// accept accepts an invitation with new keys.
func (s *site) accept(t testing.TB, i keyset.Invitation) *keyset.Keyset {
	t.Helper()
	_, keys := newKeys(t)
	ok(t, s.service.Accept(t.Context(), i.User(), i.Number(), access(i), s.proposal(t, i, keys)))
	return keys
}

func access(i keyset.Invitation) []byte {
	a := i.Access()
	return a[:]
}

func (s *site) proposal(t testing.TB, i keyset.Invitation, keys *keyset.Keyset) account.Proposal {
	t.Helper()
	j, err := s.service.Join(t.Context(), i.User(), i.Number(), access(i))
	ok(t, err)
	proof := i.Proof(j.Email, keys.Public())
	return account.Proposal{
		Keys:       account.PersonKeys{Public: keys.Public().Bytes(), Sealed: []byte("sealed"), SignIn: []byte("sign-in")},
		Possession: keys.Sign(keyset.PossessionClaim{Account: s.account, User: i.User(), Email: j.Email, Number: i.Number(), Public: keys.Public()}),
		Proof:      proof[:],
	}
}

// state is a person's.
func (s *site) state(t testing.TB, user string) account.State {
	t.Helper()
	u, err := s.service.Person(t.Context(), user)
	ok(t, err)
	return u.State
}

// opens tells whether somebody has been granted the newest key of a group, and it is the group's.
func (s *site) opens(t testing.TB, group, holder string, kind account.HolderKind, keys *keyset.Keyset) bool {
	t.Helper()
	grants, err := s.service.GrantsOf(t.Context(), group, account.Holder{Kind: kind, ID: holder, Serial: 1})
	ok(t, err)
	attested, err := s.service.GroupKeys(t.Context(), group)
	ok(t, err)
	if len(grants) == 0 || len(attested) == 0 {
		return false
	}
	g := grants[len(grants)-1]
	me := keyset.Key{Kind: keyset.Kind(kind), ID: holder, Serial: 1}
	seed, err := keys.OpenGrant(g.Sealed, s.account, keyset.Key{Kind: keyset.GroupKey, ID: group, Serial: g.Serial}, me, func(by keyset.Signer) bool { return by == s.bridge.Signer() })
	ok(t, err)
	pair, err := seed.Keyset()
	ok(t, err)
	a, err := keyset.ParseAttestation(attested[len(attested)-1])
	ok(t, err)
	return a.Claim == keyset.Claim(keyset.GroupKeyClaim{Account: s.account, Group: group, Serial: g.Serial, Public: pair.Public()})
}

// member waits for a person to hold a group's key.
func (s *site) member(t testing.TB, group, user string, keys *keyset.Keyset) {
	t.Helper()
	until(t, "a grant", func() bool { return s.opens(t, group, user, account.UserHolder, keys) })
}
