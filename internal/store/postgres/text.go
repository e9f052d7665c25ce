package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgtype"
)

// PostgreSQL keeps neither U+0000 nor what is no UTF-8 in a text; SQLite keeps both. So that both twins keep, find and
// sort the same, such a character is kept behind a mark, U+0001, and so is the mark itself. Byte by byte the order
// stays what it was: U+0000 becomes U+0001 U+0001, U+0001 becomes U+0001 U+0002, and the next above both is U+0002.
// Only of what is no UTF-8, which no JSON brings, the order among others changes.
const (
	mark     = '\x01'
	markZero = '\x01'
	markMark = '\x02'
	markLong = '\x03'
)

// encode is a text as it is kept.
func encode(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == 0:
			b.WriteRune(mark)
			b.WriteRune(markZero)
		case r == mark:
			b.WriteRune(mark)
			b.WriteRune(markMark)
		case r == utf8.RuneError && n == 1: // a byte from 0x80 on, kept as the character of that number
			b.WriteRune(mark)
			b.WriteRune(rune(s[i]))
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// plain tells whether a text is kept as it is.
func plain(s string) bool {
	ascii := true
	for i := range len(s) {
		if s[i] <= mark {
			return false
		}
		ascii = ascii && s[i] < utf8.RuneSelf
	}
	return ascii || utf8.ValidString(s)
}

func decode(s string) string {
	if strings.IndexByte(s, mark) < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != mark {
			b.WriteByte(s[i])
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i+1:])
		i += n
		switch r {
		case markZero:
			b.WriteByte(0)
		case markMark:
			b.WriteByte(mark)
		default:
			b.WriteByte(byte(r))
		}
	}
	return b.String()
}

// maxKey is the longest key that is kept whole: an index of PostgreSQL takes 2,704 bytes of a row. A name of 1 KiB,
// which is as long as the account lets one be, can be three times as long once it is folded.
const (
	maxKey   = 2000
	shortKey = 1900
)

// indexed is a key as it is kept in an index: of a very long one the beginning and a digest, so that it is equal to
// itself alone, and sorts by its beginning.
func indexed(key string) string {
	key = encode(key)
	if len(key) <= maxKey {
		return key
	}
	end := shortKey
	for !utf8.RuneStart(key[end]) {
		end--
	}
	sum := sha256.Sum256([]byte(key))
	return key[:end] + string(mark) + string(markLong) + hex.EncodeToString(sum[:])
}

// afterPrefix is the least text, in the order of characters, above all that begin with prefix. In UTF-8 that is the
// order of bytes.
func afterPrefix(prefix string) (string, bool) {
	const surrogates, afterSurrogates = 0xd800, 0xe000
	for prefix != "" {
		r, n := utf8.DecodeLastRuneInString(prefix)
		prefix = prefix[:len(prefix)-n]
		if r++; r == surrogates {
			r = afterSurrogates
		}
		if r <= utf8.MaxRune {
			return prefix + string(r), true
		}
	}
	return "", false
}

// text reads a text as it was before it was kept.
type text string

// ScanText implements pgtype.TextScanner.
func (t *text) ScanText(v pgtype.Text) error {
	*t = text(decode(v.String))
	return nil
}

// millis reads a time: milliseconds since 1970; moment too, and 0 is no time.
type (
	millis time.Time
	moment time.Time
)

// ScanInt64 implements pgtype.Int64Scanner.
func (m *millis) ScanInt64(v pgtype.Int8) error {
	*m = millis(time.UnixMilli(v.Int64).UTC())
	return nil
}

// ScanInt64 implements pgtype.Int64Scanner.
func (m *moment) ScanInt64(v pgtype.Int8) error {
	*m = moment{}
	if v.Int64 != 0 {
		*m = moment(time.UnixMilli(v.Int64).UTC())
	}
	return nil
}

// momentOf is a time as it is kept; 0 is no time.
func momentOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// blob reads bytes; nil where there are none.
type blob []byte

// ScanBytes implements pgtype.BytesScanner.
func (b *blob) ScanBytes(v []byte) error {
	*b = nil
	if len(v) > 0 {
		*b = append(blob(nil), v...)
	}
	return nil
}

// bytesOf is never nil: what is empty is not NULL.
func bytesOf(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
