// Package e2e_test looks at the pages in a real browser, Debian's Chromium. Where it is missing the tests fail and say
// how to install it.
package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/test/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// browse opens a page in Chromium and returns its document after everything has loaded. With PAGES_DIR set, a picture
// of it is kept there too.
func browse(t *testing.T, name, address string, flags ...string) string {
	t.Helper()
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("Chromium is missing: apt-get install chromium (make test does it)")
	}
	const patience = 90 * time.Second // a browser's first start on a busy machine
	run := func(extra ...string) []byte {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		args := append([]string{
			"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
			"--disable-component-update", "--disable-sync", "--hide-scrollbars", "--enable-logging=stderr", "--user-data-dir=" + t.TempDir(),
		}, flags...)
		cmd := exec.CommandContext(ctx, browser, append(append(args, extra...), address)...)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil {
			t.Fatalf("chromium: %v\n%s", err, errs.String())
		}
		for line := range strings.Lines(errs.String()) {
			if strings.Contains(line, "CONSOLE") || strings.Contains(line, "Content Security Policy") {
				t.Errorf("%s: the browser complains: %s", name, line)
			}
		}
		return out.Bytes()
	}
	if dir := os.Getenv("PAGES_DIR"); dir != "" {
		run("--screenshot=" + filepath.Join(dir, name+".png"))
	}
	return string(run("--dump-dom"))
}

func wants(t *testing.T, name, dom string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(dom, text) {
			t.Errorf("%s lacks %q:\n%s", name, text, dom)
		}
	}
}

const (
	phone   = "--window-size=390,844"
	desktop = "--window-size=1100,900"
	dark    = "--blink-settings=preferredColorScheme=0"
)

func TestLoginPage(t *testing.T) {
	t.Parallel()
	p := program.Start(t, "")
	for name, flags := range map[string][]string{"login-phone": {phone}, "login-desktop": {desktop}, "login-dark": {desktop, dark}} {
		dom := browse(t, name, p.Bridge+"/app", flags...)
		wants(t, name, dom, "<h1>Sign in</h1>", "locked", `<label for="token">`, `type="password"`, `lang="en"`, "Skip to content")
		if strings.Contains(dom, "<script") {
			t.Errorf("%s has a script", name)
		}
	}
}

// TestStatusPage signs in as a browser does. As Chromium cannot be given a cookie by a flag, a proxy of the test adds it.
func TestStatusPage(t *testing.T) {
	t.Parallel()
	p := program.Start(t, "")
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	status := func(token string) (int, string) {
		res, err := client.PostForm(p.Bridge+"/app/login", url.Values{"token": {token}})
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close() //nolint:errcheck // read only
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(text)
	}
	if code, text := status("scb_wrong"); code != 401 || !strings.Contains(text, "not the bearer token") || strings.Contains(text, "scb_wrong") {
		t.Errorf("a wrong token: %d %s", code, text)
	}
	if code, text := status("  Bearer " + p.Token + "\n"); code != 200 || !strings.Contains(text, "Provisioning is running") || strings.Contains(text, p.Token) {
		t.Fatalf("the right token: %d %s", code, text)
	}
	home, err := url.Parse(p.Bridge)
	if err != nil {
		t.Fatal(err)
	}
	cookies := jar.Cookies(home)
	if len(cookies) != 1 {
		t.Fatalf("cookies %v", cookies)
	}
	signedIn := forward(t, home, cookies[0])
	for name, flags := range map[string][]string{"status-phone": {phone}, "status-desktop": {desktop}, "status-dark": {desktop, dark}} {
		dom := browse(t, name, signedIn+"/app", flags...)
		wants(t, name, dom, "<h1>Status</h1>", "Provisioning is running", "Example Company", `<th scope="row">SCIMServer</th>`, "Connected", "/scim/v2", "Nobody has been provisioned yet", "Sign out", "0.1.0")
	}
	altered := *cookies[0]
	altered.Value = "A" + altered.Value[1:]
	if altered.Value == cookies[0].Value {
		altered.Value = "B" + altered.Value[1:]
	}
	if dom := browse(t, "altered", forward(t, home, &altered)+"/app/status", phone); strings.Contains(dom, "Provisioning is running") {
		t.Error("an altered cookie is accepted")
	}
}

// forward is a proxy to the bridge that adds a cookie, until the test ends.
func forward(t *testing.T, to *url.URL, cookie *http.Cookie) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := r.Clone(r.Context())
		out.RequestURI, out.URL.Scheme, out.URL.Host = "", to.Scheme, to.Host
		out.AddCookie(cookie)
		res, err := http.DefaultTransport.RoundTrip(out)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer res.Body.Close() //nolint:errcheck // read only
		for k, v := range res.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(res.StatusCode)
		_, _ = io.Copy(w, res.Body)
	})}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	return "http://" + l.Addr().String()
}

// TestSetupPage runs serve without a scimsession.
func TestSetupPage(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	cmd := exec.Command(program.Path(t), "serve", "--listen", address, "--session", "/nowhere/scimsession")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	waitFor(t, "http://"+address+"/ping")
	for name, flags := range map[string][]string{"setup-phone": {phone}, "setup-desktop": {desktop}, "setup-dark": {desktop, dark}} {
		dom := browse(t, name, "http://"+address+"/app", flags...)
		wants(t, name, dom, "A scimsession is missing", "/nowhere/scimsession, which does not exist", "scimbridge credentials new", "OP_SESSION", "Why this cannot be done here")
	}
	res, err := http.Get("http://" + address + "/scim/v2/Users")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 503 || !strings.Contains(string(text), "no scimsession") || res.Header.Get("Retry-After") == "" {
		t.Errorf("SCIM without a scimsession: %d %s %v", res.StatusCode, text, err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // it was only to find a port
	return l.Addr().String()
}

func waitFor(t *testing.T, address string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if res, err := http.Get(address); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
	}
	t.Fatalf("%s does not answer", address)
}

// TestServe runs the bridge as an image does: locked, unlocked by a request, asked by healthcheck, monitored, drained.
func TestServe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data, tokenFile, monitor := filepath.Join(dir, "data"), filepath.Join(dir, "token"), filepath.Join(dir, "monitor")
	if out, errs, code := program.Run(t, "credentials", "new", "--data", data, "--owner", "ann@example.com", "--token-file", tokenFile, "--kit", filepath.Join(t.TempDir(), "kit"), "--password-file", password(t)); code != 0 {
		t.Fatal(out, errs)
	}
	if err := os.WriteFile(monitor, []byte("monitoring-token-of-the-test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(tokenFile)
	if err != nil {
		t.Fatal(err)
	}
	token := strings.TrimSpace(string(raw))
	start := func(extra ...string) (string, *exec.Cmd) {
		address := freeAddress(t)
		cmd := exec.Command(program.Path(t), append([]string{"serve", "--data", data, "--listen", address, "--monitoring-token-file", monitor}, extra...)...)
		cmd.Env = append(os.Environ(), "OP_SESSION="+filepath.Join(data, "scimsession"))
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		waitFor(t, "http://"+address+"/ping")
		return "http://" + address, cmd
	}
	url, cmd := start()
	for _, c := range []struct {
		path, token string
		status      int
		names       string
	}{
		{"/ready", "", 200, "locked"},
		{"/monitoring", "monitoring-token-of-the-test", 503, `"state": "locked"`},
		{"/health", "", 401, "no token"},
		{"/scim/v2/Users", "monitoring-token-of-the-test", 403, "monitoring token"},
		{"/scim/v2/ServiceProviderConfig", "", 200, "oauthbearertoken"},
		{"/ready", "", 200, "locked"},
		{"/scim/Users", token, 200, "ann@example.com"},
		{"/ready", "", 200, "ready"},
		{"/Users", token, 200, "ann@example.com"},
		{"/v2/users/", token, 200, "ann@example.com"},
		{"//scim//v2//Users", token, 200, "ann@example.com"},
		{"/?filter=meta.resourceType+eq+%22User%22", token, 200, "ann@example.com"},
		{"/v9/Users", token, 404, "no such endpoint"},
		{"/health", token, 200, `"source": "SCIMServer"`},
		{"/health", "monitoring-token-of-the-test", 200, `"retrievedAt"`},
		{"/monitoring", token, 401, "token of its own"},
		{"/metrics", token, 200, "scimbridge_unlocked 1"},
		{"/metrics", "", 401, "no token"},
		{"/ping", "", 200, "pong"},
	} {
		code, text := ask(t, url+c.path, c.token)
		if code != c.status || !strings.Contains(text, c.names) {
			t.Errorf("%s: %d %.300s; want %d and %q", c.path, code, text, c.status, c.names)
		}
	}
	if out, errs, code := program.Run(t, "healthcheck", url); code != 0 || strings.TrimSpace(out) != "ready" {
		t.Errorf("healthcheck: %d %s %s", code, out, errs)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	draining := false
	for {
		res, err := http.Get(url + "/ready")
		if err != nil {
			break // it listens no more
		}
		draining = draining || res.StatusCode == http.StatusServiceUnavailable
		_ = res.Body.Close()
	}
	if err := cmd.Wait(); err != nil || !draining {
		t.Errorf("drained %v, ended with %v", draining, err)
	}
	if _, _, code := program.Run(t, "healthcheck", url); code != 1 {
		t.Errorf("healthcheck of a bridge that is gone: %d", code)
	}
	url, _ = start("--unlock-token-file", tokenFile)
	if _, text := ask(t, url+"/ready", ""); strings.TrimSpace(text) != "ready" {
		t.Errorf("unlocked at the start: %s", text)
	}
}

func ask(t *testing.T, address, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// TestRestart stops dev and starts it again: people, credentials and token are the same.
func TestRestart(t *testing.T) {
	t.Parallel()
	p := program.Start(t, "")
	for i := range 3 {
		if status, text, _, err := p.Do("POST", "/Users", fmt.Sprintf(`{"userName":"stay%d@example.com"}`, i)); err != nil || status != 201 {
			t.Fatal(status, text, err)
		}
	}
	out, errs, code := program.Run(t, "account", "people", "--data", p.Data) // through the socket of the running process
	if code != 0 || !strings.Contains(out, "stay2@example.com") {
		t.Errorf("beside the running process: %d %s %s", code, out, errs)
	}
	p.Stop()
	again := program.Start(t, p.Data)
	if again.Token != p.Token {
		t.Error("another token after the restart")
	}
	if _, text, _, err := again.Do("GET", "/Users?filter=userName+sw+%22stay%22", ""); err != nil || !strings.Contains(text, `"totalResults":3`) {
		t.Errorf("after the restart: %s %v", text, err)
	}
}
