package owner_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/internal/owner"
	"github.com/scimbridge/scimbridge/internal/person"
	"github.com/scimbridge/scimbridge/internal/store/sqlite"
)

const password = "correct horse battery"

var source = owner.Source{Clock: time.Now, Rand: rand.Reader}

// site is an account with its owner.
type site struct {
	*account.Service
	kit   keyset.Kit
	owner *owner.Owner
}

func found(t *testing.T) *site {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "account.db"))
	must(t, err)
	t.Cleanup(func() { must(t, store.Close()) })
	s := &site{Service: account.New(account.Config{Store: store, Log: slog.New(slog.DiscardHandler)})}
	founding, kit, o, err := owner.Found(owner.Founding{
		AccountName: "Acme", Name: "Olivia", UserName: "olivia@example.com", URL: "https://account.example.com", Password: password,
	}, source)
	must(t, err)
	info, err := s.Found(t.Context(), founding)
	must(t, err)
	if info.ID != kit.Account || string(info.Root) != string(kit.Root[:]) {
		t.Fatalf("founded %+v with the kit of %s", info, kit.Account)
	}
	s.kit, s.owner = kit, o
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func is(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
}

// secrets issues credentials and opens them, as the bridge does.
func (s *site) secrets(t *testing.T, c owner.Credentials) (owner.Issued, *keyset.Secrets) {
	t.Helper()
	made, err := s.owner.Issue(t.Context(), s, c)
	must(t, err)
	session, err := keyset.ParseSession(made.Session)
	must(t, err)
	secrets, err := session.Open(made.Token, time.Now())
	must(t, err)
	return made, secrets
}

// member is somebody who has joined.
type member struct {
	id, email string
	kit       keyset.Kit
	keys      *keyset.Keyset
}

// join brings somebody in, as a bridge with these secrets does.
func (s *site) join(t *testing.T, bridge *keyset.Secrets, email string) *member {
	t.Helper()
	id, err := account.NewID(time.Now(), rand.Reader)
	must(t, err)
	_, err = s.Invite(t.Context(), account.Invitation{ID: id, Person: account.Person{UserName: email, Email: email, Name: email}})
	must(t, err)
	i, err := bridge.Invitation(bridge.Generation(), keyset.Invited{Account: s.kit.Account, User: id, Email: email, Number: 1})
	must(t, err)
	commitment := i.Commitment()
	_, err = s.OpenInvitations(t.Context(), []account.Opening{{User: id, Number: 1, Generation: bridge.Generation(), Commitment: commitment[:]}})
	must(t, err)
	m := &member{id: id, email: email}
	m.accept(t, s, i)
	c, err := s.Candidate(t.Context(), id)
	must(t, err)
	public, err := keyset.ParsePublic(c.Keys.Public)
	must(t, err)
	must(t, i.Check(c.Email, public, c.Proof))
	claim := keyset.PersonClaim{Account: s.kit.Account, User: id, Serial: c.Keys.Serial, Email: email, Public: public}
	must(t, s.Confirm(t.Context(), id, account.Confirmation{Number: 1, Attestation: attest(bridge.Keyset(), claim)}))
	return m
}

// accept makes keys with a link.
func (m *member) accept(t *testing.T, s *site, i keyset.Invitation) {
	t.Helper()
	access := i.Access()
	j, err := s.Join(t.Context(), m.id, i.Number(), access[:])
	must(t, err)
	p, kit, err := person.Accept(i, j, "https://account.example.com", password, rand.Reader)
	must(t, err)
	unlock, err := keyset.Unlock(kit.Account, kit.User, password, kit.SecretKey)
	must(t, err)
	m.kit = kit
	m.keys, err = person.Open(kit, unlock, p.Keys)
	must(t, err)
	must(t, s.Accept(t.Context(), m.id, i.Number(), access[:], p))
}

func attest(k *keyset.Keyset, c keyset.Claim) []byte {
	return keyset.EncodeAttestation(keyset.Attestation{Claim: c, Signer: k.Signer(), Signature: k.Sign(c)})
}

// opens tells whether a person can open a group's key.
func (s *site) opens(t *testing.T, m *member, group string) error {
	t.Helper()
	in, err := person.Enter(t.Context(), &session{s, m}, m.kit, password)
	must(t, err)
	k, err := in.Group(group, 0)
	if err == nil {
		err = k.Prove([]byte("something"))
	}
	return err
}

// session is a person's session, as the account's API offers it.
type session struct {
	*site
	m *member
}

func (*session) Join(context.Context, keyset.Invitation) (account.Joining, error) {
	return account.Joining{}, account.ErrAccess
}

func (*session) Accept(context.Context, keyset.Invitation, account.Proposal) error {
	return account.ErrAccess
}

func (s *session) SignIn(ctx context.Context, accountID, user string, sign func(keyset.ChallengeClaim) ([]byte, error)) error {
	in, err := s.site.SignIn(ctx, user)
	if err != nil {
		return err
	}
	c := keyset.ChallengeClaim{Host: "account.example.com", Account: accountID, Subject: in.UserID, Serial: in.Keys, Nonce: []byte("nonce")}
	signature, err := sign(c)
	if err != nil {
		return err
	}
	return keyset.Signer(in.Key).Verify(c, signature)
}

func (s *session) Own(ctx context.Context) (account.Own, error) {
	return s.site.Own(ctx, s.m.id, time.Now().Add(time.Second))
}

func (s *session) ConfirmName(ctx context.Context, name string) error {
	return s.ConfirmOwnName(ctx, s.m.id, time.Now().Add(time.Second), name)
}

func (s *session) Standing(ctx context.Context) (account.Info, [][]byte, error) {
	info, err := s.Describe(ctx)
	if err != nil {
		return info, nil, err
	}
	list, err := s.Trust(ctx)
	return info, list, err
}

// TestOwner goes through an owner's life: credentials, an overlap, a group handed over, a second owner, who lets the
// first one recover.
func TestOwner(t *testing.T) {
	t.Parallel()
	s := found(t)
	ctx := t.Context()
	first, bridge := s.secrets(t, owner.Credentials{URL: s.kit.URL})
	if len(first.Groups) != 1 || first.Groups[0] != "Provision Managers" || bridge.Root() != s.kit.Root || bridge.URL() != s.kit.URL {
		t.Errorf("issued with %v, root %v, %s", first.Groups, bridge.Root(), bridge.URL())
	}
	me := account.Holder{Kind: account.IntegrationHolder, ID: bridge.Integration(), Serial: 1}
	if grants, _, err := s.Grants(ctx, me, 0, 100); err != nil || len(grants) != 1 {
		t.Errorf("the integration has %d grants, %v", len(grants), err)
	}
	ann, ben := s.join(t, bridge, "ann@example.com"), s.join(t, bridge, "ben@example.com")

	crew, err := s.MakeGroup(ctx, "Crew", []string{ann.id})
	must(t, err)
	adopted, err := s.owner.Adopt(ctx, s, crew)
	must(t, err)
	if !adopted.Managed || adopted.Serial != 1 || adopted.Mode != account.Additive {
		t.Errorf("adopted %+v", adopted)
	}
	must(t, s.opens(t, ann, "crew"))
	is(t, s.opens(t, ben, crew.ID), person.ErrNoGroup)
	_, err = s.owner.Adopt(ctx, s, adopted)
	is(t, err, account.ErrState)

	// The next credentials overlap, and have the group's key too.
	second, next := s.secrets(t, owner.Credentials{Overlap: time.Hour, Previous: first.Session})
	if second.Generation != 2 || len(second.Groups) != 2 || next.Integration() != bridge.Integration() {
		t.Errorf("issued generation %d with %v", second.Generation, second.Groups)
	}
	session, err := keyset.ParseSession(second.Session)
	must(t, err)
	if former, err := session.Open(first.Token, time.Now()); err != nil || !former.Previous() {
		t.Errorf("the former token: %v", err)
	}
	if _, err := next.Invitation(1, keyset.Invited{Account: s.kit.Account, User: ann.id, Email: ann.email, Number: 1}); err != nil {
		t.Errorf("invitations of the generation before: %v", err)
	}
	grants, err := s.GrantsOf(ctx, crew.ID, account.Holder{Kind: account.IntegrationHolder, ID: next.Integration(), Serial: 2})
	must(t, err)
	statements, err := s.GroupKeys(ctx, crew.ID)
	must(t, err)
	trust := keyset.NewTrust(s.kit.Account, s.kit.Root)
	for _, list := range [][][]byte{statements} {
		attestations, err := person.Attestations(list)
		must(t, err)
		must(t, trust.Learn(attestations))
	}
	if _, err := person.OpenGroup(s.kit.Account, next.Keyset(), keyset.Key{Kind: keyset.IntegrationKey, ID: next.Integration(), Serial: 2}, trust, grants[0], trust.Administrator); err != nil {
		t.Errorf("the integration opens the adopted group: %v", err)
	}

	s.succession(t, ann)
}

// succession makes Ann an owner, and lets her recover Olivia, who founded the account.
func (s *site) succession(t *testing.T, ann *member) {
	ctx := t.Context()
	olivia, err := s.Person(ctx, "olivia@example.com")
	must(t, err)
	_, err = s.owner.Recover(ctx, s, olivia)
	is(t, err, account.ErrProtected) // nobody else could confirm her
	user, err := s.Person(ctx, ann.id)
	must(t, err)
	_, err = s.owner.AddOwner(ctx, s, user)
	must(t, err)
	_, err = s.owner.AddOwner(ctx, s, user) // again
	must(t, err)
	annsHand, err := owner.Unlock(ctx, s, ann.kit, password, source)
	must(t, err)

	link, err := annsHand.Recover(ctx, s, olivia)
	must(t, err)
	is(t, annsHand.Readmit(ctx, s, olivia), account.ErrState)
	if due, err := s.Due(ctx, "", 10); err != nil || !due.Empty() {
		t.Errorf("the bridge is to do %d, %d, %d, %v", len(due.Invitations), len(due.Groups), len(due.People), err)
	}
	again := &member{id: olivia.ID, email: olivia.Email}
	again.accept(t, s, link)
	if due, err := s.Due(ctx, "", 10); err != nil || !due.Empty() {
		t.Errorf("the bridge is to do %d, %d, %d, %v", len(due.Invitations), len(due.Groups), len(due.People), err)
	}
	is(t, s.Confirm(account.WithCaller(ctx, account.Caller{Kind: account.Integration}), olivia.ID, account.Confirmation{Number: link.Number(), Attestation: []byte("x")}), account.ErrState)
	must(t, annsHand.Readmit(ctx, s, olivia))
	_, err = owner.Unlock(ctx, s, s.kit, password, source)
	is(t, err, keyset.ErrUnlock)
	back, err := owner.Unlock(ctx, s, again.kit, password, source)
	must(t, err)
	if again.kit.Root != s.kit.Root || again.kit.SecretKey.Equal(s.kit.SecretKey) {
		t.Error("another root, or the same Secret Key")
	}
	_, err = back.Issue(ctx, s, owner.Credentials{})
	must(t, err)

	// A member who is no owner comes back with the keys of the groups.
	must(t, s.opens(t, ann, "Crew"))
	lost, err := s.Person(ctx, ann.id)
	must(t, err)
	link, err = back.Recover(ctx, s, lost)
	must(t, err)
	ann.accept(t, s, link)
	must(t, back.Readmit(ctx, s, lost))
	must(t, s.opens(t, ann, "Crew"))
	if check, err := s.Verify(ctx); err != nil || check.Problem != "" {
		t.Errorf("activity: %+v, %v", check, err)
	}
}

// liar is an account that shows something else than what was kept.
type liar struct {
	*account.Service
	keysOf   func(account.PersonKeys) account.PersonKeys
	trust    func([][]byte) [][]byte
	grantsOf func(group string, list []account.Grant) []account.Grant
	groups   func([]account.Group) []account.Group
	describe func(*account.Info)
}

func (l *liar) Describe(ctx context.Context) (account.Info, error) {
	info, err := l.Service.Describe(ctx)
	if l.describe != nil {
		l.describe(&info)
	}
	return info, err
}

func (l *liar) KeysOf(ctx context.Context, user string) (account.PersonKeys, error) {
	keys, err := l.Service.KeysOf(ctx, user)
	if l.keysOf != nil {
		keys = l.keysOf(keys)
	}
	return keys, err
}

func (l *liar) Trust(ctx context.Context) ([][]byte, error) {
	list, err := l.Service.Trust(ctx)
	if l.trust != nil {
		list = l.trust(list)
	}
	return list, err
}

func (l *liar) GrantsOf(ctx context.Context, group string, to account.Holder) ([]account.Grant, error) {
	list, err := l.Service.GrantsOf(ctx, group, to)
	if l.grantsOf != nil {
		list = l.grantsOf(group, list)
	}
	return list, err
}

func (l *liar) AllGroups(ctx context.Context, after string, limit int) ([]account.Group, error) {
	list, err := l.Service.AllGroups(ctx, after, limit)
	if l.groups != nil {
		list = l.groups(list)
	}
	return list, err
}

// TestLyingAccount: whatever an account shows, an owner neither opens nor signs nor grants what nobody who may has
// signed.
func TestLyingAccount(t *testing.T) {
	t.Parallel()
	s := found(t)
	ctx := t.Context()
	_, bridge := s.secrets(t, owner.Credentials{})
	ann := s.join(t, bridge, "ann@example.com")
	mallory := keys(t)
	unlock := func(l *liar) error {
		l.Service = s.Service
		_, err := owner.Unlock(ctx, l, s.kit, password, source)
		return err
	}
	must(t, unlock(&liar{}))
	olivia, err := s.Service.KeysOf(ctx, s.kit.User)
	must(t, err)
	// The owner's key is pinned by the kit, and sealed to what only the owner knows.
	is(t, unlock(&liar{describe: func(i *account.Info) { m := mallory.Signer(); i.Root = m[:] }}), person.ErrRoot)
	is(t, unlock(&liar{describe: func(i *account.Info) { i.ID = "another" }}), person.ErrForeign)
	is(t, unlock(&liar{keysOf: func(k account.PersonKeys) account.PersonKeys { k.Sealed[20] ^= 1; return k }}), keyset.ErrUnlock)
	is(t, unlock(&liar{keysOf: func(k account.PersonKeys) account.PersonKeys { k.Serial++; return k }}), keyset.ErrUnlock)

	// A group that names itself Owners, signed by somebody, and by a bridge.
	var owners account.Group
	groups, err := s.AllGroups(ctx, "", 10)
	must(t, err)
	for _, g := range groups {
		if g.Name == "Owners" {
			owners = g
		}
	}
	for _, signer := range []*keyset.Keyset{mallory, bridge.Keyset()} {
		is(t, unlock(&liar{trust: func(list [][]byte) [][]byte {
			return append(list, attest(signer, keyset.OwnersClaim{Account: s.kit.Account, Group: "other", Serial: 1, Public: mallory.Public()}))
		}}), keyset.ErrSigner)
	}
	is(t, unlock(&liar{trust: func([][]byte) [][]byte { return [][]byte{olivia.Attestation} }}), owner.ErrNotOwner)
	// A grant of another key of Owners, made by somebody, and by a bridge.
	for _, signer := range []*keyset.Keyset{mallory, bridge.Keyset()} {
		public, err := keyset.ParsePublic(olivia.Public)
		must(t, err)
		sealed, err := signer.Grant(s.kit.Account, keyset.Key{Kind: keyset.GroupKey, ID: owners.ID, Serial: 1}, mallory.Seed(),
			keyset.Key{Kind: keyset.UserKey, ID: s.kit.User, Serial: 1}, public)
		must(t, err)
		is(t, unlock(&liar{grantsOf: func(_ string, list []account.Grant) []account.Grant { list[0].Sealed = sealed; return list }}), keyset.ErrSigner)
	}

	// The owners' key is not handed to the integration, whatever the group is called.
	l := &liar{Service: s.Service, groups: func(list []account.Group) []account.Group {
		for i := range list {
			list[i].Managed, list[i].Privileged = list[i].Name == "Owners", false
			list[i].Name = "Provision Managers"
		}
		return list
	}}
	made, err := s.owner.Issue(ctx, l, owner.Credentials{})
	must(t, err)
	if grants, err := s.Service.GrantsOf(ctx, owners.ID, account.Holder{Kind: account.IntegrationHolder, ID: bridge.Integration(), Serial: made.Generation}); err != nil || len(grants) > 0 {
		t.Errorf("the integration has %d grants of Owners, %v", len(grants), err)
	}

	// A person's keys are swapped, with a statement by somebody, and with the true statement.
	user, err := s.Person(ctx, ann.id)
	must(t, err)
	for name, swap := range map[string]func(account.PersonKeys) account.PersonKeys{
		"keys alone": func(k account.PersonKeys) account.PersonKeys { k.Public = mallory.Public().Bytes(); return k },
		"keys and statement": func(k account.PersonKeys) account.PersonKeys {
			k.Public = mallory.Public().Bytes()
			k.Attestation = attest(mallory, keyset.PersonClaim{Account: s.kit.Account, User: ann.id, Serial: 1, Email: ann.email, Public: mallory.Public()})
			return k
		},
		"another person's": func(account.PersonKeys) account.PersonKeys { return olivia },
		"no statement":     func(k account.PersonKeys) account.PersonKeys { k.Attestation = nil; return k },
	} {
		if _, err := s.owner.AddOwner(ctx, &liar{Service: s.Service, keysOf: swap}, user); !errors.Is(err, owner.ErrPerson) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.lyingRecovery(t, user)
}

// lyingRecovery: the account swaps what is proposed with the link of a recovery.
func (s *site) lyingRecovery(t *testing.T, user account.User) {
	ctx := t.Context()
	link, err := s.owner.Recover(ctx, s, user)
	must(t, err)
	access := link.Access()
	mallory := keys(t)
	var nothing [32]byte
	must(t, s.Accept(ctx, user.ID, link.Number(), access[:], account.Proposal{
		Keys: account.PersonKeys{Public: mallory.Public().Bytes(), Sealed: []byte("x"), SignIn: []byte("x")}, Possession: []byte("x"), Proof: nothing[:],
	}))
	is(t, s.owner.Readmit(ctx, s, user), keyset.ErrProof)
	// The owner calls it off, and the person is in with the keys of before.
	_, err = s.SetState(ctx, user.ID, account.Active)
	must(t, err)
	got, err := s.Service.KeysOf(ctx, user.ID)
	must(t, err)
	if got.Serial != 1 {
		t.Errorf("serial %d", got.Serial)
	}
}

func keys(t *testing.T) *keyset.Keyset {
	t.Helper()
	seed, err := keyset.NewSeed(rand.Reader)
	must(t, err)
	k, err := seed.Keyset()
	must(t, err)
	return k
}
