package e2e_test

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/redis/redistest"
	"github.com/scimbridge/scimbridge/test/program"
)

// health is the state of a component as /health has it; empty where it has none.
func health(t *testing.T, url, token, source string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/health", http.NoBody)
	must(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	defer res.Body.Close() //nolint:errcheck // read only
	var doc struct {
		Reports []struct{ Source, State string }
	}
	must(t, json.NewDecoder(res.Body).Decode(&doc))
	for _, r := range doc.Reports {
		if r.Source == source {
			return r.State
		}
	}
	return ""
}

// becomes waits until a component says so.
func becomes(t *testing.T, url, token, source, state string) {
	t.Helper()
	got := ""
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); <-again.C {
		if got = health(t, url, token, source); got == state {
			return
		}
	}
	t.Fatalf("%s is %q and does not become %q", source, got, state)
}

// TestRedis runs the bridge without Redis, and with one that comes later, by every way in which it is named. SCIM is served
// throughout.
func TestRedis(t *testing.T) {
	t.Parallel()
	const secret = "p@ss/word"
	plain, tls := redistest.New(t, redistest.Options{}), redistest.New(t, redistest.Options{TLS: true, Username: "scim", Password: secret})
	_, plainPort, err := net.SplitHostPort(plain.Address())
	must(t, err)
	_, tlsPort, err := net.SplitHostPort(tls.Address())
	must(t, err)
	dir := t.TempDir()
	data, tokenFile, passwordFile := filepath.Join(dir, "data"), filepath.Join(dir, "token"), filepath.Join(dir, "redis-password")
	must(t, os.WriteFile(passwordFile, []byte(secret+"\n"), 0o600))
	if out, errs, code := program.Run(t, "credentials", "new", "--data", data, "--owner", "ann@example.com", "--token-file", tokenFile, "--kit", filepath.Join(dir, "kit"), "--password-file", password(t)); code != 0 {
		t.Fatal(out, errs)
	}
	raw, err := os.ReadFile(tokenFile)
	must(t, err)
	token := strings.TrimSpace(string(raw))
	for _, tt := range []struct {
		name   string
		env    []string
		server *redistest.Server // nil: none is named
		want   string            // instead of being found, said in the log
	}{
		{name: "none"},
		{name: "URL", env: []string{"OP_REDIS_URL=redis://" + plain.Address() + "/1"}, server: plain},
		{name: "host", env: []string{"OP_REDIS_HOST=127.0.0.1", "OP_REDIS_PORT=" + plainPort}, server: plain},
		{name: "URL with TLS", env: []string{"OP_REDIS_URL=rediss://scim:p%40ss%2Fword@" + tls.Address(), "SSL_CERT_FILE=" + tls.CA}, server: tls},
		{name: "self-signed", env: []string{"OP_REDIS_HOST=127.0.0.1", "OP_REDIS_PORT=" + tlsPort, "OP_REDIS_USERNAME=scim", "OP_REDIS_PASSWORD=" + secret, "OP_REDIS_ENABLE_SSL=1", "OP_REDIS_INSECURE_SSL=true"}, server: tls},
		{name: "other spelling, password in a file", env: []string{"OP_REDIS_HOST=127.0.0.1", "OP_REDIS_PORT=" + tlsPort, "OP_REDIS_USERNAME=scim", "OP_REDIS_PASSWORD_FILE=" + passwordFile, "OP_REDIS_SSL_ENABLED=1", "SSL_CERT_FILE=" + tls.CA}, server: tls},
		{name: "unknown certificate", env: []string{"OP_REDIS_URL=rediss://scim:p%40ss%2Fword@" + tls.Address()}, server: tls, want: "SSL_CERT_FILE"},
		{name: "wrong password", env: []string{"OP_REDIS_URL=rediss://scim:wrong@" + tls.Address(), "SSL_CERT_FILE=" + tls.CA}, server: tls, want: "WRONGPASS"},
	} {
		address := freeAddress(t)
		log := filepath.Join(t.TempDir(), "log")
		cmd := begin(t, log, tt.env, "serve", "--data", data, "--session", filepath.Join(data, "scimsession"), "--unlock-token-file", tokenFile, "--listen", address)
		url := "http://" + address
		waitFor(t, url+"/ping")
		said := func() string {
			text, err := os.ReadFile(log)
			must(t, err)
			return string(text)
		}
		serves := func(when string) {
			t.Helper()
			p := program.Process{SCIM: url + "/scim/v2", Token: token}
			if code, body, _, err := p.Do(http.MethodGet, "/Users", ""); err != nil || code != http.StatusOK {
				t.Errorf("%s, %s: %d %v %s", tt.name, when, code, err, body)
			}
		}
		if tt.server == nil {
			becomes(t, url, token, "RedisCache", "healthy")
		} else {
			becomes(t, url, token, "RedisCache", "unhealthy")
			serves("before Redis")
			tt.server.Start()
			if tt.want != "" {
				until(t, said, tt.want)
				becomes(t, url, token, "RedisCache", "unhealthy")
			} else {
				becomes(t, url, token, "RedisCache", "healthy")
			}
			serves("with Redis")
			tt.server.Kill()
		}
		must(t, cmd.Process.Signal(syscall.SIGTERM))
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v\n%s", tt.name, err, said())
		}
		if strings.Contains(said(), secret) || strings.Contains(said(), "p%40ss") {
			t.Errorf("%s: the log shows the password:\n%s", tt.name, said())
		}
	}
}
