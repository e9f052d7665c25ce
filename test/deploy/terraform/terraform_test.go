// Package terraform_test tries deploy/aws-ecsfargate-terraform, with a stand-in for AWS: what it accepts and refuses, and
// what an apply would leave at AWS. Beside each check stands a change of the files that it has to find.
package terraform_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/test/deploy/guide"
	"github.com/scimbridge/scimbridge/test/deploy/terraformtest"
)

var update = flag.Bool("update", false, "write testdata anew")

func TestMain(m *testing.M) { terraformtest.Main(m) }

const (
	root   = "../../.."
	folder = root + "/deploy/aws-ecsfargate-terraform"
	domain = "domain_name=scim.example.com"
)

// session has the form of a scimsession and a payload that is to turn up nowhere.
const session = `{"format":"scimbridge scimsession","version":2,"account":"agra4een3ykqbex5a2fleifh3y","payload":"c3dvcmRmaXNoLXN3b3JkZmlzaA"}`

// deployment is a copy of the folder with a scimsession, as a user has it.
func deployment(t *testing.T) *terraformtest.Dir {
	t.Helper()
	d := terraformtest.Copy(t, folder)
	d.Write(t, "scimsession", session)
	return d
}

const secretARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:"

// variants are what a user may want, by the variables beside domain_name.
var variants = map[string][]string{
	"defaults":      nil,
	"high":          {"provisioning_volume=high"},
	"very high":     {"provisioning_volume=very-high", "cpu_architecture=X86_64"},
	"elasticache":   {"cache=elasticache", "replicas=2", "max_replicas=4", "share_unlock=true"},
	"external":      {"cache=external", "redis_url_secret_arn=" + secretARN + "redis-AbCdEf", "replicas=2"},
	"unattended":    {"unlock_token_secret_arn=" + secretARN + "token-AbCdEf"},
	"existing":      {"existing_secret_arn=" + secretARN + "session-AbCdEf"},
	"parameter":     {"existing_secret_arn=arn:aws:ssm:us-east-1:123456789012:parameter/1password/scim/scimsession"},
	"external dns":  {"using_route53=false"},
	"private":       {"vpc_name=main", "private_subnets=true"},
	"private, made": {`private_subnet_cidrs=["172.31.240.0/24","172.31.241.0/24"]`},
	"everything": {
		"name_prefix=acme-prod-identity-us-east-1", "cache=elasticache", "replicas=2", "max_replicas=3", "share_unlock=true",
		"unlock_token_secret_arn=" + secretARN + "token-AbCdEf", "google_workspace_actor=admin@example.com",
		`private_subnet_cidrs=["172.31.240.0/24","172.31.241.0/24"]`, `waf_allowed_cidrs=["203.0.113.0/24"]`, "alarm_email=ops@example.com",
		"kms_key_arn=arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555", "access_logs_bucket=logs", `tags={team="identity"}`,
	},
}

// apply applies a variant.
func apply(t *testing.T, d *terraformtest.Dir, variant string) *terraformtest.State {
	t.Helper()
	variables, ok := variants[variant]
	if !ok {
		t.Fatalf("no variant %q", variant)
	}
	if variant == "everything" {
		d.Write(t, "workspace-credentials.json", `{"private_key":"`+workspaceKey+`"}`)
	}
	return d.Apply(t, append([]string{domain}, variables...)...)
}

const workspaceKey = "bWFja2VyZWwtbWFja2VyZWw"

// mutation is a change of one of the files, and what the check says of it.
type mutation struct {
	name, file, old, new string
	variant              string // "": defaults
	want                 string // part of one complaint
}

// judged applies each mutation, and expects that judge complains of it, and of nothing else.
func judged(t *testing.T, mutations []mutation, judge func(*testing.T, *terraformtest.State) []string) {
	t.Helper()
	for _, m := range mutations {
		t.Run("changed: "+m.name, func(t *testing.T) {
			t.Parallel()
			d := deployment(t)
			d.Replace(t, m.file, m.old, m.new)
			if m.variant == "" {
				m.variant = "defaults"
			}
			got := judge(t, apply(t, d, m.variant))
			if len(got) != 1 || !strings.Contains(got[0], m.want) {
				t.Errorf("complaints: %q, want one with %q", got, m.want)
			}
		})
	}
}

func TestFormat(t *testing.T) {
	t.Parallel()
	d := terraformtest.Copy(t, root+"/deploy")
	if out, err := d.Run(t, "fmt", "-check", "-recursive", "-diff"); err != nil {
		t.Errorf("run: terraform fmt -recursive deploy\n%s", out)
	}
	d.Replace(t, "aws-ecsfargate-terraform/outputs.tf", "  description = \"The bridge's URL", " description = \"The bridge's URL")
	if _, err := d.Run(t, "fmt", "-check", "-recursive"); err == nil {
		t.Error("changed: not found")
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	d := deployment(t)
	d.MustRun(t, "validate")
	d.Replace(t, "balancer.tf", "drop_invalid_header_fields", "drop_invalid_headers")
	out, err := d.Run(t, "validate")
	if want := `An argument named "drop_invalid_headers" is not expected here`; err == nil || !strings.Contains(out, want) {
		t.Errorf("changed: %v\n%s", err, out)
	}
}

// What the folder's own tests say, which users have too.
func TestRuns(t *testing.T) {
	t.Parallel()
	d := deployment(t)
	out := d.MustRun(t, "test")
	if !strings.Contains(out, " passed, 0 failed.") {
		t.Errorf("terraform test:\n%s", out)
	}
	for _, m := range []struct{ file, old, new, want string }{
		{"main.tf", `"${local.name}_service"`, `"${local.name}-service"`, "The names are the original's."},
		{"dns.tf", "if !z.private_zone", "", "The record goes to the public zone"},
	} {
		t.Run("changed: "+m.want, func(t *testing.T) {
			t.Parallel()
			d := deployment(t)
			d.Replace(t, m.file, m.old, m.new)
			out, err := d.Run(t, "test")
			if err == nil || !strings.Contains(strings.Join(strings.Fields(out), " "), m.want) {
				t.Errorf("terraform test: %v\n%s", err, out)
			}
		})
	}
}

// Every variable that is wrong is refused in words that say what to do, before anything is made.
func TestRefused(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name      string
		variables []string
		want      string
	}{
		{"url as domain", []string{"domain_name=https://scim.example.com"}, "domain_name has to be a full DNS name"},
		{"domain without dot", []string{"domain_name=scim"}, "domain_name has to be a full DNS name"},
		{"long prefix", []string{domain, "name_prefix=acme-prod-identity-us-east-12"}, "name_prefix may have 28 letters"},
		{"prefix with underscore", []string{domain, "name_prefix=acme_prod"}, "name_prefix may have 28 letters"},
		{"prefix of AWS", []string{domain, "name_prefix=internal-acme"}, "name_prefix must not begin with internal-"},
		{"retention", []string{domain, "log_retention_days=8"}, "log_retention_days: CloudWatch knows 0"},
		{"no wildcard certificate", []string{"domain_name=scim.eu.example.com", "wildcard_cert=true"}, "no ACM Certificate matching domain (*.eu.example.com)"},
		{"no such VPC", []string{domain, "vpc_name=nowhere"}, "no matching EC2 VPC found"},
		{"workspace actor", []string{domain, "google_workspace_actor=admin"}, "google_workspace_actor has to be an e-mail address"},
		{"workspace without key", []string{domain, "google_workspace_actor=admin@example.com"}, "there is no file workspace-credentials.json"},
		{"volume", []string{domain, "provisioning_volume=huge"}, "provisioning_volume is base, high or very-high"},
		{"architecture", []string{domain, "cpu_architecture=arm64"}, "cpu_architecture is ARM64 or X86_64"},
		{"secret by name", []string{domain, "existing_secret_arn=my-session"}, "existing_secret_arn has to be the whole ARN of one secret"},
		{"all parameters", []string{domain, "existing_secret_arn=arn:aws:ssm:us-east-1:123456789012:parameter/*"}, "or of one parameter"},
		{"all secrets", []string{domain, "existing_secret_arn=" + secretARN + "*"}, "existing_secret_arn has to be the whole ARN of one secret"},
		{"token by name", []string{domain, "unlock_token_secret_arn=my-token"}, "unlock_token_secret_arn has to be the whole ARN of one secret"},
		{"key by alias", []string{domain, "kms_key_arn=arn:aws:kms:us-east-1:123456789012:alias/mine"}, "kms_key_arn has to be a key's ARN, not an alias"},
		{"cidr", []string{domain, `private_subnet_cidrs=["172.31.240.0"]`}, "private_subnet_cidrs: up to three ranges"},
		{"two kinds of private", []string{domain, `private_subnet_cidrs=["172.31.240.0/24"]`, "private_subnets=true"}, "Set one of the three"},
		{"nobody allowed", []string{domain, "allowed_cidrs=[]"}, "allowed_cidrs has to name IPv4 ranges"},
		{"no way out", []string{domain, "egress_ports=[587]"}, "egress_ports has to contain 443"},
		{"old TLS", []string{domain, "ssl_policy=ELBSecurityPolicy-2016-08"}, "ssl_policy has to be one of those with TLS 1.2 as the least"},
		{"cache", []string{domain, "cache=redis"}, "cache is sidecar, elasticache or external"},
		{"external without URL", []string{domain, "cache=external"}, "redis_url_secret_arn belong together"},
		{"URL without external", []string{domain, "redis_url_secret_arn=" + secretARN + "redis-AbCdEf"}, "redis_url_secret_arn belong together"},
		{"URL for its secret", []string{domain, "cache=external", "redis_url_secret_arn=rediss://:word@redis.example.com:6379"}, "redis_url_secret_arn has to be the whole ARN of one secret"},
		{"replicas beside a sidecar", []string{domain, "replicas=2"}, "Several replicas need a cache that they share"},
		{"scaling beside a sidecar", []string{domain, "max_replicas=2"}, "Several replicas need a cache that they share"},
		{"no replicas", []string{domain, "replicas=0"}, "replicas has to be a whole number, 1 or more"},
		{"fewer at most than at least", []string{domain, "cache=elasticache", "replicas=3", "max_replicas=2"}, "max_replicas must not be below replicas"},
		{"sharing beside a sidecar", []string{domain, "share_unlock=true"}, "share_unlock needs a cache that the tasks share"},
		{"two web ACLs", []string{domain, "web_acl_arn=arn:x", `waf_allowed_cidrs=["203.0.113.0/24"]`}, "A load balancer has one web ACL"},
		{"WAF for everybody", []string{domain, `waf_allowed_cidrs=["0.0.0.0/0"]`}, "WAF takes no /0"},
		{"alarm address", []string{domain, "alarm_email=ops"}, "alarm_email has to be an e-mail address"},
		{"insights", []string{domain, "container_insights=on"}, "container_insights is disabled, enabled or enhanced"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			refused(t, deployment(t), c.want, c.variables...)
		})
	}
	for _, c := range []struct{ name, session, want string }{
		{"none", "", "There is no file scimsession in this folder. Copy yours here: cp <path>/scimsession ./"},
		{"of 1Password", `{"credentials":{"uuid":"ABC"},"encryptedAuth":"x"}`, "The file scimsession is one of 1Password's"},
		{"cut off", session[:60], "The file scimsession holds no scimsession"},
		{"empty", " ", "The file scimsession holds no scimsession"},
	} {
		t.Run("scimsession: "+c.name, func(t *testing.T) {
			t.Parallel()
			d := terraformtest.Copy(t, folder)
			if c.session != "" {
				d.Write(t, "scimsession", c.session)
			}
			refused(t, d, c.want, domain)
		})
	}
	t.Run("task too large", func(t *testing.T) {
		t.Parallel()
		d := deployment(t)
		d.Replace(t, "task-definitions/scim.json", "\"cpu\": 128,\n    \"memory\": 512,\n    \"essential\": true,\n    \"user\": \"999:999\"", "\"cpu\": 128,\n    \"memory\": 1024,\n    \"essential\": true,\n    \"user\": \"999:999\"")
		refused(t, d, "want more CPU or memory than the task has", domain)
	})
	t.Run("changed: a validation is gone", func(t *testing.T) {
		t.Parallel()
		d := deployment(t)
		d.Replace(t, "variables.tf", `contains(["ARM64", "X86_64"], var.cpu_architecture)`, `var.cpu_architecture != ""`)
		if out, err := d.Run(t, "plan", "-input=false", "-var", domain, "-var", "cpu_architecture=arm64"); err != nil {
			t.Errorf("it is still refused:\n%s", out)
		}
	})
}

func refused(t *testing.T, d *terraformtest.Dir, want string, variables ...string) {
	t.Helper()
	args := []string{"plan", "-input=false"}
	for _, v := range variables {
		args = append(args, "-var", v)
	}
	out, err := d.Run(t, args...)
	// Terraform breaks lines and draws a rule beside them.
	flat := strings.Join(strings.Fields(strings.NewReplacer("│", " ", "╷", " ", "╵", " ").Replace(out)), " ")
	if err == nil || !strings.Contains(flat, want) {
		t.Errorf("plan: %v, want %q in\n%s", err, want, out)
	}
}

// undeclared is what Terraform says of a value that no variable takes, and goes on without it.
const undeclared = "Value for undeclared variable"

// A terraform.tfvars of the original is taken as it is: of the first guide's time, and of today.
func TestTheirVariables(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"2022": `
domain_name        = "scim.example.com"
aws_region         = "us-east-1"
tags               = {}
name_prefix        = ""
vpc_name           = ""
log_retention_days = 0
#wildcard_cert = true
#using_route53 = false
`,
		"all of it": `
domain_name            = "scim.example.com"
aws_region             = "eu-west-1"
tags                   = { team = "identity" }
name_prefix            = "acme"
vpc_name               = "main"
log_retention_days     = 30
wildcard_cert          = true
using_route53          = false
google_workspace_actor = "admin@example.com"
`,
		"nulls": `
domain_name            = "scim.example.com"
aws_region             = null
tags                   = null
name_prefix            = null
vpc_name               = null
log_retention_days     = null
wildcard_cert          = null
using_route53          = null
google_workspace_actor = null
`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := deployment(t)
			d.Write(t, "terraform.tfvars", body)
			d.Write(t, "workspace-credentials.json", "{}")
			if out := d.MustRun(t, "plan", "-input=false"); strings.Contains(out, undeclared) {
				t.Errorf("it sets what is no variable:\n%s", out)
			}
			s := d.Apply(t)
			for _, output := range []string{"scim_bridge_url", "cloudwatch_log_group", "loadbalancer_dns_name", "loadbalancer-dns-name"} {
				if s.Outputs[output] == nil || s.Outputs[output] == "" {
					t.Errorf("no output %s", output)
				}
			}
		})
	}
	t.Run("changed: a renamed variable", func(t *testing.T) {
		t.Parallel()
		d := deployment(t)
		d.Replace(t, "variables.tf", `variable "log_retention_days"`, `variable "retention_days"`)
		d.Replace(t, "variables.tf", "var.log_retention_days,", "var.retention_days,")
		d.Replace(t, "main.tf", "var.log_retention_days", "var.retention_days")
		d.Write(t, "terraform.tfvars", "domain_name = \"scim.example.com\"\nlog_retention_days = 30\n")
		if out := d.MustRun(t, "plan", "-input=false"); !strings.Contains(out, undeclared) {
			t.Errorf("not found:\n%s", out)
		}
	})
	t.Run("template", func(t *testing.T) {
		t.Parallel()
		body, err := os.ReadFile(filepath.Join(folder, "terraform.tfvars.template"))
		if err != nil {
			t.Fatal(err)
		}
		d := deployment(t)
		d.Write(t, "terraform.tfvars", string(body))
		plan := d.MustRun(t, "plan", "-input=false", "-out=./op-scim.plan")
		if strings.Contains(plan, undeclared) {
			t.Errorf("the template sets what is no variable:\n%s", plan)
		}
		d.MustRun(t, "apply", "./op-scim.plan")
	})
}

// Google Workspace: the secrets are wired as in the original, and it is said that they have no effect.
func TestWorkspaceWarns(t *testing.T) {
	t.Parallel()
	d := deployment(t)
	d.Write(t, "workspace-credentials.json", "{}")
	args := []string{"plan", "-input=false", "-var", domain}
	const want = "this version of the bridge does not read from Google"
	if out := d.MustRun(t, append(args, "-var", "google_workspace_actor=admin@example.com")...); !strings.Contains(out, want) {
		t.Errorf("no warning:\n%s", out)
	}
	if out := d.MustRun(t, args...); strings.Contains(out, want) {
		t.Errorf("a warning for nothing:\n%s", out)
	}
}

// Another session makes other tasks, the same one none.
func TestSessionRolls(t *testing.T) {
	t.Parallel()
	roll := func(t *testing.T, d *terraformtest.Dir) (was, same, is string) {
		t.Helper()
		definition := func() string {
			return d.Apply(t, domain).One(t, "aws_ecs_service.op_scim_bridge").Text("task_definition")
		}
		was = definition()
		same = definition()
		d.Write(t, "scimsession", strings.Replace(session, "c3dv", "b3Ro", 1))
		return was, same, definition()
	}
	d := deployment(t)
	if was, same, is := roll(t, d); was != same || was == is {
		t.Errorf("task definition %s, then %s, with another session %s", was, same, is)
	}
	if w := d.Written(t); len(w) != 2 || w[0].Values["secret_string_wo"] == w[1].Values["secret_string_wo"] {
		t.Errorf("written %d times, want twice", len(w))
	}
	changed := deployment(t)
	changed.Replace(t, "task.tf", "{ scimsession = local.session_label }", "{ scimsession = \"\" }")
	if was, _, is := roll(t, changed); was != is {
		t.Error("changed: not found")
	}
}

// The guide's commands can be pasted.
func TestGuide(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join(folder, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	guide.Check(t, string(readme))
}

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is not what is rendered; if that is right: go test ./terraform -update\n%s", path, diff)
	}
}
