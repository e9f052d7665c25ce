package run_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/test/program"
)

// account is an account with a service of its own, outside of any task, and credentials for a bridge.
type account struct {
	t       *testing.T
	binary  string
	dir     string
	data    string
	ca      string // file
	session []byte
	token   string
}

// newAccount founds an account as the README says, with the program from the image, and serves it at an address.
func newAccount(t *testing.T, binary string, at netip.Addr) *account {
	t.Helper()
	dir := t.TempDir()
	a := &account{t: t, binary: binary, dir: dir, data: filepath.Join(dir, "data")}
	certs, err := program.MakeCertificates(dir, at.AsSlice())
	must(t, err)
	a.ca = certs.CA
	must(t, os.Chmod(a.ca, 0o644)) //nolint:gosec // for the bridge, which is somebody else
	must(t, os.Chmod(dir, 0o755))  //nolint:gosec // so is this
	listener, err := net.Listen("tcp", net.JoinHostPort(at.String(), "0"))
	must(t, err)
	address := listener.Addr().String()
	must(t, listener.Close())
	url := "https://" + address
	password, session, token := filepath.Join(dir, "password"), filepath.Join(dir, "scimsession"), filepath.Join(dir, "token")
	must(t, os.WriteFile(password, []byte("the owner's password\n"), 0o600))
	a.run("credentials", "new", "--data", a.data, "--account", "Example", "--owner", "olivia@example.com", "--kit", filepath.Join(dir, "kit.txt"),
		"--password-file", password, "--url", url, "--out", session, "--token-file", token)
	a.session, err = os.ReadFile(session)
	must(t, err)
	text, err := os.ReadFile(token)
	must(t, err)
	a.token = strings.TrimSpace(string(text))

	var log bytes.Buffer
	serve := exec.Command(binary, "account", "serve", "--data", a.data, "--listen", address, "--public-url", url, "--tls-cert-file", certs.Cert, "--tls-key-file", certs.Key)
	serve.Stderr = &log
	serve.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(t, serve.Start())
	t.Cleanup(func() {
		_ = serve.Process.Kill()
		_ = serve.Wait()
		if t.Failed() {
			const most = 8 << 10
			text := log.String()
			t.Logf("account service, the end of its log:\n%s", text[max(0, len(text)-most):])
		}
	})
	a.waits(url + "/ready")
	return a
}

// run runs a command line of the program and returns what it prints.
func (a *account) run(args ...string) string {
	a.t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(a.binary, args...)
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+a.ca)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		a.t.Fatalf("%q: %v\n%s", args, err, errs.String())
	}
	return out.String()
}

// people is how many there are, not counting the owner.
func (a *account) people() int {
	a.t.Helper()
	const title, owner = 1, 1
	return strings.Count(a.run("account", "people", "--data", a.data), "\n") - title - owner
}

// link waits for that of somebody's invitation, which a bridge makes.
func (a *account) link(email string) (link string) {
	a.t.Helper()
	comes(a.t, "a link for "+email, func() error {
		for line := range strings.Lines(a.run("account", "outbox", "--data", a.data)) { // address, end, link
			if fields := strings.Fields(line); len(fields) == 3 && fields[0] == email {
				link = fields[2]
				return nil
			}
		}
		return errors.New("it is not in the outbox")
	})
	return link
}

// joins is what a person does who has been handed a link.
func (a *account) joins(email, link string) {
	a.t.Helper()
	password := filepath.Join(a.dir, email+" password")
	must(a.t, os.WriteFile(password, []byte("correct horse battery staple\n"), 0o600))
	a.run("account", "join", link, "--kit", filepath.Join(a.dir, email+" kit"), "--password-file", password)
}

// state is a person's.
func (a *account) state(name string) string {
	a.t.Helper()
	var p struct{ State string }
	must(a.t, json.Unmarshal([]byte(a.run("account", "show", "--data", a.data, "--json", name)), &p))
	return p.State
}

func (a *account) waits(url string) {
	a.t.Helper()
	text, err := os.ReadFile(a.ca)
	must(a.t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	comes(a.t, "the account service", func() error {
		res, err := client.Get(url)
		if err != nil {
			return err
		}
		if err := res.Body.Close(); err != nil || res.StatusCode == http.StatusOK {
			return err
		}
		return fmt.Errorf("status %d", res.StatusCode)
	})
}

// comes waits until something is as it should be.
func comes(t *testing.T, what string, look func() error) {
	t.Helper()
	if err := eventually(look); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// eventually looks until there is nothing to complain of, for a minute at most, and returns the last complaint.
func eventually(look func() error) error {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(time.Minute); ; <-again.C {
		if err := look(); err == nil || time.Now().After(end) {
			return err
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
