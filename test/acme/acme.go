// Package acme gives tests a real ACME server: Pebble, which Let's Encrypt makes for this purpose, with the DNS server that it
// asks. Both are built from tools/go.mod by the go command, which keeps them.
package acme

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/test/program"
)

// patience bounds the start of the servers.
const patience = 60 * time.Second

// Options say what server is wanted.
type Options struct {
	// HTTPSPort is where TLS-ALPN-01 is looked for, in the place of 443; 0: nowhere.
	HTTPSPort int
	// Validity is how long certificates are valid, in whole seconds; 0: 90 days.
	Validity time.Duration
}

// Server is an ACME server. Every name of the DNS that it asks is 127.0.0.1.
type Server struct {
	Directory string // URL
	CA        string // file with the authority of the server's own certificate
	DNS       string // address of the DNS server

	t          testing.TB
	management string // URL of Pebble's
	records    string // URL of the DNS server's
	log        *log
}

// log takes what Pebble says.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// tool builds a tool and returns its path.
func tool(name string) (string, error) {
	gomod, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "tool", "-modfile=tools/go.mod", "-n", name)
	cmd.Dir = filepath.Dir(strings.TrimSpace(string(gomod)))
	out, err := cmd.Output()
	if err != nil {
		var said []byte
		if e, ok := err.(*exec.ExitError); ok { //nolint:errorlint // Output returns it as it is
			said = e.Stderr
		}
		return "", fmt.Errorf("go tool %s: %w\n%s", name, err, said)
	}
	return strings.TrimSpace(string(out)), nil
}

var tools = sync.OnceValues(func() (paths [2]string, err error) {
	for i, name := range []string{"pebble", "pebble-challtestsrv"} {
		if paths[i], err = tool(name); err != nil {
			return paths, err
		}
	}
	return paths, nil
})

// Start starts the servers, which end with the test.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	paths, err := tools()
	must(t, err)
	dir := t.TempDir()
	files, err := program.MakeCertificates(dir)
	must(t, err)
	s := &Server{CA: files.CA, t: t, log: &log{}}
	var at [4]string
	for i := range at {
		at[i], err = program.Address()
		must(t, err)
	}
	s.Directory, s.management, s.DNS, s.records = "https://"+at[0]+"/dir", "https://"+at[1], at[2], "http://"+at[3]
	config := map[string]any{
		"listenAddress": at[0], "managementListenAddress": at[1], "certificate": files.Cert, "privateKey": files.Key, "httpPort": 1, "tlsPort": max(o.HTTPSPort, 1),
		"keyAlgorithm": "ecdsa", "retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles": map[string]any{"default": map[string]any{"description": "of a test", "validityPeriod": int(o.Validity.Seconds())}},
	}
	raw, err := json.Marshal(map[string]any{"pebble": config})
	must(t, err)
	path := filepath.Join(dir, "pebble.json")
	must(t, os.WriteFile(path, raw, 0o600))
	s.run(nil, paths[1], "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "", "-dnsserver", at[2], "-management", at[3], "-defaultIPv6", "")
	s.run([]string{"PEBBLE_VA_NOSLEEP=1"}, paths[0], "-config", path, "-dnsserver", at[2])
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		if s.up() {
			return s
		}
		if time.Since(begin) > patience {
			t.Fatalf("pebble does not answer\n%s", s.log)
		}
	}
}

func (s *Server) up() bool {
	if _, err := s.get(s.management + "/roots/0"); err != nil {
		return false
	}
	if _, err := s.get(s.Directory); err != nil {
		return false
	}
	c, err := net.Dial("tcp", strings.TrimPrefix(s.records, "http://"))
	return err == nil && c.Close() == nil
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run starts a server that ends with the test.
func (s *Server) run(env []string, path string, args ...string) {
	s.t.Helper()
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(s.t, cmd.Start())
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		if s.t.Failed() {
			s.t.Logf("%s said:\n%s", filepath.Base(path), s.log)
		}
	})
}

func (s *Server) get(url string) ([]byte, error) {
	pool := x509.NewCertPool()
	raw, err := os.ReadFile(s.CA)
	if err != nil {
		return nil, err
	}
	pool.AppendCertsFromPEM(raw)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport, Timeout: patience}).Get(url)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() //nolint:errcheck // read only
	return io.ReadAll(res.Body)
}

// Roots are those that the issued certificates lead to.
func (s *Server) Roots() *x509.CertPool {
	s.t.Helper()
	raw, err := s.get(s.management + "/roots/0")
	must(s.t, err)
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(raw) {
		s.t.Fatalf("no root: %s", raw)
	}
	return pool
}

// Issued is how many certificates were issued.
func (s *Server) Issued() int { return strings.Count(s.log.String(), "Issued certificate serial") }

// SetTXT puts a TXT record into the DNS.
func (s *Server) SetTXT(name, value string) { s.tell("/set-txt", name, value) }

// ClearTXT takes the TXT records of a name out of the DNS.
func (s *Server) ClearTXT(name string) { s.tell("/clear-txt", name, "") }

// tell gives the DNS server an order.
func (s *Server) tell(path, name, value string) {
	s.t.Helper()
	raw, err := json.Marshal(map[string]string{"host": name + ".", "value": value})
	must(s.t, err)
	res, err := http.Post(s.records+path, "application/json", bytes.NewReader(raw))
	must(s.t, err)
	must(s.t, res.Body.Close())
	if res.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %s", path, res.Status)
	}
}

// Port is the port of an address.
func Port(t testing.TB, address string) int {
	t.Helper()
	_, text, err := net.SplitHostPort(address)
	must(t, err)
	port, err := strconv.Atoi(text)
	must(t, err)
	return port
}
