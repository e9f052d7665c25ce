package systemd

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// confinement is what becomes of a process before the program begins: a root of its own, a user, and a filter.
type confinement struct {
	Root     string
	UID, GID int
	Args     []string
	Env      []string
	Calls    []string // system calls; nil: all
	Families []uint64 // of addresses, that a socket may be made for
}

// confined is the variable by which a process of this test binary knows that it is to confine itself.
const confined = "SCIMBRIDGE_CONFINED"

// Command is the program as the unit starts it, in the system below root.
func (u Unit) Command(root string) (*exec.Cmd, error) {
	uid, gid, err := user(root, u.last("User"))
	if err != nil {
		return nil, err
	}
	credentials, err := u.loadCredentials(root, uid, gid)
	if err != nil {
		return nil, err
	}
	if state := u.last("StateDirectory"); state != "" {
		if err := u.makeState(filepath.Join(root, "var/lib", state), uid, gid); err != nil {
			return nil, err
		}
	}
	c := confinement{Root: root, UID: uid, GID: gid, Args: strings.Fields(u.last("ExecStart"))}
	if c.Env, err = u.environment(root, credentials); err != nil {
		return nil, err
	}
	calls, err := u.systemCalls()
	if err != nil {
		return nil, err
	}
	info, err := arch.GetInfo("")
	if err != nil {
		return nil, err
	}
	for name := range calls {
		if _, here := info.SyscallNames[name]; here && name != "socket" {
			c.Calls = append(c.Calls, name)
		}
	}
	for _, name := range strings.Fields(u.last("RestrictAddressFamilies")) {
		family, ok := map[string]uint64{"AF_UNIX": unix.AF_UNIX, "AF_INET": unix.AF_INET, "AF_INET6": unix.AF_INET6, "AF_NETLINK": unix.AF_NETLINK}[name]
		if !ok {
			return nil, fmt.Errorf("RestrictAddressFamilies: %s is not known here", name)
		}
		c.Families = append(c.Families, family)
	}
	return c.command()
}

// AsUser is a command in the system below root, as one of its users.
func AsUser(root, name string, args ...string) (*exec.Cmd, error) {
	uid, gid, err := user(root, name)
	if err != nil {
		return nil, err
	}
	return (&confinement{Root: root, UID: uid, GID: gid, Args: args, Env: []string{"PATH=/usr/bin"}}).command()
}

func (c *confinement) command() (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), confined+"="+string(raw))
	return cmd, nil
}

// becomeConfined confines this process and runs the program, and does not come back but with an error.
func becomeConfined(text string) error {
	var c confinement
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return err
	}
	err := errors.Join(syscall.Chroot(c.Root), os.Chdir("/"), syscall.Setgroups(nil), syscall.Setgid(c.GID), syscall.Setuid(c.UID))
	if err != nil {
		return fmt.Errorf("becoming user %d in %s: %w", c.UID, c.Root, err)
	}
	if c.Calls != nil {
		if err := seccomp.LoadFilter(c.filter()); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s: %w", c.Args[0], syscall.Exec(c.Args[0], c.Args, c.Env))
}

// filter lets the allowed calls pass, and answers EPERM to others, as SystemCallErrorNumber says.
func (c *confinement) filter() seccomp.Filter {
	allow := seccomp.SyscallGroup{Action: seccomp.ActionAllow, Names: c.Calls}
	for _, family := range c.Families {
		allow.NamesWithCondtions = append(allow.NamesWithCondtions, seccomp.NameWithConditions{
			Name: "socket", Conditions: seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.Equal, Value: family}},
		})
	}
	return seccomp.Filter{NoNewPrivs: true, Flag: seccomp.FilterFlagTSync, Policy: seccomp.Policy{DefaultAction: seccomp.ActionErrno, Syscalls: []seccomp.SyscallGroup{allow}}}
}

// loadCredentials copies what LoadCredential names to where only the user reads it, and returns the folder.
func (u Unit) loadCredentials(root string, uid, gid int) (string, error) {
	folder := "/run/credentials/" + u.last("User")
	if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
		return "", err
	}
	for _, v := range u.all("LoadCredential") {
		name, from, ok := strings.Cut(v, ":")
		if !ok {
			return "", fmt.Errorf("LoadCredential=%s names no file", v)
		}
		raw, err := os.ReadFile(filepath.Join(root, from))
		if err != nil {
			return "", fmt.Errorf("failed to set up credentials: %w", err)
		}
		path := filepath.Join(root, folder, name)
		if err := errors.Join(os.RemoveAll(path), os.WriteFile(path, raw, 0o400), os.Chown(path, uid, gid)); err != nil {
			return "", err
		}
	}
	return folder, nil
}

func (u Unit) makeState(path string, uid, gid int) error {
	mode, err := strconv.ParseUint(u.last("StateDirectoryMode"), 8, 32)
	if err != nil {
		return fmt.Errorf("StateDirectoryMode: %w", err)
	}
	return errors.Join(os.MkdirAll(path, 0o755), os.Chmod(path, os.FileMode(mode)), os.Chown(path, uid, gid))
}

// user finds a user of the system below root.
func user(root, name string) (uid, gid int, err error) {
	raw, err := os.ReadFile(filepath.Join(root, "etc/passwd"))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(raw)) {
		if f := strings.Split(line, ":"); len(f) > 3 && f[0] == name {
			uid, err = strconv.Atoi(f[2])
			if err == nil {
				gid, err = strconv.Atoi(f[3])
			}
			return uid, gid, err
		}
	}
	return 0, 0, fmt.Errorf("%s: there is no user %q", root, name)
}
