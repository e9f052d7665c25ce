package kubernetes_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/scimbridge/scimbridge/internal/store/postgrestest"
	"github.com/scimbridge/scimbridge/test/deploy/kubernetes"
	"github.com/scimbridge/scimbridge/test/deploy/product"
)

// TestPrograms starts the program with the settings of the manifests, and asks it what the probes ask. Not with letsencrypt, which
// would want the machine's port 8080.
func TestPrograms(t *testing.T) {
	t.Parallel()
	f := open(t).copied(t)
	f.overlays(t)
	program, secrets := program(t)
	for _, c := range []struct{ name, body string }{
		{"base", "locked"}, // and ready for the request that unlocks it
		{"overlays/ingress", "locked"},
		{"overlays/high-volume", "locked"},
		{"overlays/self-managed-tls", "locked"},
		{"overlays/shared-unlock", "locked"},
		{"overlays/session-in-variable", "locked"},
		{"overlays/account-service", "locked"},
		{"overlays/unattended-unlock", "degraded"}, // the account cannot be reached from here
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			set := f.parsed(t, c.name)
			r := start(t, program, environment(t, set, "op-scim-bridge", secrets))
			r.probed(t, set, "op-scim-bridge", c.body)
		})
	}
	t.Run("a variable that is none", func(t *testing.T) {
		t.Parallel()
		set := f.parsed(t, "base")
		set.ConfigMaps[0].Data["OP_JSON_LOG"] = "1"
		r := start(t, program, environment(t, set, "op-scim-bridge", secrets))
		if len(r.warnings) != 1 || !strings.Contains(r.warnings[0], "OP_JSON_LOG") {
			t.Errorf("the log warns of %q", r.warnings)
		}
	})
}

// TestAccount starts the account service on an empty database, and founds the account by the command of the README.
func TestAccount(t *testing.T) {
	t.Parallel()
	f := open(t)
	program, secrets := program(t)
	database := postgrestest.Empty(t)
	url := filepath.Join(secrets, "scimbridge-account-database", "url")
	if err := os.MkdirAll(filepath.Dir(url), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(url, []byte(database), 0o600); err != nil {
		t.Fatal(err)
	}
	set := f.parsed(t, "overlays/account-service")
	r := start(t, program, environment(t, set, "scimbridge-account", secrets), "account", "serve")
	r.probed(t, set, "scimbridge-account", "ready")

	readme, err := os.ReadFile(filepath.Join(f.dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`(?m)^scimbridge credentials new .*\\\n.*$`).Find(readme)
	if command == nil {
		t.Fatal("the README does not say how an account is founded")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte("four words and more"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-ec", string(command)+" --password-file password\nscimbridge credentials inspect scimsession")
	cmd.Dir, cmd.Env = dir, []string{"HOME=" + dir, "PATH=" + filepath.Dir(program), "OP_DATABASE_URL=" + database}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "https://account.example.com\n") {
		t.Errorf("the scimsession does not name the account service:\n%s", out)
	}
}

// parsed is what kustomize makes of a folder, in the types of Kubernetes.
func (f *folder) parsed(t *testing.T, name string) *kubernetes.Set {
	t.Helper()
	set, err := kubernetes.Parse(f.build(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// probed asks what a Deployment's probes ask, and what /ready is to say.
func (r *running) probed(t *testing.T, set *kubernetes.Set, deployment, ready string) {
	t.Helper()
	for _, w := range r.warnings {
		t.Errorf("the log warns: %s", w)
	}
	k := template(t, set, deployment).Containers[0]
	for name, probe := range map[string]*corev1.Probe{"startup": k.StartupProbe, "readiness": k.ReadinessProbe, "liveness": k.LivenessProbe} {
		status, body := r.get(t, strings.ToLower(string(probe.HTTPGet.Scheme)), probe.HTTPGet.Path)
		if status != http.StatusOK {
			t.Errorf("%s: %s answers %d %s", name, probe.HTTPGet.Path, status, body)
		}
		if probe.HTTPGet.Path == "/ready" && body != ready {
			t.Errorf("%s: got %q, want %q", name, body, ready)
		}
	}
}

// template is the pod of a Deployment.
func template(t *testing.T, set *kubernetes.Set, deployment string) corev1.PodSpec {
	t.Helper()
	for _, d := range set.Deployments {
		if d.Name == deployment {
			return d.Spec.Template.Spec
		}
	}
	t.Fatalf("there is no Deployment %s", deployment)
	return corev1.PodSpec{}
}

// built is the program, built once for all tests as "go build" does it, so that others' builds spare this one.
var built = sync.OnceValues(func() (string, error) {
	root, err := product.Root()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "scimbridge-kubernetes-*")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "scimbridge"), "./cmd/scimbridge")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.Join(fmt.Errorf("go build: %w\n%s", err, out), os.RemoveAll(dir))
	}
	return filepath.Join(dir, "scimbridge"), nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := built(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// program is the program, and what the secrets of the README hold, as files by secret and key.
func program(t *testing.T) (path, secrets string) {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	run := func(dir, name string, args ...string) {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
	}
	secrets = filepath.Join(dir, "secrets")
	file := func(secret, key string) string {
		p := filepath.Join(secrets, secret, key)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		return p
	}
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	password := filepath.Join(dir, "password")
	write(password, "four words and more")
	run(dir, path, "credentials", "new", "--data", filepath.Join(dir, "data"), "--owner", "ann@example.com", "--owner-name", "Ann", "--password-file", password,
		"--kit", filepath.Join(dir, "kit"), "--url", "https://account.invalid", "--out", file("scimsession", "scimsession"), "--token-file", file("op-scim-unlock", "token"))
	write(file("op-scim-redis", "password"), "0123456789abcdef\n")
	cert, key := certificate(t, "scim.example.com")
	write(file("op-scim-tls", "tls.crt"), cert)
	write(file("op-scim-tls", "tls.key"), key)
	return path, secrets
}

// certificate is one of its own, in PEM.
func certificate(t *testing.T, name string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 2, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

// environment is what a Deployment's container is told, with the mounted files where the secrets are here, and a port of its own.
func environment(t *testing.T, set *kubernetes.Set, deployment, secrets string) []string {
	t.Helper()
	spec := template(t, set, deployment)
	here := map[string]string{} // by path in the container
	for _, m := range spec.Containers[0].VolumeMounts {
		for _, v := range spec.Volumes {
			switch {
			case v.Name != m.Name:
			case v.Secret != nil:
				here[m.MountPath] = filepath.Join(secrets, v.Secret.SecretName)
			default:
				here[m.MountPath] = filepath.Join(secrets, v.Projected.Sources[0].Secret.Name)
			}
		}
	}
	env := []string{"PATH=" + os.Getenv("PATH"), "OP_LISTEN=127.0.0.1:0"}
	if deployment == "scimbridge-account" {
		env[1] = "OP_ACCOUNT_LISTEN=127.0.0.1:0"
	}
	if dir, ok := here["/home/opuser/.op"]; ok {
		env = append(env, "OP_SESSION="+filepath.Join(dir, "scimsession"))
	}
	for _, from := range spec.Containers[0].EnvFrom {
		for _, m := range set.ConfigMaps {
			if m.Name != from.ConfigMapRef.Name {
				continue
			}
			for name, value := range m.Data {
				if to, ok := here[filepath.Dir(value)]; ok && strings.HasSuffix(name, "_FILE") {
					value = filepath.Join(to, filepath.Base(value))
				}
				env = append(env, name+"="+value)
			}
		}
	}
	for _, v := range spec.Containers[0].Env {
		raw, err := os.ReadFile(filepath.Join(secrets, v.ValueFrom.SecretKeyRef.Name, v.ValueFrom.SecretKeyRef.Key))
		if err != nil {
			t.Fatal(err)
		}
		env = append(env, v.Name+"="+string(raw))
	}
	return env
}

// running is a bridge that listens.
type running struct {
	address  string
	warnings []string // of the log, before it listened
	client   *http.Client
}

// start waits until the program says where it listens. The test ends it.
func start(t *testing.T, program string, env []string, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = env
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGKILL) }
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
	})
	r := &running{client: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}} //nolint:gosec // as Kubernetes does
	lines := bufio.NewScanner(log)
	var all strings.Builder
	for lines.Scan() {
		all.Write(lines.Bytes())
		var line struct{ Level, Message, Address string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("the log is no JSON: %s", lines.Bytes())
		}
		if line.Level == "WARN" && strings.Contains(line.Message, "OP_") {
			r.warnings = append(r.warnings, line.Message)
		}
		if line.Message == "listening" {
			r.address = line.Address
			go func() { _, _ = io.Copy(io.Discard, log) }()
			return r
		}
	}
	t.Fatalf("it does not start: %s", all.String())
	return nil
}

func (r *running) get(t *testing.T, scheme, path string) (status int, body string) {
	t.Helper()
	if scheme == "" {
		scheme = "http"
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, scheme+"://"+r.address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // read only
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, strings.TrimSpace(string(raw))
}

// TestRedis runs a Redis by the commands of the manifests: it has to take them, to keep to the limits, and to want the password where there is one.
func TestRedis(t *testing.T) {
	t.Parallel()
	server, err := exec.LookPath("redis-server")
	if err != nil {
		if server, err = exec.LookPath("valkey-server"); err != nil {
			t.Fatal(`there is no redis-server: run "make packages"`)
		}
	}
	f := open(t)
	for _, c := range []struct{ overlay, hello string }{
		{"base", "+PONG"},
		{"overlays/shared-unlock", "-NOAUTH Authentication required."},
	} {
		t.Run(c.overlay, func(t *testing.T) {
			t.Parallel()
			set, err := kubernetes.Parse(f.build(t, c.overlay))
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			password := filepath.Join(dir, "password")
			if err := os.WriteFile(password, []byte("0123456789abcdef\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			k := redis(t, set)
			socket := filepath.Join(dir, "redis.sock")
			config := filepath.Join(dir, "place.conf") // where it is here: it comes in beside what the manifest says
			if err := os.WriteFile(config, []byte("port 0\nunixsocket "+socket+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			command := slices.Concat(k.Command, k.Args)
			for i, arg := range command {
				arg = strings.ReplaceAll(arg, "/secrets/redis/password", password)
				if arg == "valkey-server" {
					arg = server + "\x00" + config
				}
				arg = strings.ReplaceAll(arg, "exec valkey-server - <<END\n", "exec "+server+" - <<END\ninclude "+config+"\n")
				command[i] = arg
			}
			command = strings.Split(strings.Join(command, "\x00"), "\x00")
			cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
			cmd.Dir = dir
			var log strings.Builder
			cmd.Stdout, cmd.Stderr = &log, &log
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- cmd.Wait() }()
			conn := dial(t, socket, done)
			defer conn.Close() //nolint:errcheck // nothing is kept
			say := speaker(t, conn)
			if got := say("PING"); got != c.hello {
				t.Errorf("PING: got %q, want %q", got, c.hello)
			}
			if c.hello != "+PONG" {
				if got := say("AUTH 0123456789abcdef"); got != "+OK" {
					t.Errorf("AUTH: got %q", got)
				}
			}
			if got := say("CONFIG GET save"); got != "*2 $4 save $0 " {
				t.Errorf("it writes to a disk: %q", got)
			}
			if got := say("CONFIG GET maxmemory"); got != "*2 $9 maxmemory $9 268435456" {
				t.Errorf("maxmemory: %q", got)
			}
			if got := say("CONFIG GET maxmemory-policy"); got != "*2 $16 maxmemory-policy $12 volatile-lru" {
				t.Errorf("maxmemory-policy: %q", got)
			}
			// As Kubernetes ends it: the shell has to be gone, and the server to hear.
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Errorf("SIGTERM: %v\n%s", err, log.String())
			}
		})
	}
}

func redis(t *testing.T, set *kubernetes.Set) corev1.Container {
	t.Helper()
	for _, d := range set.Deployments {
		if k := d.Spec.Template.Spec.Containers[0]; k.Image == kubernetes.Redis {
			return k
		}
	}
	t.Fatal("there is no Redis")
	return corev1.Container{}
}

// dial waits for the server's socket.
func dial(t *testing.T, socket string, ended <-chan error) net.Conn {
	t.Helper()
	for {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			return conn
		}
		select {
		case err := <-ended:
			t.Fatalf("Redis ends: %v", err)
		case <-t.Context().Done():
			t.Fatal(errors.Join(err, t.Context().Err()))
		case <-time.After(10 * time.Millisecond): // until the next look
		}
	}
}

// speaker sends a command in Redis' inline form, and gives back the answer with its lines joined.
func speaker(t *testing.T, conn net.Conn) func(command string) string {
	in := bufio.NewReader(conn)
	line := func() string {
		text, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimRight(text, "\r\n")
	}
	return func(command string) string {
		t.Helper()
		if _, err := io.WriteString(conn, command+"\r\n"); err != nil {
			t.Fatal(err)
		}
		answer := line()
		if answer == "*2" {
			for range 4 {
				answer += " " + line()
			}
		}
		return answer
	}
}
