package account_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
)

// keyed is an account with keys, which to the account are bytes like any other, on a clock of the test.
type keyed struct {
	*account.Service
	now   time.Time
	owner string
}

func foundKeyed(t testing.TB) *keyed {
	t.Helper()
	k := &keyed{now: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)}
	k.Service = account.New(account.Config{Store: open(t, t.TempDir()+"/account.db"), Clock: func() time.Time { return k.now }})
	f := &account.FoundingKeys{Account: anID(t), Root: []byte("root"), OwnerID: anID(t), Owner: personKeys("owner")}
	for i := range f.Groups {
		f.Groups[i] = account.FoundingGroup{ID: anID(t), Key: account.GroupKey{Serial: 1, Attestation: []byte("attested")}}
	}
	k.owner = f.OwnerID
	_, err := k.Found(t.Context(), account.Founding{Name: "Example", Owner: "Olive Owner", UserName: ownerName, Keys: f})
	must(t, err)
	return k
}

func personKeys(of string) account.PersonKeys {
	return account.PersonKeys{Serial: 1, Public: []byte(of + " public"), Sealed: []byte(of + " sealed"), SignIn: []byte(of + " sign-in"), Attestation: []byte(of + " attested")}
}

func (k *keyed) invite(t testing.TB, name string) account.User {
	t.Helper()
	u, err := k.Invite(asIntegration(t), account.Invitation{ID: anID(t), Person: account.Person{UserName: name, Email: name, Name: name}, Evidence: []byte("evidence")})
	must(t, err)
	return u
}

var link = []byte("access of the link")

// opened invites somebody and opens the invitation.
func (k *keyed) opened(t testing.TB, name string) account.User {
	t.Helper()
	u := k.invite(t, name)
	k.openNext(t, u.ID)
	return u
}

func (k *keyed) openNext(t testing.TB, user string) int {
	t.Helper()
	due, err := k.Due(t.Context(), "", 100)
	must(t, err)
	for _, i := range due.Invitations {
		if i.UserID == user {
			sum := sha256.Sum256(link)
			open, err := k.OpenInvitations(t.Context(), []account.Opening{{User: user, Number: i.Number, Generation: 1, Commitment: sum[:], Link: "https://a.example/join/x#y"}})
			must(t, err)
			if len(open) != 1 {
				t.Fatal("not opened")
			}
			return i.Number
		}
	}
	t.Fatal("no invitation is due")
	return 0
}

func (k *keyed) accept(t testing.TB, user string, number int) error {
	t.Helper()
	keys := personKeys(user)
	keys.Attestation = nil
	return k.Accept(t.Context(), user, number, link, account.Proposal{Keys: keys, Possession: []byte("p"), Proof: []byte("q")})
}

func (k *keyed) state(t testing.TB, user string) account.State {
	t.Helper()
	u, err := k.Person(t.Context(), user)
	must(t, err)
	return u.State
}

// TestInvitationExpires: five days, then the link is dead and everybody can see it; a new one works.
func TestInvitationExpires(t *testing.T) {
	t.Parallel()
	k := foundKeyed(t)
	u := k.opened(t, "ada@example.com")
	k.now = k.now.Add(5*24*time.Hour - time.Second)
	if _, err := k.Join(t.Context(), u.ID, 1, link); err != nil {
		t.Fatal("before its time:", err)
	}
	k.now = k.now.Add(time.Second)
	if err := k.accept(t, u.ID, 1); !errors.Is(err, account.ErrInvitation) {
		t.Fatal("after its time:", err)
	}
	must(t, k.Sweep(t.Context()))
	list, err := k.Invitations(t.Context(), []account.InvitationState{account.InvitationExpired}, "", 10)
	must(t, err)
	if len(list) != 1 || list[0].Reason == "" || list[0].Link != "" {
		t.Fatalf("%+v", list)
	}
	must(t, k.Resend(t.Context(), u.ID))
	number := k.openNext(t, u.ID)
	if number != 2 {
		t.Fatal("number", number)
	}
	must(t, k.accept(t, u.ID, 2))
	must(t, k.accept(t, u.ID, 2)) // the answer was lost on the way
	if k.state(t, u.ID) != account.Accepted {
		t.Error(k.state(t, u.ID))
	}
}

// TestNobodyLearnsFromAWrongLink: whoever does not hold the link gets one answer, whatever there is.
func TestNobodyLearnsFromAWrongLink(t *testing.T) {
	t.Parallel()
	k := foundKeyed(t)
	u := k.opened(t, "ada@example.com")
	waiting := k.invite(t, "grace@example.com")
	for name, try := range map[string]struct {
		user   string
		number int
	}{"wrong access": {u.ID, 1}, "wrong number": {u.ID, 2}, "nobody": {anID(t), 1}, "not opened": {waiting.ID, 1}, "the owner": {k.owner, 1}} {
		if _, err := k.Join(t.Context(), try.user, try.number, []byte("guess")); !errors.Is(err, account.ErrAccess) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestConfirmCoversWhatWaits: a confirmation that leaves out a membership, or brings one along that is not there,
// changes nothing.
func TestConfirmCoversWhatWaits(t *testing.T) {
	t.Parallel()
	k := foundKeyed(t)
	u := k.opened(t, "ada@example.com")
	groups := make([]string, 2)
	for i, name := range []string{"one", "two"} {
		res, err := k.CreateGroup(asIntegration(t), account.NewGroup{ID: anID(t), Name: name, Members: []string{u.ID}, Evidence: [][]byte{[]byte("signed " + name)}})
		must(t, err)
		groups[i] = res.Group.ID
		must(t, k.KeyGroup(t.Context(), groups[i], account.GroupKey{Serial: 1, Attestation: []byte("key of " + name)}))
	}
	must(t, k.accept(t, u.ID, 1))
	due, err := k.Due(t.Context(), "", 10)
	must(t, err)
	if len(due.People) != 1 || len(due.People[0].Pending) != 2 || !bytes.Equal(due.People[0].Pending[0].Evidence, []byte("signed one")) {
		t.Fatalf("%+v", due.People)
	}
	grant := func(group string, serial int) account.Grant {
		return account.Grant{Group: group, Serial: serial, To: account.Holder{Kind: account.UserHolder, ID: u.ID, Serial: 1}, Sealed: []byte("sealed")}
	}
	full := account.Confirmation{Number: 1, Attestation: []byte("attested"), Grants: []account.Grant{grant(groups[0], 1), grant(groups[1], 1)}}
	for name, c := range map[string]account.Confirmation{
		"one is missing":       {Number: 1, Attestation: []byte("a"), Grants: full.Grants[:1]},
		"another serial":       {Number: 1, Attestation: []byte("a"), Grants: []account.Grant{grant(groups[0], 1), grant(groups[1], 2)}},
		"another invitation":   {Number: 2, Attestation: []byte("a"), Grants: full.Grants},
		"nobody attests":       {Number: 1, Grants: full.Grants},
		"a group that is gone": {Number: 1, Attestation: []byte("a"), Grants: append([]account.Grant{grant(anID(t), 1)}, full.Grants...)},
	} {
		if err := k.Confirm(t.Context(), u.ID, c); !errors.Is(err, account.ErrRevision) {
			t.Errorf("%s: %v", name, err)
		}
		if k.state(t, u.ID) != account.Accepted {
			t.Fatalf("%s: the person is %s", name, k.state(t, u.ID))
		}
	}
	must(t, k.Confirm(t.Context(), u.ID, full))
	must(t, k.Confirm(t.Context(), u.ID, full)) // the answer was lost on the way
	if k.state(t, u.ID) != account.Active {
		t.Fatal(k.state(t, u.ID))
	}
	own, err := k.Own(t.Context(), u.ID, k.now)
	must(t, err)
	if len(own.Groups) != 2 || !bytes.Equal(own.Keys.Attestation, []byte("attested")) {
		t.Errorf("%+v", own)
	}
	if due, err := k.Due(t.Context(), "", 10); err != nil || len(due.People) != 0 {
		t.Errorf("still waits: %+v %v", due.People, err)
	}
}

// TestSuspensionEndsSessions: at once, and coming back does not bring them back.
func TestSuspensionEndsSessions(t *testing.T) {
	t.Parallel()
	k := foundKeyed(t)
	u := k.opened(t, "ada@example.com")
	must(t, k.accept(t, u.ID, 1))
	must(t, k.Confirm(t.Context(), u.ID, account.Confirmation{Number: 1, Attestation: []byte("attested")}))
	began := k.now
	must(t, k.SessionHolds(t.Context(), u.ID, began))
	k.now = k.now.Add(time.Second)
	must(t, suspend(t, k.Service, asIntegration(t), u.ID))
	if err := k.SessionHolds(t.Context(), u.ID, began); !errors.Is(err, account.ErrState) {
		t.Error("while suspended:", err)
	}
	if _, err := k.SignIn(t.Context(), u.ID); !errors.Is(err, account.ErrNotFound) {
		t.Error("signs in while suspended:", err)
	}
	yes := true
	_, err := k.ChangeUser(asIntegration(t), u.ID, account.UserChange{Active: &yes})
	must(t, err)
	if err := k.SessionHolds(t.Context(), u.ID, began); !errors.Is(err, account.ErrState) {
		t.Error("the old session is back:", err)
	}
	must(t, k.SessionHolds(t.Context(), u.ID, k.now))
	if k.state(t, u.ID) != account.Active {
		t.Error(k.state(t, u.ID))
	}
}

// TestNobodyBecomesActiveWithoutKeys: not even by an administrator's word.
func TestNobodyBecomesActiveWithoutKeys(t *testing.T) {
	t.Parallel()
	k := foundKeyed(t)
	u := k.invite(t, "ada@example.com")
	for _, st := range []account.State{account.Accepted, account.Active, account.Suspended} {
		if _, err := k.SetState(t.Context(), u.ID, st); !errors.Is(err, account.ErrState) {
			t.Errorf("%s: %v", st, err)
		}
	}
	_, err := k.SetState(t.Context(), u.ID, account.InviteSuspended)
	must(t, err)
}

// TestDomains: the policy's refusal names the policy.
func TestDomains(t *testing.T) {
	t.Parallel()
	k := foundKeyed(t)
	must(t, k.SetPolicy(t.Context(), account.Policy{Domains: []string{"@Example.com"}}))
	k.invite(t, "ada@EXAMPLE.com")
	_, err := k.Invite(asIntegration(t), account.Invitation{ID: anID(t), Person: account.Person{UserName: "eve", Email: "eve@example.org"}})
	var invalid *account.InvalidError
	if !errors.As(err, &invalid) || !bytes.Contains([]byte(invalid.Reason), []byte("example.com")) {
		t.Fatal(err)
	}
	u := k.invite(t, "grace@example.com")
	p := u.Person
	p.Email = "grace@evil.example"
	if _, err := k.ChangeUser(asIntegration(t), u.ID, account.UserChange{Person: &p}); !errors.As(err, &invalid) {
		t.Error("a change of address:", err)
	}
}

// TestCallsAreMadeOnce: the same call again changes nothing, whatever has happened since; another one under its key is
// refused.
func TestCallsAreMadeOnce(t *testing.T) {
	t.Parallel()
	k := foundKeyed(t)
	u := k.invite(t, "ada@example.com")
	ctx := account.WithCall(asIntegration(t), account.Call{Key: "one", Digest: []byte("suspend ada")})
	must(t, suspend(t, k.Service, ctx, u.ID))
	yes := true
	_, err := k.ChangeUser(asIntegration(t), u.ID, account.UserChange{Active: &yes})
	must(t, err)
	must(t, suspend(t, k.Service, ctx, u.ID)) // late, and not to be done again
	if k.state(t, u.ID) != account.Invited {
		t.Error("a call was carried out twice")
	}
	other := account.WithCall(asIntegration(t), account.Call{Key: "one", Digest: []byte("something else")})
	if err := suspend(t, k.Service, other, u.ID); !errors.Is(err, account.ErrCallReused) {
		t.Error("another call under the same key:", err)
	}
	k.now = k.now.Add(25 * time.Hour)
	must(t, k.ForgetCalls(t.Context()))
	must(t, suspend(t, k.Service, other, u.ID))
}

// TestGenerations: an overlap ends by itself, older links die, a deactivated integration has no grants.
func TestGenerations(t *testing.T) {
	t.Parallel()
	k := foundKeyed(t)
	integration := anID(t)
	add := func(n int, overlap time.Duration, grants ...account.Grant) error {
		return k.AddGeneration(t.Context(), account.NewGeneration{
			Generation: account.Generation{Number: n, Integration: integration, Signer: []byte("signer"), Attestation: []byte("attested")}, Overlap: overlap, Grants: grants,
		})
	}
	must(t, add(1, 0))
	if err := add(1, 0); !errors.Is(err, account.ErrRevision) {
		t.Error("the same number again:", err)
	}
	res, err := k.CreateGroup(asIntegration(t), account.NewGroup{ID: anID(t), Name: "Crew"})
	must(t, err)
	to := func(n int) account.Holder {
		return account.Holder{Kind: account.IntegrationHolder, ID: integration, Serial: n}
	}
	grant := func(n int) account.Grant {
		return account.Grant{Group: res.Group.ID, Serial: 1, To: to(n), Sealed: []byte("sealed")}
	}
	must(t, k.KeyGroup(t.Context(), res.Group.ID, account.GroupKey{Serial: 1, Attestation: []byte("key"), Grants: []account.Grant{grant(1)}}))
	if err := add(2, 0); !errors.Is(err, account.ErrRevision) {
		t.Error("without the key of a managed group:", err)
	}
	must(t, add(2, time.Hour, grant(2)))
	signedIn := func(n int) error { _, err := k.SignedIn(t.Context(), integration, n); return err }
	must(t, errors.Join(signedIn(1), signedIn(2)))
	k.now = k.now.Add(time.Hour)
	if err := signedIn(1); !errors.Is(err, account.ErrGeneration) {
		t.Error("after the overlap:", err)
	}
	if err := add(3, account.MaxOverlap+time.Second, grant(3)); !errors.Is(err, account.ErrInvalid) {
		t.Error("too long an overlap:", err)
	}
	u := k.opened(t, "ada@example.com") // with the key of generation 1
	must(t, add(3, 0, grant(3)))
	if _, err := k.Join(t.Context(), u.ID, 1, link); err == nil {
		t.Error("a link works whose key nobody has any more")
	}
	must(t, k.Deactivate(t.Context(), true))
	if err := signedIn(3); !errors.Is(err, account.ErrGeneration) {
		t.Error("after the deactivation:", err)
	}
	for n := 1; n <= 3; n++ {
		if list, err := k.GrantsOf(t.Context(), res.Group.ID, to(n)); err != nil || len(list) != 0 {
			t.Errorf("generation %d keeps %d grants: %v", n, len(list), err)
		}
	}
}

// TestOwnName: a person settles the change of his or her own user name, having seen the new one, and nobody else's.
func TestOwnName(t *testing.T) {
	t.Parallel()
	k := foundKeyed(t)
	u := k.opened(t, "ada@example.com")
	must(t, k.accept(t, u.ID, 1))
	must(t, k.Confirm(t.Context(), u.ID, account.Confirmation{Number: 1, Attestation: []byte("attested")}))
	rename := func(name string) {
		t.Helper()
		p := u.Person
		p.UserName, p.Email = name, name
		_, err := k.ChangeUser(asIntegration(t), u.ID, account.UserChange{Person: &p})
		must(t, err)
	}
	me := account.WithCaller(t.Context(), account.Caller{Kind: "person", RequestID: "r1"})
	confirm := func(user, name string) error { return k.ConfirmOwnName(me, user, k.now, name) }
	if err := confirm(u.ID, "lovelace@example.com"); !errors.Is(err, account.ErrState) {
		t.Error("nothing waits:", err)
	}
	rename("byron@example.com")
	rename("lovelace@example.com")
	for name, try := range map[string]struct {
		user, name string
		began      time.Time
		want       error
	}{
		"the one before":          {u.ID, "byron@example.com", k.now, account.ErrRevision},
		"the present one":         {u.ID, "ada@example.com", k.now, account.ErrRevision},
		"somebody else's session": {k.owner, "lovelace@example.com", k.now, account.ErrState},
		"a session that is over":  {u.ID, "lovelace@example.com", time.Time{}, account.ErrState},
		"nobody":                  {anID(t), "lovelace@example.com", k.now, account.ErrNotFound},
	} {
		if err := k.ConfirmOwnName(me, try.user, try.began, try.name); !errors.Is(err, try.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	own, err := k.Own(t.Context(), u.ID, k.now)
	must(t, err)
	if own.SignInName != "ada@example.com" || own.UserName != "lovelace@example.com" {
		t.Errorf("before: %+v", own)
	}
	must(t, confirm(u.ID, "lovelace@example.com"))
	must(t, confirm(u.ID, "lovelace@example.com")) // the answer was lost on the way
	if own, err = k.Own(t.Context(), u.ID, k.now); err != nil || own.SignInName != "lovelace@example.com" {
		t.Errorf("after: %+v %v", own, err)
	}
	k.invite(t, "ada@example.com") // the old one is free
	entries, err := k.Activity(t.Context(), 0, 100)
	must(t, err)
	settled := 0
	for _, e := range entries {
		if e.Verb == "user.confirmname" {
			settled++
			if e.Caller != "person" || e.ObjectID != u.ID || e.RequestID != "r1" {
				t.Errorf("entry %s", e)
			}
		}
	}
	if settled != 1 {
		t.Errorf("%d entries", settled)
	}
}
