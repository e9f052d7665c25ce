# The task: what task-definitions/scim.json says, changed by the variables, and the two roles.

locals {
  containers = {
    for c in jsondecode(templatefile("${path.module}/task-definitions/scim.json", {
      secret_arn     = local.session_arn
      aws_logs_group = aws_cloudwatch_log_group.op_scim_bridge.name
      region         = var.aws_region
    })) : c.name => c
  }

  # The same without what is known after the first apply only: for plans, and for what is checked in them.
  drafts = {
    for c in jsondecode(templatefile("${path.module}/task-definitions/scim.json", {
      secret_arn     = "-"
      aws_logs_group = "-"
      region         = var.aws_region
    })) : c.name => c
  }
  version = trimprefix(element(split(":", local.drafts.op_scim_bridge.image), -1), "v")

  sizes = {
    base = {
      task = { cpu = 256, memory = 1024 }
      bridge = {
        cpu    = local.drafts.op_scim_bridge.cpu
        memory = local.drafts.op_scim_bridge.memory
      }
    }
    high = {
      task   = { cpu = 1024, memory = 2048 }
      bridge = { cpu = 512, memory = 1024 }
    }
    very-high = {
      task   = { cpu = 2048, memory = 4096 }
      bridge = { cpu = 1024, memory = 1024 }
    }
  }
  size = local.sizes[var.provisioning_volume]

  sidecar   = var.cache == "sidecar"
  unattends = var.unlock_token_secret_arn != null

  bridge = merge(local.containers.op_scim_bridge, local.size.bridge, {
    environment = concat(
      [for e in local.containers.op_scim_bridge.environment : e if local.sidecar || e.name != "OP_REDIS_URL"],
      var.cache == "elasticache" ? [
        { name = "OP_REDIS_HOST", value = aws_elasticache_replication_group.this[0].primary_endpoint_address },
        { name = "OP_REDIS_PORT", value = "6379" },
        { name = "OP_REDIS_ENABLE_SSL", value = "1" },
      ] : [],
      var.share_unlock ? [{ name = "OP_SHARE_UNLOCK", value = "1" }] : [],
      local.unattends ? [{ name = "OP_UNLOCK_TOKEN_FILE", value = "/run/unlock/token" }] : [],
    )

    secrets = concat(
      local.containers.op_scim_bridge.secrets,
      var.cache == "elasticache" ? [{ name = "OP_REDIS_PASSWORD", valueFrom = aws_secretsmanager_secret.cache[0].arn }] : [],
      var.cache == "external" ? [{ name = "OP_REDIS_URL", valueFrom = var.redis_url_secret_arn }] : [],
      [for name, secret in aws_secretsmanager_secret.workspace : { name = name, valueFrom = secret.arn }],
    )

    dependsOn = concat(
      [for d in try(local.containers.op_scim_bridge.dependsOn, []) : d if local.sidecar || d.containerName != "redis"],
      local.unattends ? [{ containerName = "unlock", condition = "SUCCESS" }] : [],
    )

    mountPoints = local.unattends ? [{ sourceVolume = "unlock", containerPath = "/run/unlock", readOnly = true }] : []

    # ECS reads secrets only when a task starts. Another session makes another definition by this, and so new tasks.
    dockerLabels = local.session_file ? { scimsession = local.session_label } : {}
  })

  # ECS hands secrets over in the environment, and the bridge takes its token from a file only. This container writes the one
  # into the other, in a volume that nobody else has, and ends. /data is a volume of the image's user 999, who is the bridge's too.
  unlock = {
    name                   = "unlock"
    image                  = local.drafts.redis.image
    essential              = false
    user                   = "999:1000"
    readonlyRootFilesystem = true
    linuxParameters        = { capabilities = { drop = ["ALL"] }, initProcessEnabled = true }
    entryPoint             = ["/bin/sh", "-c"]
    command                = ["umask 077 && printf %s \"$TOKEN\" > /data/token"]
    secrets                = [{ name = "TOKEN", valueFrom = var.unlock_token_secret_arn }]
    mountPoints            = [{ sourceVolume = "unlock", containerPath = "/data", readOnly = false }]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.op_scim_bridge.name
        awslogs-region        = var.aws_region
        awslogs-stream-prefix = "unlock"
      }
    }
  }

  task = concat(
    [local.bridge],
    [for name, c in local.containers : c if name != "op_scim_bridge" && (name != "redis" || local.sidecar)],
    [for c in [local.unlock] : c if local.unattends],
  )

  # What of the task's size is given to containers.
  reserved = [
    for name, c in local.drafts : name == "op_scim_bridge" ? local.size.bridge : { cpu = try(c.cpu, 0), memory = try(c.memory, 0) }
    if name != "redis" || local.sidecar
  ]
}

resource "aws_ecs_task_definition" "op_scim_bridge" {
  family                   = var.name_prefix == "" ? "op_scim_bridge" : "${local.name}_scim_bridge"
  container_definitions    = jsonencode(local.task)
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = local.size.task.cpu
  memory                   = local.size.task.memory
  execution_role_arn       = aws_iam_role.op_scim_bridge.arn
  task_role_arn            = aws_iam_role.task.arn

  runtime_platform {
    cpu_architecture        = var.cpu_architecture
    operating_system_family = "LINUX"
  }

  dynamic "volume" {
    for_each = local.unattends ? ["unlock"] : []
    content {
      name = volume.value
    }
  }

  tags = { version = local.version }

  lifecycle {
    precondition {
      condition     = sum(local.reserved[*].memory) <= local.size.task.memory && sum(local.reserved[*].cpu) <= local.size.task.cpu
      error_message = "The containers of task-definitions/scim.json want more CPU or memory than the task has. Take the numbers back and set provisioning_volume."
    }
  }
}

# The execution role is what ECS starts the task with. It reads this task's secrets and writes this task's logs.
resource "aws_iam_role" "op_scim_bridge" {
  name_prefix        = local.name
  description        = "What ECS starts the SCIM bridge with"
  assume_role_policy = local.trust
}

# The task role is what the bridge itself is at AWS. It needs nothing there.
resource "aws_iam_role" "task" {
  name_prefix        = local.name
  description        = "What the SCIM bridge is at AWS: it may do nothing"
  assume_role_policy = local.trust
}

locals {
  trust = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.this.account_id } }
    }]
  })

  # Images in Amazon ECR, yours or copies that it pulls through, are fetched with the execution role; public ones are not.
  ecr_images = [
    for c in local.drafts : regex("^(?P<account>[0-9]{12})\\.dkr\\.ecr\\.(?P<region>[a-z0-9-]+)\\.[a-z.]+/(?P<repository>[^:@]+)", c.image)
    if can(regex("^[0-9]{12}\\.dkr\\.ecr\\.", c.image))
  ]
  repositories = distinct([
    for i in local.ecr_images : "arn:${data.aws_partition.this.partition}:ecr:${i.region}:${i.account}:repository/${i.repository}"
  ])
}

locals {
  secret_arns = distinct(flatten([for c in local.task : [for s in try(c.secrets, []) : s.valueFrom]]))
}

resource "aws_iam_role_policy" "scimsession" {
  name_prefix = local.name
  role        = aws_iam_role.op_scim_bridge.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        for s in [
          { Sid = "Secrets", Effect = "Allow", Action = ["secretsmanager:GetSecretValue"], Resource = [for arn in local.secret_arns : arn if !strcontains(arn, ":ssm:")] },
          { Sid = "Parameters", Effect = "Allow", Action = ["ssm:GetParameters"], Resource = [for arn in local.secret_arns : arn if strcontains(arn, ":ssm:")] },
        ] : s if length(s.Resource) > 0
      ],
      [
        {
          Sid      = "Logs"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = ["${aws_cloudwatch_log_group.op_scim_bridge.arn}:*"]
        },
      ],
      [for key in [var.kms_key_arn] : {
        Sid       = "Key"
        Effect    = "Allow"
        Action    = ["kms:Decrypt"]
        Resource  = [key]
        Condition = { StringEquals = { "kms:ViaService" = [for service in ["secretsmanager", "ssm"] : "${service}.${var.aws_region}.amazonaws.com"] } }
      } if key != null],
      [for s in [
        {
          Sid      = "Login"
          Effect   = "Allow"
          Action   = ["ecr:GetAuthorizationToken"]
          Resource = ["*"] # there is nothing narrower
        },
        {
          Sid      = "Images"
          Effect   = "Allow"
          Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
          Resource = local.repositories
        },
      ] : s if length(local.repositories) > 0],
    )
  })
}
