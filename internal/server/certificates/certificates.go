// Package certificates keeps the certificate with which the bridge itself terminates TLS. It is the administrator's own, in
// two files that may be replaced at any time (Files), or one that an ACME server such as Let's Encrypt issues and renews
// (ACME), proven by TLS-ALPN-01 on the bridge's own port or by DNS-01 in the zone of the domain (package zone).
//
// Whatever goes wrong with a newer certificate, the one that is there goes on being served; State says what is wrong.
//
// What ACME issues is kept in a Storage: in memory, in a folder, or on a Shelf that all replicas of a bridge share,
// sealed by what only they know. With a shared one the first replica orders and the others take what it got; the challenge may
// reach any of them. Where the shelf cannot be reached each replica goes on with what it has itself, and orders for itself
// if it has nothing.
//
// The package knows no settings by name, no health report and no HTTP handler.
package certificates

import (
	"crypto/tls"
	"time"
)

// State is how it stands with the certificate.
type State struct {
	From    time.Time // when the one that is served became valid
	Expires time.Time // when it ends; zero: there is none yet
	Problem error     // why there is none, or no newer one; nil: all is well
}

// config is how the bridge speaks TLS: 1.2 and 1.3 with the cipher suites that Go holds for good, HTTP/2 before HTTP/1.1.
func config(get func(*tls.ClientHelloInfo) (*tls.Certificate, error), more ...string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: get, NextProtos: append([]string{"h2", "http/1.1"}, more...)}
}
