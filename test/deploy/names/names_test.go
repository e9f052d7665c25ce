package names

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/scimbridge/scimbridge/test/deploy/product"
)

// readPaths takes the paths from the first column of the table in docs/operating.md. SCIM's bases are the ones that clients
// are told; /join is where people join, at an account service.
func readPaths(t *testing.T, root string) map[string]bool {
	t.Helper()
	paths := map[string]bool{"scim": true, "join": true}
	raw, err := os.ReadFile(filepath.Join(root, "docs", "operating.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `/([a-z]+)`").FindAllStringSubmatch(string(raw), -1) {
		paths[m[1]] = true
	}
	for _, p := range []string{"ping", "ready", "health", "app", "metrics", "monitoring"} {
		if !paths[p] {
			t.Fatalf("docs/operating.md has no line for /%s", p)
		}
		// What the table says has to stand in the code.
		if !inCode(t, root, `"/`+p+`"`) {
			t.Errorf("internal/server has no /%s", p)
		}
	}
	return paths
}

func inCode(t *testing.T, root, literal string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "internal", "server", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(path string) bool {
		raw, err := os.ReadFile(path)
		return err == nil && !strings.HasSuffix(path, "_test.go") && strings.Contains(string(raw), literal)
	})
}

func what(t *testing.T) (known, string) {
	t.Helper()
	root, err := product.Root()
	if err != nil {
		t.Fatal(err)
	}
	k := known{paths: readPaths(t, root)}
	if k.settings, err = product.ReadSettings(root); err != nil {
		t.Fatal(err)
	}
	if k.version, err = product.Version(root); err != nil {
		t.Fatal(err)
	}
	if k.ports, err = product.ReadPorts(root); err != nil {
		t.Fatal(err)
	}
	return k, root
}

func TestNames(t *testing.T) {
	t.Parallel()
	k, root := what(t)
	list, err := k.complaints(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		t.Error(c)
	}
	files, err := tree(os.DirFS(root))
	if err != nil || len(files) < 10 {
		t.Errorf("%d files were looked at: %v", len(files), err)
	}
}

func TestMutations(t *testing.T) {
	t.Parallel()
	k, _ := what(t)
	for _, m := range []struct{ name, file, text, want string }{
		{"a misspelt variable", "deploy/x/compose.yaml", "OP_TSL_DOMAIN: scim.example.com", "OP_TSL_DOMAIN is no setting"},
		{"a family that is none", "deploy/x/README.md", "all of OP_VALKEY_…", "no setting begins with OP_VALKEY_"},
		{"another version", "deploy/x/main.tf", `image = "ghcr.io/scimbridge/scimbridge:v0.0.9"`, "is not of version"},
		{"no v", "deploy/x/scim.json", `"image": "ghcr.io/scimbridge/scimbridge:0.1.0"`, "is not of version"},
		{"latest", "deploy/x/scim.json", `"image": "ghcr.io/scimbridge/scimbridge:latest"`, "is not of version"},
		{"a chart's version", "deploy/x/Chart.yaml", `appVersion: "9.9.9"`, "appVersion 9.9.9 is not version"},
		{"another cache", "deploy/x/redis.yaml", "image: docker.io/valkey/valkey:latest", "which is everywhere else"},
		{"a cache without a registry", "deploy/x/redis.yaml", "image: valkey/valkey:8.1-alpine", "which is everywhere else"},
		{"a port in JSON", "deploy/x/scim.json", `"containerPort": 3020`, "nothing listens on port 3020"},
		{"a port in YAML", "deploy/x/service.yaml", "targetPort: 8433", "nothing listens on port 8433"},
		{"a port in Terraform", "deploy/x/main.tf", "  from_port = 3001", "nothing listens on port 3001"},
		{"a port in an address", "docs/deploy/x.md", "curl http://127.0.0.1:3200/ping", "nothing listens on port 3200"},
		{"a path", "deploy/x/README.md", "curl https://scim.example.com/healthz", "nobody answers at /healthz"},
		{"a probe", "deploy/x/main.tf", `health_check_path = "/status"`, "nobody answers at /status"},
		{"a link", "deploy/x/README.md", "[here](../y/README.md)", "there is no deploy/y/README.md"},
		{"an anchor", "deploy/x/README.md", "# One\n[here](#two)", "has no heading for #two"},
	} {
		list, err := k.complaints(fstest.MapFS{m.file: {Data: []byte(m.text)}})
		if err != nil || len(list) != 1 || !strings.Contains(list[0], m.want) || !strings.HasPrefix(list[0], m.file+":") {
			t.Errorf("%s: got %q (%v), want %q", m.name, list, err, m.want)
		}
	}
	right := "# One two\n[here](#one-two) OP_REDIS_… OP_TLS_DOMAIN ghcr.io/scimbridge/scimbridge:v" + k.version + " OP_WORKSPACE_SETTINGS\ncurl https://scim.example.com:8443/app\ncontainerPort: 3002\n"
	if list, err := k.complaints(fstest.MapFS{"deploy/x/README.md": {Data: []byte(right)}, "deploy/x/schema.gz": {Data: []byte("OP_NOTHING\x00")}}); err != nil || len(list) > 0 {
		t.Errorf("what is right is found: %q, %v", list, err)
	}
}
