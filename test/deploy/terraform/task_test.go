package terraform_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/scimbridge/scimbridge/test/deploy/terraformtest"
)

const taskAddress = "aws_ecs_task_definition.op_scim_bridge"

// The task definition is one that ECS takes and Fargate runs, hardened, in every variant.
func TestTask(t *testing.T) {
	t.Parallel()
	for variant := range variants {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			for _, c := range judgeTask(t, apply(t, deployment(t), variant)) {
				t.Error(c)
			}
		})
	}
	const file = "task-definitions/scim.json"
	const redis = "\"user\": \"999:1000\",\n    \"readonlyRootFilesystem\": true"
	judged(t, []mutation{
		{name: "a key that ECS does not know", file: file, old: `"restartPolicy": { "enabled": true, "restartAttemptPeriod": 60 }`, new: `"restart": "always"`, want: `unknown field "restart"`},
		{name: "latest", file: file, old: "valkey:8.1-alpine", new: "valkey:latest", want: "redis: the image docker.io/valkey/valkey:latest has no fixed version"},
		{name: "no version", file: file, old: "scimbridge:v0.1.0", new: "scimbridge", want: "op_scim_bridge: the image ghcr.io/scimbridge/scimbridge has no fixed version"},
		{name: "writable", file: file, old: redis, new: strings.Replace(redis, "true", "false", 1), want: "redis: its root file system can be written to"},
		{name: "root", file: file, old: redis, new: strings.Replace(redis, "999:1000", "root", 1), want: `redis: it runs as "root"`},
		{name: "a password in clear", file: file, old: `{ "name": "OP_CONFIRMATION_INTERVAL", "value": "300" }`, new: `{ "name": "OP_REDIS_PASSWORD", "value": "swordfish" }`, want: "op_scim_bridge: OP_REDIS_PASSWORD stands in clear"},
		{name: "health of redis", file: file, old: `["CMD", "valkey-cli", "-h", "127.0.0.1", "ping"]`, new: `["valkey-cli", "ping"]`, want: "redis: its health check begins with neither CMD nor CMD-SHELL"},
		{name: "who is waited for", file: file, old: `"containerName": "redis", "condition": "HEALTHY"`, new: `"containerName": "redis", "condition": "READY"`, want: `op_scim_bridge: it waits for "READY"`},
		{name: "port", file: file, old: `"containerPort": 3002, "hostPort": 3002`, new: `"containerPort": 3003, "hostPort": 3003`, want: "op_scim_bridge: its port is 3003, want 3002"},
		{name: "streams", file: file, old: `"awslogs-stream-prefix": "redis"`, new: `"awslogs-stream-prefix": "ecs-redis"`, want: `redis: its log streams begin with "ecs-redis"`},
		{name: "pair", file: "task.tf", old: "{ cpu = 1024, memory = 2048 }", new: "{ cpu = 1024, memory = 2560 }", variant: "high", want: "Fargate has no 1024 CPU units with 2560 MB"},
		{name: "architecture", file: "task.tf", old: "= var.cpu_architecture", new: `= "ARM"`, want: `"ARM" is no CPU architecture`},
		{name: "stop", file: file, old: `"stopTimeout": 30`, new: `"stopTimeout": 10`, want: "op_scim_bridge: it has 10 s to stop, and takes up to 22"},
		{name: "a secret that is none", file: file, old: `"valueFrom": "${secret_arn}"`, new: `"valueFrom": "scimsession"`, want: `op_scim_bridge: OP_SESSION comes from "scimsession", which is no ARN`},
		{name: "unlock before", file: "task.tf", old: `containerName = "unlock", condition = "SUCCESS"`, new: `containerName = "unlocker", condition = "SUCCESS"`, variant: "unattended", want: `op_scim_bridge: it waits for "unlocker", which is not there`},
		{name: "unlock's volume", file: "task.tf", old: `sourceVolume = "unlock", containerPath = "/data"`, new: `sourceVolume = "token", containerPath = "/data"`, variant: "unattended", want: `unlock: it mounts "token", which is no volume`},
	}, judgeTask)
}

// The definition as a whole, which the test that runs the task as ECS would reads as well.
func TestTaskGolden(t *testing.T) {
	t.Parallel()
	s := apply(t, deployment(t), "defaults")
	var definitions any
	if err := json.Unmarshal([]byte(s.One(t, taskAddress).Text("container_definitions")), &definitions); err != nil {
		t.Fatal(err)
	}
	body, err := json.MarshalIndent(definitions, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	// What AWS makes up differs from run to run.
	stable := regexp.MustCompile(`op-scim-bridge[0-9]{26}(-[0-9a-f]{6})?`).ReplaceAllStringFunc(string(body), func(m string) string {
		if strings.Contains(m[len("op-scim-bridge"):], "-") {
			return "op-scim-bridge-AbCdEf"
		}
		return "op-scim-bridge"
	})
	golden(t, "task.json", stable+"\n")
}

// fargate is which memory, in MB, goes with how many CPU units: from, to, in steps of.
var fargate = map[int][3]int{
	256: {512, 2048, 512}, 512: {1024, 4096, 1024}, 1024: {2048, 8192, 1024}, 2048: {4096, 16384, 1024}, 4096: {8192, 30720, 1024},
}

// drain is how many seconds the bridge takes to stop at most: two in which it still takes requests, and twenty for those under way.
const drain = 22

func judgeTask(t *testing.T, s *terraformtest.State) []string {
	t.Helper()
	task := s.One(t, taskAddress)
	var complaints []string
	complain := func(format string, args ...any) { complaints = append(complaints, fmt.Sprintf(format, args...)) }

	var definitions []types.ContainerDefinition
	dec := json.NewDecoder(bytes.NewReader([]byte(task.Text("container_definitions"))))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&definitions); err != nil {
		return []string{err.Error()}
	}
	cpu, _ := strconv.Atoi(task.Text("cpu"))
	memory, _ := strconv.Atoi(task.Text("memory"))
	pair, ok := fargate[cpu]
	// With 256 CPU units there are 512, 1,024 and 2,048 MB, and not the 1,536 between.
	if !ok || memory < pair[0] || memory > pair[1] || (memory-pair[0])%pair[2] != 0 || cpu == 256 && memory == 1536 {
		complain("Fargate has no %d CPU units with %d MB", cpu, memory)
	}
	platform, _ := task.Values["runtime_platform"].([]any)
	if len(platform) != 1 {
		complain("no platform")
	} else if arch := types.CPUArchitecture(fmt.Sprint(platform[0].(map[string]any)["cpu_architecture"])); !slices.Contains(arch.Values(), arch) {
		complain("%q is no CPU architecture", arch)
	}
	if mode := types.NetworkMode(task.Text("network_mode")); mode != types.NetworkModeAwsvpc {
		complain("the network mode is %q", mode)
	}
	var volumes []string
	for _, v := range list(task.Values["volume"]) {
		volumes = append(volumes, fmt.Sprint(v.(map[string]any)["name"]))
	}
	byName := map[string]types.ContainerDefinition{}
	for _, c := range definitions {
		byName[*c.Name] = c
	}
	sumCPU, sumMemory := 0, 0
	for _, c := range definitions {
		sumCPU += int(c.Cpu)
		if c.Memory != nil {
			sumMemory += int(*c.Memory)
		}
		for _, said := range judgeContainer(c, byName, volumes) {
			complain("%s: %s", *c.Name, said)
		}
	}
	if sumCPU > cpu || sumMemory > memory {
		complain("the containers want %d CPU units and %d MB of %d and %d", sumCPU, sumMemory, cpu, memory)
	}
	return complaints
}

// imageVersion is a tag that stays what it is, or a digest.
var imageVersion = regexp.MustCompile(`(:v?[0-9][^:/@]*|@sha256:[0-9a-f]{64})$`)

func judgeContainer(c types.ContainerDefinition, others map[string]types.ContainerDefinition, volumes []string) []string {
	var complaints []string
	complain := func(format string, args ...any) { complaints = append(complaints, fmt.Sprintf(format, args...)) }
	bridge := *c.Name == "op_scim_bridge"

	if !imageVersion.MatchString(*c.Image) {
		complain("the image %s has no fixed version", *c.Image)
	}
	if c.ReadonlyRootFilesystem == nil || !*c.ReadonlyRootFilesystem {
		complain("its root file system can be written to")
	}
	if uid, _, _ := strings.Cut(text(c.User), ":"); uid == "" || uid == "0" || uid == "root" {
		complain("it runs as %q", text(c.User))
	}
	if bridge && text(c.User) != "999:999" {
		complain("it runs as %q, want 999:999", text(c.User))
	}
	if c.LinuxParameters == nil || c.LinuxParameters.Capabilities == nil || !slices.Equal(c.LinuxParameters.Capabilities.Drop, []string{"ALL"}) || len(c.LinuxParameters.Capabilities.Add) > 0 {
		complain("it has capabilities")
	}
	if c.Privileged != nil && *c.Privileged {
		complain("it is privileged")
	}

	essential := c.Essential == nil || *c.Essential
	switch h := c.HealthCheck; {
	case h == nil && essential:
		complain("nobody asks for its health")
	case h == nil:
	case h.Command[0] != "CMD" && h.Command[0] != "CMD-SHELL":
		complain("its health check begins with neither CMD nor CMD-SHELL")
	case !within(h.Interval, 5, 300) || !within(h.Timeout, 2, 60) || !within(h.Retries, 1, 10) || !within(h.StartPeriod, 0, 300):
		complain("a number of its health check is not one that ECS takes")
	}
	if r := c.RestartPolicy; r != nil && !within(r.RestartAttemptPeriod, 60, 1800) {
		complain("it is restarted within %d s", *r.RestartAttemptPeriod)
	}
	for _, d := range c.DependsOn {
		other, ok := others[text(d.ContainerName)]
		switch {
		case !ok:
			complain("it waits for %q, which is not there", text(d.ContainerName))
		case !slices.Contains(d.Condition.Values(), d.Condition):
			complain("it waits for %q", d.Condition)
		case d.Condition == types.ContainerConditionHealthy && other.HealthCheck == nil:
			complain("it waits for the health of %q, which has no check", text(d.ContainerName))
		case d.Condition == types.ContainerConditionSuccess && (other.Essential == nil || *other.Essential):
			complain("it waits for the end of %q, with which the task ends", text(d.ContainerName))
		}
	}
	complaints = append(complaints, judgeSurroundings(c, volumes)...)

	if !bridge {
		if len(c.PortMappings) > 0 {
			complain("it has ports")
		}
		return complaints
	}
	switch {
	case len(c.PortMappings) != 1:
		complain("it has %d ports", len(c.PortMappings))
	case *c.PortMappings[0].ContainerPort != 3002 || *c.PortMappings[0].HostPort != 3002:
		complain("its port is %d, want 3002", *c.PortMappings[0].ContainerPort)
	}
	if c.StopTimeout == nil || *c.StopTimeout < drain {
		complain("it has %d s to stop, and takes up to %d", *c.StopTimeout, drain)
	} else if *c.StopTimeout > 120 {
		complain("Fargate waits 120 s at most")
	}
	return complaints
}

// judgeSurroundings looks at what a container is given: variables, secrets, volumes, and where its log goes.
func judgeSurroundings(c types.ContainerDefinition, volumes []string) []string {
	var complaints []string
	complain := func(format string, args ...any) { complaints = append(complaints, fmt.Sprintf(format, args...)) }
	secret := regexp.MustCompile(`^(OP_SESSION|OP_REDIS_PASSWORD|OP_WORKSPACE_.*|TOKEN|.*_TOKEN)$`)
	var names []string
	for _, e := range c.Environment {
		if secret.MatchString(text(e.Name)) || strings.Contains(text(e.Value), "@") {
			complain("%s stands in clear", text(e.Name))
		}
		names = append(names, text(e.Name))
	}
	for _, s := range c.Secrets {
		if !strings.HasPrefix(text(s.ValueFrom), "arn:aws:secretsmanager:") {
			complain("%s comes from %q, which is no ARN", text(s.Name), text(s.ValueFrom))
		}
		if slices.Contains(names, text(s.Name)) {
			complain("%s is given twice", text(s.Name))
		}
		names = append(names, text(s.Name))
	}
	for _, m := range c.MountPoints {
		if !slices.Contains(volumes, text(m.SourceVolume)) {
			complain("it mounts %q, which is no volume", text(m.SourceVolume))
		}
	}
	l := c.LogConfiguration
	switch {
	case l == nil || l.LogDriver != types.LogDriverAwslogs:
		complain("its log does not go to CloudWatch")
	case l.Options["awslogs-group"] == "" || l.Options["awslogs-region"] == "":
		complain("its log has no group or no region")
	case l.Options["awslogs-stream-prefix"] != *c.Name:
		complain("its log streams begin with %q", l.Options["awslogs-stream-prefix"])
	}
	return complaints
}

func within(n *int32, least, most int32) bool { return n == nil || *n >= least && *n <= most }

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

// Every OP_ variable of the folder is a setting of the bridge, or one of the original's that has no effect.
func TestSettings(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(root + "/docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	known := regexp.MustCompile("`(OP_[A-Z0-9_]+)`").FindAllStringSubmatch(string(page), -1)
	unknown := func(s *terraformtest.State) []string {
		var out []string
		for _, name := range regexp.MustCompile(`\bOP_[A-Z0-9_]+`).FindAllString(s.One(t, taskAddress).Text("container_definitions"), -1) {
			if !slices.ContainsFunc(known, func(m []string) bool { return m[1] == name }) {
				out = append(out, name+" is no setting of docs/configuration.md")
			}
		}
		return out
	}
	for _, variant := range []string{"defaults", "external", "everything"} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			for _, c := range unknown(apply(t, deployment(t), variant)) {
				t.Error(c)
			}
		})
	}
	judged(t, []mutation{
		{name: "a name", file: "task.tf", old: `"OP_REDIS_ENABLE_SSL"`, new: `"OP_REDIS_TLS"`, variant: "elasticache", want: "OP_REDIS_TLS is no setting"},
	}, func(_ *testing.T, s *terraformtest.State) []string { return unknown(s) })
}
