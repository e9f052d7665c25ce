package certificates

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// What is derived from the secret that replicas share. The labels are part of the format.
const (
	sealLabel  = "scimbridge certificates 1 key"
	placeLabel = "scimbridge certificates 1 place"
	placeSize  = 8 // bytes that name a place: enough for two secrets not to meet
)

// sealVersion is the first byte of what is sealed: AES-256-GCM with a random nonce before and the name of the value as
// associated data.
const sealVersion = 1

// errSealed means that a value was not sealed by whoever shares our secret, or not under this name.
var errSealed = errors.New("it was altered, or sealed under another secret")

// sealer seals values for all who share a secret.
type sealer struct {
	aead  cipher.AEAD
	place string // where those who share the secret keep their values
}

func newSealer(secret [32]byte) *sealer {
	key, err1 := hkdf.Key(sha256.New, secret[:], nil, sealLabel, sha256.Size)
	place, err2 := hkdf.Key(sha256.New, secret[:], nil, placeLabel, placeSize)
	block, err3 := aes.NewCipher(key)
	if err := errors.Join(err1, err2, err3); err != nil {
		panic(err) // unreachable: the sizes are right
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // unreachable: AES has blocks of the right size
	}
	return &sealer{aead, hex.EncodeToString(place)}
}

func (s *sealer) seal(name string, value []byte) []byte {
	return s.aead.Seal([]byte{sealVersion}, nil, value, []byte(name))
}

func (s *sealer) open(name string, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != sealVersion {
		return nil, fmt.Errorf("%s: %w", name, errSealed)
	}
	value, err := s.aead.Open(nil, nil, sealed[1:], []byte(name))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, errSealed)
	}
	return value, nil
}
