package bridge

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/keyset"
)

// keyring is what an unlocked bridge works with: its own keys, whom it trusts, and the keys of groups that it has
// opened. Nothing in it comes from the account without a signature that leads to the root in the scimsession.
type keyring struct {
	account Admission
	secrets *keyset.Secrets
	header  keyset.Header // of the whole file, which may be of a newer generation than secrets
	trust   *keyset.Trust
	clock   func() time.Time

	mu     sync.Mutex // guards what follows
	groups map[groupKey]keyset.Seed
}

type groupKey struct {
	id     string
	serial int
}

// maxOpened bounds the group keys that are kept open, at some 100 bytes each.
const maxOpened = 100_000

// errNoKey means that the integration has not been granted a group's key.
var errNoKey = errors.New("the integration does not hold the key of the group")

func newKeyring(a Admission, s *keyset.Secrets, h keyset.Header, clock func() time.Time) *keyring {
	return &keyring{account: a, secrets: s, header: h, trust: keyset.NewTrust(s.Account(), s.Root()), clock: clock, groups: map[groupKey]keyset.Seed{}}
}

// self is the keyset that grants to the integration are sealed to.
func (k *keyring) self() keyset.Key {
	return keyset.Key{Kind: keyset.IntegrationKey, ID: k.secrets.Integration(), Serial: k.secrets.Generation()}
}

// learn reads the account's signed statements. Those that do not lead to the root are not taken; bad names the first.
func (k *keyring) learn(ctx context.Context) (bad, err error) {
	raw, err := k.account.Trust(ctx)
	if err != nil {
		return nil, err
	}
	var list []keyset.Attestation
	for _, b := range raw {
		a, err := keyset.ParseAttestation(b)
		if err != nil {
			bad = err
			continue
		}
		list = append(list, a)
	}
	if err := k.trust.Learn(list); err != nil {
		bad = err
	}
	if bad != nil {
		bad = fmt.Errorf("the account names somebody as trusted whom no administrator has signed for: %w", bad)
	}
	return bad, nil
}

// group opens a group's key.
func (k *keyring) group(ctx context.Context, id string, serial int) (keyset.Seed, error) {
	at := groupKey{id, serial}
	k.mu.Lock()
	seed, ok := k.groups[at]
	k.mu.Unlock()
	if ok {
		return seed, nil
	}
	me := k.self()
	grants, err := k.account.GrantsOf(ctx, id, account.Holder{Kind: account.IntegrationHolder, ID: me.ID, Serial: me.Serial})
	if err != nil && !errors.Is(err, account.ErrNotFound) {
		return seed, err
	}
	for _, g := range grants {
		if g.Serial != serial {
			continue
		}
		seed, err := k.secrets.Keyset().OpenGrant(g.Sealed, k.secrets.Account(), keyset.Key{Kind: keyset.GroupKey, ID: id, Serial: serial}, me, k.trust.MaySign)
		if err != nil {
			return seed, fmt.Errorf("%w %s: %w", errNoKey, id, err)
		}
		k.remember(at, seed)
		return seed, nil
	}
	return seed, fmt.Errorf("%w %s", errNoKey, id)
}

func (k *keyring) remember(at groupKey, seed keyset.Seed) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.groups) >= maxOpened {
		clear(k.groups)
	}
	k.groups[at] = seed
}

// heir is a keyset that a new group's key is granted to.
type heir struct {
	key    keyset.Key
	holder account.Holder
	public keyset.Public
}

// heirs are the owners, so that no group is orphaned with its integration, the integration, and while credentials
// overlap the integration's other generation.
func (k *keyring) heirs() ([]heir, error) {
	owners := k.trust.Owners()
	if owners.Group == "" {
		return nil, errors.New("the account does not show the signed key of its owners")
	}
	me := k.self()
	list := []heir{
		{keyset.Key{Kind: keyset.GroupKey, ID: owners.Group, Serial: owners.Serial}, account.Holder{Kind: account.GroupHolder, ID: owners.Group, Serial: owners.Serial}, owners.Public},
		{me, account.Holder{Kind: account.IntegrationHolder, ID: me.ID, Serial: me.Serial}, k.secrets.Keyset().Public()},
	}
	if !k.clock().Before(k.header.PreviousUntil) {
		return list, nil
	}
	// The file says so itself, and the account is not asked: a generation that was ended because it was stolen gets
	// nothing.
	other := k.header.Generation
	if !k.secrets.Previous() {
		other--
	}
	if public, ok := k.trust.GenerationKey(me.ID, other); ok {
		key := keyset.Key{Kind: keyset.IntegrationKey, ID: me.ID, Serial: other}
		list = append(list, heir{key, account.Holder{Kind: account.IntegrationHolder, ID: me.ID, Serial: other}, public})
	}
	return list, nil
}

// newGroupKey makes a key for a group and seals it to the heirs.
func (k *keyring) newGroupKey(id string, serial int) (account.GroupKey, error) {
	heirs, err := k.heirs()
	if err != nil {
		return account.GroupKey{}, err
	}
	seed, err := keyset.NewSeed(rand.Reader)
	if err != nil {
		return account.GroupKey{}, err
	}
	pair, err := seed.Keyset()
	if err != nil {
		return account.GroupKey{}, err
	}
	mine := k.secrets.Keyset()
	subject := keyset.Key{Kind: keyset.GroupKey, ID: id, Serial: serial}
	claim := keyset.GroupKeyClaim{Account: k.secrets.Account(), Group: id, Serial: serial, Public: pair.Public()}
	out := account.GroupKey{Serial: serial, Attestation: attest(mine, claim)}
	for _, h := range heirs {
		sealed, err := mine.Grant(k.secrets.Account(), subject, seed, h.key, h.public)
		if err != nil {
			return out, err
		}
		out.Grants = append(out.Grants, account.Grant{Group: id, Serial: serial, To: h.holder, Sealed: sealed})
	}
	return out, nil
}

func attest(k *keyset.Keyset, c keyset.Claim) []byte {
	return keyset.EncodeAttestation(keyset.Attestation{Claim: c, Signer: k.Signer(), Signature: k.Sign(c)})
}

// proves tells whether evidence shows that somebody who may has made the claim. Most is the bridge's own, which its mark
// shows.
func (k *keyring) proves(raw []byte, c keyset.Claim) bool {
	if me := k.secrets.Keyset().Signer(); len(raw) == signerSize+signatureSize+markSize && string(raw[:signerSize]) == string(me[:]) {
		mark := k.secrets.Mark(c)
		return subtle.ConstantTimeCompare(raw[signerSize+signatureSize:], mark[:]) == 1
	}
	return proves(raw, c, k.trust.MaySign)
}

// errRefused means that somebody's keys are not that person's.
var errRefused = errors.New("refused")

// verify finds whether the keys that a candidate shows are those of the person who holds the link, or of whom an
// administrator or a bridge has confirmed. errRefused with the reason; other errors say that nobody can tell now.
func (k *keyring) verify(c *account.Candidate) (keyset.Recipient, error) {
	r, err := keyset.ParseRecipient(c.Keys.Public)
	if err != nil {
		return r, fmt.Errorf("%w: the keys are malformed", errRefused)
	}
	if c.State != account.Accepted {
		return r, k.confirmed(c, r.Public)
	}
	return r, k.proposed(c, r.Public)
}

// proposed judges the keys that somebody has proposed.
func (k *keyring) proposed(c *account.Candidate, public keyset.Public) error {
	i, err := k.secrets.Invitation(c.Generation, keyset.Invited{Account: k.secrets.Account(), User: c.UserID, Email: c.Email, Number: c.Number})
	if err != nil {
		return fmt.Errorf("%w: the invitation was made with a key that this bridge does not have: %w", errRefused, err)
	}
	if err := i.Check(c.Email, public, c.Proof); err != nil {
		return fmt.Errorf("%w: the keys were not proposed by the holder of the link", errRefused)
	}
	possession := keyset.PossessionClaim{Account: k.secrets.Account(), User: c.UserID, Email: c.Email, Number: c.Number, Public: public}
	if public.Signer().Verify(possession, c.Possession) != nil {
		return fmt.Errorf("%w: who proposed the keys does not hold them", errRefused)
	}
	return nil
}

// confirmed judges the keys of somebody who is in already.
func (k *keyring) confirmed(c *account.Candidate, public keyset.Public) error {
	a, err := keyset.ParseAttestation(c.Keys.Attestation)
	if err != nil {
		return fmt.Errorf("%w: nobody has confirmed the keys", errRefused)
	}
	switch claim := a.Claim.(type) {
	case keyset.PersonClaim:
		if claim.Account != k.secrets.Account() || claim.User != c.UserID || claim.Serial != c.Keys.Serial || claim.Public != public || !k.trust.MaySign(a.Signer) {
			return fmt.Errorf("%w: the keys are not those that were confirmed", errRefused)
		}
	case keyset.AdministratorClaim:
		if claim.Account != k.secrets.Account() || claim.User != c.UserID || claim.Serial != c.Keys.Serial || claim.Public != public || !k.trust.Administrator(a.Signer) {
			return fmt.Errorf("%w: the keys are not those of the administrator", errRefused)
		}
	default:
		return fmt.Errorf("%w: the keys are attested as something else", errRefused)
	}
	if a.Signer.Verify(a.Claim, a.Signature) != nil {
		return fmt.Errorf("%w: the confirmation of the keys is forged", errRefused)
	}
	return nil
}

// confirmation seals the keys of a candidate's groups to the candidate's keys, which have been verified.
func (k *keyring) confirmation(ctx context.Context, c *account.Candidate, r keyset.Recipient) (account.Confirmation, error) {
	mine, id := k.secrets.Keyset(), k.secrets.Account()
	out := account.Confirmation{Number: c.Number}
	if c.State == account.Accepted {
		out.Attestation = attest(mine, keyset.PersonClaim{Account: id, User: c.UserID, Serial: c.Keys.Serial, Email: c.Email, Public: r.Public})
	}
	var subjects []keyset.Subject
	for _, p := range c.Pending {
		if !k.proves(p.Evidence, keyset.MembershipClaim{Account: id, Group: p.Group, User: c.UserID}) {
			out.Refused = append(out.Refused, p.Group)
			continue
		}
		seed, err := k.group(ctx, p.Group, p.Serial)
		if errors.Is(err, errNoKey) {
			out.Withheld = append(out.Withheld, p.Group)
			continue
		}
		if err != nil {
			return out, err
		}
		subjects = append(subjects, keyset.Subject{Key: keyset.Key{Kind: keyset.GroupKey, ID: p.Group, Serial: p.Serial}, Seed: seed})
	}
	sealed, err := mine.Grants(id, subjects, keyset.Key{Kind: keyset.UserKey, ID: c.UserID, Serial: c.Keys.Serial}, r)
	if err != nil {
		return out, err
	}
	for i, s := range subjects {
		out.Grants = append(out.Grants, account.Grant{
			Group: s.Key.ID, Serial: s.Key.Serial, To: account.Holder{Kind: account.UserHolder, ID: c.UserID, Serial: c.Keys.Serial}, Sealed: sealed[i],
		})
	}
	return out, nil
}
