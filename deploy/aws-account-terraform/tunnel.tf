# The database cannot be reached from outside. tunnel.sh starts this task for an hour at most, and Session Manager leads
# through it. It costs nothing while it does not run.
resource "aws_ecs_task_definition" "tunnel" {
  family                   = "${local.name}-tunnel"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512
  execution_role_arn       = aws_iam_role.tunnel_execution.arn
  task_role_arn            = aws_iam_role.tunnel.arn

  runtime_platform {
    cpu_architecture        = var.cpu_architecture
    operating_system_family = "LINUX"
  }

  container_definitions = jsonencode([{
    name      = "tunnel"
    image     = local.shell_image
    command   = ["sleep", "3600"]
    essential = true
    # Session Manager's agent writes to the root file system, and runs as root.
    linuxParameters  = { initProcessEnabled = true }
    logConfiguration = local.log["tunnel"]
  }])
}
