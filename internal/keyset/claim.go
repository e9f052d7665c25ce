package keyset

import (
	"crypto/ed25519"
)

// Labels of what is signed. They stand first in what is signed, so that no signature means two things.
const (
	administratorLabel = "scimbridge administrator 1"
	generationLabel    = "scimbridge generation 1"
	personLabel        = "scimbridge person 1"
	groupKeyLabel      = "scimbridge group key 1"
	ownersLabel        = "scimbridge owners 1"
	membershipLabel    = "scimbridge membership 1"
	inviteeLabel       = "scimbridge invitee 1"
	challengeLabel     = "scimbridge challenge 1"
	possessionLabel    = "scimbridge possession 1"
)

// Claim is a statement that can be signed: one of the types below. Ids, hosts and addresses are not empty, and
// numbers count from 1: ParseAttestation refuses others.
type Claim interface {
	// encode returns what is signed: the list of the label and the fields in their order.
	encode() []byte
}

// Each kind of claim.
var (
	_ Claim = AdministratorClaim{}
	_ Claim = GenerationClaim{}
	_ Claim = PersonClaim{}
	_ Claim = GroupKeyClaim{}
	_ Claim = OwnersClaim{}
	_ Claim = MembershipClaim{}
	_ Claim = InviteeClaim{}
	_ Claim = ChallengeClaim{}
	_ Claim = PossessionClaim{}
)

// AdministratorClaim says that the keys are a user's who may sign for the account. The root signs it, or an
// administrator.
type AdministratorClaim struct {
	Account, User string
	Serial        int
	Public        Public
}

func (c AdministratorClaim) encode() []byte {
	return appendList(nil, administratorLabel, c.Account, c.User, number(c.Serial), string(c.Public.Bytes()))
}

// GenerationClaim says that the keys are those of a generation of an integration. An administrator signs it.
type GenerationClaim struct {
	Account, Integration string
	Generation           int
	Public               Public
}

func (c GenerationClaim) encode() []byte {
	return appendList(nil, generationLabel, c.Account, c.Integration, number(c.Generation), string(c.Public.Bytes()))
}

// PersonClaim says that the keys are a person's, whose address this is. Whoever confirms the person signs it.
type PersonClaim struct {
	Account, User string
	Serial        int
	Email         string
	Public        Public
}

func (c PersonClaim) encode() []byte {
	return appendList(nil, personLabel, c.Account, c.User, number(c.Serial), c.Email, string(c.Public.Bytes()))
}

// GroupKeyClaim says that the keys are a group's. Whoever makes them signs it.
type GroupKeyClaim struct {
	Account, Group string
	Serial         int
	Public         Public
}

func (c GroupKeyClaim) encode() []byte {
	return appendList(nil, groupKeyLabel, c.Account, c.Group, number(c.Serial), string(c.Public.Bytes()))
}

// OwnersClaim says that the keys are those of the group of the account's owners, to which the key of every group is
// granted. An administrator signs it, and nobody else can: no other group is taken for the owners'.
type OwnersClaim struct {
	Account, Group string
	Serial         int
	Public         Public
}

func (c OwnersClaim) encode() []byte {
	return appendList(nil, ownersLabel, c.Account, c.Group, number(c.Serial), string(c.Public.Bytes()))
}

// MembershipClaim says that a user belongs to a group. Whoever makes the membership signs it. It carries no number:
// one that has been signed can be shown again after the membership has ended.
type MembershipClaim struct{ Account, Group, User string }

func (c MembershipClaim) encode() []byte {
	return appendList(nil, membershipLabel, c.Account, c.Group, c.User)
}

// InviteeClaim says that a user is to be invited at an address. Whoever passes on the identity provider's word signs
// it, so that an account service cannot have the link mailed to somebody else.
type InviteeClaim struct{ Account, User, Email string }

func (c InviteeClaim) encode() []byte {
	return appendList(nil, inviteeLabel, c.Account, c.User, c.Email)
}

// ChallengeClaim answers the challenge of an account service at sign-in. Subject is the id of an integration, whose
// keyset signs, or of a user, whose unlock key signs. Nonce is the service's.
type ChallengeClaim struct {
	Host, Account, Subject string
	Serial                 int
	Nonce                  []byte
}

func (c ChallengeClaim) encode() []byte {
	return appendList(nil, challengeLabel, c.Host, c.Account, c.Subject, number(c.Serial), string(c.Nonce))
}

// PossessionClaim is signed with the new keys when an invitation is accepted: whoever proposes them holds them.
type PossessionClaim struct {
	Account, User, Email string
	Number               int
	Public               Public
}

func (c PossessionClaim) encode() []byte {
	return appendList(nil, possessionLabel, c.Account, c.User, c.Email, number(c.Number), string(c.Public.Bytes()))
}

// Sign signs a claim. The signature has 64 bytes and is always the same.
func (k *Keyset) Sign(c Claim) []byte { return ed25519.Sign(k.sign, c.encode()) }

// Verify tells whether the signer has signed the claim. ErrSignature.
func (s Signer) Verify(c Claim, signature []byte) error { return s.verify(c.encode(), signature) }

func (s Signer) verify(message, signature []byte) error {
	if !s.valid() || len(signature) != ed25519.SignatureSize || !ed25519.Verify(s[:], message, signature) {
		return ErrSignature
	}
	return nil
}

// decodeClaim reads what encode writes.
func decodeClaim(raw []byte) (Claim, bool) {
	parts, ok := split(raw)
	if !ok {
		return nil, false
	}
	r := &reader{parts: parts}
	var c Claim
	switch r.bytes() { // Go evaluates the calls in a literal from left to right
	case administratorLabel:
		c = AdministratorClaim{r.text(), r.text(), r.number(), r.public()}
	case generationLabel:
		c = GenerationClaim{r.text(), r.text(), r.number(), r.public()}
	case personLabel:
		c = PersonClaim{r.text(), r.text(), r.number(), r.text(), r.public()}
	case groupKeyLabel:
		c = GroupKeyClaim{r.text(), r.text(), r.number(), r.public()}
	case ownersLabel:
		c = OwnersClaim{r.text(), r.text(), r.number(), r.public()}
	case membershipLabel:
		c = MembershipClaim{r.text(), r.text(), r.text()}
	case inviteeLabel:
		c = InviteeClaim{r.text(), r.text(), r.text()}
	case challengeLabel:
		c = ChallengeClaim{r.text(), r.text(), r.text(), r.number(), []byte(r.text())}
	case possessionLabel:
		c = PossessionClaim{r.text(), r.text(), r.text(), r.number(), r.public()}
	default:
		return nil, false
	}
	return c, r.done()
}
