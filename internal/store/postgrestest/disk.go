package postgrestest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// disk is the folder where the server's own disk is mounted, or just its folder.
func (s *Server) disk() string {
	if s.Disk == 0 {
		return s.dir
	}
	return filepath.Join(s.dir, "disk")
}

// asRoot begins a command that only root may carry out.
func asRoot() string {
	if os.Getuid() == 0 {
		return ""
	}
	return "sudo"
}

// mount makes the server's own disk, which the guardian takes away.
func (s *Server) mount() error {
	if err := os.Mkdir(s.disk(), 0o700); err != nil {
		return err
	}
	uid, gid := os.Getuid(), os.Getgid()
	if s.as != nil {
		uid, gid = int(s.as.Uid), int(s.as.Gid)
	}
	words := append(strings.Fields(asRoot()), "mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d,mode=0700,uid=%d,gid=%d", s.Disk, uid, gid), "tmpfs", s.disk())
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("a disk of its own for PostgreSQL: %w: %s. It takes root, or sudo", err, out)
	}
	return nil
}

// logSize is how large the write-ahead log may become, so that a small disk does not fill by itself.
func (s *Server) logSize() string {
	if s.Disk == 0 {
		return "1GB" // as without the setting
	}
	const usual, few = 1 << 30, 4
	return strconv.FormatInt(min(usual, s.Disk/few)>>20, 10) + "MB"
}

func (s *Server) ballast() string { return filepath.Join(s.disk(), "ballast") }

// Fill fills the server's own disk to the last page. It may be called again where the server has given room back.
func (s *Server) Fill() error {
	f, err := os.OpenFile(s.ballast(), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // nothing is written
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	const first, last = 64 << 20, 4 << 10
	for step := int64(first); step >= last; {
		switch err := syscall.Fallocate(int(f.Fd()), 0, size, step); {
		case err == nil:
			size += step
		case errors.Is(err, syscall.ENOSPC):
			step /= 2
		case !errors.Is(err, syscall.EINTR):
			return err
		}
	}
	return nil
}

// Free takes away what Fill has filled the disk with.
func (s *Server) Free() error { return os.Remove(s.ballast()) }
