# The account service on Fargate: scimbridge account serve, behind a load balancer that brings TLS, on a database of RDS.

data "aws_caller_identity" "this" {}

locals {
  name = var.name_prefix == "" ? "op-scim-account" : var.name_prefix
  port = 3003
  url  = "https://${var.domain_name}"
}

resource "aws_cloudwatch_log_group" "this" {
  name_prefix       = "${local.name}-"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_ecs_cluster" "this" {
  name = local.name
}

locals {
  image = "ghcr.io/scimbridge/scimbridge:v0.1.0"

  # It has a shell, which the service's own image has not, and is what the bridge's deployment uses too.
  shell_image = "docker.io/valkey/valkey:8.1-alpine"

  # Where the service finds what it takes from files only: RDS's certificates, and secrets.
  folder = "/run/files"
  secret_files = { for f in [
    { name = "smtp-password", variable = "SMTP_PASSWORD", setting = "OP_SMTP_PASSWORD_FILE", arn = var.smtp_password_secret_arn },
    { name = "metrics-token", variable = "METRICS_TOKEN", setting = "OP_ACCOUNT_METRICS_TOKEN_FILE", arn = var.metrics_token_secret_arn },
  ] : f.name => f if f.arn != null }

  database_ca = try(file("${path.module}/${var.database_ca_file}"), "")

  log = { for name in ["account", "files", "tunnel"] : name => {
    logDriver = "awslogs"
    options = {
      awslogs-group         = aws_cloudwatch_log_group.this.name
      awslogs-region        = var.aws_region
      awslogs-stream-prefix = name
      mode                  = "non-blocking"
      max-buffer-size       = "4m"
    }
  } }

  environment = merge(var.environment, { for f in local.secret_files : f.setting => "${local.folder}/${f.name}" }, {
    OP_ACCOUNT_LISTEN = ":${local.port}"
    OP_ACCOUNT_URL    = local.url
    OP_DATABASE_URL   = "postgres://${local.database_name}@${aws_db_instance.this.address}:${local.database_port}/${local.database_name}?sslmode=verify-full&sslrootcert=${local.folder}/rds-ca.pem"
    # No setting: a new password is a new task definition, so that tasks are started with it.
    DATABASE_PASSWORD_VERSION = tostring(var.database_password_version)
  })

  containers = [
    {
      name                   = "account"
      image                  = local.image
      command                = ["account", "serve"]
      essential              = true
      user                   = "999:999"
      readonlyRootFilesystem = true
      stopTimeout            = 30
      dependsOn              = [{ containerName = "files", condition = "SUCCESS" }]
      portMappings           = [{ containerPort = local.port, hostPort = local.port, protocol = "tcp" }]
      environment            = [for name, value in local.environment : { name = name, value = value }]
      secrets                = [{ name = "PGPASSWORD", valueFrom = aws_secretsmanager_secret.database.arn }]
      mountPoints            = [{ sourceVolume = "files", containerPath = local.folder, readOnly = true }]
      linuxParameters        = { capabilities = { drop = ["ALL"] }, initProcessEnabled = true }
      healthCheck = {
        command     = ["CMD", "/op-scim/op-scim", "healthcheck", "http://127.0.0.1:${local.port}"]
        interval    = 15
        timeout     = 10
        retries     = 3
        startPeriod = 60
      }
      logConfiguration = local.log["account"]
    },
    {
      # RDS's certificates are signed by an authority of its own, which systems do not know; ECS hands secrets over in the
      # environment. This container writes the ones and the others to a volume, and ends. /data is a volume of its image's
      # user 999, who is the service's too.
      name       = "files"
      image      = local.shell_image
      entryPoint = ["/bin/sh", "-c"]
      command = [join(" && ", concat(
        ["umask 077", "printf %s \"$CERTIFICATES\" > /data/rds-ca.pem"],
        [for f in local.secret_files : format("printf %%s \"$%s\" > /data/%s", f.variable, f.name)],
      ))]
      secrets                = [for f in local.secret_files : { name = f.variable, valueFrom = f.arn }]
      essential              = false
      user                   = "999:1000"
      readonlyRootFilesystem = true
      environment            = [{ name = "CERTIFICATES", value = local.database_ca }]
      mountPoints            = [{ sourceVolume = "files", containerPath = "/data", readOnly = false }]
      linuxParameters        = { capabilities = { drop = ["ALL"] }, initProcessEnabled = true }
      logConfiguration       = local.log["files"]
    },
  ]
}

resource "aws_ecs_task_definition" "this" {
  family                   = local.name
  container_definitions    = jsonencode(local.containers)
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.task_cpu
  memory                   = var.task_memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn

  runtime_platform {
    cpu_architecture        = var.cpu_architecture
    operating_system_family = "LINUX"
  }

  volume {
    name = "files"
  }

  lifecycle {
    precondition {
      condition     = strcontains(local.database_ca, "BEGIN CERTIFICATE")
      error_message = "${var.database_ca_file} is missing: curl -fsSo ${var.database_ca_file} https://truststore.pki.rds.amazonaws.com/${var.aws_region}/${var.aws_region}-bundle.pem"
    }
    precondition {
      # A task definition has 64 KiB in all. The bundle of one region has some 5 KB, the one of all regions 160.
      condition     = length(local.database_ca) < 32768
      error_message = "${var.database_ca_file} is too large for a task definition; take the bundle of the region: https://truststore.pki.rds.amazonaws.com/${var.aws_region}/${var.aws_region}-bundle.pem"
    }
  }
}

resource "aws_ecs_service" "this" {
  name                               = local.name
  cluster                            = aws_ecs_cluster.this.id
  task_definition                    = aws_ecs_task_definition.this.arn
  launch_type                        = "FARGATE"
  platform_version                   = "1.4.0"
  desired_count                      = var.replicas
  health_check_grace_period_seconds  = 120
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  availability_zone_rebalancing      = "ENABLED"
  enable_execute_command             = false
  propagate_tags                     = "SERVICE"
  wait_for_steady_state              = var.wait_for_steady_state

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.this.arn
    container_name   = "account"
    container_port   = local.port
  }

  network_configuration {
    subnets          = local.private_subnets
    security_groups  = [aws_security_group.service.id]
    assign_public_ip = !var.private_subnets
  }

  # Without its rights, its way out or its password the first task would fail.
  depends_on = [
    aws_iam_role_policy.execution,
    aws_lb_listener.https,
    aws_secretsmanager_secret_version.database,
    aws_vpc_security_group_egress_rule.database,
    aws_vpc_security_group_egress_rule.service,
    aws_vpc_security_group_ingress_rule.database,
  ]
}
