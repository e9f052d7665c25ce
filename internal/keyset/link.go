package keyset

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

const (
	joinPath = "/join/"
	// rootPrintText is the length of a root's fingerprint in a link, in characters.
	rootPrintText = 22
)

// Link is what the person opens: ORIGIN/join/ACCOUNT.USER.NUMBER#SECRET.ROOT, with the secret as 43 characters of base64url
// and the fingerprint of the account's root as 22 more; without .ROOT where the invitation pins none. A browser sends
// nothing from # on to a server.
func (i Invitation) Link(origin string) string {
	link := strings.TrimSuffix(origin, "/") + joinPath + i.Ref() + "#" + url64.EncodeToString(i.secret[:])
	if i.Pins() {
		link += "." + url64.EncodeToString(i.root[:])
	}
	return link
}

// ParseLink reads a link, whole and as Link wrote it. The origin is scheme, host and port: https, or http on this
// machine. ErrLink, with the reason; never with the secret.
func ParseLink(text string) (origin string, i Invitation, err error) {
	rest, secret, found := strings.Cut(text, "#")
	u, err := url.Parse(rest)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.User != nil || strings.HasSuffix(u.Host, ":") {
		return "", i, fmt.Errorf("%w: it is no address of a web page", ErrLink)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return "", i, fmt.Errorf("%w: it does not begin with https://", ErrLink)
	}
	ref, ok := strings.CutPrefix(u.Path, joinPath)
	if !ok || !i.parseRef(ref) {
		return "", Invitation{}, fmt.Errorf("%w: its path is not that of an invitation", ErrLink)
	}
	secret, root, pinned := strings.Cut(secret, ".")
	raw, err := url64.DecodeString(secret)
	print, rootErr := url64.DecodeString(root)
	const whole = secretText + len(".") + rootPrintText
	switch {
	case !found || secret == "":
		return "", Invitation{}, fmt.Errorf("%w: the part after # is missing; mail programs cut it off now and then. Copy the whole link", ErrLink)
	case len(secret) < secretText:
		return "", Invitation{}, fmt.Errorf("%w: the part after # has %d of %d characters; mail programs cut links now and then. Copy the whole link", ErrLink, len(secret), secretText)
	case pinned && len(root) < rootPrintText:
		return "", Invitation{}, fmt.Errorf("%w: the part after # has %d of %d characters; mail programs cut links now and then. Copy the whole link", ErrLink, len(secret)+len(".")+len(root), whole)
	case err != nil || len(raw) != secretSize || pinned && (rootErr != nil || len(print) != rootPrintSize):
		return "", Invitation{}, fmt.Errorf("%w: the part after # is not as it was sent. Copy the link again", ErrLink)
	}
	i.secret = [secretSize]byte(raw)
	copy(i.root[:], print)
	origin = u.Scheme + "://" + u.Host
	if i.Link(origin) != text {
		return "", Invitation{}, fmt.Errorf("%w: it is not as it was sent. Copy the link again", ErrLink)
	}
	return origin, i, nil
}

// parseRef reads what Ref writes.
func (i *Invitation) parseRef(ref string) bool {
	parts := strings.Split(ref, ".")
	if len(parts) != 3 {
		return false
	}
	n, err := strconv.ParseInt(parts[2], 10, 32)
	i.account, i.user, i.number = parts[0], parts[1], int(n)
	return err == nil && i.valid() && i.Ref() == ref
}

// loopback tells whether a host is this machine: nobody else reads what goes there without TLS.
func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
