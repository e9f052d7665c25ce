package kill_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/store/postgrestest"
	"github.com/scimbridge/scimbridge/test/program"
)

// TestKillHolder runs two bridges on one account, kills the one that confirms people, or lets it stand still, and sees the
// other one do it. One that has stood still has lost its turn when it goes on, and takes it without complaint.
func TestKillHolder(t *testing.T) {
	t.Parallel()
	for _, store := range []string{"SQLite", "PostgreSQL"} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			database := ""
			if store == "PostgreSQL" {
				database = postgrestest.Empty(t)
			}
			takeTurns(t, openSite(t, database))
		})
	}
}

// peer is one of several bridges.
type peer struct {
	*program.Process
	url, token string
}

func (s *site) peer(t *testing.T) *peer {
	t.Helper()
	address, err := program.Address()
	must(t, err)
	return &peer{program.Launch(t, s.env, "serve", "--listen", address), "http://" + address, s.token}
}

func (p *peer) get(ctx context.Context, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path, http.NoBody)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s %s", path, res.Status, text)
	}
	return string(text), err
}

// watches waits until a bridge has the lease, or has it not.
func (p *peer) watches(ctx context.Context, yes bool) error {
	want := "\nscimbridge_lease_held 0\n"
	if yes {
		want = "\nscimbridge_lease_held 1\n"
	}
	return until(ctx, func() error {
		text, err := p.get(ctx, "/metrics")
		if err == nil && !strings.Contains(text, want) {
			err = fmt.Errorf("%s has not come", strings.TrimSpace(want))
		}
		return err
	})
}

// confirmed provisions somebody, who accepts, between lets something happen, and returns how long after that the person is in.
func (s *site) confirmed(ctx context.Context, name string, between func()) (time.Duration, error) {
	id, err := s.scim("POST", "/Users", fmt.Sprintf(`{"userName":%q}`, name), "")
	if err != nil {
		return 0, err
	}
	if err := until(ctx, func() error { _, err := s.mail.invitation(id); return err }); err != nil {
		return 0, err
	}
	between()
	begin := time.Now()
	if err := s.join(ctx, id); err != nil {
		return 0, err
	}
	err = until(ctx, func() error { return s.is(ctx, id, account.Active) })
	return time.Since(begin), err
}

func takeTurns(t *testing.T, s *site) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s.bridge.Kill()
	first := s.peer(t)
	must(t, first.watches(ctx, true))
	second := s.peer(t)
	must(t, second.watches(ctx, false))
	s.bridgeURL = second.url // it serves, whoever watches

	// Each case ends with the fact; how long it took is for people to read, and what it may take is in internal/bridge.
	took, err := s.confirmed(ctx, "killed@example.com", first.Kill)
	must(t, err)
	t.Logf("confirmed %.1f s after the kill of who confirmed", took.Seconds())
	must(t, second.watches(ctx, true))

	third := s.peer(t)
	must(t, third.watches(ctx, false))
	s.bridgeURL = third.url
	took, err = s.confirmed(ctx, "still@example.com", func() { must(t, syscall.Kill(second.PID(), syscall.SIGSTOP)) })
	must(t, err)
	t.Logf("confirmed %.1f s after who confirmed was stopped", took.Seconds())
	must(t, third.watches(ctx, true))
	must(t, syscall.Kill(second.PID(), syscall.SIGCONT))
	must(t, second.watches(ctx, false))
	if _, err := second.get(ctx, "/health"); err != nil {
		t.Error("who stood still is not well: ", err)
	}
	for line := range strings.SplitSeq(second.Log(), "\n") {
		if strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") {
			t.Error("who stood still complains: ", line)
		}
	}

	// In a rolling restart the next one need not wait.
	took, err = s.confirmed(ctx, "rolled@example.com", func() {
		s.bridgeURL = second.url
		third.Stop()
	})
	must(t, err)
	t.Logf("confirmed %.1f s after who confirmed had ended in order", took.Seconds())
	must(t, second.watches(ctx, true))
	if out, errs, code := program.Run(t, append([]string{"account", "verify"}, s.store...)...); code != 0 {
		t.Errorf("the log: %s%s", out, errs)
	}
}
