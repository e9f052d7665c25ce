# What the variables do. These tests know the made-up account of the stand-in for AWS (test/deploy/awsprovider): its zones,
# subnets and certificates. `make deploy-check` runs them with it; against an AWS account of your own most would not find theirs.

variables {
  domain_name = "scim.example.com"
}

run "defaults" {
  command = plan

  assert {
    condition     = aws_ecs_task_definition.op_scim_bridge.cpu == "256" && aws_ecs_task_definition.op_scim_bridge.memory == "1024"
    error_message = "The smallest task has 256 CPU units and 1,024 MB."
  }
  assert {
    condition     = aws_ecs_task_definition.op_scim_bridge.runtime_platform[0].cpu_architecture == "ARM64"
    error_message = "Graviton is the default."
  }
  assert {
    condition     = aws_lb_target_group.op_scim_bridge.health_check[0].path == "/app" && aws_lb_target_group.op_scim_bridge.health_check[0].matcher == "200,301,302"
    error_message = "The load balancer asks /app and takes 200, 301 and 302."
  }
  assert {
    condition     = aws_lb_listener.http.default_action[0].redirect[0].protocol == "HTTPS"
    error_message = "HTTP is redirected to HTTPS."
  }
  assert {
    condition     = aws_ecs_service.op_scim_bridge.deployment_circuit_breaker[0].enable && aws_ecs_service.op_scim_bridge.deployment_circuit_breaker[0].rollback
    error_message = "A deployment that fails is rolled back."
  }
  assert {
    condition     = aws_ecs_service.op_scim_bridge.desired_count == 1 && aws_ecs_service.op_scim_bridge.network_configuration[0].assign_public_ip
    error_message = "One task, in a public subnet."
  }
  assert {
    condition     = length(aws_route53_record.op_scim_bridge) == 1 && aws_route53_record.op_scim_bridge[0].zone_id == "Z0EXAMPLECOM"
    error_message = "The record goes to the public zone, not to the private one of the same name."
  }
  assert {
    condition     = length(aws_secretsmanager_secret_version.scimsession) == 1
    error_message = "The session is stored."
  }
  assert {
    condition     = output.scim_bridge_url == "https://scim.example.com"
    error_message = "scim_bridge_url"
  }
  assert {
    condition     = length(aws_cloudwatch_metric_alarm.state) == 0 && length(aws_nat_gateway.this) == 0 && length(aws_elasticache_replication_group.this) == 0 && length(aws_wafv2_web_acl.this) == 0
    error_message = "What costs more is asked for."
  }
}

# What the original's template sets, and all that it names.
run "tfvars_of_the_original" {
  command = plan

  variables {
    aws_region             = "us-east-1"
    tags                   = { team = "identity" }
    name_prefix            = ""
    vpc_name               = ""
    wildcard_cert          = false
    using_route53          = true
    log_retention_days     = 0
    google_workspace_actor = null
  }

  assert {
    condition     = aws_ecs_cluster.op_scim_bridge.name == "op-scim-bridge" && aws_lb.op_scim_bridge.name == "op-scim-bridge-alb" && aws_lb_target_group.op_scim_bridge.name == "op-scim-bridge-tg" && aws_ecs_service.op_scim_bridge.name == "op-scim-bridge_service" && aws_ecs_task_definition.op_scim_bridge.family == "op_scim_bridge"
    error_message = "The names are the original's."
  }
  assert {
    condition     = aws_ecs_cluster.op_scim_bridge.tags_all["team"] == "identity" && aws_security_group.task.tags_all["team"] == "identity"
    error_message = "Every resource has the tags."
  }
}

run "wildcard" {
  command = plan
  variables {
    wildcard_cert = true
  }
  assert {
    condition     = length(aws_acm_certificate.op_scim_bridge) == 0 && aws_lb_listener.https.certificate_arn == data.aws_acm_certificate.wildcard_cert[0].arn
    error_message = "The wildcard certificate is used, and none is ordered."
  }
}

run "external_dns" {
  command = plan
  variables {
    domain_name   = "scim.example.net"
    using_route53 = false
  }
  assert {
    condition     = length(aws_route53_record.op_scim_bridge) == 0 && length(aws_route53_record.op_scim_bridge_validation) == 0
    error_message = "Nothing is written to Route 53."
  }
  assert {
    condition     = length(aws_acm_certificate_validation.op_scim_bridge) == 1
    error_message = "The listener waits for the certificate."
  }
}

run "zone_two_levels_up" {
  command = plan
  variables {
    domain_name = "scim.corp.eu.example.com"
  }
  assert {
    condition     = aws_route53_record.op_scim_bridge[0].zone_id == "Z0EUEXAMPLECOM"
    error_message = "The zone that fits best is found, at whichever level."
  }
}

run "zone_of_the_name_itself" {
  command = plan
  variables {
    domain_name = "example.org"
  }
  assert {
    condition     = aws_route53_record.op_scim_bridge[0].zone_id == "Z0EXAMPLEORG"
    error_message = "The zone may be the name itself."
  }
}

run "no_zone" {
  command = plan
  variables {
    domain_name = "scim.example.net"
  }
  expect_failures = [aws_route53_record.op_scim_bridge[0]]
}

run "zone_by_id" {
  command = plan
  variables {
    domain_name     = "scim.example.net"
    route53_zone_id = "Z0OTHER"
  }
  assert {
    condition     = aws_route53_record.op_scim_bridge[0].zone_id == "Z0OTHER" && length(data.aws_route53_zones.all) == 0
    error_message = "The zone that is named is used, and none is looked for."
  }
}

run "named_vpc" {
  command = plan
  variables {
    vpc_name = "main"
  }
  assert {
    condition     = aws_lb.op_scim_bridge.subnets == toset(["subnet-0main-public-a", "subnet-0main-public-b"])
    error_message = "The load balancer stands in the subnets that are tagged public."
  }
}

run "vpc_without_tags" {
  command = plan
  variables {
    vpc_name = "plain"
  }
  assert {
    condition     = aws_lb.op_scim_bridge.subnets == toset(["subnet-0plain-a", "subnet-0plain-b"])
    error_message = "Where no subnet is tagged, all are taken."
  }
}

run "one_zone_only" {
  command = plan
  variables {
    vpc_name = "single"
  }
  expect_failures = [aws_lb.op_scim_bridge]
}

run "subnets_by_id" {
  command = plan
  variables {
    public_subnet_ids  = ["subnet-0main-public-a", "subnet-0main-public-b"]
    private_subnet_ids = ["subnet-0main-private-b"]
    vpc_name           = "main"
  }
  assert {
    condition     = aws_ecs_service.op_scim_bridge.network_configuration[0].subnets == toset(["subnet-0main-private-b"]) && !aws_ecs_service.op_scim_bridge.network_configuration[0].assign_public_ip
    error_message = "The tasks stand in the private subnet, with no public address."
  }
}

run "private_subnets" {
  command = plan
  variables {
    vpc_name        = "main"
    private_subnets = true
  }
  assert {
    condition     = aws_ecs_service.op_scim_bridge.network_configuration[0].subnets == toset(["subnet-0main-private-a", "subnet-0main-private-b"]) && !aws_ecs_service.op_scim_bridge.network_configuration[0].assign_public_ip
    error_message = "The tasks stand in the subnets that are tagged private, with no public address."
  }
}

run "private_subnets_where_none_are" {
  command = plan
  variables {
    vpc_name        = "plain"
    private_subnets = true
  }
  expect_failures = [aws_ecs_service.op_scim_bridge]
}

run "private_subnets_made" {
  command = plan
  variables {
    private_subnet_cidrs = ["172.31.240.0/24", "172.31.241.0/24"]
  }
  assert {
    condition     = length(aws_subnet.private) == 2 && length(aws_nat_gateway.this) == 1 && length(aws_eip.nat) == 1 && aws_subnet.private[0].availability_zone != aws_subnet.private[1].availability_zone
    error_message = "Two subnets in two zones, one way out."
  }
  assert {
    condition     = !aws_ecs_service.op_scim_bridge.network_configuration[0].assign_public_ip
    error_message = "The tasks have no public address."
  }
}

run "prefix" {
  command = plan
  variables {
    name_prefix = "acme-prod-identity-us-east-1"
  }
  assert {
    condition     = aws_ecs_cluster.op_scim_bridge.name == "acme-prod-identity-us-east-1-scim-bridge" && aws_lb.op_scim_bridge.name == "acme-prod-identity-us-east-1-alb" && length(aws_lb.op_scim_bridge.name) <= 32
    error_message = "Names begin with the prefix, and fit."
  }
}

run "elasticache" {
  command = plan
  variables {
    cache        = "elasticache"
    replicas     = 2
    max_replicas = 4
    share_unlock = true
  }
  assert {
    condition     = aws_elasticache_replication_group.this[0].transit_encryption_enabled && aws_elasticache_replication_group.this[0].engine == "valkey"
    error_message = "A Valkey with TLS."
  }
  assert {
    condition     = aws_appautoscaling_target.this[0].min_capacity == 2 && aws_appautoscaling_target.this[0].max_capacity == 4 && aws_ecs_service.op_scim_bridge.desired_count == 2
    error_message = "Two to four tasks."
  }
}

run "external_cache" {
  command = plan
  variables {
    cache                = "external"
    redis_url_secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:redis-AbCdEf"
    redis_egress_port    = 6380
    replicas             = 3
  }
  assert {
    condition     = aws_vpc_security_group_egress_rule.task["redis"].from_port == 6380
    error_message = "The tasks may reach it."
  }
}

run "existing_secret" {
  command = plan
  variables {
    existing_secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:session-AbCdEf"
  }
  assert {
    condition     = length(aws_secretsmanager_secret.scimsession) == 0 && length(aws_secretsmanager_secret_version.scimsession) == 0
    error_message = "No secret is made."
  }
}

run "unattended" {
  command = plan
  variables {
    unlock_token_secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:token-AbCdEf"
  }
  assert {
    condition     = one(aws_ecs_task_definition.op_scim_bridge.volume).name == "unlock"
    error_message = "The token has a volume."
  }
}

run "high" {
  command = plan
  variables {
    provisioning_volume = "high"
  }
  assert {
    condition     = aws_ecs_task_definition.op_scim_bridge.cpu == "1024" && aws_ecs_task_definition.op_scim_bridge.memory == "2048"
    error_message = "size"
  }
}

run "very_high" {
  command = plan
  variables {
    provisioning_volume = "very-high"
    cpu_architecture    = "X86_64"
  }
  assert {
    condition     = aws_ecs_task_definition.op_scim_bridge.cpu == "2048" && aws_ecs_task_definition.op_scim_bridge.memory == "4096" && aws_ecs_task_definition.op_scim_bridge.runtime_platform[0].cpu_architecture == "X86_64"
    error_message = "size"
  }
}

run "waf" {
  command = plan
  variables {
    waf_allowed_cidrs = ["203.0.113.0/24"]
  }
  assert {
    condition     = length(aws_wafv2_web_acl_association.this) == 1 && aws_wafv2_ip_set.allowed[0].addresses == toset(["203.0.113.0/24"])
    error_message = "The web ACL stands before the load balancer."
  }
}

run "web_acl_of_theirs" {
  command = plan
  variables {
    web_acl_arn = "arn:aws:wafv2:us-east-1:123456789012:regional/webacl/theirs/1"
  }
  assert {
    condition     = aws_wafv2_web_acl_association.this[0].web_acl_arn == "arn:aws:wafv2:us-east-1:123456789012:regional/webacl/theirs/1" && length(aws_wafv2_web_acl.this) == 0
    error_message = "Theirs is used."
  }
}

run "alarms" {
  command = plan
  variables {
    alarm_email = "ops@example.com"
  }
  assert {
    condition     = toset(keys(aws_cloudwatch_metric_alarm.state)) == toset(["account", "guard", "locked"]) && length(aws_cloudwatch_metric_alarm.unhealthy) == 1 && length(aws_sns_topic_subscription.alarms) == 1
    error_message = "Alarms, and somebody who hears them."
  }
}

run "kms" {
  command = plan
  variables {
    kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  }
  assert {
    condition     = aws_secretsmanager_secret.scimsession[0].kms_key_id == var.kms_key_arn && aws_cloudwatch_log_group.op_scim_bridge.kms_key_id == var.kms_key_arn
    error_message = "The key seals the session and the logs."
  }
}

run "allowed_addresses" {
  command = plan
  variables {
    allowed_cidrs = ["203.0.113.0/24"]
  }
  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.load_balancer) == 2 && alltrue([for r in aws_vpc_security_group_ingress_rule.load_balancer : r.cidr_ipv4 == "203.0.113.0/24"])
    error_message = "Nobody else gets in."
  }
}
