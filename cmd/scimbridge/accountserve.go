package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scimbridge/scimbridge/internal/account/accountapi"
	"github.com/scimbridge/scimbridge/internal/server/certificates"
	"github.com/scimbridge/scimbridge/internal/store/postgres"
	"github.com/scimbridge/scimbridge/internal/store/timed"
)

// accountServeVerb serves an account over HTTP, apart from any bridge.
type accountServeVerb struct {
	Data             string   `name:"data" env:"OP_DATA_DIR" placeholder:"DIR" help:"Folder with the account. Not set: the folder of dev."`
	Listen           string   `name:"listen" env:"OP_ACCOUNT_LISTEN" default:":3003" placeholder:"ADDR" help:"Address and port."`
	PublicURL        string   `name:"public-url" env:"OP_ACCOUNT_URL" placeholder:"URL" help:"What bridges and people reach the service by, such as https://account.example.com; scimsessions and links carry it. Not set: the address that it listens on, if that is on this machine only."`
	TLSCertFile      string   `name:"tls-cert-file" env:"OP_ACCOUNT_TLS_CERT_FILE" placeholder:"FILE" help:"Certificate, with those between, in PEM. Read again when it changes. Without it a proxy in front has to bring TLS."`
	TLSKeyFile       string   `name:"tls-key-file" env:"OP_ACCOUNT_TLS_KEY_FILE" placeholder:"FILE" help:"The certificate's private key in PEM."`
	MetricsTokenFile string   `name:"metrics-token-file" env:"OP_ACCOUNT_METRICS_TOKEN_FILE" placeholder:"FILE" help:"File with the token that opens /metrics. Without it /metrics is off."`
	TrustedProxies   []string `name:"trusted-proxies" env:"OP_TRUSTED_PROXIES" placeholder:"CIDR,…" default:"127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7" help:"Addresses of proxies whose X-Forwarded-For is believed. \"none\": no proxy."`
	JSON             bool     `name:"json" help:"Print one line of JSON when ready: url, account."`
	databaseSettings
	mailSettings
	logSettings
}

// Run serves until ctx ends, then drains.
func (v *accountServeVerb) Run(ctx context.Context, e *environment) (err error) {
	log := v.logger(e.stderr)
	e.announce(log)
	if v.DatabaseURL != "" {
		return v.serveDatabase(ctx, e, log)
	}
	dir, err := (&devVerb{Data: v.Data}).folder()
	if err != nil {
		return err
	}
	if err := holdsAccount(dir); err != nil {
		return err
	}
	tracer, lastTraces := e.traces(ctx, "scimbridge-account", log)
	defer lastTraces()
	meter := timed.New(tracer)
	service, closeStore, err := openAccount(ctx, dir, meter, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeStore()) }()
	info, err := service.Describe(ctx)
	if err != nil {
		return err
	}
	if len(info.Root) == 0 {
		return errors.New("this account was founded without keys, so that nobody can sign in at it from elsewhere. Serve it in the bridge's own process, with scimbridge serve --data DIR, or found one with keys: scimbridge credentials new --data DIR")
	}
	send, post, err := v.postal()
	if err != nil {
		return err
	}
	stop := housekeep(ctx, service)
	defer stop()
	if send != nil {
		stopPost := deliver(ctx, service, send, log)
		defer stopPost()
	}
	socket, err := accountapi.Listen(socketPath(dir), service, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, socket.Close()) }()
	config, listener, err := v.config(log)
	if err != nil {
		return err
	}
	config.Accounts, config.Tracer = accountapi.Single(info.ID, service), tracer
	config.Meters = slices.Concat(meter.Collectors(), disk(dir), post.Collectors())
	return v.serve(ctx, e, config, listener, info.ID)
}

// serveDatabase serves the accounts of a database. Administrators use the database itself, so that there is no socket.
func (v *accountServeVerb) serveDatabase(ctx context.Context, e *environment, log *slog.Logger) (err error) {
	p := place{databaseSettings: v.databaseSettings}
	defer func() {
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			err = nil // told to stop while it started
		}
	}()
	db, err := awaitDatabase(ctx, p, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if v.AccountID != "" {
		if _, err := p.choose(ctx, db); err != nil {
			return err
		}
	}
	send, post, err := v.postal()
	if err != nil {
		return err
	}
	tracer, lastTraces := e.traces(ctx, "scimbridge-account", log)
	defer lastTraces()
	meter := timed.New(tracer)
	all := newTenants(ctx, db, v.AccountID, send, meter, log)
	defer all.close()
	if err := all.awake(ctx); err != nil {
		return err
	}
	config, listener, err := v.config(log)
	if err != nil {
		return err
	}
	config.Accounts, config.Tracer = all, tracer
	config.Meters = slices.Concat(meter.Collectors(), post.Collectors())
	return v.serve(ctx, e, config, listener, v.AccountID)
}

// databasePause is between two looks for a database that is not there yet.
const databasePause = time.Second

// awaitDatabase opens the database, and waits for a server that is not there yet: after a power cut it may be the last to
// be back, and whoever starts this process again each time that it gives up waits longer and longer.
func awaitDatabase(ctx context.Context, p place, log *slog.Logger) (*postgres.Database, error) {
	for waiting := false; ; waiting = true {
		db, err := p.database(ctx)
		if err == nil || !postgres.Absent(err) {
			return db, err
		}
		if !waiting {
			log.Warn("the database is not there; the service begins when it is", "error", err)
		}
		pause := time.NewTimer(databasePause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil, ctx.Err()
		}
	}
}

// config listens, and reads all settings that may be wrong.
func (v *accountServeVerb) config(log *slog.Logger) (c accountapi.Config, l net.Listener, err error) {
	c = accountapi.Config{Version: version, Clock: clock, Log: log}
	if (v.TLSCertFile == "") != (v.TLSKeyFile == "") {
		return c, nil, errors.New("--tls-cert-file and --tls-key-file belong together: name both or neither")
	}
	if c.Trusted, err = (&bridgeSettings{TrustedProxies: v.TrustedProxies}).proxies(); err != nil {
		return c, nil, err
	}
	if v.MetricsTokenFile != "" {
		if c.MetricsToken, err = secretFile("OP_ACCOUNT_METRICS_TOKEN_FILE", v.MetricsTokenFile); err != nil {
			return c, nil, err
		}
	}
	if l, err = net.Listen("tcp", v.Listen); err != nil {
		return c, nil, listenProblem(err)
	}
	c.URL = v.PublicURL
	if c.URL == "" {
		if addr, err := netip.ParseAddrPort(l.Addr().String()); err != nil || !addr.Addr().IsLoopback() {
			return c, nil, errors.Join(errors.New("--public-url is missing: others reach this address, and what they sign when they sign in names the service as they know it. Name it, such as --public-url https://account.example.com"), l.Close())
		}
		c.URL = v.scheme() + "://" + local(l.Addr())
	}
	return c, l, nil
}

func (v *accountServeVerb) scheme() string {
	if v.TLSCertFile != "" {
		return "https"
	}
	return "http"
}

func (v *accountServeVerb) serve(ctx context.Context, e *environment, c accountapi.Config, l net.Listener, id string) error {
	var files *certificates.Files
	if v.TLSCertFile != "" {
		var err error
		if files, err = certificates.OpenFiles(certificates.FilesConfig{Cert: v.TLSCertFile, Key: v.TLSKeyFile, Log: c.Log}); err != nil {
			return errors.Join(fmt.Errorf("--tls-cert-file and --tls-key-file: %w", err), l.Close())
		}
		c.Meters = append(c.Meters, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: certificateName, Help: certificateHelp}, certificateEnd(files.State)))
	}
	h, err := accountapi.New(c)
	if err != nil {
		return errors.Join(fmt.Errorf("--public-url: %w", err), l.Close())
	}
	s := httpServer(h, c.Log)
	failed := make(chan error, 1)
	if files != nil {
		s.TLSConfig = files.Config()
		defer alongside(ctx, files.Run)()
		go func() { failed <- s.ServeTLS(l, "", "") }()
	} else {
		go func() { failed <- s.Serve(l) }()
	}
	c.Log.Info("listening", "address", l.Addr().String(), "scheme", v.scheme(), "url", c.URL, "account", id)
	if v.JSON {
		if err := json.NewEncoder(e.stdout).Encode(struct {
			URL     string `json:"url"`
			Account string `json:"account"`
		}{c.URL, id}); err != nil {
			return errors.Join(err, s.Close())
		}
	}
	select {
	case err := <-failed:
		return errors.Join(err, s.Close())
	case <-ctx.Done():
	}
	c.Log.Info("draining")
	h.Drain()
	pause := time.NewTimer(drainPause)
	defer pause.Stop()
	<-pause.C
	return v.stop(s, c.Log)
}

// stop waits for requests under way.
func (v *accountServeVerb) stop(s *http.Server, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(context.Background(), drainLimit)
	defer cancel()
	err := s.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		log.Warn("requests under way are cut off", "after", drainLimit)
		err = s.Close()
	}
	log.Info("stopped")
	return err
}
