# Where the load balancer and the tasks stand, and who may speak with whom.

data "aws_vpc" "this" {
  default = var.vpc_name == "" ? true : null
  tags    = var.vpc_name == "" ? null : { Name = var.vpc_name }
}

data "aws_subnets" "all" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.this.id]
  }
}

data "aws_subnets" "tier" {
  for_each = toset(["public", "private"])
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.this.id]
  }
  tags = { SubnetTier = each.key }
}

locals {
  public_candidates = (
    length(var.public_subnet_ids) > 0 ? var.public_subnet_ids :
    length(data.aws_subnets.tier["public"].ids) > 0 ? data.aws_subnets.tier["public"].ids :
    [for id in data.aws_subnets.all.ids : id if !contains(data.aws_subnets.tier["private"].ids, id)]
  )

  # A load balancer takes one subnet of an availability zone.
  zones             = { for s in data.aws_subnet.public : s.availability_zone => s.id... }
  zone_names        = sort(keys(local.zones))
  public_subnet_ids = [for z in local.zone_names : sort(local.zones[z])[0]]

  private = var.private_subnets || length(var.private_subnet_ids) > 0 || length(var.private_subnet_cidrs) > 0
  task_subnet_ids = (
    !local.private ? local.public_subnet_ids :
    length(var.private_subnet_cidrs) > 0 ? aws_subnet.private[*].id :
    length(var.private_subnet_ids) > 0 ? var.private_subnet_ids :
    data.aws_subnets.tier["private"].ids
  )
}

data "aws_subnet" "public" {
  for_each = toset(local.public_candidates)
  id       = each.key
}

# Private subnets of our own, and one NAT gateway: all that leaves them has its address.

resource "aws_subnet" "private" {
  count             = length(var.private_subnet_cidrs)
  vpc_id            = data.aws_vpc.this.id
  cidr_block        = var.private_subnet_cidrs[count.index]
  availability_zone = local.zone_names[count.index % length(local.zone_names)]
  tags              = { Name = "${local.name}-private-${count.index}", SubnetTier = "private" }
}

resource "aws_eip" "nat" {
  count  = length(var.private_subnet_cidrs) > 0 ? 1 : 0
  domain = "vpc"
  tags   = { Name = "${local.name}-nat" }
}

resource "aws_nat_gateway" "this" {
  count         = length(var.private_subnet_cidrs) > 0 ? 1 : 0
  allocation_id = aws_eip.nat[0].id
  subnet_id     = local.public_subnet_ids[0]
  tags          = { Name = local.name }
}

resource "aws_route_table" "private" {
  count  = length(var.private_subnet_cidrs) > 0 ? 1 : 0
  vpc_id = data.aws_vpc.this.id
  tags   = { Name = "${local.name}-private" }
}

resource "aws_route" "nat" {
  count                  = length(var.private_subnet_cidrs) > 0 ? 1 : 0
  route_table_id         = aws_route_table.private[0].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.this[0].id
}

resource "aws_route_table_association" "private" {
  count          = length(var.private_subnet_cidrs)
  subnet_id      = aws_subnet.private[count.index].id
  route_table_id = aws_route_table.private[0].id
  depends_on     = [aws_route.nat]
}

# Security groups. They are not those of the original's state: rules inside of a group and rules of their own do not go together.

resource "aws_security_group" "load_balancer" {
  name_prefix = "${local.name}-alb-"
  description = "Load balancer of the SCIM bridge"
  vpc_id      = data.aws_vpc.this.id
  tags        = { Name = "${local.name}-alb" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "load_balancer" {
  for_each          = { for pair in setproduct(["80", "443"], var.allowed_cidrs) : join(" ", pair) => pair }
  security_group_id = aws_security_group.load_balancer.id
  description       = each.value[0] == "443" ? "SCIM and pages" : "Redirected to HTTPS"
  cidr_ipv4         = each.value[1]
  from_port         = tonumber(each.value[0])
  to_port           = tonumber(each.value[0])
  ip_protocol       = "tcp"
}

resource "aws_vpc_security_group_egress_rule" "load_balancer" {
  security_group_id            = aws_security_group.load_balancer.id
  description                  = "The bridge"
  referenced_security_group_id = aws_security_group.task.id
  from_port                    = 3002
  to_port                      = 3002
  ip_protocol                  = "tcp"
}

resource "aws_security_group" "task" {
  name_prefix = "${local.name}-task-"
  description = "Tasks of the SCIM bridge"
  vpc_id      = data.aws_vpc.this.id
  tags        = { Name = "${local.name}-task" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "task" {
  security_group_id            = aws_security_group.task.id
  description                  = "The load balancer"
  referenced_security_group_id = aws_security_group.load_balancer.id
  from_port                    = 3002
  to_port                      = 3002
  ip_protocol                  = "tcp"
}

locals {
  # DNS, since a VPC may name another server than Amazon's, which no group stands before.
  task_egress = merge(
    { "dns udp" = { protocol = "udp", port = 53 }, "dns tcp" = { protocol = "tcp", port = 53 } },
    { for p in toset([for p in var.egress_ports : tostring(p)]) : "tcp ${p}" => { protocol = "tcp", port = tonumber(p) } },
    { for p in toset(var.cache == "external" ? [tostring(var.redis_egress_port)] : []) : "redis" => { protocol = "tcp", port = tonumber(p) } },
  )
}

resource "aws_vpc_security_group_egress_rule" "task" {
  for_each          = local.task_egress
  security_group_id = aws_security_group.task.id
  description       = each.key
  cidr_ipv4         = "0.0.0.0/0"
  from_port         = each.value.port
  to_port           = each.value.port
  ip_protocol       = each.value.protocol
}
