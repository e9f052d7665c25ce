package keyset

import (
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
)

const (
	secretSize = 32           // bytes of tokens, keys and seeds
	hidden     = "[secret]"   // what is shown of a secret
	overhead   = 12 + tagSize // of what AES-256-GCM seals: nonce and tag
	tagSize    = 16
)

var url64 = base64.RawURLEncoding.Strict()

// redacted is embedded in whatever must not be shown: no verb of fmt, no log and no encoder gets more than hidden.
type redacted struct{}

// String redacts.
func (redacted) String() string { return hidden }

// GoString redacts.
func (redacted) GoString() string { return hidden }

// Format redacts whatever the verb is; %d would print the bytes otherwise.
func (redacted) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue redacts.
func (redacted) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText redacts, in JSON too.
func (redacted) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// derive is HKDF-SHA256 to 32 bytes.
func derive(secret, salt []byte, info string) ([secretSize]byte, error) {
	var out [secretSize]byte
	key, err := hkdf.Key(sha256.New, secret, salt, info, secretSize)
	copy(out[:], key)
	return out, err
}

func equal(a, b [secretSize]byte) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }

func isZero(b [secretSize]byte) bool { return equal(b, [secretSize]byte{}) }
