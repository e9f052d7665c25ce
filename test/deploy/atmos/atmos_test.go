package atmos_test

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/test/deploy/atmos"
	"github.com/scimbridge/scimbridge/test/deploy/guide"
	"github.com/scimbridge/scimbridge/test/deploy/terraformtest"
)

const (
	root     = "../../.."
	folder   = root + "/deploy/atmos"
	bridge   = "stacks/catalog/ecs-services/1password-scim-bridge/defaults.yaml"
	oneTask  = "stacks/catalog/ecs-services/1password-scim-bridge.yaml"
	replicas = "stacks/catalog/ecs-services/1password-scim-bridge/replicas.yaml"
	schema   = "stacks/schemas/jsonschema/ecs-service.json"
	core     = "stacks/orgs/acme/core/auto/us-west-2.yaml"
)

func TestMain(m *testing.M) { terraformtest.Main(m) }

// product reads what the product itself says: its version and its settings.
func product(t *testing.T) atmos.Product {
	t.Helper()
	version := regexp.MustCompile(`(?m)^## (\d+\.\d+\.\d+)`).FindStringSubmatch(read(t, root+"/CHANGELOG.md"))
	_, serve, _ := strings.Cut(read(t, root+"/docs/configuration.md"), "\n## scimbridge serve\n")
	serve, _, _ = strings.Cut(serve, "\n## ")
	settings := regexp.MustCompile(`OP_[A-Z0-9_]+`).FindAllString(serve, -1)
	if version == nil || len(settings) < 20 {
		t.Fatalf("CHANGELOG.md and docs/configuration.md say: version %q, settings %q", version, settings)
	}
	return atmos.Product{Image: "ghcr.io/scimbridge/scimbridge:v" + version[1], Port: 3002, Settings: settings}
}

func read(t *testing.T, path string) string {
	t.Helper()
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// complaints are those about all components that run on ecs-service, or the error of resolving them.
func complaints(t *testing.T, dir string) []string {
	t.Helper()
	found, err := atmos.Load(dir)
	if err != nil {
		return []string{err.Error()}
	}
	var out []string
	for _, c := range found {
		if c.Terraform != "ecs-service" {
			continue
		}
		said, err := atmos.Check(c, product(t))
		if err != nil {
			said = []string{err.Error()}
		}
		for _, s := range said {
			out = append(out, c.Stack+" "+c.Name+": "+s)
		}
	}
	return out
}

func TestStacks(t *testing.T) {
	t.Parallel()
	found, err := atmos.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range found {
		names = append(names, c.Stack+" "+c.Name+" "+c.Terraform)
	}
	want := []string{"core-usw2-auto 1pass-scim ecs-service", "plat-use1-prod scim-bridge scim-bridge", "plat-usw2-prod 1pass-scim ecs-service"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("stacks, components and their Terraform (-want +got):\n%s", diff)
	}
	if said := complaints(t, folder); len(said) > 0 {
		t.Errorf("complaints:\n%s", strings.Join(said, "\n"))
	}
}

// What is merged, by the rules of Atmos: maps key by key, lists as a whole, the narrower over the wider.
func TestMerge(t *testing.T) {
	t.Parallel()
	d := terraformtest.Copy(t, t.TempDir())
	d.Write(t, "atmos.yaml", read(t, folder+"/atmos.yaml"))
	d.Write(t, "stacks/catalog/a.yaml", `
vars: {region: from-a, tenant: t, list: [1, 2], map: {a: 1, b: 1}}
terraform: {vars: {region: from-terraform}}
components:
  terraform:
    base: {metadata: {type: abstract, component: base}, vars: {map: {b: 2, c: 2}, list: [3]}}
    second: {metadata: {type: abstract, inherits: [base]}, vars: {map: {c: 3, d: 3}}}
`)
	d.Write(t, "stacks/orgs/s.yaml", `
import: [catalog/a]
vars: {environment: e, stage: s, tenant: u}
components:
  terraform:
    it: {metadata: {inherits: [second]}, vars: {map: {d: 4}}}
`)
	found, err := atmos.Load(d.Path)
	if err != nil {
		t.Fatal(err)
	}
	want := []atmos.Component{{Stack: "u-e-s", Name: "it", Terraform: "it", Vars: map[string]any{
		"region": "from-terraform", "tenant": "u", "environment": "e", "stage": "s",
		"list": []any{3}, "map": map[string]any{"a": 1, "b": 2, "c": 3, "d": 4},
	}}}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("merged (-want +got):\n%s", diff)
	}
}

// One thing is broken, and exactly that is said.
func TestMutations(t *testing.T) {
	t.Parallel()
	const at = "core-usw2-auto 1pass-scim: vars"
	tests := []struct {
		name, file, old, new string
		want                 []string
	}{
		{
			"a key of the task definition, not of the component", oneTask, "            container_depends_on:", "            dependsOn:",
			[]string{
				at + `.containers.service: "container_depends_on" is missing: the bridge waits for its cache`,
				at + `.containers.service: the component has no key "dependsOn"; Terraform drops it without a word`,
			},
		},
		{
			"a variable that the component has not", oneTask, "        autoscaling_enabled: false", "        autoscaling_enabled: false\n        public_lb_enabled: true",
			[]string{at + `: the component has no key "public_lb_enabled"; Terraform warns of it and goes on without it`},
		},
		{
			"a key of the task that it has not", oneTask, "          max_capacity: 1", "          max_capacity: 1\n          stop_timeout: 30",
			[]string{at + `.task: the component has no key "stop_timeout"; Terraform drops it without a word`},
		},
		{
			"half a health check", oneTask, "              startPeriod: 5\n", "",
			[]string{at + `.containers.redis.healthcheck: "startPeriod" is missing`},
		},
		{
			"who is waited for", oneTask, "- containerName: redis", "- containerName: cache",
			[]string{at + `.containers.service: it waits for a container "cache", which the task does not have`},
		},
		{
			"no health to wait for", oneTask, "            healthcheck:\n              command: [\"CMD\", \"valkey-cli\", \"-h\", \"127.0.0.1\", \"ping\"]\n              interval: 10\n              timeout: 5\n              retries: 3\n              startPeriod: 5\n", "",
			[]string{
				at + `.containers.redis: "healthcheck" is missing: ECS watches nothing in the container without it; the component wants all five keys`,
				at + `.containers.service: it waits until "redis" is healthy, which has no healthcheck`,
			},
		},
		{
			"each waits for the other", oneTask, "            name: redis\n", "            name: redis\n            container_depends_on: [{containerName: op_scim_bridge, condition: START}]\n",
			[]string{
				at + `.containers.redis: it waits for "op_scim_bridge", which waits for it`,
				at + `.containers.service: it waits for "redis", which waits for it`,
			},
		},
		{
			"more memory than there is", oneTask, "            memory: 512", "            memory: 513",
			[]string{at + ".containers: the containers want 1025 MiB, the task has 1024"},
		},
		{
			"more CPU than there is", oneTask, "            cpu: 128", "            cpu: 129",
			[]string{at + ".containers: the containers want 257 units of CPU, the task has 256"},
		},
		{
			"a version that floats", oneTask, "valkey:8.1-alpine", "valkey:latest",
			[]string{at + ".containers.redis.image: what stands there is refused: an image with its version, so that all tasks run the same"},
		},
		{
			"an open cache", oneTask, "            name: redis\n", "            name: redis\n            port_mappings: [{containerPort: 6379}]\n",
			[]string{at + ".containers.redis.port_mappings: maxItems: got 1, want 0: containers of a task share localhost; a mapped port is open to others"},
		},
		{
			"two tasks, two caches", oneTask, "          max_capacity: 1", "          max_capacity: 2",
			[]string{at + ".task.max_capacity: value must be 1: with a cache in the task one may run: each would have its own, and start locked"},
		},
		{
			"autoscaling by default", oneTask, "        autoscaling_enabled: false\n", "",
			[]string{at + `: "autoscaling_enabled" is missing: with a cache in the task one may run: each would have its own, and start locked`},
		},
		{
			"another component's name in the import", core, "catalog/ecs-services/1password-scim-bridge", "catalog/ecs-services/1password",
			[]string{"stack import not found: 'catalog/ecs-services/1password'"},
		},
		{
			"a stack without a name", core, "  tenant: core\n", "",
			[]string{"orgs/acme/core/auto/us-west-2.yaml: the variable tenant is missing, of which the stack's name is made"},
		},
		{
			"an heir of nobody", oneTask, "          - 1pass-scim/defaults", "          - 1pass-scim/default",
			[]string{"orgs/acme/core/auto/us-west-2.yaml: component '1pass-scim' inherits from '1pass-scim/default', which the stack does not have"},
		},
		{
			"a section that is not checked", core, "vars:\n", "overrides: {}\nvars:\n",
			[]string{"orgs/acme/core/auto/us-west-2: yaml: unmarshal errors:\n  line 5: field overrides not found in type atmos.manifest"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := terraformtest.Copy(t, folder)
			d.Replace(t, tt.file, tt.old, tt.new)
			if diff := cmp.Diff(tt.want, complaints(t, d.Path)); diff != "" {
				t.Errorf("complaints (-want +got):\n%s", diff)
			}
		})
	}
}

// The same for what both stacks on ecs-service have from one file.
func TestMutationsOfBoth(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, old, new, want string }{
		{"an older version", "scimbridge:v", "scimbridge:v0.0.", `.containers.service: the image is ghcr.io/scimbridge/scimbridge:v0.0.0.1.0, not ` + product(t).Image},
		{"another port", "containerPort: 3002\n                hostPort: 3002", "containerPort: 8080\n                hostPort: 8080", ".containers.service: the load balancer would ask port 8080, and the bridge listens on 3002"},
		{"a port that is mapped", "hostPort: 3002", "hostPort: 80", ".containers.service: port 3002 is mapped to 80; containers of a Fargate task have the ports that they have"},
		{"a setting by a wrong name", "OP_CONFIRMATION_INTERVAL:", "OP_CONFIRMATION_INTERVALL:", ".containers.service: OP_CONFIRMATION_INTERVALL is no setting of docs/configuration.md"},
		{"a secret in the open", "              OP_TLS_DOMAIN: \"\"\n", "              OP_SESSION: x\n", ".containers.service: OP_SESSION is a variable and a secret; ECS takes one\n.containers.service: OP_SESSION stands in the task definition for all to read; name it in map_secrets"},
		{"an ARN", "/1password/scim/scimsession", "arn:aws:ssm:us-west-2:1:parameter/x", ".containers.service.map_secrets.OP_SESSION: 'arn:aws:ssm:us-west-2:1:parameter/x' does not match pattern '^/?[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+){0,14}$': the path of a parameter of SSM in the same account and region, such as /1password/scim/scimsession; the component makes an ARN of it"},
		{"AWS's own parameters", "/1password/scim/scimsession", "/aws/scimsession", ".containers.service.map_secrets.OP_SESSION: what stands there is refused: the path of a parameter of SSM in the same account and region, such as /1password/scim/scimsession; the component makes an ARN of it"},
		{"no session", "              OP_SESSION: /1password/scim/scimsession\n", "              {}\n", ".containers.service.map_secrets: \"OP_SESSION\" is missing"},
		{"a template by accident", "OP_TLS_DOMAIN: \"\"", "OP_TLS_DOMAIN: a$b", ".containers.service.map_environment.OP_TLS_DOMAIN: 'a$b' does not match pattern '^([^$]|\\\\$\\\\{(stage|namespace|name|full_domain|vanity_domain|service_domain|service_domain_public|service_domain_private)\\\\})*$': a text; the component takes what follows a $ for a template"},
		{"too little memory for the CPU", "task_cpu: 256", "task_cpu: 1024", ".task.task_memory: minimum: got 1,024, want 2,048: what Fargate has for this task_cpu"},
		{"no such CPU", "task_cpu: 256", "task_cpu: 300", ".task.task_cpu: value must be one of 256, 512, 1024, 2048, 4096, 8192, 16384: units of 1/1024 vCPU that Fargate has; the component's default is none, which ECS refuses"},
		{"images that are not rolled out", "          ignore_changes_task_definition: false\n", "", ".task: \"ignore_changes_task_definition\" is missing: the component's default is true: a new image or variable is planned and never started"},
		{"no load balancer", "        use_lb: true\n", "", ": \"use_lb\" is missing: the component's default is false: no load balancer"},
		{"no paths", "        unauthenticated_paths: [\"/*\"]\n", "", ": \"unauthenticated_paths\" is missing: the component's default is none: the load balancer sends nothing"},
		{"no priority", "unauthenticated_priority: 100", "unauthenticated_priority: 0", ".unauthenticated_priority: minimum: got 0, want 1: the component's default is 0, which a load balancer refuses"},
		{"health behind the token", "health_check_path: /app", "health_check_path: /health", ".health_check_path: value must be one of '/app', '/ping', '/ready': the component's default is /health, which wants the bearer token"},
		{"whatever answers", "\"200,301,302\"", "\"200-404\"", ".health_check_matcher: value must be one of '200', '200,301,302': the component's default is 200-404: whatever answers is healthy"},
		{"rights", "        task_policy_arns: []\n", "", ": \"task_policy_arns\" is missing: the component's default lets the task read all parameters of the account and all of ECR"},
		{"another user", "user: \"999:999\"", "user: \"1:1\"", ".containers.service.user: value must be '999:999': the user of the image"},
		{"root", "            user: \"999:999\"\n", "", ".containers.service: \"user\" is missing: a user who is not root; the component's default is what the image says, which may be root"},
		{"a file system to write to", "readonly_root_filesystem: true", "readonly_root_filesystem: false", ".containers.service.readonly_root_filesystem: value must be true: nothing is written to the file system of the container; the component's default is a writable one"},
		{"a shell", "exec_enabled: false", "exec_enabled: true", ".exec_enabled: value must be false: the image has no shell, and its file system is read only"},
		{"not behind the load balancer", "          service:\n", "          bridge:\n", ".containers.bridge"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := terraformtest.Copy(t, folder)
			d.Replace(t, bridge, tt.old, tt.new)
			got := complaints(t, d.Path)
			if tt.name == "not behind the load balancer" { // what the rest of the container then lacks is said too
				if !slices.ContainsFunc(got, func(s string) bool {
					return strings.Contains(s, "1pass-scim: vars.containers") && strings.Contains(s, "service")
				}) {
					t.Errorf("complaints: %q", got)
				}
				return
			}
			var want []string
			for _, stack := range []string{"core-usw2-auto", "plat-usw2-prod"} {
				for s := range strings.SplitSeq(tt.want, "\n") {
					want = append(want, stack+" 1pass-scim: vars"+s)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("complaints (-want +got):\n%s", diff)
			}
		})
	}
}

// Who has defaults of his own, such as those that Cloud Posse documents, gets the same bridge.
func TestOwnDefaults(t *testing.T) {
	t.Parallel()
	d := terraformtest.Copy(t, folder)
	d.Write(t, "stacks/catalog/ecs-service/defaults.yaml", `
components:
  terraform:
    ecs-service/defaults:
      metadata: {component: ecs-service, type: abstract}
      settings: {spacelift: {workspace_enabled: true}}
      vars: {enabled: true, ecr_stage_name: artifacts, task: {desired_count: 0, ignore_changes_task_definition: true, assign_public_ip: true, task_memory: 512}}
`)
	if got := complaints(t, d.Path); len(got) > 0 {
		t.Errorf("complaints:\n%s", strings.Join(got, "\n"))
	}
}

// The stack of the guide, as published, names an import that nobody has; with defaults of the reader's own it is valid for
// Atmos, and does not do what it says.
func TestSeed(t *testing.T) {
	t.Parallel()
	d := terraformtest.Copy(t, folder)
	d.Write(t, oneTask, read(t, "testdata/seed.yaml"))
	if diff := cmp.Diff([]string{"stack import not found: 'catalog/terraform/services/defaults'"}, complaints(t, d.Path)); diff != "" {
		t.Errorf("as published (-want +got):\n%s", diff)
	}
	d.Write(t, "stacks/catalog/terraform/services/defaults.yaml", read(t, folder+"/stacks/catalog/ecs-service/defaults.yaml"))
	found, err := atmos.Load(d.Path)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(found, func(c atmos.Component) bool { return c.Stack == "core-usw2-auto" })
	found[i].Schemas = []string{filepath.Join(d.Path, schema)}
	got, err := atmos.Check(found[i], product(t))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(read(t, "testdata/seed.txt")), "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("with defaults (-want +got):\n%s", diff)
	}
}

// A parameter of SSM holds 4,096 characters. A scimsession fits as base64 too, also one that embeds the one before.
func TestParameter(t *testing.T) {
	t.Parallel()
	const standard = 4096
	bin := filepath.Join(t.TempDir(), "scimbridge")
	run(t, root, "go", "build", "-o", bin, "./cmd/scimbridge")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte("correct horse battery staple\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// As long a name as DNS has.
	url := "https://" + strings.Repeat(strings.Repeat("a", 49)+".", 5) + "com"
	args := []string{"credentials", "new", "--data", "account", "--kit", "kit", "--password-file", "password", "--token-file", "token", "--url", url}
	run(t, dir, bin, append(args, "--owner", "ann@example.com", "--out", "first")...)
	run(t, dir, bin, append(args, "--overlap", "24h", "--previous", "first", "--out", "second")...)
	for _, name := range []string{"first", "second"} {
		body := read(t, filepath.Join(dir, name))
		if n := base64.StdEncoding.EncodedLen(len(body)); n > standard {
			t.Errorf("%s: %d characters as base64, and a standard parameter holds %d", name, n, standard)
		}
	}
}

func run(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// The README's table names keys that the component has.
func TestReadme(t *testing.T) {
	t.Parallel()
	readme := read(t, folder+"/README.md")
	guide.Check(t, readme)
	if got := unknownKeys(t, readme); len(got) > 0 {
		t.Errorf("the component does not have %q", got)
	}
	if got := unknownKeys(t, strings.ReplaceAll(readme, "| `use_lb`, ", "| `use_load_balancer`, ")); !slices.Equal(got, []string{"use_load_balancer"}) {
		t.Errorf("what the component does not have is %q", got)
	}
}

// unknownKeys are those of the table of keys that the schema does not name.
func unknownKeys(t *testing.T, readme string) []string {
	t.Helper()
	_, table, _ := strings.Cut(readme, "\n## The keys\n")
	table, _, _ = strings.Cut(table, "\n## ")
	names := read(t, filepath.Join(folder, schema))
	var out []string
	rows := regexp.MustCompile("(?m)^\\| (`[^|]*) \\|").FindAllStringSubmatch(table, -1)
	for _, row := range rows {
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			key := m[1][strings.LastIndex(m[1], ".")+1:]
			switch {
			case strings.HasPrefix(m[1], "metadata."), m[1] == "inherits", strings.HasPrefix(m[1], "settings."):
				continue // Atmos's own
			case strings.HasPrefix(key, "_"), strings.HasSuffix(m[1], "…"):
				continue // the end, or the beginning, of several
			}
			if !strings.Contains(names, `"`+key+`":`) {
				out = append(out, key)
			}
		}
	}
	if len(rows) < 20 {
		t.Fatalf("the table has %d rows", len(rows))
	}
	return out
}
