# What runs: the cluster, the service and its scaling. The task itself is in task.tf, what it is reached by in balancer.tf and
# dns.tf, where it stands in network.tf, its secrets in secrets.tf.

locals {
  # Names are the original's, so that its resources can be taken over where they are.
  name = var.name_prefix == "" ? "op-scim-bridge" : var.name_prefix
}

data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

resource "aws_cloudwatch_log_group" "op_scim_bridge" {
  name_prefix       = local.name
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_ecs_cluster" "op_scim_bridge" {
  name = var.name_prefix == "" ? "op-scim-bridge" : "${local.name}-scim-bridge"

  setting {
    name  = "containerInsights"
    value = var.container_insights
  }
}

resource "aws_ecs_service" "op_scim_bridge" {
  name                              = "${local.name}_service"
  cluster                           = aws_ecs_cluster.op_scim_bridge.id
  task_definition                   = aws_ecs_task_definition.op_scim_bridge.arn
  launch_type                       = "FARGATE"
  platform_version                  = "1.4.0"
  desired_count                     = var.replicas
  health_check_grace_period_seconds = 60
  wait_for_steady_state             = var.wait_for_steady_state
  enable_execute_command            = false # the image has no shell
  propagate_tags                    = "SERVICE"

  # A new task runs before an old one stops. Two bridges at once do no harm: one of them holds the lease.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  availability_zone_rebalancing      = "ENABLED"

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.op_scim_bridge.arn
    container_name   = "op_scim_bridge"
    container_port   = 3002
  }

  network_configuration {
    subnets          = local.task_subnet_ids
    assign_public_ip = !local.private
    security_groups  = [aws_security_group.task.id]
  }

  tags = { version = local.version }

  # Without its rights, its way out or its session the first task would fail.
  depends_on = [
    aws_iam_role_policy.scimsession,
    aws_lb_listener.https,
    aws_route_table_association.private,
    aws_secretsmanager_secret_version.cache,
    aws_secretsmanager_secret_version.scimsession,
    aws_secretsmanager_secret_version.workspace,
    aws_vpc_security_group_egress_rule.task,
  ]

  lifecycle {
    precondition {
      condition     = length(local.task_subnet_ids) > 0
      error_message = "The VPC ${data.aws_vpc.this.id} has no subnets with the tag SubnetTier = private. Tag them, name them in private_subnet_ids, or have them made by private_subnet_cidrs."
    }
  }
}

resource "aws_appautoscaling_target" "this" {
  count              = var.max_replicas == null ? 0 : 1
  service_namespace  = "ecs"
  resource_id        = "service/${aws_ecs_cluster.op_scim_bridge.name}/${aws_ecs_service.op_scim_bridge.name}"
  scalable_dimension = "ecs:service:DesiredCount"
  min_capacity       = var.replicas
  max_capacity       = var.max_replicas
}

resource "aws_appautoscaling_policy" "cpu" {
  count              = var.max_replicas == null ? 0 : 1
  name               = "${local.name}-cpu"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this[0].service_namespace
  resource_id        = aws_appautoscaling_target.this[0].resource_id
  scalable_dimension = aws_appautoscaling_target.this[0].scalable_dimension

  target_tracking_scaling_policy_configuration {
    target_value       = 60
    scale_in_cooldown  = 300
    scale_out_cooldown = 60

    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverageCPUUtilization"
    }
  }
}
