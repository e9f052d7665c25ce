// Package taskdef looks at an ECS task definition as ECS would, before it does: keys that ECS does not know, sizes that
// Fargate has not, containers that wait for nobody, secrets in the open, containers with more rights than they need.
package taskdef

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// Definition is what is looked at of a task definition.
type Definition struct {
	CPU, Memory  int // units of 1/1024 vCPU, MB
	Architecture types.CPUArchitecture
	NetworkMode  types.NetworkMode
	Volumes      []string
	Containers   []types.ContainerDefinition
}

// Parse reads the values of an aws_ecs_task_definition in a state. Keys that are none of ECS's are an error.
func Parse(values map[string]any) (Definition, error) {
	text := func(name string) string { s, _ := values[name].(string); return s }
	d := Definition{NetworkMode: types.NetworkMode(text("network_mode"))}
	var err1, err2 error
	d.CPU, err1 = strconv.Atoi(text("cpu"))
	d.Memory, err2 = strconv.Atoi(text("memory"))
	if err := errors.Join(err1, err2); err != nil {
		return d, err
	}
	for _, v := range blocks(values["runtime_platform"]) {
		d.Architecture = types.CPUArchitecture(fmt.Sprint(v["cpu_architecture"]))
	}
	for _, v := range blocks(values["volume"]) {
		d.Volumes = append(d.Volumes, fmt.Sprint(v["name"]))
	}
	in := json.NewDecoder(strings.NewReader(text("container_definitions")))
	in.DisallowUnknownFields()
	if err := in.Decode(&d.Containers); err != nil {
		return d, fmt.Errorf("container definitions: %w", err)
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return d, errors.New("container definitions: something comes after them")
	}
	return d, nil
}

func blocks(v any) []map[string]any {
	list, _ := v.([]any)
	var out []map[string]any
	for _, b := range list {
		if m, ok := b.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// Container is the one with a name.
func (d Definition) Container(name string) (types.ContainerDefinition, bool) {
	i := slices.IndexFunc(d.Containers, func(c types.ContainerDefinition) bool { return str(c.Name) == name })
	if i < 0 {
		return types.ContainerDefinition{}, false
	}
	return d.Containers[i], true
}

// complaints are what is wrong, a sentence each.
type complaints []string

func (c *complaints) add(format string, args ...any) { *c = append(*c, fmt.Sprintf(format, args...)) }

// Complaints are what ECS or Fargate would refuse, and what we do not let pass though they would.
func (d Definition) Complaints() []string {
	var out complaints
	if !fits(d.CPU, d.Memory) {
		out.add("Fargate has no %d CPU units with %d MB", d.CPU, d.Memory)
	}
	if !slices.Contains(d.Architecture.Values(), d.Architecture) {
		out.add("%q is no CPU architecture", d.Architecture)
	}
	if d.NetworkMode != types.NetworkModeAwsvpc {
		out.add("the network mode is %q", d.NetworkMode)
	}
	cpu, memory := 0, 0
	for i, c := range d.Containers {
		cpu += int(c.Cpu)
		if c.Memory != nil {
			memory += int(*c.Memory)
		}
		for _, said := range slices.Concat(rights(c), health(c), given(c), d.links(c)) {
			out.add("%s: %s", str(c.Name), said)
		}
		if slices.ContainsFunc(d.Containers[:i], func(o types.ContainerDefinition) bool { return str(o.Name) == str(c.Name) }) {
			out.add("two containers are called %s", str(c.Name))
		}
	}
	if cpu > d.CPU || memory > d.Memory {
		out.add("the containers want %d CPU units and %d MB of %d and %d", cpu, memory, d.CPU, d.Memory)
	}
	if !slices.ContainsFunc(d.Containers, essential) {
		out.add("no container is essential")
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

// imageVersion is a tag that stays what it is, or a digest.
var imageVersion = regexp.MustCompile(`(:v?[0-9][^:/@]*|@sha256:[0-9a-f]{64})$`)

// rights looks at what a container is and may do.
func rights(c types.ContainerDefinition) complaints {
	var out complaints
	if !imageVersion.MatchString(str(c.Image)) {
		out.add("the image %s has no fixed version", str(c.Image))
	}
	if c.ReadonlyRootFilesystem == nil || !*c.ReadonlyRootFilesystem {
		out.add("its root file system can be written to")
	}
	if uid, _, _ := strings.Cut(str(c.User), ":"); uid == "" || uid == "0" || uid == "root" {
		out.add("it runs as %q", str(c.User))
	}
	if c.LinuxParameters == nil || c.LinuxParameters.Capabilities == nil || !slices.Equal(c.LinuxParameters.Capabilities.Drop, []string{"ALL"}) || len(c.LinuxParameters.Capabilities.Add) > 0 {
		out.add("it has capabilities")
	}
	if c.Privileged != nil && *c.Privileged {
		out.add("it is privileged")
	}
	for _, p := range c.PortMappings {
		if p.ContainerPort == nil || p.HostPort != nil && *p.HostPort != *p.ContainerPort {
			out.add("a port is mapped to another, which Fargate does not do")
		}
		if !slices.Contains(p.Protocol.Values(), p.Protocol) {
			out.add("%q is no protocol", p.Protocol)
		}
	}
	return out
}

func health(c types.ContainerDefinition) complaints {
	var out complaints
	switch h := c.HealthCheck; {
	case h == nil && essential(c):
		out.add("nobody asks for its health")
	case h == nil:
	case len(h.Command) < 2 || h.Command[0] != "CMD" && h.Command[0] != "CMD-SHELL":
		out.add("its health check begins with neither CMD nor CMD-SHELL")
	case !within(h.Interval, 5, 300) || !within(h.Timeout, 2, 60) || !within(h.Retries, 1, 10) || !within(h.StartPeriod, 0, 300):
		out.add("a number of its health check is not one that ECS takes")
	}
	if r := c.RestartPolicy; r != nil && !within(r.RestartAttemptPeriod, 60, 1800) {
		out.add("it is restarted within %d s", *r.RestartAttemptPeriod)
	}
	if !within(c.StopTimeout, 2, 120) {
		out.add("it has %d s to stop; Fargate has 2 to 120", *c.StopTimeout)
	}
	return out
}

var (
	secretName = regexp.MustCompile(`^(OP_SESSION|.*PASSWORD|OP_WORKSPACE_.*|TOKEN|.*_TOKEN)$`)
	withSecret = regexp.MustCompile(`://[^/@]*:[^/@]+@`) // user:password@
	secretARN  = regexp.MustCompile(`^arn:aws[a-z-]*:(secretsmanager|ssm):`)
)

// given looks at the variables, the secrets and where the log goes.
func given(c types.ContainerDefinition) complaints {
	var out complaints
	var names []string
	for _, e := range c.Environment {
		if secretName.MatchString(str(e.Name)) || withSecret.MatchString(str(e.Value)) {
			out.add("%s stands in clear", str(e.Name))
		}
		names = append(names, str(e.Name))
	}
	for _, s := range c.Secrets {
		if !secretARN.MatchString(str(s.ValueFrom)) {
			out.add("%s comes from %q, which is no ARN", str(s.Name), str(s.ValueFrom))
		}
		if slices.Contains(names, str(s.Name)) {
			out.add("%s is given twice", str(s.Name))
		}
		names = append(names, str(s.Name))
	}
	l := c.LogConfiguration
	switch {
	case l == nil || l.LogDriver != types.LogDriverAwslogs:
		out.add("its log does not go to CloudWatch")
	case l.Options["awslogs-group"] == "" || l.Options["awslogs-region"] == "":
		out.add("its log has no group or no region")
	case l.Options["awslogs-stream-prefix"] != str(c.Name):
		out.add("its log streams begin with %q", l.Options["awslogs-stream-prefix"])
	}
	return out
}

// links looks at what a container says of others and of volumes.
func (d Definition) links(c types.ContainerDefinition) complaints {
	var out complaints
	for _, w := range c.DependsOn {
		on, ok := d.Container(str(w.ContainerName))
		ends := w.Condition == types.ContainerConditionSuccess || w.Condition == types.ContainerConditionComplete
		switch {
		case !ok:
			out.add("it waits for %q, which is not there", str(w.ContainerName))
		case !slices.Contains(w.Condition.Values(), w.Condition):
			out.add("it waits for %q", w.Condition)
		case w.Condition == types.ContainerConditionHealthy && on.HealthCheck == nil:
			out.add("it waits for the health of %q, which has no check", str(on.Name))
		case ends && essential(on):
			out.add("it waits for the end of %q, with which the task ends", str(on.Name))
		}
	}
	for _, m := range c.MountPoints {
		if !slices.Contains(d.Volumes, str(m.SourceVolume)) {
			out.add("it mounts %q, which is no volume", str(m.SourceVolume))
		}
	}
	return out
}

func essential(c types.ContainerDefinition) bool { return c.Essential == nil || *c.Essential }

func within(n *int32, least, most int32) bool { return n == nil || *n >= least && *n <= most }

func str(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
