// Command image builds scimbridge's container image without Docker: an OCI layout for linux/amd64 and linux/arm64 out
// of nothing but the Go toolchain and modules whose versions are pinned. It is run in the tools folder (make image does)
// and writes into the folder that -out names:
//
//	image/                    the OCI layout: one reference, the version, to an index of both platforms
//	image-linux-ARCH.tar      the same image for one platform, for "docker load" and "podman load"
//	image-linux-ARCH.cdx.json what is in it, in CycloneDX
//
// Two runs on one commit write the same bytes, on any machine that has the same version of Go: no file of the machine
// gets into the image, and all times are the commit's, or SOURCE_DATE_EPOCH.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	source     = "https://github.com/scimbridge/scimbridge"
	repository = "ghcr.io/scimbridge/scimbridge"
	refName    = "org.opencontainers.image.ref.name" // of the image layout: how skopeo and podman find an image in it
)

func main() {
	root := flag.String("source", "..", "folder of scimbridge's source")
	out := flag.String("out", "../bin", "folder to write to")
	flag.Parse()
	if err := run(*root, *out, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

// run builds everything and says what came out.
func run(root, out string, w io.Writer) (err error) {
	work, err := os.MkdirTemp("", "scimbridge-image-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	var images []*platformImage
	for _, arch := range []string{"amd64", "arm64"} {
		p, err := buildProgram(root, arch, filepath.Join(work, arch))
		if err != nil {
			return err
		}
		img, err := newImage(root, p)
		if err != nil {
			return fmt.Errorf("%s: %w", arch, err)
		}
		images = append(images, img)
		if err := img.writeFiles(filepath.Join(out, "image-linux-"+arch)); err != nil {
			return err
		}
	}
	tag := "v" + images[0].program.version
	digest, err := writeLayout(filepath.Join(out, "image"), tag, images)
	if err != nil {
		return err
	}
	return report(w, filepath.Join(out, "image"), tag, digest, images)
}

// writeFiles writes what is there of one platform beside the layout.
func (p *platformImage) writeFiles(path string) error {
	bom, err := p.bom()
	if err != nil {
		return err
	}
	tag, err := name.NewTag(repository + ":v" + p.program.version)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(path+".cdx.json", bom, 0o644), tarball.WriteToFile(path+".tar", tag, p.image))
}

// writeLayout replaces the layout in a folder and returns the digest of its index, by which the image can be pinned.
func writeLayout(dir, tag string, images []*platformImage) (v1.Hash, error) {
	index := v1.ImageIndex(mutate.IndexMediaType(empty.Index, types.OCIImageIndex))
	for _, p := range images {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: p.image, Descriptor: v1.Descriptor{Platform: p.program.platform()}})
	}
	index = mutate.Annotations(index, images[0].labels()).(v1.ImageIndex) //nolint:forcetypeassert // documented: an index stays one
	digest, err := index.Digest()
	if err != nil {
		return digest, err
	}
	if err := os.RemoveAll(dir); err != nil {
		return digest, err
	}
	into, err := layout.Write(dir, empty.Index)
	if err != nil {
		return digest, err
	}
	return digest, into.AppendIndex(index, layout.WithAnnotations(map[string]string{refName: tag}))
}

// report prints sizes and digests for people.
func report(w io.Writer, dir, tag string, digest v1.Hash, images []*platformImage) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s:%s in %s\n%s\n\n", repository, tag, dir, digest)
	fmt.Fprintln(t, "platform\tcompressed\tfiles and zones\tprogram\tunpacked\tdigest")
	for _, p := range images {
		s, err := p.sizes()
		if err != nil {
			return err
		}
		digest, err := p.image.Digest()
		if err != nil {
			return err
		}
		fmt.Fprintf(t, "%s\t%.1f MB\t%.1f MB\t%.1f MB\t%.1f MB\t%s\n", p.program.platform(), mb(s.base+s.program), mb(s.base), mb(s.program), mb(s.unpacked), digest)
	}
	return t.Flush()
}

func mb(n int64) float64 { return float64(n) / 1e6 }
