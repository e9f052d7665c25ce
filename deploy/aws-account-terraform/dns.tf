# The certificate and the DNS records.

locals {
  labels = split(".", var.domain_name)
  parent = join(".", slice(local.labels, 1, length(local.labels)))

  # Public zones by name, and of them the one that has most of the domain's labels.
  zone_ids = {
    for z in data.aws_route53_zone.each : trimsuffix(z.name, ".") => z.zone_id... if !z.private_zone
  }
  fitting = [
    for i in range(length(local.labels)) : local.zone_ids[join(".", slice(local.labels, i, length(local.labels)))][0]
    if contains(keys(local.zone_ids), join(".", slice(local.labels, i, length(local.labels))))
  ]
  zone_id = !var.using_route53 ? null : var.route53_zone_id != null ? var.route53_zone_id : try(local.fitting[0], null)

  certificate_arn = (
    var.wildcard_cert ? one(data.aws_acm_certificate.wildcard[*].arn) :
    one(aws_acm_certificate_validation.this[*].certificate_arn)
  )
}

data "aws_route53_zones" "all" {
  count = var.using_route53 && var.route53_zone_id == null ? 1 : 0
}

data "aws_route53_zone" "each" {
  for_each = toset(flatten(data.aws_route53_zones.all[*].ids))
  zone_id  = each.key
}

data "aws_acm_certificate" "wildcard" {
  count       = var.wildcard_cert ? 1 : 0
  domain      = "*.${local.parent}"
  statuses    = ["ISSUED"]
  most_recent = true
}

resource "aws_acm_certificate" "this" {
  count             = var.wildcard_cert ? 0 : 1
  domain_name       = var.domain_name
  validation_method = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "validation" {
  for_each = var.using_route53 && !var.wildcard_cert ? {
    for o in aws_acm_certificate.this[0].domain_validation_options : o.domain_name => o
  } : {}

  allow_overwrite = true
  zone_id         = local.zone_id
  name            = each.value.resource_record_name
  records         = [each.value.resource_record_value]
  type            = each.value.resource_record_type
  ttl             = 60
}

# With another DNS provider this waits until you have made the record there.
resource "aws_acm_certificate_validation" "this" {
  count                   = var.wildcard_cert ? 0 : 1
  certificate_arn         = aws_acm_certificate.this[0].arn
  validation_record_fqdns = var.using_route53 ? [for r in aws_route53_record.validation : r.fqdn] : null
}

resource "aws_route53_record" "this" {
  count   = var.using_route53 ? 1 : 0
  zone_id = local.zone_id
  name    = var.domain_name
  type    = "A"

  alias {
    name                   = aws_lb.this.dns_name
    zone_id                = aws_lb.this.zone_id
    evaluate_target_health = true
  }

  lifecycle {
    precondition {
      condition     = local.zone_id != null
      error_message = "No public hosted zone of Route 53 in this AWS account holds ${var.domain_name}. Make one, name it in route53_zone_id, or set using_route53 = false."
    }
  }
}
