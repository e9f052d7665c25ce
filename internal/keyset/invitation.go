package keyset

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strconv"
)

const (
	invitationKeyLabel = "scimbridge invitation key 1"
	invitationLabel    = "scimbridge invitation 1"
	accessLabel        = "scimbridge invitation access 1"
	proofKeyLabel      = "scimbridge invitation proof key 1"
	proofLabel         = "scimbridge invitation proof 1"

	linkRootLabel = "scimbridge link root 1"

	maxIDText = 64 // characters of an id in a link
	// rootPrintSize is the length of a root's fingerprint in bytes. Who wants to pose as the account has to find another root
	// with the same one, for an account whose root stands: 2^128 tries.
	rootPrintSize = 16
)

// InvitationKey is what a generation of an integration makes its invitations with, so that none has to be stored and
// every replica makes the same. The zero value is no key.
type InvitationKey struct {
	redacted
	b [secretSize]byte
}

// Equal compares in constant time.
func (k InvitationKey) Equal(other InvitationKey) bool { return equal(k.b, other.b) }

// InvitationKey derives the invitation key of a generation from the seed of the Owners group: an owner makes the
// next generation's file with the key of the one before it without having the old token, and an integration cannot
// compute the keys of later generations. ErrSeed for the zero value.
func (s Seed) InvitationKey(account, integration string, generation int) (InvitationKey, error) {
	if isZero(s.b) {
		return InvitationKey{}, ErrSeed
	}
	b, err := derive(s.b[:], nil, join(invitationKeyLabel, account, integration, number(generation)))
	return InvitationKey{b: b}, err
}

// Invited is who is invited, and for which time: a new number makes the links of the others worthless.
type Invited struct {
	Account, User string // ids: up to 64 characters of a-z, A-Z, 0-9, _ and -
	Email         string // as it will be given to Proof and Check; not empty
	Number        int    // from 1
}

// Invitation makes the invitation, always the same one. The generation is that of the key. ErrInvitation for what
// cannot stand in a link, ErrKeyGone for the zero value of a key.
func (k InvitationKey) Invitation(generation int, who Invited) (Invitation, error) {
	i := Invitation{account: who.Account, user: who.User, number: who.Number}
	switch {
	case isZero(k.b):
		return Invitation{}, ErrKeyGone
	case !i.valid() || who.Email == "" || generation < 1 || generation > maxNumber:
		return Invitation{}, fmt.Errorf("%w: account %q, user %q, number %d, generation %d", ErrInvitation, who.Account, who.User, who.Number, generation)
	}
	var err error
	i.secret, err = derive(k.b[:], nil, join(invitationLabel, who.Account, who.User, who.Email, number(who.Number), number(generation)))
	return i, err
}

// Invitation is what the person invited gets by mail and nobody else should have: an id and a secret of 32 bytes.
type Invitation struct {
	redacted
	account, user string
	number        int
	secret        [secretSize]byte
	root          [rootPrintSize]byte // fingerprint of the account's root of trust; zero: the link names none
}

// Pinned is the invitation with the fingerprint of the account's root of trust, which its link then carries: who joins with
// that believes no other root, whatever the account service shows. The zero value of a root pins nothing.
func (i Invitation) Pinned(root Signer) Invitation {
	i.root = [rootPrintSize]byte{}
	if root != (Signer{}) {
		i.root = rootPrint(i.account, root)
	}
	return i
}

// Pins tells whether the link names the account's root of trust.
func (i Invitation) Pins() bool { return i.root != [rootPrintSize]byte{} }

// Trusts tells whether a root of trust is the one that the link names. Where it names none, every root is.
func (i Invitation) Trusts(root Signer) bool {
	return !i.Pins() || i.root == rootPrint(i.account, root)
}

func rootPrint(account string, root Signer) [rootPrintSize]byte {
	sum := sha256.Sum256(appendList(nil, linkRootLabel, account, string(root[:])))
	return [rootPrintSize]byte(sum[:rootPrintSize])
}

// Account is the id of the account.
func (i Invitation) Account() string { return i.account }

// User is the id of the person invited.
func (i Invitation) User() string { return i.user }

// Number counts the person's invitations, from 1.
func (i Invitation) Number() int { return i.number }

// Ref names the invitation without telling its secret: ACCOUNT.USER.NUMBER.
func (i Invitation) Ref() string { return i.account + "." + i.user + "." + strconv.Itoa(i.number) }

func (i Invitation) valid() bool {
	return isIDText(i.account) && isIDText(i.user) && i.number >= 1 && i.number <= maxNumber
}

func isIDText(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= maxIDText
}

// Access is what the person's client shows the account service, to prove that it holds the link. The service keeps
// only its Commitment, and nothing that it sees makes a proof.
func (i Invitation) Access() [32]byte { return i.derive(accessLabel) }

// Commitment is SHA-256 of Access.
func (i Invitation) Commitment() [32]byte {
	access := i.Access()
	return sha256.Sum256(access[:])
}

// Proof says that whoever holds the link proposes these keys for this address: HMAC-SHA256 under a key of its own.
func (i Invitation) Proof(email string, p Public) [32]byte {
	key := i.derive(proofKeyLabel)
	mac := hmac.New(sha256.New, key[:])
	mac.Write(appendList(nil, proofLabel, i.account, i.user, number(i.number), email, string(p.Bytes())))
	return [32]byte(mac.Sum(nil))
}

// Check verifies a proof, in constant time. ErrProof: other keys, another address, person, account or number, or a
// proof of somebody who has not got the link.
func (i Invitation) Check(email string, p Public, proof []byte) error {
	want := i.Proof(email, p)
	if isZero(i.secret) || subtle.ConstantTimeCompare(want[:], proof) != 1 { // anybody could prove the zero value
		return ErrProof
	}
	return nil
}

// derive makes a key for a purpose.
func (i Invitation) derive(label string) [secretSize]byte {
	key, err := derive(i.secret[:], nil, join(label, i.account, i.user, number(i.number)))
	if err != nil { // unreachable: HKDF refuses only longer keys
		panic(err)
	}
	return key
}
