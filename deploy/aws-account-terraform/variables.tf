# Only domain_name has no default. What the bridge's module has too has the same name and meaning here.

variable "aws_region" {
  type        = string
  description = "The AWS region to deploy in."
  default     = "us-east-1"
  nullable    = false
}

variable "domain_name" {
  type        = string
  description = "The public DNS name of the account service, such as account.example.com. Credentials and invitations carry it: it stays for ever."

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,63}$", var.domain_name))
    error_message = "domain_name has to be a full DNS name in lower case, without https:// and path: account.example.com."
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

variable "route53_zone_id" {
  type        = string
  description = "The hosted zone for the records. Null: the public zone of this AWS account that fits domain_name best, at whichever level."
  default     = null
}

variable "vpc_name" {
  type        = string
  description = "The tag Name of the VPC to use. Empty: the region's default VPC."
  default     = ""
  nullable    = false
}

variable "private_subnets" {
  type        = bool
  description = "Run tasks and database in the VPC's subnets with the tag SubnetTier = private, which have to have a way out, such as a NAT gateway."
  default     = false
  nullable    = false
}

variable "name_prefix" {
  type        = string
  description = "What the names of all resources begin with. Empty: op-scim-account."
  default     = ""
  nullable    = false

  validation {
    # A load balancer's name has 32 characters at most and "-alb" at its end.
    condition     = var.name_prefix == "" || can(regex("^[a-z]([a-z0-9]|-[a-z0-9]){0,27}$", var.name_prefix)) && length(var.name_prefix) <= 28
    error_message = "name_prefix may have 28 lower-case letters, digits and single hyphens at most, begins with a letter and does not end with a hyphen."
  }

  validation {
    condition     = !startswith(var.name_prefix, "internal-")
    error_message = "name_prefix must not begin with internal-: AWS keeps such names of load balancers to itself."
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

variable "allowed_cidrs" {
  type        = list(string)
  description = "IPv4 ranges that may reach the load balancer: bridges, and people who accept invitations. Default: everybody."
  default     = ["0.0.0.0/0"]
  nullable    = false

  validation {
    condition     = length(var.allowed_cidrs) > 0 && alltrue([for c in var.allowed_cidrs : can(cidrnetmask(c))])
    error_message = "allowed_cidrs has to name IPv4 ranges such as 203.0.113.0/24."
  }
}

variable "egress_ports" {
  type        = list(number)
  description = "TCP ports that the service may reach in the world, beside DNS. 443 is where AWS is; add the port of your mail server where the service sends invitations."
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

variable "kms_key_arn" {
  type        = string
  description = "ARN of your own KMS key, for the database, its password and the logs. Null: AWS's keys."
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", coalesce(var.kms_key_arn, "-")))
    error_message = "kms_key_arn has to be a key's ARN, not an alias: arn:aws:kms:REGION:ACCOUNT:key/ID."
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

variable "task_cpu" {
  type        = number
  description = "CPU of a task, in 1/1024 of a virtual one."
  default     = 256
  nullable    = false
}

variable "task_memory" {
  type        = number
  description = "Memory of a task in MiB, as Fargate has it for task_cpu."
  default     = 512
  nullable    = false

  validation {
    condition = contains(lookup({
      256  = [512, 1024, 2048]
      512  = range(1024, 4097, 1024)
      1024 = range(2048, 8193, 1024)
      2048 = range(4096, 16385, 1024)
      4096 = range(8192, 30721, 1024)
    }, var.task_cpu, []), var.task_memory)
    error_message = "Fargate has no task with this task_cpu and task_memory: 256 goes with 512, 1024 or 2048, 512 with 1024 to 4096, 1024 with 2048 to 8192, 2048 with 4096 to 16384, 4096 with 8192 to 30720."
  }
}

variable "replicas" {
  type        = number
  description = "How many tasks run. They share the database, and any number may."
  default     = 1
  nullable    = false

  validation {
    condition     = var.replicas >= 0 && floor(var.replicas) == var.replicas
    error_message = "replicas has to be a whole number. 0 stops the service, for a restore."
  }
}

variable "environment" {
  type        = map(string)
  description = "Further settings of the account service, as docs/configuration.md lists them, such as OP_JSON_LOGS. None of them a secret: they stand in the task definition."
  default     = {}
  nullable    = false

  validation {
    condition     = length(setintersection(keys(var.environment), ["OP_DATABASE_URL", "OP_ACCOUNT_URL", "OP_ACCOUNT_LISTEN", "PGPASSWORD"])) == 0
    error_message = "environment must not name OP_DATABASE_URL, OP_ACCOUNT_URL, OP_ACCOUNT_LISTEN or PGPASSWORD: this module sets them."
  }
}

variable "smtp_password_secret_arn" {
  type        = string
  description = "ARN of a secret in Secrets Manager with the password for the mail server, where the service sends invitations. The rest of it goes into environment: OP_SMTP_HOST, OP_SMTP_USERNAME, OP_SMTP_FROM."
  default     = null

  validation {
    condition     = var.smtp_password_secret_arn == null || can(regex("^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^:*?]+$", coalesce(var.smtp_password_secret_arn, "-")))
    error_message = "smtp_password_secret_arn has to be the whole ARN of one secret: arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-XXXXXX."
  }
}

variable "metrics_token_secret_arn" {
  type        = string
  description = "ARN of a secret in Secrets Manager with the token that opens /metrics. Null: /metrics is off."
  default     = null

  validation {
    condition     = var.metrics_token_secret_arn == null || can(regex("^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^:*?]+$", coalesce(var.metrics_token_secret_arn, "-")))
    error_message = "metrics_token_secret_arn has to be the whole ARN of one secret: arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-XXXXXX."
  }
}

variable "database_ca_file" {
  type        = string
  description = "File with the certificates that vouch for RDS in this region, from https://truststore.pki.rds.amazonaws.com/REGION/REGION-bundle.pem."
  default     = "rds-ca.pem"
  nullable    = false
}

variable "database_engine_version" {
  type        = string
  description = "Version of PostgreSQL, the number before the point: RDS keeps the rest up to date."
  default     = "17"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{2}$", var.database_engine_version)) && try(tonumber(var.database_engine_version), 0) >= 13
    error_message = "database_engine_version has to be a major version, 13 or newer."
  }
}

variable "database_instance_class" {
  type        = string
  description = "Size of the database."
  default     = "db.t4g.micro"
  nullable    = false
}

variable "database_storage_gb" {
  type        = number
  description = "Room for the database at the beginning, in GiB. It grows by itself up to ten times that."
  default     = 20
  nullable    = false

  validation {
    condition     = var.database_storage_gb >= 20
    error_message = "database_storage_gb has to be 20 or more."
  }
}

variable "multi_az" {
  type        = bool
  description = "Keep a second copy of the database in another availability zone, which takes over within a minute or two. It doubles the price of the database."
  default     = false
  nullable    = false
}

variable "backup_retention_days" {
  type        = number
  description = "For how many days the database can be put back to any second."
  default     = 14
  nullable    = false

  validation {
    condition     = var.backup_retention_days >= 1 && var.backup_retention_days <= 35
    error_message = "backup_retention_days is 1 to 35. An account without a backup cannot be mended: nobody else has its keys."
  }
}

variable "deletion_protection" {
  type        = bool
  description = "Refuse to delete the database and the load balancer. Set it to false, and apply, before terraform destroy."
  default     = true
  nullable    = false
}

variable "database_password_version" {
  type        = number
  description = "Raise it by one for a new password of the database; tasks with the new one are started in the same apply."
  default     = 1
  nullable    = false
}

variable "database_client_security_group_ids" {
  type        = list(string)
  description = "Security groups from which administrators may reach the database, such as a VPN's. Empty: only through tunnel.sh."
  default     = []
  nullable    = false
}

variable "alarm_topic_arns" {
  type        = list(string)
  description = "SNS topics that hear of trouble: no healthy target, errors, a database that runs out of room or memory."
  default     = []
  nullable    = false
}

variable "wait_for_steady_state" {
  type        = bool
  description = "apply ends once the new task is well, and fails where it was rolled back. False: it does not wait."
  default     = true
  nullable    = false
}
