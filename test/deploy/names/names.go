// Package names compares every name in deploy/ and docs/deploy/ with the code: variables, the image's tag, ports, paths, and
// what links lead to.
package names

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/scimbridge/scimbridge/test/deploy/product"
)

// known is what the code knows.
type known struct {
	settings product.Settings
	version  string
	ports    product.Ports
	paths    map[string]bool // first segments
}

// file is a file that is looked at.
type file struct {
	name string
	text string
}

// folders are looked at, as far as they are there.
var folders = []string{"deploy", "docs/deploy"}

// tree reads the files below folders, but for what tools leave there and what is no text.
func tree(root fs.FS) ([]file, error) {
	var list []file
	for _, folder := range folders {
		if _, err := fs.Stat(root, folder); err != nil {
			continue
		}
		err := fs.WalkDir(root, folder, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() {
				if base := path.Base(name); base == ".terraform" || base == "node_modules" {
					return fs.SkipDir
				}
				return nil
			}
			if !d.Type().IsRegular() {
				return nil
			}
			raw, err := fs.ReadFile(root, name)
			if err == nil && !bytes.ContainsRune(raw, 0) {
				list = append(list, file{name, string(raw)})
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// complaints are what is wrong below root, a line each: file, line, what.
func (k known) complaints(root fs.FS) ([]string, error) {
	files, err := tree(root)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, f := range files {
		n := 0
		for line := range strings.Lines(f.text) {
			n++
			for _, c := range slices.Concat(k.variables(line), k.images(line), k.numbers(line), k.addresses(line)) {
				list = append(list, fmt.Sprintf("%s:%d: %s", f.name, n, c))
			}
		}
		if strings.HasSuffix(f.name, ".md") {
			for _, c := range links(root, f) {
				list = append(list, f.name+": "+c)
			}
		}
	}
	return list, nil
}

var variable = regexp.MustCompile(`\bOP_[A-Z0-9_]+`)

func (k known) variables(line string) (list []string) {
	for _, name := range variable.FindAllString(line, -1) {
		if strings.HasSuffix(name, "_") { // OP_REDIS_… stands for several
			if !k.anyBeginsWith(name) {
				list = append(list, "no setting begins with "+name)
			}
			continue
		}
		if !k.settings.Known(name) {
			list = append(list, name+" is no setting (docs/configuration.md)")
		}
	}
	return list
}

func (k known) anyBeginsWith(prefix string) bool {
	for _, names := range k.settings.Of {
		for name := range names {
			if strings.HasPrefix(name, prefix) {
				return true
			}
		}
	}
	return false
}

// The cache that stands beside the bridge, the same everywhere.
const cacheImage = "docker.io/valkey/valkey:8.1-alpine"

var (
	image   = regexp.MustCompile(regexp.QuoteMeta(product.Image) + `:([\w.-]+)`)
	cache   = regexp.MustCompile(`[\w./-]*\bvalkey/valkey:[\w.-]+`)
	release = regexp.MustCompile(`^\s*(appVersion|newTag|imageTag):\s*"?v?([\w.-]+)"?`)
)

func (k known) images(line string) (list []string) {
	for _, m := range image.FindAllStringSubmatch(line, -1) {
		if m[1] != "v"+k.version && strings.Trim(m[1], ".") != "v" {
			list = append(list, fmt.Sprintf("image %s is not of version %s (CHANGELOG.md)", m[0], k.version))
		}
	}
	if m := release.FindStringSubmatch(line); m != nil && strings.TrimRight(m[2], ".") != k.version {
		list = append(list, fmt.Sprintf("%s %s is not version %s (CHANGELOG.md)", m[1], m[2], k.version))
	}
	for _, name := range cache.FindAllString(line, -1) {
		if name != cacheImage {
			list = append(list, fmt.Sprintf("image %s is not %s, which is everywhere else", name, cacheImage))
		}
	}
	return list
}

// others are ports of what the product speaks to or stands behind.
var others = map[int]bool{
	53: true, 80: true, 443: true, // names, and the web in front and behind
	465: true, 587: true, // mail
	5432: true, 15432: true, // PostgreSQL, and the near end of a tunnel to it
	6379: true, 6380: true, // Redis, Redis by TLS
	4317: true, 4318: true, // OpenTelemetry
	3000: true, 9090: true, // Grafana, Prometheus
	2049: true, // EFS
}

var port = regexp.MustCompile(`(?i)(?:\b(?:container|host|target|from|to|node|published|health_?check_?)?_?port"?\s*[:=]\s*"?|(?:127\.0\.0\.1|localhost|example\.com|0\.0\.0\.0|\[::\]):)(\d{2,5})\b`)

func (k known) numbers(line string) (list []string) {
	for _, m := range port.FindAllStringSubmatch(line, -1) {
		n, err := strconv.Atoi(m[1])
		if err == nil && !others[n] && n != k.ports.HTTP && n != k.ports.TLS && n != k.ports.Ping && n != k.ports.Account {
			list = append(list, fmt.Sprintf("nothing listens on port %d", n))
		}
	}
	return list
}

var (
	address = regexp.MustCompile(`https?://(?:127\.0\.0\.1|localhost|[a-z0-9.-]*\bexample\.com|scim|account)(?::\d+)?/([A-Za-z0-9._-]+)`)
	probe   = regexp.MustCompile(`(?i)\b(?:health_?check_?path|healthCheckPath)"?\s*[:=]\s*"?/([A-Za-z0-9._-]*)`)
)

// addresses looks at the paths of addresses that may be the product's.
func (k known) addresses(line string) (list []string) {
	for _, pattern := range []*regexp.Regexp{address, probe} {
		for _, m := range pattern.FindAllStringSubmatch(line, -1) {
			if !k.paths[m[1]] {
				list = append(list, fmt.Sprintf("nobody answers at /%s", m[1]))
			}
		}
	}
	return list
}

var (
	link  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fence = regexp.MustCompile("(?ms)^[ \t]*```.*?^[ \t]*```")
	head  = regexp.MustCompile(`(?m)^#+ +(.+?)\s*$`)
)

// links looks for what a page's links lead to, as far as it is in this repository.
func links(root fs.FS, f file) (list []string) {
	for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(f.text, ""), -1) {
		if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
			continue
		}
		to, anchor, _ := strings.Cut(m[1], "#")
		target := f.name
		if to != "" {
			target = path.Join(path.Dir(f.name), to)
		}
		info, err := fs.Stat(root, target)
		switch {
		case err != nil:
			list = append(list, "there is no "+target+", to which a link leads")
		case anchor != "" && !info.IsDir() && !hasHeading(root, target, anchor):
			list = append(list, target+" has no heading for #"+anchor)
		}
	}
	return list
}

var mark = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)

// hasHeading tells whether a page has the heading of an anchor, as GitHub makes anchors.
func hasHeading(root fs.FS, name, anchor string) bool {
	raw, err := fs.ReadFile(root, name)
	if err != nil {
		return false
	}
	for _, m := range head.FindAllStringSubmatch(fence.ReplaceAllString(string(raw), ""), -1) {
		if strings.ReplaceAll(mark.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-") == anchor {
			return true
		}
	}
	return false
}
