// Package systemd checks deploy/systemd: its units as systemd reads them, its packages installed into a root of their own,
// and the program run there as the units say. Where systemd itself cannot run, it stands in for the parts of it that a
// program notices: user, environment, credentials, system calls and address families.
package systemd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Unit is a unit file: by section and key, the values in their order.
type Unit map[string]map[string][]string

// ReadUnit reads a unit and the drop-ins for it.
func ReadUnit(path string, dropins ...string) (Unit, error) {
	u := Unit{}
	for _, path := range append([]string{path}, dropins...) {
		raw, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		section := ""
		for line := range strings.Lines(string(raw)) {
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' || line[0] == ';' {
				continue
			}
			if line[0] == '[' {
				section = strings.Trim(line, "[]")
				continue
			}
			key, value, ok := strings.Cut(line, "=")
			if !ok || section == "" {
				return nil, fmt.Errorf("%s: %q", path, line)
			}
			if u[section] == nil {
				u[section] = map[string][]string{}
			}
			u[section][key] = append(u[section][key], value)
		}
	}
	return u, nil
}

// all are the values of a key of [Service]; an empty one takes away those before it.
func (u Unit) all(key string) []string {
	var list []string
	for _, v := range u["Service"][key] {
		if v == "" {
			list = nil
			continue
		}
		list = append(list, v)
	}
	return list
}

// last is the value of a key of [Service] that counts.
func (u Unit) last(key string) string {
	list := u.all(key)
	if len(list) == 0 {
		return ""
	}
	return list[len(list)-1]
}

// environment is what the program gets, with files below root. Files count over what stands in the unit (systemd.exec(5)).
func (u Unit) environment(root, credentials string) ([]string, error) {
	expand := strings.NewReplacer("%d", credentials, "%S", "/var/lib", "%%", "%").Replace
	env := map[string]string{"PATH": "/usr/bin", "CREDENTIALS_DIRECTORY": credentials}
	for _, v := range u.all("Environment") {
		key, value, ok := strings.Cut(expand(v), "=")
		if !ok {
			return nil, fmt.Errorf("the unit's Environment=%s is no assignment", v)
		}
		env[key] = value
	}
	for _, v := range u.all("EnvironmentFile") {
		path, optional := strings.CutPrefix(v, "-")
		raw, err := os.ReadFile(filepath.Join(root, path))
		if os.IsNotExist(err) && optional {
			continue
		}
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(raw)) {
			key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
			if ok && key[0] != '#' {
				env[key] = value
			}
		}
	}
	var list []string
	for key, value := range env {
		list = append(list, key+"="+value)
	}
	slices.Sort(list)
	return list, nil
}

// systemCalls are the names that the unit's SystemCallFilter allows, by the sets of the systemd on this machine.
func (u Unit) systemCalls() (map[string]bool, error) {
	allowed := map[string]bool{}
	for _, line := range u.all("SystemCallFilter") {
		line, forbids := strings.CutPrefix(line, "~")
		for _, word := range strings.Fields(line) {
			names, err := callSet(word)
			if err != nil {
				return nil, err
			}
			for _, name := range names {
				if forbids {
					delete(allowed, name)
				} else {
					allowed[name] = true
				}
			}
		}
	}
	return allowed, nil
}

// callSet are the system calls of a set such as @system-service, or the one that is named.
func callSet(name string) ([]string, error) {
	if name[0] != '@' {
		return []string{name}, nil
	}
	out, err := exec.Command("systemd-analyze", "syscall-filter", "--no-pager", name).Output()
	if err != nil {
		return nil, fmt.Errorf("systemd-analyze syscall-filter %s: %w", name, err)
	}
	var list []string
	for line := range strings.Lines(string(out)) {
		word := strings.TrimSpace(line)
		if word == "" || word[0] == '#' || word == name {
			continue
		}
		names, err := callSet(word)
		if err != nil {
			return nil, err
		}
		list = append(list, names...)
	}
	return list, nil
}
