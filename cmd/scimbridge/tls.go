package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/scimbridge/scimbridge/internal/server"
	"github.com/scimbridge/scimbridge/internal/server/certificates"
	"github.com/scimbridge/scimbridge/internal/server/certificates/zone"
)

// tlsPort is where the bridge listens when it terminates TLS itself, as the original documents. It is published as 443.
const tlsPort = "8443"

// tlsSettings say whether and how the bridge terminates TLS itself. Nothing but these switches it on.
type tlsSettings struct {
	TLSDomain        string `name:"tls-domain" env:"OP_TLS_DOMAIN,OP_LETSENCRYPT_DOMAIN" placeholder:"NAME" help:"Terminate TLS in the bridge, on port 8443, for this name: with a certificate from Let's Encrypt, whose terms of service you agree to, unless you name one of your own. Not set: HTTP, and a proxy in front brings TLS."`
	TLSCertFile      string `name:"tls-cert-file" env:"OP_TLS_CERT_FILE" placeholder:"FILE" help:"Terminate TLS with this certificate: PEM, the certificate first, then those between it and the root. Read again when it changes."`
	TLSKeyFile       string `name:"tls-key-file" env:"OP_TLS_KEY_FILE" placeholder:"FILE" help:"Its private key, in PEM."`
	LetsEncryptEmail string `name:"letsencrypt-email" env:"OP_LETSENCRYPT_EMAIL" placeholder:"ADDRESS" help:"Address that Let's Encrypt may write to. Not set: none is given."`
	DNSChallengeFile string `name:"dns-challenge-config-file" env:"OP_DNS_CHALLENGE_CONFIG_FILE" placeholder:"FILE" help:"JSON file with the provider that hosts the DNS of the domain, and the credentials for it: the domain is proven by a record there, and nobody on the internet need reach the bridge. Not set: it is proven on port 443."`
	ACMEDirectory    string `name:"acme-directory" env:"OP_ACME_DIRECTORY" placeholder:"URL" help:"Directory of another ACME server than Let's Encrypt, such as your own."`
	ACMECAFile       string `name:"acme-ca-file" env:"OP_ACME_CA_FILE" placeholder:"FILE" help:"Certificates, in PEM, that vouch for that server, instead of the system's."`
	TLSStorageDir    string `name:"tls-storage-dir" env:"OP_TLS_STORAGE_DIR" placeholder:"DIR" help:"Folder where certificates that were issued are kept. Not set: certificates in the data folder; without one, in memory."`
}

// keeper keeps the bridge's certificate: in files, or by ACME.
type keeper interface {
	Config() *tls.Config
	Run(ctx context.Context)
	State() certificates.State
}

// termination is how the bridge terminates TLS.
type termination struct {
	files *certificates.Files     // a certificate of the administrator's own; nil: by ACME
	acme  certificates.ACMEConfig // but for where the bridge listens
	lasts bool                    // acme.Storage outlives the process
}

// keeper begins, once the bridge listens.
func (t *termination) keeper(at net.Addr) keeper {
	if t.files != nil {
		return t.files
	}
	t.acme.Address = at
	return certificates.NewACME(t.acme)
}

// terminates tells whether the bridge terminates TLS.
func (t *tlsSettings) terminates() bool {
	return t.TLSDomain != "" || t.TLSCertFile != "" || t.TLSKeyFile != ""
}

// termination reads all that the settings name, so that what is wrong there stops the start; nil: others bring TLS.
func (t *tlsSettings) termination(data string, log *slog.Logger) (*termination, error) {
	if err := t.namesFiles(); err != nil {
		return nil, err
	}
	if !t.terminates() {
		if t.DNSChallengeFile != "" {
			return nil, errors.New("OP_DNS_CHALLENGE_CONFIG_FILE is set, but OP_TLS_DOMAIN is not, so that there is nothing to prove. Set OP_TLS_DOMAIN to the bridge's name to terminate TLS here, or unset the file")
		}
		t.withoutEffect(log, "without OP_TLS_DOMAIN")
		return nil, nil
	}
	domain := ""
	if t.TLSDomain != "" {
		var err error
		if domain, err = certificates.Domain(t.TLSDomain); err != nil {
			return nil, fmt.Errorf("OP_TLS_DOMAIN: %w", err)
		}
	}
	if t.TLSCertFile != "" || t.TLSKeyFile != "" {
		t.withoutEffect(log, "beside OP_TLS_CERT_FILE")
		return t.own(domain, log)
	}
	return t.issued(domain, data, log)
}

// own is with a certificate in files.
func (t *tlsSettings) own(domain string, log *slog.Logger) (*termination, error) {
	if t.TLSCertFile == "" || t.TLSKeyFile == "" {
		missing, there := "OP_TLS_KEY_FILE", "OP_TLS_CERT_FILE"
		if t.TLSCertFile == "" {
			missing, there = there, missing
		}
		return nil, fmt.Errorf("%s is missing beside %s. Name both, for a certificate of your own, or neither, for one from Let's Encrypt", missing, there)
	}
	f, err := certificates.OpenFiles(certificates.FilesConfig{Cert: t.TLSCertFile, Key: t.TLSKeyFile, Domain: domain, Log: log})
	if err != nil {
		return nil, fmt.Errorf("OP_TLS_CERT_FILE and OP_TLS_KEY_FILE: %w", err)
	}
	return &termination{files: f}, nil
}

// issued is with a certificate that somebody issues.
func (t *tlsSettings) issued(domain, data string, log *slog.Logger) (*termination, error) {
	c := certificates.ACMEConfig{Domain: domain, Email: t.LetsEncryptEmail, Directory: t.ACMEDirectory, Log: log, Trace: server.LevelTrace}
	if a, err := mail.ParseAddress(t.LetsEncryptEmail); t.LetsEncryptEmail != "" && (err != nil || a.Address != t.LetsEncryptEmail) {
		return nil, fmt.Errorf("OP_LETSENCRYPT_EMAIL: %q is no e-mail address like ops@example.com", t.LetsEncryptEmail)
	}
	if u, err := url.Parse(t.ACMEDirectory); t.ACMEDirectory != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		return nil, fmt.Errorf("OP_ACME_DIRECTORY: %q is no URL of an ACME directory like https://ca.example.com/acme/directory", t.ACMEDirectory)
	}
	if t.ACMECAFile != "" {
		raw, err := os.ReadFile(t.ACMECAFile)
		if err != nil {
			return nil, fmt.Errorf("OP_ACME_CA_FILE: %w", err)
		}
		c.Roots = x509.NewCertPool()
		if !c.Roots.AppendCertsFromPEM(raw) {
			return nil, fmt.Errorf("OP_ACME_CA_FILE: there is no certificate in PEM in %s. One begins with -----BEGIN CERTIFICATE-----", t.ACMECAFile)
		}
	}
	var err error
	if t.DNSChallengeFile != "" {
		if c.Zone, err = zone.Read(t.DNSChallengeFile, zone.Config{Getenv: os.Getenv}); err != nil {
			return nil, fmt.Errorf("OP_DNS_CHALLENGE_CONFIG_FILE: %w", err)
		}
	}
	dir := t.TLSStorageDir
	if dir == "" && data != "" {
		dir = filepath.Join(data, "certificates")
	}
	if dir == "" {
		c.Storage = certificates.Memory()
		return &termination{acme: c}, nil
	}
	if c.Storage, err = certificates.Folder(dir); err != nil {
		return nil, fmt.Errorf("OP_TLS_STORAGE_DIR: %w", err)
	}
	return &termination{acme: c, lasts: true}, nil
}

// namesFiles finds contents in the place of a file's name.
func (t *tlsSettings) namesFiles() error {
	for name, value := range map[string]string{
		"OP_TLS_CERT_FILE": t.TLSCertFile, "OP_TLS_KEY_FILE": t.TLSKeyFile, "OP_DNS_CHALLENGE_CONFIG_FILE": t.DNSChallengeFile, "OP_ACME_CA_FILE": t.ACMECAFile,
	} {
		if !likeFile(value) && !exists(value) && value != "" {
			return fmt.Errorf("%s names a file that does not exist, and looks like what should be in it (it is not shown). Write that to a file and name the file", name)
		}
	}
	return nil
}

// withoutEffect says which settings of ACME do nothing, and why.
func (t *tlsSettings) withoutEffect(log *slog.Logger, why string) {
	for _, s := range []struct{ name, value string }{
		{"OP_LETSENCRYPT_EMAIL", t.LetsEncryptEmail},
		{"OP_DNS_CHALLENGE_CONFIG_FILE", t.DNSChallengeFile},
		{"OP_ACME_DIRECTORY", t.ACMEDirectory},
		{"OP_ACME_CA_FILE", t.ACMECAFile},
		{"OP_TLS_STORAGE_DIR", t.TLSStorageDir},
	} {
		if s.value != "" {
			log.Warn(s.name + " has no effect " + why)
		}
	}
}

const (
	// expiresSoon is when a certificate in files is worth somebody's attention: who replaces them by hand needs days.
	expiresSoon = 7 * 24 * time.Hour
	// expiresSoonPart is the part of a certificate's life that counts instead where it is short.
	expiresSoonPart = 10
)

// certificateReport is what the certificate's keeper says of itself, in a report's words.
func certificateReport(s certificates.State, now time.Time) server.Report {
	r := server.Report{Source: "CertificateManager", Time: now, State: server.Healthy}
	left := s.Expires.Sub(now)
	until := s.Expires.UTC().Format(time.RFC3339)
	problem := ""
	if s.Problem != nil {
		problem = ": " + s.Problem.Error()
	}
	switch {
	case s.Expires.IsZero() && s.Problem == nil:
		r.State, r.Detail = server.Starting, "the first certificate is being ordered"
	case s.Expires.IsZero():
		r.State, r.Detail = server.Unhealthy, "there is no certificate"+problem
	case left <= 0:
		r.State, r.Detail = server.Unhealthy, "the certificate has ended at "+until+problem
	case s.Problem != nil:
		r.State, r.Detail = server.Attention, "the certificate ends at "+until+", and there is no newer one"+problem
	case left < min(expiresSoon, s.Expires.Sub(s.From)/expiresSoonPart):
		r.State, r.Detail = server.Attention, "the certificate ends at "+until+", and there is no newer one"
	default:
		r.Detail = "valid until " + until
	}
	return r
}

// beginTLS makes the certificate's keeper, where the bridge terminates TLS. What is issued is shared through Redis, where there
// is one and a secret to seal it under.
func (a *assembly) beginTLS(at net.Addr) {
	if a.tls == nil {
		return
	}
	issued := a.tls.files == nil
	switch {
	case issued && a.redis != nil:
		c := certificates.SharedConfig{Shelf: certificates.OnRedis(a.redis), Secret: a.session.Peer(), Own: a.tls.acme.Storage, Log: a.log}
		if former, ok := a.session.FormerPeer(); ok {
			c.Former = &former
		}
		a.tls.acme.Storage = certificates.NewShared(c)
	case issued && !a.tls.lasts:
		a.log.Warn("certificates are kept in memory only, so that each start orders one anew, and Let's Encrypt issues five a week for a name; set OP_TLS_STORAGE_DIR to a folder that lasts, or share a Redis")
	}
	a.keeper = a.tls.keeper(at)
}

// keep lets the keeper work until ctx ends or the function that is returned is called, which waits for it.
func (a *assembly) keep(ctx context.Context) func() {
	if a.keeper == nil {
		return func() {}
	}
	return alongside(ctx, a.keeper.Run)
}

// certificate tells how it stands with the certificate, once the bridge listens.
func (a *assembly) certificate() certificates.State {
	if a.keeper == nil {
		return certificates.State{}
	}
	return a.keeper.State()
}

// serve serves on a listener, with TLS where the bridge terminates it.
func (a *assembly) serve(s *http.Server, l net.Listener) error {
	if a.keeper == nil {
		return s.Serve(l)
	}
	s.TLSConfig = a.keeper.Config()
	return s.ServeTLS(l, "", "")
}

func (a *assembly) scheme() string {
	if a.tls != nil {
		return "https"
	}
	return "http"
}
