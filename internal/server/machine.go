package server

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/scimbridge/scimbridge/internal/server/scimapi"
	"github.com/scimbridge/scimbridge/scim"
)

// endpoint is a small endpoint for machines.
type endpoint struct {
	token   int // who may
	handler http.HandlerFunc
}

const (
	anyone     = iota
	bearerOnly // the bearer token or the monitoring token
	monitorOnly
)

// machine finds the endpoint for machines that a path names.
func (s *Server) machine(segments []string) *endpoint {
	if len(segments) != 1 {
		return nil
	}
	switch segments[0] {
	case "ping":
		return &endpoint{anyone, Ping}
	case "ready":
		return &endpoint{anyone, s.ready}
	case "health":
		return &endpoint{bearerOnly, s.Health.answer}
	case "metrics":
		return &endpoint{bearerOnly, s.Metrics.ServeHTTP}
	case "monitoring":
		return &endpoint{monitorOnly, s.Health.answer}
	}
	return nil
}

func (s *Server) serveMachine(w http.ResponseWriter, r *http.Request, pattern string, e *endpoint) string {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		scimapi.WriteError(w, r, scim.Errorf(405, "", "Only GET is allowed here."))
		return pattern
	}
	if err := s.mayRead(r, e.token); err != nil {
		scimapi.WriteError(w, r, err)
		return pattern
	}
	e.handler(w, r)
	return pattern
}

func (s *Server) mayRead(r *http.Request, who int) *scim.Error {
	if who == anyone {
		return nil
	}
	token, given := bearer(r)
	switch {
	case given && s.Monitoring.Is(token):
		return nil
	case who == monitorOnly && !s.Monitoring.Set():
		return scim.Errorf(404, "", "/monitoring is off. Set OP_MONITORING_TOKEN_FILE to switch it on.")
	case who == bearerOnly && s.Lock == nil:
		return scim.Errorf(503, "", noSession)
	case who == monitorOnly && given && s.Lock != nil && s.Lock.Present(token) == nil:
		return unauthorized("/monitoring has a token of its own, that of OP_MONITORING_TOKEN_FILE. The bearer token opens /health.")
	case who == bearerOnly && given && s.Lock != nil && s.Lock.Present(token) == nil:
		return nil
	case !given:
		return unauthorized("The request carries no token. Send it as \"Authorization: Bearer …\".")
	}
	return s.refuse(r)
}

// Ping says that the process lives.
func Ping(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "pong") }

// The bridge's states, as /ready names them.
const (
	Ready    = "ready"
	Locked   = "locked"
	Degraded = "degraded"
	Draining = "draining"
	Setup    = "no scimsession"
)

// readyTimeout bounds the look at the components for /ready: Kubernetes waits one second, others more. Who takes longer
// would be taken out of service together with all others, for an account that none of them reaches.
const readyTimeout = 700 * time.Millisecond

// ready answers 200 whenever requests are wanted, also while locked: the request that unlocks has to get through.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	state := s.State(r.Context())
	status := http.StatusOK
	if state == Draining {
		status = http.StatusServiceUnavailable
	}
	plain(w, status, state)
}

// State is the bridge's state in a word.
func (s *Server) State(ctx context.Context) string {
	switch {
	case s.draining.Load():
		return Draining
	case s.Lock == nil:
		return Setup
	case !s.Lock.Open():
		return Locked
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for _, rep := range s.Health.Reports(ctx) {
		if rep.State != Healthy {
			return Degraded
		}
	}
	return Ready
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}
