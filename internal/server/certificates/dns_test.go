package certificates_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"

	"github.com/scimbridge/scimbridge/internal/server/certificates"
)

// records is a provider that notes what it is asked for.
type records struct {
	servers   []string
	added     []string
	removed   []string
	addErr    error
	removeErr error
}

func (r *records) Add(_ context.Context, name, value string) ([]string, error) {
	r.added = append(r.added, name+" "+value)
	return r.servers, r.addErr
}

func (r *records) Remove(_ context.Context, name, value string) error {
	r.removed = append(r.removed, name+" "+value)
	return r.removeErr
}

// TestSolver: the issuer is let look once every name server has the record, or where none can be asked; where one never has
// it, the order is given up before the issuer counts it. The record is taken away in the end, and only where it was written.
func TestSolver(t *testing.T) {
	t.Parallel()
	challenge := acme.Challenge{Type: acme.ChallengeTypeDNS01, Identifier: acme.Identifier{Type: "dns", Value: "scim.example.com"}, KeyAuthorization: "token.thumbprint"}
	const name = "_acme-challenge.scim.example.com"
	value := challenge.DNS01KeyAuthorization()
	notFound := &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	away := &net.DNSError{Err: "i/o timeout", Name: name, IsTimeout: true}
	for _, c := range []struct {
		title   string
		servers []string
		look    func(n int, server string) ([]string, error) // n: how many questions were asked before
		want    string                                       // of the error; "": none
		least   int                                          // questions
	}{
		{"the provider has said so", nil, nil, "", 0},
		{"at once", []string{"a", "b"}, func(int, string) ([]string, error) { return []string{"other", value}, nil }, "", 2},
		{"one is late", []string{"a", "b"}, func(n int, server string) ([]string, error) {
			if server == "b" && n < 6 {
				return nil, notFound
			}
			return []string{value}, nil
		}, "", 7},
		{"one is away", []string{"a", "b"}, func(_ int, server string) ([]string, error) {
			if server == "a" {
				return nil, away
			}
			return []string{value}, nil
		}, "", 2},
		{"all are away", []string{"a", "b"}, func(int, string) ([]string, error) { return nil, away }, "", 2},
		{"one never has it", []string{"a", "b"}, func(_ int, server string) ([]string, error) {
			if server == "b" {
				return []string{"another"}, nil
			}
			return []string{value}, nil
		}, "the name server b does not serve it", 2},
	} {
		provider, asked, within := &records{servers: c.servers}, 0, time.Hour
		if c.want != "" {
			within = 50 * time.Millisecond
		}
		s := certificates.NewHurriedSolver(provider, discard(), within, func(_ context.Context, server, record string) ([]string, error) {
			if record != name {
				t.Errorf("%s: asked for %s", c.title, record)
			}
			asked++
			return c.look(asked-1, server)
		})
		must(t, s.Present(t.Context(), challenge))
		err := s.Wait(t.Context(), challenge)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", c.title, err)
		}
		if asked < c.least {
			t.Errorf("%s: %d questions", c.title, asked)
		}
		must(t, s.CleanUp(t.Context(), challenge))
		must(t, s.CleanUp(t.Context(), challenge))
		if len(provider.added) != 1 || len(provider.removed) != 1 || provider.added[0] != name+" "+value || provider.removed[0] != provider.added[0] {
			t.Errorf("%s: %v, %v", c.title, provider.added, provider.removed)
		}
	}
	log := &lines{}
	failing := &records{addErr: errors.New("status 403: Forbidden"), removeErr: errors.New("status 500: later")}
	s := certificates.NewHurriedSolver(failing, slog.New(slog.NewTextHandler(log, nil)), time.Hour, nil)
	if err := s.Present(t.Context(), challenge); err == nil || err.Error() != "the TXT record "+name+" could not be written: status 403: Forbidden" {
		t.Error(err)
	}
	must(t, s.CleanUp(t.Context(), challenge))
	if len(failing.removed) != 0 {
		t.Error("what was not written was taken away")
	}
	failing.addErr = nil
	must(t, s.Present(t.Context(), challenge))
	must(t, s.CleanUp(t.Context(), challenge))
	if !strings.Contains(log.String(), "could not be taken away") {
		t.Errorf("log: %s", log)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	waiting := certificates.NewHurriedSolver(&records{servers: []string{"a"}}, discard(), time.Hour, func(context.Context, string, string) ([]string, error) { return nil, notFound })
	must(t, waiting.Present(t.Context(), challenge))
	if err := waiting.Wait(ctx, challenge); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
