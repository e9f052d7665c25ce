package run

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Volume is the folder of this machine that stands for a volume of the task.
func (t *Task) Volume(name string) string { return filepath.Join(t.cluster.engine.volumes(t.ID), name) }

// mount is podman's word for a mount point. The first one of a volume makes it, as Fargate does: empty, root's and 0755,
// unless the container's image declares a volume at the very path; then it is as the image has that folder.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/bind-mounts.html
func (t *Task) mount(ctx context.Context, c *Container, m MountPoint) (string, error) {
	dir := t.Volume(m.Volume)
	if _, err := os.Stat(dir); os.IsNotExist(err) {
		if err := t.makeVolume(ctx, c, m, dir); err != nil {
			return "", fmt.Errorf("volume %s: %w", m.Volume, err)
		}
	}
	access := "rw"
	if m.ReadOnly {
		access = "ro"
	}
	return dir + ":" + m.Path + ":" + access, nil
}

func (t *Task) makeVolume(ctx context.Context, c *Container, m MountPoint, dir string) error {
	uid, gid, mode, why := uint32(0), uint32(0), fs.FileMode(0o755), "as Fargate makes volumes that no image declares"
	declared, err := t.declares(ctx, c.Image, m.Path)
	if err != nil {
		return err
	}
	if declared {
		root, err := t.podman(ctx, "image", "mount", c.Image)
		if err != nil {
			return err
		}
		in := filepath.Join(strings.TrimSpace(root), m.Path)
		info, err := os.Stat(in)
		if err != nil {
			return err
		}
		list, err := os.ReadDir(in)
		if err != nil {
			return err
		}
		if len(list) > 0 {
			return fmt.Errorf("%s of the image %s holds files, which this runner does not copy", m.Path, c.Image)
		}
		stat := info.Sys().(*syscall.Stat_t)
		uid, gid, mode, why = stat.Uid, stat.Gid, info.Mode().Perm(), "as the image of "+c.Name+" declares it at "+m.Path
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // others' containers pass it
		return err
	}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		return err
	}
	if err := os.Chmod(dir, mode); err != nil {
		return err
	}
	t.cluster.Say("         a folder stands for the volume %s: empty, %s of %d:%d, %s", m.Volume, mode, uid, gid, why)
	return nil
}

// declares reports whether an image says that a path is a volume.
func (t *Task) declares(ctx context.Context, image, path string) (bool, error) {
	out, err := t.podman(ctx, "image", "inspect", "--format", "{{json .Config.Volumes}}", image)
	if err != nil {
		return false, err
	}
	var volumes map[string]struct{}
	if err := json.Unmarshal([]byte(out), &volumes); err != nil {
		return false, fmt.Errorf("volumes of %s: %w", image, err)
	}
	_, ok := volumes[path]
	return ok, nil
}
