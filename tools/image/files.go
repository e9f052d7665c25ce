package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// The user of the original's image, whom volumes and secrets of its deployments belong to.
const (
	user = "opuser"
	uid  = 999
	home = "/home/opuser"
)

const (
	programPath = "/op-scim/op-scim"          // where the original has it
	commandPath = "/usr/local/bin/scimbridge" // where people look
)

// archive is a layer's files, in the order in which they are added, all of one time.
type archive struct {
	buf  bytes.Buffer
	tar  *tar.Writer
	time time.Time
}

func newArchive(t time.Time) *archive {
	a := &archive{time: t}
	a.tar = tar.NewWriter(&a.buf)
	return a
}

func (a *archive) add(h tar.Header, content []byte) error {
	h.Name, h.Size, h.ModTime, h.Format = strings.TrimPrefix(h.Name, "/"), int64(len(content)), a.time, tar.FormatPAX
	if err := a.tar.WriteHeader(&h); err != nil {
		return err
	}
	_, err := a.tar.Write(content)
	return err
}

func (a *archive) folder(name string, mode int64, owner int) error {
	return a.add(tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode, Uid: owner, Gid: owner}, nil)
}

func (a *archive) file(name string, mode int64, content []byte) error {
	return a.add(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode}, content)
}

func (a *archive) bytes() ([]byte, error) {
	err := a.tar.Close()
	return a.buf.Bytes(), err
}

// baseFiles is the layer below the program, the same for all architectures: what a static program misses from scratch.
func baseFiles(p *program) ([]byte, error) {
	a := newArchive(p.created)
	for _, d := range []string{"/etc", "/etc/ssl", "/etc/ssl/certs", "/home", "/usr", "/usr/share", "/usr/share/zoneinfo"} {
		if err := a.folder(d, 0o755, 0); err != nil {
			return nil, err
		}
	}
	for _, d := range []struct {
		name  string
		mode  int64
		owner int
	}{
		{home, 0o755, uid},
		{home + "/.op", 0o700, uid}, // a volume that is mounted here takes over owner and mode
		{"/tmp", 0o1777, 0},         // for sockets whose path would be too long elsewhere
	} {
		if err := a.folder(d.name, d.mode, d.owner); err != nil {
			return nil, err
		}
	}
	if err := a.file("/etc/passwd", 0o644, fmt.Appendf(nil, "root:x:0:0:root:/:/sbin/nologin\n%s:x:%d:%d::%s:/sbin/nologin\n", user, uid, uid, home)); err != nil {
		return nil, err
	}
	if err := a.file("/etc/group", 0o644, fmt.Appendf(nil, "root:x:0:\n%s:x:%d:\n", user, uid)); err != nil {
		return nil, err
	}
	if err := a.file("/etc/ssl/certs/ca-certificates.crt", 0o644, authorities()); err != nil {
		return nil, err
	}
	if err := a.zones(); err != nil {
		return nil, err
	}
	return a.bytes()
}

// authorities are Mozilla's, from a Go module, so that their version is pinned by go.sum and not by whose machine
// builds. One that Mozilla trusts with a restriction is left out, since a file of certificates cannot say so.
func authorities() []byte {
	var buf bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			buf.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}))
		}
	}
	return buf.Bytes()
}

// zones adds the time zones that come with Go, for TZ.
func (a *archive) zones() error {
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return err
	}
	z, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(goroot)), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		return err
	}
	defer z.Close() //nolint:errcheck // read only
	for _, f := range z.File {
		name := path.Join("/usr/share/zoneinfo", f.Name)
		if f.FileInfo().IsDir() {
			if err := a.folder(name, 0o755, 0); err != nil {
				return err
			}
			continue
		}
		r, err := f.Open()
		if err != nil {
			return err
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if err := a.file(name, 0o644, content); err != nil {
			return err
		}
	}
	return nil
}

// programFiles is the layer with the program, under both its names, and the licences of all that is in it.
func programFiles(root string, p *program) ([]byte, error) {
	executable, err := os.ReadFile(p.path)
	if err != nil {
		return nil, err
	}
	a := newArchive(p.created)
	for _, d := range []string{path.Dir(programPath), "/usr/local", path.Dir(commandPath), docs, docs + "/licences"} {
		if err := a.folder(d, 0o755, 0); err != nil {
			return nil, err
		}
	}
	if err := a.file(programPath, 0o755, executable); err != nil {
		return nil, err
	}
	if err := a.add(tar.Header{Typeflag: tar.TypeSymlink, Name: commandPath, Linkname: programPath, Mode: 0o777}, nil); err != nil {
		return nil, err
	}
	if err := a.licences(root, p); err != nil {
		return nil, err
	}
	return a.bytes()
}

// authoritiesModule is that from which the certificates of authorities are.
const authoritiesModule = "golang.org/x/crypto/x509roots/fallback"

const docs = "/usr/share/doc/scimbridge"

// licenceFile is what modules call the files that have to go along with what is made of them.
var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice)`)

// licences adds our own licence, Go's, that of the module with the authorities, and those of all modules in the program.
func (a *archive) licences(root string, p *program) error {
	own, err := os.ReadFile(filepath.Join(root, "LICENSE"))
	if err != nil {
		return err
	}
	if err := a.file(docs+"/LICENSE", 0o644, own); err != nil {
		return err
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return err
	}
	if err := a.licencesOf("go", strings.TrimSpace(string(goroot))); err != nil {
		return err
	}
	dirs, err := moduleDirs(root)
	if err != nil {
		return err
	}
	ours, err := moduleDirs(filepath.Join(root, "tools"))
	if err != nil {
		return err
	}
	if err := a.licencesOf(authoritiesModule, ours[authoritiesModule]); err != nil {
		return err
	}
	for _, m := range p.info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		if err := a.licencesOf(m.Path, dirs[m.Path]); err != nil {
			return err
		}
	}
	return nil
}

// licencesOf adds the licences that lie in a module's folder.
func (a *archive) licencesOf(module, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("licence of %s: %w", module, err)
	}
	found := false
	for _, e := range entries {
		if e.IsDir() || !licenceFile.MatchString(e.Name()) {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		found = true
		if err := a.file(path.Join(docs, "licences", module, e.Name()), 0o644, content); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("%s has no licence in %s; the image would pass it on without one", module, dir)
	}
	return nil
}

// moduleDirs says where the modules of a program lie on this machine.
func moduleDirs(root string) (map[string]string, error) {
	cmd := exec.Command("go", "list", "-m", "-f", "{{.Path}}\t{{.Dir}}", "all")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list -m: %w", err)
	}
	dirs := map[string]string{}
	for line := range strings.Lines(string(out)) {
		module, dir, _ := strings.Cut(strings.TrimSpace(line), "\t")
		dirs[module] = dir
	}
	return dirs, nil
}
