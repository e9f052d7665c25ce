package keyset

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"time"
)

// Open unseals the file, or the one that it embeds if the token is that one's. ErrWrongToken, ErrAltered,
// ErrExpiredToken: the token is the embedded file's, whose time is over.
func (s *Session) Open(t Token, now time.Time) (*Secrets, error) {
	if p := s.previous; p != nil && subtle.ConstantTimeCompare([]byte(t.keyID), []byte(p.file.Token)) == 1 {
		out, err := p.open(t)
		if err != nil {
			return nil, err
		}
		if !now.Before(s.header.PreviousUntil) {
			return nil, ErrExpiredToken
		}
		out.previous = true
		return out, nil
	}
	return s.open(t)
}

func (s *Session) open(t Token) (*Secrets, error) {
	if subtle.ConstantTimeCompare([]byte(t.keyID), []byte(s.file.Token)) != 1 {
		return nil, ErrWrongToken
	}
	l := labels[s.file.Version]
	wrap, err := derive(t.secret[:], s.salt, l.wrap)
	if err != nil {
		return nil, err
	}
	key, ok := open(wrap[:], s.key, s.file.bound(l.wrap))
	if !ok {
		return nil, ErrWrongToken
	}
	out, err := s.unseal([secretSize]byte(key))
	if err != nil {
		return nil, err
	}
	if out.verifier, err = derive(t.secret[:], s.salt, verifyLabel); err != nil {
		return nil, err
	}
	copy(out.salt[:], s.salt)
	return out, nil
}

// unseal opens the payload with the file key, whoever has brought it. ErrAltered.
func (s *Session) unseal(key [secretSize]byte) (*Secrets, error) {
	payload, ok := open(key[:], s.payload, s.file.bound(labels[s.file.Version].payload))
	if !ok {
		return nil, ErrAltered
	}
	out := &Secrets{keyID: s.file.Token, header: s.header, peer: s.peer, fileKey: key}
	var err error
	for i, into := range []*[secretSize]byte{&out.seed.b, &out.invitation.b, &out.before.b}[:seeds[s.file.Version]] {
		copy(into[:], payload[i*secretSize:])
	}
	if out.keyset, err = out.seed.Keyset(); err != nil {
		return nil, err
	}
	if out.marker, err = out.Derive(markPurpose); err != nil {
		return nil, err
	}
	return out, nil
}

// Secrets is what an opened scimsession holds. The token is not among it.
type Secrets struct {
	redacted
	keyID      string
	header     Header
	previous   bool
	seed       Seed
	keyset     *Keyset
	invitation InvitationKey
	before     InvitationKey    // of the generation before; zero: none
	marker     [secretSize]byte // key of Mark
	salt       [secretSize]byte
	verifier   [secretSize]byte // what the right token derives; says nothing about it. Zero where no token has opened the file
	peer       [secretSize]byte // of the file that was opened
	fileKey    [secretSize]byte // likewise
}

// Verify tells, in constant time, whether the token is the one that opened the file. After a hand-over no token is: the file
// itself knows which is right.
func (s *Secrets) Verify(t Token) bool {
	got, err := derive(t.secret[:], s.salt[:], verifyLabel)
	return err == nil && !isZero(s.verifier) && equal(got, s.verifier) && subtle.ConstantTimeCompare([]byte(t.keyID), []byte(s.keyID)) == 1
}

// Derive returns the key for a purpose.
func (s *Secrets) Derive(purpose string) ([32]byte, error) {
	return derive(s.seed.b[:], nil, deriveLabel+purpose)
}

// markPurpose is what the key of Mark is derived for.
const markPurpose = "mark 1"

// Mark is an HMAC-SHA256 over a claim by which the integration knows again what it has signed itself. It costs a
// fraction of verifying the signature, and nobody else can make or check it.
func (s *Secrets) Mark(c Claim) [sha256.Size]byte {
	h := hmac.New(sha256.New, s.marker[:])
	h.Write(c.encode())
	return [sha256.Size]byte(h.Sum(nil))
}

// Keyset returns the integration's keys.
func (s *Secrets) Keyset() *Keyset { return s.keyset }

// Generation is that of the file that was opened.
func (s *Secrets) Generation() int { return s.header.Generation }

// Root is the account's root of trust; the zero value in a file of version 1.
func (s *Secrets) Root() Signer { return s.header.Root }

// Account is the account's id.
func (s *Secrets) Account() string { return s.header.Account }

// Integration is the integration's id.
func (s *Secrets) Integration() string { return s.header.Integration }

// URL is that of the account service; empty: in the bridge's own process.
func (s *Secrets) URL() string { return s.header.URL }

// Previous tells whether the token was the former one, and has opened the embedded file.
func (s *Secrets) Previous() bool { return s.previous }

// Invitation makes the invitation that a generation has made or makes: this one or the one before it. Its link names the
// account's root of trust. ErrKeyGone for others, ErrInvitation.
func (s *Secrets) Invitation(generation int, who Invited) (Invitation, error) {
	key := InvitationKey{}
	switch generation {
	case s.header.Generation:
		key = s.invitation
	case s.header.Generation - 1:
		key = s.before
	}
	i, err := key.Invitation(generation, who)
	if err != nil {
		return i, err
	}
	return i.Pinned(s.header.Root), nil
}
