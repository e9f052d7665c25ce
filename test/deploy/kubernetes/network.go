package kubernetes

import (
	"net/url"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// services looks whether Services lead to pods, which let them in.
func (c *check) services() {
	for _, s := range c.Services {
		what := "Service/" + s.Name
		p := c.only(what, labels.SelectorFromSet(s.Spec.Selector))
		if p == nil {
			continue
		}
		for _, port := range s.Spec.Ports {
			n := resolve(p, port.TargetPort)
			if n == 0 {
				c.complain(what, "leads to a port %q that %s has not", port.TargetPort.String(), p.what)
			} else if !c.letsIn(p, n) {
				c.complain(what, "leads to port %d, where no NetworkPolicy lets anybody in", n)
			}
		}
	}
}

// policies are those that select a pod, and say something about a direction.
func (c *check) policies(p *pod, direction networkingv1.PolicyType) (list []*networkingv1.NetworkPolicy) {
	for i := range c.Networks {
		n := &c.Networks[i]
		s, err := metav1.LabelSelectorAsSelector(&n.Spec.PodSelector)
		if err == nil && s.Matches(labels.Set(p.labels)) && slices.Contains(n.Spec.PolicyTypes, direction) {
			list = append(list, n)
		}
	}
	return list
}

// letsIn tells whether somebody may come in on a port.
func (c *check) letsIn(p *pod, port int) bool {
	list := c.policies(p, networkingv1.PolicyTypeIngress)
	for _, n := range list {
		for _, rule := range n.Spec.Ingress {
			if on(p, rule.Ports, port) {
				return true
			}
		}
	}
	return len(list) == 0
}

// may tells whether from reaches to on a port of to.
func (c *check) may(from, to *pod, port int) bool {
	out := c.policies(from, networkingv1.PolicyTypeEgress)
	leaves := len(out) == 0
	for _, n := range out {
		for _, rule := range n.Spec.Egress {
			leaves = leaves || on(to, rule.Ports, port) && among(rule.To, to)
		}
	}
	in := c.policies(to, networkingv1.PolicyTypeIngress)
	enters := len(in) == 0
	for _, n := range in {
		for _, rule := range n.Spec.Ingress {
			enters = enters || on(to, rule.Ports, port) && among(rule.From, from)
		}
	}
	return leaves && enters
}

func on(p *pod, ports []networkingv1.NetworkPolicyPort, port int) bool {
	return len(ports) == 0 || slices.ContainsFunc(ports, func(n networkingv1.NetworkPolicyPort) bool {
		return n.Port == nil || resolve(p, *n.Port) == port
	})
}

func among(peers []networkingv1.NetworkPolicyPeer, p *pod) bool {
	return len(peers) == 0 || slices.ContainsFunc(peers, func(n networkingv1.NetworkPolicyPeer) bool {
		s, err := metav1.LabelSelectorAsSelector(n.PodSelector)
		return err == nil && n.PodSelector != nil && s.Matches(labels.Set(p.labels))
	})
}

// networks looks whether policies are about pods that there are, by ports that these have, and whether bridges reach their Redis.
func (c *check) networks() {
	for _, n := range c.Networks {
		what := "NetworkPolicy/" + n.Name
		p := c.covers(what, &n.Spec.PodSelector)
		if p == nil {
			continue
		}
		for _, rule := range n.Spec.Ingress {
			for _, port := range rule.Ports {
				if resolve(p, *port.Port) == 0 {
					c.complain(what, "lets in on a port %q that %s has not", port.Port.String(), p.what)
				}
			}
		}
	}
	for i := range c.Deployments {
		p := podOf(&c.Deployments[i])
		k := &p.spec.Containers[0]
		if !ours(k) {
			continue
		}
		quiet := &check{Facts: c.Facts, Set: c.Set, documented: c.documented} // complaints of settings were heard already
		host, port := redisOf(quiet.settings(p, k))
		if s := c.service(host); s != nil {
			to := c.only("Service/"+s.Name, labels.SelectorFromSet(s.Spec.Selector))
			at := slices.IndexFunc(s.Spec.Ports, func(sp corev1.ServicePort) bool { return strconv.Itoa(int(sp.Port)) == port })
			if at < 0 {
				c.complain(p.what, "looks for Redis on port %s, which Service/%s has not", port, s.Name)
			} else if to != nil && !c.may(p, to, resolve(to, s.Spec.Ports[at].TargetPort)) {
				c.complain(p.what, "is kept from its Redis by a NetworkPolicy")
			}
		} else if len(c.Deployments) > 1 && host != "" && c.redis() {
			c.complain(p.what, "looks for Redis at %q, which is no Service here", host)
		}
	}
}

// redis tells whether the set has a Redis of its own.
func (c *check) redis() bool {
	for i := range c.Deployments {
		if c.Deployments[i].Spec.Template.Spec.Containers[0].Image == Redis {
			return true
		}
	}
	return false
}

// redisOf is where a bridge with these settings looks for Redis.
func redisOf(env map[string]string) (host, port string) {
	if u, err := url.Parse(env["OP_REDIS_URL"]); err == nil && u.Host != "" {
		host, port = u.Hostname(), u.Port()
	} else {
		host, port = env["OP_REDIS_HOST"], env["OP_REDIS_PORT"]
	}
	if port == "" {
		port = "6379"
	}
	return host, port
}

func (c *check) service(name string) *corev1.Service {
	for i := range c.Services {
		if c.Services[i].Name == name {
			return &c.Services[i]
		}
	}
	return nil
}

// servicePort finds a Service's port by its name.
func servicePort(s *corev1.Service, name string) *corev1.ServicePort {
	for i := range s.Spec.Ports {
		if s.Spec.Ports[i].Name == name {
			return &s.Spec.Ports[i]
		}
	}
	return nil
}

// ingresses looks whether an Ingress leads to Services, over TLS, to pods that leave TLS to it.
func (c *check) ingresses() {
	for _, in := range c.Ingresses {
		what := "Ingress/" + in.Name
		var secure []string
		for _, t := range in.Spec.TLS {
			secure = append(secure, t.Hosts...)
			c.key(what, t.SecretName, "tls.crt")
		}
		for _, rule := range in.Spec.Rules {
			if !slices.Contains(secure, rule.Host) {
				c.complain(what, "leads %s on without TLS", rule.Host)
			}
			for _, path := range rule.HTTP.Paths {
				b := path.Backend.Service
				s := c.service(b.Name)
				if s == nil {
					c.complain(what, "leads to %q, which is no Service", b.Name)
					continue
				}
				if p := servicePort(s, b.Port.Name); p == nil {
					c.complain(what, "leads to a port %q that Service/%s has not", b.Port.Name, s.Name)
				} else if p.Name != "http" {
					c.complain(what, "speaks HTTP to where TLS is expected")
				}
				c.named(what, s, rule.Host)
			}
		}
	}
}

// named compares the host of an Ingress with the address that an account service behind it goes by.
func (c *check) named(what string, s *corev1.Service, host string) {
	p := c.only("Service/"+s.Name, labels.SelectorFromSet(s.Spec.Selector))
	if p == nil {
		return
	}
	quiet := &check{Facts: c.Facts, Set: c.Set, documented: c.documented}
	if address := quiet.settings(p, &p.spec.Containers[0])["OP_ACCOUNT_URL"]; address != "" && address != "https://"+host {
		c.complain(what, "leads %s to an account service that goes by %s", host, address)
	}
}

func (c *check) monitors() {
	for _, m := range c.Monitors {
		what := "ServiceMonitor/" + m.Name
		selector, err := metav1.LabelSelectorAsSelector(&m.Spec.Selector)
		if err != nil || selector.Empty() {
			c.complain(what, "selects nothing")
			continue
		}
		var fits []*corev1.Service
		for i := range c.Services {
			if selector.Matches(labels.Set(c.Services[i].Labels)) {
				fits = append(fits, &c.Services[i])
			}
		}
		if len(fits) != 1 {
			c.complain(what, "its selector %q fits %d Services, not one", selector, len(fits))
			continue
		}
		for _, e := range m.Spec.Endpoints {
			switch {
			case servicePort(fits[0], e.Port) == nil:
				c.complain(what, "asks a port %q that Service/%s has not", e.Port, fits[0].Name)
			case e.Scheme != e.Port: // ports are named for what is spoken there
				c.complain(what, "asks port %s by %q", e.Port, e.Scheme)
			case e.Path != "/metrics":
				c.complain(what, "asks %s", e.Path)
			}
			c.key(what, e.Authorization.Credentials.Name, e.Authorization.Credentials.Key)
		}
	}
}
