data "aws_vpc" "this" {
  default = var.vpc_name == "" ? true : null
  tags    = var.vpc_name == "" ? null : { Name = var.vpc_name }
}

# Those with the tag SubnetTier = public; all where none has it.
data "aws_subnets" "all" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.this.id]
  }
}

data "aws_subnets" "tagged" {
  for_each = toset(["public", "private"])

  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.this.id]
  }
  tags = { SubnetTier = each.key }
}

locals {
  public_subnets  = length(data.aws_subnets.tagged["public"].ids) > 0 ? data.aws_subnets.tagged["public"].ids : data.aws_subnets.all.ids
  private_subnets = var.private_subnets ? data.aws_subnets.tagged["private"].ids : local.public_subnets
}

resource "aws_security_group" "load_balancer" {
  name_prefix = "${local.name}-alb-"
  description = "Load balancer of the account service"
  vpc_id      = data.aws_vpc.this.id

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "load_balancer" {
  for_each = { for pair in setproduct(var.allowed_cidrs, [80, 443]) : "${pair[0]}-${pair[1]}" => pair }

  security_group_id = aws_security_group.load_balancer.id
  description       = each.value[1] == 443 ? "HTTPS" : "HTTP, to be sent on to HTTPS"
  cidr_ipv4         = each.value[0]
  from_port         = each.value[1]
  to_port           = each.value[1]
  ip_protocol       = "tcp"
}

resource "aws_vpc_security_group_egress_rule" "load_balancer" {
  security_group_id            = aws_security_group.load_balancer.id
  description                  = "The account service"
  referenced_security_group_id = aws_security_group.service.id
  from_port                    = local.port
  to_port                      = local.port
  ip_protocol                  = "tcp"
}

resource "aws_security_group" "service" {
  name_prefix = "${local.name}-service-"
  description = "Tasks of the account service"
  vpc_id      = data.aws_vpc.this.id

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "service" {
  security_group_id            = aws_security_group.service.id
  description                  = "The load balancer"
  referenced_security_group_id = aws_security_group.load_balancer.id
  from_port                    = local.port
  to_port                      = local.port
  ip_protocol                  = "tcp"
}

resource "aws_security_group" "tunnel" {
  name_prefix = "${local.name}-tunnel-"
  description = "Task of tunnel.sh, while it runs"
  vpc_id      = data.aws_vpc.this.id

  lifecycle {
    create_before_destroy = true
  }
}

locals {
  # Out into the world: where images, secrets and logs are, and names.
  out = merge(
    { for port in var.egress_ports : "tcp-${port}" => { port = port, protocol = "tcp" } },
    { dns-udp = { port = 53, protocol = "udp" }, dns-tcp = { port = 53, protocol = "tcp" } },
  )
}

resource "aws_vpc_security_group_egress_rule" "service" {
  for_each = local.out

  security_group_id = aws_security_group.service.id
  description       = "Out: ${each.key}"
  cidr_ipv4         = "0.0.0.0/0"
  from_port         = each.value.port
  to_port           = each.value.port
  ip_protocol       = each.value.protocol
}

resource "aws_vpc_security_group_egress_rule" "tunnel" {
  for_each = { for name, rule in local.out : name => rule if contains([53, 443], rule.port) }

  security_group_id = aws_security_group.tunnel.id
  description       = "Out: ${each.key}"
  cidr_ipv4         = "0.0.0.0/0"
  from_port         = each.value.port
  to_port           = each.value.port
  ip_protocol       = each.value.protocol
}

resource "aws_security_group" "database" {
  name_prefix = "${local.name}-database-"
  description = "Database of the account"
  vpc_id      = data.aws_vpc.this.id

  lifecycle {
    create_before_destroy = true
  }
}

locals {
  database_clients = merge(
    { service = aws_security_group.service.id, tunnel = aws_security_group.tunnel.id },
    { for i, id in var.database_client_security_group_ids : "client-${i}" => id },
  )
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  for_each = local.database_clients

  security_group_id            = aws_security_group.database.id
  description                  = "PostgreSQL: ${each.key}"
  referenced_security_group_id = each.value
  from_port                    = local.database_port
  to_port                      = local.database_port
  ip_protocol                  = "tcp"
}

resource "aws_vpc_security_group_egress_rule" "database" {
  for_each = { service = aws_security_group.service.id, tunnel = aws_security_group.tunnel.id }

  security_group_id            = each.value
  description                  = "The database"
  referenced_security_group_id = aws_security_group.database.id
  from_port                    = local.database_port
  to_port                      = local.database_port
  ip_protocol                  = "tcp"
}
