package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accountapi"
	"github.com/scimbridge/scimbridge/internal/bridge"
	"github.com/scimbridge/scimbridge/internal/cache"
	"github.com/scimbridge/scimbridge/internal/handover"
	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/internal/logtail"
	"github.com/scimbridge/scimbridge/internal/redis"
	"github.com/scimbridge/scimbridge/internal/server"
	"github.com/scimbridge/scimbridge/internal/server/web"
	"github.com/scimbridge/scimbridge/internal/store/timed"
	"github.com/scimbridge/scimbridge/internal/tracing"
)

// pingPort is where /ping is served alone (OP_PING_SERVER), as the original documents.
const pingPort = "8080"

// serveVerb runs the bridge.
type serveVerb struct {
	Session         string `name:"session" env:"OP_SESSION" placeholder:"FILE|JSON|BASE64" help:"The scimsession: a path, or the contents as JSON or base64. Not set: /home/opuser/.op/scimsession."`
	Data            string `name:"data" env:"OP_DATA_DIR" placeholder:"DIR" help:"Folder with the account's database, which this process then serves too."`
	Port            int    `name:"port" env:"OP_PORT" default:"3002" help:"Port for HTTP on all addresses. Where the bridge terminates TLS it is not used."`
	Listen          string `name:"listen" env:"OP_LISTEN" placeholder:"ADDR" help:"Address and port to listen on, instead of --port, or of 8443 where the bridge terminates TLS."`
	PingServer      bool   `name:"ping-server" env:"OP_PING_SERVER" help:"Serve /ping alone, over HTTP on port 8080, as well: for probes that come before there is a certificate."`
	UnlockTokenFile string `name:"unlock-token-file" env:"OP_UNLOCK_TOKEN_FILE" placeholder:"FILE" help:"File with the bearer token, to start unlocked. Whoever can read it and the scimsession has both halves of the secret."`
	tlsSettings
	bridgeSettings
	logSettings
}

// Run serves until ctx ends, then drains.
func (v *serveVerb) Run(ctx context.Context, e *environment) error {
	log, tail := v.tailed(e.stderr)
	e.announce(log)
	address := v.Listen
	switch {
	case v.terminates():
		if e.source("port") != "" {
			log.Warn("OP_PORT has no effect where the bridge terminates TLS: it listens on " + tlsPort + ", or where OP_LISTEN says")
		}
		if address == "" {
			address = ":" + tlsPort
		}
	case address == "":
		const most = 65535
		if v.Port < 1 || v.Port > most {
			return fmt.Errorf("OP_PORT: %d is no port. Set one from 1 to %d, or leave it out for 3002", v.Port, most)
		}
		address = fmt.Sprintf(":%d", v.Port)
	}
	tracer, lastTraces := e.traces(ctx, "scimbridge", log)
	defer lastTraces()
	parts := &assembly{bridgeSettings: v.bridgeSettings, data: v.Data, log: log, tail: tail, drainFor: drainPause, tracer: tracer}
	var err error
	if parts.tls, err = v.termination(v.Data, log); err != nil {
		return err
	}
	found, origin, err := session(v.Session)
	switch {
	case errors.Is(err, keyset.ErrNoSession):
		parts.missing = &web.Missing{Problem: err.Error(), LookedFor: []string{origin}}
		log.Error("no scimsession", "looked for", origin, "next", "open /app of this bridge in a browser: it says what to do")
	case err != nil:
		return sessionProblem(origin, err)
	default:
		parts.session = found
		log.Info("scimsession read", "from", origin, "generation", found.Header().Generation, "token", "scb_"+found.Header().TokenKeyID)
		if e.source("session") == "--session" && strings.HasPrefix(origin, "OP_SESSION (") {
			log.Warn("everybody on this machine can read the scimsession in the list of processes; use OP_SESSION instead of --session")
		}
	}
	if v.UnlockTokenFile != "" {
		if parts.token, err = secretFile("OP_UNLOCK_TOKEN_FILE", v.UnlockTokenFile); err != nil {
			return err
		}
	}
	if v.PingServer {
		parts.ping = ":" + pingPort
	}
	return parts.run(ctx, address, func(string) error { return nil })
}

// assembly is a bridge with its account, about to be put together.
type assembly struct {
	bridgeSettings
	session  *keyset.Session
	missing  *web.Missing // there is no session
	token    string       // unlocks at start; empty: whoever presents the token does
	data     string       // folder of the account
	ping     string       // address of the ping server; empty: none
	tls      *termination // nil: others bring TLS
	drainFor time.Duration
	log      *slog.Logger
	tail     *logtail.Tail // of log

	tracer *tracing.Tracer
	store  *timed.Meter // of the account in this process

	onThisMachine bool // nobody but this machine reaches it, so that links may name its own address
	watchers      *bridge.Watchers
	keeper        keeper                 // nil without tls, and before it listens
	redis         *redis.Conn            // nil: none is named
	unlocking     *handover.Exchange     // nil: replicas do not unlock each other
	local         atomic.Pointer[string] // the address that it listens on, as a URL
}

const (
	// drainPause is how long requests are still taken after /ready has said no: two rounds of a load balancer that
	// asks every second.
	drainPause = 2 * time.Second
	// drainLimit is how long requests under way may take to end. Container platforms kill after 30 s.
	drainLimit = 20 * time.Second
)

// gcPercent lets the heap grow to four times what is in use before it is swept. In use are some 10 MB, so that the usual
// doubling would sweep many times a second under load, for a fifth of the CPU; this costs 30 MB. GOGC overrides it.
const gcPercent = 300

// run puts the parts together, listens, tells the address and serves until ctx ends.
func (a *assembly) run(ctx context.Context, address string, ready func(url string) error) (err error) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	h, closeAll, err := a.handler(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	defer a.share(ctx)()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return listenProblem(err)
	}
	front := httpServer(h, a.log)
	servers := []*http.Server{front}
	failed := make(chan error, 2)
	a.beginTLS(listener.Addr())
	defer a.keep(ctx)()
	go func() { failed <- a.serve(front, listener) }()
	if a.ping != "" {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /ping", server.Ping)
		pings, err := net.Listen("tcp", a.ping)
		if err != nil {
			return errors.Join(fmt.Errorf("OP_PING_SERVER: %w", listenProblem(err)), front.Close())
		}
		ping := httpServer(mux, a.log)
		servers = append(servers, ping)
		go func() { failed <- ping.Serve(pings) }()
	}
	url := a.scheme() + "://" + local(listener.Addr())
	a.local.Store(&url)
	defer a.watch(ctx)()
	defer alongside(context.WithoutCancel(ctx), h.Pulse)() // also while it drains
	a.log.Info("listening", "address", listener.Addr().String(), "scheme", a.scheme(), "state", h.State(ctx))
	if err := ready(url); err != nil {
		return errors.Join(err, closeServers(servers))
	}
	var unlocked <-chan struct{}
	if h.Lock != nil {
		unlocked = h.Lock.Opened()
	}
	for {
		select {
		case <-unlocked:
			a.log.Info("unlocked")
			unlocked = nil
		case err := <-failed:
			return errors.Join(err, closeServers(servers))
		case <-ctx.Done():
			return a.drain(h, servers)
		}
	}
}

// watch lets the watchers work until ctx ends or the function that is returned is called, which waits for them.
func (a *assembly) watch(ctx context.Context) func() {
	if a.watchers == nil {
		return func() {}
	}
	return alongside(ctx, a.watchers.Run)
}

// origin is what links of invitations begin with.
func (a *assembly) origin() string {
	if a.session != nil && a.session.Header().URL != "" {
		return a.session.Header().URL
	}
	if u, err := a.publicURL(); err == nil && u != "" {
		return u
	}
	if u := a.local.Load(); a.onThisMachine && u != nil {
		return *u
	}
	return ""
}

// drain lets load balancers see that no requests are wanted, then waits for those under way.
func (a *assembly) drain(h *server.Server, servers []*http.Server) error {
	a.log.Info("draining")
	h.Drain()
	pause := time.NewTimer(a.drainFor)
	defer pause.Stop()
	<-pause.C
	ctx, cancel := context.WithTimeout(context.Background(), drainLimit)
	defer cancel()
	var err error
	for _, s := range servers {
		stopErr := s.Shutdown(ctx)
		if errors.Is(stopErr, context.DeadlineExceeded) {
			a.log.Warn("requests under way are cut off", "after", drainLimit)
			stopErr = s.Close()
		}
		err = errors.Join(err, stopErr)
	}
	a.log.Info("stopped")
	return err
}

func closeServers(servers []*http.Server) error {
	var err error
	for _, s := range servers {
		err = errors.Join(err, s.Close())
	}
	return err
}

// httpServer sets the limits that hold before a handler sees a request.
func httpServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,  // a header is a few hundred bytes
		ReadTimeout:       60 * time.Second,  // 16 MiB at 2 Mbit/s
		WriteTimeout:      120 * time.Second, // the longest list at 1 Mbit/s
		IdleTimeout:       120 * time.Second, // above the 60 s of common load balancers, which must close first
		MaxHeaderBytes:    1 << 20,           // a filter as long as a URL may be, refused with a clear error
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// handler wires the whole program: account, bridge, lock, pages, server.
func (a *assembly) handler(ctx context.Context) (*server.Server, func() error, error) {
	metricsLock := func() bool { return false }
	c := server.Config{Tracer: a.tracer, Clock: clock, Log: a.log}
	var s *server.Server
	interval, err := a.interval()
	if err != nil {
		return nil, nil, err
	}
	if _, err := a.publicURL(); err != nil {
		return nil, nil, err
	}
	mailer, post, err := a.mailer()
	if err != nil {
		return nil, nil, err
	}
	if c.Trusted, err = a.proxies(); err != nil {
		return nil, nil, err
	}
	if a.MonitoringTokenFile != "" {
		text, err := secretFile("OP_MONITORING_TOKEN_FILE", a.MonitoringTokenFile)
		if err != nil {
			return nil, nil, err
		}
		if token, err := keyset.ParseToken(text); err == nil && a.session != nil && token.KeyID() == a.session.Header().TokenKeyID {
			return nil, nil, errors.New("OP_MONITORING_TOKEN_FILE: the token in it is the bearer token, which opens everything. Put another secret there, such as the output of: openssl rand -hex 32")
		}
		c.Monitoring = server.NewSecret(text)
	}
	health := &server.Health{Version: version, Build: build, Clock: clock, Log: a.log}
	c.Health = health
	closeAll := func() error { return nil }
	started := clock()
	pages := web.Config{Clock: clock, Rand: rand.Reader, Log: a.log, Missing: a.missing}
	meters := health.Collectors()
	var accounts bridge.Account // nil: there is no session
	if a.missing != nil {
		health.Checks = missingChecks()
	} else {
		header, lock := a.session.Header(), bridge.NewLock(a.session, clock)
		service, closeAccount, err := a.account(ctx, a.session, lock)
		if err != nil {
			return nil, nil, err
		}
		accounts, closeAll = service, closeAccount
		if own, ok := service.(*account.Service); ok {
			c.Account = a.people(own, header.Account, c.Trusted)
		}
		if err := a.unlock(lock); err != nil {
			return nil, nil, errors.Join(err, closeAll())
		}
		types, err := resourceTypes(a.ExtensionsFile)
		if err != nil {
			return nil, nil, errors.Join(err, closeAll())
		}
		if a.redis, err = a.connectRedis(); err != nil {
			return nil, nil, errors.Join(err, closeAll())
		}
		if err := a.shareUnlock(lock); err != nil {
			return nil, nil, errors.Join(err, closeAll())
		}
		a.shareLog(lock)
		if c.Shared, err = a.sharedLimit(); err != nil {
			return nil, nil, errors.Join(err, closeAll())
		}
		c.Lock, pages.Lock, metricsLock = lock, lock, lock.Open
		copies, err := a.copies(ctx, service, lock)
		if err != nil {
			return nil, nil, errors.Join(err, closeAll())
		}
		closeAll = func() error { return errors.Join(copies.end(), closeAccount()) }
		meters = slices.Concat(meters, copies.meters, a.meters(service), post.Collectors())
		c.Provider = bridge.New(bridge.Config{
			Account: copies.account, View: copies.view, Types: types, Lock: lock, StrictMembers: a.StrictMembers, Log: a.log,
			Integration: bridge.Integration{ID: header.Integration, Name: "SCIM bridge integration", Created: header.Created},
		})
		var leases bridge.Leases // nil where the account is in this process: there is no other bridge, or a lease would not reach it
		if a.data == "" {
			leases, _ = service.(bridge.Leases) // an account that knows none lets every replica watch
		}
		a.watchers = bridge.NewWatchers(bridge.WatcherConfig{
			Account: service, Leases: leases, Replica: a.tail.Replica, Lock: lock, Mailer: mailer, Origin: a.origin, Interval: interval, Version: version,
			Client: func() string { return s.Client() }, Tracer: a.tracer, Clock: clock, Log: a.log,
		})
		health.Checks = checks(accounts, lock, a.redis, a.watchers, started)
	}
	if a.tls != nil {
		health.Checks = append(health.Checks, func(context.Context) server.Report { return certificateReport(a.certificate(), clock()) })
	}
	c.Metrics = server.NewMetrics(version, metricsLock, meters...)
	a.gauges(c.Metrics)
	pages.Origin = func(r *http.Request) string { return s.Origin(r) }
	pages.Limit = func(r *http.Request) (time.Duration, bool) { return s.WrongToken(r) }
	pages.Status = func(ctx context.Context) web.Status { return status(ctx, s, accounts, started) }
	pages.Lines = func(ctx context.Context, q web.LogQuery) web.Log { return lastLines(ctx, a.tail, q) }
	if c.Pages, err = web.New(pages); err != nil {
		return nil, nil, errors.Join(err, closeAll())
	}
	s = server.New(c)
	return s, closeAll, nil
}

// replica is what this process is called among the bridges of an account: as its machine is, and by chance, since who is
// started again is another one.
func replica() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "bridge"
	}
	const longest, random = 64, 6 // characters: a label of DNS, and enough for who has the same name
	plain := strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '-'
		}
		return r
	}, host)
	return plain[:min(len(plain), longest)] + "-" + strings.ToLower(rand.Text()[:random])
}

// unlock presents the token of OP_UNLOCK_TOKEN_FILE, where there is one.
func (a *assembly) unlock(lock *bridge.Lock) error {
	if a.token == "" {
		return nil
	}
	token, err := keyset.ParseToken(a.token)
	if err != nil {
		return fmt.Errorf("OP_UNLOCK_TOKEN_FILE: %w", err)
	}
	if lock.Present(a.token) != nil {
		return fmt.Errorf("OP_UNLOCK_TOKEN_FILE: the token in it is not the one of this scimsession: it is scb_%s_… and should be scb_%s_…. Put the token there that was made together with the scimsession", token.KeyID(), a.session.Header().TokenKeyID)
	}
	return nil
}

// people serves those who join the account that lives in this process. It begins with the first of them, since only
// then the address is known that they come to.
func (a *assembly) people(service *account.Service, id string, trusted []netip.Prefix) http.Handler {
	serve := sync.OnceValues(func() (http.Handler, error) {
		return accountapi.New(accountapi.Config{
			Accounts: accountapi.Single(id, service), URL: a.origin(), Version: version, Clock: clock, Trusted: trusted, Log: slog.New(slog.DiscardHandler), // the server logs the request
		})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.origin() == "" {
			http.Error(w, "It is not known under which address people reach this account: set OP_PUBLIC_URL.", http.StatusServiceUnavailable)
			return
		}
		h, err := serve()
		if err != nil {
			panic(err) // OP_PUBLIC_URL was checked at the start
		}
		h.ServeHTTP(w, r)
	})
}

// driven is all that the bridge needs of an account.
type driven interface {
	cache.Account
	bridge.Admission
}

// account opens the account that this process serves itself, or makes the way to the one that the scimsession names.
func (a *assembly) account(ctx context.Context, session *keyset.Session, lock *bridge.Lock) (driven, func() error, error) {
	if a.data == "" {
		return remote(session, lock, a.tracer)
	}
	a.store = timed.New(a.tracer)
	service, closeStore, err := place{dir: a.data}.open(ctx, a.store, a.log)
	if err != nil {
		return nil, nil, err
	}
	if err := belongs(ctx, service, session.Header()); err != nil {
		return nil, nil, errors.Join(err, closeStore())
	}
	socket, err := accountapi.Listen(socketPath(a.data), service, a.log)
	if err != nil {
		return nil, nil, errors.Join(err, closeStore())
	}
	stop := housekeep(ctx, service)
	return service, func() error {
		stop()
		return errors.Join(socket.Close(), closeStore())
	}, nil
}

// housekeep lets an account look after itself until ctx ends or the function that is returned is called.
func housekeep(ctx context.Context, service *account.Service) func() {
	return alongside(ctx, service.Housekeep)
}

// lost tells whether a generation has only its number in common with a scimsession: one was lost when the account was
// restored, and the number given out again.
func lost(g *account.Generation, h keyset.Header) bool {
	return g.Integration != "" && g.Integration != h.Integration || g.Token != "" && g.Token != h.TokenKeyID
}

// belongs refuses a scimsession of another account, of a generation that has been replaced, or of one that was lost.
func belongs(ctx context.Context, service *account.Service, h keyset.Header) error {
	info, err := service.Describe(ctx)
	if errors.Is(err, account.ErrNotFound) {
		return fmt.Errorf("%w. Make one: scimbridge credentials new --data DIR --owner E-MAIL", errNoAccount)
	}
	if err != nil {
		return err
	}
	if info.ID != h.Account {
		return fmt.Errorf("the scimsession belongs to the account %s, but the data folder holds the account %s. Use the scimsession that was made with this folder, or make a new one: scimbridge credentials new --data DIR", h.Account, info.ID)
	}
	generation, err := service.Generation(ctx)
	if err != nil {
		return err
	}
	list, err := service.Generations(ctx)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(list, func(g account.Generation) bool { return g.Number == h.Generation }); i >= 0 {
		if lost(&list[i], h) {
			return fmt.Errorf("the scimsession is of generation %d, but not of the one that the account knows under this number: the account has been restored from a backup that is older than these credentials, and others have been made since. Put the newest scimsession in its place and give the identity provider the newest token, or make new ones: scimbridge credentials new --data DIR", h.Generation)
		}
		if list[i].Valid(clock()) {
			return nil
		}
		if generation == h.Generation {
			return errors.New("the integration has been deactivated by an administrator of the account, and its credentials with it. Make new ones: scimbridge credentials new --data DIR")
		}
	}
	if generation < h.Generation {
		return fmt.Errorf("the scimsession is of generation %d, and the account knows %d only: it has been restored from a backup that is older than these credentials. Make new ones: scimbridge credentials new --data DIR", h.Generation, generation)
	}
	if generation != h.Generation {
		return fmt.Errorf("the scimsession is of generation %d, but credentials of generation %d have been made since. Put the newer scimsession in its place and give the identity provider the newer token", h.Generation, generation)
	}
	return nil
}
