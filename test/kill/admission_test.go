package kill_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accountapi"
	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/internal/store/postgres"
	"github.com/scimbridge/scimbridge/internal/store/postgrestest"
	"github.com/scimbridge/scimbridge/test/program"
)

// TestKillAdmission kills the account service, the bridge or both while people are provisioned, accept, are confirmed,
// suspended and removed. What was asked for comes about all the same, once: 3 rounds of 100 people, 20 of 500 with
// SCIMBRIDGE_SOAK=1. In SQLite the account service mails the invitations, in PostgreSQL the bridge.
func TestKillAdmission(t *testing.T) {
	t.Parallel()
	rounds, people := 3, 100
	if os.Getenv("SCIMBRIDGE_SOAK") != "" {
		rounds, people = 20, 500
	}
	for _, store := range []string{"SQLite", "PostgreSQL"} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			database := ""
			if store == "PostgreSQL" {
				database = postgrestest.Empty(t)
			}
			for round := range rounds {
				t.Run(fmt.Sprint(round), func(t *testing.T) { openSite(t, database).round(t, people) })
			}
		})
	}
}

// site is an account service and a bridge, as processes of their own.
type site struct {
	dir, url, bridgeURL string
	store               []string         // flags that say where the account is
	service             *account.Service // in the database; nil: by the process's socket
	env, accountEnv     []string
	token               string
	account, bridge     *program.Process
	mail                *mailbox
	kills               int

	mu   sync.Mutex // guards what follows
	keys map[string]*keyset.Keyset
	ids  map[string]string // by user name
}

func openSite(t *testing.T, database string) *site {
	t.Helper()
	dir, err := os.MkdirTemp("", "kill") // short, for the socket
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	s := &site{dir: dir, mail: openMailbox(t), keys: map[string]*keyset.Keyset{}, ids: map[string]string{}, store: []string{"--data", dir}}
	address, err := program.Address()
	must(t, err)
	s.url = "http://" + address
	if address, err = program.Address(); err != nil {
		t.Fatal(err)
	}
	s.bridgeURL = "http://" + address
	must(t, os.WriteFile(filepath.Join(dir, "password"), []byte("the owner's password\n"), 0o600))
	args := []string{"credentials", "new", "--data", dir, "--owner", "owner@example.com", "--kit", filepath.Join(dir, "kit"), "--password-file", filepath.Join(dir, "password"), "--url", s.url, "--out", filepath.Join(dir, "session"), "--token-file", filepath.Join(dir, "secret")}
	if database != "" {
		args = append(args, "--database-url", database, "--another")
	}
	if out, errs, code := program.Run(t, args...); code != 0 {
		t.Fatal(out, errs)
	}
	if database != "" {
		kit, err := os.ReadFile(filepath.Join(dir, "kit"))
		must(t, err)
		k, err := keyset.ParseKit(string(kit))
		must(t, err)
		s.store = []string{"--database-url", database, "--account-id", k.Account}
		db, err := postgres.Open(t.Context(), database)
		must(t, err)
		t.Cleanup(func() { must(t, db.Close()) })
		s.service = account.New(account.Config{Store: db.Account(k.Account)})
	}
	token, err := os.ReadFile(filepath.Join(dir, "secret"))
	must(t, err)
	s.token = strings.TrimSpace(string(token))
	s.env = []string{"OP_SESSION=" + filepath.Join(dir, "session"), "OP_UNLOCK_TOKEN_FILE=" + filepath.Join(dir, "secret")}
	if database != "" {
		s.env = append(s.env, s.mail.env()...)
	} else {
		s.accountEnv = s.mail.env()
	}
	s.startAccount(t)
	s.startBridge(t)
	return s
}

func (s *site) startAccount(t *testing.T) {
	t.Helper()
	s.account = program.Launch(t, s.accountEnv, append([]string{"account", "serve", "--listen", strings.TrimPrefix(s.url, "http://")}, s.store...)...)
}

func (s *site) startBridge(t *testing.T) {
	t.Helper()
	s.bridge = program.Launch(t, s.env, "serve", "--listen", strings.TrimPrefix(s.bridgeURL, "http://"))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// patience is how long something may take to come about while processes are killed.
const patience = 4 * time.Minute

// until tries until it succeeds.
func until(ctx context.Context, try func() error) error {
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w, last %w", ctx.Err(), err)
		}
	}
}

func (s *site) round(t *testing.T, people int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var group string
	must(t, until(ctx, func() error {
		var err error
		group, err = s.scim("POST", "/Groups", `{"displayName":"Crew"}`, "/Groups?filter=displayName+eq+%22Crew%22")
		return err
	}))
	var done atomic.Int64
	errs := make(chan error, people)
	var g sync.WaitGroup
	gate := make(chan struct{}, clients)
	for n := range people {
		g.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			errs <- s.admit(ctx, group, n, &done)
		})
	}
	finished := make(chan struct{})
	go func() {
		g.Wait()
		close(finished)
	}()
	s.killAtRandom(t, ctx, people, &done, finished)
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	s.check(ctx, t, group, people)
	s.bridge.Kill()
	s.account.Kill()
	if out, errs, code := program.Run(t, append([]string{"account", "verify"}, s.store...)...); code != 0 {
		t.Errorf("the log: %s%s", out, errs)
	}
	s.mail.mu.Lock()
	defer s.mail.mu.Unlock()
	for _, wrong := range s.mail.wrong {
		t.Error(wrong)
	}
	t.Logf("%d people, killed %d times; %d invitations mailed, %d of them more than once", people, s.kills, len(s.mail.letters), s.mail.copies)
}

// killAtRandom kills one process or both whenever some more steps have been made, and starts them again.
func (s *site) killAtRandom(t *testing.T, ctx context.Context, people int, done *atomic.Int64, finished chan struct{}) {
	t.Helper()
	const steps = 3 // of a person: provisioned, accepted, confirmed
	next := int64(1)
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		select {
		case <-finished:
			return
		case <-ctx.Done(): // everybody says soon what he or she has waited for
			<-finished
			return
		case <-tick.C:
		}
		if done.Load() < next {
			continue
		}
		next = done.Load() + 1 + mathrand.Int64N(int64(people*steps)/4) //nolint:gosec // a random point, not a secret
		s.kills++
		switch mathrand.IntN(3) { //nolint:gosec // likewise
		case 0:
			s.bridge.Kill()
		case 1:
			s.account.Kill()
			s.startAccount(t)
			continue
		default:
			s.account.Kill()
			s.bridge.Kill()
			s.startAccount(t)
		}
		s.startBridge(t)
	}
}

// scim makes something, or finds what was made by a call whose answer was lost.
func (s *site) scim(method, path, body, find string) (string, error) {
	p := &program.Process{SCIM: s.bridgeURL + "/scim/v2", Token: s.token}
	status, text, _, err := p.Do(method, path, body)
	if err == nil && status == 409 {
		status, text, _, err = p.Do("GET", find, "")
		var list struct{ Resources []struct{ ID string } }
		if err == nil && json.Unmarshal([]byte(text), &list) == nil && len(list.Resources) == 1 {
			return list.Resources[0].ID, nil
		}
	}
	if err != nil {
		return "", err
	}
	if status/100 != 2 {
		return "", fmt.Errorf("%s %s: %d %s", method, path, status, text)
	}
	if text == "" {
		return "", nil
	}
	var r struct{ ID string }
	err = json.Unmarshal([]byte(text), &r)
	return r.ID, err
}

// plan is what the identity provider and the person want.
type plan struct {
	member, joins   bool
	suspended, left bool // in the end
}

func planOf(n int) plan {
	p := plan{member: n%2 == 0, joins: n%5 != 4, suspended: n%7 == 3}
	p.left = p.member && n%6 == 4
	return p
}

// state is where somebody is in the end.
func (p plan) state() account.State {
	switch {
	case p.joins && p.suspended:
		return account.Suspended
	case p.joins:
		return account.Active
	case p.suspended:
		return account.InviteSuspended
	}
	return account.Invited
}

func (s *site) admit(ctx context.Context, group string, n int, done *atomic.Int64) error {
	name, p := fmt.Sprintf("p%d@example.com", n), planOf(n)
	var id string
	if err := until(ctx, func() (err error) {
		id, err = s.scim("POST", "/Users", fmt.Sprintf(`{"userName":%q,"externalId":%q}`, name, name), "/Users?filter=userName+eq+%22"+name+"%22")
		return err
	}); err != nil {
		return err
	}
	patch := func(path, operation string) error {
		return until(ctx, func() error {
			_, err := s.scim("PATCH", path+"?attributes=id", `{"Operations":[`+operation+`]}`, "")
			return err
		})
	}
	if p.member {
		if err := patch("/Groups/"+group, fmt.Sprintf(`{"op":"add","path":"members","value":[{"value":%q}]}`, id)); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.ids[name] = id
	s.mu.Unlock()
	done.Add(1)
	if p.joins {
		if err := s.join(ctx, id); err != nil {
			return fmt.Errorf("%s joins: %w", name, err)
		}
		done.Add(1)
		if err := until(ctx, func() error { return s.is(ctx, id, account.Active) }); err != nil {
			return fmt.Errorf("%s waits: %w", name, err)
		}
		done.Add(1)
	}
	if p.suspended {
		if err := patch("/Users/"+id, `{"op":"replace","path":"active","value":false}`); err != nil {
			return err
		}
	}
	if p.left {
		return patch("/Groups/"+group, fmt.Sprintf(`{"op":"remove","path":"members[value eq \"%s\"]"}`, id))
	}
	return nil
}

func (s *site) is(ctx context.Context, id string, want account.State) error {
	return s.administer(ctx, func(a administrator) error {
		u, err := a.Person(ctx, id)
		if err == nil && u.State != want {
			err = fmt.Errorf("%s is %s", id, u.State)
		}
		return err
	})
}

// administrator reads what the test looks at.
type administrator interface {
	Describe(ctx context.Context) (account.Info, error)
	Person(ctx context.Context, idOrName string) (account.User, error)
	Trust(ctx context.Context) ([][]byte, error)
	GroupKeys(ctx context.Context, group string) ([][]byte, error)
	GrantsOf(ctx context.Context, group string, to account.Holder) ([]account.Grant, error)
	Rekeyings(ctx context.Context, after string, limit int) ([]account.Rekeying, error)
	SetPolicy(ctx context.Context, p account.Policy) error
}

func (s *site) administer(ctx context.Context, act func(administrator) error) error {
	if s.service != nil {
		return act(s.service)
	}
	c, err := accountapi.Dial(ctx, filepath.Join(s.dir, "admin.sock"))
	if err != nil {
		return err
	}
	defer c.Close()
	return act(c)
}

// join waits for a person's link and accepts with keys, without a password, which would take long.
func (s *site) join(ctx context.Context, id string) error {
	seed, err := keyset.NewSeed(rand.Reader)
	if err != nil {
		return err
	}
	keys, err := seed.Keyset()
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.keys[id] = keys
	s.mu.Unlock()
	client, err := accountapi.NewPerson(accountapi.PersonConfig{URL: s.url})
	if err != nil {
		return err
	}
	defer client.Close()
	return until(ctx, func() error {
		i, err := s.mail.invitation(id)
		if err != nil {
			return err
		}
		j, err := client.Join(ctx, i)
		if err != nil {
			return s.accepted(ctx, id, err)
		}
		public := keys.Public()
		proof := i.Proof(j.Email, public)
		err = client.Accept(ctx, i, account.Proposal{
			Keys:       account.PersonKeys{Public: public.Bytes(), Sealed: []byte("sealed"), SignIn: make([]byte, len(keyset.Signer{}))},
			Possession: keys.Sign(keyset.PossessionClaim{Account: j.Account, User: id, Email: j.Email, Number: i.Number(), Public: public}), Proof: proof[:],
		})
		return err
	})
}

// accepted is nil where the answer to an acceptance was lost and it has come about.
func (s *site) accepted(ctx context.Context, id string, err error) error {
	state := account.State("")
	if readErr := s.administer(ctx, func(a administrator) error {
		u, err := a.Person(ctx, id)
		state = u.State
		return err
	}); readErr == nil && (state == account.Accepted || state == account.Active) {
		return nil
	}
	return err
}

// check looks whether everybody is where the identity provider and the person wanted, and holds the keys of that.
func (s *site) check(ctx context.Context, t *testing.T, group string, people int) {
	t.Helper()
	must(t, until(ctx, func() error {
		return s.administer(ctx, func(a administrator) error { return s.checkAll(ctx, t, a, group, people) })
	}))
}

func (s *site) checkAll(ctx context.Context, t *testing.T, a administrator, group string, people int) error {
	info, err := a.Describe(ctx)
	if err != nil {
		return err
	}
	trust := keyset.NewTrust(info.ID, keyset.Signer(info.Root))
	for _, read := range []func() ([][]byte, error){
		func() ([][]byte, error) { return a.Trust(ctx) }, func() ([][]byte, error) { return a.GroupKeys(ctx, group) },
	} {
		raw, err := read()
		if err != nil {
			return err
		}
		for _, b := range raw {
			at, err := keyset.ParseAttestation(b)
			must(t, err)
			must(t, trust.Learn([]keyset.Attestation{at}))
		}
	}
	if _, again := trust.GroupKey(group, 2); again {
		t.Error("the group was given two keys")
	}
	if len(s.ids) != people {
		t.Fatalf("%d people of %d", len(s.ids), people)
	}
	for n := range people {
		p, id := planOf(n), s.ids[fmt.Sprintf("p%d@example.com", n)]
		u, err := a.Person(ctx, id)
		if err != nil {
			return err
		}
		in := p.member && !p.left
		if u.State != p.state() || (len(u.Groups) == 1) != in {
			t.Errorf("person %d is %s in %d groups, and ought to be %s", n, u.State, len(u.Groups), p.state())
		}
		if _, err := s.mail.invitation(id); err != nil && p.state() == account.Invited {
			return err // it comes
		}
		grants, err := a.GrantsOf(ctx, group, account.Holder{Kind: account.UserHolder, ID: id, Serial: 1})
		if err != nil {
			return err
		}
		if len(grants) == 0 && in && p.joins {
			return fmt.Errorf("person %d waits for the key of the group", n) // the watcher comes
		}
		if len(grants) > 0 && !(in && p.joins) || len(grants) > 1 {
			t.Errorf("person %d holds %d grants", n, len(grants))
		}
		for _, g := range grants {
			seed, err := s.keys[id].OpenGrant(g.Sealed, info.ID, keyset.Key{Kind: keyset.GroupKey, ID: group, Serial: g.Serial}, keyset.Key{Kind: keyset.UserKey, ID: id, Serial: 1}, trust.MaySign)
			must(t, err)
			pair, err := seed.Keyset()
			must(t, err)
			if public, ok := trust.GroupKey(group, g.Serial); !ok || public != pair.Public() {
				t.Errorf("person %d was handed another key than the group's", n)
			}
		}
	}
	return nil
}
