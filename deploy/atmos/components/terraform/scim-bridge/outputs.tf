output "scim_bridge_url" {
  description = "The bridge's URL, for the identity provider and for a browser."
  value       = module.bridge.scim_bridge_url
}

output "loadbalancer_dns_name" {
  description = "What the CNAME record of domain_name points to, with another DNS provider than Route 53."
  value       = module.bridge.loadbalancer_dns_name
}

output "certificate_validation_records" {
  description = "With another DNS provider than Route 53: the record that proves to AWS that the domain is yours."
  value       = module.bridge.certificate_validation_records
}

output "cloudwatch_log_group" {
  description = "The log group in CloudWatch. Its streams begin with op_scim_bridge and redis."
  value       = module.bridge.cloudwatch_log_group
}

output "ecs_cluster" {
  description = "The cluster's name, for aws ecs."
  value       = module.bridge.ecs_cluster
}

output "ecs_service" {
  description = "The service's name, for aws ecs."
  value       = module.bridge.ecs_service
}
