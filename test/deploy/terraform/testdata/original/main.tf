# The state that the original's example leaves, for the test of moving over: its addresses, names and references, in our own
# words and no more of it than counts for that.

data "aws_vpc" "this" {
  default = true
}

data "aws_subnets" "public" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.this.id]
  }
}

data "aws_route53_zone" "zone" {
  count = 1
  name  = "example.com"
}

resource "aws_secretsmanager_secret" "scimsession" {
  name_prefix             = "op-scim-bridge"
  recovery_window_in_days = 0
}

resource "aws_secretsmanager_secret_version" "scimsession" {
  secret_id     = aws_secretsmanager_secret.scimsession.id
  secret_string = base64encode("theirs")
}

resource "aws_cloudwatch_log_group" "op_scim_bridge" {
  name_prefix       = "op-scim-bridge"
  retention_in_days = 0
}

resource "aws_ecs_cluster" "op_scim_bridge" {
  name = "op-scim-bridge"
}

resource "aws_iam_role" "op_scim_bridge" {
  name_prefix        = "op-scim-bridge"
  assume_role_policy = "{}"
}

resource "aws_iam_role_policy_attachment" "op_scim_bridge" {
  role       = aws_iam_role.op_scim_bridge.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

resource "aws_iam_role_policy" "scimsession" {
  name_prefix = "op-scim-bridge"
  role        = aws_iam_role.op_scim_bridge.id
  policy      = "{}"
}

resource "aws_ecs_task_definition" "op_scim_bridge" {
  family                   = "op_scim_bridge"
  container_definitions    = "[]"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  memory                   = 1024
  cpu                      = 256
  execution_role_arn       = aws_iam_role.op_scim_bridge.arn
}

resource "aws_ecs_service" "op_scim_bridge" {
  name             = "op-scim-bridge_service"
  cluster          = aws_ecs_cluster.op_scim_bridge.id
  task_definition  = aws_ecs_task_definition.op_scim_bridge.arn
  launch_type      = "FARGATE"
  platform_version = "1.4.0"
  desired_count    = 1

  load_balancer {
    target_group_arn = aws_lb_target_group.op_scim_bridge.arn
    container_name   = "op_scim_bridge"
    container_port   = 3002
  }

  network_configuration {
    subnets          = data.aws_subnets.public.ids
    assign_public_ip = true
    security_groups  = [aws_security_group.service.id]
  }

  depends_on = [aws_lb_listener.https]
}

resource "aws_alb" "op_scim_bridge" {
  name               = "op-scim-bridge-alb"
  load_balancer_type = "application"
  subnets            = data.aws_subnets.public.ids
  security_groups    = [aws_security_group.alb.id]
}

resource "aws_security_group" "alb" {
  vpc_id = data.aws_vpc.this.id

  ingress {
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_security_group" "service" {
  vpc_id = data.aws_vpc.this.id

  ingress {
    from_port       = 3002
    to_port         = 3002
    protocol        = "tcp"
    security_groups = [aws_security_group.alb.id]
  }
}

resource "aws_lb_target_group" "op_scim_bridge" {
  name        = "op-scim-bridge-tg"
  port        = 3002
  protocol    = "HTTP"
  target_type = "ip"
  vpc_id      = data.aws_vpc.this.id

  health_check {
    matcher = "200,301,302"
    path    = "/app"
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_alb.op_scim_bridge.arn
  port              = 443
  protocol          = "HTTPS"
  certificate_arn   = aws_acm_certificate_validation.op_scim_bridge[0].certificate_arn

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.op_scim_bridge.arn
  }
}

resource "aws_acm_certificate" "op_scim_bridge" {
  count             = 1
  domain_name       = "scim.example.com"
  validation_method = "DNS"
}

resource "aws_acm_certificate_validation" "op_scim_bridge" {
  count                   = 1
  certificate_arn         = aws_acm_certificate.op_scim_bridge[0].arn
  validation_record_fqdns = [for r in aws_route53_record.op_scim_bridge_validation : r.fqdn]
}

resource "aws_route53_record" "op_scim_bridge_validation" {
  for_each        = { for o in aws_acm_certificate.op_scim_bridge[0].domain_validation_options : o.domain_name => o }
  allow_overwrite = true
  name            = each.value.resource_record_name
  records         = [each.value.resource_record_value]
  ttl             = 60
  type            = each.value.resource_record_type
  zone_id         = data.aws_route53_zone.zone[0].id
}

resource "aws_route53_record" "op_scim_bridge" {
  count   = 1
  zone_id = data.aws_route53_zone.zone[0].id
  name    = "scim.example.com"
  type    = "A"

  alias {
    name                   = aws_alb.op_scim_bridge.dns_name
    zone_id                = aws_alb.op_scim_bridge.zone_id
    evaluate_target_health = true
  }
}
