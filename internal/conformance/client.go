package conformance

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Config says which server to check.
type Config struct {
	// BaseURL is the SCIM base, such as https://scim.example.com/scim/v2; endpoints are appended to it.
	BaseURL string
	// Token returns the bearer token. It is a function so that a printed Config shows no secret.
	Token func() string
	// HTTPClient sends the requests; nil: one with a time limit of 60 s per request. Redirects are never followed.
	HTTPClient *http.Client
	// Progress, where given, hears how many requirements have been checked, from 1 to total.
	Progress func(done, total int)
}

// Client speaks to the server under check and remembers what it made there. Its methods may be used by several
// goroutines at once.
type Client struct {
	base  *url.URL
	token func() string
	http  *http.Client
	run   string // the run's id, part of every name made
	pass  string // the only password ever sent; it must come back nowhere

	audit audit
	stock stock

	mu      sync.Mutex // guards what follows
	serial  int
	created []string // paths below the base, in order of creation
}

var (
	// ErrUnreachable means that no answer came from the URL.
	ErrUnreachable = errors.New("no answer from the server")
	// ErrToken means that the server refuses the token.
	ErrToken = errors.New("the server refuses the token")
	// ErrNotSCIM means that something answers, but does not speak SCIM.
	ErrNotSCIM = errors.New("what answers is not SCIM")
)

// requestLimit bounds one request; slow servers are measured elsewhere.
const requestLimit = 60 * time.Second

// NewClient makes a Client and asks the server for a list of one person, to see that URL and token are right. The
// error wraps ErrUnreachable, ErrToken or ErrNotSCIM and says what to do next.
func NewClient(ctx context.Context, cfg Config) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(cfg.BaseURL, "/"))
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("%w: %q is not an http or https URL; give the SCIM base, such as https://scim.example.com/scim/v2", ErrUnreachable, cfg.BaseURL)
	}
	if base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("%w: the URL must hold neither a user nor a query; give the SCIM base only", ErrUnreachable)
	}
	if cfg.Token == nil {
		return nil, fmt.Errorf("%w: none was given; name the file that holds it", ErrToken)
	}
	c := &Client{base: base, token: cfg.Token, run: randomHex(5), pass: "pW-9!" + randomHex(12)}
	c.http = withoutRedirects(cfg.HTTPClient)
	c.audit.secret = c.pass
	return c, c.reachable(ctx)
}

// withoutRedirects copies the client: where a server sends a SCIM client elsewhere, that is what the check must see.
func withoutRedirects(given *http.Client) *http.Client {
	client := http.Client{Timeout: requestLimit}
	if given != nil {
		client = *given
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

func (c *Client) reachable(ctx context.Context) error {
	a, err := c.send(ctx, call{method: http.MethodGet, path: "/Users?count=1", unaudited: true}, nil)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("%w: %w; see that the server runs and that the URL is right", ErrUnreachable, err)
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
		return fmt.Errorf("%w (status %d); see that the token file holds the token of this very server, without quotes", ErrToken, a.status)
	case a.status >= 300 && a.status < 400:
		return fmt.Errorf("%w: GET /Users is redirected to %q; use the URL that it leads to", ErrNotSCIM, shorten(a.header.Get("Location"), 200))
	case a.body == nil:
		return fmt.Errorf("%w: GET /Users answers %d with %s; the URL is probably the wrong base path, servers often have it at /scim/v2", ErrNotSCIM, a.status, kindOf(a))
	case a.status != http.StatusOK:
		return fmt.Errorf("%w: GET /Users answers %d: %s; see that the URL is the SCIM base and that the server is ready", ErrNotSCIM, a.status, shorten(text(a.body["detail"]), 200))
	}
	return nil
}

func kindOf(a answer) string {
	media, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	switch {
	case media == "text/html":
		return "a web page (HTML)"
	case len(a.raw) == 0:
		return "no body"
	case media == "":
		return "something that is not a JSON object"
	default:
		return media + " that is not a JSON object"
	}
}

// object is a JSON object.
type object = map[string]any

// call is one request.
type call struct {
	method string
	path   string // below the base, query included; or an absolute URL of the same host
	body   any    // nil: none; string and []byte go as they are, anything else as JSON
	header map[string]string

	anonymous bool   // without the token
	token     string // another than the right one
	unaudited bool   // the answer may come from below SCIM, such as an HTTP stack that refuses the request
}

// answer is what came back.
type answer struct {
	call   call
	status int
	header http.Header
	raw    []byte
	body   object // nil unless the body is one JSON object
}

// send carries out a call, waiting as told when the server says 429. It remembers what was created and looks at
// every answer for what holds always (audit).
func (c *Client) send(ctx context.Context, call call, tr *trace) (answer, error) {
	for attempt := 0; ; attempt++ {
		a, err := c.once(ctx, call)
		tr.add(call, a, err)
		if err != nil {
			return a, err
		}
		c.remember(a)
		if !call.unaudited {
			c.audit.observe(a)
		}
		wait, ok := patience(a)
		if !ok || attempt == 3 {
			return a, nil
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return a, ctx.Err()
		}
	}
}

// patience tells how long to wait before the same request is sent again: only for 429, and not for minutes.
func patience(a answer) (time.Duration, bool) {
	if a.status != http.StatusTooManyRequests || a.call.anonymous || a.call.token != "" {
		return 0, false
	}
	n, err := strconv.Atoi(a.header.Get("Retry-After"))
	if err != nil || n < 0 || n > 30 {
		return 0, false
	}
	return time.Duration(n) * time.Second, true
}

func (c *Client) once(ctx context.Context, call call) (answer, error) {
	a := answer{call: call}
	req, err := c.request(ctx, call)
	if err != nil {
		return a, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return a, errors.New(c.redact(err.Error()))
	}
	defer func() { _ = res.Body.Close() }() // it has been read
	a.status, a.header = res.StatusCode, res.Header
	if a.raw, err = io.ReadAll(io.LimitReader(res.Body, 64<<20)); err != nil {
		return a, fmt.Errorf("reading the answer: %w", err)
	}
	a.body = decode(a.raw)
	return a, nil
}

func (c *Client) request(ctx context.Context, call call) (*http.Request, error) {
	target := call.path
	if !strings.HasPrefix(target, "http://") && !strings.HasPrefix(target, "https://") {
		target = c.base.String() + target
	}
	body, err := encode(call.body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, call.method, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if req.URL.Host != c.base.Host || req.URL.Scheme != c.base.Scheme {
		// The token goes nowhere but to the server it belongs to, whatever a link says.
		return nil, fmt.Errorf("the link leads to %s instead of %s", req.URL.Host, c.base.Host)
	}
	if call.body == nil {
		req.Body = http.NoBody
		req.ContentLength = 0
	} else {
		req.Header.Set("Content-Type", "application/scim+json")
	}
	if len(body) > 1<<20 {
		// A server that refuses a large body at once may close the connection before it is sent.
		req.Header.Set("Expect", "100-continue")
	}
	req.Header.Set("Accept", "application/scim+json")
	for k, v := range call.header {
		req.Header.Set(k, v)
		if v == "" {
			req.Header.Del(k)
		}
	}
	if req.Header.Get("Authorization") == "" && !call.anonymous {
		token := call.token
		if token == "" {
			token = c.token()
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req, nil
}

func encode(body any) ([]byte, error) {
	switch b := body.(type) {
	case nil:
		return nil, nil
	case string:
		return []byte(b), nil
	case []byte:
		return b, nil
	default:
		return json.Marshal(b)
	}
}

// decode returns the object that raw holds, or nil. Numbers stay as written, since 3 and 3.0 differ in SCIM.
func decode(raw []byte) object {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var o object
	if d.Decode(&o) != nil {
		return nil
	}
	return o
}

// redact takes the token out of a text that is going to be shown.
func (c *Client) redact(s string) string {
	if t := c.token(); t != "" {
		s = strings.ReplaceAll(s, t, "[token]")
	}
	return strings.ReplaceAll(s, c.pass, "[password]")
}

// fresh returns a number that this client has not given before.
func (c *Client) fresh() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.serial++
	return c.serial
}

// relative turns a location into a path below the base; ok is false for a foreign one.
func (c *Client) relative(location string) (string, bool) {
	if rest, ok := strings.CutPrefix(location, c.base.String()); ok && strings.HasPrefix(rest, "/") {
		return rest, true
	}
	if strings.HasPrefix(location, "/Users/") || strings.HasPrefix(location, "/Groups/") {
		return location, true
	}
	if strings.HasPrefix(location, "Users/") || strings.HasPrefix(location, "Groups/") {
		return "/" + location, true
	}
	return "", false
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails
	return hex.EncodeToString(b)
}
