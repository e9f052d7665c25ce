// Package program runs the real binary for tests: built once, started as a process of its own, waited for by
// condition, stopped or killed, never left behind.
package program

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds the start and the stop of a process; on a busy machine a binary built for the race detector takes
// seconds.
const patience = 90 * time.Second

var build = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("SCIMBRIDGE_BIN"); path != "" {
		return path, nil
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "scimbridge-test-*")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "scimbridge")
	args := []string{"build", "-o", path}
	if raceEnabled {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "./cmd/scimbridge")...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// moduleRoot is where the product's module is, from whichever module the test is in.
func moduleRoot() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/scimbridge/scimbridge").Output()
	return string(bytes.TrimSpace(out)), err
}

// Main runs a package's tests and deletes the binary that was built for them. It is for TestMain.
func Main(m *testing.M) int {
	code := m.Run()
	if os.Getenv("SCIMBRIDGE_BIN") == "" {
		if path, err := build(); err == nil {
			_ = os.RemoveAll(filepath.Dir(path))
		}
	}
	return code
}

// Path returns the binary.
func Path(t testing.TB) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Process is a running process; what names the bridge is filled in for "scimbridge dev" only.
type Process struct {
	Bridge string `json:"bridge"` // URL
	SCIM   string `json:"scim"`   // base URL of SCIM
	Token  string `json:"token"`
	Data   string `json:"data"`

	t    testing.TB
	cmd  *exec.Cmd
	log  *lockedBuffer
	line chan string   // the first that it prints
	done chan struct{} // closed when the process has ended
	err  error         // how it ended
}

// Start runs dev on a data folder, a new one where dir is empty, and waits until it is ready.
func Start(t testing.TB, dir string, args ...string) *Process {
	t.Helper()
	if dir == "" {
		dir = filepath.Join(t.TempDir(), "data")
	}
	p := Launch(t, nil, append([]string{"dev", "--data", dir, "--listen", "127.0.0.1:0", "--json"}, args...)...)
	text := p.Line()
	if err := json.Unmarshal([]byte(text), p); err != nil {
		t.Fatalf("the process said %q: %v\n%s", text, err, p.log.tail())
	}
	return p
}

// Launch starts a command line of the binary, with more in its environment, and does not wait for anything. The process
// is killed at the end of the test at the latest.
func Launch(t testing.TB, env []string, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, log: &lockedBuffer{}, line: make(chan string, 1), done: make(chan struct{})}
	p.cmd = exec.Command(Path(t), args...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("log of %s:\n%s", args[0], p.log.tail())
		}
	})
	go func() {
		text, _ := bufio.NewReader(stdout).ReadString('\n')
		p.line <- text
		_, _ = io.Copy(io.Discard, stdout)
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p
}

// Line waits for the first line that the process prints, which says that it is ready.
func (p *Process) Line() string {
	p.t.Helper()
	select {
	case text := <-p.line:
		return text
	case <-time.After(patience):
		p.t.Fatalf("the process was not ready after %s\n%s", patience, p.log.tail())
		return ""
	}
}

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Kill ends the process at once, as a power cut would, and waits until it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may be gone already
	<-p.done
}

// Stop asks the process to end and waits; anything but a clean end fails the test.
func (p *Process) Stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case <-p.done:
		if p.err != nil {
			p.t.Fatalf("the process ended with %v\n%s", p.err, p.log.tail())
		}
	case <-time.After(patience):
		before := len(p.Log())
		_ = p.cmd.Process.Signal(syscall.SIGQUIT) // so that it says what it is at
		<-p.done
		p.t.Fatalf("the process did not end within %s\n%s", patience, p.Log()[before:])
	}
}

// Log returns what the process has logged.
func (p *Process) Log() string { return p.log.String() }

// Run runs another command line of the binary and returns what it printed.
func Run(t testing.TB, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(Path(t), args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// Do sends a request to the bridge with the token and returns status, body and headers.
func (p *Process) Do(method, path, body string, headers ...string) (int, string, http.Header, error) {
	req, err := http.NewRequest(method, p.SCIM+path, bytes.NewBufferString(body))
	if err != nil {
		return 0, "", nil, err
	}
	req.Header.Set("Authorization", "Bearer "+p.Token)
	if body != "" {
		req.Header.Set("Content-Type", "application/scim+json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", nil, err
	}
	defer res.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), res.Header, err
}

// lockedBuffer takes the process's log while the test may read it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// tail is the end of the log, enough to see what went wrong.
func (b *lockedBuffer) tail() string {
	const most = 8 << 10
	s := b.String()
	if len(s) > most {
		s = "…" + s[len(s)-most:]
	}
	return s
}
