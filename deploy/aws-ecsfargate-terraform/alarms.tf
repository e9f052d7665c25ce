# Alarms, where somebody is to hear them. What only the bridge knows comes out of its log.

locals {
  alarmed = length(var.alarm_topic_arns) > 0 || var.alarm_email != null
  topics  = concat(var.alarm_topic_arns, aws_sns_topic.alarms[*].arn)

  # Each is a metric of 0 and 1, of two lines of the log: one says that it begins, one that it is over.
  states = local.alarmed ? {
    locked = {
      description = "The bridge waits for its bearer token: nobody is confirmed and no link is made. The identity provider's next request unlocks it, or a sign-in at /app."
      begins      = "{ $.message = \"listening\" && $.state = \"locked\" }"
      ends        = "{ $.message = \"unlocked\" }"
      # The start and the unlocking of the same minute count as unlocked.
      statistic = "Minimum"
    }
    guard = {
      description = "The identity provider has taken away more than usual within an hour; changes may be held back. See: scimbridge account guard."
      begins      = "{ $.message = \"health\" && $.source = \"Guard\" && $.state = \"attention\" }"
      ends        = "{ $.message = \"health\" && $.source = \"Guard\" && $.state = \"healthy\" }"
      statistic   = "Maximum"
    }
    account = {
      description = "The bridge cannot reach the account, or the account its database."
      begins      = "{ $.message = \"health\" && $.source = \"Account\" && $.state != \"healthy\" && $.state != \"locked\" }"
      ends        = "{ $.message = \"health\" && $.source = \"Account\" && $.state = \"healthy\" }"
      statistic   = "Maximum"
    }
  } : {}
}

resource "aws_sns_topic" "alarms" {
  count = var.alarm_email == null ? 0 : 1
  name  = "${local.name}-alarms"
}

resource "aws_sns_topic_subscription" "alarms" {
  count     = var.alarm_email == null ? 0 : 1
  topic_arn = aws_sns_topic.alarms[0].arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

resource "aws_cloudwatch_metric_alarm" "unhealthy" {
  count               = local.alarmed ? 1 : 0
  alarm_name          = "${local.name}-unhealthy"
  alarm_description   = "No task answers the load balancer."
  namespace           = "AWS/ApplicationELB"
  metric_name         = "HealthyHostCount"
  dimensions          = { LoadBalancer = aws_lb.op_scim_bridge.arn_suffix, TargetGroup = aws_lb_target_group.op_scim_bridge.arn_suffix }
  statistic           = "Minimum"
  period              = 60
  evaluation_periods  = 3
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = local.topics
  ok_actions          = local.topics
}

resource "aws_cloudwatch_metric_alarm" "unhealthy_target" {
  count               = local.alarmed ? 1 : 0
  alarm_name          = "${local.name}-unhealthy-target"
  alarm_description   = "A task does not answer the load balancer."
  namespace           = "AWS/ApplicationELB"
  metric_name         = "UnHealthyHostCount"
  dimensions          = { LoadBalancer = aws_lb.op_scim_bridge.arn_suffix, TargetGroup = aws_lb_target_group.op_scim_bridge.arn_suffix }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 5
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.topics
  ok_actions          = local.topics
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  count               = local.alarmed ? 1 : 0
  alarm_name          = "${local.name}-errors"
  alarm_description   = "The bridge answers with errors: 5 or more of 5xx in each of two spans of 5 minutes."
  namespace           = "AWS/ApplicationELB"
  metric_name         = "HTTPCode_Target_5XX_Count"
  dimensions          = { LoadBalancer = aws_lb.op_scim_bridge.arn_suffix, TargetGroup = aws_lb_target_group.op_scim_bridge.arn_suffix }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 2
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 5
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.topics
  ok_actions          = local.topics
}

resource "aws_cloudwatch_log_metric_filter" "begins" {
  for_each       = local.states
  name           = "${local.name}-${each.key}-begins"
  log_group_name = aws_cloudwatch_log_group.op_scim_bridge.name
  pattern        = each.value.begins

  metric_transformation {
    namespace = local.name
    name      = each.key
    value     = "1"
  }
}

resource "aws_cloudwatch_log_metric_filter" "ends" {
  for_each       = local.states
  name           = "${local.name}-${each.key}-ends"
  log_group_name = aws_cloudwatch_log_group.op_scim_bridge.name
  pattern        = each.value.ends

  metric_transformation {
    namespace = local.name
    name      = each.key
    value     = "0"
  }
}

resource "aws_cloudwatch_metric_alarm" "state" {
  for_each            = local.states
  alarm_name          = "${local.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = local.name
  metric_name         = each.key
  statistic           = each.value.statistic
  period              = 60
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "ignore" # it stays as it is until the log says otherwise
  alarm_actions       = local.topics
  ok_actions          = local.topics
}
