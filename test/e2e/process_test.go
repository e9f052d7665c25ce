package e2e_test

import (
	"fmt"
	"io"
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

// serve starts "scimbridge serve" on a data folder of its own and returns its URL, token and log.
func serve(t *testing.T, args ...string) (cmd *exec.Cmd, url, token string, log func() string) {
	t.Helper()
	dir := t.TempDir()
	data, tokenFile := filepath.Join(dir, "data"), filepath.Join(dir, "token")
	if out, errs, code := program.Run(t, "credentials", "new", "--data", data, "--owner", "ann@example.com", "--token-file", tokenFile, "--kit", filepath.Join(t.TempDir(), "kit"), "--password-file", password(t)); code != 0 {
		t.Fatal(out, errs)
	}
	raw, err := os.ReadFile(tokenFile)
	if err != nil {
		t.Fatal(err)
	}
	errs, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errs.Close() })
	address := freeAddress(t)
	cmd = exec.Command(program.Path(t), append([]string{"serve", "--data", data, "--listen", address, "--session", filepath.Join(data, "scimsession")}, args...)...)
	cmd.Stderr = errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	waitFor(t, "http://"+address+"/ping")
	return cmd, "http://" + address, strings.TrimSpace(string(raw)), func() string {
		text, err := os.ReadFile(errs.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

// until waits for a line of the log.
func until(t *testing.T, log func() string, text string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !strings.Contains(log(), text); {
		if time.Now().After(end) {
			t.Fatalf("the log does not say %q:\n%s", text, log())
		}
	}
}

// TestSecondSignal: whoever presses Ctrl-C twice does not wait for the load balancers.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	cmd, _, _, log := serve(t)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	until(t, log, "draining")
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for ended := false; !ended; {
		select {
		case <-done:
			ended = true
		case <-again.C: // an impatient person
			_ = cmd.Process.Signal(os.Interrupt)
		}
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
		t.Errorf("ended by itself: %v", cmd.ProcessState)
	}
}

// TestLog: the log tells when the bridge is unlocked, and at its most talkative no secret.
func TestLog(t *testing.T) {
	t.Parallel()
	_, url, token, log := serve(t, "--trace")
	if code, text := ask(t, url+"/Users?access_token="+token, ""); code != http.StatusUnauthorized {
		t.Errorf("a token in the URL: %d %s", code, text)
	}
	req, err := http.NewRequest(http.MethodGet, url+"/Users", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("bridge", "a password")
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // read only
	if text, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusUnauthorized || !strings.Contains(string(text), "not of the form") {
		t.Errorf("Basic: %d %s %v", res.StatusCode, text, err)
	}
	if strings.Contains(log(), "msg=unlocked") {
		t.Error("unlocked without a token")
	}
	if code, text := ask(t, url+"/Users", token); code != http.StatusOK {
		t.Fatal(code, text)
	}
	until(t, log, "msg=unlocked")
	if secret := token[len("scb_aaaaaaaa_"):]; strings.Contains(log(), secret) {
		t.Errorf("the log tells the token:\n%s", log())
	}
}

// TestMonitoringWithoutSession: a bridge that cannot do its work does not look healthy from outside.
func TestMonitoringWithoutSession(t *testing.T) {
	t.Parallel()
	monitor := filepath.Join(t.TempDir(), "monitor")
	if err := os.WriteFile(monitor, []byte("monitoring-token-of-the-test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, url, _, _ := serve(t, "--session", filepath.Join(t.TempDir(), "nowhere"), "--monitoring-token-file", monitor)
	code, text := ask(t, url+"/monitoring", "monitoring-token-of-the-test")
	if want := fmt.Sprintf("%q: %q", "state", "no scimsession"); code != http.StatusServiceUnavailable || !strings.Contains(text, want) {
		t.Errorf("%d %s", code, text)
	}
}

// password writes a file with an owner's password.
func password(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte("correct horse battery\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
