package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/scim"
)

// Secret is a text that must not be shown. The zero value matches nothing.
type Secret struct{ digest [sha256.Size]byte }

// NewSecret keeps a digest of the text.
func NewSecret(text string) Secret { return Secret{sha256.Sum256([]byte(text))} }

// Set tells whether there is a secret at all.
func (s Secret) Set() bool { return s.digest != [sha256.Size]byte{} }

// Is compares in constant time.
func (s Secret) Is(text string) bool {
	d := sha256.Sum256([]byte(text))
	return s.Set() && subtle.ConstantTimeCompare(s.digest[:], d[:]) == 1
}

// String redacts.
func (Secret) String() string { return "[secret]" }

// LogValue redacts.
func (Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// bearer returns the token of the Authorization header (RFC 6750 §2.1); the scheme's case does not matter. Identity
// providers whose form asks for "header" or "basic" authentication send the same token bare, with another word before
// it, or as the password (Okta, PingFederate, JumpCloud). A token is recognised by its own form, so that taking these
// lets nothing else in.
func bearer(r *http.Request) (token string, given bool) {
	header := strings.TrimSpace(r.Header.Get("Authorization"))
	if header == "" {
		return "", false
	}
	scheme, token, two := strings.Cut(header, " ")
	token = strings.TrimSpace(token)
	switch {
	case !two:
		token = scheme
	case strings.EqualFold(scheme, "Bearer"):
		return token, true
	case strings.EqualFold(scheme, "Basic"):
		_, token, _ = r.BasicAuth()
	}
	if _, err := keyset.ParseToken(token); err != nil {
		return "", true
	}
	return token, true
}

// guard lets SCIM requests in that carry the right token; the first of them unlocks the bridge.
func (s *Server) guard(r *http.Request, public bool) error {
	token, given := bearer(r)
	if !given {
		if public {
			return nil
		}
		return unauthorized("The request carries no token. Send the bearer token of the bridge as \"Authorization: Bearer scb_…\".")
	}
	if s.Lock.Present(token) == nil {
		s.meet(r.UserAgent())
		return s.wanted(r)
	}
	if token == "" {
		return unauthorized("The Authorization header is not of the form \"Bearer scb_…\". Set the identity provider to send the bearer token so.")
	}
	if s.Monitoring.Is(token) {
		return scim.Errorf(403, "", "This token is the monitoring token; it opens /monitoring, /health and /metrics only.")
	}
	return s.refuse(r)
}

// maxClient bounds what is remembered of a client's name.
const maxClient = 80

// meet remembers which client speaks.
func (s *Server) meet(agent string) {
	if len(agent) > maxClient {
		agent = agent[:maxClient]
	}
	if known := s.client.Load(); known == nil || *known != agent {
		s.client.Store(&agent)
	}
}

// Client is the name of the client that has spoken last, as it calls itself; "" before the first.
func (s *Server) Client() string {
	if agent := s.client.Load(); agent != nil {
		return strings.ToValidUTF8(*agent, "")
	}
	return ""
}

// refuse answers a wrong token, sparingly for a source that keeps sending them.
func (s *Server) refuse(r *http.Request) *scim.Error {
	s.Metrics.wrongTokens.Inc()
	if _, ok := s.limits.allow(r.Context(), s.Source(r)); !ok {
		s.Metrics.heldBack.Inc()
		return scim.Errorf(429, "", "Too many wrong tokens came from this address. Wait as long as Retry-After says, and check which token the identity provider has.")
	}
	return unauthorized("The token is not the bearer token of this bridge. If the credentials were made anew, give the identity provider the new token.")
}

func unauthorized(detail string) *scim.Error {
	return scim.Errorf(http.StatusUnauthorized, "", "%s", detail)
}

// WrongToken counts a wrong token that came by another way than SCIM's. Where the source has sent too many it tells
// how long to wait.
func (s *Server) WrongToken(r *http.Request) (wait time.Duration, ok bool) {
	s.Metrics.wrongTokens.Inc()
	wait, ok = s.limits.allow(r.Context(), s.Source(r))
	if !ok {
		s.Metrics.heldBack.Inc()
	}
	return wait, ok
}

// Source is who sends the request: the nearest address that is no trusted proxy's.
func (s *Server) Source(r *http.Request) netip.Addr {
	addr := peer(r)
	if !trusted(s.Trusted, addr) {
		return addr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = hop.Unmap()
		if !trusted(s.Trusted, addr) {
			break
		}
	}
	return addr
}

func peer(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

func trusted(prefixes []netip.Prefix, addr netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
