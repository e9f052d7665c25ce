package main

import (
	"debug/buildinfo"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// program is the bridge, built for one architecture.
type program struct {
	arch    string
	path    string // the executable
	version string // without v
	commit  string // empty outside a checkout; ends in -dirty where files were changed
	created time.Time
	info    *buildinfo.BuildInfo
}

func (p *program) platform() *v1.Platform { return &v1.Platform{OS: "linux", Architecture: p.arch} }

// buildProgram compiles cmd/scimbridge for an architecture of Linux, static and without paths of this machine.
func buildProgram(root, arch, path string) (*program, error) {
	// GOFLAGS and the levels of instructions are fixed, so that what somebody has set for daily work does not show. Empty,
	// GOFLAGS would be read from a file of Go's.
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "./cmd/scimbridge")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOFLAGS=-buildvcs=auto", "GOEXPERIMENT=", "GOAMD64=v1", "GOARM64=v8.0", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build for %s: %w\n%s", arch, err, out)
	}
	p := &program{arch: arch, path: path}
	var err error
	if p.info, err = buildinfo.ReadFile(path); err != nil {
		return nil, err
	}
	if p.version, err = versionOf(root); err != nil {
		return nil, err
	}
	p.commit, p.created, err = origin(p.info, os.Getenv("SOURCE_DATE_EPOCH"))
	return p, err
}

// versionOf reads the version where the program has it.
func versionOf(root string) (string, error) {
	path := filepath.Join(root, "cmd", "scimbridge", "version.go")
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		return "", err
	}
	var found string
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.ValueSpec); ok && s.Names[0].Name == "version" && len(s.Values) == 1 {
			if text, ok := s.Values[0].(*ast.BasicLit); ok {
				found, err = strconv.Unquote(text.Value)
			}
		}
		return true
	})
	if found == "" || err != nil {
		return "", errors.Join(fmt.Errorf("%s has no constant version", path), err)
	}
	return found, nil
}

// origin says which commit a program was built from and which time its image bears: epoch's (seconds since 1970), the
// commit's, or 1970 where neither is known.
func origin(info *buildinfo.BuildInfo, epoch string) (commit string, created time.Time, err error) {
	created = time.Unix(0, 0).UTC()
	dirty := ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			commit = s.Value
		case "vcs.time":
			if created, err = time.Parse(time.RFC3339, s.Value); err != nil {
				return "", created, err
			}
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "-dirty"
			}
		}
	}
	if commit = strings.TrimSpace(commit); commit != "" {
		commit += dirty
	}
	if epoch != "" {
		seconds, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil {
			return "", created, fmt.Errorf("SOURCE_DATE_EPOCH: %w. Give seconds since 1970, or leave it out for the commit's time", err)
		}
		created = time.Unix(seconds, 0)
	}
	return commit, created.UTC(), nil
}
