// Package account checks deploy/aws-account-terraform without AWS: what Terraform would make of it, and that the program
// starts with what the task gives it.
package account_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/test/deploy/taskdef"
	"github.com/scimbridge/scimbridge/test/deploy/terraformtest"
	"github.com/scimbridge/scimbridge/test/program"
)

const (
	root   = "../../.."
	folder = root + "/deploy/aws-account-terraform"
	domain = "domain_name=account.example.com"
	task   = "aws_ecs_task_definition.this"

	key         = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
	secret      = "arn:aws:secretsmanager:us-east-1:123456789012:secret:"
	otherRights = "tasks are started with other rights: "

	authority = "-----BEGIN CERTIFICATE-----\nnot a real one\n-----END CERTIFICATE-----\n"
)

func TestMain(m *testing.M) { terraformtest.Main(tests{m}) }

// tests run with the product's own binary too.
type tests struct{ *testing.M }

func (t tests) Run() int { return program.Main(t.M) }

// configuration is a copy with the file of certificates that the README has its reader fetch.
func configuration(t *testing.T) *terraformtest.Dir {
	t.Helper()
	d := terraformtest.Copy(t, folder)
	d.Write(t, "rds-ca.pem", authority)
	return d
}

func read(t *testing.T, path string) string {
	t.Helper()
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestFormat(t *testing.T) {
	t.Parallel()
	d := configuration(t)
	d.MustRun(t, "fmt", "-check", "-recursive")
	d.MustRun(t, "validate")
	d.Replace(t, "main.tf", "  image = \"ghcr", "  image   = \"ghcr")
	if _, err := d.Run(t, "fmt", "-check"); err == nil {
		t.Error("fmt finds nothing wrong with what it would write otherwise")
	}
}

// look returns what is wrong with what an apply has made.
func look(t *testing.T, d *terraformtest.Dir, s *terraformtest.State) []string {
	t.Helper()
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	def, err := taskdef.Parse(s.One(t, task).Values)
	if err != nil {
		return []string{err.Error()}
	}
	out = append(out, def.Complaints()...)
	out = append(out, lookService(t, s, def)...)
	// Session Manager's agent wants what the others have not; the task runs while somebody waits for it, and nobody reaches it.
	tunnel, err := taskdef.Parse(s.One(t, "aws_ecs_task_definition.tunnel").Values)
	if err != nil {
		return []string{err.Error()}
	}
	known := []string{"tunnel: its root file system can be written to", `tunnel: it runs as ""`, "tunnel: it has capabilities", "tunnel: nobody asks for its health"}
	if said := tunnel.Complaints(); !slices.Equal(said, known) {
		say("of the tunnel: %q", said)
	}
	for _, edge := range edges(s) {
		if !slices.Contains(allowed, edge) {
			say("open: %s", edge)
		}
	}
	for _, edge := range allowed {
		if !slices.Contains(edges(s), edge) {
			say("closed: %s", edge)
		}
	}
	db := s.One(t, "aws_db_instance.this")
	for name, want := range map[string]any{
		"publicly_accessible": false, "storage_encrypted": true, "skip_final_snapshot": false, "delete_automated_backups": false, "copy_tags_to_snapshot": true,
	} {
		if db.Values[name] != want {
			say("the database has %s = %v", name, db.Values[name])
		}
	}
	if parameters := fmt.Sprint(s.One(t, "aws_db_parameter_group.this").Values["parameter"]); !strings.Contains(parameters, "name:rds.force_ssl value:1") {
		say("the database takes connections without TLS: %s", parameters)
	}
	var passwords []string
	for _, w := range d.Written(t) {
		for _, name := range []string{"secret_string_wo", "password_wo"} {
			if p, ok := w.Values[name].(string); ok {
				passwords = append(passwords, p)
			}
		}
	}
	if len(passwords) < 2 || passwords[len(passwords)-1] != passwords[len(passwords)-2] {
		say("the database's password is not the secret's")
	}
	for _, p := range passwords {
		if strings.Contains(string(s.Raw), p) {
			say("the state holds the password")
		}
	}
	slices.Sort(out)
	return out
}

// lookService looks at the way from the load balancer to the program.
func lookService(t *testing.T, s *terraformtest.State, def taskdef.Definition) []string {
	t.Helper()
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	c, ok := def.Container("account")
	if !ok {
		return []string{"no container account"}
	}
	version := regexp.MustCompile(`(?m)^## (\d+\.\d+\.\d+)`).FindStringSubmatch(read(t, root+"/CHANGELOG.md"))[1]
	if *c.Image != "ghcr.io/scimbridge/scimbridge:v"+version {
		say("the image is %s", *c.Image)
	}
	_, section, _ := strings.Cut(read(t, root+"/docs/configuration.md"), "\n## scimbridge account serve\n")
	section, _, _ = strings.Cut(section, "\n## ")
	environment := map[string]string{}
	for _, e := range c.Environment {
		environment[*e.Name] = *e.Value
		if strings.HasPrefix(*e.Name, "OP_") && !strings.Contains(section, "`"+*e.Name+"`") {
			say("%s is no setting of account serve", *e.Name)
		}
	}
	password := s.One(t, "aws_secretsmanager_secret.database").Text("arn")
	if len(c.Secrets) != 1 || *c.Secrets[0].Name != "PGPASSWORD" || *c.Secrets[0].ValueFrom != password {
		say("the program gets no password")
	}
	port := strings.TrimPrefix(environment["OP_ACCOUNT_LISTEN"], ":")
	group := s.One(t, "aws_lb_target_group.this")
	if got := fmt.Sprint(group.Values["port"]); got != port || fmt.Sprint(*c.PortMappings[0].ContainerPort) != port || !strings.HasSuffix(c.HealthCheck.Command[3], ":"+port) {
		say("the program listens on %s, the load balancer asks %s, ECS maps %d and asks %s", port, got, *c.PortMappings[0].ContainerPort, c.HealthCheck.Command[3])
	}
	if check := fmt.Sprint(group.Values["health_check"]); !strings.Contains(check, "matcher:200 ") || !strings.Contains(check, "path:/ready ") {
		say("the load balancer asks otherwise: %s", check)
	}
	if s.One(t, "aws_ecs_service.this").Text("task_definition") != s.One(t, task).Text("arn") {
		say("the service runs another definition")
	}
	if p := s.One(t, "aws_lb_listener.https").Text("ssl_policy"); !strings.HasPrefix(p, "ELBSecurityPolicy-TLS13-1-") {
		say("the load balancer speaks %s", p)
	}
	if s.One(t, "aws_lb.this").Values["drop_invalid_header_fields"] != true {
		say("the load balancer lets invalid headers through")
	}
	if action := fmt.Sprint(s.One(t, "aws_lb_listener.http").Values["default_action"]); !strings.Contains(action, "protocol:HTTPS") || !strings.Contains(action, "status_code:HTTP_301") {
		say("port 80 does not lead to HTTPS: %s", action)
	}
	logs := s.One(t, "aws_cloudwatch_log_group.this").Text("arn") + ":*"
	want := `{"Statement":[{"Action":["secretsmanager:GetSecretValue"],"Effect":"Allow","Resource":["` + password + `"]},{"Action":["logs:CreateLogStream","logs:PutLogEvents"],"Effect":"Allow","Resource":["` + logs + `"]}],"Version":"2012-10-17"}`
	if got := s.One(t, "aws_iam_role_policy.execution").Text("policy"); got != want {
		say(otherRights+"%s", got)
	}
	for _, p := range s.Of("aws_iam_role_policy") {
		if p.Text("role") == s.One(t, "aws_iam_role.task").Text("id") {
			say("the service has rights: %s", p.Text("policy"))
		}
	}
	for _, r := range s.Of("aws_iam_role") {
		if trust := r.Text("assume_role_policy"); !strings.Contains(trust, `"aws:SourceAccount"`) || strings.Contains(trust, `"*"`) {
			say("others may be %s: %s", r.Name, trust)
		}
	}
	return out
}

// allowed is who may speak to whom.
var allowed = []string{
	"0.0.0.0/0 to load_balancer: tcp 443", "0.0.0.0/0 to load_balancer: tcp 80", "database from service: tcp 5432", "database from tunnel: tcp 5432",
	"load_balancer out to service: tcp 3003", "service from load_balancer: tcp 3003", "service out to 0.0.0.0/0: tcp 443", "service out to 0.0.0.0/0: tcp 53",
	"service out to 0.0.0.0/0: udp 53", "service out to database: tcp 5432", "tunnel out to 0.0.0.0/0: tcp 443", "tunnel out to 0.0.0.0/0: tcp 53",
	"tunnel out to 0.0.0.0/0: udp 53", "tunnel out to database: tcp 5432",
}

// edges are the rules of all security groups.
func edges(s *terraformtest.State) []string {
	names := map[string]string{}
	for _, g := range s.Of("aws_security_group") {
		names[g.Text("id")] = g.Name
	}
	name := func(id string) string {
		if n, ok := names[id]; ok {
			return n
		}
		return id
	}
	var out []string
	for _, r := range append(s.Of("aws_vpc_security_group_ingress_rule"), s.Of("aws_vpc_security_group_egress_rule")...) {
		port := fmt.Sprint(r.Values["from_port"])
		if to := fmt.Sprint(r.Values["to_port"]); to != port {
			port += "-" + to
		}
		port = r.Text("ip_protocol") + " " + port
		group, other := name(r.Text("security_group_id")), name(r.Text("referenced_security_group_id"))
		cidr := r.Text("cidr_ipv4") + r.Text("cidr_ipv6") + r.Text("prefix_list_id")
		switch {
		case strings.HasSuffix(r.Type, "egress_rule"):
			out = append(out, fmt.Sprintf("%s out to %s%s: %s", group, other, cidr, port))
		case cidr != "":
			out = append(out, fmt.Sprintf("%s to %s: %s", cidr, group, port))
		default:
			out = append(out, fmt.Sprintf("%s from %s: %s", group, other, port))
		}
	}
	slices.Sort(out)
	return out
}

// What is asked for comes out, and everything else stays as it should be.
func TestApply(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		variables []string
		want      map[string]string // of resource.attribute; "absent" where there is no such resource
		besides   []string          // what look says where something is wanted that it does not know
	}{
		{"defaults", nil, map[string]string{
			"aws_db_instance.this.multi_az": "false", "aws_db_instance.this.deletion_protection": "true", "aws_db_instance.this.backup_retention_period": "14",
			"aws_db_instance.this.identifier": "op-scim-account", "aws_db_instance.this.max_allocated_storage": "200", "aws_lb.this.enable_deletion_protection": "true",
			"aws_ecs_service.this.desired_count": "1", "aws_route53_record.this[0].zone_id": "Z0EXAMPLECOM", "aws_lb.this.name": "op-scim-account-alb",
			"aws_db_subnet_group.this.subnet_ids": "[subnet-0default-a subnet-0default-b subnet-0default-c]", "aws_cloudwatch_metric_alarm.this[\"errors\"].id": "absent",
		}, nil},
		{"for an account that others rely on", []string{"replicas=3", "multi_az=true", "backup_retention_days=35", "log_retention_days=400", `alarm_topic_arns=["arn:aws:sns:us-east-1:1:a"]`}, map[string]string{
			"aws_db_instance.this.multi_az": "true", "aws_db_instance.this.backup_retention_period": "35", "aws_ecs_service.this.desired_count": "3", "aws_cloudwatch_log_group.this.retention_in_days": "400",
			"aws_cloudwatch_metric_alarm.this[\"no-healthy-target\"].alarm_actions": "[arn:aws:sns:us-east-1:1:a]", "aws_cloudwatch_metric_alarm.this[\"database-storage\"].threshold": "2.147483648e+09",
		}, nil},
		{"private subnets of a named VPC", []string{"vpc_name=main", "private_subnets=true", "name_prefix=acme"}, map[string]string{
			"aws_lb.this.subnets": "[subnet-0main-public-a subnet-0main-public-b]", "aws_db_subnet_group.this.subnet_ids": "[subnet-0main-private-a subnet-0main-private-b]",
			"aws_db_instance.this.identifier": "acme", "aws_lb.this.name": "acme-alb",
		}, nil},
		{"a VPC without tags", []string{"vpc_name=plain"}, map[string]string{"aws_lb.this.subnets": "[subnet-0plain-a subnet-0plain-b]"}, nil},
		{"another DNS provider", []string{"using_route53=false", "domain_name=account.example.net"}, map[string]string{"aws_route53_record.this[0].id": "absent", "aws_acm_certificate.this[0].domain_name": "account.example.net"}, nil},
		{"a wildcard certificate", []string{"wildcard_cert=true"}, map[string]string{"aws_acm_certificate.this[0].id": "absent", "aws_lb_listener.https.certificate_arn": "arn:aws:acm:us-east-1:123456789012:certificate/example-com"}, nil},
		{"another region", []string{"aws_region=eu-central-1"}, map[string]string{"aws_db_instance.this.region": "eu-central-1"}, nil},
		{"settings, mail and few who may come", []string{`environment={OP_JSON_LOGS="1", OP_SMTP_HOST="mail.example.com"}`, "egress_ports=[443,587]", `allowed_cidrs=["203.0.113.0/24"]`}, nil, []string{
			"closed: 0.0.0.0/0 to load_balancer: tcp 443", "closed: 0.0.0.0/0 to load_balancer: tcp 80", "open: 203.0.113.0/24 to load_balancer: tcp 443", "open: 203.0.113.0/24 to load_balancer: tcp 80",
			"open: service out to 0.0.0.0/0: tcp 587",
		}},
		{"administrators by VPN", []string{`database_client_security_group_ids=["sg-0vpn"]`}, nil, []string{"open: database from sg-0vpn: tcp 5432"}},
		{"a key of one's own", []string{"kms_key_arn=" + key}, map[string]string{"aws_db_instance.this.kms_key_id": key, "aws_secretsmanager_secret.database.kms_key_id": key}, []string{otherRights}},
		{"secrets that are files", []string{"smtp_password_secret_arn=" + secret + "smtp-AbCdEf", "metrics_token_secret_arn=" + secret + "metrics-AbCdEf"}, nil, []string{otherRights}},
		{"a setting that is none", []string{`environment={OP_JSON_LOG="1"}`}, nil, []string{"OP_JSON_LOG is no setting of account serve"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := configuration(t)
			variables := tt.variables
			if !slices.ContainsFunc(variables, func(v string) bool { return strings.HasPrefix(v, "domain_name=") }) {
				variables = append([]string{domain}, variables...)
			}
			s := d.Apply(t, variables...)
			for what, want := range tt.want {
				i := strings.LastIndex(what, ".")
				got := "absent"
				for _, r := range s.Resources {
					if r.Address == what[:i] {
						got = fmt.Sprint(r.Values[what[i+1:]])
					}
				}
				if got != want {
					t.Errorf("%s is %s, want %s", what, got, want)
				}
			}
			said := look(t, d, s)
			if strings.HasPrefix(tt.name, "a key") && !strings.Contains(strings.Join(said, ""), `{"Action":["kms:Decrypt"],"Effect":"Allow","Resource":["`+key+`"]}`) {
				t.Errorf("tasks cannot use the key: %q", said)
			}
			if tt.name == "secrets that are files" {
				lookSecretFiles(t, s, said)
			}
			said = shortened(said, tt.besides)
			if diff := cmp.Diff(tt.besides, said); diff != "" {
				t.Errorf("complaints (-want +got):\n%s", diff)
			}
			if tt.name == "defaults" {
				if out := d.MustRun(t, "plan", "-input=false", "-var", domain); !strings.Contains(out, "No changes.") {
					t.Errorf("a second plan wants changes:\n%s", out)
				}
			}
		})
	}
}

// lookSecretFiles sees that secrets reach the service as files, and ECS may read them.
func lookSecretFiles(t *testing.T, s *terraformtest.State, said []string) {
	t.Helper()
	def, err := taskdef.Parse(s.One(t, task).Values)
	if err != nil {
		t.Fatal(err)
	}
	files, _ := def.Container("files")
	var got []string
	for _, f := range files.Secrets {
		got = append(got, *f.Name+" "+*f.ValueFrom)
	}
	service, _ := def.Container("account")
	for _, e := range service.Environment {
		if strings.HasSuffix(*e.Name, "_FILE") {
			got = append(got, *e.Name+" "+*e.Value)
		}
	}
	got = append(got, files.Command...)
	want := []string{
		"METRICS_TOKEN " + secret + "metrics-AbCdEf", "SMTP_PASSWORD " + secret + "smtp-AbCdEf",
		"OP_ACCOUNT_METRICS_TOKEN_FILE /run/files/metrics-token", "OP_SMTP_PASSWORD_FILE /run/files/smtp-password",
		`umask 077 && printf %s "$CERTIFICATES" > /data/rds-ca.pem && printf %s "$METRICS_TOKEN" > /data/metrics-token && printf %s "$SMTP_PASSWORD" > /data/smtp-password`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("secrets and files (-want +got):\n%s", diff)
	}
	if rights := strings.Join(said, ""); !strings.Contains(rights, secret+"metrics-AbCdEf") || !strings.Contains(rights, secret+"smtp-AbCdEf") {
		t.Errorf("ECS may not read them: %s", rights)
	}
}

// shortened cuts complaints off where those that are expected end with a space.
func shortened(got, want []string) []string {
	for i := range got {
		for _, w := range want {
			if strings.HasSuffix(w, " ") && strings.HasPrefix(got[i], w) {
				got[i] = w
			}
		}
	}
	return slices.Compact(got)
}

// One thing is broken, and exactly that is said.
func TestMutations(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, file, old, new, want string }{
		{"key", "main.tf", "stopTimeout            = 30", "restart                = \"always\"", `container definitions: json: unknown field "restart"`},
		{"root", "main.tf", `"999:999"`, `"0:0"`, `account: it runs as "0:0"`},
		{"files", "main.tf", `condition = "SUCCESS"`, `condition = "HEALTHY"`, `account: it waits for the health of "files", which has no check`},
		{"volume", "main.tf", "  volume {\n    name = \"files\"", "  volume {\n    name = \"other\"", "account: it mounts \"files\", which is no volume\nfiles: it mounts \"files\", which is no volume"},
		{"image", "main.tf", "scimbridge:v", "scimbridge:v0.0.", "the image is ghcr.io/scimbridge/scimbridge:v0.0.0.1.0"},
		{"port", "load_balancer.tf", "  port                 = local.port", "  port                 = 3002", "the program listens on 3003, the load balancer asks 3002, ECS maps 3003 and asks http://127.0.0.1:3003"},
		{"policy", "variables.tf", `default     = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"`, `default     = "ELBSecurityPolicy-2016-08"`, "ssl_policy has to be one of those with TLS 1.2 as the least"},
		{"headers", "load_balancer.tf", "drop_invalid_header_fields = true", "drop_invalid_header_fields = false", "the load balancer lets invalid headers through"},
		{"open database", "network.tf", "  referenced_security_group_id = each.value\n", "  cidr_ipv4 = \"0.0.0.0/0\"\n", "closed: database from service: tcp 5432\nclosed: database from tunnel: tcp 5432\nopen: 0.0.0.0/0 to database: tcp 5432"},
		{"no DNS", "network.tf", "dns-udp = { port = 53, protocol = \"udp\" }, ", "", "closed: service out to 0.0.0.0/0: udp 53\nclosed: tunnel out to 0.0.0.0/0: udp 53"},
		{"public database", "database.tf", "= false\n  ca_cert", "= true\n  ca_cert", "the database has publicly_accessible = true"},
		{"no last snapshot", "database.tf", "= false\n  final_snapshot", "= true\n  final_snapshot", "the database has skip_final_snapshot = true"},
		{"without TLS", "database.tf", "value = \"1\"", "value = \"0\"", "the database takes connections without TLS: [map[apply_method:<nil> name:rds.force_ssl value:0]]"},
		{"password in the state", "database.tf", "  password_wo                = ephemeral.aws_secretsmanager_secret_version.database.secret_string\n  password_wo_version        = var.database_password_version\n", "  password = ephemeral.aws_secretsmanager_secret_version.database.secret_string\n", "Invalid use of ephemeral value"},
		{"another password", "database.tf", "= ephemeral.aws_secretsmanager_secret_version.database.secret_string", "= \"other\"", "the database's password is not the secret's"},
		{"password in the open", "main.tf", "secrets                = [{ name = \"PGPASSWORD\", valueFrom = aws_secretsmanager_secret.database.arn }]", "secrets                = []", "the program gets no password"},
		{"rights", "roles.tf", "    resources = concat([aws_secretsmanager_secret.database.arn], [for f in local.secret_files : f.arn])", "    resources = [\"*\"]", otherRights},
		{"rights of the service", "roles.tf", "  role        = aws_iam_role.tunnel.id", "  role        = aws_iam_role.task.id", "the service has rights: "},
		{"trust", "roles.tf", "aws:SourceAccount", "aws:SourceArn", "others may be "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := configuration(t)
			d.Replace(t, tt.file, tt.old, tt.new)
			out, err := d.Run(t, "apply", "-auto-approve", "-input=false", "-var", domain)
			if err != nil {
				if !strings.Contains(strings.Join(strings.Fields(strings.ReplaceAll(out, "│", "")), " "), tt.want) {
					t.Errorf("apply: %s", out)
				}
				return
			}
			got := look(t, d, d.State(t))
			got = shortened(got, strings.Split(tt.want, "\n"))
			if diff := cmp.Diff(strings.Split(tt.want, "\n"), got); diff != "" {
				t.Errorf("complaints (-want +got):\n%s", diff)
			}
		})
	}
}

// A wrong variable is told, with what is right.
func TestWrongVariables(t *testing.T) {
	t.Parallel()
	tests := []struct{ variable, want string }{
		{"domain_name=https://account.example.com/", "without https:// and path"},
		{"name_prefix=Acme", "begins with a letter"},
		{"name_prefix=a--b", "single hyphens"},
		{"name_prefix=acme-", "does not end with a hyphen"},
		{"name_prefix=a-name-that-is-longer-than-28x", "28 lower-case letters"},
		{"name_prefix=internal-x", "must not begin with internal-"},
		{"log_retention_days=8", "CloudWatch knows 0 (for ever)"},
		{`allowed_cidrs=["203.0.113.1"]`, "IPv4 ranges such as 203.0.113.0/24"},
		{"smtp_password_secret_arn=smtp", "the whole ARN of one secret"},
		{"metrics_token_secret_arn=" + secret + "*", "the whole ARN of one secret"},
		{"egress_ports=[587]", "has to contain 443"},
		{"ssl_policy=ELBSecurityPolicy-2016-08", "TLS 1.2 as the least"},
		{"kms_key_arn=alias/x", "a key's ARN, not an alias"},
		{"cpu_architecture=arm", "ARM64 or X86_64"},
		{"task_memory=513", "256 goes with 512, 1024 or 2048"},
		{"task_cpu=300", "Fargate has no task with this task_cpu and task_memory"},
		{"replicas=1.5", "a whole number"},
		{`environment={OP_DATABASE_URL="x"}`, "this module sets them"},
		{"database_engine_version=17.2", "a major version, 13 or newer"},
		{"database_engine_version=12", "a major version, 13 or newer"},
		{"database_storage_gb=5", "20 or more"},
		{"backup_retention_days=0", "An account without a backup cannot be mended"},
		{"vpc_name=nowhere", "no matching EC2 VPC found"},
		{"vpc_name=single", "wants subnets in two availability zones"},
		{"private_subnets=true", "Tag them SubnetTier = private"},
		{"domain_name=account.example.net", "No public hosted zone of Route 53 in this AWS account holds account.example.net"},
		{"database_ca_file=other.pem", "other.pem is missing: curl -fsSo other.pem https://truststore.pki.rds.amazonaws.com/us-east-1/us-east-1-bundle.pem"},
	}
	for _, tt := range tests {
		t.Run(tt.variable, func(t *testing.T) {
			t.Parallel()
			d := configuration(t)
			variables := map[string]string{"domain_name": "account.example.com"}
			name, value, _ := strings.Cut(tt.variable, "=")
			variables[name] = value
			args := []string{"plan", "-input=false"}
			for _, name := range slices.Sorted(maps.Keys(variables)) {
				args = append(args, "-var", name+"="+variables[name])
			}
			out, err := d.Run(t, args...)
			if said := strings.Join(strings.Fields(strings.ReplaceAll(out, "│", "")), " "); err == nil || !strings.Contains(said, tt.want) {
				t.Errorf("plan: %v, want %q:\n%s", err, tt.want, out)
			}
		})
	}
	t.Run("too large a bundle", func(t *testing.T) {
		t.Parallel()
		d := configuration(t)
		d.Write(t, "rds-ca.pem", strings.Repeat(authority, 1000))
		out, err := d.Run(t, "plan", "-input=false", "-var", domain)
		if err == nil || !strings.Contains(out, "too large for a task definition") {
			t.Errorf("plan: %v\n%s", err, out)
		}
	})
}

// A new password reaches secret, database and tasks in one apply; one that broke off between them goes on with the same.
func TestPassword(t *testing.T) {
	t.Parallel()
	d := configuration(t)
	d.MustRun(t, "apply", "-auto-approve", "-input=false", "-var", domain, "-target=aws_secretsmanager_secret_version.database")
	if n := len(d.Written(t)); n != 1 {
		t.Fatalf("%d secrets were written, want 1", n)
	}
	first := d.Apply(t, domain)
	if got := look(t, d, first); len(got) > 0 {
		t.Errorf("after an apply that broke off: %q", got)
	}
	second := d.Apply(t, domain, "database_password_version=2")
	if got := look(t, d, second); len(got) > 0 {
		t.Errorf("after a new password: %q", got)
	}
	w := d.Written(t)
	if len(w) != 4 || w[0].Values["secret_string_wo"] == w[3].Values["password_wo"] {
		t.Errorf("%d secrets were written in all, want 4, and the last to be new", len(w))
	}
	if first.One(t, "aws_ecs_service.this").Text("task_definition") == second.One(t, "aws_ecs_service.this").Text("task_definition") {
		t.Error("tasks go on with the old password")
	}
}

// The template is accepted as it is.
func TestTemplate(t *testing.T) {
	t.Parallel()
	d := configuration(t)
	d.Write(t, "terraform.tfvars", read(t, filepath.Join(folder, "terraform.tfvars.template")))
	d.MustRun(t, "plan", "-input=false", "-out=account.plan")
	d.MustRun(t, "apply", "-input=false", "account.plan")
	if got := look(t, d, d.State(t)); len(got) > 0 {
		t.Errorf("complaints: %q", got)
	}
}
