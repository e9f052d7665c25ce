package account_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// standIn answers as the programs would that tunnel.sh calls, and takes note of what it is asked.
const standIn = `#!/bin/sh
echo "${0##*/} $*" >>"$NOTES"
case "$*" in
  "output -raw tunnel") printf 'eu-central-1 cluster arn:def subnet-a,subnet-b sg-1 ENABLED db.example' ;;
  "ecs run-task "*) echo "${TASK-arn:aws:ecs:eu-central-1:1:task/cluster/0a1b}" ;;
  *lastStatus*) if [ -e "$NOTES.up" ]; then echo RUNNING; else echo PENDING; touch "$NOTES.up"; fi ;;
  *runtimeId*) echo 0a1b-42 ;;
esac
`

// The script leads through a task, and stops it afterwards.
func TestTunnel(t *testing.T) {
	t.Parallel()
	script, err := filepath.Abs(filepath.Join(folder, "tunnel.sh"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"terraform", "aws", "session-manager-plugin"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(standIn), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run := func(environment ...string) (string, error) {
		notes := filepath.Join(t.TempDir(), "notes")
		cmd := exec.Command("sh", script, "15433")
		cmd.Env = append([]string{"PATH=" + dir + ":/usr/bin:/bin", "NOTES=" + notes, "TUNNEL_PAUSE=0"}, environment...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return string(out), err
		}
		return read(t, notes), nil
	}
	got, err := run()
	if err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	const cluster = "--cluster cluster "
	want := []string{
		"terraform output -raw tunnel",
		"aws ecs run-task " + cluster + "--task-definition arn:def --launch-type FARGATE --enable-execute-command --network-configuration awsvpcConfiguration={subnets=[subnet-a,subnet-b],securityGroups=[sg-1],assignPublicIp=ENABLED} --query tasks[0].taskArn --output text",
		"aws ecs describe-tasks " + cluster + "--tasks arn:aws:ecs:eu-central-1:1:task/cluster/0a1b --query tasks[0].containers[0].managedAgents[?name=='ExecuteCommandAgent'].lastStatus | [0] --output text",
		"aws ecs describe-tasks " + cluster + "--tasks arn:aws:ecs:eu-central-1:1:task/cluster/0a1b --query tasks[0].containers[0].managedAgents[?name=='ExecuteCommandAgent'].lastStatus | [0] --output text",
		"aws ecs describe-tasks " + cluster + "--tasks arn:aws:ecs:eu-central-1:1:task/cluster/0a1b --query tasks[0].containers[0].runtimeId --output text",
		`aws ssm start-session --target ecs:cluster_0a1b_0a1b-42 --document-name AWS-StartPortForwardingSessionToRemoteHost --parameters {"host":["db.example"],"portNumber":["5432"],"localPortNumber":["15433"]}`,
		"aws ecs stop-task " + cluster + "--task arn:aws:ecs:eu-central-1:1:task/cluster/0a1b",
	}
	if diff := cmp.Diff(want, strings.Split(strings.TrimSpace(got), "\n")); diff != "" {
		t.Errorf("what it called (-want +got):\n%s", diff)
	}
	if out, err := run("TASK=None"); err == nil || !strings.Contains(out, "the task did not start: aws ecs run-task said None") {
		t.Errorf("a task that does not start: %v: %s", err, out)
	}
	check := exec.Command("shellcheck", script)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("shellcheck (apt-get install shellcheck): %v: %s", err, out)
	}
}
