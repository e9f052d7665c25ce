package image_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/scimbridge/scimbridge/test/deploy/image"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// hashes are those of all files below a folder.
func hashes(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		found[name] = fmt.Sprintf("%x", sha256.Sum256(content))
		return err
	}))
	return found
}

// TestImage builds the image twice, the second time in other surroundings, and reads it back.
func TestImage(t *testing.T) {
	dir, again := t.TempDir(), t.TempDir()
	epoch := "SOURCE_DATE_EPOCH=1000000000"
	must(t, image.Build(dir, epoch))
	must(t, image.Build(again, epoch, "TZ=Asia/Tokyo", "GOFLAGS=-buildvcs=false", "GOAMD64=v3", "LC_ALL=de_DE.UTF-8", "SSL_CERT_FILE=/none"))
	if one, two := hashes(t, dir), hashes(t, again); !maps.Equal(one, two) {
		t.Errorf("two builds differ:\n%v\n%v", one, two)
	}
	l, err := image.Open(filepath.Join(dir, "image"))
	must(t, err)
	if got := slices.Sorted(maps.Keys(l.Images)); !slices.Equal(got, []string{"linux/amd64", "linux/arm64"}) {
		t.Fatalf("platforms %q", got)
	}
	for platform, img := range l.Images {
		for _, p := range image.Check(img, platform) {
			t.Errorf("%s: %s", platform, p)
		}
		bom, err := os.ReadFile(filepath.Join(dir, "image-"+strings.ReplaceAll(platform, "/", "-")+".cdx.json"))
		must(t, err)
		for _, p := range image.CheckBOM(bom, img) {
			t.Errorf("%s: bill of materials: %s", platform, p)
		}
		c, err := img.ConfigFile()
		must(t, err)
		if version := "v" + c.Config.Labels["org.opencontainers.image.version"]; version != l.Tag {
			t.Errorf("%s: the tag is %s, the label of the version %s", platform, l.Tag, version)
		}
		if created := c.Config.Labels["org.opencontainers.image.created"]; created != "2001-09-09T01:46:40Z" {
			t.Errorf("%s: created %s, and SOURCE_DATE_EPOCH says 2001", platform, created)
		}
	}
	t.Run("docker load", func(t *testing.T) { loadable(t, filepath.Join(dir, "image-linux-arm64.tar"), l) })
	t.Run("mutations", func(t *testing.T) { mutations(t, l.Images["linux/amd64"]) })
	t.Run("bill of materials, mutated", func(t *testing.T) {
		bom, err := os.ReadFile(filepath.Join(dir, "image-linux-amd64.cdx.json"))
		must(t, err)
		broken := bytes.ReplaceAll(bom, []byte(`"github.com/redis/rueidis"`), []byte(`"github.com/redis/other"`))
		expect(t, image.CheckBOM(broken, l.Images["linux/amd64"]), "it does not name github.com/redis/rueidis")
	})
	t.Run("push", func(t *testing.T) { push(t, filepath.Join(dir, "image"), l) })
	t.Run("chroot", func(t *testing.T) { inChroot(t, l) })
}

// loadable reads the archive for "docker load": the same configuration under the same name.
func loadable(t *testing.T, path string, l *image.Layout) {
	manifest, err := tarball.LoadManifest(func() (io.ReadCloser, error) { return os.Open(path) })
	must(t, err)
	want := "ghcr.io/scimbridge/scimbridge:" + l.Tag
	if len(manifest) != 1 || !slices.Equal(manifest[0].RepoTags, []string{want}) {
		t.Errorf("the archive holds %v, want %s", manifest, want)
	}
	img, err := tarball.ImageFromPath(path, nil)
	must(t, err)
	got, err := img.ConfigName()
	must(t, err)
	id, err := l.Images["linux/arm64"].ConfigName()
	must(t, err)
	if got != id {
		t.Errorf("the archive's image is %s, the layout's %s", got, id)
	}
}

// push does what the Makefile says about publishing, to a registry of the test's own: what arrives has the digest that
// "make image" has printed.
func push(t *testing.T, dir string, l *image.Layout) {
	r := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer r.Close()
	name := "/scimbridge/scimbridge:" + l.Tag
	cmd := exec.Command("go", "tool", "-modfile=tools/go.mod", "crane", "push", dir, strings.TrimPrefix(r.URL, "http://")+name)
	cmd.Dir = image.Root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("crane: %v\n%s", err, out)
	}
	res, err := http.Get(r.URL + "/v2/scimbridge/scimbridge/manifests/" + l.Tag)
	must(t, err)
	defer res.Body.Close() //nolint:errcheck // read only
	got, _, err := v1.SHA256(res.Body)
	must(t, err)
	if got != l.Digest {
		t.Errorf("the registry has %s, and %s was built", got, l.Digest)
	}
}

// TestBadEpoch: a time that is none stops the build and says what is wanted.
func TestBadEpoch(t *testing.T) {
	t.Parallel()
	if err := image.Build(t.TempDir(), "SOURCE_DATE_EPOCH=yesterday"); err == nil || !strings.Contains(err.Error(), "Give seconds since 1970") {
		t.Errorf("error %v", err)
	}
}

// expect says that exactly one thing is complained of.
func expect(t *testing.T, problems []string, want string) {
	t.Helper()
	if len(problems) != 1 || !strings.Contains(problems[0], want) {
		t.Errorf("complaints %q, want one: %s", problems, want)
	}
}

// with is an image with one more layer that holds one entry.
func with(h tar.Header, content string) func(v1.Image) (v1.Image, error) {
	return func(img v1.Image) (v1.Image, error) {
		var buf bytes.Buffer
		w := tar.NewWriter(&buf)
		h.Size = int64(len(content))
		if err := w.WriteHeader(&h); err != nil {
			return nil, err
		}
		if _, err := w.Write([]byte(content)); err != nil {
			return nil, err
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buf.Bytes())), nil })
		if err != nil {
			return nil, err
		}
		return mutate.AppendLayers(img, layer)
	}
}

// file is a regular file's header.
func file(name string, mode int64) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode}
}

// configured is an image with another configuration.
func configured(change func(c *v1.ConfigFile)) func(v1.Image) (v1.Image, error) {
	return func(img v1.Image) (v1.Image, error) {
		c, err := img.ConfigFile()
		if err != nil {
			return nil, err
		}
		c = c.DeepCopy()
		change(c)
		return mutate.ConfigFile(img, c)
	}
}

// mutations break one thing each, and wait for the complaint about it.
func mutations(t *testing.T, img v1.Image) {
	for want, mutation := range map[string]func(v1.Image) (v1.Image, error){
		`it runs as "0"`:                             configured(func(c *v1.ConfigFile) { c.Config.User = "0" }),
		`it runs ["/bin/sh"]`:                        configured(func(c *v1.ConfigFile) { c.Config.Entrypoint = []string{"/bin/sh"} }),
		`["dev"], want`:                              configured(func(c *v1.ConfigFile) { c.Config.Cmd = []string{"dev"} }),
		"port 3002/tcp is not exposed":               configured(func(c *v1.ConfigFile) { delete(c.Config.ExposedPorts, "3002/tcp") }),
		"no label org.opencontainers.image.licenses": configured(func(c *v1.ConfigFile) { delete(c.Config.Labels, "org.opencontainers.image.licenses") }),
		"it brings a setting along: OP_DEBUG=1":      configured(func(c *v1.ConfigFile) { c.Config.Env = append(c.Config.Env, "OP_DEBUG=1") }),
		"it declares volumes":                        configured(func(c *v1.ConfigFile) { c.Config.Volumes = map[string]struct{}{"/home/opuser/.op": {}} }),
		"is for linux/s390x":                         configured(func(c *v1.ConfigFile) { c.Architecture = "s390x" }),
		"there is a shell: bin/sh":                   with(file("bin/sh", 0o755), "#!"),
		"etc/hosts can be written by others":         with(file("etc/hosts", 0o666), ""),
		"bin/su gives its owner's rights away":       with(file("bin/su", 0o4755), ""),
		"/home/opuser/.op is 0:0 755":                with(tar.Header{Typeflag: tar.TypeDir, Name: "home/opuser/.op/", Mode: 0o755}, ""),
		"/tmp has mode 755":                          with(tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o755}, ""),
		"/etc/passwd does not know opuser":           with(file("etc/passwd", 0o644), "root:x:0:0::/:\n"),
		"0 authorities":                              with(file("etc/ssl/certs/ca-certificates.crt", 0o644), "none\n"),
		"time zone Europe/Rome":                      with(file("usr/share/zoneinfo/Europe/Rome", 0o644), "Rome"),
		"/op-scim/op-scim: ":                         with(file("op-scim/op-scim", 0o755), "echo"),
		"is no link to /op-scim/op-scim":             with(file("usr/local/bin/scimbridge", 0o755), ""),
		"no licence of github.com/redis/rueidis":     with(file("usr/share/doc/scimbridge/licences/github.com/redis/.wh.rueidis", 0o644), ""),
	} {
		broken, err := mutation(img)
		must(t, err)
		expect(t, image.Check(broken, "linux/amd64"), want)
	}
}
