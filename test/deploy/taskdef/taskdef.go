// Package taskdef looks at an ECS task definition as ECS would, before it does: keys that ECS does not know, sizes that
// Fargate has not, containers that wait for nobody, secrets in the open.
package taskdef

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// Definition is what is looked at of a task definition.
type Definition struct {
	CPU, Memory int // units of 1/1024 vCPU, MiB
	Volumes     []string
	Containers  []types.ContainerDefinition
}

// Parse reads the values of an aws_ecs_task_definition in a state. Keys that are none of ECS's are an error.
func Parse(values map[string]any) (Definition, error) {
	var d Definition
	var err1, err2 error
	d.CPU, err1 = strconv.Atoi(fmt.Sprint(values["cpu"]))
	d.Memory, err2 = strconv.Atoi(fmt.Sprint(values["memory"]))
	if err := errors.Join(err1, err2); err != nil {
		return d, err
	}
	volumes, _ := values["volume"].([]any)
	for _, v := range volumes {
		v, _ := v.(map[string]any)
		d.Volumes = append(d.Volumes, fmt.Sprint(v["name"]))
	}
	text, _ := values["container_definitions"].(string)
	in := json.NewDecoder(strings.NewReader(text))
	in.DisallowUnknownFields()
	if err := in.Decode(&d.Containers); err != nil {
		return d, fmt.Errorf("container definitions: %w", err)
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return d, errors.New("container definitions: something comes after them")
	}
	return d, nil
}

// Container is the one with a name.
func (d Definition) Container(name string) (types.ContainerDefinition, bool) {
	i := slices.IndexFunc(d.Containers, func(c types.ContainerDefinition) bool { return str(c.Name) == name })
	if i < 0 {
		return types.ContainerDefinition{}, false
	}
	return d.Containers[i], true
}

// Complaints are what ECS or Fargate would refuse, and what we do not let pass though they would.
func (d Definition) Complaints() []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if !fits(d.CPU, d.Memory) {
		say("Fargate has no task with %d units of CPU and %d MiB", d.CPU, d.Memory)
	}
	cpu, memory, essential := 0, 0, false
	for _, c := range d.Containers {
		cpu += int(c.Cpu)
		if c.Memory != nil {
			memory += int(*c.Memory)
		}
		essential = essential || c.Essential == nil || *c.Essential
	}
	if cpu > d.CPU || memory > d.Memory {
		say("the containers want %d units of CPU and %d MiB, the task has %d and %d", cpu, memory, d.CPU, d.Memory)
	}
	if !essential {
		say("no container is essential")
	}
	for i, c := range d.Containers {
		for _, complaint := range slices.Concat(hardened(c), health(c), secrets(c), d.links(c)) {
			say("%s: %s", str(c.Name), complaint)
		}
		if slices.ContainsFunc(d.Containers[:i], func(o types.ContainerDefinition) bool { return str(o.Name) == str(c.Name) }) {
			say("two containers are called %s", str(c.Name))
		}
	}
	return out
}

// fits reports whether Fargate has the pair.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html
func fits(cpu, memory int) bool {
	sizes := map[int]struct{ least, most, step int }{
		512: {1024, 4096, 1024}, 1024: {2048, 8192, 1024}, 2048: {4096, 16384, 1024}, 4096: {8192, 30720, 1024},
		8192: {16384, 61440, 4096}, 16384: {32768, 122880, 8192},
	}
	if cpu == 256 {
		return memory == 512 || memory == 1024 || memory == 2048
	}
	s, ok := sizes[cpu]
	return ok && memory >= s.least && memory <= s.most && memory%s.step == 0
}

// hardened looks at what a container is and may do.
func hardened(c types.ContainerDefinition) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	image := str(c.Image)
	if _, version, ok := strings.Cut(image[strings.LastIndex(image, "/")+1:], ":"); !ok || version == "latest" {
		say("the image %s has no version", image)
	}
	if user, _, _ := strings.Cut(str(c.User), ":"); user == "" || user == "0" || user == "root" {
		say("it runs as root, or as what the image says")
	}
	if c.ReadonlyRootFilesystem == nil || !*c.ReadonlyRootFilesystem {
		say("its root file system can be written to")
	}
	if c.LinuxParameters == nil || c.LinuxParameters.Capabilities == nil || !slices.Contains(c.LinuxParameters.Capabilities.Drop, "ALL") {
		say("it keeps capabilities")
	}
	for _, p := range c.PortMappings {
		if p.ContainerPort == nil || p.HostPort != nil && *p.HostPort != *p.ContainerPort {
			say("a port is mapped to another, which Fargate does not do")
		}
		if !slices.Contains(p.Protocol.Values(), p.Protocol) {
			say("%q is no protocol", p.Protocol)
		}
	}
	if c.StopTimeout != nil && (*c.StopTimeout < 2 || *c.StopTimeout > 120) {
		say("a stopTimeout of %d s; Fargate has 2 to 120", *c.StopTimeout)
	}
	if l := c.LogConfiguration; l == nil || l.LogDriver != types.LogDriverAwslogs || l.Options["awslogs-group"] == "" || l.Options["awslogs-region"] == "" || l.Options["awslogs-stream-prefix"] == "" {
		say("it logs to nowhere: awslogs with group, region and stream-prefix")
	}
	return out
}

func health(c types.ContainerDefinition) []string {
	h := c.HealthCheck
	if h == nil {
		return nil
	}
	var out []string
	if len(h.Command) < 2 || h.Command[0] != "CMD" && h.Command[0] != "CMD-SHELL" {
		out = append(out, "its health check is no command")
	}
	numbers := map[string]struct {
		value       *int32
		least, most int32
	}{"interval": {h.Interval, 5, 300}, "timeout": {h.Timeout, 2, 60}, "retries": {h.Retries, 1, 10}, "startPeriod": {h.StartPeriod, 0, 300}}
	for _, name := range slices.Sorted(maps.Keys(numbers)) {
		if n := numbers[name]; n.value != nil && (*n.value < n.least || *n.value > n.most) {
			out = append(out, fmt.Sprintf("the %s of its health check is %d; ECS has %d to %d", name, *n.value, n.least, n.most))
		}
	}
	return out
}

func secrets(c types.ContainerDefinition) []string {
	var out []string
	for _, s := range c.Secrets {
		if !strings.HasPrefix(str(s.ValueFrom), "arn:") {
			out = append(out, fmt.Sprintf("the secret %s is no ARN", str(s.Name)))
		}
		if slices.ContainsFunc(c.Environment, func(e types.KeyValuePair) bool { return str(e.Name) == str(s.Name) }) {
			out = append(out, str(s.Name)+" is a variable and a secret")
		}
	}
	for _, e := range c.Environment {
		if slices.Contains([]string{"OP_SESSION", "PGPASSWORD", "OP_REDIS_PASSWORD"}, str(e.Name)) {
			out = append(out, str(e.Name)+" stands in the definition for all to read")
		}
	}
	return out
}

// links looks at what a container says of others and of volumes.
func (d Definition) links(c types.ContainerDefinition) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, w := range c.DependsOn {
		on, ok := d.Container(str(w.ContainerName))
		ends := w.Condition == types.ContainerConditionSuccess || w.Condition == types.ContainerConditionComplete
		switch {
		case !ok:
			say("it waits for %s, which is not there", str(w.ContainerName))
		case !slices.Contains(w.Condition.Values(), w.Condition):
			say("%q is nothing to wait for", w.Condition)
		case w.Condition == types.ContainerConditionHealthy && on.HealthCheck == nil:
			say("it waits until %s is healthy, which has no health check", str(on.Name))
		case ends && (on.Essential == nil || *on.Essential):
			say("it waits until %s has ended, which is essential: the task would end with it", str(on.Name))
		}
	}
	for _, m := range c.MountPoints {
		if !slices.Contains(d.Volumes, str(m.SourceVolume)) {
			say("it mounts the volume %s, which the task does not have", str(m.SourceVolume))
		}
	}
	return out
}

func str(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
