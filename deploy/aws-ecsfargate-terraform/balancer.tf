# What the identity provider reaches: HTTPS at an application load balancer, which asks each task for /app.

resource "aws_lb" "op_scim_bridge" {
  name                       = var.name_prefix == "" ? "op-scim-bridge-alb" : "${local.name}-alb"
  load_balancer_type         = "application"
  subnets                    = local.public_subnet_ids
  security_groups            = [aws_security_group.load_balancer.id]
  drop_invalid_header_fields = true

  dynamic "access_logs" {
    for_each = var.access_logs_bucket == null ? [] : [var.access_logs_bucket]
    content {
      bucket  = access_logs.value
      enabled = true
    }
  }

  lifecycle {
    precondition {
      condition     = length(local.public_subnet_ids) >= 2
      error_message = "A load balancer needs subnets in two availability zones, and the VPC ${data.aws_vpc.this.id} offers them in ${length(local.public_subnet_ids)}. Tag public ones with SubnetTier = public, or name them in public_subnet_ids."
    }
  }
}

resource "aws_lb_target_group" "op_scim_bridge" {
  name                 = var.name_prefix == "" ? "op-scim-bridge-tg" : "${local.name}-tg"
  port                 = 3002
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = data.aws_vpc.this.id
  deregistration_delay = 30

  # 200 or 302: a locked bridge has to be reached too, by the request that unlocks it.
  health_check {
    path                = "/app"
    matcher             = "200,301,302"
    interval            = 15
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.op_scim_bridge.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = var.ssl_policy
  certificate_arn   = local.certificate_arn

  routing_http_response_strict_transport_security_header_value = "max-age=31536000"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.op_scim_bridge.arn
  }
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.op_scim_bridge.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type = "redirect"
    redirect {
      port        = "443"
      protocol    = "HTTPS"
      status_code = "HTTP_301"
    }
  }
}

# Of AWS WAF: your own web ACL, or one that knows nothing but a list of addresses.

resource "aws_wafv2_ip_set" "allowed" {
  count              = length(var.waf_allowed_cidrs) > 0 ? 1 : 0
  name               = "${local.name}-allowed"
  scope              = "REGIONAL"
  ip_address_version = "IPV4"
  addresses          = var.waf_allowed_cidrs
}

resource "aws_wafv2_web_acl" "this" {
  count = length(var.waf_allowed_cidrs) > 0 ? 1 : 0
  name  = local.name
  scope = "REGIONAL"

  default_action {
    block {}
  }

  rule_json = jsonencode([{
    Name      = "allowed"
    Priority  = 0
    Action    = { Allow = {} }
    Statement = { IPSetReferenceStatement = { ARN = aws_wafv2_ip_set.allowed[0].arn } }
    VisibilityConfig = {
      CloudWatchMetricsEnabled = true
      MetricName               = "${local.name}-allowed"
      SampledRequestsEnabled   = true
    }
  }])

  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = local.name
    sampled_requests_enabled   = true
  }
}

resource "aws_wafv2_web_acl_association" "this" {
  count        = var.web_acl_arn != null || length(var.waf_allowed_cidrs) > 0 ? 1 : 0
  resource_arn = aws_lb.op_scim_bridge.arn
  web_acl_arn  = var.web_acl_arn != null ? var.web_acl_arn : aws_wafv2_web_acl.this[0].arn
}
