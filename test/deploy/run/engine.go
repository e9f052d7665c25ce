package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// engine is podman with a storage of its own, which goes with Close.
type engine struct{ dir string }

// limits are what runc can set where this machine's own are lower than podman would have them.
const limits = "[containers]\ndefault_ulimits = [\"nofile=4096:4096\", \"nproc=4096:4096\"]\n"

func newEngine() (*engine, error) {
	for _, tool := range []string{"podman", "runc", "nsenter"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, fmt.Errorf("%w; install it: make deploy-packages", err)
		}
	}
	dir, err := os.MkdirTemp("/tmp", "sb-*") // podman wants its paths short
	if err != nil {
		return nil, err
	}
	e := &engine{dir}
	return e, os.WriteFile(e.config(), []byte(limits), 0o600)
}

func (e *engine) config() string { return filepath.Join(e.dir, "containers.conf") }

// volumes is where those of a task are.
func (e *engine) volumes(task string) string { return filepath.Join(e.dir, "volumes", task) }

// Close ends all containers and deletes everything.
func (e *engine) Close() error {
	_, err := e.podman(context.Background(), "", nil, "pod", "rm", "--all", "--force", "--time", "0")
	return errors.Join(err, os.RemoveAll(e.dir))
}

// podman runs a command of podman in a network namespace, with more in its environment, and returns what it prints. Fargate
// has containerd; what a container sees of either is set by the same OCI runtime.
func (e *engine) podman(ctx context.Context, namespace string, env []string, args ...string) (string, error) {
	line := []string{
		"podman", "--root", filepath.Join(e.dir, "root"), "--runroot", filepath.Join(e.dir, "run"), "--storage-driver", "vfs",
		"--cgroup-manager", "cgroupfs", "--runtime", "runc", "--events-backend", "file", // no systemd, no overlay file system is needed
	}
	if namespace != "" {
		line = append([]string{"nsenter", "--net=/run/netns/" + namespace}, line...)
	}
	line = append(line, args...)
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Env = append(append(os.Environ(), "CONTAINERS_CONF="+e.config()), env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("podman %s: %w: %s", args[0], err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// store puts an image of an OCI layout in place under the name that definitions call it by.
func (e *engine) store(layout, tag, name string) error {
	in := filepath.Join(e.dir, "in") // podman takes names from paths, and wants those in lower case
	if err := os.CopyFS(in, os.DirFS(layout)); err != nil {
		return err
	}
	id, err := e.podman(context.Background(), "", nil, "pull", "--quiet", "oci:"+in+":"+tag)
	if err := errors.Join(err, os.RemoveAll(in)); err != nil {
		return err
	}
	_, err = e.podman(context.Background(), "", nil, "tag", strings.TrimSpace(id), name)
	return err
}
