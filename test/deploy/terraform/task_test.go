package terraform_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/scimbridge/scimbridge/test/deploy/taskdef"
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
		{name: "stop", file: file, old: `"stopTimeout": 30`, new: `"stopTimeout": 10`, want: "op_scim_bridge: it has too little time to stop, and takes up to 22 s"},
		{name: "a secret that is none", file: file, old: `"valueFrom": "${secret_arn}"`, new: `"valueFrom": "scimsession"`, want: `op_scim_bridge: OP_SESSION comes from "scimsession", which is no ARN`},
		{name: "unlock before", file: "task.tf", old: `containerName = "unlock", condition = "SUCCESS"`, new: `containerName = "unlocker", condition = "SUCCESS"`, variant: "unattended", want: `op_scim_bridge: it waits for "unlocker", which is not there`},
		{name: "unlock's volume", file: "task.tf", old: `sourceVolume = "unlock", containerPath = "/data"`, new: `sourceVolume = "token", containerPath = "/data"`, variant: "unattended", want: `unlock: it mounts "token", which is no volume`},
	}, judgeTask)
}

// The definition as a whole, which the test that runs the task as ECS would reads as well.
func TestTaskGolden(t *testing.T) {
	t.Parallel()
	for variant, file := range map[string]string{"defaults": "task.json", "unattended": "unattended.json"} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			golden(t, file, rendered(t, apply(t, deployment(t), variant)))
		})
	}
}

// rendered are the container definitions, without what AWS makes up, which differs from run to run.
func rendered(t *testing.T, s *terraformtest.State) string {
	t.Helper()
	var definitions any
	if err := json.Unmarshal([]byte(s.One(t, taskAddress).Text("container_definitions")), &definitions); err != nil {
		t.Fatal(err)
	}
	body, err := json.MarshalIndent(definitions, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	stable := regexp.MustCompile(`op-scim-bridge[0-9]{26}(-[0-9a-f]{6})?`).ReplaceAllStringFunc(string(body), func(m string) string {
		if strings.Contains(m[len("op-scim-bridge"):], "-") {
			return "op-scim-bridge-AbCdEf"
		}
		return "op-scim-bridge"
	})
	return stable + "\n"
}

// drain is how many seconds the bridge takes to stop at most: two in which it still takes requests, and twenty for those under way.
const drain = 22

// judgeTask looks at the task definition as ECS would, and at what a bridge's has to be besides.
func judgeTask(t *testing.T, s *terraformtest.State) []string {
	t.Helper()
	d, err := taskdef.Parse(s.One(t, taskAddress).Values)
	if err != nil {
		return []string{err.Error()}
	}
	complaints := d.Complaints()
	for _, c := range d.Containers {
		if *c.Name == "op_scim_bridge" {
			for _, said := range judgeBridge(c) {
				complaints = append(complaints, "op_scim_bridge: "+said)
			}
		} else if len(c.PortMappings) > 0 {
			complaints = append(complaints, *c.Name+": it has ports")
		}
	}
	return complaints
}

func judgeBridge(c types.ContainerDefinition) []string {
	var complaints []string
	complain := func(format string, args ...any) { complaints = append(complaints, fmt.Sprintf(format, args...)) }
	if *c.User != "999:999" {
		complain("it runs as %q, want 999:999", *c.User)
	}
	switch {
	case len(c.PortMappings) != 1:
		complain("it has %d ports", len(c.PortMappings))
	case *c.PortMappings[0].ContainerPort != 3002 || *c.PortMappings[0].HostPort != 3002:
		complain("its port is %d, want 3002", *c.PortMappings[0].ContainerPort)
	}
	if c.StopTimeout == nil || *c.StopTimeout < drain {
		complain("it has too little time to stop, and takes up to %d s", drain)
	}
	return complaints
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
