data "aws_iam_policy_document" "tasks" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.this.account_id]
    }
  }
}

# With it ECS starts tasks: the secrets, and the log.
resource "aws_iam_role" "execution" {
  name_prefix        = "${local.name}-ex-"
  description        = "Starts tasks of the account service"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

data "aws_iam_policy_document" "execution" {
  statement {
    actions   = ["secretsmanager:GetSecretValue"]
    resources = concat([aws_secretsmanager_secret.database.arn], [for f in local.secret_files : f.arn])
  }

  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]
    content {
      actions   = ["kms:Decrypt"]
      resources = [statement.value]
    }
  }

  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this.arn}:*"]
  }
}

resource "aws_iam_role_policy" "execution" {
  name_prefix = "${local.name}-"
  role        = aws_iam_role.execution.id
  policy      = data.aws_iam_policy_document.execution.json
}

# The service itself asks nothing of AWS.
resource "aws_iam_role" "task" {
  name_prefix        = "${local.name}-"
  description        = "The account service, which has no rights"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

# The task of tunnel.sh speaks to Session Manager, and has no other rights.
resource "aws_iam_role" "tunnel" {
  name_prefix        = "${local.name}-tn-"
  description        = "Task of tunnel.sh"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

data "aws_iam_policy_document" "tunnel" {
  statement {
    actions = [
      "ssmmessages:CreateControlChannel",
      "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ]
    resources = ["*"] # these actions know no resources
  }
}

resource "aws_iam_role_policy" "tunnel" {
  name_prefix = "${local.name}-"
  role        = aws_iam_role.tunnel.id
  policy      = data.aws_iam_policy_document.tunnel.json
}

data "aws_iam_policy_document" "tunnel_execution" {
  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this.arn}:*"]
  }
}

resource "aws_iam_role" "tunnel_execution" {
  name_prefix        = "${local.name}-tx-"
  description        = "Starts the task of tunnel.sh"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

resource "aws_iam_role_policy" "tunnel_execution" {
  name_prefix = "${local.name}-"
  role        = aws_iam_role.tunnel_execution.id
  policy      = data.aws_iam_policy_document.tunnel_execution.json
}
