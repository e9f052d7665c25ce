# ElastiCache in the place of the sidecar: a Valkey with a replica in another availability zone, TLS and a password. It is not
# one of the serverless kind, which speaks the cluster's protocol only.

locals {
  elasticache = var.cache == "elasticache" ? 1 : 0
}

# The password is made up once, goes to Secrets Manager, and from there to the cache, and is in no state. It is read back, so
# that both have the same one also where an apply was cut off in between.
ephemeral "aws_secretsmanager_random_password" "cache" {
  count               = local.elasticache
  password_length     = 48
  exclude_punctuation = true
}

resource "aws_secretsmanager_secret" "cache" {
  count                   = local.elasticache
  name_prefix             = local.name
  description             = "Password of the SCIM bridge's cache"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = 0
}

resource "aws_secretsmanager_secret_version" "cache" {
  count                    = local.elasticache
  secret_id                = aws_secretsmanager_secret.cache[0].id
  secret_string_wo         = ephemeral.aws_secretsmanager_random_password.cache[0].random_password
  secret_string_wo_version = 1
}

ephemeral "aws_secretsmanager_secret_version" "cache" {
  count     = local.elasticache
  secret_id = aws_secretsmanager_secret_version.cache[0].secret_id
}

resource "aws_elasticache_subnet_group" "this" {
  count      = local.elasticache
  name       = "scim-${lower(local.name)}"
  subnet_ids = local.task_subnet_ids
}

resource "aws_elasticache_replication_group" "this" {
  count                      = local.elasticache
  replication_group_id       = "scim-${lower(local.name)}" # it has to begin with a letter
  description                = "Cache of the SCIM bridge"
  engine                     = "valkey"
  engine_version             = "8.0"
  parameter_group_name       = "default.valkey8"
  node_type                  = var.cache_node_type
  num_cache_clusters         = 2
  automatic_failover_enabled = true
  multi_az_enabled           = true
  port                       = 6379
  subnet_group_name          = aws_elasticache_subnet_group.this[0].name
  security_group_ids         = [aws_security_group.cache[0].id]
  transit_encryption_enabled = true
  at_rest_encryption_enabled = true
  kms_key_id                 = var.kms_key_arn
  auth_token_wo              = ephemeral.aws_secretsmanager_secret_version.cache[0].secret_string
  auth_token_wo_version      = aws_secretsmanager_secret_version.cache[0].secret_string_wo_version
  auto_minor_version_upgrade = true
  apply_immediately          = true
}

resource "aws_security_group" "cache" {
  count       = local.elasticache
  name_prefix = "${local.name}-cache-"
  description = "Cache of the SCIM bridge"
  vpc_id      = data.aws_vpc.this.id
  tags        = { Name = "${local.name}-cache" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "cache" {
  count                        = local.elasticache
  security_group_id            = aws_security_group.cache[0].id
  description                  = "The bridge"
  referenced_security_group_id = aws_security_group.task.id
  from_port                    = 6379
  to_port                      = 6379
  ip_protocol                  = "tcp"
}

resource "aws_vpc_security_group_egress_rule" "cache" {
  count                        = local.elasticache
  security_group_id            = aws_security_group.task.id
  description                  = "The cache"
  referenced_security_group_id = aws_security_group.cache[0].id
  from_port                    = 6379
  to_port                      = 6379
  ip_protocol                  = "tcp"
}
