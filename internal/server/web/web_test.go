package web_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/internal/server/web"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const rightToken = "scb_rightone_0123456789012345678901234567890123456789012abcdef"

// lock opens by rightToken and gives keys only while open.
type lock struct {
	open bool
	key  byte
}

func (l *lock) Present(token string) error {
	if token != rightToken {
		return errors.New("wrong token")
	}
	l.open = true
	return nil
}

func (l *lock) Derive(purpose string) ([32]byte, error) {
	if !l.open {
		return [32]byte{}, errors.New("locked")
	}
	key := [32]byte{31: l.key}
	copy(key[:31], purpose)
	return key, nil
}

// counting is randomness that is the same in every run and never repeats.
type counting struct{ n byte }

func (c *counting) Read(p []byte) (int, error) {
	for i := range p {
		c.n++
		p[i] = c.n
	}
	return len(p), nil
}

// site is a Handler with all that the tests turn.
type site struct {
	*web.Handler
	lock    *lock
	now     time.Time
	origin  string
	wrong   int // calls of Limit
	allowed int // of them are not too many
	wait    time.Duration
	status  web.Status
	lines   web.Log
	asked   web.LogQuery
	log     bytes.Buffer
}

func newSite(t *testing.T, missing *web.Missing) *site {
	t.Helper()
	start := time.Date(2026, 11, 24, 9, 30, 0, 0, time.UTC)
	s := &site{
		lock: &lock{key: 1}, now: start.Add(time.Hour), origin: "https://bridge.example.com", allowed: 5, wait: 90 * time.Second,
		status: web.Status{
			Version: "0.1.0", Build: "abc", State: "ready", AccountName: "Example & Sons", People: 12, Groups: 3, Started: start,
			Reports: []web.Report{
				{Source: "SCIMServer", Healthy: true, State: "healthy", Time: start.Add(time.Hour)},
				{Source: "RedisCache", State: "unhealthy", Detail: "dial <redis>: connection refused", Time: start.Add(time.Hour)},
				{Source: "ConfirmationWatcher", Healthy: true, State: "healthy", Progress: "new key of the group g: 3,120 of 10,000", Time: start.Add(time.Hour)},
			},
		},
	}
	h, err := web.New(web.Config{
		Lock: s.lock, Missing: missing, Rand: &counting{},
		Status: func(context.Context) web.Status { return s.status },
		Lines: func(_ context.Context, q web.LogQuery) web.Log {
			s.asked = q
			return s.lines
		},
		Limit: func(*http.Request) (time.Duration, bool) {
			s.wrong++
			return s.wait, s.wrong <= s.allowed
		},
		Origin: func(*http.Request) string { return s.origin },
		Clock:  func() time.Time { return s.now },
		Log:    slog.New(slog.NewTextHandler(&s.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Handler = h
	return s
}

// do sends a request and checks what holds for every answer.
func (s *site) do(t *testing.T, r *http.Request, cookies ...*http.Cookie) (*http.Response, string) {
	t.Helper()
	for _, c := range cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	res := w.Result()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var head bytes.Buffer
	if err := res.Header.Write(&head); err != nil {
		t.Fatal(err)
	}
	for where, text := range map[string]string{"body": string(body), "header": head.String(), "log": s.log.String()} {
		if strings.Contains(text, "scb_rightone") || strings.Contains(text, "scb_wrong") {
			t.Errorf("%s %s: a token in the %s:\n%s", r.Method, r.URL, where, text)
		}
	}
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s %s: %s is %q, want %q", r.Method, r.URL, name, got, want)
		}
	}
	return res, string(body)
}

func get(path string) *http.Request { return httptest.NewRequest(http.MethodGet, path, nil) }

func post(path, token string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(url.Values{"token": {token}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func (s *site) signIn(t *testing.T) *http.Cookie {
	t.Helper()
	res, body := s.do(t, post("/app/login", rightToken))
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/app/status" || len(res.Cookies()) != 1 {
		t.Fatalf("sign-in: %d, %v\n%s", res.StatusCode, res.Header, body)
	}
	return res.Cookies()[0]
}

// onStatus tells whether a cookie shows the status page; otherwise it must lead to the sign-in form.
func (s *site) onStatus(t *testing.T, cookies ...*http.Cookie) bool {
	t.Helper()
	res, body := s.do(t, get("/app/status"), cookies...)
	if res.StatusCode == http.StatusOK {
		return true
	}
	if res.Header.Get("Location") != "/app/login" || strings.Contains(body, s.status.AccountName) {
		t.Errorf("without a session: %d, Location %q\n%s", res.StatusCode, res.Header.Get("Location"), body)
	}
	return false
}

func TestPagesAreAsRecorded(t *testing.T) {
	t.Parallel()
	missing := &web.Missing{Problem: "no scimsession", LookedFor: []string{"OP_SESSION: not set", "/home/opuser/.op/scimsession: <no such file>"}}
	for name, c := range map[string]struct {
		missing *web.Missing
		turn    func(*site)
		request *http.Request
		signed  bool
		status  int
	}{
		"login-locked":     {request: get("/app/login"), status: 200},
		"login-open":       {request: get("/app/login"), status: 200, turn: func(s *site) { s.lock.open = true }},
		"login-wrong":      {request: post("/app/login", "scb_wrong"), status: 401},
		"login-empty":      {request: post("/app/login", "  Bearer \r\n"), status: 400},
		"login-limited":    {request: post("/app/login", "scb_wrong"), status: 429, turn: func(s *site) { s.allowed = 0 }},
		"status-attention": {request: get("/app/status"), signed: true, status: 200, turn: func(s *site) { s.status.State = "degraded" }},
		"status-empty":     {request: get("/app/status"), signed: true, status: 200, turn: func(s *site) { s.status.People, s.status.Groups, s.status.Reports = 0, 0, s.status.Reports[:1] }},
		"status-waiting": {request: get("/app/status"), signed: true, status: 200, turn: func(s *site) {
			s.status.Admits, s.status.More = true, true
			s.status.Waiting = []web.Waiting{
				{Name: "Grace <Hopper>", Email: "grace@example.com", Word: "Refused", Detail: "the keys were not proposed by the holder of the link", Wrong: true},
				{Email: "ada@example.com", Word: "Sent", Detail: "Can be accepted until 30 November 2026."},
			}
		}},
		"status-nobody": {request: get("/app/status"), signed: true, status: 200, turn: func(s *site) { s.status.Admits = true }},
		"logs":          {request: get("/app/logs"), signed: true, status: 200, turn: func(s *site) { s.lines = someLines(s.now) }},
		"logs-filtered": {request: get("/app/logs?level=warn&replica=silent-1"), signed: true, status: 200, turn: func(s *site) {
			s.lines = someLines(s.now)
			s.lines.Lines, s.lines.More, s.lines.Unreadable = s.lines.Lines[1:2], true, 2
		}},
		"logs-alone": {request: get("/app/logs"), signed: true, status: 200, turn: func(s *site) { s.lines = web.Log{Problem: "Redis <is> away."} }},
		"nothing":    {request: get("/app/nothing"), status: 404},
		"setup":      {missing: missing, request: get("/app"), status: 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, c.missing)
			if c.turn != nil {
				c.turn(s)
			}
			var cookies []*http.Cookie
			if c.signed {
				cookies = append(cookies, s.signIn(t))
			}
			res, body := s.do(t, c.request, cookies...)
			if res.StatusCode != c.status || res.Header.Get("Content-Type") != "text/html; charset=utf-8" || res.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("answered %d, want %d; %v", res.StatusCode, c.status, res.Header)
			}
			wellFormed(t, body)
			// The style's address changes with each change of it, the pages do not.
			golden(t, name, regexp.MustCompile(`assets/[0-9a-f]{12}\.css`).ReplaceAllString(body, "assets/HASH.css"))
		})
	}
}

// wellFormed holds every page to what assistive technology and the content policy need.
func wellFormed(t *testing.T, page string) {
	t.Helper()
	for _, want := range []string{`<html lang="en">`, `href="#main"`, `<main id="main">`, `name="viewport"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if n := strings.Count(page, "<h1"); n != 1 {
		t.Errorf("%d headings of the first level, want 1", n)
	}
	for _, never := range []string{"<script", "<style", " style=", " onclick=", "http://"} {
		if strings.Contains(page, never) {
			t.Errorf("the page has %s", never)
		}
	}
	if n := strings.Count(page, "<th"); n != strings.Count(page, "<th scope=")+strings.Count(page, "<thead>") {
		t.Error("a table header without scope")
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".html")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-recorded +got; -update rewrites):\n%s", file, diff)
	}
}

func TestSignInAndOut(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	for _, path := range []string{"/app", "/app/"} {
		if res, _ := s.do(t, get(path)); res.StatusCode != http.StatusFound || res.Header.Get("Location") != "/app/login" {
			t.Errorf("%s before: %d to %q", path, res.StatusCode, res.Header.Get("Location"))
		}
	}
	if s.onStatus(t) {
		t.Error("the status is shown to anybody")
	}
	cookie := s.signIn(t)
	if !s.onStatus(t, cookie) {
		t.Error("the status is not shown after signing in")
	}
	for _, path := range []string{"/app", "/app/login"} {
		if res, _ := s.do(t, get(path), cookie); res.Header.Get("Location") != "/app/status" {
			t.Errorf("%s after: %d to %q", path, res.StatusCode, res.Header.Get("Location"))
		}
	}
	res, _ := s.do(t, post("/app/logout", ""), cookie)
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/app/login" || len(res.Cookies()) != 1 {
		t.Fatalf("sign-out: %d %v", res.StatusCode, res.Header)
	}
	if gone := res.Cookies()[0]; gone.Name != cookie.Name || gone.MaxAge >= 0 || gone.Value != "" {
		t.Errorf("sign-out leaves the cookie %v", gone)
	}
}

func TestTokenIsTakenAsPasted(t *testing.T) {
	t.Parallel()
	for name, token := range map[string]string{
		"as it is": rightToken, "quotes": `"` + rightToken + `"`, "white space": " \t" + rightToken + "\r\n", "header's value": "Bearer " + rightToken, "both": "\n Bearer   " + rightToken + " ",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if res, _ := newSite(t, nil).do(t, post("/app/login", token)); res.StatusCode != http.StatusSeeOther {
				t.Errorf("answered %d", res.StatusCode)
			}
		})
	}
}

func TestTokenComesInTheBodyOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	// An address is kept in histories and logs, so a token in one must not work.
	if res, _ := s.do(t, httptest.NewRequest(http.MethodPost, "/app/login?token="+rightToken, nil)); res.StatusCode != http.StatusBadRequest || len(res.Cookies()) != 0 {
		t.Errorf("answered %d, cookies %v", res.StatusCode, res.Cookies())
	}
	if s.lock.open {
		t.Error("a token in the address unlocks the bridge")
	}
}

func TestCookie(t *testing.T) {
	t.Parallel()
	for origin, want := range map[string]http.Cookie{
		"https://bridge.example.com": {Name: "__Host-scimbridge", Secure: true},
		"http://127.0.0.1:3002":      {Name: "scimbridge"},
	} {
		t.Run(want.Name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil)
			s.origin = origin
			got := s.signIn(t)
			want.Path, want.MaxAge, want.HttpOnly, want.SameSite, want.Value, want.Raw = "/", 8*60*60, true, http.SameSiteStrictMode, got.Value, got.Raw
			if diff := cmp.Diff(want, *got); diff != "" {
				t.Errorf("cookie (-want +got):\n%s", diff)
			}
			if again := s.signIn(t); again.Value == got.Value {
				t.Error("two sign-ins gave the same cookie")
			}
		})
	}
}

func TestCookieIsRefused(t *testing.T) {
	t.Parallel()
	for name, turn := range map[string]func(*site, *http.Cookie){
		"ended":                 func(s *site, _ *http.Cookie) { s.now = s.now.Add(8 * time.Hour) },
		"locked by a restart":   func(s *site, _ *http.Cookie) { s.lock.open = false },
		"another scimsession":   func(s *site, _ *http.Cookie) { s.lock.key = 2 },
		"of a plain connection": func(s *site, c *http.Cookie) { s.origin, c.Name = "http://bridge.example.com", "scimbridge" },
		"empty":                 func(_ *site, c *http.Cookie) { c.Value = "" },
		"short":                 func(_ *site, c *http.Cookie) { c.Value = c.Value[:8] },
		"cut":                   func(_ *site, c *http.Cookie) { c.Value = c.Value[:len(c.Value)-4] },
		"not base64":            func(_ *site, c *http.Cookie) { c.Value = "!" + c.Value[1:] },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil)
			cookie := s.signIn(t)
			turn(s, cookie)
			if s.onStatus(t, cookie) {
				t.Error("the cookie is taken")
			}
		})
	}
	t.Run("altered anywhere", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, nil)
		cookie := s.signIn(t)
		for i := range cookie.Value {
			altered := *cookie
			other := byte('A')
			if cookie.Value[i] == other {
				other = 'Q' // differs from A in a bit that counts even in the last character
			}
			altered.Value = cookie.Value[:i] + string(other) + cookie.Value[i+1:]
			if s.onStatus(t, &altered) {
				t.Errorf("taken with character %d altered", i)
			}
		}
	})
}

func TestCookieHoldsToItsEndAndOnEveryReplica(t *testing.T) {
	t.Parallel()
	s, replica := newSite(t, nil), newSite(t, nil)
	cookie := s.signIn(t)
	s.now = s.now.Add(8*time.Hour - time.Second)
	if !s.onStatus(t, cookie) {
		t.Error("refused a second before its end")
	}
	if replica.onStatus(t, cookie) {
		t.Error("taken by a replica that is still locked")
	}
	replica.lock.open = true
	if !replica.onStatus(t, cookie) {
		t.Error("refused by another replica")
	}
}

func TestOnlyWrongTokensAreLimited(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.wait = 1500 * time.Millisecond
	for i := range 8 {
		want := http.StatusUnauthorized
		if i >= s.allowed {
			want = http.StatusTooManyRequests
		}
		res, _ := s.do(t, post("/app/login", "scb_wrong"))
		if res.StatusCode != want || len(res.Cookies()) != 0 {
			t.Errorf("wrong token %d: %d, want %d; cookies %v", i+1, res.StatusCode, want, res.Cookies())
		}
		if got := res.Header.Get("Retry-After"); want == http.StatusTooManyRequests && got != "2" {
			t.Errorf("Retry-After %q, want the wait of 1.5 s rounded up", got)
		}
	}
	s.signIn(t)
	if s.wrong != 8 {
		t.Errorf("%d tokens were counted, want the 8 wrong ones", s.wrong)
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	from := func(r *http.Request, name, value string) *http.Request {
		r.Header.Set(name, value)
		return r
	}
	for name, c := range map[string]struct {
		request *http.Request
		status  int
	}{
		"sign-in from another site":    {from(post("/app/login", rightToken), "Sec-Fetch-Site", "cross-site"), 403},
		"sign-in from a sibling":       {from(post("/app/login", rightToken), "Sec-Fetch-Site", "same-site"), 403},
		"sign-in from another origin":  {from(post("/app/login", rightToken), "Origin", "https://evil.example"), 403},
		"sign-out from another site":   {from(post("/app/logout", ""), "Sec-Fetch-Site", "cross-site"), 403},
		"sign-out by a link":           {get("/app/logout"), 405},
		"too large":                    {post("/app/login", strings.Repeat("a", 9<<10)), 400},
		"wrong method":                 {httptest.NewRequest(http.MethodDelete, "/app/status", nil), 405},
		"no such page":                 {get("/app/nothing"), 404},
		"style of another version":     {get("/app/assets/000000000000.css"), 404},
		"climbing out of the assets":   {get("/app/assets/%2e%2e/web.go"), 404},
		"the folder of the assets":     {get("/app/assets/"), 404},
		"right token, broken encoding": {httptest.NewRequest(http.MethodPost, "/app/login", strings.NewReader("token=%zz")), 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil)
			res, _ := s.do(t, c.request)
			if res.StatusCode != c.status || len(res.Cookies()) != 0 {
				t.Errorf("answered %d, want %d; cookies %v", res.StatusCode, c.status, res.Cookies())
			}
			if s.lock.open {
				t.Error("it unlocked the bridge")
			}
		})
	}
}

func TestSetupIsTheOnlyPageWithoutScimsession(t *testing.T) {
	t.Parallel()
	s := newSite(t, &web.Missing{Problem: "no scimsession", LookedFor: []string{"OP_SESSION"}})
	for _, path := range []string{"/app/", "/app/login", "/app/status", "/app/nothing"} {
		if res, _ := s.do(t, get(path)); res.StatusCode != http.StatusFound || res.Header.Get("Location") != "/app" {
			t.Errorf("%s: %d to %q", path, res.StatusCode, res.Header.Get("Location"))
		}
	}
	if res, _ := s.do(t, post("/app/login", rightToken)); res.StatusCode != http.StatusMethodNotAllowed || s.lock.open {
		t.Errorf("sign-in: %d, open %v", res.StatusCode, s.lock.open)
	}
}

func TestStyleIsKeptByBrowsers(t *testing.T) {
	t.Parallel()
	for name, missing := range map[string]*web.Missing{"sign-in": nil, "setup": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, missing)
			path := "/app/login"
			if missing != nil {
				path = "/app"
			}
			_, page := s.do(t, get(path))
			style := regexp.MustCompile(`/app/assets/[0-9a-f]{12}\.css`).FindString(page)
			if style == "" {
				t.Fatalf("no style in\n%s", page)
			}
			res, css := s.do(t, get(style))
			if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(res.Header.Get("Cache-Control"), "immutable") {
				t.Errorf("%d %v", res.StatusCode, res.Header)
			}
			if strings.Contains(css, "@import") || strings.Contains(css, "url(") {
				t.Error("the style loads something else")
			}
		})
	}
}
