package atmos_test

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/test/deploy/atmos"
	"github.com/scimbridge/scimbridge/test/deploy/taskdef"
	"github.com/scimbridge/scimbridge/test/deploy/terraformtest"
)

const (
	own      = "components/terraform/scim-bridge"
	ownStack = "stacks/orgs/acme/plat/prod/us-east-1.yaml"
	fargate  = root + "/deploy/aws-ecsfargate-terraform"
	source   = `"github.com/scimbridge/scimbridge//deploy/aws-ecsfargate-terraform?ref=v`
)

// component is a copy of our own component with the values of its stack, as "atmos terraform generate varfile" writes
// them, and with the repository's module instead of the released one.
func component(t *testing.T, stacks *terraformtest.Dir) *terraformtest.Dir {
	t.Helper()
	found, err := atmos.Load(stacks.Path)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(found, func(c atmos.Component) bool { return c.Terraform == "scim-bridge" })
	if i < 0 {
		t.Fatal("no stack has our own component")
	}
	values, err := json.Marshal(found[i].Vars)
	if err != nil {
		t.Fatal(err)
	}
	d := terraformtest.Copy(t, filepath.Join(stacks.Path, own))
	d.Write(t, found[i].Stack+"-scim-bridge.auto.tfvars.json", string(values))
	version := regexp.MustCompile(`ref=v(.*)"`).FindStringSubmatch(read(t, filepath.Join(d.Path, "main.tf")))
	if want := strings.TrimPrefix(product(t).Image, "ghcr.io/scimbridge/scimbridge:v"); version == nil || version[1] != want {
		t.Fatalf("the module's version is %q, want %s", version, want)
	}
	module := terraformtest.Copy(t, fargate)
	d.Replace(t, "main.tf", source+version[1]+`"`, `"`+module.Path+`"`)
	d.MustRun(t, "get")
	return d
}

// lookAt returns what is wrong with what our own component makes of its stack.
func lookAt(t *testing.T, d *terraformtest.Dir) []string {
	t.Helper()
	out, err := d.Run(t, "apply", "-auto-approve", "-input=false")
	said := strings.Join(strings.Fields(strings.ReplaceAll(out, "│", "")), " ")
	if err != nil {
		return []string{said}
	}
	var complaints []string
	if strings.Contains(said, "undeclared variable") {
		complaints = append(complaints, said)
	}
	s := d.State(t)
	values := s.One(t, "module.bridge.aws_ecs_task_definition.op_scim_bridge").Values
	def, err := taskdef.Parse(values)
	if err != nil {
		return []string{err.Error()}
	}
	complaints = append(complaints, def.Complaints()...)
	c, _ := def.Container("op_scim_bridge")
	const parameter = "arn:aws:ssm:us-east-1:123456789012:parameter/1password/scim/scimsession"
	if len(c.Secrets) != 1 || *c.Secrets[0].Name != "OP_SESSION" || *c.Secrets[0].ValueFrom != parameter {
		complaints = append(complaints, "the session comes from elsewhere: "+*c.Secrets[0].ValueFrom)
	}
	policy := s.One(t, "module.bridge.aws_iam_role_policy.scimsession").Text("policy")
	if !strings.Contains(policy, `{"Action":["ssm:GetParameters"],"Effect":"Allow","Resource":["`+parameter+`"],"Sid":"Parameters"}`) || strings.Contains(policy, "secretsmanager:") {
		complaints = append(complaints, "ECS may read something else: "+policy)
	}
	if n := len(s.Of("aws_secretsmanager_secret")); n > 0 {
		complaints = append(complaints, "there are secrets that nobody needs")
	}
	if got := s.Outputs["scim_bridge_url"]; got != "https://scim.example.com" {
		complaints = append(complaints, "the URL is another")
	}
	return complaints
}

func TestOwnComponent(t *testing.T) {
	t.Parallel()
	d := component(t, terraformtest.Copy(t, folder))
	d.MustRun(t, "fmt", "-check")
	d.MustRun(t, "validate")
	if got := lookAt(t, d); len(got) > 0 {
		t.Errorf("complaints: %q", got)
	}
	s := d.State(t)
	if name := s.One(t, "module.bridge.aws_ecs_service.op_scim_bridge").Text("name"); name != "acme-plat-use1-prod-scim_service" {
		t.Errorf("the service is called %s", name)
	}
	if cpu := s.One(t, "module.bridge.aws_ecs_task_definition.op_scim_bridge").Text("cpu"); cpu != "1024" {
		t.Errorf("the stack's provisioning_volume did not reach the task: cpu %s", cpu)
	}
}

func TestOwnComponentMutations(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, file, old, new, want string }{
		{"a variable that it has not", ownStack, "        provisioning_volume: high", "        provisioning_volumes: high", `Value for undeclared variable The root module does not declare a variable named "provisioning_volumes"`},
		{"a value that there is not", ownStack, "volume: high", "volume: huge", "provisioning_volume is base, high or very-high"},
		{"no domain", ownStack, "        domain_name: scim.example.com\n", "", `The root module input variable "domain_name" is not set`},
		{"an ARN", "stacks/catalog/scim-bridge.yaml", "/1password/scim/scimsession", "arn:aws:ssm:us-east-1:1:parameter/x", "has to be the path of a parameter"},
		{"another parameter", "stacks/catalog/scim-bridge.yaml", "/1password/scim/scimsession", "/other", "the session comes from elsewhere: arn:aws:ssm:us-east-1:123456789012:parameter/other"},
		{"a variable that goes nowhere", own + "/main.tf", "  provisioning_volume     = var.provisioning_volume\n", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			stacks := terraformtest.Copy(t, folder)
			stacks.Replace(t, tt.file, tt.old, tt.new)
			if tt.want == "" {
				want := []string{"provisioning_volume of the module cannot be set", "provisioning_volume is used nowhere"}
				if diff := cmp.Diff(want, passed(t, stacks.Path)); diff != "" {
					t.Errorf("complaints (-want +got):\n%s", diff)
				}
				return
			}
			got := lookAt(t, component(t, stacks))
			if len(got) == 0 || !strings.Contains(got[0], tt.want) {
				t.Errorf("complaints: %q, want %q", got, tt.want)
			}
		})
	}
}

// passed returns the variables of the module that the component does not hand on, and those that it has and nobody uses.
func passed(t *testing.T, dir string) []string {
	t.Helper()
	main := read(t, filepath.Join(dir, own, "main.tf"))
	declared := func(file string) []string {
		var names []string
		for _, m := range regexp.MustCompile(`(?m)^variable "(\w+)"`).FindAllStringSubmatch(read(t, file), -1) {
			names = append(names, m[1])
		}
		return names
	}
	var out []string
	for _, name := range declared(filepath.Join(fargate, "variables.tf")) {
		// The original's support for Google Workspace reads a file of its module's folder, and does nothing yet.
		if name != "google_workspace_actor" && !regexp.MustCompile(`(?m)^  `+name+` += `).MatchString(main) {
			out = append(out, name+" of the module cannot be set")
		}
	}
	for _, name := range declared(filepath.Join(dir, own, "variables.tf")) {
		if !strings.Contains(main, "var."+name) {
			out = append(out, name+" is used nowhere")
		}
	}
	return out
}

func TestEveryVariable(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff([]string(nil), passed(t, folder)); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
}
