// Package redistest gives tests a real Redis server, run from the machine's own binary: one for each test, in memory only,
// to be stopped, killed, held and started again as the test likes. Without Redis on the machine the test fails.
package redistest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/scimbridge/scimbridge/internal/redis"
	"github.com/scimbridge/scimbridge/test/program"
)

// install says what to do without Redis.
const install = "the tests need Redis 6 or newer; install it: apt-get install redis-server (make packages does)"

// Options say what server is wanted.
type Options struct {
	Username string // with Password: the only user that may sign in
	Password string // of Username, or of the default user
	TLS      bool   // nothing but TLS, with a certificate by CA
	Args     []string
}

// Server is a Redis server.
type Server struct {
	Options
	CA string // file with the authority of the certificate

	t       testing.TB
	bin     string
	dir     string
	port    int
	args    []string
	process *exec.Cmd
	ended   chan struct{}
}

// Start makes a server and starts it. It is killed at the end of the test at the latest.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s := New(t, o)
	s.Start()
	return s
}

// New makes a server that does not run yet.
func New(t testing.TB, o Options) *Server {
	t.Helper()
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		bin, err = exec.LookPath("valkey-server")
	}
	if err != nil {
		t.Fatal(install)
	}
	address, err := program.Address()
	must(t, err)
	_, port, err := net.SplitHostPort(address)
	must(t, err)
	s := &Server{Options: o, t: t, bin: bin, dir: t.TempDir()}
	s.port, err = strconv.Atoi(port)
	must(t, err)
	s.args = []string{"--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", s.dir}
	if o.TLS {
		c, err := program.MakeCertificates(s.dir)
		must(t, err)
		s.CA = c.CA
		s.args = append(s.args, "--port", "0", "--tls-port", port, "--tls-cert-file", c.Cert, "--tls-key-file", c.Key, "--tls-auth-clients", "no")
	} else {
		s.args = append(s.args, "--port", port)
	}
	switch {
	case o.Username != "":
		file := filepath.Join(s.dir, "acl")
		must(t, os.WriteFile(file, []byte("user default off\nuser "+o.Username+" on ~* &* +@all >"+o.Password+"\n"), 0o600))
		s.args = append(s.args, "--aclfile", file)
	case o.Password != "":
		s.args = append(s.args, "--requirepass", o.Password)
	}
	s.args = append(s.args, o.Args...)
	t.Cleanup(s.Kill)
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Server is where the server is, with the right password and without looking at its certificate.
func (s *Server) Server() redis.Server {
	return redis.Server{Host: "127.0.0.1", Port: s.port, Username: s.Username, Password: redis.Password(s.Password), TLS: s.TLS, Insecure: s.TLS}
}

// Address is host and port.
func (s *Server) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Start starts a server that does not run, and waits until it answers.
func (s *Server) Start() {
	s.t.Helper()
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(s.t, err)
	defer log.Close() //nolint:errcheck // the server has its own
	s.process = exec.Command(s.bin, s.args...)
	s.process.Stdout, s.process.Stderr = log, log
	s.process.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	must(s.t, s.process.Start())
	ended := make(chan struct{})
	s.ended = ended
	go func(c *exec.Cmd) {
		_ = c.Wait() // killed or stopped, as wanted
		close(ended)
	}(s.process)
	const patience = 60 * time.Second
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		err := s.ping()
		if err == nil {
			return
		}
		if !s.Running() || time.Since(begin) > patience {
			said, _ := os.ReadFile(log.Name()) // there is nothing more to say without it
			s.t.Fatalf("redis does not answer: %v\n%s", err, said)
		}
	}
}

func (s *Server) ping() error {
	c, err := s.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Do(s.t.Context(), c.B().Ping().Build()).Error()
}

func (s *Server) connect() (rueidis.Client, error) {
	o := rueidis.ClientOption{
		InitAddress: []string{s.Address()}, Username: s.Username, Password: s.Password, ForceSingleClient: true, DisableCache: true, DisableRetry: true,
	}
	if s.TLS {
		o.TLSConfig = trusting(s.CA)
	}
	c, err := rueidis.NewClient(o)
	if err != nil && c != nil {
		c.Close()
	}
	return c, err
}

// Do sends a command past the bridge's own connection, to look and to meddle, and returns its answer as text.
func (s *Server) Do(args ...string) string {
	s.t.Helper()
	c, err := s.connect()
	must(s.t, err)
	defer c.Close()
	m, err := c.Do(s.t.Context(), c.B().Arbitrary(args...).Build()).ToAny()
	if err != nil && !rueidis.IsRedisNil(err) {
		s.t.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	return fmt.Sprint(m)
}

// Running tells whether the server runs.
func (s *Server) Running() bool {
	if s.ended == nil {
		return false
	}
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

// Stop stops the server in order.
func (s *Server) Stop() { s.end(syscall.SIGTERM) }

// Kill kills the server, held or not. What it held is gone.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

func (s *Server) end(sig syscall.Signal) {
	if !s.Running() {
		return
	}
	s.signal(sig)
	<-s.ended
}

// Hold lets the server stand still: it keeps its connections, takes more, and answers none.
func (s *Server) Hold() { s.signal(syscall.SIGSTOP) }

// Resume lets a held server go on.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.process.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Fatal(err)
	}
}

// trusting is TLS that takes certificates by an authority.
func trusting(file string) *tls.Config {
	pool := x509.NewCertPool()
	if text, err := os.ReadFile(file); err == nil { // without it no certificate is taken
		pool.AppendCertsFromPEM(text)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}
