locals {
  gb = 1024 * 1024 * 1024

  alarms = length(var.alarm_topic_arns) == 0 ? {} : {
    no-healthy-target = {
      namespace  = "AWS/ApplicationELB", metric = "HealthyHostCount", statistic = "Minimum", operator = "LessThanThreshold", threshold = 1, missing = "breaching"
      dimensions = { LoadBalancer = aws_lb.this.arn_suffix, TargetGroup = aws_lb_target_group.this.arn_suffix }
      text       = "No task of the account service answers: bridges get 503 from it, and tell identity providers to try again. Look at the service's log."
    }
    errors = {
      namespace  = "AWS/ApplicationELB", metric = "HTTPCode_Target_5XX_Count", statistic = "Sum", operator = "GreaterThanThreshold", threshold = 20, missing = "notBreaching"
      dimensions = { LoadBalancer = aws_lb.this.arn_suffix, TargetGroup = aws_lb_target_group.this.arn_suffix }
      text       = "The account service answers with errors; mostly it cannot use its database. Look at the service's log and at the database."
    }
    database-storage = {
      namespace  = "AWS/RDS", metric = "FreeStorageSpace", statistic = "Minimum", operator = "LessThanThreshold", threshold = 2 * local.gb, missing = "missing"
      dimensions = { DBInstanceIdentifier = aws_db_instance.this.identifier }
      text       = "The database runs out of room, and has grown as far as it may: raise database_storage_gb."
    }
    database-memory = {
      namespace  = "AWS/RDS", metric = "FreeableMemory", statistic = "Average", operator = "LessThanThreshold", threshold = 0.05 * local.gb, missing = "missing"
      dimensions = { DBInstanceIdentifier = aws_db_instance.this.identifier }
      text       = "The database is short of memory: a larger database_instance_class."
    }
    database-cpu = {
      namespace  = "AWS/RDS", metric = "CPUUtilization", statistic = "Average", operator = "GreaterThanThreshold", threshold = 90, missing = "missing"
      dimensions = { DBInstanceIdentifier = aws_db_instance.this.identifier }
      text       = "The database's processor has been busy for 15 minutes: a larger database_instance_class."
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${local.name}-${each.key}"
  alarm_description   = each.value.text
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = each.value.operator
  threshold           = each.value.threshold
  period              = 300
  evaluation_periods  = each.key == "no-healthy-target" ? 1 : 3
  treat_missing_data  = each.value.missing
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
}
