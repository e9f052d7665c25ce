package mail_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/scimbridge/scimbridge/internal/mail"
)

// server is a mail server that keeps what it gets.
type server struct {
	port int

	mu     sync.Mutex // guards what follows
	got    []string
	refuse *smtp.SMTPError
	user   string
}

// start starts a mail server, with STARTTLS or without.
func start(t *testing.T, cert *tls.Certificate, insecure bool) *server {
	t.Helper()
	return serve(t, cert, insecure, false)
}

// serve starts a mail server; with TLS from the first byte, or by STARTTLS, or without.
func serve(t *testing.T, cert *tls.Certificate, insecure, tlsFirst bool) *server {
	t.Helper()
	s := &server{}
	h := smtp.NewServer(s)
	h.Domain, h.AllowInsecureAuth, h.EnableSMTPUTF8 = "localhost", insecure, true
	if cert != nil {
		h.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	if tlsFirst {
		l = tls.NewListener(l, h.TLSConfig)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = h.Serve(l) // ends with Close
	}()
	t.Cleanup(func() {
		_ = h.Close()
		<-done
	})
	return s
}

func (s *server) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{server: s}, nil }

type session struct {
	*server
	in bool
}

func (*session) Reset()        {}
func (*session) Logout() error { return nil }

func (*session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "bridge" || password != "open sesame" {
			return smtp.ErrAuthFailed
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.in, s.user = true, user
		return nil
	}), nil
}

func (*session) Mail(string, *smtp.MailOptions) error { return nil }

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		return &smtp.SMTPError{Code: s.refuse.Code, EnhancedCode: s.refuse.EnhancedCode, Message: fmt.Sprintf(s.refuse.Message, to)}
	}
	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, string(raw))
	return err
}

func (s *server) mails() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got
}

func certificate(t *testing.T) (*tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, pool
}

func invitation() mail.Invitation {
	return mail.Invitation{
		AccountName: "Acme", Account: "acc", User: "ann", Number: 2, To: "ann@example.com", Name: "Ann Lee", Language: "en",
		Link:    "https://account.example.com/join/acc.ann.2#oPafb9JHQz6Hxw21j64ftYAibufyo8kYYxlnNVKqwxs",
		Expires: time.Date(2026, 11, 30, 14, 5, 0, 0, time.UTC),
	}
}

func sender(t *testing.T, c mail.Config) *mail.Sender {
	t.Helper()
	if c.From == "" {
		c.From = "Acme Äccounts <noreply@example.com>"
	}
	if c.Host == "" {
		c.Host = "localhost"
	}
	s, err := mail.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// received is a mail as a mail program reads it.
type received struct {
	netmail.Header
	plain, html string
}

func read(t *testing.T, raw string) received {
	t.Helper()
	m, err := netmail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	out := received{Header: m.Header}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatal(kind, err)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for {
		p, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(p.Header.Get("Content-Type"), "text/html") {
			out.html = string(text)
		} else {
			out.plain = string(text)
		}
	}
}

func (r received) decoded(t *testing.T, name string) string {
	t.Helper()
	text, err := new(mime.WordDecoder).DecodeHeader(r.Get(name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestSend sends by each kind of connection; repeats carry the same Message-ID.
func TestSend(t *testing.T) {
	t.Parallel()
	cert, pool := certificate(t)
	roots := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	s := start(t, cert, false)
	out := sender(t, mail.Config{Port: s.port, TLS: roots, Username: "bridge", Password: "open sesame"})
	i := invitation()
	for range 2 {
		if err := out.Send(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	i.Number++
	if err := out.Send(t.Context(), i); err != nil {
		t.Fatal(err)
	}
	got := s.mails()
	if len(got) != 3 || s.user != "bridge" {
		t.Fatalf("%d mails of %q", len(got), s.user)
	}
	first, again, next := read(t, got[0]), read(t, got[1]), read(t, got[2])
	id := first.Get("Message-ID")
	if !strings.HasSuffix(id, "@example.com>") || again.Get("Message-ID") != id || next.Get("Message-ID") == id {
		t.Errorf("Message-IDs %s, %s, %s", id, again.Get("Message-ID"), next.Get("Message-ID"))
	}
	if from, err := first.AddressList("From"); err != nil || from[0].Name != "Acme Äccounts" {
		t.Errorf("from %v, %v", from, err)
	}
	if to, err := first.AddressList("To"); err != nil || len(to) != 1 || *to[0] != (netmail.Address{Name: "Ann Lee", Address: "ann@example.com"}) {
		t.Errorf("to %v, %v", to, err)
	}
	if got := first.decoded(t, "Subject"); got != "You are invited to join Acme" {
		t.Errorf("subject %q", got)
	}
	for kind, text := range map[string]string{"plain": first.plain, "html": first.html} {
		for _, want := range []string{"Hello Ann Lee,", invitation().Link, "2026-11-30 14:05 UTC"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %q:\n%s", kind, want, text)
			}
		}
	}

	plain := start(t, nil, true) // on this machine
	if err := sender(t, mail.Config{Host: "127.0.0.1", Port: plain.port}).Send(t.Context(), i); err != nil || len(plain.mails()) != 1 {
		t.Errorf("without TLS on this machine: %v", err)
	}
}

// TestImplicitTLS: on port 465 TLS begins with the connection, and nothing is said before it; on others it does not.
func TestImplicitTLS(t *testing.T) {
	t.Parallel()
	cert, pool := certificate(t)
	roots := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	login := mail.Config{Host: "localhost", Port: 465, TLS: roots, Username: "bridge", Password: "open sesame"}
	implicit := sender(t, login)
	login.Port = 587
	explicit := sender(t, login)
	if !mail.TLSFirst(implicit) || mail.TLSFirst(explicit) {
		t.Errorf("TLS first on 465: %t, on 587: %t", mail.TLSFirst(implicit), mail.TLSFirst(explicit))
	}
	s := serve(t, cert, false, true)
	if err := mail.OnPort(implicit, s.port).Send(t.Context(), invitation()); err != nil {
		t.Fatal(err)
	}
	if got := s.mails(); len(got) != 1 || s.user != "bridge" || !strings.Contains(read(t, got[0]).plain, invitation().Link) {
		t.Errorf("%d mails of %q", len(got), s.user)
	}
	// Where both sides wait for the other to begin, patience ends.
	login.Timeout = time.Second
	explicit = sender(t, login)
	login.Port = 465
	implicit = sender(t, login)
	login.TLS = nil // the system's certificates
	for name, try := range map[string]struct {
		from *mail.Sender
		to   *server
	}{
		"a certificate that nobody knows":   {sender(t, login), serve(t, cert, false, true)},
		"a server that begins in the clear": {implicit, start(t, cert, false)},
		"a server that has no TLS":          {implicit, start(t, nil, true)},
		"STARTTLS where there is only TLS":  {explicit, serve(t, cert, false, true)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := mail.OnPort(try.from, try.to.port).Send(t.Context(), invitation())
			if !errors.Is(err, mail.ErrTemporary) || len(try.to.mails()) > 0 || strings.Contains(fmt.Sprint(err), "open sesame") {
				t.Errorf("%v, %d mails", err, len(try.to.mails()))
			}
		})
	}
}

func TestLanguages(t *testing.T) {
	t.Parallel()
	s := start(t, nil, true)
	out := sender(t, mail.Config{Port: s.port})
	for language, want := range map[string]string{
		"": "You are invited to join Acme", "de_AT": "Sie sind eingeladen, Acme beizutreten", "fr-CA": "Vous êtes invité à rejoindre Acme",
		"es-MX,en;q=0.5": "Se le invita a unirse a Acme", "ja": "You are invited to join Acme", "\r\nBcc: x": "You are invited to join Acme",
	} {
		i := invitation()
		i.Language = language
		if err := out.Send(t.Context(), i); err != nil {
			t.Fatal(err)
		}
		got := s.mails()
		if subject := read(t, got[len(got)-1]).decoded(t, "Subject"); subject != want {
			t.Errorf("%q: %q, want %q", language, subject, want)
		}
	}
}

// TestInjection: nothing that comes from outside begins a header or another part.
func TestInjection(t *testing.T) {
	t.Parallel()
	s := start(t, nil, true)
	out := sender(t, mail.Config{Port: s.port})
	i := invitation()
	i.AccountName = "Acme\r\nBcc: eve@example.com\r\n\r\n<script>alert(1)</script>"
	i.Name = "Ann\" <eve@example.com>, \"\r\nX-Evil: yes\u2028"
	if err := out.Send(t.Context(), i); err != nil {
		t.Fatal(err)
	}
	m := read(t, s.mails()[0])
	to, err := m.AddressList("To")
	if err != nil || len(to) != 1 || to[0].Address != "ann@example.com" {
		t.Errorf("to %v, %v", to, err)
	}
	if m.Get("Bcc") != "" || m.Get("X-Evil") != "" || strings.Contains(m.html, "<script>") {
		t.Errorf("headers %v\n%s", m.Header, m.html)
	}
	for _, address := range []string{"", "ann", "ann@example.com\r\nBcc: eve@example.com", "Ann <ann@example.com>", "ann@example.com, eve@example.com"} {
		i := invitation()
		i.To = address
		if err := out.Send(t.Context(), i); !errors.Is(err, mail.ErrAddress) {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// TestFailures: what gets no better by sending it again is told apart, and no error names the person.
func TestFailures(t *testing.T) {
	t.Parallel()
	cert, pool := certificate(t)
	s := start(t, nil, true)
	out := sender(t, mail.Config{Port: s.port})
	for code, want := range map[int]error{550: mail.ErrRefused, 450: mail.ErrTemporary} {
		s.mu.Lock()
		s.refuse = &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 1, 1}, Message: "<%s> is not here"}
		s.mu.Unlock()
		err := out.Send(t.Context(), invitation())
		if !errors.Is(err, want) || strings.Contains(err.Error(), "ann@example.com") {
			t.Errorf("%d: %v", code, err)
		}
	}
	unreachable := sender(t, mail.Config{Port: freePort(t)})
	if err := unreachable.Send(t.Context(), invitation()); !errors.Is(err, mail.ErrTemporary) {
		t.Errorf("nobody there: %v", err)
	}
	distrusted := start(t, cert, false)
	if err := sender(t, mail.Config{Port: distrusted.port}).Send(t.Context(), invitation()); err == nil || len(distrusted.mails()) > 0 {
		t.Errorf("a certificate that nobody knows: %v", err)
	}
	wrong := start(t, cert, false)
	err := sender(t, mail.Config{Port: wrong.port, TLS: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, Username: "bridge", Password: "let me in"}).Send(t.Context(), invitation())
	if !errors.Is(err, mail.ErrRefused) || strings.Contains(err.Error(), "let me in") {
		t.Errorf("wrong password: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := out.Send(gone, invitation()); !errors.Is(err, mail.ErrTemporary) {
		t.Errorf("cancelled: %v", err)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // a test
	return l.Addr().(*net.TCPAddr).Port
}

func TestNew(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]mail.Config{
		"no host": {From: "a@example.com"}, "a URL": {Host: "smtp://mail.example.com", From: "a@example.com"},
		"host and port": {Host: "mail.example.com:587", From: "a@example.com"}, "no sender": {Host: "mail.example.com"},
		"a port too large": {Host: "mail.example.com", Port: 70000, From: "a@example.com"}, "no password": {Host: "mail.example.com", Username: "u", From: "a@example.com"},
	} {
		if _, err := mail.New(c); !errors.Is(err, mail.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := mail.Config{Password: "open sesame"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if text := fmt.Sprintf(verb, c); strings.Contains(text, "sesame") || strings.Contains(text, "6f70656e") {
			t.Errorf("%s shows the password", verb)
		}
	}
}
