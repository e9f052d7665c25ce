package kill_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/store/postgrestest"
	"github.com/scimbridge/scimbridge/test/program"
)

// TestKillRekeying kills bridge or account service while a group's new key is handed over to those who stay. What is said of
// how far that has come is right whenever nothing moves, it goes on from there, and in the end everybody holds the new key
// and nobody the old one.
func TestKillRekeying(t *testing.T) {
	t.Parallel()
	for _, store := range []string{"SQLite", "PostgreSQL"} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			database := ""
			if store == "PostgreSQL" {
				database = postgrestest.Empty(t)
			}
			openSite(t, database).rekey(t)
		})
	}
}

func (s *site) rekey(t *testing.T) {
	t.Helper()
	const people, kills = 120, 4
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ids := s.crew(ctx, t, people)
	group := s.group(ctx, t, ids)
	s.serials(ctx, t, group, ids, func(serials []int) bool { return len(serials) == 1 })
	must(t, until(ctx, func() error {
		return s.administer(ctx, func(a administrator) error { return a.SetPolicy(ctx, account.Policy{RotateOnRemove: true}) })
	}))
	must(t, until(ctx, func() error {
		_, err := s.scim("PATCH", "/Groups/"+group+"?attributes=id", fmt.Sprintf(`{"Operations":[{"op":"remove","path":"members[value eq \"%s\"]"}]}`, ids[0]), "")
		return err
	}))
	stay, underWay, last := ids[1:], 0, 0
	for kill := range kills {
		// Another stretch of the way, if there is one left.
		must(t, until(ctx, func() error {
			k, err := s.progress(ctx)
			if err == nil && k.Of > 0 && k.Have < min(last+people/(2*kills), k.Of) {
				err = fmt.Errorf("%+v", k)
			}
			if err == nil && k.Of == 0 && s.newest(ctx, group, stay[0]) < 2 {
				err = fmt.Errorf("no new key yet")
			}
			return err
		}))
		s.bridge.Kill()
		if kill%2 == 1 {
			s.account.Kill()
			s.startAccount(t)
		}
		k := s.still(ctx, t, group, stay)
		if k.Of > 0 {
			underWay++
		}
		last = k.Have
		s.startBridge(t)
		if k.Of-k.Have < people/(2*kills) { // what the killed bridge had asked for may be all that was left
			break
		}
		said := fmt.Sprintf("new keys of groups are being handed over\" group=%s serial=2 have=", group)
		must(t, until(ctx, func() error {
			if !strings.Contains(s.bridge.Log(), said) {
				return fmt.Errorf("the log does not say %q:\n%s", said, s.bridge.Log())
			}
			return nil
		}))
	}
	s.serials(ctx, t, group, stay, func(serials []int) bool { return len(serials) == 1 && serials[0] == 2 })
	if k, err := s.progress(ctx); err != nil || k != (account.Rekeying{}) {
		t.Errorf("in the end: %+v %v", k, err)
	}
	must(t, until(ctx, func() error {
		_, text, _, err := (&program.Process{SCIM: s.bridgeURL, Token: s.token}).Do("GET", "/health", "")
		if err == nil && strings.Contains(text, "progress") {
			err = fmt.Errorf("health in the end: %s", text)
		}
		return err
	}))
	_, text, _, err := (&program.Process{SCIM: s.bridgeURL, Token: s.token}).Do("GET", "/metrics", "")
	for _, line := range []string{"scimbridge_rekeying_groups 0", "scimbridge_rekeying_members_done 0", "scimbridge_rekeying_members_waiting 0"} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("the metrics lack %q: %v", line, err)
		}
	}
	t.Logf("killed %d times with the new key under way", underWay)
}

// crew makes people who are in.
func (s *site) crew(ctx context.Context, t *testing.T, people int) []string {
	t.Helper()
	ids, errs := make([]string, people), make([]error, people)
	var g sync.WaitGroup
	gate := make(chan struct{}, clients)
	for n := range people {
		g.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			name := fmt.Sprintf("p%d@example.com", n)
			errs[n] = until(ctx, func() (err error) {
				ids[n], err = s.scim("POST", "/Users", fmt.Sprintf(`{"userName":%q,"externalId":%q}`, name, name), "/Users?filter=userName+eq+%22"+name+"%22")
				return err
			})
			if errs[n] == nil {
				errs[n] = s.join(ctx, ids[n])
			}
			if errs[n] == nil {
				errs[n] = until(ctx, func() error { return s.is(ctx, ids[n], account.Active) })
			}
		})
	}
	g.Wait()
	for _, err := range errs {
		must(t, err)
	}
	return ids
}

func (s *site) group(ctx context.Context, t *testing.T, ids []string) (group string) {
	t.Helper()
	members := make([]string, len(ids))
	for i, id := range ids {
		members[i] = fmt.Sprintf(`{"value":%q}`, id)
	}
	must(t, until(ctx, func() (err error) {
		group, err = s.scim("POST", "/Groups?attributes=id", `{"displayName":"Crew","members":[`+strings.Join(members, ",")+`]}`, "/Groups?filter=displayName+eq+%22Crew%22")
		return err
	}))
	return group
}

// held are the serials of a group's keys that somebody has been granted.
func held(ctx context.Context, a administrator, group, user string) ([]int, error) {
	grants, err := a.GrantsOf(ctx, group, account.Holder{Kind: account.UserHolder, ID: user, Serial: 1})
	serials := make([]int, len(grants))
	for i, g := range grants {
		serials[i] = g.Serial
	}
	return serials, err
}

// serials waits until everybody holds what a condition asks for.
func (s *site) serials(ctx context.Context, t *testing.T, group string, ids []string, fine func(serials []int) bool) {
	t.Helper()
	must(t, until(ctx, func() error {
		return s.administer(ctx, func(a administrator) error {
			for _, id := range ids {
				serials, err := held(ctx, a, group, id)
				if err == nil && !fine(serials) {
					err = fmt.Errorf("%s holds %v", id, serials)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}))
}

func (s *site) newest(ctx context.Context, group, user string) (serial int) {
	_ = s.administer(ctx, func(a administrator) error {
		serials, err := held(ctx, a, group, user)
		for _, n := range serials {
			serial = max(serial, n)
		}
		return err
	})
	return serial
}

// progress is how far the new key has come, as the account says; zero where none is under way.
func (s *site) progress(ctx context.Context) (k account.Rekeying, err error) {
	err = s.administer(ctx, func(a administrator) error {
		list, err := a.Rekeyings(ctx, "", 10)
		if len(list) > 0 {
			k = list[0]
		}
		return err
	})
	return k, err
}

// still compares what is said of the progress with who holds what, while nobody is at work.
func (s *site) still(ctx context.Context, t *testing.T, group string, ids []string) (k account.Rekeying) {
	t.Helper()
	must(t, until(ctx, func() (err error) {
		if k, err = s.progress(ctx); err != nil {
			return err
		}
		have, old := 0, 0
		if err := s.administer(ctx, func(a administrator) error {
			for _, id := range ids {
				serials, err := held(ctx, a, group, id)
				if err != nil {
					return err
				}
				switch {
				case len(serials) > 0 && serials[len(serials)-1] == 2:
					have++
				default:
					old++
				}
			}
			return nil
		}); err != nil {
			return err
		}
		// What the killed bridge had asked for may still be carried out.
		if want := (account.Rekeying{Group: group, Serial: 2, Have: have, Of: have + old}); old > 0 && k != want || old == 0 && k.Of != 0 {
			return fmt.Errorf("said %+v, and it is %+v", k, want)
		}
		return nil
	}))
	return k
}
