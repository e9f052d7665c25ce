# The database keeps the account. Its password is in Secrets Manager and nowhere else: neither the state nor a plan has it.

locals {
  database_port = 5432
  database_name = "scimbridge"
}

resource "aws_secretsmanager_secret" "database" {
  name_prefix = "${local.name}-database-"
  description = "Password of the account's database"
  kms_key_id  = var.kms_key_arn
}

ephemeral "aws_secretsmanager_random_password" "database" {
  password_length     = 40
  exclude_punctuation = true # RDS takes no /, @ and ", and a URL few others
}

resource "aws_secretsmanager_secret_version" "database" {
  secret_id                = aws_secretsmanager_secret.database.id
  secret_string_wo         = ephemeral.aws_secretsmanager_random_password.database.random_password
  secret_string_wo_version = var.database_password_version
}

# Read back, so that database and secret have the same one also where an apply broke off between them.
ephemeral "aws_secretsmanager_secret_version" "database" {
  secret_id = aws_secretsmanager_secret_version.database.secret_id
}

resource "aws_db_subnet_group" "this" {
  name_prefix = "${local.name}-"
  description = "Database of the account"
  subnet_ids  = local.private_subnets
}

resource "aws_db_parameter_group" "this" {
  name_prefix = "${local.name}-"
  family      = "postgres${var.database_engine_version}"
  description = "Database of the account"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_db_instance" "this" {
  identifier                 = local.name
  engine                     = "postgres"
  engine_version             = var.database_engine_version
  auto_minor_version_upgrade = true
  instance_class             = var.database_instance_class
  parameter_group_name       = aws_db_parameter_group.this.name
  db_name                    = local.database_name
  username                   = local.database_name
  password_wo                = ephemeral.aws_secretsmanager_secret_version.database.secret_string
  password_wo_version        = var.database_password_version
  storage_type               = "gp3"
  allocated_storage          = var.database_storage_gb
  max_allocated_storage      = var.database_storage_gb * 10
  storage_encrypted          = true
  kms_key_id                 = var.kms_key_arn
  multi_az                   = var.multi_az
  db_subnet_group_name       = aws_db_subnet_group.this.name
  vpc_security_group_ids     = [aws_security_group.database.id]
  port                       = local.database_port
  publicly_accessible        = false
  ca_cert_identifier         = "rds-ca-rsa2048-g1"
  backup_retention_period    = var.backup_retention_days
  copy_tags_to_snapshot      = true
  delete_automated_backups   = false
  deletion_protection        = var.deletion_protection
  skip_final_snapshot        = false
  final_snapshot_identifier  = "${local.name}-last"
  # A change of size waits for the maintenance window, but for one of the password: RDS makes it at once.
  apply_immediately = false

  enabled_cloudwatch_logs_exports = ["postgresql"]

  lifecycle {
    precondition {
      condition     = length(local.private_subnets) >= 2
      error_message = "A database wants subnets in two availability zones. Tag them SubnetTier = ${var.private_subnets ? "private" : "public"}, or name another VPC with vpc_name."
    }
  }
}
