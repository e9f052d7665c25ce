package compose

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	swarm "github.com/docker/cli/cli/compose/loader"
	swarmtypes "github.com/docker/cli/cli/compose/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scimbridge/scimbridge/test/deploy/product"
)

// combinations are those that the README offers, for Compose.
var combinations = [][]string{
	{"compose.yaml"},
	{"compose.yaml", "compose.http.yaml"},
	{"compose.yaml", "compose.http.yaml", "compose.high-volume.yaml"},
	{"compose.yaml", "compose.http.yaml", "compose.unlock.yaml"},
	{"compose.yaml", "compose.http.yaml", "compose.unlock.yaml", "compose.high-volume.yaml"},
	{"compose.yaml", "compose.tls.yaml"},
	{"compose.yaml", "compose.tls.yaml", "compose.high-volume.yaml"},
	{"compose.yaml", "compose.tls.yaml", "compose.unlock.yaml", "compose.high-volume.yaml"},
	{"compose.yaml", "compose.certificate.yaml"},
	{"compose.yaml", "compose.certificate.yaml", "compose.unlock.yaml", "compose.high-volume.yaml"},
	demo,
	{"compose.yaml", "compose.demo.yaml", "compose.unlock.yaml"},
}

var demo = []string{"compose.yaml", "compose.demo.yaml"}

// environment is what an administrator has set.
var environment = map[string]string{"OP_TLS_DOMAIN": "scim.example.com"}

func folder(t *testing.T) (root, dir string) {
	t.Helper()
	root, err := product.Root()
	if err != nil {
		t.Fatal(err)
	}
	return root, filepath.Join(root, "deploy", "docker")
}

func load(t *testing.T, dir string, files []string, env map[string]string) (*types.Project, error) {
	t.Helper()
	d := types.ConfigDetails{WorkingDir: dir, Environment: env}
	for _, f := range files {
		d.ConfigFiles = append(d.ConfigFiles, types.ConfigFile{Filename: filepath.Join(dir, f)})
	}
	return loader.LoadWithContext(t.Context(), d, loader.WithProfiles([]string{"*"}), func(o *loader.Options) { o.SetProjectName("scimbridge", false) })
}

func all(t *testing.T) rules {
	t.Helper()
	root, _ := folder(t)
	settings, err := product.ReadSettings(root)
	if err != nil {
		t.Fatal(err)
	}
	ports, err := product.ReadPorts(root)
	if err != nil {
		t.Fatal(err)
	}
	return rules{settings, ports}
}

func TestCombinations(t *testing.T) {
	t.Parallel()
	_, dir := folder(t)
	for _, files := range combinations {
		p, err := load(t, dir, files, environment)
		if err != nil {
			t.Errorf("%v: %v", files, err)
			continue
		}
		for _, c := range all(t).complaints(p) {
			t.Errorf("%v: %s", files, c)
		}
	}
}

// Each overlay stands in some combination.
func TestCombinationsAreAll(t *testing.T) {
	t.Parallel()
	_, dir := folder(t)
	found, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range found {
		name := filepath.Base(path)
		if name != "stack.yaml" && !slices.ContainsFunc(combinations, func(files []string) bool { return slices.Contains(files, name) }) {
			t.Errorf("%s is in no combination that is checked", name)
		}
	}
}

// What is secret is never committed.
func TestSecretsAreIgnored(t *testing.T) {
	t.Parallel()
	_, dir := folder(t)
	ignored, err := os.ReadFile(filepath.Join(dir, ".gitignore"))
	if err != nil {
		t.Fatal(err)
	}
	inDemo, err := os.ReadFile(filepath.Join(dir, "demo", ".gitignore"))
	if err != nil || !strings.HasPrefix(string(inDemo), "*\n") {
		t.Errorf("demo/ does not ignore what is made there: %v", err)
	}
	for _, files := range combinations {
		p, err := load(t, dir, files, environment)
		if err != nil {
			t.Fatal(err)
		}
		for name, s := range p.Secrets {
			rel, err := filepath.Rel(dir, s.File)
			if err != nil || !strings.HasPrefix(rel, "demo/") && !strings.Contains(string(ignored), "/"+rel+"\n") {
				t.Errorf("secret %s is in %s, which .gitignore does not name (%v)", name, rel, err)
			}
		}
	}
}

// Each mutation breaks one thing, and is found with these words.
var mutations = []struct {
	name     string
	files    []string
	in       string // file
	old, new string
	want     string
}{
	{"a misspelt key", demo[:1], "compose.yaml", "    read_only: true", "    readonly: true", "readonly"},
	{"a variable that is none", combinations[5], "compose.tls.yaml", "      OP_TLS_STORAGE_DIR:", "      OP_TLS_STORAGE:", "scim: OP_TLS_STORAGE is no setting of scimbridge serve"},
	{"a variable of another verb", demo, "compose.demo.yaml", "      OP_ACCOUNT_URL:", "      OP_PUBLIC_URL:", "account: OP_PUBLIC_URL is no setting of scimbridge account serve"},
	{"another port", combinations[1], "compose.http.yaml", ":3002\"", ":8443\"", "scim: port 8443 is published, and the bridge listens on 3002"},
	{"HTTP with TLS", combinations[5], "compose.tls.yaml", "443:8443", "443:3002", "scim: port 3002 is published, and the bridge terminates TLS on 8443"},
	{"HTTP for everybody", combinations[1], "compose.http.yaml", "127.0.0.1:3002}", "3002}", "scim: HTTP is published to other machines"},
	{"a published Redis", demo[:1], "compose.yaml", "    tmpfs: [/data]", "    ports: [\"6379:6379\"]", "redis: port 6379 is published, and nobody outside needs it"},
	{"a secret that is not declared", demo[:1], "compose.yaml", "      - source: credentials", "      - source: credential", "credential"},
	{"a secret of another mode", demo[:1], "compose.yaml", "mode: 0440", "mode: 0444", "scim: secret /home/opuser/.op/scimsession is not for 999:999 and 0440"},
	{"the scimsession elsewhere", demo[:1], "compose.yaml", "/home/opuser/.op/scimsession", "/home/opuser/.op/session", "scim: has no scimsession"},
	{"a token that is not mounted", combinations[3], "compose.unlock.yaml", "target: /run/secrets/token", "target: /run/secrets/tokens", "scim: OP_UNLOCK_TOKEN_FILE names /run/secrets/token, which is not mounted"},
	{"root", demo[:1], "compose.yaml", `user: "999:999"`, `user: "0:0"`, `scim: runs as "0:0", which is no number of a user other than root`},
	{"a capability", demo[:1], "compose.yaml", "cap_drop: [ALL]", "cap_drop: [NET_RAW]", "scim: has capabilities"},
	{"new privileges", demo[:1], "compose.yaml", "no-new-privileges:true", "no-new-privileges:false", "scim: may get new privileges"},
	{"a root that can be written", demo[:1], "compose.yaml", "read_only: true", "read_only: false", "scim: its root can be written"},
	{"a tag that moves", demo[:1], "compose.yaml", "valkey:8.1-alpine", "valkey:latest", `redis: image "docker.io/valkey/valkey:latest" does not name registry and tag`},
	{"a check by curl", demo[:1], "compose.yaml", "[CMD, /op-scim/op-scim, healthcheck]", `[CMD, curl, "http://127.0.0.1:3002/ready"]`, "is not the program's, and the image has no other"},
	{"no check", demo[:1], "compose.yaml", `      test: [CMD-SHELL, "valkey-cli ping | grep -q PONG"]`, "      disable: true", "redis: has no health check"},
	{"a start that does not wait", demo[:1], "compose.yaml", "condition: service_healthy", "condition: service_started", "scim: does not wait for a healthy redis"},
	{"a dependency that is not there", demo, "compose.demo.yaml", "      account:\n        condition", "      accounts:\n        condition", "accounts"},
	{"a Redis of another name", demo[:1], "compose.yaml", "redis://redis:6379", "redis://valkey:6379", "scim: OP_REDIS_URL names no service"},
	{"a Redis that leads outside", demo[:1], "compose.yaml", "    internal: true", "    internal: false", "redis: is in the network cache, which leads outside"},
	{"a database in another network", demo, "compose.demo.yaml", "    networks: [people, database]", "    networks: [people]", "account: OP_DATABASE_URL leads over a network that is not internal"},
	{"an account service of another name", demo, "compose.demo.yaml", "https://account:3003\n      OP_ACCOUNT_TLS", "https://accounts:3003\n      OP_ACCOUNT_TLS", "account: OP_ACCOUNT_URL names another service"},
	{"no limit", demo, "compose.demo.yaml", "limits: {memory: 512M}", "limits: {}", "account: has no limit of memory"},
}

func TestMutations(t *testing.T) {
	t.Parallel()
	_, dir := folder(t)
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			broken := t.TempDir()
			if err := os.CopyFS(broken, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			replace(t, filepath.Join(broken, m.in), m.old, m.new)
			p, err := load(t, broken, m.files, environment)
			if err != nil {
				if !strings.Contains(err.Error(), m.want) {
					t.Errorf("it does not load, for another reason: %v", err)
				}
				return
			}
			if list := all(t).complaints(p); !slices.ContainsFunc(list, func(c string) bool { return strings.Contains(c, m.want) }) {
				t.Errorf("not found: got %q, want %q", list, m.want)
			}
		})
	}
	t.Run("no name for the certificate", func(t *testing.T) {
		t.Parallel()
		if _, err := load(t, dir, combinations[5], nil); err == nil || !strings.Contains(err.Error(), "OP_TLS_DOMAIN=scim.example.com") {
			t.Errorf("got %v, want what to write into .env", err)
		}
	})
}

func replace(t *testing.T, path, was, is string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(raw), was) {
		t.Fatalf("%s has no %q: the mutation is out of date", path, was)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(raw), was, is, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// ── Swarm ───────────────────────────────────────────────────────────────────────────────────────────────────────────

// loadStack loads files as "docker stack" does.
func loadStack(t *testing.T, dir string, files ...string) (*swarmtypes.Config, error) {
	t.Helper()
	d := swarmtypes.ConfigDetails{WorkingDir: dir, Environment: environment}
	for _, f := range files {
		raw, err := os.ReadFile(filepath.Join(dir, f))
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := swarm.ParseYAML(raw)
		if err != nil {
			return nil, err
		}
		d.ConfigFiles = append(d.ConfigFiles, swarmtypes.ConfigFile{Filename: f, Config: parsed})
	}
	return swarm.Load(d)
}

var overlays = []string{"compose.http.yaml", "compose.tls.yaml", "compose.certificate.yaml", "compose.unlock.yaml", "compose.high-volume.yaml"}

func TestStack(t *testing.T) {
	t.Parallel()
	_, dir := folder(t)
	for _, files := range [][]string{{"stack.yaml"}, {"stack.yaml", overlays[0]}, {"stack.yaml", overlays[1], overlays[3], overlays[4]}, {"stack.yaml", overlays[2]}} {
		if _, err := loadStack(t, dir, files...); err != nil {
			t.Errorf("%v: %v", files, err)
		}
	}
	if _, err := loadStack(t, dir, "compose.yaml"); err == nil {
		t.Error("Swarm takes compose.yaml: stack.yaml is not needed any more")
	}
}

// twin is what has to be the same in both formats.
type twin struct {
	Image, User string
	Command     []string
	Environment map[string]*string
	Secrets     map[string]string
	ReadOnly    bool
	CapDrop     []string
	Check       []string
	Networks    []string
}

func composed(s types.ServiceConfig) twin {
	w := twin{s.Image, s.User, s.Command, s.Environment, map[string]string{}, s.ReadOnly, s.CapDrop, s.HealthCheck.Test, nil}
	for _, x := range s.Secrets {
		w.Secrets[x.Source] = x.Target
	}
	for name := range s.Networks {
		w.Networks = append(w.Networks, name)
	}
	slices.Sort(w.Networks)
	return w
}

func stacked(s swarmtypes.ServiceConfig) twin {
	w := twin{s.Image, s.User, s.Command, s.Environment, map[string]string{}, s.ReadOnly, s.CapDrop, s.HealthCheck.Test, nil}
	for _, x := range s.Secrets {
		w.Secrets[x.Source] = x.Target
	}
	for name := range s.Networks {
		w.Networks = append(w.Networks, name)
	}
	slices.Sort(w.Networks)
	return w
}

func differences(t *testing.T, dir string) string {
	t.Helper()
	a, err := load(t, dir, []string{"compose.yaml"}, environment)
	if err != nil {
		t.Fatal(err)
	}
	b, err := loadStack(t, dir, "stack.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, want := map[string]twin{}, map[string]twin{}
	for name, s := range a.Services {
		want[name] = composed(s)
	}
	for _, s := range b.Services {
		got[s.Name] = stacked(s)
	}
	return cmp.Diff(want, got, cmpopts.EquateEmpty())
}

func TestStackIsTheTwin(t *testing.T) {
	t.Parallel()
	_, dir := folder(t)
	if diff := differences(t, dir); diff != "" {
		t.Errorf("stack.yaml is not as compose.yaml (-compose +stack):\n%s", diff)
	}
	broken := t.TempDir()
	if err := os.CopyFS(broken, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	replace(t, filepath.Join(broken, "stack.yaml"), "redis://redis:6379", "redis://redis:6380")
	if differences(t, broken) == "" {
		t.Error("another OP_REDIS_URL in stack.yaml is not found")
	}
}
