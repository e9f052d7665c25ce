package program

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Certificates are files in PEM for a service on 127.0.0.1, other addresses, and names below example.com. Whoever has SSL_CERT_FILE at CA trusts it.
type Certificates struct{ CA, Cert, Key string }

// MakeCertificates makes an authority, and a certificate by it, in a folder; more are further addresses of the service.
func MakeCertificates(dir string, more ...net.IP) (Certificates, error) {
	c := Certificates{filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	now := time.Now()
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Authority of a test"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "Account service of a test"}, NotBefore: root.NotBefore, NotAfter: root.NotAfter,
		DNSNames: []string{"*.example.com"}, IPAddresses: append([]net.IP{net.IPv4(127, 0, 0, 1)}, more...), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	authority, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	key, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err := errors.Join(err1, err2); err != nil {
		return c, err
	}
	rootDER, err1 := x509.CreateCertificate(rand.Reader, root, root, &authority.PublicKey, authority)
	leafDER, err2 := x509.CreateCertificate(rand.Reader, leaf, root, &key.PublicKey, authority)
	keyDER, err3 := x509.MarshalPKCS8PrivateKey(key)
	return c, errors.Join(err1, err2, err3, write(c.CA, "CERTIFICATE", rootDER), write(c.Cert, "CERTIFICATE", leafDER), write(c.Key, "PRIVATE KEY", keyDER))
}

func write(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
