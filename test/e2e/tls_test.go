package e2e_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/redis/redistest"
	"github.com/scimbridge/scimbridge/test/acme"
	"github.com/scimbridge/scimbridge/test/program"
)

const tlsDomain = "scim.example.com"

// secured is a bridge that terminates TLS.
type secured struct {
	address, token string
	client         *http.Client // it believes that the address is the domain's, and trusts one authority
}

func secure(address, token string, roots *x509.CertPool) *secured {
	return &secured{address, token, &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: tlsDomain, MinVersion: tls.VersionTLS12},
	}}}
}

// get asks for a path with the token.
func (s *secured) get(path string) (*http.Response, string, error) {
	req, err := http.NewRequest(http.MethodGet, "https://"+s.address+path, nil)
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	res, err := s.client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(res.Body)
	return res, string(body), err
}

// wait waits until the bridge answers with a certificate that the client takes.
func (s *secured) wait(t *testing.T) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	var err error
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); <-again.C {
		if _, _, err = s.get("/ping"); err == nil {
			return
		}
	}
	t.Fatalf("%s has no certificate: %v", s.address, err)
}

// leaf is the certificate that the bridge shows.
func (s *secured) leaf(t *testing.T) *x509.Certificate {
	t.Helper()
	s.client.CloseIdleConnections()
	res, _, err := s.get("/ping")
	must(t, err)
	return res.TLS.PeerCertificates[0]
}

// report is the state of a component in /health.
func (s *secured) report(t *testing.T, source string) string {
	t.Helper()
	_, body, err := s.get("/health")
	must(t, err)
	var health struct {
		Reports []struct{ Source, State string }
	}
	must(t, json.Unmarshal([]byte(body), &health))
	for _, r := range health.Reports {
		if r.Source == source {
			return r.State
		}
	}
	return ""
}

// account makes an account in a folder and returns its token.
func makeAccount(t *testing.T, dir string) string {
	t.Helper()
	if _, errs, code := program.Run(t, "credentials", "new", "--data", dir, "--owner", "ann@example.com", "--kit", dir+"-kit", "--password-file", password(t), "--token-file", dir+"-token"); code != 0 {
		t.Fatal(errs)
	}
	raw, err := os.ReadFile(dir + "-token")
	must(t, err)
	return strings.TrimSpace(string(raw))
}

// TestLetsEncrypt: a bridge that is told its domain gets a certificate on its own port and serves SCIM with it over HTTP/2,
// and no HTTP beside; health and metrics tell until when it is valid; started again it has it still.
func TestLetsEncrypt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data, log := filepath.Join(dir, "data"), filepath.Join(dir, "log")
	token, address := makeAccount(t, data), freeAddress(t)
	ca := acme.Start(t, acme.Options{HTTPSPort: acme.Port(t, address)})
	env := []string{
		"OP_LETSENCRYPT_DOMAIN=" + tlsDomain, "OP_LETSENCRYPT_EMAIL=ops@example.com", "OP_ACME_DIRECTORY=" + ca.Directory, "OP_ACME_CA_FILE=" + ca.CA,
		"OP_SESSION=" + filepath.Join(data, "scimsession"), "OP_DATA_DIR=" + data, "OP_LISTEN=" + address,
	}
	running := begin(t, log, env, "serve")
	s := secure(address, token, ca.Roots())
	s.wait(t)
	res, body, err := s.get("/scim/v2/Users")
	must(t, err)
	if res.StatusCode != http.StatusOK || res.Proto != "HTTP/2.0" || res.Header.Get("Strict-Transport-Security") != "max-age=31536000" {
		t.Errorf("%s %s %q\n%s", res.Proto, res.Status, res.Header.Get("Strict-Transport-Security"), body)
	}
	if !strings.Contains(body, "https://"+address+"/scim/v2/Users/") {
		t.Errorf("locations are not those of HTTPS:\n%s", body)
	}
	if state := s.report(t, "CertificateManager"); state != "healthy" {
		t.Errorf("CertificateManager is %q", state)
	}
	leaf := s.leaf(t)
	_, metrics, err := s.get("/metrics")
	must(t, err)
	if got := regexp.MustCompile(`(?m)^scimbridge_certificate_expiry_timestamp_seconds (\S+)$`).FindStringSubmatch(metrics); got == nil || !sameSecond(t, got[1], leaf.NotAfter) {
		t.Errorf("the metric of the certificate is %v, and it ends at %s", got, leaf.NotAfter)
	}
	plain, err := http.Get("http://" + address + "/ping")
	must(t, err)
	must(t, plain.Body.Close())
	if plain.StatusCode != http.StatusBadRequest {
		t.Errorf("over HTTP: %s", plain.Status)
	}
	if out, errs, code := program.Run(t, "healthcheck", "--listen", address, "--tls-domain", tlsDomain); code != 0 || strings.TrimSpace(out) != "ready" {
		t.Errorf("%d: %s%s", code, out, errs)
	}
	must(t, running.Process.Signal(syscall.SIGTERM))
	must(t, running.Wait())
	begin(t, log, env, "serve")
	s.wait(t)
	if again := s.leaf(t); !again.Equal(leaf) || ca.Issued() != 1 {
		t.Errorf("after a restart another certificate; %d were issued", ca.Issued())
	}
	said, err := os.ReadFile(log)
	must(t, err)
	for _, line := range []string{
		"name=tls-domain value=scim.example.com from=OP_LETSENCRYPT_DOMAIN", `msg="certificate issued" domain=scim.example.com renewal=false`, `msg="certificate in use"`, "scheme=https",
	} {
		if !strings.Contains(string(said), line) {
			t.Errorf("the log lacks %s:\n%s", line, said)
		}
	}
}

// sameSecond compares a metric with a time.
func sameSecond(t *testing.T, metric string, at time.Time) bool {
	t.Helper()
	var seconds float64
	must(t, json.Unmarshal([]byte(metric), &seconds))
	return int64(seconds) == at.Unix()
}

// TestOwnCertificate: a bridge with a certificate of the administrator's own needs no domain and asks nobody.
func TestOwnCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	token, address := makeAccount(t, data), freeAddress(t)
	files, err := program.MakeCertificates(dir)
	must(t, err)
	begin(t, filepath.Join(dir, "log"), nil, "serve", "--session", filepath.Join(data, "scimsession"), "--data", data, "--listen", address, "--tls-cert-file", files.Cert, "--tls-key-file", files.Key)
	raw, err := os.ReadFile(files.CA)
	must(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(raw)
	s := secure(address, token, roots)
	s.client.Transport.(*http.Transport).TLSClientConfig.ServerName = "127.0.0.1" //nolint:forcetypeassert // it was made above
	s.wait(t)
	if state := s.report(t, "CertificateManager"); state != "healthy" {
		t.Errorf("CertificateManager is %q", state)
	}
	if out, errs, code := program.Run(t, "healthcheck", "--listen", address, "--tls-cert-file", files.Cert); code != 0 || strings.TrimSpace(out) != "ready" {
		t.Errorf("%d: %s%s", code, out, errs)
	}
}

// balance passes connections on to one replica after the other, as a load balancer does that leaves TLS alone.
func balance(t *testing.T, address string, to ...string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for next := 0; ; next++ {
			in, err := l.Accept()
			if err != nil {
				return // closed
			}
			go func() {
				defer in.Close() //nolint:errcheck // over
				out, err := net.Dial("tcp", to[next%len(to)])
				if err != nil {
					return
				}
				defer out.Close() //nolint:errcheck // over
				go func() {
					_, _ = io.Copy(out, in)
					_ = out.Close()
				}()
				_, _ = io.Copy(in, out)
			}()
		}
	}()
}

// TestReplicasShareACertificate: of two bridges that start together behind a load balancer one orders a certificate, the
// challenge may reach either, and the other takes what was issued; so does one that starts later, and one that starts with
// new credentials. What Redis holds of it is sealed.
func TestReplicasShareACertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	store := redistest.Start(t, redistest.Options{})
	front, account := freeAddress(t), freeAddress(t)
	first, second, third := freeAddress(t), freeAddress(t), freeAddress(t)
	ca := acme.Start(t, acme.Options{HTTPSPort: acme.Port(t, front)})
	credentials := []string{
		"credentials", "new", "--data", at("data"), "--owner", "ann@example.com", "--kit", at("kit"), "--password-file", password(t),
		"--url", "http://" + account, "--out", at("scimsession"), "--token-file", at("token"),
	}
	if _, errs, code := program.Run(t, credentials...); code != 0 {
		t.Fatal(errs)
	}
	begin(t, at("account.log"), nil, "account", "serve", "--data", at("data"), "--listen", account, "--public-url", "http://"+account)
	replica := func(address, session string) {
		begin(t, at("log-"+address), []string{
			"OP_TLS_DOMAIN=" + tlsDomain, "OP_ACME_DIRECTORY=" + ca.Directory, "OP_ACME_CA_FILE=" + ca.CA,
			"OP_SESSION=" + session, "OP_REDIS_URL=redis://" + store.Address(), "OP_LISTEN=" + address,
		}, "serve", "--trace")
	}
	balance(t, front, first, second)
	replica(first, at("scimsession"))
	replica(second, at("scimsession"))
	leaf := func(address string) *x509.Certificate {
		s := secure(address, "", ca.Roots())
		s.wait(t)
		return s.leaf(t)
	}
	one := leaf(first)
	if two := leaf(second); !two.Equal(one) || ca.Issued() != 1 {
		t.Errorf("two certificates; %d were issued", ca.Issued())
	}
	said := ""
	for _, address := range []string{first, second} {
		raw, err := os.ReadFile(at("log-" + address))
		must(t, err)
		said += string(raw)
	}
	// Pebble asks three times, and the balancer sends each to the next.
	if !strings.Contains(said, "distributed=true") || !strings.Contains(said, "distributed=false") {
		t.Error("the challenge did not reach both replicas")
	}
	if strings.Contains(said, "PRIVATE KEY") {
		t.Error("a key is in the log")
	}
	for _, name := range strings.Fields(strings.Trim(store.Do("KEYS", "*certificates*"), "[]")) {
		if store.Do("TYPE", name) == "hash" && strings.Contains(store.Do("HVALS", name), "-----BEGIN") {
			t.Error("Redis holds a certificate that is not sealed")
		}
	}

	credentials = []string{
		"credentials", "new", "--data", at("data"), "--kit", at("kit"), "--password-file", password(t), "--overlap", "1h", "--previous", at("scimsession"),
		"--url", "http://" + account, "--out", at("scimsession2"), "--token-file", at("token2"),
	}
	if _, errs, code := program.Run(t, credentials...); code != 0 {
		t.Fatal(errs)
	}
	replica(third, at("scimsession2"))
	if three := leaf(third); !three.Equal(one) || ca.Issued() != 1 {
		t.Errorf("new credentials have another certificate; %d were issued", ca.Issued())
	}
}
