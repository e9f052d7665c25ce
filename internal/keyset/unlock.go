package keyset

import (
	"crypto/ed25519"
	"crypto/subtle"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// Argon2id's costs: RFC 9106 §4, second recommendation. About half a second of a processor.
const (
	argonPasses  = 3
	argonMemory  = 64 << 10 // KiB
	argonThreads = 4
)

const (
	unlockSaltLabel   = "scimbridge unlock salt 1"
	unlockSecretLabel = "scimbridge unlock secret key 1"
	unlockSealLabel   = "scimbridge unlock seed 1"
	unlockSignLabel   = "scimbridge unlock sign-in 1"

	sealedSeedVersion = 1
)

// Unlock makes the account unlock key of a user of a password and a Secret Key: whoever lacks one of them has
// nothing to guess at. The password is normalised (NFKD) and freed of white space at both ends. It takes half a
// second and 64 MiB. ErrPasswordEmpty, ErrUnlock if the Secret Key was made for another account.
func Unlock(account, user, password string, sk SecretKey) (*UnlockKey, error) {
	password = strings.TrimSpace(norm.NFKD.String(password))
	if password == "" {
		return nil, ErrPasswordEmpty
	}
	if !sk.Fits(account) {
		return nil, fmt.Errorf("%w: the Secret Key is that of another account", ErrUnlock)
	}
	// Ids and not the address, which may change. That the salt can be computed lets nobody begin before the Secret Key
	// is known to him, too.
	salt, err := derive(appendList(nil, account, user), nil, join(unlockSaltLabel))
	if err != nil {
		return nil, err
	}
	secret, err := derive(sk.secret[:], nil, join(unlockSecretLabel, string(sk.account[:]), account, user))
	if err != nil {
		return nil, err
	}
	hash := argon2.IDKey([]byte(password), salt[:], argonPasses, argonMemory, argonThreads, secretSize)
	var key [secretSize]byte
	subtle.XORBytes(key[:], hash, secret[:])
	return newUnlockKey(key)
}

// UnlockKey is what a user's password and Secret Key make together. It seals the user's seed, and a signing key of
// its own signs the user in: the account service can check that without learning anything to guess with.
type UnlockKey struct {
	redacted
	seal [secretSize]byte
	sign ed25519.PrivateKey
}

func newUnlockKey(key [secretSize]byte) (*UnlockKey, error) {
	seal, err := derive(key[:], nil, join(unlockSealLabel))
	if err != nil {
		return nil, err
	}
	sign, err := derive(key[:], nil, join(unlockSignLabel))
	if err != nil {
		return nil, err
	}
	return &UnlockKey{seal: seal, sign: ed25519.NewKeyFromSeed(sign[:])}, nil
}

// SealSeed seals the seed of a serial of the user's keys, for the account service to keep: 61 bytes. ErrSeed.
func (u *UnlockKey) SealSeed(account, user string, serial int, s Seed, rand io.Reader) ([]byte, error) {
	if isZero(s.b) {
		return nil, ErrSeed
	}
	sealed, err := seal(u.seal[:], s.b[:], sealedSeedBound(account, user, serial), rand)
	if err != nil {
		return nil, err
	}
	return append([]byte{sealedSeedVersion}, sealed...), nil
}

// OpenSeed opens what SealSeed sealed. ErrUnlock: wrong password or Secret Key, or another account, user or serial.
func (u *UnlockKey) OpenSeed(account, user string, serial int, sealed []byte) (Seed, error) {
	if len(sealed) != 1+overhead+secretSize || sealed[0] != sealedSeedVersion {
		return Seed{}, ErrUnlock
	}
	text, ok := open(u.seal[:], sealed[1:], sealedSeedBound(account, user, serial))
	if !ok {
		return Seed{}, ErrUnlock
	}
	return Seed{b: [secretSize]byte(text)}, nil
}

func sealedSeedBound(account, user string, serial int) []byte {
	return appendList(nil, unlockSealLabel, string([]byte{sealedSeedVersion}), account, user, number(serial))
}

// Signer is the key that the account service stores, to check the user's challenges with.
func (u *UnlockKey) Signer() Signer { return Signer(u.sign.Public().(ed25519.PublicKey)) }

// Sign answers a challenge. The signature has 64 bytes.
func (u *UnlockKey) Sign(c ChallengeClaim) []byte { return ed25519.Sign(u.sign, c.encode()) }
