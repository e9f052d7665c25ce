package keyset

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"strings"
)

const (
	secretKeyPrefix  = "S1" // the version
	secretKeyLetters = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
	secretKeyAccount = 6  // characters that tell the account
	secretKeySize    = 26 // random characters: 128.8 bits

	secretKeyAccountLabel = "scimbridge secret key account 1"
)

// secretKeyGroups are the lengths of the groups between hyphens.
var secretKeyGroups = []int{len(secretKeyPrefix), secretKeyAccount, 6, 5, 5, 5, 5}

// SecretKey is the half of a person's sign-in that nobody can guess; the password is the other. It is made by the
// person's own program and never sent. Reveal shows it. The zero value is none.
type SecretKey struct {
	redacted
	account [secretKeyAccount]byte // letters made of the account's id
	secret  [secretKeySize]byte    // random letters
}

// NewSecretKey draws a Secret Key.
func NewSecretKey(account string, rand io.Reader) (SecretKey, error) {
	k := SecretKey{account: accountLetters(account)}
	// 248 is the greatest multiple of 31 that a byte holds; greater ones would prefer some letters.
	const limit = 256 - 256%len(secretKeyLetters)
	var b [1]byte
	for i := 0; i < secretKeySize; {
		if _, err := io.ReadFull(rand, b[:]); err != nil {
			return SecretKey{}, fmt.Errorf("random Secret Key: %w", err)
		}
		if int(b[0]) < limit {
			k.secret[i] = secretKeyLetters[int(b[0])%len(secretKeyLetters)]
			i++
		}
	}
	return k, nil
}

// accountLetters makes of an account's id letters of the alphabet, so that a Secret Key of another account is
// recognised before anything is tried. They are a hash: ids hold letters that people mistake.
func accountLetters(account string) [secretKeyAccount]byte {
	sum := sha256.Sum256(appendList(nil, secretKeyAccountLabel, account))
	var out [secretKeyAccount]byte
	for i := range out {
		out[i] = secretKeyLetters[int(sum[i])%len(secretKeyLetters)]
	}
	return out
}

// ParseSecretKey reads a Secret Key as a person types it: lower case will do, and hyphens may be left out.
// ErrSecretKey.
func ParseSecretKey(text string) (SecretKey, error) {
	var k SecretKey
	plain := asciiUpper(strings.ReplaceAll(text, "-", ""))
	body, ok := strings.CutPrefix(plain, secretKeyPrefix)
	if !ok || len(body) != secretKeyAccount+secretKeySize {
		return k, ErrSecretKey
	}
	for _, c := range []byte(body) {
		if strings.IndexByte(secretKeyLetters, c) < 0 {
			return k, ErrSecretKey
		}
	}
	copy(k.account[:], body)
	copy(k.secret[:], body[secretKeyAccount:])
	if !onlyHyphensMissing(asciiUpper(text), k.Reveal()) {
		return SecretKey{}, ErrSecretKey
	}
	return k, nil
}

// asciiUpper leaves letters alone that Unicode would turn into others.
func asciiUpper(text string) string {
	b := []byte(text)
	for i, c := range b {
		if c >= 'a' && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}

// onlyHyphensMissing tells whether a text is the canonical one but for hyphens that were left out.
func onlyHyphensMissing(text, canonical string) bool {
	for i := range len(canonical) {
		if text != "" && text[0] == canonical[i] {
			text = text[1:]
		} else if canonical[i] != '-' {
			return false
		}
	}
	return text == ""
}

// Reveal returns the text, for showing it once and for the emergency kit.
func (k SecretKey) Reveal() string {
	letters := secretKeyPrefix + string(k.account[:]) + string(k.secret[:])
	groups := make([]string, len(secretKeyGroups))
	for i, n := range secretKeyGroups {
		groups[i], letters = letters[:n], letters[n:]
	}
	return strings.Join(groups, "-")
}

// Equal compares in constant time.
func (k SecretKey) Equal(other SecretKey) bool {
	return subtle.ConstantTimeCompare(k.account[:], other.account[:])&subtle.ConstantTimeCompare(k.secret[:], other.secret[:]) == 1
}

// Fits tells whether the Secret Key was made for an account.
func (k SecretKey) Fits(account string) bool { return k.account == accountLetters(account) }
