package run

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// engines add these to every container's environment, ECS' a few others.
var added = []string{"PATH", "TERM", "container", "HOME", "HOSTNAME"}

// Verify looks at what the kernel says of a running container, and says what is not as a definition wants it, a line each.
func (t *Task) Verify(ctx context.Context, c *Container) []string {
	first, program, err := t.processes(ctx, c)
	if err != nil {
		return []string{err.Error()}
	}
	var problems []string
	for _, look := range []struct {
		verify func(c *Container, proc string) ([]string, error)
		pid    string
	}{
		{verifyIdentity, first},
		{verifyIdentity, program},
		{verifyRoot, program},
		{verifyVolumes, program},
		{verifyMemory, program},
		{verifyEnvironment, first}, // Redis writes its title over its own
	} {
		found, err := look.verify(c, filepath.Join("/proc", look.pid))
		if err != nil {
			found = append(found, err.Error())
		}
		problems = append(problems, found...)
	}
	slices.Sort(problems)
	return slices.Compact(problems)
}

// processes are the numbers on this machine of a container's first process and of its program: the same one, unless the
// first is an init process.
func (t *Task) processes(ctx context.Context, c *Container) (first, program string, err error) {
	out, err := t.podman(ctx, "inspect", "--format", "{{.State.Pid}}", t.name(c))
	if err != nil {
		return "", "", err
	}
	first = strings.TrimSpace(out)
	if c.LinuxParameters == nil || !c.LinuxParameters.InitProcessEnabled {
		return first, first, nil
	}
	children, err := os.ReadFile(filepath.Join("/proc", first, "task", first, "children"))
	if err != nil {
		return "", "", err
	}
	list := strings.Fields(string(children))
	if len(list) != 1 {
		return "", "", fmt.Errorf("%s: below the init process there are %q", c.Name, list)
	}
	return first, list[0], nil
}

// verifyIdentity compares user, group and capabilities.
func verifyIdentity(c *Container, proc string) (problems []string, err error) {
	text, err := os.ReadFile(filepath.Join(proc, "status"))
	if err != nil {
		return nil, err
	}
	is := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		is[name] = strings.Join(strings.Fields(value), " ")
	}
	if c.User != "" {
		uid, gid, _ := strings.Cut(c.User, ":")
		for name, want := range map[string]string{"Uid": uid, "Gid": gid} {
			if want = strings.TrimSpace(strings.Repeat(want+" ", 4)); want != "" && is[name] != want {
				problems = append(problems, fmt.Sprintf("%s: %s is %s, want %s", c.Name, name, is[name], want))
			}
		}
	}
	if l := c.LinuxParameters; l != nil && slices.Contains(l.Capabilities.Drop, "ALL") && len(l.Capabilities.Add) == 0 {
		for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
			if strings.Trim(is[set], "0") != "" {
				problems = append(problems, fmt.Sprintf("%s: it has capabilities: %s %s", c.Name, set, is[set]))
			}
		}
	}
	return problems, nil
}

// verifyEnvironment compares the environment: what is there must be meant, and what is meant must be there.
func verifyEnvironment(c *Container, proc string) (problems []string, err error) {
	text, err := os.ReadFile(filepath.Join(proc, "environ"))
	if err != nil {
		return nil, err
	}
	is := map[string]string{}
	for _, v := range strings.Split(strings.TrimRight(string(text), "\x00"), "\x00") {
		name, value, _ := strings.Cut(v, "=")
		is[name] = value
	}
	meant := slices.Clone(added)
	for _, v := range c.Environment {
		meant = append(meant, v.Name)
		if value, ok := is[v.Name]; !ok || value != v.Value {
			problems = append(problems, fmt.Sprintf("%s: %s is %q, want %q", c.Name, v.Name, value, v.Value))
		}
	}
	for _, s := range c.Secrets {
		meant = append(meant, s.Name)
		if is[s.Name] == "" {
			problems = append(problems, fmt.Sprintf("%s: the secret %s is not there", c.Name, s.Name))
		}
	}
	for name := range is {
		if !slices.Contains(meant, name) {
			problems = append(problems, fmt.Sprintf("%s: nobody has set %s", c.Name, name))
		}
	}
	return problems, nil
}

// verifyRoot compares whether the root can be written.
func verifyRoot(c *Container, proc string) ([]string, error) {
	readOnly, err := mounts(proc)
	if err != nil {
		return nil, err
	}
	ro, ok := readOnly["/"]
	if !ok {
		return nil, fmt.Errorf("%s: no root among its mounts", c.Name)
	}
	if ro != c.ReadonlyRootFilesystem {
		return []string{fmt.Sprintf("%s: that its root is read-only is %t, want %t", c.Name, ro, c.ReadonlyRootFilesystem)}, nil
	}
	return nil, nil
}

// verifyVolumes compares where volumes are, and whether they can be written.
func verifyVolumes(c *Container, proc string) (problems []string, err error) {
	readOnly, err := mounts(proc)
	if err != nil {
		return nil, err
	}
	for _, m := range c.MountPoints {
		ro, ok := readOnly[m.Path]
		switch {
		case !ok:
			problems = append(problems, fmt.Sprintf("%s: no volume is at %s", c.Name, m.Path))
		case ro != m.ReadOnly:
			problems = append(problems, fmt.Sprintf("%s: that %s is read-only is %t, want %t", c.Name, m.Path, ro, m.ReadOnly))
		}
	}
	return problems, nil
}

// mounts are a process's, by place, and whether each is read-only.
func mounts(proc string) (map[string]bool, error) {
	text, err := os.ReadFile(filepath.Join(proc, "mounts"))
	if err != nil {
		return nil, err
	}
	readOnly := map[string]bool{}
	for line := range strings.Lines(string(text)) { // device, place, type, options
		if f := strings.Fields(line); len(f) > 3 {
			readOnly[f[1]] = slices.Contains(strings.Split(f[3], ","), "ro")
		}
	}
	return readOnly, nil
}

// verifyMemory compares the limit of memory.
func verifyMemory(c *Container, proc string) ([]string, error) {
	if c.Memory == 0 {
		return nil, nil
	}
	text, err := os.ReadFile(filepath.Join(proc, "cgroup"))
	if err != nil {
		return nil, err
	}
	file := ""
	for line := range strings.Lines(string(text)) { // number:controllers:path
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(f) == 3 && f[1] == "memory":
			file = filepath.Join("/sys/fs/cgroup/memory", f[2], "memory.limit_in_bytes")
		case len(f) == 3 && f[1] == "" && file == "": // version 2, unless version 1 has the memory
			file = filepath.Join("/sys/fs/cgroup", f[2], "memory.max")
		}
	}
	limit, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if want := strconv.Itoa(c.Memory << 20); strings.TrimSpace(string(limit)) != want {
		return []string{fmt.Sprintf("%s: its memory is limited to %s bytes, want %s", c.Name, strings.TrimSpace(string(limit)), want)}, nil
	}
	return nil, nil
}
