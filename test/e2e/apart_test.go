package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/test/program"
)

// selfSigned writes a certificate for this machine and its key.
func selfSigned(t *testing.T, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "account"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	must(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), 0o600))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// begin starts the program with variables of its own; it is killed with the test.
func begin(t *testing.T, log string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(t, err)
	t.Cleanup(func() { _ = out.Close() })
	cmd := exec.Command(program.Path(t), args...)
	cmd.Env, cmd.Stderr = append(os.Environ(), env...), out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd
}

// TestAccountApart: a bridge drives an account in another process over TLS with nothing but scimsession and token. It
// starts before the account does, says 503 while the account is away, and goes on when it is back.
func TestAccountApart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	selfSigned(t, at("cert.pem"), at("key.pem"))
	account, bridge := freeAddress(t), freeAddress(t)
	if _, errs, code := program.Run(t, "credentials", "new", "--data", at("data"), "--owner", "ann@example.com", "--kit", at("kit"), "--password-file", password(t),
		"--url", "https://"+account, "--out", at("scimsession"), "--token-file", at("token")); code != 0 {
		t.Fatal(errs)
	}
	raw, err := os.ReadFile(at("token"))
	must(t, err)
	token := strings.TrimSpace(string(raw))

	begin(t, at("bridge.log"), []string{"SSL_CERT_FILE=" + at("cert.pem")}, "serve", "--session", at("scimsession"), "--listen", bridge)
	waitFor(t, "http://"+bridge+"/ping")
	post := func(name string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+bridge+"/scim/v2/Users",
			strings.NewReader(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"`+name+`"}`))
		must(t, err)
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/scim+json")
		res, err := http.DefaultClient.Do(req)
		must(t, err)
		defer res.Body.Close() //nolint:errcheck // read only
		body, err := io.ReadAll(res.Body)
		must(t, err)
		return res.StatusCode, string(body)
	}
	if status, body := post("ada@example.com"); status != http.StatusServiceUnavailable {
		t.Fatalf("without the account: %d %s", status, body)
	}

	serve := []string{"account", "serve", "--data", at("data"), "--listen", account, "--tls-cert-file", at("cert.pem"), "--tls-key-file", at("key.pem")}
	running := begin(t, at("account.log"), nil, serve...)
	waitForTLS(t, "https://"+account+"/ready", at("cert.pem"))
	if status, body := post("ada@example.com"); status != http.StatusCreated {
		t.Fatalf("with the account: %d %s", status, body)
	}

	// Killed and started again while requests come: each is answered by what has happened.
	must(t, running.Process.Kill())
	_ = running.Wait()
	begin(t, at("account.log"), nil, serve...)
	if status, body := post("grace@example.com"); status != http.StatusCreated && status != http.StatusServiceUnavailable {
		t.Errorf("while the account starts: %d %s", status, body)
	}
	waitForTLS(t, "https://"+account+"/ready", at("cert.pem"))
	if status, body := post("grace@example.com"); status != http.StatusCreated && status != http.StatusConflict {
		t.Errorf("after the restart: %d %s", status, body)
	}
	people, errs, code := program.Run(t, "account", "people", "--data", at("data"))
	if code != 0 || strings.Count(people, "grace@example.com") == 0 || strings.Count(people, "\n") != 4 {
		t.Errorf("people, with a title and the owner:\n%s%s", people, errs)
	}
}

// waitForTLS waits until somebody answers 200.
func waitForTLS(t *testing.T, url, certFile string) {
	t.Helper()
	raw, err := os.ReadFile(certFile)
	must(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(raw)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	defer client.CloseIdleConnections()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); <-again.C {
		res, err := client.Get(url)
		if err != nil {
			continue
		}
		_ = res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return
		}
	}
	t.Fatalf("nobody answers at %s", url)
}
