package helm_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/scimbridge/scimbridge/test/deploy/helm"
	"github.com/scimbridge/scimbridge/test/deploy/kubernetes"
)

var update = flag.Bool("update", false, "write the README's table and the golden files anew")

// chart is the chart, or a copy of it, with what is needed to judge it.
type chart struct {
	dir     string
	facts   kubernetes.Facts
	schemas *kubernetes.Schemas
}

func open(t *testing.T) *chart {
	t.Helper()
	facts, root, err := kubernetes.ReadFacts()
	if err != nil {
		t.Fatal(err)
	}
	schemas, err := kubernetes.NewSchemas(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &chart{filepath.Join(root, "deploy", "helm", "scimbridge"), facts, schemas}
}

// copied is a copy that may be changed.
func (c *chart) copied(t *testing.T) *chart {
	t.Helper()
	to := filepath.Join(t.TempDir(), "scimbridge")
	if err := os.CopyFS(to, os.DirFS(c.dir)); err != nil {
		t.Fatal(err)
	}
	return &chart{to, c.facts, c.schemas}
}

// sets are the sets of values in ci/, the README's example, and the defaults, by name.
func (c *chart) sets(t *testing.T) map[string]map[string]any {
	t.Helper()
	sets := map[string]map[string]any{"defaults": {}}
	files, err := filepath.Glob(filepath.Join(c.dir, "ci", "*-values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		values, err := chartutil.ReadValuesFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sets[strings.TrimSuffix(filepath.Base(file), "-values.yaml")] = values
	}
	readme, err := os.ReadFile(filepath.Join(c.dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(readme), "```yaml\n")
	example, _, ok := strings.Cut(example, "```\n")
	if !ok {
		t.Fatal("the README has no example of values")
	}
	var values map[string]any
	if err := yaml.Unmarshal([]byte(strings.ReplaceAll(example, "scim-tls", "op-scim-ingress-tls")), &values); err != nil {
		t.Fatal(err)
	}
	sets["README"] = values
	return sets
}

// complaints are those of Helm, the schemas, strict decoding and the rules.
func (c *chart) complaints(t *testing.T, values map[string]any) []string {
	t.Helper()
	r, err := helm.Render(c.dir, values)
	if err != nil {
		return []string{err.Error()}
	}
	if list := c.schemas.Complaints(r.Manifests); len(list) > 0 {
		return list
	}
	set, err := kubernetes.Parse(r.Manifests)
	if err != nil {
		return []string{err.Error()}
	}
	readme, err := os.ReadFile(filepath.Join(c.dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented, err := kubernetes.Documented(readme)
	if err != nil {
		t.Fatal(err)
	}
	return c.facts.Complaints(set, documented)
}

func TestSets(t *testing.T) {
	t.Parallel()
	c := open(t)
	for name, values := range c.sets(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, complaint := range c.complaints(t, values) {
				t.Error(complaint)
			}
			for _, m := range lint.All(c.dir, values, "scim", true).Messages {
				if m.Severity > support.InfoSev {
					t.Errorf("helm lint: %s", m)
				}
			}
		})
	}
}

// TestLint sees that the linter finds something at all.
func TestLint(t *testing.T) {
	t.Parallel()
	c := open(t).copied(t)
	c.edit(t, "Chart.yaml", "version: 0.1.0", "version: newest")
	if lint.All(c.dir, nil, "scim", true).HighestSeverity < support.ErrorSev {
		t.Error("helm lint does not mind a version that is none")
	}
}

// TestGolden compares what is installed by default, and said, with what it was.
func TestGolden(t *testing.T) {
	t.Parallel()
	c := open(t)
	for _, name := range []string{"defaults", "account", "letsencrypt"} {
		r, err := helm.Render(c.dir, c.sets(t)[name])
		if err != nil {
			t.Fatal(err)
		}
		got := append(r.Manifests, "---\n# NOTES.txt\n"+indent(r.Notes)...)
		golden := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s: go test ./helm -update takes this over:\n%s", golden, diff)
		}
	}
}

// indent makes comments of a text.
func indent(text string) string { return "# " + strings.ReplaceAll(text, "\n", "\n# ") + "\n" }

// TestTable compares the README's table of values with values.yaml, from which it is made.
func TestTable(t *testing.T) {
	t.Parallel()
	c := open(t)
	list := c.values(t)
	path := filepath.Join(c.dir, "README.md")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- values: made by \"go test ./helm -update\" in test/deploy -->\n", "<!-- end of values -->"
	before, rest, ok := strings.Cut(string(raw), begin)
	table, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the README has no place for the table of values")
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+helm.Table(list)+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(helm.Table(list), table); diff != "" {
		t.Errorf("go test ./helm -update writes it anew:\n%s", diff)
	}
	broken := c.copied(t)
	broken.edit(t, "values.yaml", "replicaCount: 2", "replicaCount: 3")
	if helm.Table(broken.values(t)) == table {
		t.Error("the table does not show a default")
	}
	if _, err := helm.ReadValues([]byte("scim:\n  replicaCount: 2\n")); err == nil {
		t.Error("a value without a meaning is taken")
	}
}

func (c *chart) values(t *testing.T) []helm.Value {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(c.dir, "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := helm.ReadValues(raw)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestValues sees that each value stands in the schema, each of the schema's in values.yaml, and that templates use it.
func TestValues(t *testing.T) {
	t.Parallel()
	c := open(t)
	for _, complaint := range c.strays(t) {
		t.Error(complaint)
	}
	for _, m := range []struct{ file, old, with, want string }{
		{"values.yaml", "  replicaCount: 2", "  replicaCount: 2\n  # More.\n  more: 1", "scim.more is not in the schema"},
		{"values.schema.json", `"trustedProxies"`, `"trustedProxy"`, "scim.config.trustedProxy is not in values.yaml"},
		{"templates/redis.yaml", "{{ $r.maxmemory }}", "256mb", "redis.maxmemory is used in no template"},
	} {
		broken := c.copied(t)
		broken.edit(t, m.file, m.old, m.with)
		if list := broken.strays(t); !slices.Contains(list, m.want) {
			t.Errorf("%s without %q: got the complaints %q, want %q", m.file, m.old, list, m.want)
		}
	}
}

// strays says which values the schema, values.yaml or the templates do not know.
func (c *chart) strays(t *testing.T) (list []string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(c.dir, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(raw, &schema); err != nil {
		t.Fatal(err)
	}
	inSchema := leaves(schema, schema, "")
	var inValues []string
	for _, v := range c.values(t) {
		inValues = append(inValues, v.Path)
	}
	// A value that is a map, such as resources, is one in values.yaml, and may have members in the schema.
	within := func(path, of string) bool { return path == of || strings.HasPrefix(path, of+".") }
	for _, path := range inSchema {
		if path != "global" && !slices.ContainsFunc(inValues, func(v string) bool { return within(path, v) }) { // global is Helm's own
			list = append(list, path+" is not in values.yaml")
		}
	}
	loaded, err := loader.Load(c.dir)
	if err != nil {
		t.Fatal(err)
	}
	var templates bytes.Buffer
	for _, f := range loaded.Templates {
		templates.Write(f.Data)
	}
	for _, v := range inValues {
		if !slices.ContainsFunc(inSchema, func(path string) bool { return within(path, v) }) {
			list = append(list, v+" is not in the schema")
		}
		if last := v[strings.LastIndex(v, "."):]; !strings.Contains(templates.String(), last) {
			list = append(list, v+" is used in no template")
		}
	}
	return list
}

// leaves are the paths of a schema's properties that have none themselves.
func leaves(root, s map[string]any, path string) (list []string) {
	if ref, ok := s["$ref"].(string); ok {
		s = root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
	}
	properties, ok := s["properties"].(map[string]any)
	if !ok {
		return []string{strings.TrimPrefix(path, ".")}
	}
	for name, p := range properties {
		list = append(list, leaves(root, p.(map[string]any), path+"."+name)...)
	}
	return list
}

// TestVersion: chart and product have one version.
func TestVersion(t *testing.T) {
	t.Parallel()
	c := open(t)
	loaded, err := loader.Load(c.dir)
	if err != nil {
		t.Fatal(err)
	}
	if loaded.Metadata.AppVersion != c.facts.Version || loaded.Metadata.Version != c.facts.Version {
		t.Errorf("chart %s, of product %s; the product is %s", loaded.Metadata.Version, loaded.Metadata.AppVersion, c.facts.Version)
	}
}

// TestRefused gives values that are wrong, or contradict each other, and expects the sentence that says so.
func TestRefused(t *testing.T) {
	t.Parallel()
	c := open(t)
	type refusal struct{ name, values, want string }
	cases := []refusal{
		{"a value that is none", `{scim: {replicas: 2}}`, "at '/scim': additional properties 'replicas' not allowed"},
		{"a text for a number", `{scim: {replicaCount: "2"}}`, "at '/scim/replicaCount': got string, want integer"},
		{"no bridge", `{scim: {replicaCount: 0}}`, "at '/scim/replicaCount': minimum: got 0, want 1"},
		{"too often", `{scim: {config: {confirmationInterval: 10}}}`, "minimum: got 10, want 30"},
		{"no port", `{scim: {httpPort: 65536}}`, "at '/scim/httpPort': maximum"},
		{"no host", `{scim: {config: {tlsDomain: "https://scim.example.com"}}}`, "at '/scim/config/tlsDomain'"},
		{"no Redis", `{scim: {config: {redisURL: "redis.example.com:6379"}}, redis: {enabled: false}}`, "at '/scim/config/redisURL'"},
		{"an account in the clear", `{account: {url: "http://account.example.com"}}`, "at '/account/url'"},
		{"an unknown type", `{scim: {service: {type: Loadbalancer}}}`, "value must be one of"},
		{"no variable", `{scim: {extraEnv: [{name: op-debug, value: "1"}]}}`, "at '/scim/extraEnv/0/name'"},
		{"no base64", `{scim: {credentials: {secrets: {create: true, scimsession: {value_base64: "{}"}}}}}`, "at '/scim/credentials/secrets/scimsession/value_base64'"},
		{"two places", `{scim: {credentials: {volume: {enabled: true, claimName: a}}}}`, "comes from a secret or from a volume"},
		{"no place", `{scim: {credentials: {secrets: {enabled: false}}}}`, "there is no scimsession"},
		{"no volume", `{scim: {credentials: {secrets: {enabled: false}, volume: {enabled: true}}}}`, "name the claim of the volume"},
		{"nothing to make", `{scim: {credentials: {secrets: {create: true}}}}`, "give the scimsession with --set-file"},
		{"made by nobody", `{scim: {credentials: {secrets: {scimsession: {value_json: "{}"}}}}}`, "has a value, and create is false"},
		{"two values", `{scim: {credentials: {secrets: {create: true, scimsession: {value_json: "{}", value_base64: e30=}}}}}`, "has two values"},
		{"no certificate", `{scim: {config: {tlsDomain: a.example.com}, tls: {enabled: true}}}`, "name the secret with the certificate"},
		{"a certificate for nothing", `{scim: {tls: {secret: a}}}`, "scim.tls.secret is named, and enabled is false"},
		{"a certificate for whom", `{scim: {tls: {enabled: true, secret: a}}}`, "name the domain that the certificate is for"},
		{"DNS for nothing", `{scim: {config: {dnsChallengeSecret: {name: a}}}}`, "is for a certificate from Let's Encrypt"},
		{"TLS twice", `{scim: {config: {tlsDomain: a.example.com}, ingress: {enabled: true, hosts: [{host: a.example.com}], tls: [{secretName: a, hosts: [a.example.com]}]}}}`, "scim.ingress brings TLS, and so would the bridge"},
		{"two Redis", `{scim: {config: {redisURL: "redis://a:6379"}}}`, "redis.enabled runs a Redis, and scim.config names another"},
		{"two Redis elsewhere", `{scim: {config: {redisURL: "redis://a:6379", redisURLSecret: {name: a}}}, redis: {enabled: false}}`, "name a Redis each"},
		{"a password", `{scim: {config: {redisURL: "redis://:secret@a:6379"}}, redis: {enabled: false}}`, "a password does not belong into values"},
		{"no password", `{redis: {auth: {enabled: true}}}`, "make a secret with the password"},
		{"unlocked by whom", `{scim: {unlock: {share: true}}, redis: {enabled: false}}`, "scim.unlock.share needs a Redis"},
		{"unlocked by anybody", `{scim: {unlock: {share: true}}}`, "so give it a password"},
		{"a certificate each", `{scim: {config: {tlsDomain: a.example.com}}, redis: {enabled: false}}`, "share a certificate through Redis"},
		{"more than most", `{scim: {autoscaling: {enabled: true, minReplicas: 6}}}`, "minReplicas is more than maxReplicas"},
		{"mail from nobody", `{scim: {smtp: {host: a}}}`, "scim.smtp: name the sender"},
		{"metrics for anybody", `{scim: {serviceMonitor: {enabled: true}}}`, "/metrics wants a token"},
		{"an account without an address", `{account: {enabled: true, databaseSecret: {name: a}}}`, "account.url: say what"},
		{"an account without a database", `{account: {enabled: true, url: "https://a.example.com"}}`, "account.databaseSecret: make a secret"},
		{"an account with TLS twice", `{account: {enabled: true, url: "https://a.example.com", databaseSecret: {name: a}, tls: {secret: a}, ingress: {enabled: true, hosts: [{host: a.example.com}], tls: [{secretName: a, hosts: [a.example.com]}]}}}`, "account.ingress brings TLS, and so would"},
		{"an account's mail from nobody", `{account: {enabled: true, url: "https://a.example.com", databaseSecret: {name: a}, smtp: {host: a}}}`, "account.smtp: name the sender"},
		{"an account elsewhere", `{account: {enabled: true, url: "https://a.example.com", databaseSecret: {name: a}, ingress: {enabled: true, hosts: [{host: b.example.com}], tls: [{secretName: a, hosts: [b.example.com]}]}}}`, "account service that goes by "},
		{"an ingress to nowhere", `{scim: {ingress: {enabled: true}}}`, "scim.ingress: name a host"},
		{"tokens in the clear", `{scim: {ingress: {enabled: true, hosts: [{host: a.example.com}]}}}`, "tokens must not travel in the clear"},
	}
	for _, m := range cases {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			var values map[string]any
			if err := yaml.Unmarshal([]byte(m.values), &values); err != nil {
				t.Fatal(err)
			}
			if _, err := helm.Render(c.dir, values); err == nil {
				t.Error("it is taken")
			} else if !strings.Contains(err.Error(), m.want) {
				t.Errorf("got %q\nwant something with %q", err, m.want)
			}
		})
	}
	checks, err := os.ReadFile(filepath.Join(c.dir, "templates", "_checks.tpl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, sentence := range regexp.MustCompile(`fail (?:\(printf )?"([^"]+)"`).FindAllSubmatch(checks, -1) {
		if !slices.ContainsFunc(cases, func(m refusal) bool {
			return strings.Contains(strings.ReplaceAll(string(sentence[1]), "%s", "scim"), m.want)
		}) {
			t.Errorf("no values here are refused with %q", sentence[1])
		}
	}
}

// edit replaces the first old in a file of the chart.
func (c *chart) edit(t *testing.T, name, old, with string) {
	t.Helper()
	path := filepath.Join(c.dir, name)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(raw, []byte(old)) {
		t.Fatalf("%s has no %q to break", name, old)
	}
	if err := os.WriteFile(path, bytes.Replace(raw, []byte(old), []byte(with), 1), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestMutations breaks one thing of the chart at a time, and expects that one complaint.
func TestMutations(t *testing.T) {
	t.Parallel()
	original := open(t)
	sets := original.sets(t)
	for _, m := range []struct{ name, set, file, old, new, want string }{
		{"a field is misspelt", "defaults", "templates/service.yaml", "targetPort:", "targetport:", "'targetport' not allowed"},
		{"a template that is none", "defaults", "templates/service.yaml", "{{ $type }}", "{{ $typ }}", "undefined variable"},
		{"a variable", "autoscaling", "templates/deployment.yaml", "OP_SHARE_UNLOCK", "OP_UNLOCK_SHARE", "OP_UNLOCK_SHARE is no setting of scimbridge serve"},
		{"a file elsewhere", "external-redis", "templates/deployment.yaml", "/secrets/unlock/token", "/secrets/token", "names /secrets/token, which is not mounted"},
		{"a secret's other key", "external-redis", "values.yaml", "key: token\n    # Bridges", "key: bearer\n    # Bridges", `documented without a key "bearer"`},
		{"the port with TLS", "letsencrypt", "templates/deployment.yaml", "}}8443{{", "}}443{{", "has a port 443, on which nobody listens"},
		{"no ping server", "letsencrypt", "templates/deployment.yaml", "OP_PING_SERVER\n              value: \"1\"", "OP_PING_SERVER\n              value: \"0\"", "has to have OP_PING_SERVER"},
		{"the probe's path", "account", "templates/account.yaml", "path: /ready", "path: /health", "readinessProbe asks /health, not /ready"},
		{"the tag", "defaults", "templates/_names.tpl", `printf "v%s"`, `printf "%s"`, "has the image ghcr.io/scimbridge/scimbridge:0.1.0"},
		{"root", "own-certificate", "templates/_pod.tpl", "runAsUser: 999", "runAsUser: 0", "pod must not set runAsUser=0"},
		{"one name for two", "account", "templates/account.yaml", "kind: PodDisruptionBudget\nmetadata:\n  name: {{ $name }}", "kind: PodDisruptionBudget\nmetadata:\n  name: {{ include \"scimbridge.name\" . }}", "is there twice"},
		{"replicas against the autoscaler", "autoscaling", "templates/deployment.yaml", "{{- if not $s.autoscaling.enabled }}", "{{- if true }}", "has replicas, which every upgrade would set anew"},
		{"the autoscaler of another", "autoscaling", "templates/autoscaler.yaml", `name: {{ include "scimbridge.name" $ }}` + "\n  minReplicas", `name: bridge` + "\n  minReplicas", `there is no Deployment "bridge"`},
		{"metrics elsewhere", "own-certificate", "templates/servicemonitor.yaml", "path: /metrics", "path: /metric", "asks /metric"},
		{"a monitor of another port", "own-certificate", "templates/servicemonitor.yaml", "port: {{ $scheme }}", "port: metrics", `asks a port "metrics"`},
		{"not out to Redis", "defaults", "templates/network.yaml", "        - port: redis", "        - port: 6380", "is kept from its Redis"},
		{"a Service for two", "account", "templates/service.yaml", `{{- include "scimbridge.selector" (list . "bridge") | nindent 4 }}`, "app.kubernetes.io/version: {{ .Chart.AppVersion }}", "not one"},
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			c := original.copied(t)
			c.edit(t, m.file, m.old, m.new)
			list := c.complaints(t, sets[m.set])
			if len(list) == 0 {
				t.Fatal("nobody complains")
			}
			for _, complaint := range list {
				if !strings.Contains(complaint, m.want) {
					t.Errorf("got the complaint %q\nwant one with %q", complaint, m.want)
				}
			}
		})
	}
}

// TestRedis: the commands by which a Redis is run are those of deploy/kubernetes, whose tests run one by them.
func TestRedis(t *testing.T) {
	t.Parallel()
	c := open(t)
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(c.dir, "..", "..", "kubernetes", "overlays", "shared-unlock"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := built.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	password := regexp.MustCompile(`requirepass .*\n`)
	want := redis(t, text)
	for name, want := range map[string]string{"autoscaling": want, "defaults": password.ReplaceAllString(want, "")} {
		r, err := helm.Render(c.dir, c.sets(t)[name])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, redis(t, r.Manifests)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

// redis is the command by which a Redis is run.
func redis(t *testing.T, manifests []byte) string {
	t.Helper()
	set, err := kubernetes.Parse(manifests)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range set.Deployments {
		if k := d.Spec.Template.Spec.Containers[0]; k.Image == kubernetes.Redis {
			return strings.Join(slices.Concat(k.Command, k.Args), " ")
		}
	}
	t.Fatal("there is no Redis")
	return ""
}

// TestNotes sees that what Helm says afterwards fits the values.
func TestNotes(t *testing.T) {
	t.Parallel()
	c := open(t)
	sets := c.sets(t)
	says := map[string][]string{
		"defaults":       {"create secret generic scimsession", "port-forward service/demo-scimbridge 3002:80", "Each is unlocked by the first request"},
		"letsencrypt":    {"https://scim.example.com/app", "get service demo-scimbridge"},
		"account":        {"--url https://account.example.com", "Open https://scim.example.com/app"},
		"autoscaling":    {"One token unlocks all."},
		"external-redis": {"The bridges start unlocked."},
		"small":          {"There is no Redis"},
	}
	for _, name := range slices.Sorted(maps.Keys(says)) {
		r, err := helm.Render(c.dir, sets[name])
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range says[name] {
			if !strings.Contains(r.Notes, want) {
				t.Errorf("%s: the notes do not say %q:\n%s", name, want, r.Notes)
			}
		}
	}
}
