package image_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/scimbridge/scimbridge/test/deploy/image"
	"github.com/scimbridge/scimbridge/test/program"
)

// inChroot unpacks the image for this machine and runs it as its user, with the image as all that there is and nothing
// that can be written.
func inChroot(t *testing.T, l *image.Layout) {
	img := l.Images["linux/"+runtime.GOARCH]
	dir, root := t.TempDir(), t.TempDir()
	must(t, image.Unpack(img, dir))
	if err := unix.Mount(dir, root, "", unix.MS_BIND, ""); err != nil {
		t.Fatalf("mount: %v. This test needs root, as in CI", err)
	}
	t.Cleanup(func() { must(t, unix.Unmount(root, 0)) })
	must(t, unix.Mount("", root, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""))
	if err := os.WriteFile(filepath.Join(root, "tmp", "x"), nil, 0o600); !errors.Is(err, unix.EROFS) {
		t.Fatalf("the root can be written: %v", err)
	}

	if got, want := output(t, root, nil, "/usr/local/bin/scimbridge", "version"), "scimbridge "+strings.TrimPrefix(l.Tag, "v")+" "; !strings.HasPrefix(got, want) {
		t.Errorf("version says %q, want %q", got, want)
	}
	address, err := program.Address()
	must(t, err)
	env := []string{"OP_LISTEN=" + address, "TZ=Asia/Tokyo"}
	var log bytes.Buffer
	cmd := command(root, env, "/op-scim/op-scim", "serve")
	cmd.Stderr = &log
	must(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	waitFor(t, "http://"+address+"/ping")
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	must(t, err)
	if !strings.Contains(string(status), "\nUid:\t999\t999\t999\t999\nGid:\t999\t999\t999\t999\n") {
		t.Errorf("it runs as somebody else:\n%s", status)
	}
	if got := output(t, root, env, "/op-scim/op-scim", "healthcheck"); got != "no scimsession\n" {
		t.Errorf("healthcheck says %q, and there is no scimsession", got)
	}
	must(t, cmd.Process.Signal(syscall.SIGTERM))
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v:\n%s", err, log.String())
	}
	if first, _, _ := strings.Cut(log.String(), "\n"); !strings.Contains(first, "+09:00") {
		t.Errorf("the log does not know Tokyo's time: %s", first)
	}
	if err := command(root, env, "/op-scim/op-scim", "healthcheck").Run(); err == nil {
		t.Error("healthcheck is content with a bridge that has ended")
	}
}

// command is a command line in the image, run as its user.
func command(root string, env []string, args ...string) *exec.Cmd {
	cmd := &exec.Cmd{Path: args[0], Args: args, Dir: "/home/opuser", Env: append([]string{"PATH=/usr/local/bin"}, env...)}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot: root, Credential: &syscall.Credential{Uid: 999, Gid: 999}, Pdeathsig: syscall.SIGKILL,
	}
	return cmd
}

func output(t *testing.T, root string, env []string, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := command(root, env, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%q: %v\n%s", args, err, errs.String())
	}
	return out.String()
}

// waitFor waits until somebody answers 200.
func waitFor(t *testing.T, url string) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); <-again.C {
		res, err := http.Get(url)
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
