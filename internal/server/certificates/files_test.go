package certificates_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/server/certificates"
)

// pair is a certificate that signs itself and its key, in PEM.
type pair struct {
	cert, key []byte
	leaf      *x509.Certificate
}

func newPair(t *testing.T, change func(*x509.Certificate)) pair {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<60))
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "a test"}, DNSNames: []string{"scim.example.com"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if change != nil {
		change(template)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	leaf, err := x509.ParseCertificate(der)
	must(t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	return pair{pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), leaf}
}

// put writes files of a folder in place.
func put(t *testing.T, dir string, p pair) (cert, key string) {
	t.Helper()
	cert, key = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	must(t, os.WriteFile(cert, p.cert, 0o600))
	must(t, os.WriteFile(key, p.key, 0o600))
	return cert, key
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// TestFilesAtStart: what is of no use at the start is refused with a sentence that says what to do.
func TestFilesAtStart(t *testing.T) {
	t.Parallel()
	good, other := newPair(t, nil), newPair(t, func(c *x509.Certificate) { c.DNSNames = []string{"a.example.com", "b.example.com"} })
	nameless := newPair(t, func(c *x509.Certificate) { c.DNSNames, c.Subject.CommonName = nil, "" })
	wildcard := newPair(t, func(c *x509.Certificate) { c.DNSNames = []string{"*.example.com"} })
	old := newPair(t, func(c *x509.Certificate) { c.DNSNames, c.Subject.CommonName = nil, "SCIM.example.com" })
	sealed := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")})
	for _, c := range []struct {
		name      string
		cert, key []byte
		want      string // "": it is taken
	}{
		{"right", good.cert, good.key, ""},
		{"a wildcard", wildcard.cert, wildcard.key, ""},
		{"a common name only", old.cert, old.key, ""},
		{"followed by another", append(append([]byte{}, good.cert...), other.cert...), good.key, ""},
		{"after another", append(append([]byte{}, other.cert...), good.cert...), good.key, "private key does not match public key"},
		{"another's key", good.cert, other.key, "private key does not match public key"},
		{"changed over", good.key, good.cert, "may have been switched"},
		{"empty", nil, good.key, "failed to find any PEM data in certificate input"},
		{"half", good.cert[:len(good.cert)/2], good.key, "are not a certificate and its private key in PEM"},
		{"key with a password", good.cert, sealed, "is protected by a password. Write it without one"},
		{"for others", other.cert, other.key, "is for a.example.com, b.example.com and not for scim.example.com. Put one for scim.example.com there"},
		{"for nobody", nameless.cert, nameless.key, "names no domain, and scim.example.com is wanted"},
	} {
		cert, key := put(t, t.TempDir(), pair{cert: c.cert, key: c.key})
		f, err := certificates.OpenFiles(certificates.FilesConfig{Cert: cert, Key: key, Domain: "scim.example.com", Log: discard()})
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		case c.want == "" && f.State().Problem != nil:
			t.Errorf("%s: %v", c.name, f.State().Problem)
		}
		if err != nil && strings.Contains(err.Error(), "BEGIN") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	cert, key := put(t, t.TempDir(), good)
	for want, c := range map[string]certificates.FilesConfig{
		"the certificate: open /nowhere": {Cert: "/nowhere", Key: key}, "its private key: open /nowhere": {Cert: cert, Key: "/nowhere"},
	} {
		if _, err := certificates.OpenFiles(c); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// watched is Files that run, and what they log.
func watched(t *testing.T, cert, key string) (*certificates.Files, *lines) {
	t.Helper()
	log := &lines{}
	f, err := certificates.OpenFiles(certificates.FilesConfig{Cert: cert, Key: key, Domain: "scim.example.com", Log: slog.New(slog.NewTextHandler(log, nil))})
	must(t, err)
	f.Hurry()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return f, log
}

func served(t *testing.T, f *certificates.Files) *x509.Certificate {
	t.Helper()
	c, err := f.Config().GetCertificate(nil)
	must(t, err)
	return c.Leaf
}

// TestFilesReplaced: a pair that is half written, does not fit together or is for another name is said, and the one before
// stays, until the new one is whole.
func TestFilesReplaced(t *testing.T) {
	t.Parallel()
	first, second := newPair(t, nil), newPair(t, nil)
	other := newPair(t, func(c *x509.Certificate) { c.DNSNames = []string{"other.example.com"} })
	dir := t.TempDir()
	cert, key := put(t, dir, first)
	f, log := watched(t, cert, key)
	for _, wrong := range []struct {
		name string
		make func()
		want string
	}{
		{"half", func() { must(t, os.WriteFile(cert, second.cert[:100], 0o600)) }, "are not a certificate"},
		{"one of two", func() { must(t, os.WriteFile(cert, second.cert, 0o600)) }, "does not match"},
		{"for another", func() { put(t, dir, other) }, "is for other.example.com and not for scim.example.com"},
		{"gone", func() { must(t, os.Remove(key)) }, "no such file"},
	} {
		wrong.make()
		eventually(t, wrong.name, func() bool {
			return f.State().Problem != nil && strings.Contains(f.State().Problem.Error(), wrong.want)
		})
		if !served(t, f).Equal(first.leaf) {
			t.Errorf("%s: another certificate is served", wrong.name)
		}
		put(t, dir, first)
		eventually(t, "as before", func() bool { return f.State().Problem == nil })
	}
	put(t, dir, second)
	eventually(t, "the second", func() bool { return served(t, f).Equal(second.leaf) && f.State().Problem == nil })
	if !f.State().Expires.Equal(second.leaf.NotAfter) {
		t.Error(f.State())
	}
	for _, line := range []string{`level=WARN msg="the certificate's files are not right, and the certificate before them stays"`, `msg="certificate read anew"`} {
		if !strings.Contains(log.String(), line) {
			t.Errorf("the log lacks %s:\n%s", line, log)
		}
	}
}

// TestFilesUnderLoad replaces the certificate again and again, as Kubernetes does it, as an administrator does, and as
// certbot does, while clients connect without pause: none is turned away, and each of them gets one of the certificates.
func TestFilesUnderLoad(t *testing.T) {
	t.Parallel()
	const rounds, clients = 60, 4
	pairs := []pair{newPair(t, nil), newPair(t, nil)}
	mount := t.TempDir()
	roots := x509.NewCertPool()
	for i, p := range pairs {
		folder := filepath.Join(mount, "..round"+string(rune('0'+i)))
		must(t, os.Mkdir(folder, 0o700))
		put(t, folder, p)
		roots.AddCert(p.leaf)
	}
	// A secret's mount: the files are links into ..data, which is a link to the folder of the day.
	turn := func(to int) {
		must(t, os.Symlink("..round"+string(rune('0'+to)), filepath.Join(mount, "..next")))
		must(t, os.Rename(filepath.Join(mount, "..next"), filepath.Join(mount, "..data")))
	}
	turn(0)
	cert, key := filepath.Join(mount, "tls.crt"), filepath.Join(mount, "tls.key")
	must(t, os.Symlink("..data/tls.crt", cert))
	must(t, os.Symlink("..data/tls.key", key))
	f, _ := watched(t, cert, key)
	l := listen(t)
	h := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }), TLSConfig: f.Config(), ReadHeaderTimeout: time.Minute}
	go func() { _ = h.ServeTLS(l, "", "") }()
	t.Cleanup(func() { _ = h.Close() })

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var work sync.WaitGroup
	var requests, failed atomic.Int64
	for range clients {
		work.Go(func() {
			for ctx.Err() == nil {
				c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "scim.example.com", MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}}
				res, err := c.Get("https://" + l.Addr().String())
				requests.Add(1)
				if err != nil {
					failed.Add(1)
					t.Error(err)
					return
				}
				_ = res.Body.Close()
			}
		})
	}
	replace := []func(int){
		turn,
		func(to int) { // in place, one after the other
			put(t, mount, pairs[to])
		},
		func(to int) { // renamed over
			for path, text := range map[string][]byte{cert: pairs[to].cert, key: pairs[to].key} {
				must(t, os.WriteFile(path+".new", text, 0o600))
				must(t, os.Rename(path+".new", path))
			}
		},
	}
	for round := range rounds {
		to := (round + 1) % len(pairs)
		replace[round*len(replace)/rounds](to)
		eventually(t, "the other certificate", func() bool { return served(t, f).Equal(pairs[to].leaf) })
	}
	eventually(t, "requests", func() bool { return requests.Load() > rounds })
	cancel()
	work.Wait()
	t.Logf("%d connections, %d failed, %d certificates", requests.Load(), failed.Load(), rounds)
}

func TestDomain(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"scim.example.com": "scim.example.com", "SCIM.Example.COM.": "scim.example.com", "xn--bcher-kva.example": "xn--bcher-kva.example", "a-b.c1.example": "a-b.c1.example",
	} {
		if got, err := certificates.Domain(in); err != nil || got != want {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
	for in, want := range map[string]string{
		"https://scim.example.com": "a URL", "scim.example.com/scim": "a URL", "scim.example.com:8443": "has a port", "192.0.2.1": "an address", "::1": "an address", "[::1]": "an address",
		"*.example.com": "of one host", "localhost": "the whole name", "": "the whole name", "1": "the whole name", "bücher.example": "xn--", "a..b": `part ""`, "-a.example": `part "-a"`,
		"a_b.example": `part "a_b"`, "a b.example": "not made of letters", strings.Repeat("a.", 130) + "example": "the whole name", strings.Repeat("a", 64) + ".example": "not made of",
	} {
		if _, err := certificates.Domain(in); !errors.Is(err, certificates.ErrDomain) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
}

// FuzzDomain: what is taken is taken again as it is, and is a name that a certificate can be for.
func FuzzDomain(f *testing.F) {
	for _, text := range []string{"scim.example.com", "SCIM.Example.COM.", "xn--bcher-kva.example", "192.0.2.1", "https://a.example/"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		name, err := certificates.Domain(text)
		if err != nil {
			return
		}
		if again, err := certificates.Domain(name); err != nil || again != name {
			t.Errorf("%q: %q, then %q, %v", text, name, again, err)
		}
		if err := (&x509.Certificate{DNSNames: []string{name}}).VerifyHostname(name); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}
