package schema

import (
	"strconv"
	"strings"

	"github.com/scimbridge/scimbridge/scim"
)

// Limits on values. They keep one person's document, which is stored whole and read with every list, in bounds.
const (
	// MaxString is the longest string in bytes: a postal address has 200, a role that is a JSON document 2,000.
	MaxString = 16 << 10
	// MaxBinary is the longest binary value or reference in bytes: certificates have 4 KiB, pictures are now and
	// then sent as data URIs.
	MaxBinary = 256 << 10
	// MaxElements is how many values a multi-valued attribute may have, a group's members excepted: these are
	// bounded by the size of the request.
	MaxElements = 1000
	// MaxNumber is the longest number in bytes, enough for 64 decimal digits.
	MaxNumber = 72
	// maxExponent is the largest power of ten in a decimal; beyond it comparing would cost what the text does not show.
	maxExponent = 308
)

// scalar coerces a value that is not complex; v is neither null nor "".
func scalar(t Target, a *Attribute, v any) (any, error) {
	switch x := v.(type) {
	case string:
		return text(t, a, x, v)
	case bool:
		if a.Type == Boolean {
			return v, nil
		}
	case scim.Number:
		if a.Type == Integer || a.Type == Decimal {
			if !number(a.Type, string(x)) {
				return nil, invalid(t, "must be %s within limits, not %s", wanted(a), short(string(x)))
			}
			return v, nil
		}
	}
	return nil, invalid(t, "must be %s, not %s", wanted(a), scim.Kind(v))
}

// text coerces a string; v is s as it came, so that it need not be boxed anew.
func text(t Target, a *Attribute, s string, v any) (any, error) {
	limit := MaxString
	if a.Type == Binary || a.Type == Reference {
		limit = MaxBinary
	}
	if len(s) > limit {
		return nil, invalid(t, "has %d bytes; at most %d are accepted", len(s), limit)
	}
	switch a.Type {
	case String:
		if a.Required && strings.TrimSpace(s) == "" {
			return nil, nil
		}
		return canonicalValue(a, s, v), nil
	case Reference: // clients send text of any kind where a URI belongs, Microsoft's validator random letters
		return v, nil
	case Boolean:
		switch {
		case scim.EqualName(s, "true"):
			return true, nil
		case scim.EqualName(s, "false"):
			return false, nil
		}
	case DateTime:
		if _, err := scim.ParseTime(s); err == nil {
			return v, nil
		}
	case Binary:
		if base64(s) {
			return v, nil
		}
	}
	return nil, invalid(t, "must be %s, not %q", wanted(a), short(s))
}

// canonicalValue gives a suggested value the schema's spelling (RFC 7643 §2.4), others stay as they are.
func canonicalValue(a *Attribute, s string, v any) any {
	if a.CaseExact {
		return v
	}
	for _, c := range a.CanonicalValues {
		if s == c {
			return v
		}
		if scim.EqualName(s, c) {
			return c
		}
	}
	return v
}

// number checks a JSON number. Integers have neither fraction nor exponent (RFC 7643 §2.3.4).
func number(typ Type, s string) bool {
	if len(s) > MaxNumber {
		return false
	}
	if typ == Integer {
		return !strings.ContainsAny(s, ".eE")
	}
	i := strings.IndexAny(s, "eE")
	if i < 0 {
		return true
	}
	e, err := strconv.Atoi(s[i+1:])
	return err == nil && -maxExponent <= e && e <= maxExponent
}

// base64 checks a binary value (RFC 7643 §2.3.6): the standard or the URL alphabet, with or without padding; line
// breaks are accepted.
func base64(s string) bool {
	digits, padding, std, url := 0, 0, false, false
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\r' || c == '\n':
			continue
		case c == '=':
			padding++
			continue
		case c == '+' || c == '/':
			std = true
		case c == '-' || c == '_':
			url = true
		case 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9':
		default:
			return false
		}
		if padding > 0 {
			return false
		}
		digits++
	}
	if padding > 0 && (padding > 2 || (digits+padding)%4 != 0) {
		return false
	}
	return digits > 0 && digits%4 != 1 && !(std && url)
}

// wanted names what an attribute takes, for messages.
func wanted(a *Attribute) string {
	switch a.Type {
	case Boolean:
		return "true or false"
	case Integer:
		return "an integer without fraction and exponent"
	case Decimal:
		return "a number"
	case DateTime:
		return "a dateTime such as 2026-01-31T12:00:00Z"
	case Binary:
		return "base64 text"
	case Complex:
		return "an object"
	}
	return "a string"
}
