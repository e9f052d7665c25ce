# The variables of the original's example, with its names and meanings. Only domain_name has no default.

variable "aws_region" {
  type        = string
  description = "The AWS region to deploy in."
  default     = "us-east-1"
  nullable    = false
}

variable "domain_name" {
  type        = string
  description = "The public DNS name of the bridge, such as scim.example.com."

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,63}$", var.domain_name))
    error_message = "domain_name has to be a full DNS name in lower case, without https:// and path: scim.example.com."
  }
}

variable "wildcard_cert" {
  type        = bool
  description = "Use the wildcard certificate for the domain above domain_name that is in ACM already (*.example.com)."
  default     = false
  nullable    = false
}

variable "using_route53" {
  type        = bool
  description = "Make the DNS records in Route 53. False: another DNS provider has the domain, and you make two records there."
  default     = true
  nullable    = false
}

variable "vpc_name" {
  type        = string
  description = "The tag Name of the VPC to use. Empty: the region's default VPC."
  default     = ""
  nullable    = false
}

variable "name_prefix" {
  type        = string
  description = "What the names of all resources begin with. Empty: op-scim-bridge."
  default     = ""
  nullable    = false

  validation {
    # A load balancer's name has 32 characters at most and "-alb" at its end.
    condition     = var.name_prefix == "" || can(regex("^[A-Za-z0-9]([A-Za-z0-9-]{0,26}[A-Za-z0-9])?$", var.name_prefix))
    error_message = "name_prefix may have 28 letters, digits and hyphens at most, with no hyphen at either end."
  }

  validation {
    condition     = !startswith(var.name_prefix, "internal-") && !strcontains(var.name_prefix, "--")
    error_message = "name_prefix must not begin with internal-, which AWS keeps for itself, nor have two hyphens in a row."
  }
}

variable "log_retention_days" {
  type        = number
  description = "How many days CloudWatch keeps the logs. 0: for ever."
  default     = 0
  nullable    = false

  validation {
    condition = contains(
      [0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653],
      var.log_retention_days,
    )
    error_message = "log_retention_days: CloudWatch knows 0 (for ever), 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 and 3653."
  }
}

variable "tags" {
  type        = map(string)
  description = "Tags for all resources, beside application."
  default     = {}
  nullable    = false
}

variable "google_workspace_actor" {
  type        = string
  description = "Google Workspace administrator, as in the original. Its secrets are handed to the bridge, and this version of it does not use them."
  default     = null

  validation {
    condition     = var.google_workspace_actor == null || can(regex("^[^@\\s]+@[^@\\s]+$", coalesce(var.google_workspace_actor, "x@x")))
    error_message = "google_workspace_actor has to be an e-mail address."
  }
}

# Ours. Nothing of it has to be set.

variable "provisioning_volume" {
  type        = string
  description = "CPU and memory: base as task-definitions/scim.json says, high or very-high."
  default     = "base"
  nullable    = false

  validation {
    condition     = contains(["base", "high", "very-high"], var.provisioning_volume)
    error_message = "provisioning_volume is base, high or very-high."
  }
}

variable "cpu_architecture" {
  type        = string
  description = "ARM64 (Graviton, a fifth cheaper) or X86_64. The image has both."
  default     = "ARM64"
  nullable    = false

  validation {
    condition     = contains(["ARM64", "X86_64"], var.cpu_architecture)
    error_message = "cpu_architecture is ARM64 or X86_64."
  }
}

variable "existing_secret_arn" {
  type        = string
  description = "ARN of a secret in Secrets Manager, or of a parameter of SSM, that holds the scimsession already, in base64 or as it is. The file scimsession is not needed then."
  default     = null

  validation {
    condition     = var.existing_secret_arn == null || can(regex("^arn:[a-z-]+:(secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:|ssm:[a-z0-9-]+:[0-9]{12}:parameter/)[^:*?]+$", coalesce(var.existing_secret_arn, "-")))
    error_message = "existing_secret_arn has to be the whole ARN of one secret: arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-XXXXXX, or of one parameter: arn:aws:ssm:REGION:ACCOUNT:parameter/PATH."
  }
}

variable "unlock_token_secret_arn" {
  type        = string
  description = "ARN of a secret in Secrets Manager that holds the bearer token, so that the bridge starts unlocked. Whoever reads it and the scimsession has both halves."
  default     = null

  validation {
    condition     = var.unlock_token_secret_arn == null || can(regex("^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^:*?]+$", coalesce(var.unlock_token_secret_arn, "-")))
    error_message = "unlock_token_secret_arn has to be the whole ARN of one secret: arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-XXXXXX."
  }
}

variable "kms_key_arn" {
  type        = string
  description = "ARN of your own KMS key, for the secrets, the logs and the cache. Null: AWS's keys."
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", coalesce(var.kms_key_arn, "-")))
    error_message = "kms_key_arn has to be a key's ARN, not an alias: arn:aws:kms:REGION:ACCOUNT:key/ID."
  }
}

variable "route53_zone_id" {
  type        = string
  description = "The hosted zone for the records. Null: the public zone of this AWS account that fits domain_name best, at whichever level."
  default     = null
}

variable "public_subnet_ids" {
  type        = list(string)
  description = "Subnets for the load balancer, in two availability zones at least. Empty: those of the VPC with the tag SubnetTier = public, or all where none has the tag."
  default     = []
  nullable    = false
}

variable "private_subnet_ids" {
  type        = list(string)
  description = "Private subnets for the tasks; they have to have a way out, such as a NAT gateway. Their addresses are not public then."
  default     = []
  nullable    = false
}

variable "private_subnets" {
  type        = bool
  description = "Run the tasks in the VPC's subnets with the tag SubnetTier = private, which have to have a way out."
  default     = false
  nullable    = false
}

variable "private_subnet_cidrs" {
  type        = list(string)
  description = "Make private subnets with these address ranges, one availability zone after the other, and a NAT gateway, so that the bridge speaks to the world from one fixed address."
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for c in var.private_subnet_cidrs : can(cidrhost(c, 0))]) && length(var.private_subnet_cidrs) <= 3
    error_message = "private_subnet_cidrs: up to three ranges such as 172.31.240.0/24 that are free in the VPC."
  }

  validation {
    condition     = length(var.private_subnet_cidrs) == 0 || (length(var.private_subnet_ids) == 0 && !var.private_subnets)
    error_message = "private_subnet_cidrs makes subnets; private_subnets and private_subnet_ids use those that are there. Set one of the three."
  }
}

variable "allowed_cidrs" {
  type        = list(string)
  description = "IPv4 ranges that may reach the load balancer. Default: everybody, as identity providers in the cloud have no fixed addresses."
  default     = ["0.0.0.0/0"]
  nullable    = false

  validation {
    condition     = length(var.allowed_cidrs) > 0 && alltrue([for c in var.allowed_cidrs : can(cidrnetmask(c))])
    error_message = "allowed_cidrs has to name IPv4 ranges such as 203.0.113.0/24."
  }
}

variable "egress_ports" {
  type        = list(number)
  description = "TCP ports that the bridge may reach in the world, beside DNS. 443 is where AWS and the account are; add 587 where the bridge sends mail."
  default     = [443]
  nullable    = false

  validation {
    condition     = contains(var.egress_ports, 443)
    error_message = "egress_ports has to contain 443: Secrets Manager, the logs and the image are reached by it."
  }
}

variable "ssl_policy" {
  type        = string
  description = "The load balancer's TLS policy."
  default     = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"
  nullable    = false

  validation {
    condition     = can(regex("^ELBSecurityPolicy-TLS13-1-[23]-", var.ssl_policy))
    error_message = "ssl_policy has to be one of those with TLS 1.2 as the least: ELBSecurityPolicy-TLS13-1-2-… or ELBSecurityPolicy-TLS13-1-3-…."
  }
}

variable "cache" {
  type        = string
  description = "sidecar: a Valkey container beside the bridge. elasticache: a Valkey of Amazon ElastiCache. external: yours, at redis_url_secret_arn."
  default     = "sidecar"
  nullable    = false

  validation {
    condition     = contains(["sidecar", "elasticache", "external"], var.cache)
    error_message = "cache is sidecar, elasticache or external."
  }

  validation {
    condition     = (var.cache == "external") == (var.redis_url_secret_arn != null)
    error_message = "cache = \"external\" and redis_url_secret_arn belong together."
  }
}

variable "redis_url_secret_arn" {
  type        = string
  description = "ARN of a secret in Secrets Manager with the URL of your own Redis or Valkey, password and all: rediss://:PASSWORD@HOST:6379."
  default     = null

  validation {
    condition     = var.redis_url_secret_arn == null || can(regex("^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^:*?]+$", coalesce(var.redis_url_secret_arn, "-")))
    error_message = "redis_url_secret_arn has to be the whole ARN of one secret: arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-XXXXXX, and not the URL itself."
  }
}

variable "redis_egress_port" {
  type        = number
  description = "Port of your own Redis or Valkey, which the tasks may then reach."
  default     = 6379
  nullable    = false
}

variable "cache_node_type" {
  type        = string
  description = "Size of the nodes of ElastiCache. There are two, in two availability zones."
  default     = "cache.t4g.micro"
  nullable    = false
}

variable "replicas" {
  type        = number
  description = "How many tasks run. More than one needs a cache that they share."
  default     = 1
  nullable    = false

  validation {
    condition     = var.replicas >= 1 && floor(var.replicas) == var.replicas
    error_message = "replicas has to be a whole number, 1 or more."
  }

  validation {
    condition     = var.replicas == 1 || var.cache != "sidecar"
    error_message = "Several replicas need a cache that they share: set cache to elasticache, or to external with redis_url_secret_arn."
  }
}

variable "max_replicas" {
  type        = number
  description = "Up to how many tasks, by CPU, there may be: autoscaling. Null: none."
  default     = null

  validation {
    condition     = var.max_replicas == null || coalesce(var.max_replicas, 0) >= var.replicas
    error_message = "max_replicas must not be below replicas."
  }

  validation {
    condition     = coalesce(var.max_replicas, 1) == 1 || var.cache != "sidecar"
    error_message = "Several replicas need a cache that they share: set cache to elasticache, or to external with redis_url_secret_arn."
  }
}

variable "share_unlock" {
  type        = bool
  description = "Tasks that are unlocked unlock those that start, through the shared cache. The price: whoever has the scimsession and can write to that cache needs no token."
  default     = false
  nullable    = false

  validation {
    condition     = !var.share_unlock || var.cache != "sidecar"
    error_message = "share_unlock needs a cache that the tasks share: set cache to elasticache, or to external with redis_url_secret_arn."
  }
}

variable "web_acl_arn" {
  type        = string
  description = "ARN of a web ACL of AWS WAF of yours, for the load balancer."
  default     = null

  validation {
    condition     = var.web_acl_arn == null || length(var.waf_allowed_cidrs) == 0
    error_message = "A load balancer has one web ACL: set web_acl_arn or waf_allowed_cidrs."
  }
}

variable "waf_allowed_cidrs" {
  type        = list(string)
  description = "Make a web ACL of AWS WAF that lets these IPv4 ranges through and blocks all others. Empty: none."
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for c in var.waf_allowed_cidrs : can(cidrnetmask(c)) && !endswith(c, "/0")])
    error_message = "waf_allowed_cidrs has to name IPv4 ranges such as 203.0.113.0/24; WAF takes no /0."
  }
}

variable "alarm_topic_arns" {
  type        = list(string)
  description = "SNS topics that hear of trouble: no healthy target, errors, a locked bridge, the guard, an account out of reach."
  default     = []
  nullable    = false
}

variable "alarm_email" {
  type        = string
  description = "Make an SNS topic for the same, and send it to this address, which has to confirm first."
  default     = null

  validation {
    condition     = var.alarm_email == null || can(regex("^[^@\\s]+@[^@\\s]+$", coalesce(var.alarm_email, "x@x")))
    error_message = "alarm_email has to be an e-mail address."
  }
}

variable "container_insights" {
  type        = string
  description = "CloudWatch Container Insights: disabled, enabled or enhanced. CloudWatch charges for it."
  default     = "disabled"
  nullable    = false

  validation {
    condition     = contains(["disabled", "enabled", "enhanced"], var.container_insights)
    error_message = "container_insights is disabled, enabled or enhanced."
  }
}

variable "access_logs_bucket" {
  type        = string
  description = "Name of an S3 bucket for the load balancer's access log. Null: none."
  default     = null
}

variable "wait_for_steady_state" {
  type        = bool
  description = "apply ends once the new task is well, and fails where it was rolled back. False: it does not wait."
  default     = true
  nullable    = false
}
