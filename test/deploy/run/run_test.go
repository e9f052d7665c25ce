package run_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/scimbridge/scimbridge/test/deploy/image"
	"github.com/scimbridge/scimbridge/test/deploy/run"
	"github.com/scimbridge/scimbridge/test/idp"
)

// What deploy/aws-ecsfargate-terraform renders, without any variable but those that have no default, and for a start unlocked.
const (
	definition = "../terraform/testdata/task.json"
	unattended = "../terraform/testdata/unattended.json"
	taskCPU    = 256
	taskMemory = 1024
	bridge     = "op_scim_bridge"
)

var targetGroup = run.TargetGroup{Port: 3002, Path: "/app", Matcher: "200,301,302"}

// site is a cluster with images in place, an account, and a balancer.
type site struct {
	t *testing.T
	*run.Service
	account  *account
	rendered run.Definition
	unlocked run.Definition    // as rendered, and starts unlocked
	secrets  map[string]string // by valueFrom
	image    v1.Image
}

func newSite(t *testing.T) *site {
	t.Helper()
	say := func(format string, args ...any) { fmt.Fprintf(t.Output(), format+"\n", args...) }
	s := &site{t: t}
	var err error
	s.rendered, err = run.Load(definition, taskCPU, taskMemory)
	must(t, err)
	s.unlocked, err = run.Load(unattended, taskCPU, taskMemory, "unlock")
	must(t, err)
	cluster, err := run.NewCluster(say)
	must(t, err)
	t.Cleanup(func() { must(t, cluster.Close()) })

	dir := t.TempDir()
	must(t, image.Build(dir))
	built, err := image.Open(filepath.Join(dir, "image"))
	must(t, err)
	s.image = built.Images["linux/"+runtime.GOARCH]
	must(t, cluster.Store(filepath.Join(dir, "image"), built.Tag, s.rendered.Container(bridge).Image))
	say("%s stands for %s, with digest %s", built.Tag, s.rendered.Container(bridge).Image, built.Digest)
	must(t, run.Redis(filepath.Join(dir, "redis"), "stand-in"))
	must(t, cluster.Store(filepath.Join(dir, "redis"), "stand-in", s.rendered.Container("redis").Image))
	say("this machine's own Redis stands for %s, in an image with a shell and the volume /data of 999:1000, as that one's Dockerfile has it", s.rendered.Container("redis").Image)
	must(t, image.Unpack(s.image, filepath.Join(dir, "unpacked")))
	s.account = newAccount(t, filepath.Join(dir, "unpacked", "op-scim", "op-scim"), cluster.Subnet.Gateway)
	cluster.Authorities = s.account.ca
	say("the test's certificate authority stands for those that are in the image, since the account service has its certificate from it")

	s.secrets = map[string]string{}
	for _, secret := range s.rendered.Container(bridge).Secrets {
		if secret.Name == "OP_SESSION" {
			s.secrets[secret.ValueFrom] = base64.StdEncoding.EncodeToString(s.account.session)
		}
	}
	s.secrets[s.unlocked.Container("unlock").Secrets[0].ValueFrom] = s.account.token
	cluster.Secret = func(from string) (string, error) {
		if value, ok := s.secrets[from]; ok {
			return value, nil
		}
		return "", fmt.Errorf("ResourceNotFoundException: %s", from)
	}
	balancer := run.NewBalancer(targetGroup)
	t.Cleanup(balancer.Close)
	s.Service = &run.Service{Cluster: cluster, Balancer: balancer}
	return s
}

// ask sends a request through the balancer.
func (s *site) ask(method, path, token string, body io.Reader) (int, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+path, body)
	must(s.t, err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("Content-Type", "application/scim+json")
	res, err := s.Client().Do(req)
	must(s.t, err)
	defer res.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(res.Body)
	must(s.t, err)
	return res.StatusCode, strings.TrimSpace(string(text))
}

// state is what /ready says.
func (s *site) state() string {
	s.t.Helper()
	_, text := s.ask(http.MethodGet, "/ready", "", nil)
	return text
}

// becomes waits until the state is this one; a bridge that was unlocked a moment ago is degraded until it has found all its
// parts.
func (s *site) becomes(want string) {
	s.t.Helper()
	comes(s.t, "the bridge's state", func() error {
		if got := s.state(); got != want {
			_, health := s.ask(http.MethodGet, "/health", s.account.token, nil)
			return fmt.Errorf("the bridge is %s, want %s: %s", got, want, health)
		}
		return nil
	})
	s.Say("         the bridge is %s", want)
}

// TestAsECS runs what Terraform renders: a bridge that starts unlocked by itself; then, with the defaults, from nothing to
// an unlocked bridge that an identity provider uses, and on to a newer image while requests go on. Read its transcript
// with -v.
func TestAsECS(t *testing.T) {
	s := newSite(t)
	s.unattended()
	_, err := s.Deploy(t.Context(), s.rendered)
	must(t, err)
	for _, c := range s.rendered.Containers {
		for _, p := range s.Task.Verify(t.Context(), &c) {
			t.Error(p)
		}
	}
	s.Say("         environment, secrets, user, capabilities, root and memory of both are as the definition says, by what the kernel tells")
	s.redisIsPrivate()

	s.becomes("locked")
	code, _ := s.ask(http.MethodGet, "/scim/v2/Users", "scb_wrong", nil)
	if code != http.StatusUnauthorized || s.state() != "locked" {
		t.Errorf("a wrong token: %d, and the bridge is %s", code, s.state())
	}
	s.Say("         a wrong token is answered %d, and the bridge stays locked", code)
	if code, text := s.ask(http.MethodGet, "/scim/v2/Users?count=1", s.account.token, nil); code != http.StatusOK {
		t.Fatalf("the first request with the token: %d %s", code, text)
	}
	s.Say("         the first request with the token is answered 200")
	s.becomes("ready")
	s.okta()
	s.isWell()
	s.redisDies()
	s.update()
	s.streams()
	t.Run("mutations", func(t *testing.T) { mutations(t, s) })
}

// redisIsPrivate holds that nobody outside of the task reaches its Redis.
func (s *site) redisIsPrivate() {
	s.t.Helper()
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(s.Task.IP.String(), "6379"), time.Second)
	if err == nil {
		_ = conn.Close()
		s.t.Error("Redis can be reached from outside the task")
	}
	s.Say("         nobody outside of the task reaches its Redis")
}

// isWell waits until all reports of /health are well, Redis' too. The guard may want attention: Okta's sequences take more
// people out within the hour than it likes.
func (s *site) isWell() {
	s.t.Helper()
	comes(s.t, "the bridge's health", func() error {
		_, text := s.ask(http.MethodGet, "/health", s.account.token, nil)
		var health struct {
			Reports []struct{ Source, State string }
		}
		if err := json.Unmarshal([]byte(text), &health); err != nil {
			return err
		}
		redis := false
		for _, r := range health.Reports {
			redis = redis || r.Source == "RedisCache"
			if r.State != "healthy" && r.Source != "Guard" {
				return fmt.Errorf("%s is %s", r.Source, r.State)
			}
		}
		if !redis {
			return fmt.Errorf("no report about Redis: %s", text)
		}
		return nil
	})
	s.Say("         /health: all parts are healthy, Redis too")
}

// redisDies kills it: the bridge goes on, and has it again once the restart policy has brought it back.
func (s *site) redisDies() {
	s.t.Helper()
	must(s.t, s.Task.Kill(s.t.Context(), "redis"))
	if code, text := s.ask(http.MethodGet, "/scim/v2/Users?count=1", s.account.token, nil); code != http.StatusOK {
		s.t.Errorf("without Redis: %d %s", code, text)
	}
	s.Say("         Redis is killed, and requests are answered; its restart policy brings it back")
	s.isWell()
}

// streams prints what an administrator finds in the log group, without the lines of requests.
func (s *site) streams() {
	s.t.Helper()
	for _, c := range s.Task.Containers {
		s.Say("log stream %s", s.Task.Stream(c.Name))
		for line := range strings.Lines(s.Task.Log(s.t.Context(), c.Name)) {
			if !strings.Contains(line, "msg=request") && !strings.Contains(line, `"message":"request"`) {
				s.Say("    %s", strings.TrimSpace(line))
			}
		}
	}
}

// okta passes what Okta sends through the balancer.
func (s *site) okta() {
	s.t.Helper()
	list, err := idp.Load(os.DirFS(filepath.Join(image.Root, "test", "idp", "testdata")))
	must(s.t, err)
	// The replayer uses the default transport, which has to trust the balancer.
	before := http.DefaultTransport
	http.DefaultTransport = s.Client().Transport
	defer func() { http.DefaultTransport = before }()
	n := 0
	for _, c := range list {
		if !strings.HasPrefix(c.Client, "okta-") {
			continue
		}
		n++
		problems := idp.Replay(s.t.Context(), s.URL+"/scim/v2", s.account.token, c)
		for _, p := range problems {
			s.t.Error(p)
		}
		s.Say("         %s: %d requests, %d not as Okta needs them", c.Client, len(c.Steps), len(problems))
	}
	if n < 4 {
		s.t.Errorf("%d conversations with Okta, want 4", n)
	}
}

// newer is the definition after an administrator has edited the image line.
func (s *site) newer() run.Definition {
	s.t.Helper()
	d := s.rendered.Clone()
	c := d.Container(bridge)
	name, _, _ := strings.Cut(c.Image, ":v")
	c.Image = name + ":v99.0.0"
	config, err := s.image.ConfigFile()
	must(s.t, err)
	config = config.DeepCopy()
	config.Config.Labels["org.opencontainers.image.version"] = "99.0.0"
	img, err := mutate.ConfigFile(s.image, config)
	must(s.t, err)
	dir := s.t.TempDir()
	must(s.t, run.Layout(dir, "v99.0.0", img))
	must(s.t, s.Store(dir, "v99.0.0", c.Image))
	return d
}

// update rolls to a newer image as the guide says, while a client asks without a pause and one request takes its time.
func (s *site) update() {
	s.t.Helper()
	s.Say("an update: the image line is edited, and applied")
	people := s.account.people()
	d := s.newer()
	old := s.Task
	stop, counted := s.traffic()
	slow, end := s.slowRequest("update@example.com")
	told := make(chan error, 1)
	go func() { // finishes the request's body once the old bridge has been told to stop
		defer end()
		told <- eventually(func() error {
			res, err := http.Get("http://" + net.JoinHostPort(old.IP.String(), "3002") + "/ready")
			if err != nil {
				return err
			}
			defer res.Body.Close() //nolint:errcheck // its status is enough
			if res.StatusCode != http.StatusServiceUnavailable {
				return fmt.Errorf("/ready answers %d", res.StatusCode)
			}
			return nil
		})
	}()
	stopped, err := s.Deploy(s.t.Context(), d)
	must(s.t, err)
	if err := <-told; err != nil {
		s.t.Errorf("the old bridge was not seen draining: %v", err)
	}
	if a := <-slow; a != "201" {
		s.t.Errorf("the request under way was answered %s", a)
	}
	for _, c := range stopped {
		if c.Code != 0 {
			s.t.Errorf("%s ended with %d", c.Name, c.Code)
		}
	}
	stop()
	c := <-counted
	if c.failed > 0 || c.sent == 0 {
		s.t.Errorf("%d of %d requests failed: %s", c.failed, c.sent, c.why)
	}
	s.Say("         a request under way at SIGTERM was answered 201; of %d others meanwhile %d failed", c.sent, c.failed)
	if got := s.state(); got == "locked" {
		s.t.Errorf("the new bridge is %s", got)
	}
	s.Say("         unlocked by the first request that reached it: the identity provider need not be touched")
	s.isWell()
	if got := s.account.people(); got != people+1 {
		s.t.Errorf("%d people, want %d", got, people+1)
	}
	s.Say("         all %d people are there", people+1)
	must(s.t, old.Remove())
}

// count is what became of a client's requests.
type count struct {
	sent, failed int
	why          string
}

// traffic asks without a pause until it is told to stop.
func (s *site) traffic() (stop context.CancelFunc, counted <-chan count) {
	ctx, stop := context.WithCancel(s.t.Context())
	result := make(chan count, 1)
	go func() {
		var c count
		for ctx.Err() == nil {
			req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.URL+"/scim/v2/Users?count=1", nil)
			if err != nil {
				break
			}
			req.Header.Set("Authorization", "Bearer "+s.account.token)
			c.sent++
			res, err := s.Client().Do(req)
			switch {
			case err != nil:
				c.failed++
				c.why = err.Error()
				continue
			case res.StatusCode != http.StatusOK:
				c.failed++
				c.why = res.Status
			}
			_ = res.Body.Close()
		}
		result <- c
	}()
	return stop, result
}

// slowRequest sends a request that makes a person, and keeps the end of its body until end is called. Its status comes
// from the channel.
func (s *site) slowRequest(user string) (status <-chan string, end func()) {
	s.t.Helper()
	r, w := io.Pipe()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.URL+"/scim/v2/Users", r)
	must(s.t, err)
	req.Header.Set("Authorization", "Bearer "+s.account.token)
	req.Header.Set("Content-Type", "application/scim+json")
	result := make(chan string, 1)
	go func() {
		res, err := s.Client().Do(req)
		if err != nil {
			result <- err.Error()
			return
		}
		_ = res.Body.Close()
		result <- fmt.Sprint(res.StatusCode)
	}()
	_, err = io.WriteString(w, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],`) // returns once the transport has taken it
	must(s.t, err)
	return result, func() {
		_, _ = io.WriteString(w, `"userName":"`+user+`"}`)
		_ = w.Close()
	}
}

// mutations break the definition in one place each, and wait for the complaint about it.
func mutations(t *testing.T, s *site) {
	const foreign = "arn:aws:secretsmanager:us-east-1:123456789012:secret:theirs"
	s.secrets[foreign] = base64.StdEncoding.EncodeToString([]byte(`{"version":"2","deviceUuid":"x","encCredentials":{},"verifier":{}}`))
	for _, m := range []struct {
		name, want string
		change     func(d *run.Definition)
	}{
		{"another port", "is unhealthy", func(d *run.Definition) {
			c := d.Container(bridge)
			c.Environment = append(c.Environment, run.Variable{Name: "OP_PORT", Value: "3003"})
		}},
		{"a secret that is not there", "unable to pull secrets: OP_SESSION", func(d *run.Definition) { d.Container(bridge).Secrets[0].ValueFrom = "arn:none" }},
		{"the original's scimsession", `Make one with "scimbridge credentials new"`, func(d *run.Definition) { d.Container(bridge).Secrets[0].ValueFrom = foreign }},
		{"an image that nobody has", "CannotPullContainerError: ghcr.io/example/none:v1", func(d *run.Definition) { d.Container(bridge).Image = "ghcr.io/example/none:v1" }},
		{"a cache that is not well", "task failed container health checks: redis", func(d *run.Definition) {
			d.Container("redis").HealthCheck = &run.HealthCheck{Command: []string{"CMD", "valkey-cli", "-p", "6380", "ping"}, Interval: 1, Timeout: 3, Retries: 1}
		}},
		{"a cache with a flag that it does not know", "EssentialContainerExited: redis", func(d *run.Definition) {
			c := d.Container("redis")
			c.Command = append(c.Command, "--maxmemry", "1")
		}},
		{"a program that is not there", "EssentialContainerExited: op_scim_bridge", func(d *run.Definition) { d.Container(bridge).EntryPoint = []string{"/op-scim/op-scim-2"} }},
		{"containers that wait for each other", "wait for each other", func(d *run.Definition) {
			d.Container("redis").DependsOn = []run.Dependency{{Container: bridge, Condition: "START"}}
		}},
	} {
		t.Run(m.name, func(t *testing.T) {
			d := s.rendered.Clone()
			m.change(&d)
			broken := &run.Service{Cluster: s.Cluster, Balancer: s.Balancer}
			if _, err := broken.Deploy(t.Context(), d); err == nil || !strings.Contains(err.Error(), m.want) {
				t.Errorf("error %v, want %q", err, m.want)
			}
		})
	}
	t.Run("other than the definition", func(t *testing.T) { otherThan(t, s) })
	t.Run("too little time to stop", func(t *testing.T) {
		d := s.rendered.Clone()
		d.Container(bridge).StopTimeout = 1
		task, err := s.Start(t.Context(), d)
		must(t, err)
		stopped, err := task.Stop(t.Context())
		must(t, err)
		if i := slices.IndexFunc(stopped, func(c run.Stopped) bool { return c.Name == bridge }); stopped[i].Code != 137 {
			t.Errorf("a bridge that had a second to stop: %+v, want 137", stopped[i])
		}
		must(t, task.Remove())
	})
}

// otherThan holds what runs against definitions that it is not of.
func otherThan(t *testing.T, s *site) {
	for want, change := range map[string]func(c *run.Container){
		"Uid is 999 999 999 999, want 1 1 1 1": func(c *run.Container) { c.User = "1:999" },
		`OP_REDIS_URL is "`:                    func(c *run.Container) { i := redisURL(c); c.Environment[i].Value = "redis://elsewhere" },
		"nobody has set OP_REDIS_URL":          func(c *run.Container) { i := redisURL(c); c.Environment = slices.Delete(c.Environment, i, i+1) },
		"the secret OP_OTHER is not there":     func(c *run.Container) { c.Secrets = append(c.Secrets, run.Secret{Name: "OP_OTHER"}) },
		"nobody has set OP_SESSION":            func(c *run.Container) { c.Secrets = c.Secrets[1:] },
		"its root is read-only is true":        func(c *run.Container) { c.ReadonlyRootFilesystem = false },
		"its memory is limited to 536870912":   func(c *run.Container) { c.Memory = 256 },
	} {
		d := s.rendered.Clone()
		c := d.Container(bridge)
		change(c)
		if problems := s.Task.Verify(t.Context(), c); len(problems) != 1 || !strings.Contains(problems[0], want) {
			t.Errorf("complaints %q, want one: %s", problems, want)
		}
	}
}

func redisURL(c *run.Container) int {
	return slices.IndexFunc(c.Environment, func(v run.Variable) bool { return v.Name == "OP_REDIS_URL" })
}

// TestLoad refuses what ECS would ignore and what this runner would.
func TestLoad(t *testing.T) {
	t.Parallel()
	good, err := os.ReadFile(definition)
	must(t, err)
	for want, change := range map[string]func(bridge, redis map[string]any){
		`unknown field "restart"`: func(_, redis map[string]any) { redis["restart"] = "always" },
		"does not know ulimits":   func(bridge, _ map[string]any) { bridge["ulimits"] = []any{map[string]any{}} },
		`"data", which is no volume`: func(_, redis map[string]any) {
			redis["mountPoints"] = []any{map[string]any{"sourceVolume": "data", "containerPath": "/data"}}
		},
		"with which the task ends": func(bridge, _ map[string]any) {
			bridge["dependsOn"] = []any{map[string]any{"containerName": "redis", "condition": "SUCCESS"}}
		},
		"which is not there":        func(_, redis map[string]any) { redis["name"] = "cache" },
		"which has no health check": func(_, redis map[string]any) { delete(redis, "healthCheck") },
		`the condition "COMPLETE"`: func(bridge, _ map[string]any) {
			bridge["dependsOn"] = []any{map[string]any{"containerName": "redis", "condition": "COMPLETE"}}
		},
	} {
		var list []map[string]any
		must(t, json.Unmarshal(good, &list))
		named := map[any]map[string]any{}
		for _, c := range list {
			named[c["name"]] = c
		}
		change(named[bridge], named["redis"])
		text, err := json.Marshal(list)
		must(t, err)
		path := filepath.Join(t.TempDir(), "task.json")
		must(t, os.WriteFile(path, text, 0o600))
		if _, err := run.Load(path, taskCPU, taskMemory); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}
