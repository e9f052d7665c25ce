package terraform_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/scimbridge/scimbridge/test/deploy/terraformtest"
)

// request is something that the execution role may or may not do.
type request struct {
	Action   string            `json:"action"`
	Resource string            `json:"resource"`
	Context  map[string]string `json:"context,omitempty"`
	want     string
}

// simulator installs what simulates policies, once, in a folder of its own.
var simulator = sync.OnceValues(func() (string, error) {
	if _, err := exec.LookPath("npm"); err != nil {
		return "", fmt.Errorf("no npm in PATH, which brings the simulator of IAM policies; make deploy-packages installs it: %w", err)
	}
	dir := filepath.Join(terraformtest.Home(), "iam")
	if err := os.CopyFS(dir, os.DirFS("iam")); err != nil {
		return "", err
	}
	install := exec.Command("npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci of test/deploy/terraform/iam: %w\n%s", err, out)
	}
	return dir, nil
})

// judgeRole simulates the execution role's policy.
func judgeRole(t *testing.T, policy string, requests []request) []string {
	t.Helper()
	dir, err := simulator()
	if err != nil {
		t.Fatal(err)
	}
	in, err := json.Marshal(map[string]any{"policy": json.RawMessage(policy), "requests": requests})
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd := exec.Command("node", filepath.Join(dir, "simulate.mjs"))
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("simulate.mjs: %v\n%s", err, stderr.Bytes())
	}
	var answers []string
	if err := json.Unmarshal(out, &answers); err != nil || len(answers) != len(requests) {
		t.Fatalf("simulate.mjs: %v\n%s", err, out)
	}
	var complaints []string
	for i, r := range requests {
		if answers[i] != r.want {
			complaints = append(complaints, fmt.Sprintf("%s on %s: %s, want %s", r.Action, r.Resource, answers[i], r.want))
		}
	}
	return complaints
}

const (
	allowed = "Allowed"
	denied  = "ImplicitlyDenied"
)

// requests are what the execution role has to be allowed, by what is in the state, and what it must not be.
func requests(t *testing.T, s *terraformtest.State) []request {
	t.Helper()
	const other = "arn:aws:secretsmanager:us-east-1:123456789012:secret:other-AbCdEf"
	const key = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
	viaSecrets := map[string]string{"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"}
	logs := s.One(t, "aws_cloudwatch_log_group.op_scim_bridge").Text("arn")
	out := []request{
		{"secretsmanager:GetSecretValue", other, nil, denied},
		{"logs:CreateLogStream", logs + ":log-stream:redis/redis/1", nil, allowed},
		{"logs:PutLogEvents", logs + ":log-stream:op_scim_bridge/op_scim_bridge/1", nil, allowed},
		{"logs:PutLogEvents", "arn:aws:logs:us-east-1:123456789012:log-group:other:log-stream:1", nil, denied},
		{"logs:DeleteLogGroup", logs, nil, denied},
		{"ecr:GetAuthorizationToken", "*", nil, denied},
		{"iam:PassRole", s.One(t, "aws_iam_role.task").Text("arn"), nil, denied},
		{"kms:Decrypt", strings.Replace(key, "1111", "9999", 1), viaSecrets, denied},
	}
	withKey := denied
	if s.One(t, "aws_cloudwatch_log_group.op_scim_bridge").Text("kms_key_id") == key {
		withKey = allowed
	}
	out = append(out,
		request{"kms:Decrypt", key, viaSecrets, withKey},
		request{"kms:Decrypt", key, map[string]string{"kms:ViaService": "s3.us-east-1.amazonaws.com"}, denied},
	)
	var definitions []struct {
		Secrets []struct {
			ValueFrom string `json:"valueFrom"`
		} `json:"secrets"`
	}
	if err := json.Unmarshal([]byte(s.One(t, taskAddress).Text("container_definitions")), &definitions); err != nil {
		t.Fatal(err)
	}
	for _, d := range definitions {
		for _, secret := range d.Secrets {
			if strings.Contains(secret.ValueFrom, ":ssm:") {
				out = append(out,
					request{"ssm:GetParameters", secret.ValueFrom, nil, allowed},
					request{"ssm:GetParameters", secret.ValueFrom + "/other", nil, denied},
					request{"ssm:PutParameter", secret.ValueFrom, nil, denied})
				continue
			}
			out = append(out,
				request{"secretsmanager:GetSecretValue", secret.ValueFrom, nil, allowed},
				request{"secretsmanager:PutSecretValue", secret.ValueFrom, nil, denied},
				request{"secretsmanager:DeleteSecret", secret.ValueFrom, nil, denied})
		}
	}
	return out
}

// The execution role reads the task's own secrets and writes its own logs, and nothing else; the task role may nothing.
func TestRoles(t *testing.T) {
	t.Parallel()
	judge := func(t *testing.T, s *terraformtest.State) []string {
		complaints := judgeRole(t, s.One(t, "aws_iam_role_policy.scimsession").Text("policy"), requests(t, s))
		for _, role := range s.Of("aws_iam_role") {
			if want := `"Condition":{"StringEquals":{"aws:SourceAccount":"123456789012"}}`; !strings.Contains(role.Text("assume_role_policy"), want) {
				complaints = append(complaints, role.Address+" can be assumed for another account")
			}
		}
		for _, p := range s.Of("aws_iam_role_policy") {
			if p.Text("role") != s.One(t, "aws_iam_role.op_scim_bridge").Text("id") {
				complaints = append(complaints, p.Address+" is of another role")
			}
		}
		if n := len(s.Of("aws_iam_role_policy_attachment")); n > 0 {
			complaints = append(complaints, "a managed policy is attached")
		}
		return complaints
	}
	for variant := range variants {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			for _, c := range judge(t, apply(t, deployment(t), variant)) {
				t.Error(c)
			}
		})
	}
	const own = "distinct(flatten([for c in local.task : [for s in try(c.secrets, []) : s.valueFrom]]))"
	judged(t, []mutation{
		{name: "all secrets", file: "task.tf", old: own, new: `["*"]`, want: "secretsmanager:GetSecretValue on arn:aws:secretsmanager:us-east-1:123456789012:secret:other-AbCdEf: Allowed"},
		{name: "a mistyped action", file: "task.tf", old: `"logs:CreateLogStream"`, new: `"logs:CreateLogStreams"`, want: "logs:CreateLogStream on"},
		{name: "any account", file: "task.tf", old: `"aws:SourceAccount" = data.aws_caller_identity.this.account_id`, new: `"aws:SourceAccount" = "*"`, want: "can be assumed for another account"},
		{name: "any use of the key", file: "task.tf", old: `        Condition = { StringEquals = { "kms:ViaService" = [for service in ["secretsmanager", "ssm"] : "${service}.${var.aws_region}.amazonaws.com"] } }`, new: "", variant: "everything", want: "kms:Decrypt on"},
		{name: "rights of the task", file: "task.tf", old: "  role        = aws_iam_role.op_scim_bridge.id\n", new: "  role        = aws_iam_role.task.id\n", want: "is of another role"},
	}, func(t *testing.T, s *terraformtest.State) []string {
		got := judge(t, s)
		if len(got) == 2 && strings.Contains(got[0]+got[1], "can be assumed") { // both roles have one document
			return got[:1]
		}
		return got
	})

	t.Run("images in ECR", func(t *testing.T) {
		t.Parallel()
		d := deployment(t)
		d.Replace(t, "task-definitions/scim.json", "ghcr.io/scimbridge/scimbridge:", "123456789012.dkr.ecr.us-east-1.amazonaws.com/github/scimbridge/scimbridge:")
		s := apply(t, d, "defaults")
		for _, c := range judgeRole(t, s.One(t, "aws_iam_role_policy.scimsession").Text("policy"), []request{
			{"ecr:GetAuthorizationToken", "*", nil, allowed},
			{"ecr:BatchGetImage", "arn:aws:ecr:us-east-1:123456789012:repository/github/scimbridge/scimbridge", nil, allowed},
			{"ecr:BatchGetImage", "arn:aws:ecr:us-east-1:123456789012:repository/other", nil, denied},
			{"ecr:PutImage", "arn:aws:ecr:us-east-1:123456789012:repository/github/scimbridge/scimbridge", nil, denied},
		}) {
			t.Error(c)
		}
	})
}
