package kubernetes

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// names looks whether names, labels and ports are called what the API server lets them be called, and nothing is called as something
// else. The schemas say nothing of it.
func (c *check) names() {
	seen := map[string]bool{}
	for _, o := range c.objects() {
		what := o.kind + "/" + o.meta.Name
		if seen[what+" "+o.meta.Namespace] {
			c.complain(what, "is there twice")
		}
		seen[what+" "+o.meta.Namespace] = true
		wrong := validation.IsDNS1123Subdomain(o.meta.Name)
		if o.kind == "Service" {
			wrong = validation.IsDNS1035Label(o.meta.Name)
		}
		c.wrong(what, "its name", wrong)
		c.labelled(what, o.meta.Labels)
	}
	for i := range c.Deployments {
		p := podOf(&c.Deployments[i])
		c.labelled(p.what, p.labels)
		for _, k := range p.spec.Containers {
			c.wrong(p.what, "the container "+k.Name, validation.IsDNS1123Label(k.Name))
			for _, port := range k.Ports {
				c.wrong(p.what, "the port "+port.Name, validation.IsValidPortName(port.Name))
			}
		}
		for _, v := range p.spec.Volumes {
			c.wrong(p.what, "the volume "+v.Name, validation.IsDNS1123Label(v.Name))
		}
	}
}

func (c *check) labelled(what string, labels map[string]string) {
	for key, value := range labels {
		c.wrong(what, "the label "+key, append(validation.IsQualifiedName(key), validation.IsValidLabelValue(value)...))
	}
}

func (c *check) wrong(what, name string, reasons []string) {
	if len(reasons) > 0 {
		c.complain(what, "%s: %s", name, strings.Join(reasons, "; "))
	}
}

// object is what every kind has.
type object struct {
	kind string
	meta *metav1.ObjectMeta
}

func (s *Set) objects() (list []object) {
	for i := range s.ConfigMaps {
		list = append(list, object{"ConfigMap", &s.ConfigMaps[i].ObjectMeta})
	}
	for i := range s.Secrets {
		list = append(list, object{"Secret", &s.Secrets[i].ObjectMeta})
	}
	for i := range s.ServiceAccounts {
		list = append(list, object{"ServiceAccount", &s.ServiceAccounts[i].ObjectMeta})
	}
	for i := range s.Services {
		list = append(list, object{"Service", &s.Services[i].ObjectMeta})
	}
	for i := range s.Pods {
		list = append(list, object{"Pod", &s.Pods[i].ObjectMeta})
	}
	for i := range s.Deployments {
		list = append(list, object{"Deployment", &s.Deployments[i].ObjectMeta})
	}
	for i := range s.Autoscalers {
		list = append(list, object{"HorizontalPodAutoscaler", &s.Autoscalers[i].ObjectMeta})
	}
	for i := range s.Disruptions {
		list = append(list, object{"PodDisruptionBudget", &s.Disruptions[i].ObjectMeta})
	}
	for i := range s.Networks {
		list = append(list, object{"NetworkPolicy", &s.Networks[i].ObjectMeta})
	}
	for i := range s.Ingresses {
		list = append(list, object{"Ingress", &s.Ingresses[i].ObjectMeta})
	}
	for i := range s.Monitors {
		list = append(list, object{"ServiceMonitor", &s.Monitors[i].ObjectMeta})
	}
	return list
}
