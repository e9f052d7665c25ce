package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// platformImage is the image for one architecture.
type platformImage struct {
	program *program
	image   v1.Image
	layers  [2]v1.Layer // base, program
	raw     int64       // bytes of both, not compressed
}

// newImage puts the layers together and says how they are to be run.
func newImage(root string, p *program) (*platformImage, error) {
	img := &platformImage{program: p}
	base, err := baseFiles(p)
	if err != nil {
		return nil, err
	}
	own, err := programFiles(root, p)
	if err != nil {
		return nil, err
	}
	img.raw = int64(len(base) + len(own))
	var adds []mutate.Addendum
	for i, part := range []struct {
		what    string
		content []byte
	}{{"certificate authorities, time zones, user " + user, base}, {"scimbridge " + p.version + " and the licences of what is in it", own}} {
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(part.content)), nil },
			tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(gzip.BestCompression), tarball.WithCompressedCaching)
		if err != nil {
			return nil, err
		}
		img.layers[i] = layer
		adds = append(adds, mutate.Addendum{Layer: layer, History: v1.History{Created: v1.Time{Time: p.created}, CreatedBy: "make image", Comment: part.what}})
	}
	i := mutate.MediaType(mutate.ConfigMediaType(empty.Image, types.OCIConfigJSON), types.OCIManifestSchema1)
	if i, err = mutate.Append(i, adds...); err != nil {
		return nil, err
	}
	if i, err = mutate.ConfigFile(i, img.config(i)); err != nil {
		return nil, err
	}
	img.image = mutate.Annotations(i, img.labels()).(v1.Image) //nolint:forcetypeassert // documented: an image stays one
	return img, nil
}

// config adds to an image's configuration how it runs.
func (p *platformImage) config(i v1.Image) *v1.ConfigFile {
	c, err := i.ConfigFile()
	if err != nil {
		panic(err) // of a configuration that was made a moment ago
	}
	c = c.DeepCopy()
	c.OS, c.Architecture, c.Created = "linux", p.program.arch, v1.Time{Time: p.program.created}
	c.Config = v1.Config{
		User:       fmt.Sprintf("%d:%d", uid, uid), // by number: Kubernetes can tell then that it is not root
		Entrypoint: []string{programPath},
		Cmd:        []string{"serve"},
		Env:        []string{"PATH=/usr/local/bin"},
		WorkingDir: home,
		// HTTP, TLS, /ping alone. No volume is declared: a bridge needs none, and engines would make one each time.
		ExposedPorts: map[string]struct{}{"3002/tcp": {}, "8443/tcp": {}, "8080/tcp": {}},
		Labels:       p.labels(),
	}
	return c
}

// labels are those of the OCI image specification.
func (p *platformImage) labels() map[string]string {
	const prefix = "org.opencontainers.image."
	l := map[string]string{
		prefix + "title":         "scimbridge",
		prefix + "description":   "Keeps the people and groups of an end-to-end encrypted account equal to those of an identity provider, by SCIM 2.0",
		prefix + "version":       p.program.version,
		prefix + "created":       p.program.created.Format("2006-01-02T15:04:05Z07:00"),
		prefix + "source":        source,
		prefix + "documentation": source + "/blob/v" + p.program.version + "/README.md",
		prefix + "licenses":      "Apache-2.0",
	}
	if p.program.commit != "" {
		l[prefix+"revision"] = p.program.commit
	}
	return l
}

// sizes are in bytes: the layers as they travel, and all of it unpacked.
type sizes struct{ base, program, unpacked int64 }

func (p *platformImage) sizes() (s sizes, err error) {
	if s.base, err = p.layers[0].Size(); err != nil {
		return s, err
	}
	s.program, err = p.layers[1].Size()
	s.unpacked = p.raw
	return s, err
}
