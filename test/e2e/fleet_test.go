package e2e_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/redis/redistest"
	"github.com/scimbridge/scimbridge/test/program"
)

const monitorToken = "monitoring-token-of-the-test"

// fleet is an account with credentials for bridges, served by a process of its own, and a Redis for them to share.
type fleet struct {
	t        *testing.T
	account  string // address of the service
	redis    *redistest.Server
	token    string
	at       func(name string) string // a file of the test
	env      []string                 // of bridges
	accounts *program.Process
}

// newFleet makes the credentials; nothing runs yet.
func newFleet(t *testing.T, redis *redistest.Server, env ...string) *fleet {
	t.Helper()
	dir := t.TempDir()
	f := &fleet{t: t, redis: redis, at: func(name string) string { return filepath.Join(dir, name) }}
	c, err := program.MakeCertificates(dir)
	must(t, err)
	f.account, err = program.Address()
	must(t, err)
	if _, errs, code := program.Run(t, "credentials", "new", "--data", f.at("data"), "--owner", "ann@example.com", "--kit", f.at("kit"), "--password-file", password(t),
		"--url", "https://"+f.account, "--out", f.at("scimsession"), "--token-file", f.at("token")); code != 0 {
		t.Fatal(errs)
	}
	raw, err := os.ReadFile(f.at("token"))
	must(t, err)
	f.token = strings.TrimSpace(string(raw))
	must(t, os.WriteFile(f.at("monitor"), []byte(monitorToken+"\n"), 0o600))
	f.env = append([]string{
		"SSL_CERT_FILE=" + c.CA, "OP_SESSION=" + f.at("scimsession"), "OP_MONITORING_TOKEN_FILE=" + f.at("monitor"), "OP_REDIS_URL=redis://" + redis.Address(),
	}, env...)
	return f
}

// serveAccount starts the account service.
func (f *fleet) serveAccount() {
	f.t.Helper()
	f.accounts = program.Launch(f.t, nil, "account", "serve", "--data", f.at("data"), "--listen", f.account, "--tls-cert-file", f.at("cert.pem"), "--tls-key-file", f.at("key.pem"))
	waitForTLS(f.t, "https://"+f.account+"/ready", f.at("ca.pem"))
}

// member is one of a fleet's bridges.
type member struct {
	*program.Process
	t   *testing.T
	url string
}

// join starts a bridge, at an address of its own where none is given, and waits until it listens.
func (f *fleet) join(address string, env ...string) *member {
	f.t.Helper()
	if address == "" {
		var err error
		address, err = program.Address()
		must(f.t, err)
	}
	m := &member{program.Launch(f.t, append(f.env, env...), "serve", "--listen", address), f.t, "http://" + address}
	m.SCIM, m.Token = m.url+"/scim/v2", f.token
	waitFor(f.t, m.url+"/ping")
	return m
}

// state is what /ready says.
func (m *member) state() string {
	_, text := ask(m.t, m.url+"/ready", "")
	return strings.TrimSpace(text)
}

// lists asks for everybody, with a token, and returns the status.
func (m *member) lists(token string) int {
	m.t.Helper()
	code, _ := ask(m.t, m.url+"/scim/v2/Users", token)
	return code
}

// comes waits until something is so.
func comes(t *testing.T, what string, ok func() bool) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(90 * time.Second); !ok(); <-again.C {
		if time.Now().After(end) {
			t.Fatalf("%s has not come", what)
		}
	}
}

// TestShareUnlock: one request with the token unlocks a second bridge, and one that is started later needs none at all. What
// the administrator has not asked for does not happen, and leaves nothing in Redis.
func TestShareUnlock(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, redistest.Options{})
	apart := newFleet(t, redis) // without a word about it, and without its account service, which matters to nobody here
	alone, waiting := apart.join(""), apart.join("")
	alone.lists(apart.token)

	f := newFleet(t, redis, "OP_SHARE_UNLOCK=1")
	f.serveAccount()
	first, second := f.join(""), f.join("")
	for _, m := range []*member{first, second} {
		if got := m.state(); got != "locked" {
			t.Errorf("before the token: %s", got)
		}
	}
	begin := time.Now()
	if code := first.lists(f.token); code != http.StatusOK {
		t.Fatalf("the first request: %d", code)
	}
	comes(t, "the second bridge's turn", func() bool { return second.state() == "ready" })
	t.Logf("the second bridge was ready %.1f s after the first request", time.Since(begin).Seconds())
	third := f.join("")
	begin = time.Now()
	comes(t, "the third bridge's turn", func() bool { return third.state() == "ready" })
	t.Logf("the third bridge was ready %.1f s after it listened", time.Since(begin).Seconds())

	// Its watchers work: they take over from the one that got the token. Neither has seen the token until now.
	comes(t, "the first bridge's lease", func() bool { return strings.Contains(first.Log(), watching) })
	first.Kill()
	comes(t, "somebody to take over", func() bool { return strings.Contains(second.Log()+third.Log(), watching) })
	for _, m := range []*member{second, third} {
		if code := m.lists(apart.token); code != http.StatusUnauthorized {
			t.Errorf("a wrong token: %d", code)
		}
		if code := m.lists(f.token); code != http.StatusOK {
			t.Errorf("the right token: %d", code)
		}
		if !strings.Contains(m.Log(), "another replica has handed the key of the scimsession over") || strings.Contains(m.Log(), "level=WARN") {
			t.Errorf("log: %s", m.Log())
		}
	}

	if got := alone.state(); got == "locked" {
		t.Errorf("who got the token is %s", got)
	}
	if got := waiting.state(); got != "locked" {
		t.Errorf("without the setting: %s", got)
	}
	if keys := redis.Do("KEYS", "*:unlock:*"); keys != "[]" {
		t.Errorf("in Redis: %s", keys)
	}
	if all := redis.Do("KEYS", "*"); !strings.Contains(all, "scimbridge:") {
		t.Errorf("nobody has used Redis: %s", all)
	}
}

// watching is what a bridge says that has the lease.
const watching = "this replica makes links and confirms people"

// TestWrongTokensAcrossBridges: who sends wrong tokens to two bridges is slowed down as if there were one, under whatever
// address Redis has of it, and by each alone once Redis is gone. The right token passes all the time.
func TestWrongTokensAcrossBridges(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, redistest.Options{})
	f, other := newFleet(t, redis), newFleet(t, redis)
	f.serveAccount()
	members := []*member{f.join(""), f.join("")}
	for _, m := range members {
		if code := m.lists(f.token); code != http.StatusOK {
			t.Fatal(code)
		}
		becomes(t, m.url, f.token, "RedisCache", "healthy")
	}
	const burst, source = 20, "198.51.100.77"
	sent := func(n int, to func(i int) *member) (refused int) {
		for i := range n {
			m := to(i)
			code, body, _, err := (&program.Process{SCIM: m.SCIM, Token: other.token}).Do(http.MethodGet, "/Users", "", "X-Forwarded-For", source)
			switch {
			case err != nil || code != http.StatusUnauthorized && code != http.StatusTooManyRequests:
				t.Fatalf("a wrong token: %d %s %v", code, body, err)
			case code == http.StatusTooManyRequests:
				refused++
			}
			if code, body, _, err := m.Do(http.MethodGet, "/Users?count=1", "", "X-Forwarded-For", source); err != nil || code != http.StatusOK {
				t.Fatalf("the right token: %d %s %v", code, body, err)
			}
		}
		return refused
	}
	begin := time.Now()
	refused := sent(2*burst, func(i int) *member { return members[i%2] })
	if again := int(time.Since(begin)/(3*time.Second)) + 1; refused > burst || refused < burst-again {
		t.Errorf("of %d at two bridges %d were too many, want %d", 2*burst, refused, burst)
	}
	if keys := redis.Do("KEYS", "*"); strings.Contains(keys, source) || !strings.Contains(keys, ":wrong:") {
		t.Errorf("in Redis: %s", keys)
	}
	redis.Kill()
	becomes(t, members[0].url, f.token, "RedisCache", "unhealthy")
	if refused := sent(2*burst, func(int) *member { return members[0] }); refused < burst-1 {
		t.Errorf("without Redis %d of %d were too many", refused, 2*burst)
	}
}
