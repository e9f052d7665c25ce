package taskdef_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/test/deploy/taskdef"
)

const good = `[
  {"name": "a", "image": "example.com/a:1", "cpu": 128, "memory": 512, "essential": true, "user": "999:999", "readonlyRootFilesystem": true, "stopTimeout": 30,
   "dependsOn": [{"containerName": "b", "condition": "HEALTHY"}, {"containerName": "c", "condition": "SUCCESS"}],
   "portMappings": [{"containerPort": 80, "hostPort": 80, "protocol": "tcp"}],
   "environment": [{"name": "X", "value": "1"}], "secrets": [{"name": "OP_SESSION", "valueFrom": "arn:aws:ssm:us-east-1:1:parameter/x"}],
   "healthCheck": {"command": ["CMD", "y"]},
   "mountPoints": [{"sourceVolume": "v", "containerPath": "/v", "readOnly": true}],
   "linuxParameters": {"capabilities": {"drop": ["ALL"]}},
   "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "g", "awslogs-region": "r", "awslogs-stream-prefix": "a"}}},
  {"name": "b", "image": "example.com/b:1", "cpu": 128, "memory": 512, "user": "1", "readonlyRootFilesystem": true,
   "healthCheck": {"command": ["CMD", "x"], "interval": 5, "timeout": 2, "retries": 3, "startPeriod": 0},
   "linuxParameters": {"capabilities": {"drop": ["ALL"]}},
   "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "g", "awslogs-region": "r", "awslogs-stream-prefix": "b"}}},
  {"name": "c", "image": "example.com/c@sha256:0000000000000000000000000000000000000000000000000000000000000000", "essential": false, "user": "1", "readonlyRootFilesystem": true, "linuxParameters": {"capabilities": {"drop": ["ALL"]}},
   "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "g", "awslogs-region": "r", "awslogs-stream-prefix": "c"}}}
]`

func complaints(t *testing.T, containers, memory string) []string {
	t.Helper()
	d, err := taskdef.Parse(map[string]any{
		"cpu": "256", "memory": memory, "network_mode": "awsvpc", "runtime_platform": []any{map[string]any{"cpu_architecture": "ARM64"}}, "volume": []any{map[string]any{"name": "v"}}, "container_definitions": containers,
	})
	if err != nil {
		return []string{err.Error()}
	}
	return d.Complaints()
}

func TestComplaints(t *testing.T) {
	t.Parallel()
	if got := complaints(t, good, "1024"); got != nil {
		t.Fatalf("complaints about what is right: %q", got)
	}
	tests := []struct{ name, old, new, want string }{
		{"unknown key", `"essential": true`, `"restart": "always"`, `container definitions: json: unknown field "restart"`},
		{"memory", `"memory": 512, "essential"`, `"memory": 513, "essential"`, "the containers want 256 CPU units and 1025 MB of 256 and 1024"},
		{"no version", "b:1", "b", "b: the image example.com/b has no fixed version"},
		{"latest", "b:1", "b:latest", "b: the image example.com/b:latest has no fixed version"},
		{"root", `"user": "999:999"`, `"user": "0:0"`, `a: it runs as "0:0"`},
		{"the image's user", `"user": "999:999", `, "", `a: it runs as ""`},
		{"writable", `"user": "999:999", "readonlyRootFilesystem": true`, `"user": "999:999", "readonlyRootFilesystem": false`, "a: its root file system can be written to"},
		{"capabilities", `"readOnly": true}],
   "linuxParameters": {"capabilities": {"drop": ["ALL"]}}`, `"readOnly": true}]`, "a: it has capabilities"},
		{"port", `"hostPort": 80`, `"hostPort": 81`, "a: a port is mapped to another, which Fargate does not do"},
		{"protocol", `"tcp"`, `"http"`, `a: "http" is no protocol`},
		{"stop", `"stopTimeout": 30`, `"stopTimeout": 300`, "a: it has 300 s to stop; Fargate has 2 to 120"},
		{"health command", `["CMD", "x"]`, `["x", "y"]`, "b: its health check begins with neither CMD nor CMD-SHELL"},
		{"health interval", `"interval": 5`, `"interval": 1`, "b: a number of its health check is not one that ECS takes"},
		{"logs", `"awslogs-stream-prefix": "b"`, `"x": "b"`, `b: its log streams begin with ""`},
		{"secret", `"arn:aws:ssm:us-east-1:1:parameter/x"`, `"/x"`, `a: OP_SESSION comes from "/x", which is no ARN`},
		{"twice", `"name": "OP_SESSION"`, `"name": "X"`, "a: X is given twice"},
		{"open", `{"name": "X", "value": "1"}`, `{"name": "PGPASSWORD", "value": "1"}`, "a: PGPASSWORD stands in clear"},
		{"nobody to wait for", `"containerName": "b"`, `"containerName": "d"`, `a: it waits for "d", which is not there`},
		{"nothing to wait for", `"HEALTHY"`, `"READY"`, `a: it waits for "READY"`},
		{"no health", `"containerName": "c", "condition": "SUCCESS"`, `"containerName": "c", "condition": "HEALTHY"`, `a: it waits for the health of "c", which has no check`},
		{"essential", `"essential": false`, `"essential": true`, "a: it waits for the end of \"c\", with which the task ends\nc: nobody asks for its health"},
		{"restart", `"stopTimeout": 30`, `"restartPolicy": {"enabled": true, "restartAttemptPeriod": 1}`, "a: it is restarted within 1 s"},
		{"privileged", `"stopTimeout": 30`, `"privileged": true`, "a: it is privileged"},
		{"another driver", `"logDriver": "awslogs", "options": {"awslogs-group": "g", "awslogs-region": "r", "awslogs-stream-prefix": "a"}`, `"logDriver": "fluentd"`, "a: its log does not go to CloudWatch"},
		{"a group", `"awslogs-group": "g", "awslogs-region": "r", "awslogs-stream-prefix": "b"`, `"awslogs-region": "r", "awslogs-stream-prefix": "b"`, "b: its log has no group or no region"},
		{"a password in a URL", `{"name": "X", "value": "1"}`, `{"name": "X", "value": "redis://:swordfish@host"}`, "a: X stands in clear"},
		{"health", "   \"healthCheck\": {\"command\": [\"CMD\", \"y\"]},\n", "", "a: nobody asks for its health"},
		{"volume", `"sourceVolume": "v"`, `"sourceVolume": "w"`, `a: it mounts "w", which is no volume`},
		{"same name", `"name": "c"`, `"name": "a"`, "a: it waits for \"c\", which is not there\na: its log streams begin with \"c\"\ntwo containers are called a"},
	}
	for _, tt := range tests {
		if n := strings.Count(good, tt.old); n != 1 {
			t.Fatalf("%s: %q stands there %d times", tt.name, tt.old, n)
		}
		got := complaints(t, strings.Replace(good, tt.old, tt.new, 1), "1024")
		if diff := cmp.Diff(strings.Split(tt.want, "\n"), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	want := []string{"Fargate has no 256 CPU units with 1536 MB"}
	if diff := cmp.Diff(want, complaints(t, good, "1536")); diff != "" {
		t.Errorf("a pair that Fargate has not (-want +got):\n%s", diff)
	}
	if got := complaints(t, good+"x", "1024"); len(got) != 1 {
		t.Errorf("text behind the definitions: %q", got)
	}
	if got := complaints(t, "[]", "1024"); len(got) != 1 || got[0] != "no container is essential" {
		t.Errorf("no containers: %q", got)
	}
}
