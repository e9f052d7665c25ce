package keyset

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

const (
	publicVersion = 1 // MLKEM768X25519, HKDF-SHA256 and AES-256-GCM; Ed25519
	kemSize       = 1216
	publicSize    = 1 + kemSize + ed25519.PublicKeySize

	fingerprintLabel = "scimbridge fingerprint 1"
)

// Public is the public half of a keyset: a key to encrypt to and a key to verify with. Two are the same keys when
// they are ==. The zero value is no key: nothing can be sealed to it and it verifies nothing.
type Public struct {
	kem    [kemSize]byte
	signer Signer
}

// ParsePublic reads 1,249 bytes as Bytes writes them. ErrPublic; keys of small order and those in another spelling
// than the canonical one are none.
func ParsePublic(raw []byte) (Public, error) {
	r, err := ParseRecipient(raw)
	return r.Public, err
}

// ParseRecipient is ParsePublic and Recipient in one, which costs half.
func ParseRecipient(raw []byte) (Recipient, error) {
	var p Public
	if len(raw) != publicSize || raw[0] != publicVersion {
		return Recipient{}, ErrPublic
	}
	copy(p.kem[:], raw[1:])
	copy(p.signer[:], raw[1+kemSize:])
	x25519 := [32]byte(p.kem[kemSize-32:])
	r, err := p.Recipient()
	if err != nil || !canonical(x25519) || smallX25519[x25519] || !p.signer.valid() {
		return Recipient{}, ErrPublic
	}
	return r, nil
}

// Bytes returns version, encryption key and signing key: 1 + 1,216 + 32 bytes.
func (p Public) Bytes() []byte {
	out := make([]byte, 0, publicSize)
	out = append(out, publicVersion)
	out = append(out, p.kem[:]...)
	return append(out, p.signer[:]...)
}

// Signer returns the key to verify with.
func (p Public) Signer() Signer { return p.signer }

// Fingerprint returns 24 characters in six groups, for people to compare: 120 bits of a SHA-256 of both keys.
func (p Public) Fingerprint() string {
	const groups, size = 6, 4
	sum := sha256.Sum256(appendList(nil, fingerprintLabel, string(p.Bytes())))
	text := lower32.EncodeToString(sum[:])
	out := make([]string, groups)
	for i := range out {
		out[i] = text[i*size : (i+1)*size]
	}
	return strings.Join(out, "-")
}

// String is the fingerprint.
func (p Public) String() string { return p.Fingerprint() }

// Signer is an Ed25519 public key: whoever holds its private half may be named by it. The zero value is nobody.
type Signer [ed25519.PublicKeySize]byte

// ParseSigner reads the base64url that String writes. ErrPublic.
func ParseSigner(text string) (Signer, error) {
	raw, err := url64.DecodeString(text)
	if err != nil || len(raw) != len(Signer{}) || len(text) != secretText || !Signer(raw).valid() {
		return Signer{}, ErrPublic
	}
	return Signer(raw), nil
}

// String is base64url without padding, 43 characters.
func (s Signer) String() string { return url64.EncodeToString(s[:]) }

// MarshalText is String.
func (s Signer) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is ParseSigner.
func (s *Signer) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSigner(string(text))
	return err
}

// valid refuses keys that verify what nobody has signed (those of small order, the zero value among them), and a
// second spelling of the same key.
func (s Signer) valid() bool {
	y := s
	y[31] &= 0x7f // the sign of x
	return canonical(y) && !smallEd25519[y]
}

// canonical tells whether 32 bytes, little-endian, are below 2^255 - 19.
func canonical(b [32]byte) bool {
	if b[31] != 0x7f {
		return b[31] < 0x7f
	}
	for _, c := range b[1:31] {
		if c != 0xff {
			return true
		}
	}
	return b[0] < 0xed
}

// The canonical points of small order, whose products are known without any private key: as u of X25519 and as y of
// Ed25519.
var (
	smallX25519 = points(
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	)
	smallEd25519 = points(
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	)
)

func points(list ...string) map[[32]byte]bool {
	out := make(map[[32]byte]bool, len(list))
	for _, text := range list {
		raw, err := hex.DecodeString(text)
		if err != nil {
			panic(fmt.Sprintf("point %s: %v", text, err))
		}
		out[[32]byte(raw)] = true
	}
	return out
}
