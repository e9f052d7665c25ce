// Package image builds scimbridge's container image, reads it back as a registry's client would, and says what is not as
// deployments rely on. It needs no container engine; what it unpacks it can run in a chroot.
package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// Root is the folder of scimbridge's source, seen from a package of this module.
const Root = "../../.."

// RefName is the annotation by which an image is found in a layout.
const RefName = "org.opencontainers.image.ref.name"

// Build does what "make image" does, into a folder of the caller's, with more in its environment.
func Build(out string, env ...string) error {
	out, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	cmd := exec.Command("go", "run", "./image", "-out", out)
	cmd.Dir = filepath.Join(Root, "tools")
	cmd.Env = append(os.Environ(), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go run ./image: %w\n%s", err, text)
	}
	return nil
}

// Layout is an image as it lies in a folder.
type Layout struct {
	Tag    string
	Digest v1.Hash             // of the index of platforms
	Images map[string]v1.Image // by platform, such as linux/amd64
}

// Open reads a layout that holds one image of several platforms.
func Open(dir string) (*Layout, error) {
	outer, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, err
	}
	m, err := outer.IndexManifest()
	if err != nil {
		return nil, err
	}
	if len(m.Manifests) != 1 || !m.Manifests[0].MediaType.IsIndex() {
		return nil, fmt.Errorf("%s: index.json names %d manifests; an index of platforms alone is wanted", dir, len(m.Manifests))
	}
	l := &Layout{Tag: m.Manifests[0].Annotations[RefName], Digest: m.Manifests[0].Digest, Images: map[string]v1.Image{}}
	index, err := outer.ImageIndex(l.Digest)
	if err != nil {
		return nil, err
	}
	if m, err = index.IndexManifest(); err != nil {
		return nil, err
	}
	for _, d := range m.Manifests {
		if l.Images[d.Platform.String()], err = index.Image(d.Digest); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// File is one entry of an image's file system.
type File struct {
	tar.Header
	Content []byte
}

// Files reads an image's file system; the keys are clean paths without a slash at the front.
func Files(img v1.Image) (files map[string]File, err error) {
	r := mutate.Extract(img)
	defer func() { err = errors.Join(err, r.Close()) }()
	files = map[string]File{}
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(t)
		if err != nil {
			return nil, err
		}
		files[filepath.Clean(h.Name)] = File{*h, content}
	}
}

// Unpack writes an image's file system into an empty folder, with its owners and modes; only root can.
func Unpack(img v1.Image, dir string) error {
	r := mutate.Extract(img)
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return r.Close()
		}
		if err != nil {
			return errors.Join(err, r.Close())
		}
		if err := unpack(t, h, dir); err != nil {
			return errors.Join(err, r.Close())
		}
	}
}

func unpack(r io.Reader, h *tar.Header, dir string) error {
	if !filepath.IsLocal(h.Name) {
		return fmt.Errorf("%s is not inside the image", h.Name)
	}
	path := filepath.Join(dir, h.Name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeSymlink:
		return os.Symlink(h.Linkname, path)
	case tar.TypeDir:
		if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	case tar.TypeReg:
		var content bytes.Buffer
		if _, err := io.Copy(&content, r); err != nil {
			return err
		}
		if err := os.WriteFile(path, content.Bytes(), 0o600); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%s is neither file, folder nor link", h.Name)
	}
	return errors.Join(os.Chown(path, h.Uid, h.Gid), os.Chmod(path, h.FileInfo().Mode())) // in this order: chown takes bits away
}
