package kubernetes

import (
	"cmp"
	"path"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	psa "k8s.io/pod-security-admission/api"

	"github.com/scimbridge/scimbridge/test/deploy/product"
)

// user is the image's opuser and its group.
const user = 999

// pod is a pod, or a Deployment's template of one.
type pod struct {
	what   string // such as "Deployment/op-scim-bridge"
	name   string
	labels map[string]string
	spec   *corev1.PodSpec
}

func podOf(d *appsv1.Deployment) *pod {
	return &pod{"Deployment/" + d.Name, d.Name, d.Spec.Template.Labels, &d.Spec.Template.Spec}
}

// port is the number of a port by its name.
func (p *pod) port(name string) (int, bool) {
	for _, c := range p.spec.Containers {
		for _, port := range c.Ports {
			if port.Name == name {
				return int(port.ContainerPort), true
			}
		}
	}
	return 0, false
}

// ours tells whether a container runs the product.
func ours(k *corev1.Container) bool { return strings.HasPrefix(k.Image, product.Image+":") }

func (c *check) deployment(d *appsv1.Deployment) {
	p := podOf(d)
	selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
	if err != nil || selector.Empty() || !selector.Matches(labels.Set(p.labels)) {
		c.complain(p.what, "its selector does not fit its own pods")
	}
	if !ours(&p.spec.Containers[0]) {
		if d.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType {
			c.complain(p.what, "has to be recreated, lest bridges share two of it")
		}
	} else {
		r := d.Spec.Strategy.RollingUpdate
		if d.Spec.Strategy.Type != appsv1.RollingUpdateDeploymentStrategyType || r == nil || r.MaxUnavailable == nil || r.MaxUnavailable.String() != "0" || r.MaxSurge.IntValue() < 1 {
			c.complain(p.what, "an update takes one away before there is another: it wants maxUnavailable 0 and maxSurge 1")
		}
		if grace := p.spec.TerminationGracePeriodSeconds; grace == nil || float64(*grace) < c.Drain.Seconds()+5 {
			c.complain(p.what, "is killed while it drains: that takes up to %s, and it says good-bye to the account afterwards", c.Drain)
		}
		for _, k := range p.spec.TopologySpreadConstraints {
			if s, err := metav1.LabelSelectorAsSelector(k.LabelSelector); err != nil || s.Empty() || !s.Matches(labels.Set(p.labels)) {
				c.complain(p.what, "is spread among other pods than its own")
			}
		}
		if len(p.spec.TopologySpreadConstraints) == 0 {
			c.complain(p.what, "is not spread over nodes")
		}
	}
	c.pod(p)
	c.probed(p)
}

// pod looks at what every pod has to keep to.
func (c *check) pod(p *pod) {
	s := p.spec
	if s.AutomountServiceAccountToken == nil || *s.AutomountServiceAccountToken {
		c.complain(p.what, "gets a token of Kubernetes")
	}
	if s.EnableServiceLinks == nil || *s.EnableServiceLinks {
		c.complain(p.what, "gets the names of Services as variables, which may read like OP_ settings")
	}
	// The strictest level that a namespace may ask for, judged as the API server would.
	for _, r := range c.standard.EvaluatePod(psa.LevelVersion{Level: psa.LevelRestricted, Version: psa.LatestVersion()}, &metav1.ObjectMeta{Labels: p.labels}, s) {
		if !r.Allowed {
			c.complain(p.what, "would violate the Pod Security Standard %q: %s (%s)", psa.LevelRestricted, r.ForbiddenReason, r.ForbiddenDetail)
		}
	}
	if sc := s.SecurityContext; ours(&s.Containers[0]) && sc != nil && sc.RunAsUser != nil && *sc.RunAsUser != 0 && (*sc.RunAsUser != user || sc.RunAsGroup == nil || *sc.RunAsGroup != user) {
		c.complain(p.what, "does not run as the image's user %d:%d", user, user)
	}
	volumes := c.volumes(p)
	for i := range s.Containers {
		k := &s.Containers[i]
		c.image(p, k)
		c.confined(p, k)
		if ours(k) {
			c.environment(p, k, c.mounted(p, k, volumes))
		} else {
			c.mounted(p, k, volumes)
		}
	}
}

func (c *check) image(p *pod, k *corev1.Container) {
	switch want := product.Image + ":v" + c.Version; {
	case ours(k) && k.Image != want:
		c.complain(p.what, "has the image %s; the version is %s", k.Image, want)
	case !ours(k) && k.Image != Redis:
		c.complain(p.what, "has the image %q, which nobody expects", k.Image)
	}
}

func (c *check) confined(p *pod, k *corev1.Container) {
	if s := k.SecurityContext; s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
		c.complain(p.what, "%s may write to its root", k.Name)
	}
	memory := k.Resources.Limits.Memory()
	if memory.IsZero() || memory.Cmp(*k.Resources.Requests.Memory()) != 0 {
		c.complain(p.what, "%s: memory asked for and memory allowed have to be one value, or a full node kills it", k.Name)
	}
}

// volumes are the files in each volume, with the complaints about secrets; nil where they are not known.
func (c *check) volumes(p *pod) map[string][]string {
	files := map[string][]string{}
	readable := func(mode *int32) {
		const wanted = 0o440
		if mode == nil || *mode != wanted {
			c.complain(p.what, "a secret's file has not the mode 0440")
		}
		if sc := p.spec.SecurityContext; sc == nil || sc.FSGroup == nil || sc.RunAsGroup == nil || *sc.FSGroup != *sc.RunAsGroup {
			c.complain(p.what, "mounts secrets, which its group cannot read")
		}
	}
	secret := func(name string, items []corev1.KeyToPath) (paths []string) {
		for _, item := range items {
			c.key(p.what, name, item.Key)
			paths = append(paths, item.Path)
		}
		if len(items) > 0 {
			return paths
		}
		if _, ok := c.documented[name]; !ok {
			c.key(p.what, name, "")
		}
		return c.documented[name]
	}
	for _, v := range p.spec.Volumes {
		switch {
		case v.Secret != nil:
			readable(v.Secret.DefaultMode)
			files[v.Name] = secret(v.Secret.SecretName, v.Secret.Items)
		case v.Projected != nil:
			readable(v.Projected.DefaultMode)
			for _, s := range v.Projected.Sources {
				if s.Secret == nil {
					c.complain(p.what, "projects something that is no secret")
					continue
				}
				files[v.Name] = append(files[v.Name], secret(s.Secret.Name, s.Secret.Items)...)
			}
		case v.ConfigMap != nil:
			for _, item := range v.ConfigMap.Items {
				files[v.Name] = append(files[v.Name], item.Path)
			}
		case v.PersistentVolumeClaim != nil:
			files[v.Name] = nil
		default:
			c.complain(p.what, "has a volume %q of a kind that nobody expects", v.Name)
		}
	}
	return files
}

// mounted are the paths of the files in a container. A path that ends in / stands for whatever is below it.
func (c *check) mounted(p *pod, k *corev1.Container, volumes map[string][]string) (paths []string) {
	for _, m := range k.VolumeMounts {
		files, ok := volumes[m.Name]
		if !ok {
			c.complain(p.what, "mounts %q, which is no volume", m.Name)
		}
		if !m.ReadOnly || m.SubPath != "" {
			c.complain(p.what, "%s is not mounted read-only and as a whole", m.MountPath)
		}
		if files == nil {
			paths = append(paths, m.MountPath+"/")
		}
		for _, f := range files {
			paths = append(paths, path.Join(m.MountPath, f))
		}
	}
	return paths
}

// environment looks at what a container of the product is told.
func (c *check) environment(p *pod, k *corev1.Container, files []string) {
	env := c.settings(p, k)
	verb := strings.Join(k.Args, " ")
	if verb == "" {
		verb = "serve"
	}
	if len(k.Command) > 0 {
		c.complain(p.what, "has a command, where the image's own is to run")
	}
	known, ok := c.Settings.Of[verb]
	if !ok {
		c.complain(p.what, "%q is no verb", verb)
		return
	}
	for name, value := range env {
		switch {
		case strings.HasPrefix(name, "OTEL_"):
		case !known[name]:
			c.complain(p.what, "%s is no setting of scimbridge %s", name, verb)
		case strings.HasSuffix(name, "_FILE") && !slices.ContainsFunc(files, func(f string) bool {
			return f == value || strings.HasSuffix(f, "/") && strings.HasPrefix(value, f)
		}):
			c.complain(p.what, "%s names %s, which is not mounted", name, value)
		}
	}
	if verb == "serve" && env["OP_SESSION"] == "" && !slices.Contains(files, "/home/opuser/.op/scimsession") && !slices.Contains(files, "/home/opuser/.op/") {
		c.complain(p.what, "has no scimsession")
	}
	c.listens(p, k, verb, env)
}

// settings are a container's variables; of those from a secret the value is not known.
func (c *check) settings(p *pod, k *corev1.Container) map[string]string {
	env := map[string]string{}
	for _, from := range k.EnvFrom {
		if from.ConfigMapRef == nil || c.configMap(from.ConfigMapRef.Name) == nil {
			c.complain(p.what, "takes variables from something that is not there")
			continue
		}
		for name, value := range c.configMap(from.ConfigMapRef.Name).Data {
			env[name] = value
		}
	}
	for _, v := range k.Env {
		if _, twice := env[v.Name]; twice {
			c.complain(p.what, "%s is set twice", v.Name)
		}
		env[v.Name] = v.Value
		if v.ValueFrom != nil && v.ValueFrom.SecretKeyRef != nil {
			env[v.Name] = "(secret)"
			c.key(p.what, v.ValueFrom.SecretKeyRef.Name, v.ValueFrom.SecretKeyRef.Key)
		}
	}
	return env
}

// terminates tells whether a bridge with these settings brings TLS itself, and whether its certificate is one that it has to get first.
func terminates(env map[string]string) (tls, acme bool) {
	own := env["OP_TLS_CERT_FILE"] != ""
	named := env["OP_TLS_DOMAIN"] != ""
	return own || named, named && !own
}

// listens compares a container's ports with those that the product listens on, and what its probes ask with what it answers there.
func (c *check) listens(p *pod, k *corev1.Container, verb string, env map[string]string) {
	spoken := c.spoken(p, verb, env)
	_, acme := terminates(env)
	if acme && spoken[c.Ports.Ping] == "" {
		c.complain(p.what, "has to have OP_PING_SERVER: until there is a certificate nothing else answers")
		return
	}
	deaf := map[int]bool{}
	for _, port := range k.Ports {
		if n := int(port.ContainerPort); spoken[n] == "" {
			c.complain(p.what, "has a port %d, on which nobody listens", n)
			deaf[n] = true
		}
	}
	if len(k.Ports) < len(spoken) {
		c.complain(p.what, "listens on %d ports, and names %d", len(spoken), len(k.Ports))
	}
	for name, probe := range map[string]*corev1.Probe{"startupProbe": k.StartupProbe, "readinessProbe": k.ReadinessProbe, "livenessProbe": k.LivenessProbe} {
		if probe == nil || probe.HTTPGet == nil {
			c.complain(p.what, "has no %s by HTTP", name)
			continue
		}
		get := probe.HTTPGet
		scheme, path := cmp.Or(string(get.Scheme), "HTTP"), "/ping"
		if name == "readinessProbe" && !acme {
			path = "/ready"
		}
		switch n := resolve(p, get.Port); {
		case deaf[n]: // said above
		case spoken[n] != scheme:
			c.complain(p.what, "%s asks port %s by %s", name, get.Port.String(), scheme)
		case get.Path != path:
			c.complain(p.what, "%s asks %s, not %s", name, get.Path, path)
		case acme && n != c.Ports.Ping:
			c.complain(p.what, "%s waits for a certificate, and the certificate for it", name)
		}
	}
}

// spoken says on which ports the product listens with these settings, and whether by HTTP or HTTPS.
func (c *check) spoken(p *pod, verb string, env map[string]string) map[int]string {
	ports := map[int]string{}
	tls, _ := terminates(env)
	switch {
	case verb == "account serve" && env["OP_ACCOUNT_TLS_CERT_FILE"] != "":
		ports[c.Ports.Account] = "HTTPS"
	case verb == "account serve":
		ports[c.Ports.Account] = "HTTP"
	case tls:
		ports[c.Ports.TLS] = "HTTPS"
	default:
		n, err := strconv.Atoi(cmp.Or(env["OP_PORT"], strconv.Itoa(c.Ports.HTTP)))
		if err != nil {
			c.complain(p.what, "OP_PORT: %v", err)
		}
		ports[n] = "HTTP"
	}
	if on := env["OP_PING_SERVER"]; on == "1" || on == "true" {
		ports[c.Ports.Ping] = "HTTP"
	}
	return ports
}

// resolve is a port's number, 0 where a name is no port.
func resolve(p *pod, port intstr.IntOrString) int {
	if port.Type == intstr.Int {
		return port.IntValue()
	}
	n, _ := p.port(port.StrVal)
	return n
}

// probed looks at the probes of whatever else a Deployment runs.
func (c *check) probed(p *pod) {
	for i := range p.spec.Containers {
		k := &p.spec.Containers[i]
		if ours(k) {
			continue
		}
		for _, probe := range []*corev1.Probe{k.ReadinessProbe, k.LivenessProbe} {
			if probe == nil || probe.TCPSocket == nil || resolve(p, probe.TCPSocket.Port) == 0 {
				c.complain(p.what, "%s is not probed", k.Name)
			}
		}
	}
}
