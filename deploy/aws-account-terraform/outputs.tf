output "account_url" {
  description = "Address of the account service, for credentials new --url."
  value       = local.url
}

output "loadbalancer_dns_name" {
  description = "What a CNAME record for domain_name has to point to, where Route 53 does not have the domain."
  value       = var.using_route53 ? null : aws_lb.this.dns_name
}

output "certificate_validation_records" {
  description = "The records that prove the domain to ACM, where Route 53 does not have it."
  value = var.using_route53 || var.wildcard_cert ? [] : [
    for o in aws_acm_certificate.this[0].domain_validation_options : {
      name = o.resource_record_name, type = o.resource_record_type, value = o.resource_record_value
    }
  ]
}

output "cloudwatch_log_group" {
  description = "Where the logs are."
  value       = aws_cloudwatch_log_group.this.name
}

output "database_address" {
  description = "Host of the database."
  value       = aws_db_instance.this.address
}

output "database_secret_arn" {
  description = "The secret with the database's password."
  value       = aws_secretsmanager_secret.database.arn
}

output "tunnel" {
  description = "What tunnel.sh needs to know, in its order."
  value = join(" ", [
    var.aws_region, aws_ecs_cluster.this.name, aws_ecs_task_definition.tunnel.arn, join(",", local.private_subnets),
    aws_security_group.tunnel.id, var.private_subnets ? "DISABLED" : "ENABLED", aws_db_instance.this.address,
  ])
}
