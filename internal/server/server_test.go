package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/server"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func newServer(t *testing.T, log *bytes.Buffer, checks ...server.Check) *server.Server {
	t.Helper()
	clock := func() time.Time { return noon }
	return server.New(server.Config{
		Pages:   http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a bug") }),
		Health:  &server.Health{Version: "1.2.3", Build: "102031", Checks: checks, Clock: clock},
		Metrics: server.NewMetrics("1.2.3", func() bool { return false }), Monitoring: server.NewSecret("monitor"),
		Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		Clock:   clock, Log: slog.New(slog.NewTextHandler(log, nil)),
	})
}

func get(s http.Handler, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// TestStrictTransport: who has come by HTTPS of the bridge's own is told to stay with it; what a proxy brings is the proxy's.
func TestStrictTransport(t *testing.T) {
	t.Parallel()
	s := newServer(t, &bytes.Buffer{})
	own := httptest.NewRequest(http.MethodGet, "https://scim.example.com/ping", nil)
	plain := httptest.NewRequest(http.MethodGet, "http://scim.example.com/ping", nil)
	plain.Header.Set("X-Forwarded-Proto", "https")
	for r, want := range map[*http.Request]string{own: "max-age=31536000", plain: ""} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if got := w.Header().Get("Strict-Transport-Security"); got != want {
			t.Errorf("%s: %q, want %q", r.URL, got, want)
		}
	}
}

// TestHealth holds the answer to the original's documented form, letter by letter.
func TestHealth(t *testing.T) {
	t.Parallel()
	state := server.Healthy
	s := newServer(t, &bytes.Buffer{}, func(context.Context) server.Report {
		return server.Report{Source: "SCIMServer", Time: noon, State: state, Detail: "for people only"}
	})
	const want = `{
  "build": "102031",
  "version": "1.2.3",
  "reports": [
    {
      "source": "SCIMServer",
      "time": "2026-11-24T12:00:00Z",
      "expires": "2026-11-24T12:10:00Z",
      "state": "%s"
    }
  ],
  "retrievedAt": "2026-11-24T12:00:00Z"
}
`
	// Of what is under way it says how far it has come, in a member of our own.
	busy := newServer(t, &bytes.Buffer{}, func(context.Context) server.Report {
		return server.Report{Source: "ConfirmationWatcher", Time: noon, State: server.Healthy, Progress: "new key: 3,120 of 10,000"}
	})
	if w := get(busy, "/health", "Authorization", "Bearer monitor"); w.Code != 200 || !strings.Contains(w.Body.String(), `"progress": "new key: 3,120 of 10,000"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for state2, code := range map[string]int{server.Healthy: 200, server.Unhealthy: 503} {
		state = state2
		w := get(s, "/health", "Authorization", "Bearer monitor")
		if w.Code != code || w.Body.String() != fmt.Sprintf(want, state) || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s", state, w.Code, w.Body)
		}
	}
}

// TestHealthLog: a state is in the log when it is first known and when it changes, and not each time that somebody asks.
func TestHealthLog(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	state := server.Healthy
	h := &server.Health{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))}
	h.Checks = []server.Check{func(ctx context.Context) server.Report {
		if ctx.Err() != nil {
			return server.Report{Source: "Guard", State: server.Unhealthy}
		}
		return server.Report{Source: "Guard", State: state, Detail: "for people only"}
	}}
	gone, leave := context.WithCancel(t.Context())
	leave()
	for _, state = range []string{server.Healthy, server.Healthy, server.Attention, server.Attention, server.Healthy} {
		h.Reports(t.Context())
		h.Reports(gone)
	}
	const want = `level=INFO msg=health source=Guard state=healthy
level=WARN msg=health source=Guard state=attention
level=INFO msg=health source=Guard state=healthy
`
	if log.String() != want {
		t.Errorf("log:\n%swant:\n%s", log.String(), want)
	}
}

// TestHealthWaitsForNobody: a component that does not answer is not well, and keeps neither the others nor whoever asks.
func TestHealthWaitsForNobody(t *testing.T) {
	t.Parallel()
	met := make(chan struct{})
	s := newServer(t, &bytes.Buffer{}, func(ctx context.Context) server.Report {
		<-ctx.Done() // a call to somebody who is silent
		return server.Report{Source: "Account", Time: noon, State: server.Unhealthy}
	}, func(context.Context) server.Report {
		met <- struct{}{}
		return server.Report{Source: "SCIMServer", Time: noon, State: server.Healthy}
	}, func(context.Context) server.Report {
		<-met
		return server.Report{Source: "RedisCache", Time: noon, State: server.Healthy}
	})
	w := get(s, "/monitoring", "Authorization", "Bearer monitor")
	if w.Code != http.StatusServiceUnavailable || strings.Count(w.Body.String(), `"healthy"`) != 2 || strings.Count(w.Body.String(), `"unhealthy"`) != 1 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestPanic answers a bug with a SCIM error that tells the request's id and nothing else, and goes on.
func TestPanic(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := newServer(t, &log)
	w := get(s, "/app", "X-Request-Id", "req-42")
	var e struct{ Status, Detail string }
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || w.Code != 500 || e.Status != "500" || !strings.Contains(e.Detail, "req-42") || strings.Contains(e.Detail, "a bug") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "a bug") || !strings.Contains(log.String(), "req-42") {
		t.Errorf("the log does not say what happened: %s", log.String())
	}
	if w := get(s, "/ping"); w.Code != 200 || strings.TrimSpace(w.Body.String()) != "pong" {
		t.Errorf("afterwards: %d", w.Code)
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	s := newServer(t, &bytes.Buffer{})
	for in, want := range map[string]string{
		"": `^[0-9a-f]{16}$`, "abc-1.2_3:4=": `^abc-1\.2_3:4=$`, "with space": `^[0-9a-f]{16}$`, "a\"b": `^[0-9a-f]{16}$`, strings.Repeat("x", 65): `^[0-9a-f]{16}$`,
	} {
		if got := get(s, "/ping", "X-Request-Id", in).Header().Get("X-Request-Id"); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%q becomes %q", in, got)
		}
	}
}

func TestSourceAndOrigin(t *testing.T) {
	t.Parallel()
	s := newServer(t, &bytes.Buffer{})
	for _, c := range []struct{ name, peer, forwarded, proto, host, source, origin string }{
		{"nobody between", "198.51.100.7:1", "", "", "", "198.51.100.7", "http://example.com"},
		{"a stranger claims", "198.51.100.7:1", "203.0.113.9", "https", "evil.example", "198.51.100.7", "http://example.com"},
		{"a proxy", "10.1.2.3:1", "203.0.113.9", "https", "scim.example.com", "203.0.113.9", "https://scim.example.com"},
		{"two proxies", "10.1.2.3:1", "203.0.113.9, 10.9.9.9", "https,http", "", "203.0.113.9", "https://example.com"},
		{"a claim before the proxy", "10.1.2.3:1", "1.1.1.1, 203.0.113.9", "", "", "203.0.113.9", "http://example.com"},
		{"nonsense from a proxy", "10.1.2.3:1", "unknown", "gopher", "", "10.1.2.3", "http://example.com"},
		{"IPv6", "[::1]:1", "2001:db8::1", "https", "", "2001:db8::1", "https://example.com"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.peer
		for name, value := range map[string]string{"X-Forwarded-For": c.forwarded, "X-Forwarded-Proto": c.proto, "X-Forwarded-Host": c.host} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		if got := s.Source(r).String(); got != c.source {
			t.Errorf("%s: source %s, want %s", c.name, got, c.source)
		}
		if got := s.Origin(r); got != c.origin {
			t.Errorf("%s: origin %s, want %s", c.name, got, c.origin)
		}
	}
}

// TestWrongTokens slows down one source and not the others; IPv6 counts by network.
func TestWrongTokens(t *testing.T) {
	t.Parallel()
	s := newServer(t, &bytes.Buffer{})
	from := func(addr string) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = addr
		return r
	}
	for i := range 40 {
		wait, ok := s.WrongToken(from(fmt.Sprintf("[2001:db8::%x]:1", i+1)))
		if ok != (i < 20) || !ok && wait <= 0 {
			t.Fatalf("wrong token %d: %v, wait %s", i+1, ok, wait)
		}
	}
	if _, ok := s.WrongToken(from("[2001:db8:0:1::1]:1")); !ok {
		t.Error("another network is held back")
	}
	for i := range 30_000 {
		s.WrongToken(from(fmt.Sprintf("100.%d.%d.%d:1", 64+i/65536, i/256%256, i%256)))
	}
	if _, ok := s.WrongToken(from("192.0.2.1:1")); !ok {
		t.Error("a new source is held back after very many others")
	}
}

// TestWithoutSession: nobody's token can be checked, which is not the token's fault.
func TestWithoutSession(t *testing.T) {
	t.Parallel()
	s := newServer(t, &bytes.Buffer{})
	for _, path := range []string{"/health", "/metrics", "/scim/v2/Users"} {
		if w := get(s, path, "Authorization", "Bearer scb_x"); w.Code != 503 || !strings.Contains(w.Body.String(), "no scimsession") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// TestDebugLog tells who asks for which path, and only trace what is asked for.
func TestDebugLog(t *testing.T) {
	t.Parallel()
	for level, want := range map[slog.Level][2]bool{slog.LevelInfo: {false, false}, slog.LevelDebug: {true, false}, server.LevelTrace: {true, true}} {
		var log bytes.Buffer
		s := newServer(t, &bytes.Buffer{})
		s.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level}))
		get(s, "/Users/id-of-ann?filter=ann")
		if got := [2]bool{strings.Contains(log.String(), "/Users/id-of-ann"), strings.Contains(log.String(), "filter=ann")}; got != want {
			t.Errorf("at %s path and query are logged: %v, want %v", level, got, want)
		}
	}
}

func TestSecret(t *testing.T) {
	t.Parallel()
	s := server.NewSecret("monitor")
	if !s.Is("monitor") || s.Is("Monitor") || s.Is("") || (server.Secret{}).Is("") || (server.Secret{}).Set() {
		t.Error("secrets are told apart wrongly")
	}
	if text := fmt.Sprintf("%v %+v %s", s, s, s); strings.Contains(text, "monitor") {
		t.Errorf("shown as %s", text)
	}
}

// TestRoot: a browser is sent to the pages, a query of everything is SCIM, whatever the case of its parameters.
func TestRoot(t *testing.T) {
	t.Parallel()
	s := newServer(t, &bytes.Buffer{})
	for target, want := range map[string]int{
		"/": http.StatusTemporaryRedirect, "/?utm=1": http.StatusTemporaryRedirect,
		"/?filter=x": http.StatusServiceUnavailable, "/?startindex=1": http.StatusServiceUnavailable, "/?sortOrder=ascending": http.StatusServiceUnavailable,
	} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", target, w.Code, want)
		}
	}
}

// TestDrain: who is about to stop says so to balancers that ask, and takes leave of clients that do not; it still serves.
func TestDrain(t *testing.T) {
	t.Parallel()
	s := newServer(t, &bytes.Buffer{})
	for _, draining := range []bool{false, true} {
		want, leave := http.StatusOK, ""
		if draining {
			s.Drain()
			want, leave = http.StatusServiceUnavailable, "close"
		}
		if w := get(s, "/ready"); w.Code != want || w.Header().Get("Connection") != leave {
			t.Errorf("/ready, draining %v: %d, Connection %q", draining, w.Code, w.Header().Get("Connection"))
		}
		if w := get(s, "/ping"); w.Code != http.StatusOK || w.Header().Get("Connection") != leave {
			t.Errorf("/ping, draining %v: %d, Connection %q", draining, w.Code, w.Header().Get("Connection"))
		}
	}
}
