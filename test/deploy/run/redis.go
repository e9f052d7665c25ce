package run

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// entrypoint does what that of Valkey's image does for whoever is not root.
const entrypoint = `#!/bin/sh
set -e
case "$1" in -*|*.conf) set -- valkey-server "$@" ;; esac
exec "$@"
`

// Redis writes an OCI layout with the machine's own Redis or Valkey under the names of both, as a stand-in for their images
// where no registry is to be had: the same commands with the same flags, a shell and grep for health checks, the same volume
// /data of user 999 and group 1000, nothing else.
func Redis(dir, tag string) error {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	seen := map[string]bool{}
	for _, tool := range []struct{ own, other, places string }{
		{"redis-server", "valkey-server", "usr/local/bin"}, {"redis-cli", "valkey-cli", "usr/local/bin"}, {"sh", "", "bin"}, {"grep", "", "bin"},
	} {
		if err := pack(w, seen, tool.own, tool.other, tool.places); err != nil {
			return err
		}
	}
	err := errors.Join(
		entry(w, tar.Header{Name: "usr/local/bin/docker-entrypoint.sh", Mode: 0o755}, []byte(entrypoint)),
		entry(w, tar.Header{Typeflag: tar.TypeDir, Name: "data/", Mode: 0o755, Uid: 999, Gid: 1000}, nil),
		entry(w, tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777}, nil),
		w.Close())
	if err != nil {
		return err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buf.Bytes())), nil }, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return err
	}
	img, err := mutate.AppendLayers(mutate.MediaType(mutate.ConfigMediaType(empty.Image, types.OCIConfigJSON), types.OCIManifestSchema1), layer)
	if err != nil {
		return err
	}
	c, err := img.ConfigFile()
	if err != nil {
		return err
	}
	c = c.DeepCopy()
	c.OS, c.Architecture = "linux", runtime.GOARCH
	c.Config = v1.Config{
		Entrypoint: []string{"docker-entrypoint.sh"}, Cmd: []string{"valkey-server"}, WorkingDir: "/data",
		Env: []string{"PATH=/usr/local/bin:/bin"}, Volumes: map[string]struct{}{"/data": {}},
	}
	if img, err = mutate.ConfigFile(img, c); err != nil {
		return err
	}
	return Layout(dir, tag, img)
}

// Layout writes an image as an OCI layout of its own.
func Layout(dir, tag string, img v1.Image) error {
	into, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	return into.AppendImage(img, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": tag}))
}

func entry(w *tar.Writer, h tar.Header, content []byte) error {
	h.Size = int64(len(content))
	if err := w.WriteHeader(&h); err != nil {
		return err
	}
	_, err := w.Write(content)
	return err
}

// library is a line of ldd: where the file is.
var library = regexp.MustCompile(`(/\S+) \(0x[0-9a-f]+\)`)

// pack adds a program of this machine, under a second name as well, and the libraries that it loads.
func pack(w *tar.Writer, seen map[string]bool, own, other, place string) error {
	found, err := exec.LookPath(own)
	if err != nil && other != "" {
		found, err = exec.LookPath(other)
	}
	if err != nil {
		return fmt.Errorf("%w; install it: make packages", err)
	}
	if found, err = filepath.EvalSymlinks(found); err != nil { // redis-server is a link to redis-check-rdb, on Debian
		return err
	}
	program, err := os.ReadFile(found)
	if err != nil {
		return err
	}
	if err := entry(w, tar.Header{Name: path.Join(place, own), Mode: 0o755}, program); err != nil {
		return err
	}
	if other != "" {
		if err := entry(w, tar.Header{Typeflag: tar.TypeSymlink, Name: path.Join(place, other), Linkname: own, Mode: 0o777}, nil); err != nil {
			return err
		}
	}
	out, err := exec.Command("ldd", found).Output()
	if err != nil {
		return fmt.Errorf("ldd %s: %w", found, err)
	}
	var files []string
	for _, m := range library.FindAllStringSubmatch(string(out), -1) {
		files = append(files, m[1])
	}
	slices.Sort(files)
	for _, f := range files {
		if seen[f] {
			continue
		}
		seen[f] = true
		content, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		if err := entry(w, tar.Header{Name: strings.TrimPrefix(f, "/"), Mode: 0o755}, content); err != nil {
			return err
		}
	}
	return nil
}
