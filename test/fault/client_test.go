package fault_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// tally counts what happened to the clients' requests within a round.
type tally struct {
	requests, refused, broken, late atomic.Int64

	mu      sync.Mutex    // guards what follows
	wrong   []string      // answers that nobody may give
	stale   []string      // answers that were true only earlier
	longest time.Duration // until one was not any more
}

// mostWrong is how many wrong answers are shown: whoever gives more has one fault.
const mostWrong = 20

func (t *tally) complain(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.wrong) < mostWrong {
		t.wrong = append(t.wrong, fmt.Sprintf(format, args...))
	}
}

func (t *tally) complaints() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.wrong)
}

func (t *tally) stales() ([]string, time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.stale), t.longest
}

// wasStale notes an answer that was true only earlier.
func (t *tally) wasStale(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stale = append(t.stale, fmt.Sprintf(format, args...))
}

// wasFresh notes how long it then took.
func (t *tally) wasFresh(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.longest = max(t.longest, d)
}

// client is an identity provider's HTTP client.
type client struct {
	http  *http.Client
	base  string // of SCIM
	token string
	agent string
	tally *atomic.Pointer[tally]
}

// clientTime is how long a client waits for an answer, as identity providers do.
const clientTime = 30 * time.Second

// answer is what came back. Status 0: nobody knows what became of the request.
type answer struct {
	status int
	body   []byte
}

func (a answer) unknown() bool { return a.status == 0 }

// decode reads the body into a shape.
func (a answer) decode(into any) error { return json.Unmarshal(a.body, into) }

// send sends a request. A refusal as it may be, a broken connection and a balancer's error are answers without a status,
// and are counted.
func (c *client) send(ctx context.Context, id, method, path, body string) answer {
	t := c.tally.Load()
	t.requests.Add(1)
	res, text, err := c.exchange(ctx, id, method, path, body)
	switch {
	case ctx.Err() != nil:
		return answer{}
	case err != nil:
		t.broken.Add(1)
		return answer{}
	case res.StatusCode == http.StatusServiceUnavailable, res.StatusCode == http.StatusTooManyRequests:
		t.refused.Add(1)
		if problem := badRefusal(res, text); problem != "" {
			t.complain("%s %s: %d, but %s: %.300s", method, path, res.StatusCode, problem, text)
		}
		return answer{}
	}
	return answer{res.StatusCode, text}
}

func (c *client) exchange(ctx context.Context, id, method, path, body string) (*http.Response, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, clientTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewBufferString(body))
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Accept", "application/scim+json")
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("X-Request-Id", id)
	if body != "" {
		req.Header.Set("Content-Type", "application/scim+json; charset=utf-8")
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(res.Body)
	if err == nil && res.Header.Get(balancerMark) != "" {
		err = fmt.Errorf("balancer: %s", res.Header.Get(balancerMark))
	}
	return res, text, err
}

// badRefusal is what is wrong with a refusal, if anything: it has to be a SCIM error that says when to try again.
func badRefusal(res *http.Response, text []byte) string {
	var e struct {
		Schemas []string
		Status  string
		Detail  string
	}
	if err := json.Unmarshal(text, &e); err != nil || len(e.Schemas) != 1 || e.Schemas[0] != "urn:ietf:params:scim:api:messages:2.0:Error" ||
		e.Status != strconv.Itoa(res.StatusCode) || e.Detail == "" {
		return "it is no SCIM error"
	}
	if n, err := strconv.Atoi(res.Header.Get("Retry-After")); err != nil || n < 1 {
		return "there is no Retry-After"
	}
	return ""
}
