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
	"github.com/jackc/pgx/v5/pgconn"

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
	s := postgrestest.Start(t, postgrestest.Options{})
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

// TestHold: a server that is held keeps who asks waiting, and goes on where it was.
func TestHold(t *testing.T) {
	t.Parallel()
	s := postgrestest.Start(t, postgrestest.Options{})
	url := s.New(t)
	must(t, s.Hold())
	answer := make(chan error, 1)
	go func() { answer <- ask(t.Context(), url) }()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := ask(ctx, url); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a held server: %v", err)
	}
	must(t, s.Resume())
	must(t, <-answer)
}

// TestDisk: a server whose disk is full refuses what needs room, and takes it again when there is some.
func TestDisk(t *testing.T) {
	t.Parallel()
	s := postgrestest.Start(t, postgrestest.Options{Disk: 128 << 20})
	c, err := pgx.Connect(t.Context(), s.New(t))
	must(t, err)
	const grow = "CREATE TABLE IF NOT EXISTS room AS SELECT repeat('x', 1000) FROM generate_series(1, 1000)"
	must(t, s.Fill())
	var full *pgconn.PgError
	if _, err := c.Exec(t.Context(), grow); !errors.As(err, &full) || full.Code != "53100" {
		t.Errorf("a full disk: %v", err)
	}
	must(t, s.Free())
	if _, err := c.Exec(t.Context(), grow); err != nil {
		t.Error(err)
	}
	must(t, c.Close(t.Context()))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestLeavesNothing runs tests that fail, panic and are killed, and looks for what they leave.
func TestLeavesNothing(t *testing.T) {
	t.Parallel()
	how := os.Getenv("POSTGRESTEST_END")
	if how != "" {
		s := postgrestest.Start(t, postgrestest.Options{Disk: 128 << 20})
		if err := errors.Join(ask(t.Context(), postgrestest.New(t)), ask(t.Context(), s.New(t)), s.Hold()); err != nil {
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
