package terraformtest_test

import (
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/test/deploy/terraformtest"
)

func TestMain(m *testing.M) { terraformtest.Main(m) }

const versions = `terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0"
    }
  }
}

provider "aws" {
  region = "eu-west-1"
  default_tags {
    tags = { application = "x" }
  }
}
`

func configuration(t *testing.T, body string) *terraformtest.Dir {
	t.Helper()
	d := terraformtest.Copy(t, t.TempDir())
	d.Write(t, "main.tf", versions+body)
	return d
}

// The stand-in has the real schema: it knows which arguments there are.
func TestUnknownArgument(t *testing.T) {
	t.Parallel()
	d := configuration(t, `resource "aws_lb" "this" {
  drop_invalid_headers = true
}`)
	out, err := d.Run(t, "validate")
	if err == nil || !strings.Contains(out, `An argument named "drop_invalid_headers" is not expected here`) {
		t.Errorf("validate: %v\n%s", err, out)
	}
	d.Replace(t, "main.tf", "drop_invalid_headers ", "drop_invalid_header_fields ")
	d.MustRun(t, "validate")
}

// A secret goes to AWS and into no state.
func TestWriteOnly(t *testing.T) {
	t.Parallel()
	d := configuration(t, `resource "aws_secretsmanager_secret" "this" {
  name_prefix = "scim"
}
resource "aws_secretsmanager_secret_version" "this" {
  secret_id                = aws_secretsmanager_secret.this.id
  secret_string_wo         = "swordfish"
  secret_string_wo_version = 1
}`)
	s := d.Apply(t)
	if strings.Contains(string(s.Raw), "swordfish") {
		t.Error("the state holds the secret")
	}
	w := d.Written(t)
	if len(w) != 1 || w[0].Values["secret_string_wo"] != "swordfish" {
		t.Errorf("written: %v", w)
	}
	secret := s.One(t, "aws_secretsmanager_secret.this")
	if arn := secret.Text("arn"); !strings.HasPrefix(arn, "arn:aws:secretsmanager:eu-west-1:123456789012:secret:scim") {
		t.Errorf("arn %s", arn)
	}
	if tags, _ := secret.Values["tags_all"].(map[string]any); tags["application"] != "x" {
		t.Errorf("tags_all %v", secret.Values["tags_all"])
	}
	if out := d.MustRun(t, "plan", "-input=false"); !strings.Contains(out, "No changes.") {
		t.Errorf("a second plan wants changes:\n%s", out)
	}
}

// A change of a task definition is a new revision, which its service gets.
func TestRevision(t *testing.T) {
	t.Parallel()
	d := configuration(t, `variable "image" {
  type = string
}
resource "aws_ecs_task_definition" "this" {
  family                = "bridge"
  container_definitions = jsonencode([{ name = "a", image = var.image }])
}
resource "aws_ecs_service" "this" {
  name            = "bridge"
  task_definition = aws_ecs_task_definition.this.arn
}`)
	was := d.Apply(t, "image=a:1").One(t, "aws_ecs_service.this").Text("task_definition")
	is := d.Apply(t, "image=a:2").One(t, "aws_ecs_service.this").Text("task_definition")
	if was == is || !strings.Contains(is, ":task-definition/bridge:") {
		t.Errorf("task definition %s, then %s", was, is)
	}
}

// Data sources find what the made-up account has, and fail where there is nothing.
func TestFind(t *testing.T) {
	t.Parallel()
	d := configuration(t, `variable "name" {
  type = string
}
data "aws_vpc" "this" {
  tags = { Name = var.name }
}
data "aws_subnets" "private" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.this.id]
  }
  tags = { SubnetTier = "private" }
}
data "aws_iam_policy_document" "this" {
  statement {
    actions   = ["logs:PutLogEvents"]
    resources = ["*"]
  }
}
output "subnets" {
  value = data.aws_subnets.private.ids
}
output "policy" {
  value = data.aws_iam_policy_document.this.json
}`)
	s := d.Apply(t, "name=main")
	if got, _ := s.Outputs["subnets"].([]any); len(got) != 2 || got[0] != "subnet-0main-private-a" {
		t.Errorf("subnets %v", s.Outputs["subnets"])
	}
	if got, want := s.Outputs["policy"], `{"Statement":[{"Action":["logs:PutLogEvents"],"Effect":"Allow","Resource":["*"]}],"Version":"2012-10-17"}`; got != want {
		t.Errorf("policy %v, want %s", got, want)
	}
	out, err := d.Run(t, "plan", "-input=false", "-var", "name=nowhere")
	if err == nil || !strings.Contains(out, "no matching EC2 VPC found") {
		t.Errorf("plan: %v\n%s", err, out)
	}
}
