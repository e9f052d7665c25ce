package bridge_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/bridge"
	"github.com/scimbridge/scimbridge/internal/keyset"
)

// liar is an account service that lies to the bridge. It remembers what the bridge let itself be talked into.
type liar struct {
	bridge.Admission

	mu    sync.Mutex // guards what follows
	lie   func(d *account.Due)
	trust func(list [][]byte) [][]byte
	held  bool
	given []account.Confirmation
	no    []string // reasons of refusals
	looks int      // at what is due, since the lie began
	moves string   // id of somebody whose memberships are said to move all the time
}

func (l *liar) over(a bridge.Admission) bridge.Admission {
	l.Admission = a
	return l
}

// hold hides what is due; let shows it again.
func (l *liar) hold() { l.set(func() { l.held = true }) }
func (l *liar) let()  { l.set(func() { l.held = false }) }

func (l *liar) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

func (l *liar) Due(ctx context.Context, after string, limit int) (account.Due, error) {
	d, err := l.Admission.Due(ctx, after, limit)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held {
		return account.Due{}, err
	}
	if l.lie != nil {
		l.lie(&d)
		l.looks++
	}
	return d, err
}

func (l *liar) Trust(ctx context.Context) ([][]byte, error) {
	list, err := l.Admission.Trust(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.trust != nil {
		list = l.trust(list)
	}
	return list, err
}

func (l *liar) Confirm(ctx context.Context, user string, c account.Confirmation) error {
	moves := false
	l.set(func() {
		if l.lie != nil {
			l.given = append(l.given, c)
		}
		moves = l.moves == user
	})
	if moves {
		return account.ErrRevision
	}
	return l.Admission.Confirm(ctx, user, c)
}

func (l *liar) RefuseAcceptance(ctx context.Context, user string, number int, reason string) error {
	l.set(func() { l.no = append(l.no, reason) })
	return l.Admission.RefuseAcceptance(ctx, user, number, reason)
}

// TestLyingAccount: whatever the account says, no key leaves the bridge that the identity provider and the person have
// not asked for.
func TestLyingAccount(t *testing.T) {
	t.Parallel()
	_, thief := newKeys(t)
	for _, lie := range []struct {
		name string
		// tell makes the lie, once ada is confirmed, grace has accepted and the bridge is kept from seeing it.
		tell func(s *site, ada, grace account.Candidate, crew, secret string) (func(*account.Due), func([][]byte) [][]byte)
	}{
		{"another's keys before the confirmation", func(s *site, _, grace account.Candidate, _, _ string) (func(*account.Due), func([][]byte) [][]byte) {
			grace.Keys.Public = thief.Public().Bytes()
			return say(grace), nil
		}},
		{"another's keys, and who holds them", func(s *site, _, grace account.Candidate, _, _ string) (func(*account.Due), func([][]byte) [][]byte) {
			grace.Keys.Public = thief.Public().Bytes()
			grace.Possession = thief.Sign(keyset.PossessionClaim{Account: s.account, User: grace.UserID, Email: grace.Email, Number: grace.Number, Public: thief.Public()})
			return say(grace), nil
		}},
		{"keys that nobody shows to hold", func(_ *site, _, grace account.Candidate, _, _ string) (func(*account.Due), func([][]byte) [][]byte) {
			grace.Possession = make([]byte, 64)
			return say(grace), nil
		}},
		{"another address", func(_ *site, _, grace account.Candidate, _, _ string) (func(*account.Due), func([][]byte) [][]byte) {
			grace.Email = "thief@example.com"
			return say(grace), nil
		}},
		{"a proof for another invitation", func(_ *site, _, grace account.Candidate, _, _ string) (func(*account.Due), func([][]byte) [][]byte) {
			grace.Number++
			return say(grace), nil
		}},
		{"a proof of another person", func(_ *site, ada, grace account.Candidate, _, _ string) (func(*account.Due), func([][]byte) [][]byte) {
			grace.UserID = ada.UserID
			return say(grace), nil
		}},
		{"another generation", func(_ *site, _, grace account.Candidate, _, _ string) (func(*account.Due), func([][]byte) [][]byte) {
			grace.Generation = 7
			return say(grace), nil
		}},
		{"another's keys after the confirmation", func(s *site, ada, _ account.Candidate, crew, _ string) (func(*account.Due), func([][]byte) [][]byte) {
			ada.Keys.Public = thief.Public().Bytes()
			ada.Pending = []account.PendingMembership{{Group: crew, Serial: 1, Evidence: evidenceOf(s.bridge, s.account, crew, ada.UserID)}}
			return say(ada), nil
		}},
		{"another's keys after the confirmation, signed by the account itself", func(s *site, ada, _ account.Candidate, crew, _ string) (func(*account.Due), func([][]byte) [][]byte) {
			ada.Keys.Public = thief.Public().Bytes()
			ada.Keys.Attestation = attestation(thief, keyset.PersonClaim{Account: s.account, User: ada.UserID, Serial: 1, Email: ada.Email, Public: thief.Public()})
			ada.Pending = []account.PendingMembership{{Group: crew, Serial: 1, Evidence: evidenceOf(s.bridge, s.account, crew, ada.UserID)}}
			return say(ada), nil
		}},
		{"itself as an owner", func(s *site, ada, _ account.Candidate, crew, _ string) (func(*account.Due), func([][]byte) [][]byte) {
			ada.Keys.Public = thief.Public().Bytes()
			ada.Keys.Attestation = attestation(thief, keyset.PersonClaim{Account: s.account, User: ada.UserID, Serial: 1, Email: ada.Email, Public: thief.Public()})
			ada.Pending = []account.PendingMembership{{Group: crew, Serial: 1, Evidence: evidenceOf(s.bridge, s.account, crew, ada.UserID)}}
			return say(ada), func(list [][]byte) [][]byte {
				return append(slices.Clone(list), attestation(thief, keyset.AdministratorClaim{Account: s.account, User: ada.UserID, Serial: 1, Public: thief.Public()}))
			}
		}},
		{"an invented membership", func(_ *site, ada, _ account.Candidate, _, secret string) (func(*account.Due), func([][]byte) [][]byte) {
			ada.Pending = []account.PendingMembership{{Group: secret, Serial: 1}}
			return say(ada), nil
		}},
		{"a membership of another group", func(s *site, ada, _ account.Candidate, crew, secret string) (func(*account.Due), func([][]byte) [][]byte) {
			ada.Pending = []account.PendingMembership{{Group: secret, Serial: 1, Evidence: evidenceOf(s.bridge, s.account, crew, ada.UserID)}}
			return say(ada), nil
		}},
		{"a membership of another person", func(s *site, ada, grace account.Candidate, _, secret string) (func(*account.Due), func([][]byte) [][]byte) {
			ada.Pending = []account.PendingMembership{{Group: secret, Serial: 1, Evidence: evidenceOf(s.bridge, s.account, secret, grace.UserID)}}
			return say(ada), nil
		}},
		{"a membership that the account has signed", func(s *site, ada, _ account.Candidate, _, secret string) (func(*account.Due), func([][]byte) [][]byte) {
			ada.Pending = []account.PendingMembership{{Group: secret, Serial: 1, Evidence: evidenceOf(thief, s.account, secret, ada.UserID)}}
			return say(ada), nil
		}},
	} {
		t.Run(lie.name, func(t *testing.T) {
			t.Parallel()
			l := &liar{}
			s := openSite(t, l.over)
			ada, grace := s.person("ada@example.com", ""), s.person("grace@example.com", "")
			crew, secret := s.group("Crew", ada.ID), s.group("Secret")
			s.member(t, crew.ID, ada.ID, s.accept(t, s.link(t, ada.ID)))
			link := s.link(t, grace.ID)
			l.hold()
			s.accept(t, link)
			due, err := s.service.Due(t.Context(), "", 10)
			ok(t, err)
			own, err := s.service.Own(t.Context(), ada.ID, time.Now().Add(time.Hour))
			ok(t, err)
			adas := account.Candidate{UserID: ada.ID, State: account.Active, Email: "ada@example.com", Keys: own.Keys}
			tell, trust := lie.tell(s, adas, due.People[0], crew.ID, secret.ID)
			l.set(func() { l.lie, l.trust, l.held = tell, trust, false })
			s.group("Wake") // a change, for the bridge to look
			until(t, "a look", func() bool {
				l.mu.Lock()
				defer l.mu.Unlock()
				return l.looks >= 2 && (len(l.no) > 0 || len(s.watch.Confirmation().Faults) > 0 || s.watch.Confirmation().Err != nil)
			})
			l.mu.Lock()
			defer l.mu.Unlock()
			for _, c := range l.given {
				if len(c.Grants) > 0 || len(c.Attestation) > 0 {
					t.Errorf("the bridge gave %d keys and confirmed %t", len(c.Grants), len(c.Attestation) > 0)
				}
			}
		})
	}
}

// say makes the account name one candidate, and nobody else.
func say(c account.Candidate) func(*account.Due) {
	return func(d *account.Due) { d.People = []account.Candidate{c} }
}

func evidenceOf(k *keyset.Keyset, id, group, user string) []byte {
	signer := k.Signer()
	return append(signer[:], k.Sign(keyset.MembershipClaim{Account: id, Group: group, User: user})...)
}
