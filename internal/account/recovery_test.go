package account_test

import (
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
)

// recovering is somebody who is in, and whom an owner lets make new keys.
func (k *keyed) recovering(t testing.TB, name string) account.User {
	t.Helper()
	u := k.opened(t, name)
	must(t, k.accept(t, u.ID, 1))
	must(t, k.Confirm(t.Context(), u.ID, account.Confirmation{Number: 1, Attestation: []byte("attested")}))
	must(t, k.recover(t, u.ID, 2))
	return u
}

func (k *keyed) recover(t testing.TB, user string, number int) error {
	t.Helper()
	sum := sha256.Sum256(link)
	return k.Recover(t.Context(), user, account.Opening{Number: number, Generation: account.OwnersInvitation, Commitment: sum[:]})
}

// TestRecoveryIsAnOwners: whatever happens to somebody who is to make new keys with an owner's link, no bridge is ever asked
// to make one instead, and an owner can begin anew.
func TestRecoveryIsAnOwners(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	change := func(t *testing.T, k *keyed, u account.User, c account.UserChange) {
		t.Helper()
		_, err := k.ChangeUser(asIntegration(t), u.ID, c)
		must(t, err)
	}
	moved := func(u account.User) *account.Person {
		p := u.Person
		p.UserName, p.Email = "thief@example.com", "thief@example.com"
		return &p
	}
	for name, happens := range map[string]func(t *testing.T, k *keyed, u account.User){
		"a new link is asked for": func(t *testing.T, k *keyed, u account.User) {
			if err := k.Resend(t.Context(), u.ID); !errors.Is(err, account.ErrState) || !strings.Contains(err.Error(), "scimbridge account recover PERSON") {
				t.Errorf("resend: %v", err)
			}
		},
		"the link has expired, and a new one is asked for": func(t *testing.T, k *keyed, u account.User) {
			k.now = k.now.Add(6 * 24 * time.Hour)
			must(t, k.Sweep(t.Context()))
			if err := k.Resend(t.Context(), u.ID); !errors.Is(err, account.ErrState) {
				t.Errorf("resend: %v", err)
			}
		},
		"the address changes": func(t *testing.T, k *keyed, u account.User) {
			change(t, k, u, account.UserChange{Person: moved(u), Evidence: []byte("evidence of thief")})
		},
		"suspended and let in again": func(t *testing.T, k *keyed, u account.User) {
			change(t, k, u, account.UserChange{Active: &no})
			change(t, k, u, account.UserChange{Active: &yes})
		},
		"suspended, moved, and let in again": func(t *testing.T, k *keyed, u account.User) {
			change(t, k, u, account.UserChange{Active: &no})
			change(t, k, u, account.UserChange{Person: moved(u), Evidence: []byte("evidence of thief")})
			change(t, k, u, account.UserChange{Active: &yes})
		},
		"released and taken back": func(t *testing.T, k *keyed, u account.User) {
			p := u.Person
			p.ExternalID = "x"
			change(t, k, u, account.UserChange{Person: &p})
			must(t, k.ReleaseUser(asIntegration(t), u.ID, 0))
			back, err := k.Invite(asIntegration(t), account.Invitation{ID: anID(t), Person: p, Evidence: []byte("evidence")})
			must(t, err)
			if back.ID != u.ID {
				t.Fatal("somebody else has come")
			}
		},
		"a bridge refuses it": func(t *testing.T, k *keyed, u account.User) {
			if err := k.RefuseAcceptance(asIntegration(t), u.ID, 2, "why not"); !errors.Is(err, account.ErrState) {
				t.Errorf("refusal: %v", err)
			}
			change(t, k, u, account.UserChange{Evidence: []byte("evidence anew")})
		},
		"an administrator invites": func(t *testing.T, k *keyed, u account.User) {
			_, err := k.SetState(t.Context(), u.ID, account.Active) // called off
			must(t, err)
			_, err = k.SetState(t.Context(), u.ID, account.Invited)
			must(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := foundKeyed(t)
			u := k.recovering(t, "ada@example.com")
			happens(t, k, u)
			due, err := k.Due(t.Context(), "", 10)
			must(t, err)
			if len(due.Invitations)+len(due.People) > 0 || k.state(t, u.ID) != account.Invited {
				t.Errorf("%s, the bridge is asked for %+v", k.state(t, u.ID), due)
			}
			i, err := k.Invitation(t.Context(), u.ID)
			must(t, err)
			if i.Generation != account.OwnersInvitation || i.State != account.InvitationOpen && i.Reason == "" {
				t.Errorf("invitation %+v", i)
			}
			must(t, k.recover(t, u.ID, i.Number+1))
			must(t, k.accept(t, u.ID, i.Number+1))
			if err := k.Confirm(asIntegration(t), u.ID, account.Confirmation{Number: i.Number + 1, Attestation: []byte("by a bridge")}); !errors.Is(err, account.ErrState) {
				t.Errorf("a bridge confirms: %v", err)
			}
			must(t, k.Confirm(t.Context(), u.ID, account.Confirmation{Number: i.Number + 1, Attestation: []byte("by an owner")}))
			if k.state(t, u.ID) != account.Active {
				t.Error("in the end", k.state(t, u.ID))
			}
		})
	}
}

// TestRecoveryEndsSessions: also where it is called off.
func TestRecoveryEndsSessions(t *testing.T) {
	t.Parallel()
	k := foundKeyed(t)
	u := k.opened(t, "ada@example.com")
	must(t, k.accept(t, u.ID, 1))
	must(t, k.Confirm(t.Context(), u.ID, account.Confirmation{Number: 1, Attestation: []byte("attested")}))
	if err := k.recover(t, k.invite(t, "grace@example.com").ID, 2); !errors.Is(err, account.ErrNoKeys) {
		t.Errorf("somebody who has no keys: %v", err)
	}
	began := k.now
	k.now = k.now.Add(time.Second)
	must(t, k.recover(t, u.ID, 2))
	_, err := k.SetState(t.Context(), u.ID, account.Active)
	must(t, err)
	if err := k.SessionHolds(t.Context(), u.ID, began); !errors.Is(err, account.ErrState) {
		t.Error("the old session is back:", err)
	}
}

// TestAdoptNeedsTheKey: where there are keys, no group is handed over without its own.
func TestAdoptNeedsTheKey(t *testing.T) {
	t.Parallel()
	k := foundKeyed(t)
	g, err := k.MakeGroup(t.Context(), "Poets", nil)
	must(t, err)
	if _, err := k.Adopt(t.Context(), g.ID); !errors.Is(err, account.ErrState) || !strings.Contains(err.Error(), "scimbridge account adopt GROUP --kit FILE") {
		t.Error(err)
	}
	list, err := k.AllGroups(t.Context(), "", 100)
	must(t, err)
	for _, g := range list {
		if g.Managed {
			t.Errorf("%s is provisioning's", g.Name)
		}
	}
	if _, err := k.NextGeneration(t.Context(), account.Generation{}); !errors.Is(err, account.ErrState) {
		t.Error(err)
	}
}
