package bridge_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/bridge"
	"github.com/scimbridge/scimbridge/internal/keyset"
)

// group makes a group with members through SCIM.
func (c *client) group(name string, members ...string) document {
	c.Helper()
	list := ""
	for _, m := range members {
		list += fmt.Sprintf(`,{"value":%q}`, m)
	}
	if list != "" {
		list = list[1:]
	}
	code, d := c.send("POST", "/Groups", fmt.Sprintf(`{"displayName":%q,"members":[%s]}`, name, list))
	if code != 201 {
		c.Fatalf("%s: %d %s", name, code, d.Detail)
	}
	return d
}

func (c *client) patch(path, operation string) document {
	c.Helper()
	code, d := c.send("PATCH", path, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`+operation+`]}`)
	if code != 200 && code != 204 {
		c.Fatalf("%s: %d %s", path, code, d.Detail)
	}
	return d
}

// TestAdmission: from the identity provider's word to the key of a group in a person's hands, and back.
func TestAdmission(t *testing.T) {
	t.Parallel()
	s := openSite(t, nil)
	ada, grace := s.person("ada@example.com", ""), s.person("grace@example.com", "")
	crew := s.group("Crew", ada.ID, grace.ID)
	if s.state(t, ada.ID) != account.Invited {
		t.Fatal("invited, and", s.state(t, ada.ID))
	}

	first := s.link(t, ada.ID)
	keys := s.accept(t, first)
	until(t, "a confirmation", func() bool { return s.state(t, ada.ID) == account.Active })
	s.member(t, crew.ID, ada.ID, keys)
	if s.opens(t, crew.ID, grace.ID, account.UserHolder, keys) {
		t.Error("somebody who has not accepted has a grant")
	}
	if !s.opens(t, crew.ID, s.owners.ID, account.GroupHolder, s.ownersKeys) {
		t.Error("the owners cannot open the group")
	}

	entries, err := s.service.Activity(t.Context(), 0, 1000)
	ok(t, err)
	for _, e := range entries {
		if e.Verb == "user.confirm" && e.Caller != account.Integration {
			t.Errorf("%s confirms people", e.Caller)
		}
	}

	// Who is in gets the keys of further groups without doing anything.
	staff := s.group("Staff")
	s.patch("/Groups/"+staff.ID, fmt.Sprintf(`{"op":"add","path":"members","value":[{"value":%q}]}`, ada.ID))
	s.member(t, staff.ID, ada.ID, keys)

	// Who is removed has no grant any more; who is suspended keeps it, and gets it back without a confirmation.
	s.patch("/Groups/"+staff.ID, fmt.Sprintf(`{"op":"remove","path":"members[value eq \"%s\"]"}`, ada.ID))
	if s.opens(t, staff.ID, ada.ID, account.UserHolder, keys) {
		t.Error("a grant outlives the membership")
	}
	s.patch("/Users/"+ada.ID, `{"op":"replace","path":"active","value":false}`)
	s.patch("/Users/"+ada.ID, `{"op":"replace","path":"active","value":true}`)
	if s.state(t, ada.ID) != account.Active || !s.opens(t, crew.ID, ada.ID, account.UserHolder, keys) {
		t.Error("a reactivated person has lost a key")
	}

	// DELETE takes all grants, and a person who comes back has none.
	if code, d := s.send("DELETE", "/Users/"+ada.ID, ""); code != 204 {
		t.Fatal(code, d.Detail)
	}
	if s.opens(t, crew.ID, ada.ID, account.UserHolder, keys) {
		t.Error("a grant outlives the person's release")
	}
}

// TestInvitationsEnd: a link is dead once it has been replaced, withdrawn or used.
func TestInvitationsEnd(t *testing.T) {
	t.Parallel()
	s := openSite(t, nil)
	ada := s.person("ada@example.com", "")
	first := s.link(t, ada.ID)
	s.patch("/Users/"+ada.ID, `{"op":"replace","path":"userName","value":"lovelace@example.com"}`)
	if _, err := s.service.Join(t.Context(), ada.ID, 1, access(first)); err == nil {
		t.Error("the link to the old address works")
	}
	second := s.link(t, ada.ID)
	if second.Number() != 2 {
		t.Fatal("number", second.Number())
	}
	if _, err := s.service.Join(t.Context(), ada.ID, 2, access(first)); err == nil {
		t.Error("the link to the old address opens the new invitation")
	}
	s.patch("/Users/"+ada.ID, `{"op":"replace","path":"active","value":false}`)
	if _, err := s.service.Join(t.Context(), ada.ID, 2, access(second)); err == nil {
		t.Error("the link of somebody who was suspended works")
	}
	s.patch("/Users/"+ada.ID, `{"op":"replace","path":"active","value":true}`)
	third := s.link(t, ada.ID)
	s.accept(t, third)
	until(t, "a confirmation", func() bool { return s.state(t, ada.ID) == account.Active })
	if _, err := s.service.Join(t.Context(), ada.ID, 3, access(third)); err == nil {
		t.Error("the link works twice")
	}
}

// TestSuspendedWhileWaiting: who is suspended after accepting is not confirmed, and is once let in again, with the
// keys that were proposed.
func TestSuspendedWhileWaiting(t *testing.T) {
	t.Parallel()
	gate := &liar{}
	s := openSite(t, gate.over)
	ada := s.person("ada@example.com", "")
	crew := s.group("Crew", ada.ID)
	i := s.link(t, ada.ID)
	gate.hold()
	keys := s.accept(t, i)
	s.patch("/Users/"+ada.ID, `{"op":"replace","path":"active","value":false}`)
	gate.let()
	if s.state(t, ada.ID) != account.InviteSuspended {
		t.Fatal(s.state(t, ada.ID))
	}
	s.patch("/Users/"+ada.ID, `{"op":"replace","path":"active","value":true}`)
	until(t, "a confirmation", func() bool { return s.state(t, ada.ID) == account.Active })
	s.member(t, crew.ID, ada.ID, keys)
}

// TestRotation: with the policy on, a group's key is made anew for those who stay when somebody leaves, and it is said how
// far that has come.
func TestRotation(t *testing.T) {
	t.Parallel()
	l := &liar{}
	s := openSite(t, l.over)
	ok(t, s.service.SetPolicy(t.Context(), account.Policy{RotateOnRemove: true}))
	ada, grace, last := s.person("ada@example.com", ""), s.person("grace@example.com", ""), s.person("last@example.com", "")
	crew := s.group("Crew", ada.ID, grace.ID, last.ID)
	adas, graces, lasts := s.accept(t, s.link(t, ada.ID)), s.accept(t, s.link(t, grace.ID)), s.accept(t, s.link(t, last.ID))
	s.member(t, crew.ID, ada.ID, adas)
	s.member(t, crew.ID, grace.ID, graces)
	s.member(t, crew.ID, last.ID, lasts)
	l.set(func() { l.moves = last.ID })
	s.patch("/Groups/"+crew.ID, fmt.Sprintf(`{"op":"remove","path":"members[value eq \"%s\"]"}`, grace.ID))
	half := []account.Rekeying{{Group: crew.ID, Serial: 2, Have: 1, Of: 2}}
	until(t, "half of the new key's way", func() bool { return slices.Equal(s.watch.Confirmation().Rekeyings, half) })
	l.set(func() { l.moves = "" })
	until(t, "the end of its way", func() bool { return len(s.watch.Confirmation().Rekeyings) == 0 })
	for _, line := range []string{"being handed over\" group=" + crew.ID + " serial=2 have=0 of=2", "reached everybody\" group=" + crew.ID + " serial=2"} {
		if n := strings.Count(s.log.String(), line); n != 1 {
			t.Errorf("the log says %d times %q:\n%s", n, line, s.log.String())
		}
	}
	until(t, "a new key", func() bool {
		grants, err := s.service.GrantsOf(t.Context(), crew.ID, account.Holder{Kind: account.UserHolder, ID: ada.ID, Serial: 1})
		ok(t, err)
		return len(grants) == 1 && grants[0].Serial == 2
	})
	if !s.opens(t, crew.ID, ada.ID, account.UserHolder, adas) || !s.opens(t, crew.ID, s.owners.ID, account.GroupHolder, s.ownersKeys) {
		t.Error("who stays cannot open the new key")
	}
	if s.opens(t, crew.ID, grace.ID, account.UserHolder, graces) {
		t.Error("who left has a grant")
	}
}

// post is a mail server of the test.
type post struct {
	mu   sync.Mutex // guards what follows
	sent []bridge.Mail
	err  error
}

func (p *post) Send(_ context.Context, m bridge.Mail) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = append(p.sent, m)
	return p.err
}

// TestBridgeSendsTheMail: the account never sees the link, and what cannot be delivered is shown and not tried for ever.
func TestBridgeSendsTheMail(t *testing.T) {
	t.Parallel()
	p := &post{}
	s := openSiteWith(t, nil, p)
	ada := s.person("ada@example.com", `,"displayName":"Ada","preferredLanguage":"de"`)
	var i account.InvitationRow
	until(t, "a mail", func() bool {
		var err error
		i, err = s.service.Invitation(t.Context(), ada.ID)
		ok(t, err)
		return !i.Sent.IsZero()
	})
	p.mu.Lock()
	mails := slices.Clone(p.sent)
	p.err = bridge.ErrUndeliverable
	p.mu.Unlock()
	if i.Link != "" || len(mails) != 1 || mails[0].To != "ada@example.com" || mails[0].Language != "de" || mails[0].Number != 1 || mails[0].AccountName != "Example" {
		t.Fatalf("%+v, %+v", i, mails)
	}
	_, link, err := keyset.ParseLink(mails[0].Link)
	ok(t, err)
	s.accept(t, link)
	until(t, "a confirmation", func() bool { return s.state(t, ada.ID) == account.Active })

	grace := s.person("grace@example.com", "")
	until(t, "a refusal", func() bool {
		i, err := s.service.Invitation(t.Context(), grace.ID)
		ok(t, err)
		return i.State == account.InvitationRefused && i.Reason != ""
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.sent) != 2 {
		t.Errorf("%d mails were tried", len(p.sent))
	}
}

// TestGroupsGetKeysWithoutAnOrigin: where no link can be made, what needs none is done all the same, and the reason is said.
func TestGroupsGetKeysWithoutAnOrigin(t *testing.T) {
	t.Parallel()
	s := openSite(t, nil)
	s.nowhere.Store(true)
	s.person("ada@example.com", "")
	for i := range 20 {
		s.group(fmt.Sprint("group ", i))
	}
	until(t, "a key for every group", func() bool {
		due, err := s.service.Due(t.Context(), "", 100)
		ok(t, err)
		return len(due.Groups) == 0
	})
	until(t, "a reason", func() bool { return s.watch.Provision().Err != nil })
	due, err := s.service.Due(t.Context(), "", 100)
	ok(t, err)
	if len(due.Invitations) != 1 {
		t.Errorf("%d invitations wait", len(due.Invitations))
	}
}
