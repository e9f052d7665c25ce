package accounttest

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/keyset"
)

// Keyed is an account that admits people by keys, with an owner and one generation of an integration's credentials. All
// of its keys are real. It does what the bridge does where a test wants people to be in: links, confirmations, groups'
// keys.
type Keyed struct {
	*account.Service
	ID    string // of the account
	Owner PersonKeys
	// GroupKeys are the keys of groups by id, the privileged ones and those that KeyGroup has made.
	GroupKeys map[string]*keyset.Keyset
	// Owners and Managers are the ids of the groups Owners and Provision Managers.
	Owners, Managers string

	Integration string         // id
	Newest      int            // generation
	Keyset      *keyset.Keyset // the integration's
	Invitations keyset.InvitationKey

	mu sync.Mutex // guards GroupKeys
}

// PersonKeys are what a person holds.
type PersonKeys struct {
	ID, Email string
	Keyset    *keyset.Keyset
	Unlock    *keyset.UnlockKey
}

// KeyedOwner is the e-mail address of the owner of a Keyed account.
const KeyedOwner = "owner@example.com"

// Founded founds an account with keys in a store.
func Founded(t testing.TB, store account.Store) *Keyed {
	t.Helper()
	k, err := Found(t.Context(), store)
	must(t, err)
	return k
}

// Found is Founded where there is no test yet.
func Found(ctx context.Context, store account.Store) (*Keyed, error) {
	k := &Keyed{Service: account.New(account.Config{Store: store}), GroupKeys: map[string]*keyset.Keyset{}}
	ids := make([]string, 7) //nolint:mnd // account, owner, integration, four groups
	for i := range ids {
		var err error
		if ids[i], err = account.NewID(time.Now(), rand.Reader); err != nil {
			return nil, err
		}
	}
	k.ID, k.Integration = ids[0], ids[2]
	if err := k.found(ctx, ids[1], ids[3:]); err != nil {
		return nil, err
	}
	return k, k.Regenerate(ctx, 0)
}

func newKeyset() (*keyset.Keyset, error) {
	seed, err := keyset.NewSeed(rand.Reader)
	if err != nil {
		return nil, err
	}
	return seed.Keyset()
}

func attest(k *keyset.Keyset, c keyset.Claim) []byte {
	return keyset.EncodeAttestation(keyset.Attestation{Claim: c, Signer: k.Signer(), Signature: k.Sign(c)})
}

// unlockKey is the account unlock key of everybody: Argon2id costs more than most tests.
var unlockKey = sync.OnceValues(func() (*keyset.UnlockKey, error) {
	sk, err := keyset.NewSecretKey("aaaaaaaaaaaaaaaaaaaaaaaaaa", rand.Reader)
	if err != nil {
		return nil, err
	}
	return keyset.Unlock("aaaaaaaaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaaaaaaaa", "correct horse", sk)
})

// newPerson makes a person's keys, and what the account keeps of them.
func (k *Keyed) newPerson(id, email string) (PersonKeys, account.PersonKeys, error) {
	ks, err := newKeyset()
	if err != nil {
		return PersonKeys{}, account.PersonKeys{}, err
	}
	unlock, err := unlockKey()
	if err != nil {
		return PersonKeys{}, account.PersonKeys{}, err
	}
	sealed, err := unlock.SealSeed(k.ID, id, 1, ks.Seed(), rand.Reader)
	signIn := unlock.Signer()
	return PersonKeys{id, email, ks, unlock}, account.PersonKeys{Serial: 1, Public: ks.Public().Bytes(), Sealed: sealed, SignIn: signIn[:]}, err
}

func (k *Keyed) found(ctx context.Context, owner string, groups []string) error {
	f := account.FoundingKeys{Account: k.ID, OwnerID: owner}
	var err error
	if k.Owner, f.Owner, err = k.newPerson(owner, KeyedOwner); err != nil {
		return err
	}
	mine := k.Owner.Keyset
	root := mine.Signer()
	f.Root = root[:]
	f.Owner.Attestation = attest(mine, keyset.AdministratorClaim{Account: k.ID, User: owner, Serial: 1, Public: mine.Public()})
	k.Owners, k.Managers = groups[0], groups[len(groups)-1]
	for i, id := range groups {
		ks, err := newKeyset()
		if err != nil {
			return err
		}
		k.GroupKeys[id] = ks
		claim := keyset.Claim(keyset.GroupKeyClaim{Account: k.ID, Group: id, Serial: 1, Public: ks.Public()})
		to, pub := account.Holder{Kind: account.GroupHolder, ID: k.Owners, Serial: 1}, k.GroupKeys[k.Owners].Public()
		if i == 0 {
			claim = keyset.OwnersClaim{Account: k.ID, Group: id, Serial: 1, Public: ks.Public()}
			to, pub = account.Holder{Kind: account.UserHolder, ID: owner, Serial: 1}, mine.Public()
		}
		grant, err := k.grant(mine, id, 1, to, pub)
		if err != nil {
			return err
		}
		f.Groups[i] = account.FoundingGroup{ID: id, Key: account.GroupKey{Serial: 1, Attestation: attest(mine, claim), Grants: []account.Grant{grant}}}
	}
	_, err = k.Found(ctx, account.Founding{Name: "Example", Owner: "Olive Owner", UserName: KeyedOwner, Keys: &f})
	return err
}

// grant hands a group's key over.
func (k *Keyed) grant(by *keyset.Keyset, group string, serial int, to account.Holder, pub keyset.Public) (account.Grant, error) {
	sealed, err := by.Grant(k.ID, keyset.Key{Kind: keyset.GroupKey, ID: group, Serial: serial}, k.GroupKeys[group].Seed(),
		keyset.Key{Kind: keyset.Kind(to.Kind), ID: to.ID, Serial: to.Serial}, pub)
	return account.Grant{Group: group, Serial: serial, To: to, Sealed: sealed}, err
}

// Regenerate makes new credentials; those before go on working for a while.
func (k *Keyed) Regenerate(ctx context.Context, overlap time.Duration) error {
	number, err := k.Service.Generation(ctx)
	if err != nil {
		return err
	}
	number++
	ks, err := newKeyset()
	if err != nil {
		return err
	}
	signer := ks.Signer()
	n := account.NewGeneration{Overlap: overlap, Generation: account.Generation{
		Number: number, Integration: k.Integration, Signer: signer[:],
		Attestation: attest(k.Owner.Keyset, keyset.GenerationClaim{Account: k.ID, Integration: k.Integration, Generation: number, Public: ks.Public()}),
	}}
	k.mu.Lock()
	defer k.mu.Unlock()
	for id := range k.GroupKeys {
		group, err := k.Group(ctx, id)
		if errors.Is(err, account.ErrNotFound) && id == k.Managers {
			group, err = account.Group{ID: id, Serial: 1}, nil
		}
		if errors.Is(err, account.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		g, err := k.grant(k.Owner.Keyset, id, group.Serial, account.Holder{Kind: account.IntegrationHolder, ID: k.Integration, Serial: number}, ks.Public())
		if err != nil {
			return err
		}
		n.Grants = append(n.Grants, g)
	}
	if err := k.AddGeneration(ctx, n); err != nil {
		return err
	}
	k.Keyset, k.Newest = ks, number
	k.Invitations, err = k.GroupKeys[k.Owners].Seed().InvitationKey(k.ID, k.Integration, number)
	return err
}

// address is what a link is bound to: some tests invite people without one.
func address(email, user string) string { return cmp.Or(email, user) }

// Open makes the link of somebody who is invited.
func (k *Keyed) Open(ctx context.Context, user string) (keyset.Invitation, error) {
	list, err := k.Service.Invitations(ctx, []account.InvitationState{account.InvitationDue, account.InvitationOpen}, "", 1_000_000) //nolint:mnd // all
	if err != nil {
		return keyset.Invitation{}, err
	}
	for _, row := range list {
		if row.UserID != user {
			continue
		}
		i, err := k.Invitations.Invitation(k.Newest, keyset.Invited{Account: k.ID, User: user, Email: address(row.Email, user), Number: row.Number})
		if err != nil {
			return i, err
		}
		commitment := i.Commitment()
		_, err = k.OpenInvitations(ctx, []account.Opening{{User: user, Number: row.Number, Generation: k.Newest, Commitment: commitment[:]}})
		return i, err
	}
	return keyset.Invitation{}, fmt.Errorf("user %s: %w", user, account.ErrInvitation)
}

// Propose makes the keys of somebody who holds a link.
func (k *Keyed) Propose(i keyset.Invitation, email string) (PersonKeys, account.Proposal, error) {
	p, kept, err := k.newPerson(i.User(), email)
	if err != nil {
		return p, account.Proposal{}, err
	}
	proof := i.Proof(email, p.Keyset.Public())
	return p, account.Proposal{
		Keys: kept, Proof: proof[:],
		Possession: p.Keyset.Sign(keyset.PossessionClaim{Account: k.ID, User: i.User(), Email: email, Number: i.Number(), Public: p.Keyset.Public()}),
	}, nil
}

// Join lets somebody who is invited accept.
func (k *Keyed) Join(ctx context.Context, user string) (PersonKeys, error) {
	i, err := k.Open(ctx, user)
	if err != nil {
		return PersonKeys{}, err
	}
	access := i.Access()
	j, err := k.Service.Join(ctx, user, i.Number(), access[:])
	if err != nil {
		return PersonKeys{}, err
	}
	p, proposal, err := k.Propose(i, address(j.Email, user))
	if err != nil {
		return p, err
	}
	return p, k.Accept(ctx, user, i.Number(), access[:], proposal)
}

// Admit confirms somebody who has accepted, and hands the keys of groups over that the person waits for.
func (k *Keyed) Admit(ctx context.Context, user string) error {
	c, err := k.candidate(ctx, user)
	if err != nil {
		return err
	}
	confirmation, err := k.Confirmation(&c)
	if err != nil {
		return err
	}
	return k.Confirm(ctx, user, confirmation)
}

// Confirmation is what a bridge sends for somebody who waits for it.
func (k *Keyed) Confirmation(c *account.Candidate) (account.Confirmation, error) {
	out := account.Confirmation{Number: c.Number}
	public, err := keyset.ParsePublic(c.Keys.Public)
	if err != nil {
		return out, err
	}
	serial := max(c.Keys.Serial, 1) // whoever has only proposed keys gets the first
	if c.State == account.Accepted {
		out.Attestation = attest(k.Keyset, keyset.PersonClaim{Account: k.ID, User: c.UserID, Serial: serial, Email: address(c.Email, c.UserID), Public: public})
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range c.Pending {
		g, err := k.grant(k.Keyset, p.Group, p.Serial, account.Holder{Kind: account.UserHolder, ID: c.UserID, Serial: serial}, public)
		if err != nil {
			return out, err
		}
		out.Grants = append(out.Grants, g)
	}
	return out, nil
}

func (k *Keyed) candidate(ctx context.Context, user string) (account.Candidate, error) {
	due, err := k.Due(ctx, "", 1_000_000) //nolint:mnd // all
	if err != nil {
		return account.Candidate{}, err
	}
	for _, c := range due.People {
		if c.UserID == user {
			return c, nil
		}
	}
	return account.Candidate{}, fmt.Errorf("user %s waits for nothing: %w", user, account.ErrState)
}

// NewGroupKey gives a group its first key, granted to the owners and to the integration.
func (k *Keyed) NewGroupKey(ctx context.Context, group string) error {
	ks, err := newKeyset()
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.GroupKeys[group] = ks
	key := account.GroupKey{Serial: 1, Attestation: attest(k.Keyset, keyset.GroupKeyClaim{Account: k.ID, Group: group, Serial: 1, Public: ks.Public()})}
	for _, h := range []struct {
		to  account.Holder
		pub keyset.Public
	}{
		{account.Holder{Kind: account.GroupHolder, ID: k.Owners, Serial: 1}, k.GroupKeys[k.Owners].Public()},
		{account.Holder{Kind: account.IntegrationHolder, ID: k.Integration, Serial: k.Newest}, k.Keyset.Public()},
	} {
		g, err := k.grant(k.Keyset, group, 1, h.to, h.pub)
		if err != nil {
			return err
		}
		key.Grants = append(key.Grants, g)
	}
	return k.KeyGroup(ctx, group, key)
}

// Adopt hands a group over as an owner does, with its key and its memberships signed.
func (k *Keyed) Adopt(ctx context.Context, group string) (account.Group, error) {
	h := account.Handover{Group: group}
	members, err := k.AllMembers(ctx, group, "", 1_000_000) //nolint:mnd // all
	if err != nil {
		return account.Group{}, err
	}
	by := k.Owner.Keyset.Signer()
	for _, m := range members {
		signature := k.Owner.Keyset.Sign(keyset.MembershipClaim{Account: k.ID, Group: group, User: m.UserID})
		h.Members = append(h.Members, account.Witness{User: m.UserID, Evidence: append(by[:len(by):len(by)], signature...)})
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	_, again := k.GroupKeys[group]
	if !again {
		pair, err := newKeyset()
		if err != nil {
			return account.Group{}, err
		}
		k.GroupKeys[group] = pair
		toOwners, err := k.grant(k.Owner.Keyset, group, 1, account.Holder{Kind: account.GroupHolder, ID: k.Owners, Serial: 1}, k.GroupKeys[k.Owners].Public())
		if err != nil {
			return account.Group{}, err
		}
		h.Key = &account.GroupKey{
			Serial: 1, Grants: []account.Grant{toOwners},
			Attestation: attest(k.Owner.Keyset, keyset.GroupKeyClaim{Account: k.ID, Group: group, Serial: 1, Public: pair.Public()}),
		}
	}
	grant, err := k.grant(k.Owner.Keyset, group, 1, account.Holder{Kind: account.IntegrationHolder, ID: k.Integration, Serial: k.Newest}, k.Keyset.Public())
	if err != nil {
		return account.Group{}, err
	}
	h.Grants = []account.Grant{grant}
	g, err := k.HandOver(ctx, h)
	if err != nil && !again {
		delete(k.GroupKeys, group)
	}
	return g, err
}

// SetState is the administrator's, but that people get in as people do: nobody is made active without keys.
func (k *Keyed) SetState(ctx context.Context, id string, s account.State) (account.User, error) {
	u, err := k.Person(ctx, id)
	if err != nil {
		return u, err
	}
	if u.State == account.Invited && (s == account.Accepted || s == account.Active || s == account.Suspended) {
		if _, err := k.Join(ctx, id); err != nil {
			return u, err
		}
		u.State = account.Accepted
	}
	if u.State == account.Accepted && (s == account.Active || s == account.Suspended) {
		if err := k.Admit(ctx, id); err != nil {
			return u, err
		}
	}
	return k.Service.SetState(ctx, id, s)
}

// NewID makes an id as a bridge does.
func NewID(t testing.TB) string {
	t.Helper()
	return newID(t)
}
