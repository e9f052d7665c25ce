package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// account is the made-up account's number.
const account = "123456789012"

// arns are ARNs by type, as AWS writes them, since policies are matched against them. {name} is the resource's name, {h} a
// hash of 16 digits, {r} a revision. A type that is not here gets one of the usual form.
var arns = map[string]string{
	"aws_acm_certificate":               "arn:aws:acm:{region}:{account}:certificate/{uuid}",
	"aws_alb":                           "arn:aws:elasticloadbalancing:{region}:{account}:loadbalancer/app/{name}/{h}",
	"aws_alb_listener":                  "arn:aws:elasticloadbalancing:{region}:{account}:listener/app/lb/{h}/{h}",
	"aws_alb_target_group":              "arn:aws:elasticloadbalancing:{region}:{account}:targetgroup/{name}/{h}",
	"aws_cloudwatch_log_group":          "arn:aws:logs:{region}:{account}:log-group:{name}",
	"aws_cloudwatch_metric_alarm":       "arn:aws:cloudwatch:{region}:{account}:alarm:{name}",
	"aws_db_instance":                   "arn:aws:rds:{region}:{account}:db:{name}",
	"aws_ecs_cluster":                   "arn:aws:ecs:{region}:{account}:cluster/{name}",
	"aws_ecs_service":                   "arn:aws:ecs:{region}:{account}:service/{name}",
	"aws_ecs_task_definition":           "arn:aws:ecs:{region}:{account}:task-definition/{name}:{r}",
	"aws_elasticache_replication_group": "arn:aws:elasticache:{region}:{account}:replicationgroup:{name}",
	"aws_elasticache_serverless_cache":  "arn:aws:elasticache:{region}:{account}:serverlesscache:{name}",
	"aws_iam_policy":                    "arn:aws:iam::{account}:policy/{name}",
	"aws_iam_role":                      "arn:aws:iam::{account}:role/{name}",
	"aws_kms_key":                       "arn:aws:kms:{region}:{account}:key/{uuid}",
	"aws_lb":                            "arn:aws:elasticloadbalancing:{region}:{account}:loadbalancer/app/{name}/{h}",
	"aws_lb_listener":                   "arn:aws:elasticloadbalancing:{region}:{account}:listener/app/lb/{h}/{h}",
	"aws_lb_target_group":               "arn:aws:elasticloadbalancing:{region}:{account}:targetgroup/{name}/{h}",
	"aws_secretsmanager_secret":         "arn:aws:secretsmanager:{region}:{account}:secret:{name}-{six}",
	"aws_security_group":                "arn:aws:ec2:{region}:{account}:security-group/{id}",
	"aws_sns_topic":                     "arn:aws:sns:{region}:{account}:{name}",
	"aws_ssm_parameter":                 "arn:aws:ssm:{region}:{account}:parameter/{name}",
}

// ids are forms of ids, where they are not the ARN (those in arnIDs) nor a short word and a hash.
var ids = map[string]string{
	"aws_appautoscaling_target":  "{name}",
	"aws_cloudwatch_log_group":   "{name}",
	"aws_db_instance":            "db-{h}",
	"aws_db_subnet_group":        "{name}",
	"aws_eip":                    "eipalloc-{h}",
	"aws_iam_role":               "{name}",
	"aws_iam_role_policy":        "{role}:{name}",
	"aws_internet_gateway":       "igw-{h}",
	"aws_kms_key":                "{uuid}",
	"aws_nat_gateway":            "nat-{h}",
	"aws_route_table":            "rtb-{h}",
	"aws_security_group":         "sg-{h}",
	"aws_ssm_parameter":          "{name}",
	"aws_vpc_endpoint":           "vpce-{h}",
	"aws_elasticache_user":       "{name}",
	"aws_elasticache_user_group": "{name}",
}

var arnIDs = []string{
	"aws_acm_certificate", "aws_alb", "aws_alb_listener", "aws_alb_target_group", "aws_ecs_cluster", "aws_ecs_service", "aws_iam_policy",
	"aws_lb", "aws_lb_listener", "aws_lb_target_group", "aws_secretsmanager_secret", "aws_sns_topic",
}

// uniqueSuffix is how many characters the real provider puts behind a name_prefix: the time and a counter.
const uniqueSuffix = 26

// maker returns what makes computed attributes up. The same configuration gets the same values in each run.
func (p *provider) maker(typ string, config map[string]any) func(name string, t tftypes.Type) any {
	p.mu.Lock()
	region := p.region
	p.mu.Unlock()
	seed, _ := json.Marshal(config) // what does not marshal, an open type, makes no difference to whoever reads the values
	sum := sha256.Sum256(append([]byte(typ+"/"), seed...))
	hash := hex.EncodeToString(sum[:])
	digits := fmt.Sprintf("%020d%06d", uint64(sum[0])<<24|uint64(sum[1])<<16|uint64(sum[2])<<8|uint64(sum[3]), uint32(sum[4])<<8|uint32(sum[5]))

	named := ""
	for _, key := range []string{"name", "family", "identifier", "replication_group_id", "alarm_name", "user_id", "user_group_id", "resource_id"} {
		if named = text(config, key); named != "" {
			break
		}
	}
	if prefix := text(config, "name_prefix"); named == "" && prefix != "" {
		named = prefix + digits[:uniqueSuffix]
	}
	if named == "" {
		named = strings.TrimPrefix(typ, "aws_") + "-" + hash[:8]
	}
	fill := strings.NewReplacer(
		"{name}", strings.TrimPrefix(named, "/"), "{region}", region, "{account}", account, "{h}", hash[:16], "{six}", hash[:6],
		"{uuid}", strings.Join([]string{hash[:8], hash[8:12], hash[12:16], hash[16:20], hash[20:32]}, "-"),
		"{r}", fmt.Sprint(int(sum[6])+1), "{role}", text(config, "role"),
		"{id}", "sg-"+hash[:16],
	)
	service, rest, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(typ, "data_"), "aws_"), "_")
	arn := arns[typ]
	if arn == "" {
		arn = "arn:aws:" + service + ":{region}:{account}:" + strings.TrimSuffix(rest+"/{name}", "/")
	}
	arn = fill.Replace(arn)
	id := strings.ReplaceAll(strings.TrimPrefix(typ, "aws_"), "_", "-") + "-" + hash[:16]
	switch {
	case slices.Contains(arnIDs, typ):
		id = arn
	case typ == "aws_ssm_parameter":
		id = named // with its slash
	case ids[typ] != "":
		id = fill.Replace(ids[typ])
	}
	host := service + "-" + hash[:8] + "." + region + ".amazonaws.example"

	var makeUp func(name string, t tftypes.Type) any
	makeUp = func(name string, t tftypes.Type) any {
		inner, many := element(t)
		switch {
		case t.Is(tftypes.String):
			switch {
			case name == "id":
				return id
			case name == "arn", name == "certificate_arn", name == "secret_arn":
				return arn
			case name == "arn_without_revision":
				return arn[:strings.LastIndex(arn, ":")]
			case name == "arn_suffix":
				return arn[strings.LastIndex(arn, ":")+1:]
			case name == "name", name == "bucket":
				return named
			case name == "fqdn":
				return named
			case name == "region":
				return region
			case name == "endpoint" && typ == "aws_db_instance":
				return host + ":5432"
			case name == "dns_name", strings.HasSuffix(name, "endpoint"), strings.HasSuffix(name, "address"), strings.HasSuffix(name, "domain_name"):
				return host
			case strings.HasSuffix(name, "_ip"):
				return "192.0.2.10"
			case name == "account_id", name == "owner_id", name == "registry_id":
				return account
			case name == "cidr_block":
				return "10.0.0.0/16"
			case name == "zone_id":
				return "Z" + strings.ToUpper(hash[:12])
			}
			return name + "-" + hash[:16]
		case t.Is(tftypes.Number):
			if name == "port" {
				return map[bool]int{true: 5432, false: 6379}[typ == "aws_db_instance"]
			}
			return 1
		case t.Is(tftypes.Bool):
			return false
		case many && name == "domain_validation_options":
			domain := text(config, "domain_name")
			return []any{map[string]any{
				"domain_name": domain, "resource_record_name": "_" + hash[:8] + "." + domain + ".",
				"resource_record_type": "CNAME", "resource_record_value": "_" + hash[8:16] + ".acm-validations.aws.",
			}}
		case many && inner.Is(tftypes.String) && (name == "ids" || strings.HasSuffix(name, "_ids")):
			return []any{name + "-" + hash[:16] + "a", name + "-" + hash[:16] + "b"}
		case many && (strings.HasSuffix(name, "endpoint") || name == "master_user_secret"):
			one := map[string]any{}
			if o, ok := inner.(tftypes.Object); ok {
				for k, ft := range o.AttributeTypes {
					one[k] = makeUp(k, ft)
				}
			}
			return []any{one}
		case many:
			return []any{}
		case t.Is(tftypes.Map{}):
			return map[string]any{}
		}
		return nil
	}
	return makeUp
}
