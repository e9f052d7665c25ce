output "scim_bridge_url" {
  description = "The bridge's URL, for the identity provider and for a browser."
  value       = "https://${var.domain_name}"
}

output "cloudwatch_log_group" {
  description = "The log group in CloudWatch. Its streams begin with op_scim_bridge and redis."
  value       = aws_cloudwatch_log_group.op_scim_bridge.name
}

output "loadbalancer_dns_name" {
  description = "What the CNAME record of domain_name points to, with another DNS provider than Route 53."
  value       = aws_lb.op_scim_bridge.dns_name
}

# The same, as the original's guide spells it.
# tflint-ignore: terraform_naming_convention
output "loadbalancer-dns-name" {
  description = "The same as loadbalancer_dns_name."
  value       = aws_lb.op_scim_bridge.dns_name
}

output "certificate_validation_records" {
  description = "With another DNS provider than Route 53: the record that proves to AWS that the domain is yours."
  value = var.using_route53 || var.wildcard_cert ? [] : [
    for o in aws_acm_certificate.op_scim_bridge[0].domain_validation_options :
    { name = o.resource_record_name, type = o.resource_record_type, value = o.resource_record_value }
  ]
}

output "egress_ip" {
  description = "With private_subnet_cidrs: the address that the bridge speaks to the world from."
  value       = one(aws_eip.nat[*].public_ip)
}

output "ecs_cluster" {
  description = "The cluster's name, for aws ecs."
  value       = aws_ecs_cluster.op_scim_bridge.name
}

output "ecs_service" {
  description = "The service's name, for aws ecs."
  value       = aws_ecs_service.op_scim_bridge.name
}
