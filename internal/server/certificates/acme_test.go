package certificates_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/server/certificates"
	"github.com/scimbridge/scimbridge/internal/server/certificates/zone"
	"github.com/scimbridge/scimbridge/test/acme"
)

// domain is one of the test's own: the library keeps the challenges of a process by domain.
func domain(t *testing.T) string { return strings.ToLower(t.Name()) + ".example.com" }

// site is an HTTPS server on loopback with a certificate by ACME.
type site struct {
	*certificates.ACME
	domain, address string
	log             *lines
}

// lines is a log that a test may read.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// listen takes a port, which an ACME server has to know before the site is made.
func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pool is the certificates in a file.
func pool(t *testing.T, path string) *x509.CertPool {
	t.Helper()
	raw, err := os.ReadFile(path)
	must(t, err)
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(raw) {
		t.Fatal("no certificate in " + path)
	}
	return p
}

// serve makes a site and runs it with the test.
func serve(t *testing.T, l net.Listener, server *acme.Server, c certificates.ACMEConfig, dns func(ctx context.Context, server, name string) ([]string, error)) *site {
	t.Helper()
	s := &site{domain: domain(t), address: l.Addr().String(), log: &lines{}}
	c.Domain, c.Directory, c.Address = s.domain, server.Directory, l.Addr()
	c.Email = "ops@example.com" // the library takes one that it has met for all that have none
	if c.Roots == nil {
		c.Roots = pool(t, server.CA)
	}
	if c.Storage == nil {
		c.Storage = certificates.Memory()
	}
	c.Log, c.Trace = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug - 4})), slog.LevelDebug-4
	s.ACME = certificates.NewHurriedACME(c, dns)
	h := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }), TLSConfig: s.Config(),
		ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug),
	}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { _ = h.ServeTLS(l, "", "") })
	work.Go(func() { s.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		_ = h.Close()
		work.Wait()
		if t.Failed() {
			t.Logf("log of %s:\n%s", s.address, s.log)
		}
	})
	return s
}

// leaf is the certificate that a client is shown who trusts the roots and asks for the domain.
func (s *site) leaf(roots *x509.CertPool) (*x509.Certificate, error) {
	c, err := tls.Dial("tcp", s.address, &tls.Config{RootCAs: roots, ServerName: s.domain, MinVersion: tls.VersionTLS12})
	if err != nil {
		return nil, err
	}
	return c.ConnectionState().PeerCertificates[0], c.Close()
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	const patience = 90 * time.Second
	for begin := time.Now(); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Since(begin) > patience {
			t.Fatalf("%s: not after %s", what, patience)
		}
	}
}

// issued waits for a certificate that clients take.
func (s *site) issued(t *testing.T, roots *x509.CertPool) *x509.Certificate {
	t.Helper()
	var leaf *x509.Certificate
	eventually(t, "a certificate", func() bool {
		var err error
		leaf, err = s.leaf(roots)
		return err == nil
	})
	return leaf
}

// TestTLSALPN gets a certificate by the challenge on the bridge's own port, serves HTTP/2 with it, and shows it also to
// whoever names no domain. A second process with the same folder takes it without an order.
func TestTLSALPN(t *testing.T) {
	t.Parallel()
	l := listen(t)
	server := acme.Start(t, acme.Options{HTTPSPort: acme.Port(t, l.Addr().String())})
	dir := t.TempDir()
	storage, err := certificates.Folder(dir)
	must(t, err)
	s := serve(t, l, server, certificates.ACMEConfig{Storage: storage}, nil)
	roots := server.Roots()
	first := s.issued(t, roots)
	if first.VerifyHostname(s.domain) != nil || server.Issued() != 1 {
		t.Errorf("%v, %d issued", first.DNSNames, server.Issued())
	}
	if state := s.State(); !state.Expires.Equal(first.NotAfter) || !state.From.Equal(first.NotBefore) || state.Problem != nil {
		t.Errorf("state %+v of a certificate that ends %s", state, first.NotAfter)
	}
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: s.domain, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
	}}
	res, err := client.Get("https://" + s.address)
	must(t, err)
	body, err := io.ReadAll(res.Body)
	must(t, err)
	must(t, res.Body.Close())
	if string(body) != "HTTP/2.0" {
		t.Errorf("spoken: %s", body)
	}
	for name, c := range map[string]*tls.Config{
		"no name": {InsecureSkipVerify: true}, "another name": {InsecureSkipVerify: true, ServerName: "other.example.com"}, //nolint:gosec // which is shown is looked at
	} {
		c.MinVersion = tls.VersionTLS12
		conn, err := tls.Dial("tcp", s.address, c)
		if err != nil || !conn.ConnectionState().PeerCertificates[0].Equal(first) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := tls.Dial("tcp", s.address, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil { //nolint:gosec // that it is refused
		t.Error("TLS 1.1 was taken")
	}
	for _, line := range []string{`msg="a certificate is ordered"`, `msg="certificate issued"`, `msg="certificate in use"`, "renewal=false", "challenge=tls-alpn-01"} {
		if !strings.Contains(s.log.String(), line) {
			t.Errorf("the log lacks %s", line)
		}
	}
	if strings.Contains(s.log.String(), "PRIVATE KEY") {
		t.Error("a key is in the log")
	}

	other, err := certificates.Folder(dir)
	must(t, err)
	again := serve(t, listen(t), server, certificates.ACMEConfig{Storage: other}, nil)
	if second := again.issued(t, roots); !second.Equal(first) || server.Issued() != 1 {
		t.Errorf("after a restart another certificate, %d issued", server.Issued())
	}
}

// TestRenewal: a certificate is renewed in time, and nobody is turned away meanwhile.
func TestRenewal(t *testing.T) {
	t.Parallel()
	l := listen(t)
	server := acme.Start(t, acme.Options{HTTPSPort: acme.Port(t, l.Addr().String()), Validity: 15 * time.Second})
	s := serve(t, l, server, certificates.ACMEConfig{}, nil)
	roots := server.Roots()
	first := s.issued(t, roots)
	eventually(t, "a newer certificate", func() bool {
		leaf, err := s.leaf(roots)
		must(t, err) // it is valid without a pause
		return leaf.NotAfter.After(first.NotAfter)
	})
	if state := s.State(); !state.Expires.After(first.NotAfter) || state.Problem != nil {
		t.Errorf("state %+v", state)
	}
	if !strings.Contains(s.log.String(), "renewal=true") {
		t.Error("the log does not tell of it")
	}
}

// TestRefused: what the ACME server has against it is in the state and in the log, with what to look at.
func TestRefused(t *testing.T) {
	t.Parallel()
	server := acme.Start(t, acme.Options{}) // it looks for the challenge where nobody listens
	s := serve(t, listen(t), server, certificates.ACMEConfig{}, nil)
	eventually(t, "a problem", func() bool { return s.State().Problem != nil })
	if text := s.State().Problem.Error(); !strings.Contains(text, "the ACME server says") || !strings.Contains(text, "port 443 of "+s.domain) {
		t.Error(text)
	}
	if s.State().Expires != (time.Time{}) {
		t.Error("there is a certificate")
	}
	if _, err := s.leaf(nil); err == nil {
		t.Error("a handshake without a certificate")
	}
	if !strings.Contains(s.log.String(), `level=WARN msg="no certificate was issued; it is tried again later"`) {
		t.Error("the log does not tell of it")
	}
}

// TestUntrusted: an ACME server whose certificate nobody vouches for is not talked to.
func TestUntrusted(t *testing.T) {
	t.Parallel()
	server := acme.Start(t, acme.Options{})
	s := serve(t, listen(t), server, certificates.ACMEConfig{Roots: x509.NewCertPool()}, nil)
	eventually(t, "a problem", func() bool { return s.State().Problem != nil })
	if text := s.State().Problem.Error(); !strings.Contains(text, "certificate signed by unknown authority") || !strings.Contains(text, "lets the bridge out to there") {
		t.Error(text)
	}
}

// TestBrokenPair: a certificate that does not belong to the key beside it, since whoever wrote them died between the two, is
// ordered anew.
func TestBrokenPair(t *testing.T) {
	t.Parallel()
	l := listen(t)
	server := acme.Start(t, acme.Options{HTTPSPort: acme.Port(t, l.Addr().String())})
	dir := t.TempDir()
	storage, err := certificates.Folder(dir)
	must(t, err)
	serve(t, l, server, certificates.ACMEConfig{Storage: storage}, nil).issued(t, server.Roots())
	keys, err := filepath.Glob(filepath.Join(dir, "certificates", "*", "*", "*.key"))
	must(t, err)
	if len(keys) != 1 {
		t.Fatal(keys)
	}
	must(t, os.WriteFile(keys[0], newPair(t, nil).key, 0o600))
	again := serve(t, listen(t), server, certificates.ACMEConfig{Storage: storage}, nil)
	again.issued(t, server.Roots())
	if server.Issued() != 2 || !strings.Contains(again.log.String(), "is of no use, and another is ordered") {
		t.Errorf("%d were issued", server.Issued())
	}
}

// TestWithoutShelf: a replica that has waited in vain for what all share orders for itself, and gives them what it got when
// they are back; one that has a copy of its own does not wait at all.
func TestWithoutShelf(t *testing.T) {
	t.Parallel()
	l := listen(t)
	server := acme.Start(t, acme.Options{HTTPSPort: acme.Port(t, l.Addr().String())})
	shelf := &away{Shelf: certificates.NewMemoryShelf()}
	shelf.is.Store(true)
	own, err := certificates.Folder(t.TempDir())
	must(t, err)
	alone := serve(t, l, server, certificates.ACMEConfig{Storage: shared(shelf, [32]byte{1}, nil, own)}, nil)
	first := alone.issued(t, server.Roots())

	patient := shared(shelf, [32]byte{1}, nil, own)
	patient.Wait()
	again := serve(t, listen(t), server, certificates.ACMEConfig{Storage: patient}, nil)
	if leaf := again.issued(t, server.Roots()); !leaf.Equal(first) {
		t.Error("its own copy does not serve")
	}

	shelf.is.Store(false)
	eventually(t, "it is given to all", func() bool {
		list, err := shelf.List(t.Context(), "")
		return err == nil && len(list) > 0
	})
	other := serve(t, listen(t), server, certificates.ACMEConfig{Storage: shared(shelf, [32]byte{1}, nil, certificates.Memory())}, nil)
	if leaf := other.issued(t, server.Roots()); !leaf.Equal(first) || server.Issued() != 1 {
		t.Errorf("what was issued is not shared; %d were", server.Issued())
	}
}

// cloudflare plays Cloudflare's API, and writes the records into the DNS that the ACME server asks.
type cloudflare struct {
	t      *testing.T
	server *acme.Server

	mu      sync.Mutex
	records map[string]string // id to name
	added   int
}

func (c *cloudflare) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Host != "api.cloudflare.com" || r.Header.Get("Authorization") != "Bearer cf-token" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	const records = "/client/v4/zones/z1/dns_records"
	switch {
	case r.Method == http.MethodGet && r.URL.Path == "/client/v4/zones":
		if r.URL.Query().Get("name") != "example.com" {
			_, _ = io.WriteString(w, `{"success":true,"result":[]}`)
			return
		}
		_, _ = io.WriteString(w, `{"success":true,"result":[{"id":"z1","name":"example.com","name_servers":["bob.ns.cloudflare.com"]}]}`)
	case r.Method == http.MethodPost && r.URL.Path == records:
		var record struct{ Name, Content string }
		if err := json.NewDecoder(r.Body).Decode(&record); err != nil {
			c.t.Error(err)
		}
		c.server.SetTXT(record.Name, strings.Trim(record.Content, `"`))
		c.records["r1"] = record.Name
		c.added++
		_, _ = io.WriteString(w, `{"success":true,"result":{"id":"r1"}}`)
	case r.Method == http.MethodDelete && r.URL.Path == records+"/r1":
		c.server.ClearTXT(c.records["r1"])
		delete(c.records, "r1")
		_, _ = io.WriteString(w, `{"success":true,"result":{"id":"r1"}}`)
	default:
		c.t.Errorf("%s %s", r.Method, r.URL)
	}
}

// TestDNS gets a certificate without being reached by anybody: the record goes through the provider's API into the DNS, where
// the ACME server finds it, and is gone afterwards.
func TestDNS(t *testing.T) {
	t.Parallel()
	server := acme.Start(t, acme.Options{})
	api := &cloudflare{t: t, server: server, records: map[string]string{}}
	web := httptest.NewServer(api)
	t.Cleanup(web.Close)
	provider, err := zone.Read(write(t, "dns.json", `{"provider":"cloudflare","configuration":{"cloudflare":{"api_token":"cf-token"}}}`), zone.Config{Transport: redirect{web.Listener.Addr().String()}})
	must(t, err)
	asked := make(chan string, 1000)
	s := serve(t, listen(t), server, certificates.ACMEConfig{Zone: provider}, func(ctx context.Context, name, record string) ([]string, error) {
		asked <- name
		return (&net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, server.DNS)
		}}).LookupTXT(ctx, record+".")
	})
	s.issued(t, server.Roots())
	api.mu.Lock()
	defer api.mu.Unlock()
	if api.added != 1 || len(api.records) != 0 {
		t.Errorf("%d records were written, %d are left", api.added, len(api.records))
	}
	if name := <-asked; name != "bob.ns.cloudflare.com" {
		t.Errorf("asked %s", name)
	}
	if !strings.Contains(s.log.String(), "challenge=dns-01") {
		t.Error("the log does not name the challenge")
	}
}

// redirect sends every request to one address.
type redirect struct{ to string }

func (d redirect) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Host = r.URL.Host
	r.URL.Scheme, r.URL.Host = "http", d.to
	return http.DefaultTransport.RoundTrip(r)
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := t.TempDir() + "/" + name
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}
