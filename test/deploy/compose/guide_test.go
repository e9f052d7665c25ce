package compose

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/test/deploy/guide"
)

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "docker" {
		d := &docker{state: os.Getenv("SCIMBRIDGE_STATE"), program: os.Getenv("SCIMBRIDGE_PROGRAM")}
		if err := d.run(context.Background(), os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "docker:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// followed runs a guide's commands in a copy of deploy/docker, on a machine with nothing but a localhost.
func followed(t *testing.T, dir, script string) (string, error) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("this makes roots and a network of its own, which takes root: run it by sudo, or in a container")
	}
	root, _ := folder(t)
	state := t.TempDir()
	if err := os.Chmod(filepath.Dir(state), 0o755); err != nil { //nolint:gosec // users of containers pass through
		t.Fatal(err)
	}
	if err := os.Chmod(state, 0o755); err != nil { //nolint:gosec // the same
		t.Fatal(err)
	}
	program := filepath.Join(state, "scimbridge")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, "./cmd/scimbridge")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(state, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(bin, "docker")); err != nil {
		t.Fatal(err)
	}
	const patience = 5 * time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-euo", "pipefail", "-c", "docker localhost\n"+script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "SCIMBRIDGE_STATE="+state, "SCIMBRIDGE_PROGRAM="+program)
	out, err := cmd.CombinedOutput()
	if err != nil {
		logs, _ := filepath.Glob(filepath.Join(state, "*.log")) //nolint:errcheck // the pattern is right
		for _, path := range logs {
			raw, _ := os.ReadFile(path) //nolint:errcheck // what is there
			out = fmt.Appendf(out, "\n%s:\n%s", filepath.Base(path), raw)
		}
	}
	return string(out), err
}

// The README's demo, from the first line to the last.
func TestDemo(t *testing.T) {
	t.Parallel()
	_, from := folder(t)
	copied := func() string {
		dir := t.TempDir()
		if out, err := exec.Command("cp", "-r", from+"/.", dir).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		// What somebody has made there is not part of it.
		if out, err := exec.Command("find", filepath.Join(dir, "demo"), "-type", "f", "!", "-name", "prepare.sh", "-delete").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return dir
	}
	readme, err := os.ReadFile(filepath.Join(from, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	script := guide.Script(string(readme))
	if script == "" {
		t.Fatal("README.md has no block that begins with ```sh test")
	}
	out, err := followed(t, copied(), script)
	if err != nil {
		t.Fatalf("following the README: %v\n%s", err, out)
	}
	for _, want := range []string{"locked", `"userName":"ann@example.com"`, `"state":"ACTIVE"`} {
		if !strings.Contains(out, want) {
			t.Errorf("there is no %q:\n%s", want, out)
		}
	}

	t.Run("a database's password that is not the one", func(t *testing.T) {
		dir := copied()
		replace(t, filepath.Join(dir, "demo", "prepare.sh"), `"$(cat postgres-password)" >pgpass`, `wrong >pgpass`)
		if err := os.Chmod(filepath.Join(dir, "demo", "prepare.sh"), 0o755); err != nil { //nolint:gosec // a script
			t.Fatal(err)
		}
		if out, err := followed(t, dir, script); err == nil || !strings.Contains(out, "password authentication failed") {
			t.Errorf("got %v\n%s", err, out)
		}
	})
	t.Run("a scimsession that the bridge may not read", func(t *testing.T) {
		out, err := followed(t, copied(), strings.Replace(script, "chmod 444 demo/scimsession", "chmod 400 demo/scimsession", 1))
		if err == nil || !strings.Contains(out, "permission denied") {
			t.Errorf("got %v\n%s", err, out)
		}
	})
}
