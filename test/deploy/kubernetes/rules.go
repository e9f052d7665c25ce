package kubernetes

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/pod-security-admission/policy"

	"github.com/scimbridge/scimbridge/test/deploy/product"
)

// Redis is the other image.
const Redis = "docker.io/valkey/valkey:8.1-alpine"

// Facts are what the product's code and documents hold true.
type Facts struct {
	Version  string
	Settings product.Settings
	Ports    product.Ports
	Drain    time.Duration // at most, from SIGTERM on

	standard policy.Evaluator // the Pod Security Standards
}

// ReadFacts reads them from the product's source.
func ReadFacts() (f Facts, root string, err error) {
	if root, err = product.Root(); err != nil {
		return f, "", err
	}
	if f.Version, err = product.Version(root); err != nil {
		return f, "", err
	}
	if f.Settings, err = product.ReadSettings(root); err != nil {
		return f, "", err
	}
	if f.Ports, err = product.ReadPorts(root); err != nil {
		return f, "", err
	}
	if f.Drain, err = drain(root); err != nil {
		return f, "", err
	}
	f.standard, err = policy.NewEvaluator(policy.DefaultChecks(), nil)
	return f, root, err
}

var drains = regexp.MustCompile(`(drainPause|drainLimit) += (\d+) \* time\.Second`)

func drain(root string) (time.Duration, error) {
	raw, err := os.ReadFile(filepath.Join(root, "cmd", "scimbridge", "serve.go"))
	if err != nil {
		return 0, err
	}
	found := drains.FindAllSubmatch(raw, -1)
	if len(found) != 2 {
		return 0, fmt.Errorf("serve.go: found %d of the two times of draining", len(found))
	}
	var sum time.Duration
	for _, m := range found {
		n, err := strconv.Atoi(string(m[2]))
		if err != nil {
			return 0, err
		}
		sum += time.Duration(n) * time.Second
	}
	return sum, nil
}

// check collects complaints about a set.
type check struct {
	Facts
	*Set
	documented map[string][]string // secrets that the administrator makes, with their keys
	list       []string
}

// complain adds a complaint about what, such as "Service/op-scim-bridge".
func (c *check) complain(what, format string, args ...any) {
	c.list = append(c.list, what+": "+fmt.Sprintf(format, args...))
}

// Complaints says what is wrong with a set. Documented are the secrets that its README has the administrator make, with their keys.
func (f Facts) Complaints(s *Set, documented map[string][]string) []string {
	c := &check{Facts: f, Set: s, documented: documented}
	c.names()
	c.secrets()
	for i := range s.Deployments {
		c.deployment(&s.Deployments[i])
	}
	for i := range s.Pods {
		p := &s.Pods[i]
		c.pod(&pod{what: "Pod/" + p.Name, labels: p.Labels, spec: &p.Spec})
	}
	for _, d := range s.Disruptions {
		c.covers("PodDisruptionBudget/"+d.Name, d.Spec.Selector)
		if d.Spec.MinAvailable != nil && d.Spec.MaxUnavailable != nil {
			c.complain("PodDisruptionBudget/"+d.Name, "has minAvailable and maxUnavailable")
		}
	}
	c.autoscalers()
	c.services()
	c.ingresses()
	c.networks()
	c.monitors()
	slices.Sort(c.list)
	return c.list
}

// secrets complains of what does not belong into a ConfigMap.
func (c *check) secrets() {
	secret := []string{"OP_SESSION", "OP_REDIS_PASSWORD", "OP_DATABASE_URL"}
	withPassword := regexp.MustCompile(`://[^/@]*:[^/@]*@`)
	for _, m := range c.ConfigMaps {
		for name, value := range m.Data {
			if slices.Contains(secret, name) || withPassword.MatchString(value) {
				c.complain("ConfigMap/"+m.Name, "%s belongs into a Secret", name)
			}
		}
	}
}

// covers complains of a selector that fits no Deployment's pods.
func (c *check) covers(what string, selector *metav1.LabelSelector) *pod {
	s, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		c.complain(what, "%v", err)
		return nil
	}
	return c.only(what, s)
}

// only is the one Deployment's pod that a selector fits, or nil, of which it complains.
func (c *check) only(what string, selector labels.Selector) *pod {
	fits := c.fitting(selector)
	if selector.Empty() || len(fits) != 1 {
		c.complain(what, "its selector %q fits %d Deployments, not one", selector, len(fits))
		return nil
	}
	return fits[0]
}

func (c *check) fitting(selector labels.Selector) (fits []*pod) {
	for i := range c.Deployments {
		if d := &c.Deployments[i]; selector.Matches(labels.Set(d.Spec.Template.Labels)) {
			fits = append(fits, podOf(d))
		}
	}
	return fits
}

func (c *check) autoscalers() {
	for _, a := range c.Autoscalers {
		what := "HorizontalPodAutoscaler/" + a.Name
		found := false
		for _, d := range c.Deployments {
			if a.Spec.ScaleTargetRef.Kind == "Deployment" && d.Name == a.Spec.ScaleTargetRef.Name {
				found = true
				if d.Spec.Replicas != nil {
					c.complain("Deployment/"+d.Name, "has replicas, which every upgrade would set anew, against %s", what)
				}
			}
		}
		if !found {
			c.complain(what, "there is no Deployment %q", a.Spec.ScaleTargetRef.Name)
		}
		if a.Spec.MinReplicas == nil || *a.Spec.MinReplicas > a.Spec.MaxReplicas {
			c.complain(what, "minReplicas is missing, or more than maxReplicas")
		}
	}
}

// key complains of a secret's key that neither the set nor its README has.
func (c *check) key(what, secret, key string) {
	for _, s := range c.Secrets {
		if s.Name == secret {
			if s.Data[key] == nil && s.StringData[key] == "" {
				c.complain(what, "Secret/%s has no key %q", secret, key)
			}
			return
		}
	}
	keys, ok := c.documented[secret]
	if !ok {
		c.complain(what, "nothing says how the secret %q comes to be", secret)
	} else if !slices.Contains(keys, key) {
		c.complain(what, "the secret %q is documented without a key %q", secret, key)
	}
}

// configMap finds a ConfigMap by its name.
func (c *check) configMap(name string) *corev1.ConfigMap {
	for i := range c.ConfigMaps {
		if c.ConfigMaps[i].Name == name {
			return &c.ConfigMaps[i]
		}
	}
	return nil
}
