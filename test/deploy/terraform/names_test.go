package terraform_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	cloudwatch "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/scimbridge/scimbridge/test/deploy/terraformtest"
)

// limit is what AWS takes as a name. The real provider checks some of it in the plan; the stand-in checks nothing.
type limit struct {
	field string
	most  int
	form  *regexp.Regexp
}

var (
	hyphenated = regexp.MustCompile(`^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$`)
	wordlike   = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	limits     = map[string]limit{
		"aws_lb":                            {"name", 32, hyphenated},
		"aws_lb_target_group":               {"name", 32, hyphenated},
		"aws_iam_role":                      {"name", 64, wordlike},
		"aws_iam_role_policy":               {"name", 128, wordlike},
		"aws_ecs_cluster":                   {"name", 255, wordlike},
		"aws_ecs_service":                   {"name", 255, wordlike},
		"aws_ecs_task_definition":           {"family", 255, wordlike},
		"aws_elasticache_replication_group": {"replication_group_id", 40, regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)},
		"aws_elasticache_subnet_group":      {"name", 255, regexp.MustCompile(`^[a-z0-9-]+$`)},
		"aws_secretsmanager_secret":         {"name", 512, regexp.MustCompile(`^[A-Za-z0-9/_+=.@-]+$`)},
		"aws_cloudwatch_log_group":          {"name", 512, regexp.MustCompile(`^[A-Za-z0-9/_.#-]+$`)},
		"aws_security_group":                {"name", 255, wordlike},
		"aws_sns_topic":                     {"name", 256, wordlike},
		"aws_wafv2_web_acl":                 {"name", 128, wordlike},
		"aws_wafv2_ip_set":                  {"name", 128, wordlike},
		"aws_cloudwatch_metric_alarm":       {"alarm_name", 255, wordlike},
		"aws_cloudwatch_log_metric_filter":  {"name", 512, wordlike},
		"aws_appautoscaling_policy":         {"name", 256, wordlike},
	}
	// Of rules and groups AWS takes no other characters, neither a dash nor an apostrophe.
	described = regexp.MustCompile(`^[A-Za-z0-9. _:/()#,@\[\]+=&;{}!$*-]{1,255}$`)
)

// Names fit where the prefix is as long as it may be, and values are among those that AWS's SDK knows.
func TestNames(t *testing.T) {
	t.Parallel()
	for _, variant := range []string{"defaults", "everything"} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			for _, c := range judgeNames(t, apply(t, deployment(t), variant)) {
				t.Error(c)
			}
		})
	}
	judged(t, []mutation{
		{name: "load balancer", file: "balancer.tf", old: `"${local.name}-alb"`, new: `"${local.name}-load-balancer"`, variant: "everything", want: "aws_lb.op_scim_bridge: name"},
		{name: "cache", file: "cache.tf", old: `"scim-${lower(local.name)}" # it`, new: `"1-${lower(local.name)}" # it`, variant: "elasticache", want: "aws_elasticache_replication_group.this[0]: replication_group_id"},
		{name: "description", file: "network.tf", old: `"Redirected to HTTPS"`, new: `"Redirected → HTTPS"`, want: `aws_vpc_security_group_ingress_rule.load_balancer["80 0.0.0.0/0"]: AWS does not take the description`},
		{name: "statistic", file: "alarms.tf", old: `statistic           = "Sum"`, new: `statistic           = "Total"`, variant: "everything", want: `"Total"`},
		{name: "target type", file: "balancer.tf", old: `protocol             = "HTTP"`, new: `protocol             = "http"`, want: `"http"`},
		{name: "tags", file: "versions.tf", old: `merge({ application = "SCIM bridge" }, var.tags)`, new: `{ application = "SCIM bridge" }`, variant: "everything", want: "lack the tag team"},
	}, judgeNames)
}

func judgeNames(t *testing.T, s *terraformtest.State) []string {
	t.Helper()
	var complaints, untagged []string
	complain := func(format string, args ...any) { complaints = append(complaints, fmt.Sprintf(format, args...)) }
	wanted := len(s.Of("aws_sns_topic")) > 0 // only "everything" has both
	for _, r := range s.Resources {
		if r.Mode != "managed" {
			continue
		}
		if l, ok := limits[r.Type]; ok {
			if name := r.Text(l.field); len(name) > l.most || !l.form.MatchString(name) {
				complain("%s: %s is %q, and AWS takes %d characters at most, of the form %s", r.Address, l.field, name, l.most, l.form)
			}
		} else if name := r.Text("name"); name != "" && !slices.Contains(unnamed, r.Type) {
			complain("%s: no limit is known for the name %q", r.Address, name)
		}
		if d := r.Text("description"); d != "" && strings.Contains(r.Type, "security_group") && !described.MatchString(d) {
			complain("%s: AWS does not take the description %q", r.Address, d)
		}
		if tags, ok := r.Values["tags_all"].(map[string]any); ok && wanted && tags["team"] != "identity" {
			untagged = append(untagged, r.Address)
		}
		complaints = append(complaints, judgeValues(r)...)
	}
	if len(untagged) > 0 {
		complain("%s lack the tag team", strings.Join(untagged, ", "))
	}
	return complaints
}

// unnamed are types whose name is no name of their own.
var unnamed = []string{"aws_route53_record"}

// judgeValues compares words with those of AWS's SDK.
func judgeValues(r terraformtest.Resource) []string {
	known := map[string][]string{}
	switch r.Type {
	case "aws_lb":
		known["load_balancer_type"] = words(elb.LoadBalancerTypeEnum("").Values())
	case "aws_lb_target_group":
		known["target_type"] = words(elb.TargetTypeEnum("").Values())
		known["protocol"] = words(elb.ProtocolEnum("").Values())
	case "aws_lb_listener":
		known["protocol"] = words(elb.ProtocolEnum("").Values())
	case "aws_cloudwatch_metric_alarm":
		known["statistic"] = words(cloudwatch.Statistic("").Values())
		known["comparison_operator"] = words(cloudwatch.ComparisonOperator("").Values())
		known["treat_missing_data"] = []string{"breaching", "notBreaching", "ignore", "missing"}
	}
	var complaints []string
	for field, values := range known {
		if got := r.Text(field); !slices.Contains(values, got) {
			complaints = append(complaints, fmt.Sprintf("%s: %s is %q, and AWS knows %v", r.Address, field, got, values))
		}
	}
	return complaints
}

func words[T ~string](values []T) []string {
	var out []string
	for _, v := range values {
		out = append(out, string(v))
	}
	return out
}
