// Package compose checks deploy/docker: that Compose and Swarm load every combination that its README offers, and that what
// they load holds together and is hardened.
package compose

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/scimbridge/scimbridge/test/deploy/product"
)

// rules are what a project is held to.
type rules struct {
	settings product.Settings
	ports    product.Ports
}

// complaints says what is wrong with a project, a line each.
func (r rules) complaints(p *types.Project) []string {
	var list []string
	for name, s := range p.AllServices() {
		for _, c := range slices.Concat(hardened(s), r.environment(s), files(p, s), health(s), r.published(s), reached(p, s)) {
			list = append(list, name+": "+c)
		}
	}
	slices.Sort(list)
	return list
}

// ours tells whether a service runs the product's image.
func ours(s types.ServiceConfig) bool { return strings.HasPrefix(s.Image, product.Image+":") }

// bridge tells whether a service is the bridge.
func bridge(s types.ServiceConfig) bool { return ours(s) && !once(s) && verb(s) == "serve" }

// verb is what a service of ours runs.
func verb(s types.ServiceConfig) string {
	words := s.Command
	for i, w := range words {
		if strings.HasPrefix(w, "-") {
			words = words[:i]
			break
		}
	}
	if len(words) == 0 {
		return "serve" // the image's own
	}
	return strings.Join(words, " ")
}

// once tells whether a service runs for a command only.
func once(s types.ServiceConfig) bool { return len(s.Profiles) > 0 }

func hardened(s types.ServiceConfig) (list []string) {
	if user, group, ok := strings.Cut(s.User, ":"); !ok || user == "0" || group == "0" || strings.Trim(user+group, "0123456789") != "" {
		list = append(list, fmt.Sprintf("runs as %q, which is no number of a user other than root", s.User))
	}
	if !s.ReadOnly {
		list = append(list, "its root can be written")
	}
	if !slices.Equal(s.CapDrop, []string{"ALL"}) || len(s.CapAdd) > 0 {
		list = append(list, "has capabilities")
	}
	if !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
		list = append(list, "may get new privileges")
	}
	if s.Privileged || s.Pid != "" || s.Ipc != "" || s.NetworkMode != "" {
		list = append(list, "shares something of the machine's")
	}
	if image, tag, ok := strings.Cut(path.Base(s.Image), ":"); !ok || tag == "latest" || image == "" || strings.Count(s.Image, "/") < 2 {
		list = append(list, fmt.Sprintf("image %q does not name registry and tag", s.Image))
	}
	if once(s) {
		return list
	}
	if s.Deploy == nil || s.Deploy.Resources.Limits == nil || s.Deploy.Resources.Limits.MemoryBytes == 0 {
		list = append(list, "has no limit of memory")
	}
	if s.Restart != "unless-stopped" {
		list = append(list, "does not come back after a restart of the machine")
	}
	return list
}

// environment compares a service's variables with the settings of what it runs.
func (r rules) environment(s types.ServiceConfig) (list []string) {
	if !ours(s) {
		return nil
	}
	for name := range s.Environment {
		switch {
		case !strings.HasPrefix(name, "OP_"):
		case once(s) && r.settings.Known(name):
		case !r.settings.Of[verb(s)][name]:
			list = append(list, fmt.Sprintf("%s is no setting of scimbridge %s", name, verb(s)))
		}
	}
	if bridge(s) && s.StopGracePeriod == nil {
		list = append(list, "requests under way have less time to end than the bridge gives them")
	}
	return list
}

// home is where the bridge looks for what it is not told of otherwise.
const home = "/home/opuser/.op"

// files compares the paths in a service's variables with what is mounted, and secrets with those of the project.
func files(p *types.Project, s types.ServiceConfig) (list []string) {
	mounted := map[string]bool{}
	for _, secret := range s.Secrets {
		switch declared, ok := p.Secrets[secret.Source]; {
		case !ok:
			list = append(list, "there is no secret "+secret.Source)
		case declared.File == "":
			list = append(list, "secret "+secret.Source+" is of no file")
		}
		if strings.HasPrefix(secret.Target, home+"/") && (secret.UID != "999" || secret.GID != "999" || secret.Mode == nil || *secret.Mode != 0o440) {
			list = append(list, "secret "+secret.Target+" is not for 999:999 and 0440")
		}
		mounted[secret.Target] = true
	}
	for name, value := range s.Environment {
		if value == nil || !strings.HasPrefix(*value, "/") {
			continue
		}
		below := slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool { return strings.HasPrefix(*value, v.Target+"/") })
		if !mounted[*value] && !below {
			list = append(list, name+" names "+*value+", which is not mounted")
		}
	}
	if bridge(s) && !mounted[home+"/scimsession"] {
		list = append(list, "has no scimsession")
	}
	return list
}

func health(s types.ServiceConfig) (list []string) {
	if once(s) {
		return nil
	}
	if s.HealthCheck == nil || s.HealthCheck.Disable || len(s.HealthCheck.Test) < 2 {
		return []string{"has no health check"}
	}
	if ours(s) {
		want := []string{"CMD", product.Binary, "healthcheck"}
		if len(s.HealthCheck.Test) < len(want) || !slices.Equal(s.HealthCheck.Test[:len(want)], want) {
			list = append(list, fmt.Sprintf("health check %q is not the program's, and the image has no other", s.HealthCheck.Test))
		}
		const own = 5 // seconds; healthcheck gives up by itself and says why
		if s.HealthCheck.Timeout == nil || int(*s.HealthCheck.Timeout/1e9) <= own {
			list = append(list, "health check is cut off before it gives up by itself")
		}
	}
	return list
}

// published looks at the ports that others reach.
func (r rules) published(s types.ServiceConfig) (list []string) {
	tls := value(s, "OP_TLS_DOMAIN") != "" || value(s, "OP_TLS_CERT_FILE") != ""
	for _, port := range s.Ports {
		switch {
		case !bridge(s):
			list = append(list, fmt.Sprintf("port %d is published, and nobody outside needs it", port.Target))
		case tls && int(port.Target) != r.ports.TLS:
			list = append(list, fmt.Sprintf("port %d is published, and the bridge terminates TLS on %d", port.Target, r.ports.TLS))
		case !tls && int(port.Target) != r.ports.HTTP:
			list = append(list, fmt.Sprintf("port %d is published, and the bridge listens on %d", port.Target, r.ports.HTTP))
		case !tls && port.HostIP != "127.0.0.1":
			list = append(list, "HTTP is published to other machines")
		}
	}
	return list
}

func value(s types.ServiceConfig, name string) string {
	if v := s.Environment[name]; v != nil {
		return *v
	}
	return ""
}

// reached compares the services that a service's URLs and dependencies name with those of its networks.
func reached(p *types.Project, s types.ServiceConfig) (list []string) {
	for _, name := range []string{"OP_REDIS_URL", "OP_DATABASE_URL"} {
		u, err := url.Parse(value(s, name))
		if err != nil || u.Host == "" {
			continue
		}
		other, ok := p.AllServices()[u.Hostname()]
		switch {
		case !ok:
			list = append(list, name+" names no service")
		case !internal(p, s, other):
			list = append(list, name+" leads over a network that is not internal")
		case once(s):
		case s.DependsOn[other.Name].Condition != types.ServiceConditionHealthy:
			list = append(list, "does not wait for a healthy "+other.Name)
		}
	}
	if u, err := url.Parse(value(s, "OP_ACCOUNT_URL")); err == nil && u.Host != "" && u.Hostname() != s.Name {
		list = append(list, "OP_ACCOUNT_URL names another service")
	}
	for name := range s.DependsOn {
		if other, ok := p.AllServices()[name]; ok && (other.HealthCheck == nil || len(other.HealthCheck.Test) == 0) {
			list = append(list, "waits for "+name+", whose health nobody knows")
		}
	}
	if !ours(s) {
		for name := range s.Networks {
			if !p.Networks[name].Internal {
				list = append(list, "is in the network "+name+", which leads outside")
			}
		}
	}
	return list
}

// internal tells whether two services share a network that leads nowhere else.
func internal(p *types.Project, a, b types.ServiceConfig) bool {
	for name := range a.Networks {
		if _, ok := b.Networks[name]; ok && p.Networks[name].Internal {
			return true
		}
	}
	return false
}
