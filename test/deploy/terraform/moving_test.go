package terraform_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/test/deploy/terraformtest"
)

// Whoever has the original's deployment puts these files in the place of its, with the README's moving.tf beside them. The
// load balancer with its address, the certificate, the log and the service stay.
func TestMovingOver(t *testing.T) {
	t.Parallel()
	d := terraformtest.Copy(t, "testdata/original")
	arn := d.Apply(t).One(t, "aws_alb.op_scim_bridge").Text("arn")

	moving := readmeBlock(t, "moving.tf")
	moving = regexp.MustCompile(`arn:aws:elasticloadbalancing:[^"]*`).ReplaceAllLiteralString(moving, arn)
	destroyed := plannedAway(t, d, moving)
	want := []string{
		"aws_ecs_task_definition.op_scim_bridge", // another revision
		"aws_iam_role_policy_attachment.op_scim_bridge",
		"aws_secretsmanager_secret_version.scimsession[0]", // another session
		"aws_security_group.alb",
		"aws_security_group.service",
	}
	if diff := cmp.Diff(want, destroyed); diff != "" {
		t.Errorf("destroyed or replaced:\n%s", diff)
	}
	d.MustRun(t, "apply", "-input=false", "-auto-approve", "-var", domain)
	if got := d.State(t).One(t, "aws_lb.op_scim_bridge").Text("id"); got != arn {
		t.Errorf("load balancer %s, was %s", got, arn)
	}

	t.Run("changed: without moving.tf", func(t *testing.T) {
		t.Parallel()
		d := terraformtest.Copy(t, "testdata/original")
		d.Apply(t)
		if destroyed := plannedAway(t, d, ""); !slices.Contains(destroyed, "aws_alb.op_scim_bridge") {
			t.Errorf("the load balancer is not destroyed: %v", destroyed)
		}
	})
}

// plannedAway puts our files in the place of theirs and lists what a plan destroys, sorted.
func plannedAway(t *testing.T, d *terraformtest.Dir, moving string) []string {
	t.Helper()
	ours := deployment(t)
	if err := os.CopyFS(d.Path+"/ours", os.DirFS(ours.Path)); err != nil {
		t.Fatal(err)
	}
	for _, theirs := range []string{"main.tf", "provider.tf"} {
		if err := os.Remove(filepath.Join(d.Path, theirs)); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(d.Path + "/ours")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.Rename(filepath.Join(d.Path, "ours", e.Name()), filepath.Join(d.Path, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	if moving != "" {
		d.Write(t, "moving.tf", moving)
	}
	d.MustRun(t, "plan", "-input=false", "-out=op-scim.plan", "-var", domain)
	var plan struct {
		Changes []struct {
			Address string `json:"address"`
			Change  struct {
				Actions []string `json:"actions"`
			} `json:"change"`
		} `json:"resource_changes"`
	}
	if err := json.Unmarshal([]byte(d.MustRun(t, "show", "-json", "op-scim.plan")), &plan); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, c := range plan.Changes {
		if slices.Contains(c.Change.Actions, "delete") {
			out = append(out, c.Address)
		}
	}
	slices.Sort(out)
	return out
}

// readmeBlock is the block of code of the README that begins with a comment of this text.
func readmeBlock(t *testing.T, title string) string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(folder, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(body), "# "+title+"\n")
	block, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatalf("README.md has no block that begins with # %s", title)
	}
	return block
}
