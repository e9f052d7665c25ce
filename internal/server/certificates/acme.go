package certificates

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"

	"github.com/scimbridge/scimbridge/internal/server/certificates/zone"
)

const (
	// renewLook is how often it is looked whether the certificate is due, or another replica has a newer one. It is due when a
	// third of its life is left, or when the issuer says so (RFC 9773).
	renewLook = 10 * time.Minute
	// loadLook is how often a replica without a certificate looks whether another has got one.
	loadLook = time.Second
	// orderAgain is when an order is begun anew that could not even begin. One that has failed is tried again by certmagic,
	// after a minute at first and hours at last, as long as this process lives.
	orderAgain = 15 * time.Second
	// brokenLooks is after how many looks, of a second each, a certificate that is kept and does not fit its key is given up:
	// long after whoever wrote it must have been done, unless he died over it.
	brokenLooks = 30
)

// ACMEConfig is what NewACME needs.
type ACMEConfig struct {
	Domain    string         // as Domain returns it
	Email     string         // whom the issuer may write to; "": nobody
	Directory string         // of the ACME server; "": Let's Encrypt
	Roots     *x509.CertPool // whom to trust when talking to it; nil: the system's
	Address   net.Addr       // where the bridge listens for HTTPS, which is where TLS-ALPN-01 is answered
	Zone      zone.Provider  // nil: TLS-ALPN-01, else DNS-01
	Storage   Storage        // where certificates, accounts and challenges are kept
	Log       *slog.Logger
	Trace     slog.Level // of what the library says while it works
}

// ACME is a certificate that an ACME server (RFC 8555) issues for one domain. The settings are the agreement to its terms of
// service.
type ACME struct {
	ACMEConfig
	cache  *certmagic.Cache
	config *certmagic.Config

	look, again time.Duration // for a certificate that somebody has got, and for one to order

	mu      sync.Mutex // guards what follows
	problem error
	with    time.Time // until when the certificate was valid that was in use then
}

// NewACME makes an ACME, which works while Run does.
func NewACME(c ACMEConfig) *ACME { return newACME(c, renewLook) }

func newACME(c ACMEConfig, renew time.Duration) *ACME {
	a := &ACME{ACMEConfig: c, look: loadLook, again: orderAgain}
	log := zap.New(traced{c.Log, c.Trace, nil})
	a.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return a.config, nil }, RenewCheckInterval: renew, Logger: log,
	})
	a.config = certmagic.New(a.cache, certmagic.Config{
		// Load balancers that probe by address name no domain; whoever connects is shown the one certificate there is.
		DefaultServerName: c.Domain, FallbackServerName: c.Domain, Storage: c.Storage, OnEvent: a.event, Logger: log,
	})
	issuer := certmagic.ACMEIssuer{
		CA: c.Directory, Email: c.Email, Agreed: true, TrustedRoots: c.Roots, DisableHTTPChallenge: true, Logger: log,
	}
	if c.Zone != nil {
		issuer.DNS01Solver = newSolver(c.Zone, c.Log)
	} else {
		issuer.ListenHost, issuer.AltTLSALPNPort = listening(c.Address)
	}
	a.config.Issuers = []certmagic.Issuer{certmagic.NewACMEIssuer(a.config, issuer)}
	return a
}

// listening is where the bridge listens; the library would else open a port of its own for the challenge.
func listening(a net.Addr) (host string, port int) {
	host, text, err := net.SplitHostPort(a.String())
	if err != nil {
		return "", 0
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = ""
	}
	port, _ = strconv.Atoi(text) // a listener's port is a number
	return host, port
}

// Config is for the listener. Until there is a certificate, handshakes fail but for the challenge.
func (a *ACME) Config() *tls.Config {
	return config(a.config.GetCertificate, acmez.ACMETLS1Protocol)
}

// State tells how it stands with the certificate.
func (a *ACME) State() State {
	s := a.served()
	a.mu.Lock()
	defer a.mu.Unlock()
	if !s.Expires.After(a.with) { // else there is a newer one by now, from whomever
		s.Problem = a.problem
	}
	return s
}

// served is the certificate in use.
func (a *ACME) served() (s State) {
	for _, c := range a.cache.AllMatchingCertificates(a.Domain) {
		if c.Leaf != nil && c.Leaf.NotAfter.After(s.Expires) {
			s.From, s.Expires = c.Leaf.NotBefore, c.Leaf.NotAfter
		}
	}
	return s
}

// Run gets the certificate and renews it until ctx ends.
func (a *ACME) Run(ctx context.Context) {
	defer a.cache.Stop()
	var work sync.WaitGroup
	defer work.Wait()
	err := a.load(ctx)
	if s, ok := a.Storage.(*Shared); ok {
		if err != nil {
			s.begin(ctx)
			err = a.load(ctx)
		}
		work.Go(func() { s.run(ctx) })
	}
	if err != nil {
		a.first(ctx)
	}
	// One that is due, as after a long time without, is renewed at once and not at the next look.
	if err := a.cache.RenewManagedCertificates(ctx); err != nil {
		a.Log.WarnContext(ctx, "the certificate could not be looked at", "error", err)
	}
	<-ctx.Done()
}

// first returns when there is a certificate: one that is issued, or one that another replica has got meanwhile.
func (a *ACME) first(ctx context.Context) {
	a.Log.InfoContext(ctx, "there is no certificate yet", "domain", a.Domain)
	ctx, cancel := context.WithCancel(ctx)
	ordered := make(chan struct{})
	go func() {
		defer close(ordered)
		a.order(ctx)
	}()
	defer func() {
		cancel()
		<-ordered
	}()
	for broken := 0; wait(ctx, a.look); {
		err := a.load(ctx)
		switch {
		case err == nil:
			return
		case errors.Is(err, fs.ErrNotExist):
			broken = 0
			continue
		}
		if broken++; broken == brokenLooks {
			a.Log.WarnContext(ctx, "the certificate that is kept is of no use, and another is ordered", "domain", a.Domain, "error", err)
			a.drop(ctx)
		}
	}
}

// load takes a certificate that is kept; fs.ErrNotExist where there is none.
func (a *ACME) load(ctx context.Context) error {
	c, err := a.config.CacheManagedCertificate(ctx, a.Domain)
	if err == nil {
		a.Log.InfoContext(ctx, "certificate in use", "domain", a.Domain, "expires", c.Leaf.NotAfter)
	}
	return err
}

// drop forgets what is kept of a certificate.
func (a *ACME) drop(ctx context.Context) {
	for _, issuer := range a.config.Issuers {
		if err := a.Storage.Delete(ctx, certmagic.StorageKeys.CertsSitePrefix(issuer.IssuerKey(), a.Domain)); err != nil {
			a.Log.WarnContext(ctx, "the certificate that is kept cannot be deleted", "domain", a.Domain, "error", err)
		}
	}
}

// order orders what is missing, until ctx ends.
func (a *ACME) order(ctx context.Context) {
	for ctx.Err() == nil {
		// It is done at once where a certificate is kept, by this replica or by another.
		if err := a.config.ObtainCertAsync(ctx, a.Domain); err != nil && ctx.Err() == nil {
			a.failed(err)
			a.Log.WarnContext(ctx, "the certificate could not be ordered; it is tried again", "domain", a.Domain, "again in", orderAgain, "error", err)
		}
		wait(ctx, a.again)
	}
}

func (a *ACME) failed(err error) {
	with := a.served().Expires
	a.mu.Lock()
	defer a.mu.Unlock()
	a.problem, a.with = err, with
}

// event hears what the library does.
func (a *ACME) event(ctx context.Context, name string, data map[string]any) error {
	renewal, _ := data["renewal"].(bool)
	switch name {
	case "cert_obtaining":
		a.Log.InfoContext(ctx, "a certificate is ordered", "domain", a.Domain, "renewal", renewal, "challenge", a.challenge())
	case "cert_obtained":
		a.Log.InfoContext(ctx, "certificate issued", "domain", a.Domain, "renewal", renewal)
	case "cert_failed":
		err, _ := data["error"].(error)
		err = a.explain(err)
		a.failed(err)
		a.Log.WarnContext(ctx, "no certificate was issued; it is tried again later", "domain", a.Domain, "renewal", renewal, "challenge", a.challenge(), "error", err)
	}
	return nil
}

func (a *ACME) challenge() string {
	if a.Zone != nil {
		return acme.ChallengeTypeDNS01
	}
	return acme.ChallengeTypeTLSALPN01
}

// explain is what the ACME server itself said, without the library's words around it, and what to look at.
func (a *ACME) explain(err error) error {
	var said acme.Problem
	var network net.Error
	switch {
	case errors.As(err, &said) && said.Detail != "":
		text := said.Detail
		for _, s := range said.Subproblems {
			text += "; " + s.Detail
		}
		return fmt.Errorf("the ACME server says: %s (%s). %s", text, said.Type, a.advice(said))
	case errors.As(err, &network):
		return fmt.Errorf("%w. See that the network lets the bridge out to there", err)
	}
	return err
}

func (a *ACME) advice(said acme.Problem) string {
	switch {
	case said.Type == acme.ProblemTypeRateLimited:
		return "Wait until then, and keep what is issued where it lasts"
	case a.Zone != nil:
		return "See that the world is referred to the DNS zone in which the bridge writes _acme-challenge." + a.Domain
	}
	return "See that port 443 of " + a.Domain + " leads from the whole internet to the bridge's HTTPS port, with nothing in between that ends TLS"
}
