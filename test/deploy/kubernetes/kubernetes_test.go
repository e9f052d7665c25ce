package kubernetes_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/scimbridge/scimbridge/test/deploy/kubernetes"
)

// folder is deploy/kubernetes, or a copy of it, with what is needed to judge it.
type folder struct {
	dir     string
	facts   kubernetes.Facts
	schemas *kubernetes.Schemas
}

func open(t *testing.T) *folder {
	t.Helper()
	facts, root, err := kubernetes.ReadFacts()
	if err != nil {
		t.Fatal(err)
	}
	schemas, err := kubernetes.NewSchemas(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &folder{filepath.Join(root, "deploy", "kubernetes"), facts, schemas}
}

// copied is a copy that may be changed.
func (f *folder) copied(t *testing.T) *folder {
	t.Helper()
	to := filepath.Join(t.TempDir(), "kubernetes")
	if err := os.CopyFS(to, os.DirFS(f.dir)); err != nil {
		t.Fatal(err)
	}
	return &folder{to, f.facts, f.schemas}
}

// build is what kustomize makes of a folder below deploy/kubernetes.
func (f *folder) build(t *testing.T, name string) []byte {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(f.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	text, err := built.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// complaints are those of the schemas, of strict decoding and of the rules.
func (f *folder) complaints(t *testing.T, text []byte) []string {
	t.Helper()
	if list := f.schemas.Complaints(text); len(list) > 0 {
		return list
	}
	set, err := kubernetes.Parse(text)
	if err != nil {
		return []string{err.Error()}
	}
	return f.facts.Complaints(set, f.documented(t))
}

// documented are the secrets of the table in README.md, with their keys.
func (f *folder) documented(t *testing.T) map[string][]string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(f.dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := kubernetes.Documented(raw)
	if err != nil {
		t.Fatal(err)
	}
	return secrets
}

// overlays are base, all overlays, and those put together here for components that no overlay has.
func (f *folder) overlays(t *testing.T) []string {
	t.Helper()
	for name, components := range map[string][]string{
		"dns-challenge":       {"letsencrypt", "dns-challenge"},
		"session-in-variable": {"ingress", "session-in-variable"},
		"everything":          {"letsencrypt", "dns-challenge", "account-service", "high-volume", "unattended-unlock", "shared-unlock", "session-in-variable"},
	} {
		text := "resources: [../../base]\ncomponents: [../../components/" + strings.Join(components, ", ../../components/") + "]\n"
		if slices.Contains(components, "letsencrypt") {
			text += "patches: [{patch: '{apiVersion: v1, kind: ConfigMap, metadata: {name: op-scim-configmap}, data: {OP_TLS_DOMAIN: scim.example.com}}'}]\n"
		}
		dir := filepath.Join(f.dir, "overlays", name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	names, err := fs.Glob(os.DirFS(f.dir), "overlays/*")
	if err != nil {
		t.Fatal(err)
	}
	return append(names, "base")
}

func TestOverlays(t *testing.T) {
	t.Parallel()
	f := open(t).copied(t)
	used := map[string]bool{"components/tls": true} // by two others
	for _, name := range f.overlays(t) {
		for _, complaint := range f.complaints(t, f.build(t, name)) {
			t.Errorf("%s: %s", name, complaint)
		}
		raw, err := os.ReadFile(filepath.Join(f.dir, name, "kustomization.yaml"))
		if err != nil && name != "base" {
			t.Fatal(err)
		}
		components, err := fs.Glob(os.DirFS(f.dir), "components/*")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range components {
			used[c] = used[c] || bytes.Contains(raw, []byte(c))
		}
	}
	for component, is := range used {
		if !is {
			t.Errorf("%s is in no overlay that is checked", component)
		}
	}
}

// TestPlain applies base without kustomize, as kubectl apply -f does: every file that ends in .yaml.
func TestPlain(t *testing.T) {
	t.Parallel()
	f := open(t)
	files, err := filepath.Glob(filepath.Join(f.dir, "base", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var plain [][]byte
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		plain = append(plain, raw)
	}
	text := bytes.Join(plain, []byte("---\n"))
	for _, complaint := range f.complaints(t, text) {
		t.Error(complaint)
	}
	got, err := kubernetes.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	want, err := kubernetes.Parse(f.build(t, "base"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, byName[corev1.ConfigMap](), byName[corev1.Service](), byName[appsv1.Deployment](), byName[policyv1.PodDisruptionBudget](), byName[networkingv1.NetworkPolicy]()); diff != "" {
		t.Errorf("kustomize's base against the files:\n%s", diff)
	}
}

// byName compares lists whatever their order.
func byName[T any, P interface {
	*T
	metav1.Object
}]() cmp.Option {
	return cmpopts.SortSlices(func(a, b T) bool { return P(&a).GetName() < P(&b).GetName() })
}

// TestMutations breaks one thing at a time, and expects that one complaint.
func TestMutations(t *testing.T) {
	t.Parallel()
	const (
		deployment = "base/op-scim-deployment.yaml"
		network    = "base/op-scim-network.yaml"
		service    = "base/op-scim-service.yaml"
		redis      = "base/redis-deployment.yaml"
		account    = "components/account-service/"
	)
	original := open(t)
	for _, m := range []struct{ name, overlay, file, old, new, want string }{
		{"a field is misspelt", "base", deployment, "replicas: 2", "replicaz: 2", "'replicaz' not allowed"},
		{"a number is a text", "base", deployment, "periodSeconds: 1\n", "periodSeconds: \"1\"\n", "got string, want integer"},
		{"the probe's path", "base", deployment, "path: /ready", "path: /healthz", "readinessProbe asks /healthz, not /ready"},
		{"the probe's port", "base", deployment, "path: /ready\n              port: http", "path: /ready\n              port: 8080", "readinessProbe asks port 8080 by HTTP"},
		{"liveness asks for more than life", "base", deployment, "path: /ping\n              port: http\n            periodSeconds: 10", "path: /ready\n              port: http\n            periodSeconds: 10", "livenessProbe asks /ready, not /ping"},
		{"the port", "base", deployment, "containerPort: 3002", "containerPort: 3000", "has a port 3000, on which nobody listens"},
		{"the tag", "base", deployment, "scimbridge:v0.1.0", "scimbridge:latest", "has the image ghcr.io/scimbridge/scimbridge:latest"},
		{"Redis of any version", "base", redis, "valkey:8.1-alpine", "valkey:latest", "which nobody expects"},
		{"two Redis at once", "base", redis, "type: Recreate", "type: RollingUpdate", "has to be recreated"},
		{"root", "base", deployment, "runAsUser: 999", "runAsUser: 0", "pod must not set runAsUser=0"},
		{"another user", "base", deployment, "runAsUser: 999", "runAsUser: 1000", "does not run as the image's user 999:999"},
		{"a root that can be written to", "base", deployment, "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "may write to its root"},
		{"a capability", "base", deployment, "drop:\n                - ALL", "drop:\n                - NET_RAW", `must set securityContext.capabilities.drop=["ALL"]`},
		{"privileges", "base", deployment, "allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true", "must set securityContext.allowPrivilegeEscalation=false"},
		{"any system call", "base", deployment, "type: RuntimeDefault", "type: Unconfined", "seccompProfile"},
		{"a token of Kubernetes", "base", deployment, "automountServiceAccountToken: false", "automountServiceAccountToken: true", "gets a token of Kubernetes"},
		{"Services as variables", "base", deployment, "enableServiceLinks: false", "enableServiceLinks: true", "gets the names of Services as variables"},
		{"a gap while updating", "base", deployment, "maxUnavailable: 0", "maxUnavailable: 1", "takes one away before there is another"},
		{"killed while draining", "base", deployment, "terminationGracePeriodSeconds: 30", "terminationGracePeriodSeconds: 20", "is killed while it drains"},
		{"secrets that it cannot read", "base", deployment, "defaultMode: 0440", "defaultMode: 0400", "has not the mode 0440"},
		{"no scimsession", "base", deployment, "path: scimsession", "path: session", "has no scimsession"},
		{"a secret that nobody makes", "base", deployment, "name: scimsession\n                  items", "name: session\n                  items", `nothing says how the secret "session" comes to be`},
		{"a variable", "base", "base/op-scim-config.yaml", "OP_JSON_LOGS", "OP_JSONLOGS", "OP_JSONLOGS is no setting of scimbridge serve"},
		{"a password for everybody to read", "base", "base/op-scim-config.yaml", "redis://op-scim-redis:6379", "redis://:secret@op-scim-redis:6379", "OP_REDIS_URL belongs into a Secret"},
		{"Redis by another name", "base", "base/op-scim-config.yaml", "op-scim-redis:6379", "redis:6379", `looks for Redis at "redis"`},
		{"Redis on another port", "base", "base/op-scim-config.yaml", "op-scim-redis:6379", "op-scim-redis:6380", "looks for Redis on port 6380"},
		{"a Service for nobody", "base", service, "selector:\n    app: op-scim-bridge", "selector:\n    app: op-scim", "fits 0 Deployments"},
		{"a Service to nowhere", "base", service, "targetPort: http", "targetPort: web", `leads to a port "web"`},
		{"a name that is none", "base", service, "name: op-scim-bridge\n  labels", "name: op_scim_bridge\n  labels", "its name: a DNS-1035 label"},
		{"a label that is none", "base", service, "labels:\n    app: op-scim-bridge", "labels:\n    app: op scim bridge", "the label app: a valid label"},
		{"a budget for nobody", "base", "base/op-scim-disruption.yaml", "matchLabels:\n      app: op-scim-bridge", "matchLabels:\n      app: bridge", "fits 0 Deployments"},
		{"nobody gets in", "base", network, "ingress:\n    - ports:\n        - port: http\n          protocol: TCP\n  egress", "ingress: []\n  egress", "where no NetworkPolicy lets anybody in"},
		{"not out to Redis", "base", network, "app: op-scim-redis", "app: redis", "is kept from its Redis"},
		{"not into Redis", "base", "base/redis-network.yaml", "app: op-scim-bridge", "app: bridge", "is kept from its Redis"},
		{"the bridge waits for a certificate and the certificate for it", "overlays/letsencrypt", "components/letsencrypt/kustomization.yaml", "path: /ping\n                    port: ping\n                    scheme: HTTP", "path: /ping\n                    port: https\n                    scheme: HTTPS", "waits for a certificate, and the certificate for it"},
		{"no ping server", "overlays/letsencrypt", "components/letsencrypt/kustomization.yaml", `OP_PING_SERVER: "1"`, `OP_PING_SERVER: "0"`, "has to have OP_PING_SERVER"},
		{"a certificate elsewhere", "overlays/self-managed-tls", "components/self-managed-tls/kustomization.yaml", "OP_TLS_KEY_FILE: /secrets/tls/tls.key", "OP_TLS_KEY_FILE: /secrets/tls.key", "names /secrets/tls.key, which is not mounted"},
		{"HTTP to TLS", "overlays/self-managed-tls", "components/tls/kustomization.yaml", "readinessProbe:\n                  httpGet:\n                    port: https\n                    scheme: HTTPS", "readinessProbe:\n                  httpGet:\n                    port: https", "readinessProbe asks port https by HTTP"},
		{"certificates that are never renewed", "overlays/self-managed-tls", "components/self-managed-tls/kustomization.yaml", "mountPath: /secrets/tls #", "subPath: tls.crt\n                    mountPath: /secrets/tls #", "is not mounted read-only and as a whole"},
		{"an ingress to nobody", "overlays/ingress", "components/ingress/ingress.yaml", "name: op-scim-bridge\n                port", "name: op-scim\n                port", `leads to "op-scim", which is no Service`},
		{"an ingress without TLS", "overlays/ingress", "overlays/ingress/kustomization.yaml", "path: /spec/tls/0/hosts/0\n        value: scim.example.com", "path: /spec/tls/0/hosts/0\n        value: www.example.com", "leads scim.example.com on without TLS"},
		{"two addresses of one account", "overlays/account-service", "overlays/account-service/kustomization.yaml", "OP_ACCOUNT_URL: https://account.example.com", "OP_ACCOUNT_URL: https://accounts.example.com", "an account service that goes by https://accounts.example.com"},
		{"an account without a database", "overlays/account-service", account + "account-deployment.yaml", "key: url", "key: uri", `documented without a key "uri"`},
		{"an account on another port", "overlays/account-service", account + "account-deployment.yaml", "containerPort: 3003", "containerPort: 3002", "has a port 3002, on which nobody listens"},
		{"an unknown verb", "overlays/account-service", account + "account-deployment.yaml", "- serve", "- server", `"account server" is no verb`},
		{"a token elsewhere", "overlays/unattended-unlock", "components/unattended-unlock/kustomization.yaml", "path: token", "path: bearer", "names /secrets/unlock/token, which is not mounted"},
		{"memory that may not be there", "overlays/high-volume", "components/high-volume/kustomization.yaml", "limits:\n                    memory: 1024M", "limits:\n                    memory: 2048M", "have to be one value"},
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			f := original.copied(t)
			path := filepath.Join(f.dir, m.file)
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(raw, []byte(m.old)); n == 0 {
				t.Fatalf("%s has no %q to break", m.file, m.old)
			}
			if err := os.WriteFile(path, bytes.Replace(raw, []byte(m.old), []byte(m.new), 1), 0o644); err != nil {
				t.Fatal(err)
			}
			list := f.complaints(t, f.build(t, m.overlay))
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
