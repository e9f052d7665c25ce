# What Atmos gives to every component. The names of all resources are made of them.

variable "region" {
  type        = string
  description = "The AWS region to deploy in."
}

variable "namespace" {
  type        = string
  description = "Your organisation, in short."
  default     = null
}

variable "tenant" {
  type        = string
  description = "The part of the organisation."
  default     = null
}

variable "environment" {
  type        = string
  description = "The region, in short."
  default     = null
}

variable "stage" {
  type        = string
  description = "The account, or what it is for."
  default     = null
}

variable "name" {
  type        = string
  description = "What the bridge is called."
  default     = "scim"
}

variable "tags" {
  type        = map(string)
  description = "Tags for all resources."
  default     = {}
}

variable "domain_name" {
  type        = string
  description = "The public DNS name of the bridge, such as scim.example.com."
}

variable "scimsession_parameter" {
  type        = string
  description = "Path of the parameter of SSM, in the same account and region, that holds the scimsession, as it is or in base64."
  default     = "/1password/scim/scimsession"
  nullable    = false

  validation {
    condition     = can(regex("^/?[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+){0,14}$", var.scimsession_parameter))
    error_message = "scimsession_parameter has to be the path of a parameter, such as /1password/scim/scimsession, and no ARN."
  }
}

# The rest goes to aws-ecsfargate-terraform as it is, which says what it takes. Null is its default.

variable "wildcard_cert" {
  type        = bool
  description = "Use the wildcard certificate for the domain above domain_name that is in ACM already (*.example.com)."
  default     = null
}

variable "using_route53" {
  type        = bool
  description = "Make the DNS records in Route 53. False: another DNS provider has the domain, and you make two records there."
  default     = null
}

variable "vpc_name" {
  type        = string
  description = "The tag Name of the VPC to use. Empty: the region's default VPC."
  default     = null
}

variable "log_retention_days" {
  type        = number
  description = "How many days CloudWatch keeps the logs. 0: for ever."
  default     = null
}

variable "provisioning_volume" {
  type        = string
  description = "CPU and memory: base as task-definitions/scim.json says, high or very-high."
  default     = null
}

variable "cpu_architecture" {
  type        = string
  description = "ARM64 (Graviton, a fifth cheaper) or X86_64. The image has both."
  default     = null
}

variable "unlock_token_secret_arn" {
  type        = string
  description = "ARN of a secret in Secrets Manager that holds the bearer token, so that the bridge starts unlocked. Whoever reads it and the scimsession has both halves."
  default     = null
}

variable "kms_key_arn" {
  type        = string
  description = "ARN of your own KMS key, for the secrets, the logs and the cache. Null: AWS's keys."
  default     = null
}

variable "route53_zone_id" {
  type        = string
  description = "The hosted zone for the records. Null: the public zone of this AWS account that fits domain_name best, at whichever level."
  default     = null
}

variable "public_subnet_ids" {
  type        = list(string)
  description = "Subnets for the load balancer, in two availability zones at least. Empty: those of the VPC with the tag SubnetTier = public, or all where none has the tag."
  default     = null
}

variable "private_subnet_ids" {
  type        = list(string)
  description = "Private subnets for the tasks; they have to have a way out, such as a NAT gateway. Their addresses are not public then."
  default     = null
}

variable "private_subnets" {
  type        = bool
  description = "Run the tasks in the VPC's subnets with the tag SubnetTier = private, which have to have a way out."
  default     = null
}

variable "private_subnet_cidrs" {
  type        = list(string)
  description = "Make private subnets with these address ranges, one availability zone after the other, and a NAT gateway, so that the bridge speaks to the world from one fixed address."
  default     = null
}

variable "allowed_cidrs" {
  type        = list(string)
  description = "IPv4 ranges that may reach the load balancer. Default: everybody, as identity providers in the cloud have no fixed addresses."
  default     = null
}

variable "egress_ports" {
  type        = list(number)
  description = "TCP ports that the bridge may reach in the world, beside DNS. 443 is where AWS and the account are; add 587 where the bridge sends mail."
  default     = null
}

variable "ssl_policy" {
  type        = string
  description = "The load balancer's TLS policy."
  default     = null
}

variable "cache" {
  type        = string
  description = "sidecar: a Valkey container beside the bridge. elasticache: a Valkey of Amazon ElastiCache. external: yours, at redis_url_secret_arn."
  default     = null
}

variable "redis_url_secret_arn" {
  type        = string
  description = "ARN of a secret in Secrets Manager with the URL of your own Redis or Valkey, password and all: rediss://:PASSWORD@HOST:6379."
  default     = null
}

variable "redis_egress_port" {
  type        = number
  description = "Port of your own Redis or Valkey, which the tasks may then reach."
  default     = null
}

variable "cache_node_type" {
  type        = string
  description = "Size of the nodes of ElastiCache. There are two, in two availability zones."
  default     = null
}

variable "replicas" {
  type        = number
  description = "How many tasks run. More than one needs a cache that they share."
  default     = null
}

variable "max_replicas" {
  type        = number
  description = "Up to how many tasks, by CPU, there may be: autoscaling. Null: none."
  default     = null
}

variable "share_unlock" {
  type        = bool
  description = "Tasks that are unlocked unlock those that start, through the shared cache. The price: whoever has the scimsession and can write to that cache needs no token."
  default     = null
}

variable "web_acl_arn" {
  type        = string
  description = "ARN of a web ACL of AWS WAF of yours, for the load balancer."
  default     = null
}

variable "waf_allowed_cidrs" {
  type        = list(string)
  description = "Make a web ACL of AWS WAF that lets these IPv4 ranges through and blocks all others. Empty: none."
  default     = null
}

variable "alarm_topic_arns" {
  type        = list(string)
  description = "SNS topics that hear of trouble: no healthy target, errors, a locked bridge, the guard, an account out of reach."
  default     = null
}

variable "alarm_email" {
  type        = string
  description = "Make an SNS topic for the same, and send it to this address, which has to confirm first."
  default     = null
}

variable "container_insights" {
  type        = string
  description = "CloudWatch Container Insights: disabled, enabled or enhanced. CloudWatch charges for it."
  default     = null
}

variable "access_logs_bucket" {
  type        = string
  description = "Name of an S3 bucket for the load balancer's access log. Null: none."
  default     = null
}

variable "wait_for_steady_state" {
  type        = bool
  description = "apply ends once the new task is well, and fails where it was rolled back. False: it does not wait."
  default     = null
}
