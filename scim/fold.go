package scim

import (
	"strings"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// Fold returns the key by which text of caseExact false is compared: two texts are the same value when their keys are
// equal. Keys are in lower case, of one width and in Unicode's normalization form C, the mappings of PRECIS
// UsernameCaseMapped (RFC 8265 §3.3) that RFC 7643 §4.1.1 asks for userName; unlike PRECIS, Fold refuses nothing.
// Lower-case ASCII is returned as it is, without allocating.
func Fold(s string) string {
	upper := false
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 0x80:
			return norm.NFC.String(strings.ToLower(norm.NFC.String(width.Fold.String(s))))
		case 'A' <= c && c <= 'Z':
			upper = true
		}
	}
	if !upper {
		return s
	}
	return strings.ToLower(s)
}

// EqualName compares attribute names and schema URNs, which are ASCII, without regard to case (RFC 7643 §2.1).
func EqualName(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	if a == b { // by far the commonest case, and cheaper by words than by bytes
		return true
	}
	for i := range len(a) {
		if a[i] != b[i] && lowerByte(a[i]) != lowerByte(b[i]) {
			return false
		}
	}
	return true
}

// LowerName returns the key by which attribute names and schema URNs are found: ASCII letters in lower case, all
// else as it is. Equal keys and EqualName are the same relation. What is in lower case is returned as it is.
func LowerName(name string) string {
	for i := range len(name) {
		if c := name[i]; c != lowerByte(c) {
			b := []byte(name)
			for j := i; j < len(b); j++ {
				b[j] = lowerByte(b[j])
			}
			return string(b)
		}
	}
	return name
}

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
