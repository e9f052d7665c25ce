package fault_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accountapi"
	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/internal/redis/redistest"
	"github.com/scimbridge/scimbridge/internal/store/postgres"
	"github.com/scimbridge/scimbridge/internal/store/postgrestest"
	"github.com/scimbridge/scimbridge/test/program"
)

// site is everything that runs: three bridges behind a balancer, an account service, PostgreSQL and Redis, with links
// between them, and an identity provider at work.
type site struct {
	whole   *testing.T // ends the processes
	t       *testing.T // of the round
	dir     string
	token   string
	id      string           // of the account
	service *account.Service // in the database, past all links

	postgres *postgrestest.Server
	redis    *redistest.Server
	account  *program.Process
	bridges  []*bridge

	database       string // as the account service reaches it
	accountAddress string
	toAccount      *link
	toRedis        *link
	toPostgres     *link

	balancer *balancer
	workers  []*worker
	gate     sync.RWMutex // held for writing while the workers stand still
	tally    atomic.Pointer[tally]
	probed   person // whom the test itself changes, at each bridge
	entries  int64  // of the activity log that have been looked at
	seenMade map[string]bool
	joined   []*joiner

	mu       sync.Mutex         // guards launched
	launched []*program.Process // bridges
	victims  []*bridge          // that the fault is about
	lasts    time.Duration      // how long a fault does at least
	filling  func()             // ends the filling of the disk
}

// bridge is one of the bridges.
type bridge struct {
	n       int
	address string
	process *program.Process
	pid     atomic.Int64
}

const (
	bridges = 3
	workers = 4
	// pace is how fast a worker is at most: together they keep a machine busy, and do not choke it.
	pace = 25 * time.Millisecond
	// disk is the size of the disk of PostgreSQL: what the longest run writes, several times.
	disk = 512 << 20
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func openSite(t *testing.T) *site {
	t.Helper()
	s := &site{whole: t, t: t, postgres: postgrestest.Start(t, postgrestest.Options{Disk: disk}), redis: redistest.Start(t, redistest.Options{}), seenMade: map[string]bool{}}
	s.tally.Store(&tally{})
	var err error
	s.dir, err = os.MkdirTemp("", "fault")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(s.dir)) })
	var addresses []string
	for n := range bridges {
		address, err := program.Address()
		must(t, err)
		s.bridges = append(s.bridges, &bridge{n: n + 1, address: address})
		addresses = append(addresses, address)
	}
	s.accountAddress, err = program.Address()
	must(t, err)
	s.toPostgres = openLink(t, func() (net.Conn, error) { return net.Dial("unix", s.postgres.Socket()) }, nil)
	s.toRedis = openLink(t, func() (net.Conn, error) { return net.Dial("tcp", s.redis.Address()) }, nil)
	s.toAccount = openLink(t, func() (net.Conn, error) { return net.Dial("tcp", s.accountAddress) }, s.pids)
	s.found(s.postgres.New(t))
	s.startAccount("")
	for _, b := range s.bridges {
		s.startBridge(b, "")
	}
	s.balancer = openBalancer(t, addresses)
	return s
}

func (s *site) file(name string) string { return filepath.Join(s.dir, name) }

// found makes the account and its credentials.
func (s *site) found(database string) {
	s.t.Helper()
	s.database = "postgres://postgres@" + s.toPostgres.address() + "/" + databaseName(s.t, database) + "?sslmode=disable"
	must(s.t, os.WriteFile(s.file("password"), []byte("the owner's password\n"), 0o600))
	if out, errs, code := program.Run(s.t, "credentials", "new", "--owner", "owner@example.com", "--kit", s.file("kit"), "--password-file", s.file("password"),
		"--url", "http://"+s.toAccount.address(), "--out", s.file("session"), "--token-file", s.file("token"), "--database-url", database, "--data", s.dir); code != 0 {
		s.t.Fatal(out, errs)
	}
	kit, err := os.ReadFile(s.file("kit"))
	must(s.t, err)
	k, err := keyset.ParseKit(string(kit))
	must(s.t, err)
	s.id = k.Account
	token, err := os.ReadFile(s.file("token"))
	must(s.t, err)
	s.token = strings.TrimSpace(string(token))
	db, err := postgres.Open(s.t.Context(), database)
	must(s.t, err)
	s.t.Cleanup(func() { must(s.t, db.Close()) })
	s.service = account.New(account.Config{Store: db.Account(s.id)})
}

func databaseName(t *testing.T, text string) string {
	t.Helper()
	u, err := url.Parse(text)
	must(t, err)
	return strings.TrimPrefix(u.Path, "/")
}

// clockVariable sets the clock of a process wrong, in the build that TestMain asks for.
func clockVariable(offset string) string { return "SCIMBRIDGE_CLOCK_OFFSET=" + offset }

func (s *site) startAccount(offset string) {
	s.t.Helper()
	s.account = program.Launch(s.whole, []string{clockVariable(offset)}, "account", "serve", "--listen", s.accountAddress, "--public-url", "http://"+s.toAccount.address(),
		"--database-url", s.database, "--account-id", s.id)
}

func (s *site) startBridge(b *bridge, offset string) {
	s.t.Helper()
	b.process = program.Launch(s.whole, []string{
		"OP_SESSION=" + s.file("session"), "OP_UNLOCK_TOKEN_FILE=" + s.file("token"), "OP_REDIS_URL=redis://" + s.toRedis.address(), "OP_DEBUG=1", clockVariable(offset),
	}, "serve", "--listen", b.address)
	b.pid.Store(int64(b.process.PID()))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.launched = append(s.launched, b.process)
}

// pids are the bridges' processes.
func (s *site) pids() []int {
	var list []int
	for _, b := range s.bridges {
		list = append(list, int(b.pid.Load()))
	}
	return list
}

func (s *site) signal(pid int, sig syscall.Signal) {
	s.t.Helper()
	must(s.t, syscall.Kill(pid, sig))
}

// begin lets the identity provider work until the function that is returned is called.
func (s *site) begin(ctx context.Context) func() {
	ctx, cancel := context.WithCancel(ctx)
	transport := &http.Transport{MaxIdleConnsPerHost: workers}
	c := &client{http: &http.Client{Transport: transport}, base: s.balancer.server.URL + "/scim/v2", token: s.token, tally: &s.tally}
	var g sync.WaitGroup
	for n := range workers {
		w := &worker{n: n + 1, gate: &s.gate, pace: pace}
		own := *c
		w.client = &own
		w.dance, own.agent = entra, ""
		if n%2 == 1 {
			w.dance, own.agent = okta, "Okta SCIM Client 1.0.0"
		}
		s.workers = append(s.workers, w)
		g.Go(func() { w.run(ctx) })
	}
	return func() {
		cancel()
		g.Wait()
		transport.CloseIdleConnections()
	}
}

// untold counts the changes that bridges could not tell one another, by their logs: whoever reads them elsewhere may have to
// wait for the account's feed.
func (s *site) untold() int {
	n := 0
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.launched {
		n += strings.Count(b.Log(), "a change was not told to the other replicas")
	}
	return n
}

// ask asks a bridge itself, past the balancer.
func (s *site) ask(ctx context.Context, b *bridge, method, path, body string) (status int, text string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+b.address+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	if body != "" {
		req.Header.Set("Content-Type", "application/scim+json")
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close() //nolint:errcheck // read only
	raw, err := io.ReadAll(res.Body)
	return res.StatusCode, string(raw), err
}

// silent is what is said of a bridge that says nothing of itself.
const silent = "silent"

// healthTime is how long a bridge may take to say how it is: monitors do not wait longer.
const healthTime = 5 * time.Second

// health is what a bridge says of its parts, and what its clock shows.
func (s *site) health(ctx context.Context, b *bridge) (states map[string]string, clock time.Time) {
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	var h struct {
		Reports []struct {
			Source, State string
		}
		RetrievedAt time.Time
	}
	_, text, err := s.ask(ctx, b, http.MethodGet, "/health", "")
	if err != nil || json.Unmarshal([]byte(text), &h) != nil {
		return map[string]string{silent: ""}, clock
	}
	states = map[string]string{}
	for _, r := range h.Reports {
		states[r.Source] = r.State
	}
	return states, h.RetrievedAt
}

// holder is the bridge that makes links and confirms people; nil: none does, or two do.
func (s *site) holder(ctx context.Context) *bridge {
	var holder *bridge
	for _, b := range s.bridges {
		_, text, err := s.ask(ctx, b, http.MethodGet, "/metrics", "")
		if err != nil || !strings.Contains(text, "\nscimbridge_lease_held 1\n") {
			continue
		}
		if holder != nil {
			return nil
		}
		holder = b
	}
	return holder
}

// recovered is nil when everything is as it should be since a time: every bridge says so, is asked by the balancer, writes
// and reads, one makes links and confirms people, and no client is refused any more.
func (s *site) recovered(ctx context.Context, since time.Time) error {
	for _, be := range s.balancer.backends {
		if !be.isReady() {
			return fmt.Errorf("the balancer does without %s", be.address)
		}
	}
	for _, b := range s.bridges {
		states, _ := s.health(ctx, b)
		for source, state := range states {
			if state != "healthy" && source != "Guard" { // which sees suspensions, as is right
				return fmt.Errorf("bridge %d: %s %s", b.n, source, state)
			}
		}
		if err := s.probe(ctx, b); err != nil {
			return err
		}
	}
	if s.holder(ctx) == nil {
		return errors.New("it is not one bridge that makes links and confirms people")
	}
	for _, w := range s.workers {
		if !w.healthy(since) {
			return fmt.Errorf("client %d is not served", w.n)
		}
	}
	return nil
}

// probe writes at a bridge and reads it back there.
func (s *site) probe(ctx context.Context, b *bridge) error {
	p := &s.probed
	title := p.nextTitle()
	status, text, err := s.ask(ctx, b, http.MethodPatch, "/scim/v2/Users/"+p.id, body(`{"Operations":[{"op":"replace","path":"title","value":%q}]}`, title))
	if err == nil && status == http.StatusOK {
		status, text, err = s.ask(ctx, b, http.MethodGet, "/scim/v2/Users/"+p.id+"?attributes=title", "")
	}
	switch {
	case err != nil:
		return fmt.Errorf("bridge %d: %w", b.n, err)
	case status != http.StatusOK:
		return fmt.Errorf("bridge %d: %d %s", b.n, status, text)
	case !strings.Contains(text, `"`+title+`"`):
		return fmt.Errorf("bridge %d does not show what was written there: %s", b.n, text)
	}
	return nil
}

// until tries until it succeeds or ctx ends.
func until(ctx context.Context, try func() error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for last := error(nil); ; {
		err := try()
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w, last: %w", ctx.Err(), last)
		}
	}
}

// joiner is somebody who accepts the invitation while a fault lasts.
type joiner struct {
	id, group  string
	invitation keyset.Invitation
}

// newcomer provisions somebody, puts the person into a group, and waits for the link.
func (s *site) newcomer(ctx context.Context, n int) (*joiner, error) {
	j := &joiner{group: s.workers[0].group.id}
	b := s.bridges[n%bridges]
	status, text, err := s.ask(ctx, b, http.MethodPost, "/scim/v2/Users", body(`{"userName":"newcomer%d@example.com"}`, n))
	var u struct{ ID string }
	if err != nil || status != http.StatusCreated || json.Unmarshal([]byte(text), &u) != nil {
		return nil, fmt.Errorf("newcomer: %d %s %w", status, text, err)
	}
	j.id = u.ID
	status, text, err = s.ask(ctx, b, http.MethodPatch, "/scim/v2/Groups/"+j.group, body(`{"Operations":[{"op":"add","path":"members","value":[{"value":%q}]}]}`, j.id))
	if err != nil || status/100 != 2 {
		return nil, fmt.Errorf("newcomer into group: %d %s %w", status, text, err)
	}
	return j, until(ctx, func() (err error) {
		j.invitation, err = s.linkOf(ctx, j.id)
		return err
	})
}

// linkOf is the link that waits for a person at the account, which has no mail server.
func (s *site) linkOf(ctx context.Context, user string) (keyset.Invitation, error) {
	const most = 10_000
	list, err := s.service.Outbox(ctx, most)
	if err != nil {
		return keyset.Invitation{}, err
	}
	for i := range list {
		if list[i].UserID == user {
			_, invitation, err := keyset.ParseLink(list[i].Link)
			return invitation, err
		}
	}
	return keyset.Invitation{}, fmt.Errorf("there is no link for %s yet", user)
}

// accept accepts the invitation, however often it has to be tried.
func (s *site) accept(ctx context.Context, j *joiner) error {
	seed, err := keyset.NewSeed(rand.Reader)
	if err != nil {
		return err
	}
	keys, err := seed.Keyset()
	if err != nil {
		return err
	}
	p, err := accountapi.NewPerson(accountapi.PersonConfig{URL: "http://" + s.toAccount.address()})
	if err != nil {
		return err
	}
	defer p.Close()
	accepted := func() error {
		u, err := s.service.Person(ctx, j.id)
		if err == nil && u.State != account.Accepted && u.State != account.Active {
			err = fmt.Errorf("%s is %s", j.id, u.State)
		}
		return err
	}
	return until(ctx, func() error {
		joining, err := p.Join(ctx, j.invitation)
		if err == nil {
			public := keys.Public()
			proof := j.invitation.Proof(joining.Email, public)
			err = p.Accept(ctx, j.invitation, account.Proposal{
				Keys:       account.PersonKeys{Public: public.Bytes(), Sealed: []byte("sealed"), SignIn: make([]byte, len(keyset.Signer{}))},
				Possession: keys.Sign(keyset.PossessionClaim{Account: joining.Account, User: j.id, Email: joining.Email, Number: j.invitation.Number(), Public: public}), Proof: proof[:],
			})
		}
		if err == nil || accepted() == nil { // the answer was lost
			return nil
		}
		return err
	})
}
