#!/bin/sh
# Leads a port of this machine to the account's database until Ctrl-C: sh tunnel.sh [PORT]
# It needs the AWS CLI with its Session Manager plugin, and rights to run and stop tasks and to start sessions.
set -eu
cd "$(dirname "$0")"
port=${1:-15432}

for program in terraform aws session-manager-plugin; do
  command -v "$program" >/dev/null || { echo "$program is not installed" >&2; exit 1; }
done
read -r region cluster definition subnets group public database <<END
$(terraform output -raw tunnel)
END
[ -n "${database:-}" ] || { echo "terraform output tunnel says nothing: run terraform apply first" >&2; exit 1; }
export AWS_REGION="$region" AWS_PAGER=

task=$(aws ecs run-task --cluster "$cluster" --task-definition "$definition" --launch-type FARGATE --enable-execute-command \
  --network-configuration "awsvpcConfiguration={subnets=[$subnets],securityGroups=[$group],assignPublicIp=$public}" \
  --query 'tasks[0].taskArn' --output text)
case $task in arn:*) ;; *) echo "the task did not start: aws ecs run-task said $task" >&2; exit 1 ;; esac
trap 'aws ecs stop-task --cluster "$cluster" --task "$task" >/dev/null' EXIT
trap 'exit 130' INT TERM

# The agent that sessions go through comes up a while after the task does.
tries=60
echo "starting a task that leads to the database; this takes a minute" >&2
until [ "$(aws ecs describe-tasks --cluster "$cluster" --tasks "$task" \
  --query "tasks[0].containers[0].managedAgents[?name=='ExecuteCommandAgent'].lastStatus | [0]" --output text)" = RUNNING ]; do
  tries=$((tries - 1))
  [ "$tries" -gt 0 ] || { echo "the task did not come up: aws ecs describe-tasks --cluster $cluster --tasks $task says why" >&2; exit 1; }
  sleep "${TUNNEL_PAUSE:-5}"
done
runtime=$(aws ecs describe-tasks --cluster "$cluster" --tasks "$task" --query 'tasks[0].containers[0].runtimeId' --output text)

echo "the database is at 127.0.0.1:$port until you press Ctrl-C, for an hour at most" >&2
aws ssm start-session --target "ecs:${cluster}_${task##*/}_$runtime" --document-name AWS-StartPortForwardingSessionToRemoteHost \
  --parameters "{\"host\":[\"$database\"],\"portNumber\":[\"5432\"],\"localPortNumber\":[\"$port\"]}"
