// Package keyset holds the credentials of an integration: the scimsession, a file with the integration's keys,
// sealed, and the bearer token that unseals it. Neither alone is of use.
//
// # Bearer token
//
//	scb_ kkkkkkkk _ sssssssssssssssssssssssssssssssssssssssssss cccccc
//
// Key id k: 8 characters of lower-case base32 (RFC 4648, a-z 2-7), 40 random bits; it names the token in logs.
// Secret s: 32 random bytes in base64url without padding, 43 characters. Checksum c: the first 30 bits of
// SHA-256("scimbridge bearer token 1" ‖ all before it) in lower-case base32, so that a token that was cut or mistyped
// is recognised without trying it. Only this spelling is accepted.
//
// # scimsession
//
// A JSON object of exactly these members, in this order, without white space:
//
//	format       "scimbridge scimsession"
//	version      1
//	suite        "HKDF-SHA256/AES-256-GCM"
//	account      id of the account
//	integration  id of the integration
//	generation   number of the credentials, from 1; newer ones end older ones
//	url          of the account service; empty: the account lives in the bridge's own process
//	created      RFC 3339, UTC, whole seconds
//	token        key id of the token that opens the file
//	peer         32 random bytes that replicas share while locked; the reason to keep the file itself secret
//	salt         32 random bytes
//	key          nonce and sealed file key
//	payload      nonce and sealed payload
//
// Bytes are base64url without padding. The file key is 32 random bytes, sealed with AES-256-GCM under
// HKDF-SHA256(secret of the token, salt, "scimbridge scimsession key 1"); the payload is sealed under the file key.
// The associated data of both is a label of its own followed by every member before salt, each with its length as
// 8 bytes, so that nothing in the file can be changed or moved to another one. The payload is the integration's seed
// followed by its invitation key, 32 bytes each.
//
// Keys for other purposes come from the seed: HKDF-SHA256(seed, no salt, "scimbridge derive 1" ‖ purpose).
//
// Parsing is strict: a file or token that is not byte by byte what this package would write is refused.
package keyset

import (
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Sentinels.
var (
	ErrTokenFormat   = errors.New("this is no bearer token of a bridge: it begins with scb_ and has 62 characters. Copy it again")
	ErrTokenChecksum = errors.New("the bearer token is incomplete or mistyped: its checksum is wrong. Copy it again")
	ErrWrongToken    = errors.New("the bearer token is not the one of this scimsession")
	ErrAltered       = errors.New("the scimsession has been altered or damaged")
	ErrFormat        = errors.New("this is no scimsession")
	ErrVersion       = errors.New("the scimsession is of a version that this program does not know")
	ErrNoSession     = errors.New("no scimsession")
	// ErrForeignSession tells what to do with a scimsession of the original.
	ErrForeignSession = errors.New("this is a scimsession of 1Password's, which only 1Password's bridge can use. Make one with \"scimbridge credentials new\", put it in the place of this one, and give the identity provider the new bearer token")
	// ErrTokenInstead means that the token stands where the file belongs.
	ErrTokenInstead = errors.New("this is a bearer token, and the scimsession belongs here, the file that \"scimbridge credentials new\" wrote. The token goes to the identity provider")
)

const (
	secretSize   = 32 // bytes of tokens, keys and seeds
	tokenPrefix  = "scb_"
	keyIDSize    = 8 // characters
	secretText   = 43
	checksumSize = 6
	tokenSize    = len(tokenPrefix) + keyIDSize + 1 + secretText + checksumSize
)

var (
	lower32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
	url64   = base64.RawURLEncoding.Strict()
)

// Token is a bearer token. Its text is shown by Reveal only.
type Token struct {
	keyID  string
	secret [secretSize]byte
}

// NewToken makes a token.
func NewToken(rand io.Reader) (Token, error) {
	var t Token
	var id [5]byte
	if _, err := io.ReadFull(rand, id[:]); err != nil {
		return t, fmt.Errorf("random token: %w", err)
	}
	if _, err := io.ReadFull(rand, t.secret[:]); err != nil {
		return t, fmt.Errorf("random token: %w", err)
	}
	t.keyID = lower32.EncodeToString(id[:])
	return t, nil
}

// ParseToken reads a token. ErrTokenFormat, ErrTokenChecksum.
func ParseToken(text string) (Token, error) {
	var t Token
	if !strings.HasPrefix(text, tokenPrefix) || len(text) != tokenSize {
		return t, ErrTokenFormat
	}
	body, sum := text[:tokenSize-checksumSize], text[tokenSize-checksumSize:]
	id, secret := body[len(tokenPrefix):len(tokenPrefix)+keyIDSize], body[len(body)-secretText:]
	if _, err := lower32.DecodeString(id); err != nil || body[len(tokenPrefix)+keyIDSize] != '_' {
		return t, ErrTokenFormat
	}
	if subtle.ConstantTimeCompare([]byte(sum), []byte(checksum(body))) != 1 {
		return t, ErrTokenChecksum
	}
	raw, err := url64.DecodeString(secret)
	if err != nil || len(raw) != secretSize {
		return t, ErrTokenFormat
	}
	t.keyID = id
	copy(t.secret[:], raw)
	return t, nil
}

func checksum(body string) string {
	sum := sha256.Sum256([]byte("scimbridge bearer token 1" + body))
	return lower32.EncodeToString(sum[:])[:checksumSize]
}

// KeyID names the token without telling it.
func (t Token) KeyID() string { return t.keyID }

// Reveal returns the text, for the one moment in which it is handed over.
func (t Token) Reveal() string {
	body := tokenPrefix + t.keyID + "_" + url64.EncodeToString(t.secret[:])
	return body + checksum(body)
}

// String redacts.
func (t Token) String() string { return tokenPrefix + t.keyID + "_[secret]" }

// GoString redacts.
func (t Token) GoString() string { return t.String() }

// LogValue redacts.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText redacts, in JSON too.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// derive is HKDF-SHA256 to 32 bytes.
func derive(secret, salt []byte, label string) ([secretSize]byte, error) {
	var out [secretSize]byte
	key, err := hkdf.Key(sha256.New, secret, salt, label, secretSize)
	copy(out[:], key)
	return out, err
}
