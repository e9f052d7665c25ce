package keyset

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

const (
	tokenPrefix  = "scb_"
	keyIDSize    = 8 // characters
	secretText   = 43
	checksumSize = 6
	tokenSize    = len(tokenPrefix) + keyIDSize + 1 + secretText + checksumSize
)

var lower32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

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

// Format redacts whatever the verb is.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }
