package web_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/internal/server/web"
)

// someLines is a log of two replicas with a line of each kind.
func someLines(now time.Time) web.Log {
	return web.Log{
		Shared: true, Replicas: []string{"bridge-1", "bridge-2"},
		Lines: []web.LogLine{
			{Time: now, Level: "INFO", Replica: "bridge-1", Text: `msg=request method=GET route=/Users status=200`},
			{Time: now.Add(-time.Second), Level: "WARN", Replica: "bridge-2", Text: `msg="<b>not bold</b>" error="redis is away"`},
			{Time: now.Add(-time.Second), Level: "WARN", Replica: "bridge-2", Missing: 17},
			{Time: now.Add(-time.Minute), Level: "ERROR", Replica: "bridge-1", Text: `msg=panic value="a bug"`},
			{Time: now.Add(-time.Hour), Level: "DEBUG-4", Replica: "bridge-1", Text: `msg=query query="filter=x"`},
		},
	}
}

// TestLogNeedsASession: neither page nor download tells a stranger anything.
func TestLogNeedsASession(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.lines = someLines(s.now)
	for _, path := range []string{"/app/logs", "/app/logs/download"} {
		res, body := s.do(t, get(path))
		if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/app/login" || s.asked != (web.LogQuery{}) {
			t.Errorf("%s: %d to %q\n%s", path, res.StatusCode, res.Header.Get("Location"), body)
		}
	}
}

func TestLogQuery(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	cookie := s.signIn(t)
	long := make([]byte, 81)
	for i := range long {
		long[i] = 'a'
	}
	for path, want := range map[string]web.LogQuery{
		"/app/logs":                                 {Most: 300},
		"/app/logs?level=error&replica=bridge-1":    {Level: "error", Replica: "bridge-1", Most: 300},
		"/app/logs?level=nonsense":                  {Most: 300},
		"/app/logs?replica=" + string(long):         {Most: 300},
		"/app/logs/download?level=info&replica=":    {Level: "info", Most: 10_000},
		"/app/logs/download?level=warn&replica=%20": {Level: "warn", Replica: " ", Most: 10_000},
	} {
		if res, _ := s.do(t, get(path), cookie); res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
		if diff := cmp.Diff(want, s.asked); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
}

// TestDownload is the log as it is, oldest first, with what is missing as comments.
func TestDownload(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.lines = someLines(s.now)
	s.lines.Problem, s.lines.Unreadable, s.lines.More = "Redis is away.", 3, true
	res, body := s.do(t, get("/app/logs/download"), s.signIn(t))
	const want = `# Redis is away.
# 3 entries could not be read.
# There are older lines than these.
time=2026-11-24T09:30:00.000Z level=DEBUG-4 replica=bridge-1 msg=query query="filter=x"
time=2026-11-24T10:29:00.000Z level=ERROR replica=bridge-1 msg=panic value="a bug"
# 17 lines of bridge-2 are missing.
time=2026-11-24T10:29:59.000Z level=WARN replica=bridge-2 msg="<b>not bold</b>" error="redis is away"
time=2026-11-24T10:30:00.000Z level=INFO replica=bridge-1 msg=request method=GET route=/Users status=200
`
	if diff := cmp.Diff(want, body); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/plain; charset=utf-8", "Content-Disposition": `attachment; filename="scimbridge-log-20261124T103000Z.txt"`, "Cache-Control": "no-store",
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}
