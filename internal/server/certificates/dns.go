package certificates

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"

	"github.com/scimbridge/scimbridge/internal/server/certificates/zone"
)

const (
	// servedWithin is how long a zone's name servers may take to serve a record that was written. The slowest of the four
	// providers promises one minute.
	servedWithin = 2 * time.Minute
	// servedLook is how often they are asked.
	servedLook = 2 * time.Second
	// servedBlind is how long is waited where they cannot be asked, since the network lets DNS out to its own resolver only.
	servedBlind = 30 * time.Second
	// cleanUpTime bounds the taking away of the record, which is done even where the order was given up.
	cleanUpTime = time.Minute
	// answerTime bounds a question to one name server.
	answerTime = 3 * time.Second
)

// solver answers DNS-01 (RFC 8555 §8.4).
type solver struct {
	zone zone.Provider
	log  *slog.Logger
	look func(ctx context.Context, server, name string) ([]string, error) // asks a name server for TXT

	each, blind, within time.Duration

	mu      sync.Mutex          // guards servers
	servers map[string][]string // by the value written: whom to ask for it
}

var (
	_ acmez.Solver = (*solver)(nil)
	_ acmez.Waiter = (*solver)(nil)
)

func newSolver(z zone.Provider, log *slog.Logger) *solver {
	return &solver{zone: z, log: log, look: ask, each: servedLook, blind: servedBlind, within: servedWithin, servers: map[string][]string{}}
}

// Present writes the record.
func (s *solver) Present(ctx context.Context, c acme.Challenge) error {
	ctx, cancel := context.WithTimeout(ctx, servedWithin)
	defer cancel()
	name, value := c.DNS01TXTRecordName(), c.DNS01KeyAuthorization()
	servers, err := s.zone.Add(ctx, name, value)
	if err != nil {
		return fmt.Errorf("the TXT record %s could not be written: %w", name, err)
	}
	s.log.DebugContext(ctx, "TXT record written", "name", name, "name servers", servers)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.servers[value] = servers
	return nil
}

// Wait returns when the name servers serve the record. The issuer asks once, and counts it when the record is not there.
func (s *solver) Wait(ctx context.Context, c acme.Challenge) error {
	name, value := c.DNS01TXTRecordName(), c.DNS01KeyAuthorization()
	s.mu.Lock()
	servers := s.servers[value]
	s.mu.Unlock()
	if len(servers) == 0 {
		return nil
	}
	for begin := time.Now(); ; {
		lacking, blind := s.lacking(ctx, servers, name, value)
		waited := time.Since(begin)
		switch {
		case lacking == "" && !blind:
			return nil
		case blind && waited >= s.blind:
			s.log.DebugContext(ctx, "the zone's name servers cannot be asked from here; the issuer is let try", "name", name, "name servers", servers)
			return nil
		case waited >= s.within:
			return fmt.Errorf("the TXT record %s was written, but the name server %s does not serve it after %s. See that the zone at the provider is the one that the world is referred to", name, lacking, s.within)
		}
		if !wait(ctx, s.each) {
			return ctx.Err()
		}
	}
}

// lacking asks all name servers, and tells which does not serve the record; blind: none of them can be asked.
func (s *solver) lacking(ctx context.Context, servers []string, name, value string) (lacking string, blind bool) {
	blind = true
	for _, server := range servers {
		list, err := s.look(ctx, server, name)
		var answer *net.DNSError
		if err != nil && !(errors.As(err, &answer) && answer.IsNotFound) {
			continue
		}
		blind = false
		if !slices.Contains(list, value) {
			lacking = server
		}
	}
	return lacking, blind
}

// CleanUp takes the record away.
func (s *solver) CleanUp(ctx context.Context, c acme.Challenge) error {
	name, value := c.DNS01TXTRecordName(), c.DNS01KeyAuthorization()
	s.mu.Lock()
	_, written := s.servers[value]
	delete(s.servers, value)
	s.mu.Unlock()
	if !written {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	if err := s.zone.Remove(ctx, name, value); err != nil {
		s.log.WarnContext(ctx, "the TXT record of a challenge could not be taken away; it does no harm, delete it by hand", "name", name, "error", err)
	}
	return nil
}

// ask asks a name server itself.
func ask(ctx context.Context, server, name string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	return (&net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, net.JoinHostPort(server, "53"))
	}}).LookupTXT(ctx, name+".")
}
