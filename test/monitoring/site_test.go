package monitoring_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/scimbridge/scimbridge/internal/redis/redistest"
	"github.com/scimbridge/scimbridge/test/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// patience bounds what a test waits for on a busy machine.
const patience = 90 * time.Second

// until tries until it succeeds.
func until(t testing.TB, try func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal(err)
		}
	}
}

// families are metrics by name.
type families = map[string]*dto.MetricFamily

// site is an account service and a bridge, as processes of their own.
type site struct {
	bridge, account             string // URLs
	token, monitoring           string
	client                      *http.Client
	accountProcess, bridgeLives *program.Process
}

// open starts a site, with more in the environment of both processes. Both terminate TLS.
func open(t *testing.T, accountEnv, bridgeEnv []string) *site {
	t.Helper()
	dir, err := os.MkdirTemp("", "mon") // short, for the socket
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	at := func(name string) string { return filepath.Join(dir, name) }
	address := func() string {
		a, err := program.Address()
		must(t, err)
		return a
	}
	account, bridge := address(), address()
	s := &site{bridge: "https://" + bridge, account: "https://" + account, monitoring: "monitors-only"}
	c, err := program.MakeCertificates(dir)
	must(t, err)
	ca, err := os.ReadFile(c.CA)
	must(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	s.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	t.Cleanup(s.client.CloseIdleConnections)
	must(t, os.WriteFile(at("password"), []byte("the owner's password\n"), 0o600))
	must(t, os.WriteFile(at("monitoring"), []byte(s.monitoring+"\n"), 0o600))
	if out, errs, code := program.Run(t, "credentials", "new", "--data", dir, "--owner", "owner@example.com", "--kit", at("kit"), "--password-file", at("password"),
		"--url", s.account, "--out", at("session"), "--token-file", at("secret")); code != 0 {
		t.Fatal(out, errs)
	}
	token, err := os.ReadFile(at("secret"))
	must(t, err)
	s.token = strings.TrimSpace(string(token))
	s.accountProcess = program.Launch(t, accountEnv, "account", "serve", "--data", dir, "--listen", account, "--metrics-token-file", at("monitoring"), "--tls-cert-file", c.Cert, "--tls-key-file", c.Key)
	s.bridgeLives = program.Launch(t, append(slices.Clone(bridgeEnv), "OP_SESSION="+at("session"), "OP_UNLOCK_TOKEN_FILE="+at("secret"), "OP_MONITORING_TOKEN_FILE="+at("monitoring"),
		"OP_TLS_CERT_FILE="+c.Cert, "OP_TLS_KEY_FILE="+c.Key, "SSL_CERT_FILE="+c.CA), "serve", "--listen", bridge)
	for _, url := range []string{s.bridge, s.account} {
		until(t, func() error { return s.ask(t, url+"/ready", "", nil) })
	}
	return s
}

// ask sends a GET and reads the answer, which has to be 200.
func (s *site) ask(t testing.TB, url, token string, read func(io.Reader) error) error {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // read only
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, res.Status)
	}
	if read == nil {
		return nil
	}
	return read(res.Body)
}

// families are the metrics that a process shows.
func (s *site) families(t *testing.T, url string) (list families) {
	t.Helper()
	must(t, s.ask(t, url+"/metrics", s.monitoring, func(r io.Reader) (err error) {
		p := expfmt.NewTextParser(model.UTF8Validation)
		list, err = p.TextToMetricFamilies(r)
		return err
	}))
	return list
}

// scim sends a request to the bridge and returns the status.
func (s *site) scim(t *testing.T, token, method, path, body string, head ...string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.bridge+"/scim/v2"+path, strings.NewReader(body))
	must(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		req.Header.Set("Content-Type", "application/scim+json")
	}
	for i := 0; i+1 < len(head); i += 2 {
		req.Header.Set(head[i], head[i+1])
	}
	res, err := s.client.Do(req)
	must(t, err)
	defer res.Body.Close() //nolint:errcheck // read only
	_, err = io.Copy(io.Discard, res.Body)
	must(t, err)
	return res.StatusCode
}

// mailServer takes mails for everybody but nobody@example.com, and returns what the settings say of it.
func mailServer(t *testing.T) []string {
	t.Helper()
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return letterBox{}, nil }))
	s.Domain, s.EnableSMTPUTF8 = "localhost", true
	s.ErrorLog = log.New(io.Discard, "", 0) // senders are killed
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	must(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l) // ends with Close
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return []string{"OP_SMTP_HOST=127.0.0.1", "OP_SMTP_PORT=" + port, "OP_SMTP_FROM=noreply@example.com"}
}

type letterBox struct{}

func (letterBox) Mail(string, *smtp.MailOptions) error { return nil }
func (letterBox) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "nobody@") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "there is nobody of that name"}
	}
	return nil
}

func (letterBox) Data(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}
func (letterBox) Reset()        {}
func (letterBox) Logout() error { return nil }

// busy is a site with everything that has metrics, in which everything has happened that is counted. All tests that look
// at metrics share it.
var busy = struct {
	once                 sync.Once
	bridge, account, dev families
}{}

// seen are the metrics of a bridge, of an account service and of a bridge with an account of its own, which have been at
// work.
func seen(t *testing.T) (bridge, account, dev families) {
	t.Helper()
	busy.once.Do(func() {
		mail := mailServer(t)
		redis := redistest.Start(t, redistest.Options{})
		s := open(t, mail, append(mail, "OP_REDIS_URL=redis://"+redis.Address()+"/0"))
		for _, name := range []string{"ann@example.com", "nobody@example.com"} {
			if status := s.scim(t, s.token, http.MethodPost, "/Users", `{"userName":"`+name+`"}`); status != http.StatusCreated {
				t.Fatal(status)
			}
		}
		for range 2 {
			s.scim(t, s.token, http.MethodPost, "/Users", `{"userName":"ann@example.com"}`)
		}
		const tries = 30
		for range tries {
			s.scim(t, "scb_wrong", http.MethodGet, "/Users", "")
		}
		s.scim(t, "scb_wrong", http.MethodGet, "/nothing/of/the/kind", "")
		until(t, func() error {
			s.scim(t, s.token, http.MethodGet, `/Users?filter=userName+eq+%22ann@example.com%22`, "")
			busy.bridge, busy.account = s.families(t, s.bridge), s.families(t, s.account)
			invitations := busy.bridge["scimbridge_invitations"]
			if sent, refused := value(invitations, "state", "sent"), value(invitations, "state", "refused"); sent != 1 || refused != 1 {
				return fmt.Errorf("of two invitations %v are sent and %v refused", sent, refused)
			}
			if value(busy.bridge["scimbridge_cache_questions_total"], "result", "hit") == 0 {
				return errors.New("no copy has served")
			}
			return nil
		})
		own := program.Start(t, "")
		busy.dev = (&site{monitoring: own.Token, client: http.DefaultClient}).families(t, own.Bridge)
	})
	if busy.dev == nil {
		t.Fatal("the site did not come up")
	}
	return busy.bridge, busy.account, busy.dev
}

// value is the sum of a family's metrics with a label's value; with "" of all of them.
func value(f *dto.MetricFamily, label, want string) (sum float64) {
	for _, m := range f.GetMetric() {
		counts := label == ""
		for _, l := range m.GetLabel() {
			counts = counts || l.GetName() == label && l.GetValue() == want
		}
		if counts {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

// labelNames are the names of a family's labels, but for those that make up a histogram.
func labelNames(f *dto.MetricFamily) []string {
	names := map[string]bool{}
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			names[l.GetName()] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
