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

// What sizing.md calculates with stands in performance.md: where that has been measured anew, this page has to be written anew.
func TestFigures(t *testing.T) {
	t.Parallel()
	root, err := product.Root()
	must(t, err)
	measured, page := string(read(t, filepath.Join(root, "docs/performance.md"))), documents(t)["sizing.md"]
	for _, f := range []struct{ says, measured string }{
		{"107 MB with 100,000 people", "**Memory: 107 MB** with 100,000 people"},
		{"72 MB after a full listing of 1,000 people", "| 1000 | 62 MB | 72 MB |"},
		{"107 MB of 100,000", "| 100000 | 63 MB | 107 MB |"},
		{"99 % within 7 ms, 56 MB at most", "| 15000 | 0 | 3.0 | 6.4 | 82 | 56 MB |"},
		{"| create a person | 0.34 |", "| create | 1000 | 1856 | 4.02 | 9.24 | 0.803 | 0.339 |"},
		{"| one person active or not, one member more or less | 0.25 |", "| PATCH active | 100000 | 2168 | 3.43 | 9.23 | 0.648 | 0.251 |"},
		{"| a page of 100 people | 1.0 |", "| page of 100, first | 1000 | 724 | 10.91 | 21.10 | 2.067 | 1.004 |"},
		{"1.6 to 2.5 s of CPU, the ones after it 0.4 s", "| copies in memory and Redis | 1 | 10122 | 99.2 % | 3.3 | 2.50 s | 1.95 s |"},
		{"1,238 requests a second on 0.25 CPU", "| one | 1238 | 0.26 | 0.28 |"},
		{"1,133 a second", "confirmed per second | 1133 |"},
	} {
		if !strings.Contains(page, f.says) || !strings.Contains(measured, f.measured) {
			t.Errorf("sizing.md: %q; performance.md: %q: not both are there", f.says, f.measured)
		}
	}
}
