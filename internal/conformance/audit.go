package conformance

import (
	"fmt"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// rule names what every answer of a run is held against.
type rule string

const (
	ruleJSON        rule = "strict JSON"        // every body is valid UTF-8 JSON without duplicate names
	ruleSchemas     rule = "schemas"            // every representation names its schemas
	ruleMessage     rule = "message URN"        // messages are named by the IETF's URNs
	ruleErrorBody   rule = "error body"         // a refusal is a SCIM error
	ruleErrorStatus rule = "error status"       // its status is the HTTP status, as a string
	ruleErrorDetail rule = "error detail"       // it says something to people
	ruleErrorType   rule = "error content type" // it is sent as application/scim+json
	ruleLeak        rule = "leak"               // a breakdown shows no internals
	ruleRetryAfter  rule = "Retry-After"        // 429 and 503 say when to come back
	ruleSecret      rule = "password"           // the password that was sent comes back nowhere
	ruleBulkID      rule = "bulkId in id"       // no id looks like a reference
	ruleUniqueID    rule = "unique id"          // no two resources have one id
)

// audit holds every answer of a run against the rules that know no exception, whichever check asked. The
// requirements that rest on it are checked last.
type audit struct {
	secret string

	mu     sync.Mutex // guards what follows
	seen   map[rule]int
	broken map[rule]string // the first offence
	ids    map[string]string
}

// observe looks at one answer.
func (u *audit) observe(a answer) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.seen == nil {
		u.seen, u.broken, u.ids = map[rule]int{}, map[rule]string{}, map[string]string{}
	}
	if len(a.raw) > 0 && a.call.method != http.MethodHead {
		u.hold(ruleJSON, a, jsontext.Value(a.raw).IsValid())
		u.hold(ruleSecret, a, u.secret == "" || !strings.Contains(string(a.raw), u.secret))
	}
	switch {
	case a.call.method == http.MethodHead:
	case a.status >= 400:
		u.refusal(a)
	case a.status >= 200 && a.status < 300 && a.body != nil:
		u.representation(a)
	}
	if a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable {
		n, err := strconv.Atoi(a.header.Get("Retry-After"))
		u.hold(ruleRetryAfter, a, err == nil && n >= 0)
	}
}

// hold counts one observation and keeps the first offence.
func (u *audit) hold(r rule, a answer, ok bool) {
	u.seen[r]++
	if !ok && u.broken[r] == "" {
		u.broken[r] = fmt.Sprintf("%s %s answered %d %s", a.call.method, shorten(a.call.path, 120), a.status,
			shorten(strings.ToValidUTF8(string(a.raw), "\uFFFD"), 300))
	}
}

var internals = regexp.MustCompile(`goroutine \d|panic:|\.go:\d|Traceback|\.java:\d|\bat [\w.]+\(|\b(SELECT|INSERT|UPDATE|DELETE) [\w*, ]+\b(FROM|INTO|SET)\b|/(home|usr|var|app)/`)

func (u *audit) refusal(a answer) {
	u.hold(ruleErrorBody, a, slices.Contains(texts(a.body["schemas"]), errorURN))
	u.hold(ruleErrorStatus, a, text(a.body["status"]) == strconv.Itoa(a.status))
	u.hold(ruleErrorDetail, a, strings.TrimSpace(text(a.body["detail"])) != "")
	if accept, ok := a.call.header["Accept"]; !ok || strings.Contains(accept, "scim+json") {
		media, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
		u.hold(ruleErrorType, a, media == "application/scim+json")
	}
	u.hold(ruleMessage, a, messages(a.body))
	if a.status >= 500 {
		u.hold(ruleLeak, a, !internals.Match(a.raw))
	}
}

func (u *audit) representation(a answer) {
	schemas := texts(a.body["schemas"])
	u.hold(ruleSchemas, a, len(schemas) > 0)
	_, list := a.body["totalResults"]
	_, bulk := a.body["Operations"]
	if !list && !bulk {
		u.identity(a, a.body)
		return
	}
	u.hold(ruleMessage, a, messages(a.body))
	for _, r := range objects(a.body, "Resources") {
		u.hold(ruleSchemas, a, len(texts(r["schemas"])) > 0)
		u.identity(a, r)
	}
}

func messages(o object) bool {
	s := texts(o["schemas"])
	return len(s) > 0 && strings.HasPrefix(s[0], messagePrefix)
}

// identity looks at the id of a resource of a creation: the same id under two endpoints or twice is an offence.
func (u *audit) identity(a answer, o object) {
	id, ok := o["id"].(string)
	if !ok {
		return
	}
	u.hold(ruleBulkID, a, !strings.Contains(strings.ToLower(id), "bulkid"))
	path, _, _ := strings.Cut(a.call.path, "?")
	if a.call.method != http.MethodPost || a.status != http.StatusCreated || path == "/Bulk" {
		return
	}
	_, taken := u.ids[id]
	u.hold(ruleUniqueID, a, id != "" && !taken)
	u.ids[id] = path
}

// audited is the check of a rule: what all the answers so far have shown.
func audited(r rule) func(*probe) {
	return func(p *probe) {
		u := &p.c.audit
		u.mu.Lock()
		defer u.mu.Unlock()
		switch {
		case u.broken[r] != "":
			p.failf("%s", p.c.redact(u.broken[r]))
		case u.seen[r] == 0:
			p.skip("no answer of this run touched it")
		}
	}
}
