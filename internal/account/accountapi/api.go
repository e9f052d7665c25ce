// Package accountapi lets others use an account that another process serves, in two ways.
//
// Over HTTP (Handler): a bridge far away (Remote) does whatever it does with an account in its own process, and people
// (Person) join and sign in. A bridge signs in with the integration's key, a person with the account unlock key, each
// by signing a challenge; the session that they get is a ticket that the service need not remember and judges anew
// with every request. Every change that comes twice is made once. Errors of package account keep their identity across
// the network. docs/account-api.md describes routes, shapes and codes.
//
// Over a unix socket (Listen, Dial): an administrator on the same machine, whom the socket's file mode lets in. The
// command line speaks to it, so that it works beside a running process exactly as it does on a database of its own.
//
// The package knows no rules: it finds out who calls, calls the account, and says what came of it. Of what people and
// bridges keep secret nothing ever gets here.
package accountapi

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/tracing"
)

// Accounts finds the accounts that a process serves.
type Accounts interface {
	// Account returns an account by its id, or account.ErrNotFound.
	Account(ctx context.Context, id string) (*account.Service, error)
}

// Single is the one account of a process that serves one.
func Single(id string, s *account.Service) Accounts { return single{id, s} }

type single struct {
	id      string
	service *account.Service
}

func (s single) Account(_ context.Context, id string) (*account.Service, error) {
	if id != s.id {
		return nil, account.ErrNotFound
	}
	return s.service, nil
}

// Config is what New needs.
type Config struct {
	Accounts Accounts
	// URL is what clients know the service by. What they sign when signing in names its host, so that nobody who poses
	// as another service can use it here.
	URL          string
	Version      string
	MetricsToken string                 // opens /metrics; empty: /metrics is off
	Trusted      []netip.Prefix         // proxies whose X-Forwarded-For is believed
	Meters       []prometheus.Collector // metrics of the process's other parts
	Tracer       *tracing.Tracer
	Clock        func() time.Time
	Log          *slog.Logger
}

// Handler serves accounts over HTTP.
type Handler struct {
	c       Config
	host    string // of Config.URL
	mux     *http.ServeMux
	routes  []route
	sealers *sealers
	limits  *limits
	metrics *metrics
	drained chan struct{} // closed by Drain
	drain   func()
}

// New makes a Handler. The error is about Config.URL.
func New(c Config) (*Handler, error) {
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	u, err := serviceURL(c.URL)
	if err != nil {
		return nil, err
	}
	h := &Handler{c: c, host: hostOf(u), mux: http.NewServeMux(), limits: newLimits(c.Clock), metrics: newMetrics(c.Version, c.Meters), drained: make(chan struct{})}
	h.drain = sync.OnceFunc(func() { close(h.drained) })
	if h.sealers, err = newSealers(); err != nil {
		return nil, err
	}
	h.routes = h.table()
	for i := range h.routes {
		rt := &h.routes[i]
		h.mux.Handle(rt.pattern, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.serve(w, r, rt) }))
	}
	return h, nil
}

// serviceURL reads the URL of an account service: scheme, host and port; https, or http on this machine.
func serviceURL(text string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSuffix(text, "/"))
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%q is no address of an account service: it is like https://account.example.com", text)
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return u, nil
	case u.Scheme == "http":
		return nil, fmt.Errorf("%q would send keys and sessions in the clear: only https:// will do, but for this machine itself", text)
	}
	return nil, fmt.Errorf("%q does not begin with https://", text)
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// hostOf is a URL's host as it is signed: in lower case, without the port that goes without saying.
func hostOf(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if u.Scheme == "https" {
		host = strings.TrimSuffix(host, ":443")
	} else {
		host = strings.TrimSuffix(host, ":80")
	}
	return host
}

// Drain makes /ready say that no requests are wanted, and ends those that only wait for changes.
func (h *Handler) Drain() { h.drain() }

func (h *Handler) draining() bool {
	select {
	case <-h.drained:
		return true
	default:
		return false
	}
}

// who may use a route.
type who int

const (
	anyone      who = iota
	integration     // a session of the integration's present credentials
	person          // a session of a person
)

// route is one line of the table.
type route struct {
	pattern string
	who     who
	body    int64 // bytes of the request's body at most; 0: it has none
	timeout time.Duration
	once    bool // the change is made once, however often the same Idempotency-Key comes
	do      func(h *Handler, r *request) (any, error)
}

// Limits of bodies, in bytes, and of time.
const (
	noBody     = 0
	smallBody  = 64 << 10
	userBody   = 4 << 20  // a profile of 1 MiB in base64, and what is said beside it
	memberBody = 64 << 20 // 16 MiB of members' ids with the evidence of each
	grantBody  = 16 << 20

	quick = 10 * time.Second
	slow  = 60 * time.Second
	polls = longestWait + 10*time.Second
)

// table is the API: docs/account-api.md describes each line.
func (h *Handler) table() []route {
	return []route{
		{"POST /v1/auth/challenge", anyone, smallBody, quick, false, (*Handler).challenge},
		{"POST /v1/auth/session", anyone, smallBody, quick, false, (*Handler).signIn},

		{"GET /v1/account", integration, noBody, quick, false, (*Handler).describe},
		{"POST /v1/users/search", integration, smallBody, slow, false, (*Handler).users},
		{"POST /v1/users", integration, userBody, quick, true, (*Handler).invite},
		{"GET /v1/users/{id}", integration, noBody, quick, false, (*Handler).user},
		{"PATCH /v1/users/{id}", integration, userBody, quick, true, (*Handler).changeUser},
		{"DELETE /v1/users/{id}", integration, noBody, quick, true, (*Handler).releaseUser},
		{"POST /v1/groups/search", integration, smallBody, slow, false, (*Handler).groups},
		{"POST /v1/groups", integration, memberBody, slow, true, (*Handler).createGroup},
		{"GET /v1/groups/{id}", integration, noBody, quick, false, (*Handler).group},
		{"PATCH /v1/groups/{id}", integration, memberBody, slow, true, (*Handler).changeGroup},
		{"DELETE /v1/groups/{id}", integration, noBody, slow, true, (*Handler).deleteGroup},
		{"GET /v1/groups/{id}/members", integration, noBody, slow, false, (*Handler).members},

		// What admits people is idempotent by itself: it says which invitation, serial and key it is about.
		{"GET /v1/trust", integration, noBody, quick, false, (*Handler).trust},
		{"GET /v1/changes", integration, noBody, polls, false, (*Handler).changes},
		{"GET /v1/due", integration, noBody, slow, false, (*Handler).due},
		{"GET /v1/backlog", integration, noBody, slow, false, (*Handler).backlog},
		{"GET /v1/invitations", integration, noBody, slow, false, (*Handler).invitations},
		{"POST /v1/invitations/open", integration, grantBody, slow, false, (*Handler).openInvitations},
		{"POST /v1/users/{id}/invitation/sent", integration, smallBody, quick, false, (*Handler).invitationSent},
		{"POST /v1/users/{id}/confirm", integration, grantBody, slow, false, (*Handler).confirm},
		{"POST /v1/users/{id}/reject", integration, smallBody, quick, false, (*Handler).reject},
		{"POST /v1/groups/{id}/key", integration, grantBody, slow, false, (*Handler).keyGroup},
		{"GET /v1/rekeyings", integration, noBody, slow, false, (*Handler).rekeyings},
		{"GET /v1/groups/{id}/grants", integration, noBody, quick, false, (*Handler).grants},
		{"POST /v1/contact", integration, smallBody, quick, false, (*Handler).contact},
		{takeLease, integration, smallBody, quick, false, (*Handler).takeLease},
		{"POST /v1/leases/{name}/release", integration, smallBody, quick, false, (*Handler).releaseLease},

		{"GET /v1/join/{ref}", anyone, noBody, quick, false, (*Handler).join},
		{"POST /v1/join/{ref}", anyone, smallBody, quick, false, (*Handler).accept},
		{"GET /v1/me", person, noBody, slow, false, (*Handler).me},
		{"POST /v1/me/user-name", person, smallBody, quick, false, (*Handler).confirmOwnName},
		{"GET /v1/me/account", person, noBody, quick, false, (*Handler).standing},

		{"GET /join/{ref}", anyone, noBody, quick, false, (*Handler).joinPage},
		{"GET /assets/join.css", anyone, noBody, quick, false, (*Handler).joinStyle},
		{"GET /ping", anyone, noBody, quick, false, (*Handler).ping},
		{"GET /ready", anyone, noBody, quick, false, (*Handler).ready},
		{"GET /metrics", anyone, noBody, quick, false, (*Handler).serveMetrics},
	}
}

// takeLease is the route that bridges ask every second or two; what it grants is not worth a line of the log each time.
const takeLease = "POST /v1/leases/{name}"

// request is a request on its way through a route.
type request struct {
	*http.Request
	w       http.ResponseWriter
	id      string
	body    []byte
	account string           // id of the session's; the three are empty where the route needs no session
	service *account.Service // of the session
	session ticket
	written bool // the handler has written the answer itself
}

// decode reads the body into a shape.
func (r *request) decode(into any) error { return decode(r.body, into) }

// ServeHTTP answers one request: id, panic guard, routing, then one log line and one set of metrics by route.
func (h *Handler) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	start := h.c.Clock()
	w := &recorder{ResponseWriter: rw}
	id := requestID(r)
	head := w.Header()
	head.Set(headerRequestID, id)
	head.Set("X-Content-Type-Options", "nosniff")
	ctx := account.WithCaller(r.Context(), account.Caller{Kind: account.System, RequestID: id})
	_, pattern := h.mux.Handler(r)
	ctx, span := h.trace(ctx, r, pattern)
	r = r.WithContext(ctx)
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler { //nolint:errorlint // it is panicked with, not wrapped
				panic(p)
			}
			h.c.Log.ErrorContext(ctx, "panic", "value", fmt.Sprint(p), "request", id, "stack", string(debug.Stack()))
			if !w.wrote {
				h.fail(w, r, id, fmt.Errorf("panic: %v", p))
			}
		}
		took := h.c.Clock().Sub(start)
		if pattern == "" {
			pattern = "none"
		}
		h.metrics.request(pattern, r.Method, w.status(), took)
		span.Answered(known(r.Method), pathOf(pattern), w.status())
		level := slog.LevelInfo
		if pattern == takeLease && w.status() == http.StatusOK {
			level = slog.LevelDebug
		}
		attrs := []slog.Attr{
			slog.String("method", known(r.Method)), slog.String("route", pattern),
			slog.Int("status", w.status()), slog.Duration("took", took), slog.Int64("bytes", w.bytes), slog.String("request", id),
		}
		if trace := span.Trace(); trace != "" {
			attrs = append(attrs, slog.String("trace", trace))
		}
		h.c.Log.LogAttrs(ctx, level, "request", attrs...)
	}()
	if pattern == "" {
		h.fail(w, r, id, h.noRoute(w, r))
		return
	}
	h.mux.ServeHTTP(w, r)
}

// trace begins the span of a request. What bridges do by themselves, such as waiting for changes, is in no trace, and they
// name none; what machines ask every few seconds is in none either.
func (h *Handler) trace(ctx context.Context, r *http.Request, pattern string) (context.Context, tracing.Span) {
	if path := pathOf(pattern); strings.HasPrefix(path, "/v1/join/") || strings.HasPrefix(path, "/v1/me") || path == "/join/{ref}" {
		return h.c.Tracer.Serve(ctx, r.Header)
	}
	return h.c.Tracer.Continue(ctx, r.Header)
}

// pathOf is a route's pattern without the method.
func pathOf(pattern string) string {
	_, path, ok := strings.Cut(pattern, " ")
	if !ok {
		return pattern
	}
	return path
}

// noRoute tells a wrong method from a wrong path.
func (h *Handler) noRoute(w http.ResponseWriter, r *http.Request) error {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete} {
		other := &http.Request{Method: method, URL: r.URL, Host: r.Host}
		if _, pattern := h.mux.Handler(other); pattern != "" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		return &apiError{status: http.StatusNotFound, code: codeNoRoute, detail: "There is nothing at this path."}
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	return &apiError{status: http.StatusMethodNotAllowed, code: codeMethod, detail: "This method is not allowed here."}
}

// serve takes a request through a route: who, body, call, answer.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, rt *route) {
	ctx, cancel := context.WithTimeout(r.Context(), rt.timeout)
	defer cancel()
	req := &request{Request: r.WithContext(ctx), w: w, id: w.Header().Get(headerRequestID)}
	body, err := h.handle(req, rt)
	switch {
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		h.fail(w, r, req.id, &apiError{status: http.StatusServiceUnavailable, code: codeTimeout, detail: "The answer took too long. Try again.", retryAfter: retryUnavailable})
	case err != nil:
		h.fail(w, r, req.id, err)
	case req.written:
	case body == nil:
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set(headerContentType, jsonType)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body) // the client has gone; there is nobody to tell
	}
}

func (h *Handler) handle(r *request, rt *route) ([]byte, error) {
	if rt.who != anyone {
		if err := h.admit(r, rt.who); err != nil {
			return nil, err
		}
	}
	if err := r.read(rt.body); err != nil {
		return nil, err
	}
	if rt.once {
		return h.once(r, rt)
	}
	return h.answer(r, rt)
}

func (h *Handler) answer(r *request, rt *route) ([]byte, error) {
	out, err := rt.do(h, r)
	if err != nil || out == nil || r.written {
		return nil, err
	}
	body, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	return body, nil
}

// once makes a change that may have been made before, which the account finds out. It is made to its end even if the client
// has gone, who will ask again.
func (h *Handler) once(r *request, rt *route) ([]byte, error) {
	c, err := r.identify()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), rt.timeout)
	defer cancel()
	r.Request = r.WithContext(account.WithCall(ctx, c))
	return h.answer(r, rt)
}

// read reads the body, within the limit.
func (r *request) read(limit int64) error {
	if limit == noBody {
		return nil
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get(headerContentType)); err != nil || kind != jsonType {
		return &apiError{status: http.StatusUnsupportedMediaType, code: codeType, detail: "The body has to be " + jsonType + "."}
	}
	var err error
	r.body, err = io.ReadAll(http.MaxBytesReader(r.w, r.Body, limit))
	var big *http.MaxBytesError
	if err != nil && !errors.As(err, &big) {
		return &badRequest{codeBodyCut, "The body ended before it was whole."}
	}
	return err
}

func (h *Handler) fail(w http.ResponseWriter, r *http.Request, id string, err error) {
	p, retryAfter := translate(err)
	p.RequestID = id
	switch {
	case p.Status == http.StatusInternalServerError && r.Context().Err() != nil:
		h.c.Log.DebugContext(r.Context(), "client has gone", "request", id)
		p.Status = statusClientClosed
	case p.Status == http.StatusInternalServerError:
		h.c.Log.ErrorContext(r.Context(), "request not answered", "error", err, "request", id)
	case p.Code == "unavailable":
		h.c.Log.WarnContext(r.Context(), "account is unavailable", "error", err, "request", id)
	}
	writeProblem(w, p, retryAfter)
}

// requestID is the client's, if it is one, else a new one.
func requestID(r *http.Request) string {
	const longest = 64
	odd := func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_.:=", c))
	}
	if id := r.Header.Get(headerRequestID); id != "" && len(id) <= longest && strings.IndexFunc(id, odd) < 0 {
		return id
	}
	return randomHex()
}

func randomHex() string {
	const size = 16
	b := make([]byte, size)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// known is a method for logs and metrics; what HTTP does not know is one value, since anybody can make up more.
func known(method string) string {
	switch method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return method
	}
	return "OTHER"
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	code  int
	bytes int64
	wrote bool
}

// WriteHeader remembers the status.
func (w *recorder) WriteHeader(code int) {
	if !w.wrote {
		w.code, w.wrote = code, true
	}
	if code == statusClientClosed {
		code = http.StatusInternalServerError
	}
	w.ResponseWriter.WriteHeader(code)
}

func (w *recorder) Write(b []byte) (int, error) {
	if !w.wrote {
		w.code, w.wrote = http.StatusOK, true
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap serves http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recorder) status() int {
	if !w.wrote {
		return http.StatusOK
	}
	return w.code
}
