package accountapi_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accountapi"
	"github.com/scimbridge/scimbridge/internal/account/accounttest"
	"github.com/scimbridge/scimbridge/internal/bridge"
	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/internal/person"
)

var (
	_ bridge.Account   = (*accountapi.Remote)(nil)
	_ bridge.Admission = (*accountapi.Remote)(nil)
	_ person.Account   = (*accountapi.Person)(nil)
)

// raw speaks the protocol by hand.
type raw struct {
	url, host, token string
	k                *accounttest.Keyed
	client           *http.Client
}

// outcome is an answer.
type outcome struct {
	Status int
	Code   string
	Body   string
	Header http.Header
}

// newRaw signs the integration in.
func newRaw(t testing.TB, url string, k *accounttest.Keyed) *raw {
	t.Helper()
	c := &raw{url: url, host: strings.TrimPrefix(url, "http://"), k: k, client: http.DefaultClient}
	out := c.signIn(t, map[string]any{"account": k.ID, "integration": k.Integration, "generation": k.Newest}, func(c keyset.ChallengeClaim) []byte { return k.Keyset.Sign(c) }, nil)
	var session struct{ Token string }
	must(t, json.Unmarshal([]byte(out.Body), &session))
	if c.token = session.Token; c.token == "" {
		t.Fatalf("sign-in: %+v", out)
	}
	return c
}

func (c *raw) signIn(t testing.TB, who map[string]any, sign func(keyset.ChallengeClaim) []byte, edit func(claim *keyset.ChallengeClaim, answer map[string]any)) outcome {
	t.Helper()
	out := c.post(t, "/v1/auth/challenge", who)
	var ch struct {
		Subject string
		Serial  int
		Nonce   []byte
	}
	must(t, json.Unmarshal([]byte(out.Body), &ch))
	claim := keyset.ChallengeClaim{Host: c.host, Account: who["account"].(string), Subject: ch.Subject, Serial: ch.Serial, Nonce: ch.Nonce}
	answer := map[string]any{"account": claim.Account, "host": c.host, "time": time.Now().UTC(), "nonce": ch.Nonce}
	if edit != nil {
		edit(&claim, answer)
	}
	answer["signature"] = sign(claim)
	return c.post(t, "/v1/auth/session", answer)
}

// personToken signs the account's owner in.
func personToken(t testing.TB, c *raw) string {
	t.Helper()
	out := (&raw{url: c.url, host: c.host, client: c.client}).signIn(t, map[string]any{"account": c.k.ID, "user": c.k.Owner.ID},
		func(claim keyset.ChallengeClaim) []byte { return c.k.Owner.Unlock.Sign(claim) }, nil)
	var session struct{ Token string }
	must(t, json.Unmarshal([]byte(out.Body), &session))
	if session.Token == "" {
		t.Fatalf("sign-in: %+v", out)
	}
	return session.Token
}

func (c *raw) post(t testing.TB, path string, body any) outcome {
	t.Helper()
	b, err := json.Marshal(body)
	must(t, err)
	return c.send(t, http.MethodPost, path, string(b), nil)
}

func (c *raw) send(t testing.TB, method, path, body string, head map[string]string) outcome {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, c.url+path, strings.NewReader(body))
	must(t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for k, v := range head {
		req.Header.Set(k, v)
	}
	res, err := c.client.Do(req)
	must(t, err)
	defer res.Body.Close() //nolint:errcheck // read only
	b, err := io.ReadAll(res.Body)
	must(t, err)
	var p struct{ Code string }
	_ = json.Unmarshal(b, &p)
	return outcome{res.StatusCode, p.Code, string(b), res.Header}
}

// TestSignIn: who signs in, and who does not.
func TestSignIn(t *testing.T) {
	t.Parallel()
	k, other := founded(t), founded(t)
	url, _ := serve(t, nil, k, other)
	c := newRaw(t, url, k)
	c.token = ""
	mine := map[string]any{"account": k.ID, "integration": k.Integration, "generation": k.Newest}
	right := func(c keyset.ChallengeClaim) []byte { return k.Keyset.Sign(c) }
	wrong := func(c keyset.ChallengeClaim) []byte { return other.Keyset.Sign(c) }
	owner := func(c keyset.ChallengeClaim) []byte { return k.Owner.Unlock.Sign(c) }
	for name, tt := range map[string]struct {
		who    map[string]any
		sign   func(keyset.ChallengeClaim) []byte
		edit   func(*keyset.ChallengeClaim, map[string]any)
		status int
		code   string
	}{
		"the integration":         {mine, right, nil, 200, ""},
		"another's keys":          {mine, wrong, nil, 401, "sign_in_refused"},
		"the owner, by id":        {map[string]any{"account": k.ID, "user": k.Owner.ID}, owner, nil, 200, ""},
		"the owner, by e-mail":    {map[string]any{"account": k.ID, "user": "OWNER@example.com"}, owner, nil, 200, ""},
		"nobody, by e-mail":       {map[string]any{"account": k.ID, "user": "nobody@example.com"}, owner, nil, 401, "sign_in_refused"},
		"nobody, by id":           {map[string]any{"account": k.ID, "user": other.Owner.ID + ""}, wrong, nil, 401, "sign_in_refused"},
		"no such integration":     {map[string]any{"account": k.ID, "integration": other.Integration, "generation": 1}, right, nil, 401, "sign_in_refused"},
		"no such generation":      {map[string]any{"account": k.ID, "integration": k.Integration, "generation": 9}, right, nil, 401, "sign_in_refused"},
		"no such account":         {map[string]any{"account": k.Owner.ID, "integration": k.Integration, "generation": 1}, right, nil, 401, "sign_in_refused"},
		"no id of an account":     {map[string]any{"account": "x", "user": "owner@example.com"}, owner, nil, 401, "sign_in_refused"},
		"signed for another host": {mine, right, func(c *keyset.ChallengeClaim, _ map[string]any) { c.Host = "evil.example" }, 401, "sign_in_refused"},
		"known by another host":   {mine, right, func(c *keyset.ChallengeClaim, a map[string]any) { c.Host = "evil.example"; a["host"] = c.Host }, 401, "wrong_host"},
		"another account's":       {mine, right, func(_ *keyset.ChallengeClaim, a map[string]any) { a["account"] = other.ID }, 401, "challenge_expired"},
		"another nonce":           {mine, right, func(_ *keyset.ChallengeClaim, a map[string]any) { a["nonce"] = []byte("x") }, 401, "challenge_expired"},
		"slow clock":              {mine, right, func(_ *keyset.ChallengeClaim, a map[string]any) { a["time"] = time.Now().Add(-6 * time.Minute) }, 401, "clock_off"},
		"fast clock":              {mine, right, func(_ *keyset.ChallengeClaim, a map[string]any) { a["time"] = time.Now().Add(6 * time.Minute) }, 401, "clock_off"},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.signIn(t, tt.who, tt.sign, tt.edit)
			if got.Status != tt.status || got.Code != tt.code {
				t.Errorf("answer %+v, want %d %s", got, tt.status, tt.code)
			}
			if tt.code == "clock_off" && !strings.Contains(got.Body, `"time":"20`) {
				t.Errorf("the server's time is missing: %s", got.Body)
			}
		})
	}
}

// TestNoOracle: a challenge for somebody looks like one for nobody, and is the same each time.
func TestNoOracle(t *testing.T) {
	t.Parallel()
	k := founded(t)
	url, _ := serve(t, nil, k)
	c := newRaw(t, url, k)
	shape := func(who map[string]any) (id string, keys []string, nonce int) {
		out := c.post(t, "/v1/auth/challenge", who)
		var all map[string]any
		must(t, json.Unmarshal([]byte(out.Body), &all))
		if out.Status != 200 {
			t.Fatalf("answer %+v", out)
		}
		return all["subject"].(string), slices.Sorted(maps.Keys(all)), len(all["nonce"].(string))
	}
	id, keys, size := shape(map[string]any{"account": k.ID, "user": accounttest.KeyedOwner})
	nobody, keys2, size2 := shape(map[string]any{"account": k.ID, "user": "nobody@example.com"})
	again, _, _ := shape(map[string]any{"account": k.ID, "user": "Nobody@Example.com"})
	elsewhere, _, _ := shape(map[string]any{"account": k.Integration, "user": "nobody@example.com"})
	if id != k.Owner.ID || !account.IsID(nobody) || !account.IsID(elsewhere) || nobody != again || !slices.Equal(keys, keys2) || size != size2 {
		t.Errorf("somebody: %s %v %d, nobody: %s %s %v %d", id, keys, size, nobody, again, keys2, size2)
	}
}

// TestWrongSignaturesAreSlowedDown, and right ones never.
func TestWrongSignaturesAreSlowedDown(t *testing.T) {
	t.Parallel()
	k := founded(t)
	url, _ := serve(t, nil, k)
	c := newRaw(t, url, k)
	who := map[string]any{"account": k.ID, "user": k.Owner.ID}
	var last outcome
	for range 12 {
		last = c.signIn(t, who, func(c keyset.ChallengeClaim) []byte { return k.Keyset.Sign(c) }, nil)
	}
	if last.Status != 429 || last.Header.Get("Retry-After") == "" {
		t.Errorf("answer %+v, want 429 with Retry-After", last)
	}
	if right := c.signIn(t, who, func(c keyset.ChallengeClaim) []byte { return k.Owner.Unlock.Sign(c) }, nil); right.Status != 200 {
		t.Errorf("the right signature is held back: %+v", right)
	}
}

// TestSwappedAccounts: with a session of one account nothing of another can be reached, on any route, be it the
// integration's or a person's.
func TestSwappedAccounts(t *testing.T) {
	t.Parallel()
	a, b := founded(t), founded(t)
	url, h := serve(t, nil, a, b)
	c, theirs := newRaw(t, url, a), newRaw(t, url, b)
	user := a.Owner.ID
	invited, err := b.Invite(t.Context(), account.Invitation{ID: newID(t), Person: account.Person{UserName: "ada@example.com", Email: "ada@example.com"}})
	must(t, err)
	made, err := b.CreateGroup(t.Context(), account.NewGroup{ID: newID(t), Name: "Engineers", Members: []string{invited.ID}})
	must(t, err)
	must(t, b.NewGroupKey(t.Context(), made.Group.ID))
	// Both owners wait for a new name, the same one.
	renamed := account.Person{UserName: "new@example.com", Email: "new@example.com"}
	for _, k := range []*accounttest.Keyed{a, b} {
		_, err := k.ChangeUser(t.Context(), k.Owner.ID, account.UserChange{Person: &renamed})
		must(t, err)
	}
	bodies := map[string]string{
		"POST /v1/me/user-name":               `{"userName":"new@example.com"}`,
		"PATCH /v1/users/{id}":                `{"active":false}`,
		"PATCH /v1/groups/{id}":               `{"name":"x"}`,
		"POST /v1/users/{id}/invitation/sent": `{"number":1}`,
		"POST /v1/users/{id}/confirm":         `{"number":1}`,
		"POST /v1/users/{id}/reject":          `{"number":1,"reason":"x"}`,
		"POST /v1/groups/{id}/key":            `{"serial":1,"attestation":"AA=="}`,
	}
	swapped := map[bool]string{}
	for person, token := range map[bool]string{false: theirs.token, true: personToken(t, theirs)} {
		swapped[person] = strings.Replace(token, b.ID, a.ID, 1)
	}
	people := 0
	for _, rt := range h.Routes() {
		if !rt.Integration && !rt.Person {
			continue
		}
		method, path, _ := strings.Cut(rt.Pattern, " ")
		id := invited.ID
		if strings.Contains(path, "/groups/") {
			id = made.Group.ID
		}
		path = strings.Replace(path, "{id}", id, 1)
		head := map[string]string{"Idempotency-Key": newID(t)}
		if strings.Contains(rt.Pattern, "{id}") {
			if got := c.send(t, method, path, bodies[rt.Pattern], head); got.Status != 404 || got.Code != "not_found" {
				t.Errorf("%s with another account's id: %+v", rt.Pattern, got)
			}
		}
		if rt.Person {
			people++
			if got := c.send(t, method, path, bodies[rt.Pattern], head); got.Status != 403 || got.Code != "session_kind" {
				t.Errorf("an integration at %s: %+v", rt.Pattern, got)
			}
		} else {
			head["Authorization"] = "Bearer " + personToken(t, c)
			if got := c.send(t, method, path, bodies[rt.Pattern], head); got.Status != 403 || got.Code != "session_kind" {
				t.Errorf("a person at %s: %+v", rt.Pattern, got)
			}
		}
		head["Authorization"] = "Bearer " + swapped[rt.Person]
		if got := c.send(t, method, path, bodies[rt.Pattern], head); got.Status != 401 || got.Code != "session_invalid" {
			t.Errorf("%s with a session that names another account: %+v", rt.Pattern, got)
		}
		head["Authorization"] = ""
		if got := c.send(t, method, path, bodies[rt.Pattern], head); got.Status != 401 || got.Code != "session_required" {
			t.Errorf("%s without a session: %+v", rt.Pattern, got)
		}
	}
	if people != 3 {
		t.Errorf("%d routes are people's", people)
	}
	for _, k := range []*accounttest.Keyed{a, b} {
		if u, err := k.Person(t.Context(), k.Owner.ID); err != nil || u.SignInName != accounttest.KeyedOwner {
			t.Errorf("somebody else has confirmed a name: %+v %v", u, err)
		}
	}
	page, err := a.Users(t.Context(), account.Query{Limit: 10})
	must(t, err)
	if len(page.Users) != 1 || page.Users[0].ID != user {
		t.Errorf("people of the other account: %+v", page)
	}
	if now, err := b.User(t.Context(), invited.ID); err != nil || now.State != account.Invited {
		t.Errorf("the other account's person: %+v %v", now, err)
	}
}

// TestOnce: a call that comes twice is made once; another one with its key is refused.
func TestOnce(t *testing.T) {
	t.Parallel()
	k := founded(t)
	url, _ := serve(t, nil, k)
	restarted, _ := serve(t, nil, k) // another process
	c, c2 := newRaw(t, url, k), newRaw(t, restarted, k)
	u, err := k.Invite(t.Context(), account.Invitation{ID: newID(t), Person: account.Person{UserName: "ada@example.com"}})
	must(t, err)
	group := `{"id":"` + newID(t) + `","name":"Engineers","members":["` + u.ID + `","` + newID(t) + `"]}`
	head := map[string]string{"Idempotency-Key": newID(t)}
	first := c.send(t, "POST", "/v1/groups", group, head)
	again := c.send(t, "POST", "/v1/groups", group, head)
	if first.Status != 200 || first.Body != again.Body {
		t.Errorf("first %+v, again %+v", first, again)
	}
	if got := c2.send(t, "POST", "/v1/groups", group, head); got.Body != first.Body || !strings.Contains(got.Body, `"unknown":["`) {
		t.Errorf("another process: %+v, want %s", got, first.Body)
	}
	var made struct{ Group struct{ ID string } }
	must(t, json.Unmarshal([]byte(first.Body), &made))
	change := map[string]string{"Idempotency-Key": newID(t)}
	patch := `{"steps":[{"kind":"add","users":["` + k.Owner.ID + `","` + newID(t) + `"]}],"show":10}`
	added := c.send(t, "PATCH", "/v1/groups/"+made.Group.ID, patch, change)
	if got := c2.send(t, "PATCH", "/v1/groups/"+made.Group.ID, patch, change); got.Body != added.Body || !strings.Contains(got.Body, `"members":[{`) {
		t.Errorf("another process: %+v, want %s", got, added.Body)
	}
	for _, way := range []*raw{c, c2} {
		if got := way.send(t, "POST", "/v1/groups", `{"id":"`+newID(t)+`","name":"Poets"}`, head); got.Status != 409 || got.Code != "idempotency_mismatch" {
			t.Errorf("another call with the key: %+v", got)
		}
	}
	if got := c.send(t, "DELETE", "/v1/users/"+u.ID, "", nil); got.Status != 400 || got.Code != "idempotency_key_missing" {
		t.Errorf("without a key: %+v", got)
	}
	for _, match := range []string{"7", `W/"7"`, "*", `"0"`, `"x"`} {
		if got := c.send(t, "DELETE", "/v1/users/"+u.ID, "", map[string]string{"Idempotency-Key": newID(t), "If-Match": match}); got.Code != "if_match_invalid" {
			t.Errorf("If-Match %s: %+v", match, got)
		}
	}
	if got := c.send(t, "DELETE", "/v1/users/"+u.ID, "", map[string]string{"Idempotency-Key": newID(t), "If-Match": `"99"`}); got.Status != 412 {
		t.Errorf("another revision: %+v", got)
	}
	list, err := k.Activity(t.Context(), 0, 1000)
	must(t, err)
	n := 0
	for _, e := range list {
		if e.Verb == "group.create" {
			n++
			if e.Caller != account.Integration || e.RequestID != first.Header.Get("X-Request-Id") {
				t.Errorf("entry %s", e)
			}
		}
	}
	if n != 1 {
		t.Errorf("%d groups were made", n)
	}
}

// TestRoutes: wrong paths and methods, machines' endpoints, request ids.
func TestRoutes(t *testing.T) {
	t.Parallel()
	k := founded(t)
	var logged bytes.Buffer
	url, h := serve(t, func(c *accountapi.Config) {
		c.MetricsToken = "metrics-token"
		c.Log = slog.New(slog.NewTextHandler(&logged, nil))
	}, k)
	c := newRaw(t, url, k)
	for _, tt := range []struct {
		method, path string
		head         map[string]string
		status       int
		has          string
	}{
		{"GET", "/nothing", nil, 404, `"no_route"`},
		{"PUT", "/v1/users", nil, 405, `"method_not_allowed"`},
		{"GET", "/ping", nil, 200, "pong"},
		{"GET", "/ready", nil, 200, "ready"},
		{"GET", "/metrics", nil, 401, ""},
		{"GET", "/metrics", map[string]string{"Authorization": "Bearer metrics-token"}, 200, "scimbridge_account_requests_total"},
		{"GET", "/v1/account", map[string]string{"X-Request-Id": "my-request.1"}, 200, k.ID},
		{"GET", "/v1/users/" + newID(t), nil, 404, `"not_found"`},
		{"GET", "/v1/changes?after=x", nil, 400, `"query_invalid"`},
		{"GET", "/v1/changes?wait=26", nil, 400, `"query_invalid"`},
		{"GET", "/v1/groups/" + newID(t) + "/members?limit=1000000", nil, 400, `"query_invalid"`},
	} {
		got := c.send(t, tt.method, tt.path, "", tt.head)
		if got.Status != tt.status || !strings.Contains(got.Body, tt.has) {
			t.Errorf("%s %s: %+v", tt.method, tt.path, got)
		}
		if want := tt.head["X-Request-Id"]; got.Header.Get("X-Request-Id") == "" || want != "" && got.Header.Get("X-Request-Id") != want {
			t.Errorf("%s %s: request id %q", tt.method, tt.path, got.Header.Get("X-Request-Id"))
		}
	}
	if got := c.send(t, "POST", "/v1/users/search", `{"terms":[{"field":"password","op":"eq","value":"x"}]}`, nil); got.Code != "query_invalid" {
		t.Errorf("unknown field: %+v", got)
	}
	h.Drain()
	if got := c.send(t, "GET", "/ready", "", nil); got.Status != 503 {
		t.Errorf("draining: %+v", got)
	}
	if text := logged.String(); strings.Contains(text, "@example.com") || !strings.Contains(text, `route="GET /v1/users/{id}"`) {
		t.Errorf("log:\n%s", text)
	}
}

// TestJoinPage: what a browser gets of a link says what to do, and runs nothing.
func TestJoinPage(t *testing.T) {
	t.Parallel()
	k := founded(t)
	url, _ := serve(t, nil, k)
	c := &raw{url: url, client: http.DefaultClient}
	got := c.send(t, "GET", "/join/"+k.ID+"."+k.Owner.ID+".1", "", nil)
	if got.Status != 200 || !strings.Contains(got.Body, "scimbridge account join") || strings.Contains(got.Body, "<script") || strings.Contains(got.Body, k.Owner.ID) {
		t.Errorf("page %+v", got)
	}
	if csp := got.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || got.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("headers %v", got.Header)
	}
	if got := c.send(t, "GET", "/join/nonsense", "", nil); got.Status != 404 {
		t.Errorf("nonsense: %+v", got)
	}
	if got := c.send(t, "GET", "/assets/join.css", "", nil); got.Status != 200 || !strings.HasPrefix(got.Header.Get("Content-Type"), "text/css") {
		t.Errorf("style: %+v", got)
	}
}

// TestPerson: somebody joins by a link, is confirmed by a bridge far away, signs in, and is out when suspended.
func TestPerson(t *testing.T) {
	t.Parallel()
	k := founded(t)
	url, _ := serve(t, nil, k)
	r := remote(t, url, nil, k)
	ctx := t.Context()
	u, err := r.Invite(ctx, account.Invitation{ID: newID(t), Person: account.Person{UserName: "ada@example.com", Email: "ada@example.com", Name: "Ada"}})
	must(t, err)
	made, err := r.CreateGroup(ctx, account.NewGroup{ID: newID(t), Name: "Engineers", Members: []string{u.ID}})
	must(t, err)
	must(t, k.NewGroupKey(ctx, made.Group.ID))
	link, err := k.Open(ctx, u.ID)
	must(t, err)
	p, err := accountapi.NewPerson(accountapi.PersonConfig{URL: url})
	must(t, err)
	defer p.Close()
	_, stranger, err := keyset.ParseLink(strings.Replace(link.Link("https://x.example"), "#", "#", 1))
	must(t, err)
	j, err := p.Join(ctx, stranger)
	must(t, err)
	if j.UserID != u.ID || j.Email != "ada@example.com" || j.Account != k.ID {
		t.Errorf("joining %+v", j)
	}
	keys, proposal, err := k.Propose(link, j.Email)
	must(t, err)
	for range 2 {
		must(t, p.Accept(ctx, link, proposal))
	}
	if _, err := p.Join(ctx, link); !errors.Is(err, account.ErrInvitation) {
		t.Errorf("joining again: %v", err)
	}
	bad := newRaw(t, url, k).send(t, "GET", "/v1/join/"+link.Ref(), "", map[string]string{"Invitation-Access": strings.Repeat("A", 43)})
	if bad.Status != 403 || bad.Code != "link_invalid" {
		t.Errorf("without the link: %+v", bad)
	}
	sign := func(c keyset.ChallengeClaim) ([]byte, error) { return keys.Unlock.Sign(c), nil }
	if err := p.SignIn(ctx, k.ID, u.ID, sign); !errors.Is(err, accountapi.ErrSignIn) {
		t.Errorf("signing in before the confirmation: %v", err)
	}
	due, err := r.Due(ctx, "", 10)
	must(t, err)
	if len(due.People) != 1 || due.People[0].UserID != u.ID || len(due.People[0].Pending) != 1 {
		t.Fatalf("due %+v", due)
	}
	must(t, k.Admit(ctx, u.ID))
	must(t, p.SignIn(ctx, k.ID, "Ada@example.com", sign))
	own, err := p.Own(ctx)
	must(t, err)
	if own.ID != u.ID || len(own.Groups) != 1 || len(own.Groups[0].Grants) != 1 || string(own.Keys.Sealed) != string(proposal.Keys.Sealed) {
		t.Errorf("own %+v", own)
	}
	info, trust, err := p.Standing(ctx)
	must(t, err)
	if info.ID != k.ID || len(trust) < 6 {
		t.Errorf("standing %+v, %d statements", info, len(trust))
	}
	renamed := account.Person{UserName: "lovelace@example.com", Email: "lovelace@example.com", Name: "Ada"}
	_, err = r.ChangeUser(ctx, u.ID, account.UserChange{Person: &renamed})
	must(t, err)
	if own, err = p.Own(ctx); err != nil || own.UserName != renamed.UserName || own.SignInName != "ada@example.com" {
		t.Errorf("with an address that waits: %+v %v", own, err)
	}
	if err := p.ConfirmName(ctx, "eve@example.com"); !errors.Is(err, account.ErrRevision) {
		t.Errorf("an address that nobody has named: %v", err)
	}
	for range 2 {
		must(t, p.ConfirmName(ctx, renamed.UserName))
	}
	again, err := accountapi.NewPerson(accountapi.PersonConfig{URL: url})
	must(t, err)
	defer again.Close()
	must(t, again.SignIn(ctx, k.ID, renamed.UserName, sign))
	if err := again.SignIn(ctx, k.ID, "ada@example.com", sign); !errors.Is(err, accountapi.ErrSignIn) {
		t.Errorf("with the old address: %v", err)
	}
	active := false
	_, err = r.ChangeUser(ctx, u.ID, account.UserChange{Active: &active})
	must(t, err)
	if err := p.ConfirmName(ctx, renamed.UserName); !errors.Is(err, account.ErrState) {
		t.Errorf("suspended: %v", err)
	}
	if _, err := p.Own(ctx); !errors.Is(err, account.ErrState) {
		t.Errorf("after the suspension: %v", err)
	}
	active = true
	_, err = r.ChangeUser(ctx, u.ID, account.UserChange{Active: &active})
	must(t, err)
	if _, err := p.Own(ctx); !errors.Is(err, account.ErrState) {
		t.Errorf("the session before the suspension: %v", err)
	}
	must(t, p.SignIn(ctx, k.ID, u.ID, sign))
	_, err = p.Own(ctx)
	must(t, err)
}

// TestGenerations: new credentials end the old ones at once, or after an overlap.
func TestGenerations(t *testing.T) {
	t.Parallel()
	k := founded(t)
	url, _ := serve(t, nil, k)
	first := remote(t, url, nil, k)
	_, err := first.Describe(t.Context())
	must(t, err)
	must(t, k.Regenerate(t.Context(), time.Hour))
	second := remote(t, url, nil, k)
	for _, r := range []*accountapi.Remote{first, second} {
		_, err := r.Describe(t.Context())
		must(t, err)
	}
	must(t, k.Regenerate(t.Context(), 0))
	_, err = second.Describe(t.Context())
	if !errors.Is(err, account.ErrGeneration) || errors.Is(err, account.ErrUnavailable) {
		t.Errorf("a session of old credentials: %v", err)
	}
	if _, err = remote(t, url, nil, &accounttest.Keyed{ID: k.ID, Integration: k.Integration, Newest: 2, Keyset: k.Keyset}).Describe(t.Context()); !errors.Is(err, accountapi.ErrRefused) || errors.Is(err, account.ErrGeneration) || !strings.Contains(err.Error(), "generation 2") {
		t.Errorf("old credentials without their key: %v", err)
	}
	must(t, k.Deactivate(t.Context(), false))
	if _, err = remote(t, url, nil, k).Describe(t.Context()); !errors.Is(err, account.ErrGeneration) || !strings.Contains(err.Error(), "generation 3") {
		t.Errorf("signing in when deactivated: %v", err)
	}
}

// TestHeld: a change that the guard holds says the same from afar, also when it makes sense to ask again.
func TestHeld(t *testing.T) {
	t.Parallel()
	k := founded(t)
	url, _ := serve(t, nil, k)
	r := remote(t, url, nil, k)
	must(t, k.SetPolicy(t.Context(), account.Policy{Guard: account.GuardHold}))
	var last error
	no := false
	for i := range 6 {
		u, err := r.Invite(t.Context(), account.Invitation{ID: newID(t), Person: account.Person{UserName: newID(t)}})
		must(t, err)
		if _, last = r.ChangeUser(t.Context(), u.ID, account.UserChange{Active: &no}); last != nil && i < 5 {
			t.Fatalf("person %d: %v", i, last)
		}
	}
	var held *account.HeldError
	if !errors.As(last, &held) || held.Retry != 10*time.Minute || held.Reason == "" {
		t.Errorf("held: %+v %v", held, last)
	}
}

// TestSessions: one sign-in for many calls, a new one before the session ends, and after the service has forgotten.
func TestSessions(t *testing.T) {
	t.Parallel()
	k := founded(t)
	var mu sync.Mutex
	now := time.Now()
	clock := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	var signIns atomic.Int64
	url, _ := serve(t, func(c *accountapi.Config) { c.Clock = clock }, k)
	var locked atomic.Bool
	locked.Store(true)
	r, err := accountapi.NewRemote(accountapi.RemoteConfig{
		URL: url, Clock: clock, HTTP: &http.Client{Transport: counting{&signIns}},
		Credentials: func() *accountapi.Credentials {
			if locked.Load() {
				return nil
			}
			return credentials(k)
		},
	})
	must(t, err)
	if _, err := r.Describe(t.Context()); !errors.Is(err, accountapi.ErrLocked) || !errors.Is(err, account.ErrUnavailable) {
		t.Errorf("locked: %v", err)
	}
	locked.Store(false)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := r.Describe(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := signIns.Load(); n != 1 {
		t.Errorf("%d sign-ins at first", n)
	}
	for i, step := range []time.Duration{11 * time.Minute, 2 * time.Minute, 14 * time.Minute, time.Hour} {
		mu.Lock()
		now = now.Add(step)
		mu.Unlock()
		_, err := r.Describe(t.Context())
		must(t, err)
		if n, want := signIns.Load(), []int64{1, 2, 3, 4}[i]; n != want {
			t.Errorf("%d sign-ins after step %d, want %d", n, i, want)
		}
	}
}

type counting struct{ n *atomic.Int64 }

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == "/v1/auth/session" {
		c.n.Add(1)
	}
	return http.DefaultTransport.RoundTrip(r)
}

// TestWait: a change ends the wait at once, and the wait ends with the caller's patience.
func TestWait(t *testing.T) {
	t.Parallel()
	k := founded(t)
	url, h := serve(t, nil, k)
	r := remote(t, url, nil, k)
	head, err := r.Wait(t.Context(), 0)
	must(t, err)
	done := make(chan int64, 1)
	go func() {
		n, err := r.Wait(t.Context(), head)
		if err != nil {
			t.Error(err)
		}
		done <- n
	}()
	_, err = k.Invite(t.Context(), account.Invitation{ID: newID(t), Person: account.Person{UserName: "ada"}})
	must(t, err)
	if n := <-done; n <= head {
		t.Errorf("woken at %d, was at %d", n, head)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if n, err := r.Wait(ctx, 1<<40); err != nil || n != 1<<40 {
		t.Errorf("after the caller's patience: %d %v", n, err)
	}
	go func() { done <- 0; _, _ = r.Wait(t.Context(), 1<<40); done <- 1 }()
	<-done
	h.Drain()
	<-done
}

// TestTLS: HTTP/2 over TLS; a certificate that is not trusted is not tried again and again; http only on this machine.
func TestTLS(t *testing.T) {
	t.Parallel()
	k := founded(t)
	var h http.Handler
	var proto atomic.Value
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { proto.Store(r.Proto); h.ServeHTTP(w, r) }))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	h, err := accountapi.New(accountapi.Config{Accounts: several{k}, URL: s.URL})
	must(t, err)
	trusted := s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	r := remote(t, s.URL, accountapi.HTTPClient(&tls.Config{RootCAs: trusted}, nil), k)
	_, err = r.Describe(t.Context())
	must(t, err)
	if proto.Load() != "HTTP/2.0" {
		t.Errorf("spoke %v", proto.Load())
	}
	begin := time.Now()
	if _, err := remote(t, s.URL, nil, k).Describe(t.Context()); !errors.Is(err, account.ErrUnavailable) || !strings.Contains(err.Error(), "not trusted") || time.Since(begin) > 2*time.Second {
		t.Errorf("unknown certificate: %v after %v", err, time.Since(begin))
	}
	for _, bad := range []string{"http://account.example.com", "ftp://x", "account.example.com", "https://user@x.example", "https://x.example/path", ""} {
		if _, err := accountapi.NewRemote(accountapi.RemoteConfig{URL: bad}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// TestUnreachable: nobody is kept waiting for longer than a few seconds, or than he wants to.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	k := founded(t)
	r := remote(t, "http://127.0.0.1:1", nil, k)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := r.Describe(ctx); !errors.Is(err, account.ErrUnavailable) {
		t.Errorf("nobody there: %v", err)
	}
}

func newID(t testing.TB) string {
	t.Helper()
	return accounttest.NewID(t)
}
