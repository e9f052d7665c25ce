package certificates

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// The lengths of a name in the DNS (RFC 1035 §2.3.4), as written with dots.
const (
	longestName  = 253
	longestLabel = 63
)

// ErrDomain means that a text is no domain that a certificate could be for.
var ErrDomain = errors.New("no domain")

// Domain checks the name that people gave for their bridge, and returns it in lower case.
func Domain(text string) (string, error) {
	name := strings.ToLower(strings.TrimSuffix(text, "."))
	_, addr := netip.ParseAddr(strings.Trim(name, "[]"))
	labels := strings.Split(name, ".")
	switch {
	case strings.Contains(name, "/"), strings.Contains(name, ":") && addr != nil:
		return "", fmt.Errorf("%q is %w but a URL or has a port. Write the name alone, such as scim.example.com", text, ErrDomain)
	case addr == nil:
		return "", fmt.Errorf("%q is %w but an address. Write the name by which identity providers reach the bridge, such as scim.example.com", text, ErrDomain)
	case strings.HasPrefix(name, "*"):
		return "", fmt.Errorf("%q is %w of one host. Write the bridge's own name, such as scim.example.com", text, ErrDomain)
	case len(labels) < 2, len(name) > longestName:
		return "", fmt.Errorf("%q is %w as the world knows it. Write the whole name, such as scim.example.com", text, ErrDomain)
	}
	for _, label := range labels {
		if !proper(label) {
			return "", fmt.Errorf("%q is %w: its part %q is not made of letters, digits and hyphens. Names in other letters are written in their ASCII form, xn--…", text, ErrDomain, label)
		}
	}
	return name, nil
}

func proper(label string) bool {
	for i := range len(label) {
		c := label[i]
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' && i > 0 && i < len(label)-1) {
			return false
		}
	}
	return label != "" && len(label) <= longestLabel
}
