package postgrestest_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/internal/store/postgrestest"
)

// ask asks a database something simple.
func ask(ctx context.Context, url string) error {
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, "SELECT count(*) FROM accounts")
	return errors.Join(err, c.Close(ctx))
}

func TestServer(t *testing.T) {
	t.Parallel()
	s := postgrestest.Start(t)
	url := s.New(t)
	for _, end := range []func() error{s.Stop, s.Kill} {
		if err := errors.Join(ask(t.Context(), url), end()); err != nil {
			t.Fatal(err)
		}
		if err := ask(t.Context(), url); err == nil {
			t.Error("the server has not ended")
		}
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLeavesNothing runs tests that fail, panic and are killed, and looks for what they leave.
func TestLeavesNothing(t *testing.T) {
	t.Parallel()
	how := os.Getenv("POSTGRESTEST_END")
	if how != "" {
		if err := ask(t.Context(), postgrestest.New(t)); err != nil {
			t.Fatal(err)
		}
	}
	switch how {
	case "fail":
		t.FailNow()
	case "panic":
		panic("a bug")
	case "exit":
		os.Exit(3)
	case "kill":
		p, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = p.Kill()
		}
		t.Fatal(err)
	}
	for _, how := range []string{"fail", "panic", "exit", "kill"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			dir, err := os.MkdirTemp("", "left") // not t.TempDir: the server's user has to get through
			if err == nil {
				err = os.Chmod(dir, 0o755)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(dir) //nolint:errcheck // empty, or the test has failed
			c := exec.Command(os.Args[0], "-test.run=^TestLeavesNothing$")
			c.Env = append(os.Environ(), "POSTGRESTEST_END="+how, "TMPDIR="+dir)
			if out, err := c.CombinedOutput(); err == nil {
				t.Fatalf("the test has passed: %s", out)
			}
			for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
				left, err := filepath.Glob(dir + "/*")
				if err != nil || len(left) == 0 {
					break
				}
				if time.Since(begin) > 30*time.Second {
					t.Fatalf("left: %s", strings.Join(left, " "))
				}
			}
		})
	}
}
