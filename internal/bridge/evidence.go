package bridge

import (
	"github.com/scimbridge/scimbridge/internal/keyset"
)

// What the identity provider asks for is signed with the integration's key on its way to the account, so that whoever
// hands out keys later on, this bridge or another, need not believe the account: who is to be invited at which address,
// and who is to be in which group. The account keeps the signatures and returns them with what they prove.
//
// Evidence is the signer's public key followed by the signature. A bridge appends a mark by which it knows its own again
// without verifying.

const (
	signerSize    = len(keyset.Signer{})
	signatureSize = 64
	markSize      = 32
)

// signer signs for the integration; nil while locked, and where the account admits nobody by keys.
func (l *Lock) signer() *keyset.Secrets {
	if l == nil {
		return nil
	}
	s := l.Secrets()
	if s == nil || s.Root() == (keyset.Signer{}) {
		return nil
	}
	return s
}

func evidence(s *keyset.Secrets, c keyset.Claim) []byte {
	signer, mark := s.Keyset().Signer(), s.Mark(c)
	out := make([]byte, 0, signerSize+signatureSize+markSize)
	return append(append(append(out, signer[:]...), s.Keyset().Sign(c)...), mark[:]...)
}

// proves tells whether evidence shows that somebody who may has made the claim.
func proves(raw []byte, c keyset.Claim, may func(keyset.Signer) bool) bool {
	if len(raw) != signerSize+signatureSize && len(raw) != signerSize+signatureSize+markSize {
		return false
	}
	signer := keyset.Signer(raw[:signerSize])
	return may(signer) && signer.Verify(c, raw[signerSize:signerSize+signatureSize]) == nil
}

// ofMembers signs that users belong to a group, one evidence for each.
func (b *Bridge) ofMembers(group string, users []string) [][]byte {
	s := b.lock.signer()
	if s == nil || len(users) == 0 {
		return nil
	}
	list := make([][]byte, len(users))
	for i, user := range users {
		list[i] = evidence(s, keyset.MembershipClaim{Account: s.Account(), Group: group, User: user})
	}
	return list
}

// ofInvitee signs that a user is to be invited at an address.
func (b *Bridge) ofInvitee(user, email string) []byte {
	s := b.lock.signer()
	if s == nil {
		return nil
	}
	return evidence(s, keyset.InviteeClaim{Account: s.Account(), User: user, Email: email})
}
