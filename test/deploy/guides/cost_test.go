package guides

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/test/deploy/product"
	"github.com/scimbridge/scimbridge/test/deploy/terraformtest"
)

// cost.md says how many there are of what is paid for.
func TestQuantities(t *testing.T) {
	t.Parallel()
	root, err := product.Root()
	must(t, err)
	page := documents(t)["cost.md"]
	for _, c := range []struct {
		module, variable, typ string
		n                     int
		says                  string
	}{
		{"aws-ecsfargate-terraform", "", "aws_lb", 1, "| load balancer | 1 |"},
		{"aws-ecsfargate-terraform", "", "aws_secretsmanager_secret", 1, "| secrets | 1; one more"},
		{"aws-ecsfargate-terraform", "alarm_email=ops@example.com", "aws_cloudwatch_metric_alarm", 6, "6 alarms, and 3 metrics"},
		{"aws-ecsfargate-terraform", `private_subnet_cidrs=["172.31.240.0/24","172.31.241.0/24"]`, "aws_nat_gateway", 1, "1 NAT gateway with 1 address"},
		{"aws-ecsfargate-terraform", `private_subnet_cidrs=["172.31.240.0/24","172.31.241.0/24"]`, "aws_eip", 1, "1 NAT gateway with 1 address"},
		{"aws-ecsfargate-terraform", `waf_allowed_cidrs=["203.0.113.0/24"]`, "aws_wafv2_web_acl", 1, "1 web ACL with 1 rule"},
		{"aws-account-terraform", "", "aws_lb", 1, "| load balancer, addresses | 1; as above |"},
		{"aws-account-terraform", "", "aws_db_instance", 1, "| database | 1 × `database_instance_class`"},
		{"aws-account-terraform", "", "aws_secretsmanager_secret", 1, "| secrets | 1, for the database's password |"},
	} {
		t.Run(c.module+" "+c.typ, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(page, c.says) {
				t.Fatalf("cost.md does not say %q", c.says)
			}
			d := terraformtest.Copy(t, filepath.Join(root, "deploy", c.module))
			d.Write(t, "scimsession", `{"format":"scimbridge scimsession"}`)
			d.Write(t, "rds-ca.pem", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")
			variables := []string{"domain_name=scim.example.com"}
			if c.variable != "" {
				variables = append(variables, c.variable)
			}
			if got := len(d.Apply(t, variables...).Of(c.typ)); got != c.n {
				t.Errorf("there are %d of %s", got, c.typ)
			}
		})
	}
}
