package keyset

import (
	"crypto/ed25519"
	"crypto/hpke"
	"fmt"
	"io"
)

const (
	keysetKEMLabel  = "scimbridge keyset encryption 1"
	keysetSignLabel = "scimbridge keyset signing 1"
	messageLabel    = "scimbridge message 1"

	messageVersion = 1
)

// Kind says whose keys a keyset is.
type Kind string

// The kinds of keysets.
const (
	UserKey        Kind = "user"
	GroupKey       Kind = "group"
	IntegrationKey Kind = "integration"
)

// Key names a keyset. Serials count from 1; a new one replaces the one before. An integration's serial is its
// generation.
type Key struct {
	Kind   Kind
	ID     string // of the user, group or integration; not empty
	Serial int
}

func (k Key) valid() bool {
	known := k.Kind == UserKey || k.Kind == GroupKey || k.Kind == IntegrationKey
	return known && k.ID != "" && k.Serial >= 1 && k.Serial <= maxNumber
}

// String names the keyset in messages.
func (k Key) String() string { return fmt.Sprintf("%s %s, serial %d", k.Kind, k.ID, k.Serial) }

// Seed is what a keyset is made of: 32 random bytes. The zero value is no seed.
type Seed struct {
	redacted
	b [secretSize]byte
}

// NewSeed draws a seed.
func NewSeed(rand io.Reader) (Seed, error) {
	var s Seed
	if _, err := io.ReadFull(rand, s.b[:]); err != nil {
		return Seed{}, fmt.Errorf("random seed: %w", err)
	}
	return s, nil
}

// Equal compares in constant time.
func (s Seed) Equal(other Seed) bool { return equal(s.b, other.b) }

// Keyset makes the keys of the seed, always the same ones. It takes a tenth of a millisecond: keep what it
// returns. ErrSeed for the zero value.
func (s Seed) Keyset() (*Keyset, error) {
	if isZero(s.b) {
		return nil, ErrSeed
	}
	ikm, err := derive(s.b[:], nil, join(keysetKEMLabel))
	if err != nil {
		return nil, err
	}
	kem, err := hpke.MLKEM768X25519().DeriveKeyPair(ikm[:])
	if err != nil {
		return nil, err
	}
	sign, err := derive(s.b[:], nil, join(keysetSignLabel))
	if err != nil {
		return nil, err
	}
	k := &Keyset{seed: s, kem: kem, sign: ed25519.NewKeyFromSeed(sign[:])}
	copy(k.public.kem[:], kem.PublicKey().Bytes())
	copy(k.public.signer[:], k.sign.Public().(ed25519.PublicKey))
	return k, nil
}

// Keyset is a pair of keys to encrypt with and a pair to sign with, private halves included. It does not change and
// may be used by many at once.
type Keyset struct {
	redacted
	seed   Seed
	kem    hpke.PrivateKey
	sign   ed25519.PrivateKey
	public Public
}

// Public returns the public halves.
func (k *Keyset) Public() Public { return k.public }

// Seed returns what the keyset was made of.
func (k *Keyset) Seed() Seed { return k.seed }

// Signer returns the public half of the signing pair.
func (k *Keyset) Signer() Signer { return k.public.signer }

// OpenSealed decrypts what Public.Seal has encrypted to these keys for the same context. ErrSealed.
func (k *Keyset) OpenSealed(context string, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != messageVersion {
		return nil, ErrSealed
	}
	text, err := hpke.Open(k.kem, hpke.HKDFSHA256(), hpke.AES256GCM(), k.public.messageInfo(context), sealed[1:])
	if err != nil {
		return nil, ErrSealed
	}
	return text, nil
}

// Seal encrypts a message of any size to the holders of the keys, such as the members of a group. The context says
// what the message is; it is not in what is returned, and OpenSealed must be given the same. Anybody can seal: what
// comes out of OpenSealed says nothing about who wrote it. The result is 1,137 bytes longer than the text. ErrPublic
// for the zero value.
func (p Public) Seal(context string, text []byte) ([]byte, error) {
	r, err := p.Recipient()
	if err != nil {
		return nil, err
	}
	sealed, err := hpke.Seal(r.kem, hpke.HKDFSHA256(), hpke.AES256GCM(), p.messageInfo(context), text)
	if err != nil { // of the zero value
		return nil, ErrPublic
	}
	return append([]byte{messageVersion}, sealed...), nil
}

func (p Public) messageInfo(context string) []byte {
	return appendList(nil, messageLabel, string([]byte{messageVersion}), context, string(p.Bytes()))
}

// Recipient is a public keyset made ready to be granted to, which is a tenth of the work: whoever has read keys to verify
// them does not read them again.
type Recipient struct {
	Public
	kem hpke.PublicKey
}

// Recipient makes the keys ready. ErrPublic.
func (p Public) Recipient() (Recipient, error) {
	kem, err := hpke.MLKEM768X25519().NewPublicKey(p.kem[:])
	if err != nil {
		return Recipient{}, ErrPublic
	}
	return Recipient{p, kem}, nil
}

// sender encapsulates a secret to the keys, for an info: what the recipient makes the same of. ErrPublic.
func (r Recipient) sender(info []byte) (enc []byte, s *hpke.Sender, err error) {
	if r.kem == nil {
		return nil, nil, ErrPublic
	}
	if enc, s, err = hpke.NewSender(r.kem, hpke.HKDFSHA256(), hpke.AES256GCM(), info); err != nil { // of the zero value
		return nil, nil, ErrPublic
	}
	return enc, s, nil
}
