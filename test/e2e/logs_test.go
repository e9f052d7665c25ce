package e2e_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/internal/redis/redistest"
)

// browser signs in at a bridge, and returns what fetches its pages and where a real browser finds them.
func (m *member) browser() (fetch func(path string) string, proxy string) {
	m.t.Helper()
	jar, err := cookiejar.New(nil)
	must(m.t, err)
	client := &http.Client{Jar: jar}
	res, err := client.PostForm(m.url+"/app/login", url.Values{"token": {m.Token}})
	must(m.t, err)
	must(m.t, res.Body.Close())
	home, err := url.Parse(m.url)
	must(m.t, err)
	if res.StatusCode != http.StatusOK || len(jar.Cookies(home)) != 1 {
		m.t.Fatalf("signing in: %s", res.Status)
	}
	return func(path string) string {
		m.t.Helper()
		res, err := client.Get(m.url + path)
		must(m.t, err)
		defer res.Body.Close() //nolint:errcheck // read only
		text, err := io.ReadAll(res.Body)
		must(m.t, err)
		if res.StatusCode != http.StatusOK {
			m.t.Fatalf("%s: %s", path, res.Status)
		}
		return string(text)
	}, forward(m.t, home, jar.Cookies(home)[0])
}

// TestLogPage reads the last lines of two bridges at one of them, and of that one alone once Redis is gone. They are what the
// bridges print: at info without personal data, and at no level a secret.
func TestLogPage(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, redistest.Options{})
	f := newFleet(t, redis)
	f.serveAccount()
	plain, trace := f.join(""), f.join("", "OP_TRACE=1")
	if code, body, _, err := plain.Do(http.MethodPost, "/Users", `{"userName":"ada@example.com","displayName":"Ada Lovelace"}`); err != nil || code != http.StatusCreated {
		t.Fatal(code, body, err)
	}
	if code, body, _, err := trace.Do(http.MethodGet, "/Users?filter=userName+eq+%22ada@example.com%22&access_token="+f.token, ""); err != nil || code != http.StatusOK {
		t.Fatal(code, body, err)
	}
	fetch, proxy := plain.browser()
	comes(t, "the other bridge's query", func() bool { return strings.Contains(fetch("/app/logs"), "msg=query") })

	// What a bridge has printed is there, line by line; its name is in none of what it prints before it has the lease.
	download := fetch("/app/logs/download?level=info")
	for _, m := range []*member{plain, trace} {
		for line := range strings.Lines(m.Log()) {
			_, message, found := strings.Cut(strings.TrimSpace(line), " level=INFO ")
			if found && (strings.Contains(message, "msg=listening") || strings.Contains(message, "msg=unlocked") || strings.Contains(message, "msg=setting")) && !strings.Contains(download, " "+message+"\n") {
				t.Errorf("%q is missing", message)
			}
		}
	}
	if strings.Contains(download, "ada@example.com") || strings.Contains(download, "Lovelace") || strings.Contains(download, "level=DEBUG") {
		t.Errorf("at info:\n%s", download)
	}
	everything := fetch("/app/logs/download")
	if secret := f.token[len("scb_aaaaaaaa_"):]; strings.Contains(everything, secret) || !strings.Contains(everything, "_[secret]") || !strings.Contains(everything, "ada@example.com") {
		t.Errorf("at trace:\n%s", everything)
	}
	for _, key := range strings.Fields(strings.Trim(redis.Do("KEYS", "*:log:*"), "[]")) {
		if raw := redis.Do("XRANGE", key, "-", "+"); !strings.Contains(raw, "sealed") || strings.Contains(raw, "msg=") || strings.Contains(raw, "ada@") {
			t.Errorf("%s can be read in Redis", key)
		}
	}

	redis.Kill()
	becomes(t, plain.url, f.token, "RedisCache", "unhealthy")
	alone := fetch("/app/logs")
	wants(t, "without Redis", alone, "Redis cannot be used now", "msg=listening", "redis cannot be used")
	if strings.Contains(alone, "msg=query") {
		t.Error("the other bridge's lines are shown without Redis")
	}
	redis.Start() // empty
	comes(t, "the other bridge's lines, from its memory", func() bool {
		trace.lists(f.token)
		text := fetch("/app/logs?level=info")
		return strings.Contains(text, "method=GET route=/Users") && !strings.Contains(text, "Redis cannot be used now")
	})
	for name, flags := range map[string][]string{"logs-phone": {phone}, "logs-desktop": {desktop}, "logs-dark": {desktop, dark}} {
		wants(t, name, browse(t, name, proxy+"/app/logs", flags...), "<h1>Log</h1>", "msg=listening", "WARN", `<a href="/app/logs" aria-current="page">Log</a>`, "Download", "kept in Redis, sealed")
	}
}
