package account

import (
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

var idEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// idBytes are 48 bits of milliseconds since 1970 and 80 random bits: new ids stand beside each other in an index,
// and nobody guesses one.
const idBytes = 16

// NewID makes an id of 26 characters, lower-case base32.
func NewID(now time.Time, rand io.Reader) (string, error) {
	var b [idBytes]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli())<<16) //nolint:gosec // not before 1970
	if _, err := io.ReadFull(rand, b[6:]); err != nil {
		return "", fmt.Errorf("random id: %w", err)
	}
	return idEncoding.EncodeToString(b[:]), nil
}

// IsID tells whether a text has the form of an id.
func IsID(s string) bool {
	const characters = 26
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return false
		}
	}
	return len(s) == characters
}

// checkID refuses what is no id.
func checkID(id string) error {
	if !IsID(id) {
		return &InvalidError{"id", "must be 26 characters of lower-case base32"}
	}
	return nil
}

// idTaken names what a store says of an id that is there already.
func idTaken(err error) error {
	if errors.Is(err, ErrIDTaken) {
		return &InvalidError{"id", "is taken"}
	}
	return err
}

// Fold returns the key by which names are compared: lower case, of one width, in Unicode's normalization form C, as
// PRECIS UsernameCaseMapped maps (RFC 8265 §3.3). Unlike PRECIS it refuses nothing.
func Fold(s string) string {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return norm.NFC.String(strings.ToLower(norm.NFC.String(width.Fold.String(s))))
		}
	}
	return strings.ToLower(s)
}
