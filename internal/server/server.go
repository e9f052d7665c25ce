// Package server is the bridge's HTTP side: it finds out what a request is about, who sends it, and hands it to
// the SCIM endpoints, the pages, or the small endpoints for machines (/ping, /ready, /health, /metrics,
// /monitoring).
//
// The order in which a request passes is one visible list, in ServeHTTP: request id, panic guard, routing,
// authentication, handler, then one log line and one set of metrics by route. Nothing else in the program logs a
// request.
//
// SCIM is served below four bases, /scim/v2, /scim, /v2 and /, because deployments of the original use them all;
// doubled and trailing slashes and any case of the endpoints' names are tolerated. The package does not know what
// an account is.
package server

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/scimbridge/scimbridge/internal/bridge"
	"github.com/scimbridge/scimbridge/internal/bucket"
	"github.com/scimbridge/scimbridge/internal/server/scimapi"
	"github.com/scimbridge/scimbridge/internal/tracing"
	"github.com/scimbridge/scimbridge/scim"
)

// LevelTrace is below debug: also what was asked for, with the names and addresses in it.
const LevelTrace = slog.LevelDebug - 4

// strictTransport has browsers come by HTTPS only, for a year (RFC 6797), where the bridge itself terminates TLS. What
// else is served below its name is not ours to say.
const strictTransport = "max-age=31536000"

// Config is what New needs.
type Config struct {
	Provider scimapi.Provider // nil: no scimsession is configured, so that there is nothing to serve
	Lock     *bridge.Lock     // nil with Provider
	Pages    http.Handler     // everything below /app
	// Account serves the account's own API, for people who join, where the account lives in this process; nil: it does
	// not.
	Account http.Handler
	Health  *Health
	Metrics *Metrics
	// Monitoring opens /monitoring, /health and /metrics and nothing else; empty: /monitoring is off.
	Monitoring Secret
	Trusted    []netip.Prefix // proxies whose X-Forwarded-* headers are believed
	Tracer     *tracing.Tracer
	// Shared counts wrong tokens together with other replicas (SharedLimit); nil: each counts alone.
	Shared *bucket.Shared
	Clock  func() time.Time
	Log    *slog.Logger
}

// Server is the bridge's handler.
type Server struct {
	Config
	scim     *scimapi.Handler
	limits   *limits
	still    stillness
	draining atomic.Bool
	client   atomic.Pointer[string]
}

// New makes a Server.
func New(c Config) *Server {
	s := &Server{Config: c, limits: newLimits(c.Clock, c.Shared), still: stillness{clock: c.Clock}}
	if c.Provider != nil {
		s.scim = scimapi.New(scimapi.Config{Provider: inSpans(c.Provider, c.Tracer), Guard: s.guard, Log: c.Log})
	}
	return s
}

// Drain makes /ready say that no new requests are wanted, and asks clients to make another connection for the next.
func (s *Server) Drain() { s.draining.Store(true) }

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	start := s.Clock()
	w := &recorder{ResponseWriter: rw}
	id := requestID(r)
	w.Header().Set("X-Request-Id", id)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.TLS != nil {
		w.Header().Set("Strict-Transport-Security", strictTransport)
	}
	if s.draining.Load() {
		w.Header().Set("Connection", "close") // a balancer of connections does not see /ready
	}
	ctx, span := s.trace(bridge.WithRequest(r.Context(), id), r)
	r = r.WithContext(ctx)
	pattern := "panic"
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler { //nolint:errorlint // it is panicked with, not wrapped
				panic(p)
			}
			s.Log.ErrorContext(ctx, "panic", "value", fmt.Sprint(p), "request", id, "stack", string(debug.Stack()))
			if !w.wrote {
				scimapi.WriteError(w, r, scim.Errorf(500, "", "Something went wrong in the bridge. Its log says what, under the request id %s.", id))
			}
		}
		took := s.Clock().Sub(start)
		s.Metrics.request(pattern, r.Method, w.status(), took)
		span.Answered(known(r.Method), pattern, w.status())
		attrs := []slog.Attr{
			slog.String("method", known(r.Method)), slog.String("route", pattern),
			slog.Int("status", w.status()), slog.Duration("took", took), slog.Int64("bytes", w.bytes), slog.String("request", id),
		}
		if trace := span.Trace(); trace != "" {
			attrs = append(attrs, slog.String("trace", trace))
		}
		s.Log.LogAttrs(ctx, slog.LevelInfo, "request", attrs...)
	}()
	if s.Log.Enabled(ctx, slog.LevelDebug) {
		s.Log.LogAttrs(ctx, slog.LevelDebug, "request begins", slog.String("path", r.URL.Path), slog.String("source", s.Source(r).String()),
			slog.String("client", r.UserAgent()), slog.String("request", id))
		s.Log.LogAttrs(ctx, LevelTrace, "query", slog.String("query", r.URL.RawQuery), slog.String("request", id))
	}
	pattern = s.route(w, r)
}

// route hands the request to whom it is for, and returns the route's pattern.
func (s *Server) route(w http.ResponseWriter, r *http.Request) string {
	segments, err := split(r.URL.EscapedPath())
	if err != nil {
		scimapi.WriteError(w, r, scim.BadRequest(scim.InvalidSyntax, "The path of the URL is not well-formed."))
		return "malformed"
	}
	if len(segments) == 0 && !hasQuery(r) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			scimapi.WriteError(w, r, scim.Errorf(405, "", "Only GET is allowed here. SCIM endpoints are served below /scim/v2."))
			return "/"
		}
		http.Redirect(w, r, "/app", http.StatusTemporaryRedirect)
		return "/"
	}
	if len(segments) > 0 {
		if h := s.machine(segments); h != nil {
			return s.serveMachine(w, r, "/"+segments[0], h)
		}
		if segments[0] == "app" {
			s.Pages.ServeHTTP(w, r)
			return "/app"
		}
		if s.Account != nil && accountPath(segments[0]) {
			s.Account.ServeHTTP(w, r)
			return "/" + segments[0]
		}
	}
	prefix, rest := base(segments)
	if s.scim == nil {
		scimapi.WriteError(w, r, scim.Errorf(503, "", noSession))
		return "no scimsession"
	}
	return s.scim.Serve(w, r, s.Origin(r)+prefix, rest)
}

// noSession is what everything that needs a token answers where there is nothing to check it by.
const noSession = "The bridge has no scimsession, so that it cannot serve anything yet. Open /app of this bridge in a browser: it says what is missing."

// accountPath tells whether a path is the account's own.
func accountPath(first string) bool { return first == "join" || first == "v1" || first == "assets" }

// split takes a path apart. Empty segments vanish, so that doubled and trailing slashes do no harm.
func split(path string) ([]string, error) {
	var segments []string
	for part := range strings.SplitSeq(path, "/") {
		if part == "" {
			continue
		}
		s, err := url.PathUnescape(part)
		if err != nil {
			return nil, err
		}
		segments = append(segments, s)
	}
	return segments, nil
}

// base cuts the base off: /scim/v2, /scim, /v2 or nothing.
func base(segments []string) (prefix string, rest []string) {
	if len(segments) > 0 && strings.EqualFold(segments[0], "scim") {
		prefix, segments = "/"+segments[0], segments[1:]
	}
	if len(segments) > 0 && strings.EqualFold(segments[0], "v2") {
		prefix, segments = prefix+"/"+segments[0], segments[1:]
	}
	return prefix, segments
}

// hasQuery tells whether a request for / is a query of all resources (RFC 7644 §3.4.2.1) and not a person's browser.
func hasQuery(r *http.Request) bool {
	if r.URL.RawQuery == "" {
		return false
	}
	for name := range r.URL.Query() {
		switch strings.ToLower(name) { // as scimapi reads them
		case "filter", "attributes", "excludedattributes", "startindex", "count", "cursor", "sortby", "sortorder":
			return true
		}
	}
	return false
}

// Origin is scheme and host as the client sees them.
func (s *Server) Origin(r *http.Request) string {
	scheme, host := "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if s.trusts(r) {
		if p := strings.ToLower(first(r.Header.Get("X-Forwarded-Proto"))); p == "https" || p == "http" {
			scheme = p
		}
		if h := first(r.Header.Get("X-Forwarded-Host")); h != "" {
			host = h
		}
	}
	return scheme + "://" + host
}

func first(list string) string {
	v, _, _ := strings.Cut(list, ",")
	return strings.TrimSpace(v)
}

func (s *Server) trusts(r *http.Request) bool { return trusted(s.Trusted, peer(r)) }

// idSize is the length of a request id in bytes before hex: enough to be unique among a log's lines.
const idSize = 8

// requestID takes over the id that a proxy has given, if it is harmless, else makes one.
func requestID(r *http.Request) string {
	const longest = 64 // of ids in use: UUIDs have 36, AWS's trace ids 35 characters
	if id := r.Header.Get("X-Request-Id"); id != "" && len(id) <= longest && strings.IndexFunc(id, unprintable) < 0 {
		return id
	}
	var b [idSize]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func unprintable(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.:=", r))
}

// known is a method for logs and metrics; what HTTP does not know is one value, since anybody can
// make up more.
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

func (w *recorder) WriteHeader(code int) {
	if !w.wrote {
		w.code, w.wrote = code, true
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
