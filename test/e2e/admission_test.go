package e2e_test

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/store/postgrestest"
	"github.com/scimbridge/scimbridge/test/program"
)

// TestAdmission runs the tour of admission.sh; with -v it is shown.
func TestAdmission(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%s is missing: apt-get install %s (make test does it)", tool, tool)
		}
	}
	for _, store := range stores {
		t.Run(store.name, func(t *testing.T) {
			t.Parallel()
			c, err := program.MakeCertificates(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			var ports []string
			for range 3 {
				address, err := program.Address()
				if err != nil {
					t.Fatal(err)
				}
				_, port, err := net.SplitHostPort(address)
				if err != nil {
					t.Fatal(err)
				}
				ports = append(ports, port)
			}
			var out bytes.Buffer
			cmd := exec.CommandContext(t.Context(), "./admission.sh")
			cmd.Env = append(os.Environ(), "SCIMBRIDGE="+program.Path(t), "DIR="+t.TempDir(), "CA="+c.CA, "CERT="+c.Cert, "KEY="+c.Key,
				"PORTS="+strings.Join(ports, " "), "SCIMBRIDGE_DATABASE="+store.database(t))
			cmd.Stdout, cmd.Stderr = &out, &out
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
			cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it ends what it has started
			cmd.WaitDelay = 10 * time.Second
			if err := cmd.Run(); err != nil {
				t.Fatalf("%v\n%s", err, out.Bytes())
			}
			t.Logf("\n%s", out.Bytes())
		})
	}
}

// stores are where the account is kept.
var stores = []struct {
	name     string
	database func(*testing.T) string // URL; "" for SQLite
}{
	{"SQLite", func(*testing.T) string { return "" }},
	{"PostgreSQL", func(t *testing.T) string { return postgrestest.Empty(t) }},
}
