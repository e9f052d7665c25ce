# The bridge on Fargate for those who do not run Cloud Posse's ecs-service: deploy/aws-ecsfargate-terraform with the variables
# that Atmos gives to every component, and with the scimsession in a parameter of SSM.

data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

module "bridge" {
  # To update the bridge, change the version and apply.
  source = "github.com/scimbridge/scimbridge//deploy/aws-ecsfargate-terraform?ref=v0.1.0"

  aws_region  = var.region
  name_prefix = join("-", compact([var.namespace, var.tenant, var.environment, var.stage, var.name]))
  domain_name = var.domain_name
  tags        = var.tags
  existing_secret_arn = format(
    "arn:%s:ssm:%s:%s:parameter/%s",
    data.aws_partition.this.partition, var.region, data.aws_caller_identity.this.account_id, trimprefix(var.scimsession_parameter, "/"),
  )

  wildcard_cert           = var.wildcard_cert
  using_route53           = var.using_route53
  vpc_name                = var.vpc_name
  log_retention_days      = var.log_retention_days
  provisioning_volume     = var.provisioning_volume
  cpu_architecture        = var.cpu_architecture
  unlock_token_secret_arn = var.unlock_token_secret_arn
  kms_key_arn             = var.kms_key_arn
  route53_zone_id         = var.route53_zone_id
  public_subnet_ids       = var.public_subnet_ids
  private_subnet_ids      = var.private_subnet_ids
  private_subnets         = var.private_subnets
  private_subnet_cidrs    = var.private_subnet_cidrs
  allowed_cidrs           = var.allowed_cidrs
  egress_ports            = var.egress_ports
  ssl_policy              = var.ssl_policy
  cache                   = var.cache
  redis_url_secret_arn    = var.redis_url_secret_arn
  redis_egress_port       = var.redis_egress_port
  cache_node_type         = var.cache_node_type
  replicas                = var.replicas
  max_replicas            = var.max_replicas
  share_unlock            = var.share_unlock
  web_acl_arn             = var.web_acl_arn
  waf_allowed_cidrs       = var.waf_allowed_cidrs
  alarm_topic_arns        = var.alarm_topic_arns
  alarm_email             = var.alarm_email
  container_insights      = var.container_insights
  access_logs_bucket      = var.access_logs_bucket
  wait_for_steady_state   = var.wait_for_steady_state
}
