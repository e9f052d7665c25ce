package terraform_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/test/deploy/terraformtest"
)

// edges are the ways that the security groups open, "FROM → TO PROTOCOL PORT", sorted.
func edges(t *testing.T, s *terraformtest.State) []string {
	t.Helper()
	groups := map[string]string{}
	for _, g := range s.Of("aws_security_group") {
		groups[g.Text("id")] = g.Name
		for _, inline := range []string{"ingress", "egress"} {
			if n := len(list(g.Values[inline])); n > 0 {
				t.Errorf("%s has %d rules inside: %s", g.Address, n, inline)
			}
		}
	}
	other := func(r terraformtest.Resource) string {
		for _, open := range []string{"cidr_ipv4", "cidr_ipv6", "prefix_list_id"} {
			if v := r.Text(open); v != "" && r.Values[open] != nil && strings.ContainsAny(v, "./:") {
				return v
			}
		}
		return groups[r.Text("referenced_security_group_id")]
	}
	var out []string
	for _, r := range s.Of("aws_vpc_security_group_ingress_rule") {
		out = append(out, fmt.Sprintf("%s → %s %s", other(r), groups[r.Text("security_group_id")], ports(r)))
	}
	for _, r := range s.Of("aws_vpc_security_group_egress_rule") {
		out = append(out, fmt.Sprintf("%s → %s %s", groups[r.Text("security_group_id")], other(r), ports(r)))
	}
	slices.Sort(out)
	// What a group lets out and the other lets in is one way, seen from both ends.
	return slices.Compact(out)
}

func ports(r terraformtest.Resource) string {
	if r.Values["from_port"] != r.Values["to_port"] {
		return fmt.Sprintf("%s %v-%v", r.Text("ip_protocol"), r.Values["from_port"], r.Values["to_port"])
	}
	return fmt.Sprintf("%s %v", r.Text("ip_protocol"), r.Values["from_port"])
}

var always = []string{
	"0.0.0.0/0 → load_balancer tcp 443",
	"0.0.0.0/0 → load_balancer tcp 80",
	"load_balancer → task tcp 3002",
	"task → 0.0.0.0/0 tcp 443",
	"task → 0.0.0.0/0 tcp 53",
	"task → 0.0.0.0/0 udp 53",
}

// From everywhere there are 443 and 80 of the load balancer, and nothing else is open than what is listed.
func TestEdges(t *testing.T) {
	t.Parallel()
	for variant, more := range map[string][]string{
		"defaults":    nil,
		"private":     nil,
		"elasticache": {"task → cache tcp 6379"},
		"external":    {"task → 0.0.0.0/0 tcp 6379"},
		"everything":  {"task → cache tcp 6379"},
	} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			want := append(slices.Clone(always), more...)
			slices.Sort(want)
			if diff := cmp.Diff(want, edges(t, apply(t, deployment(t), variant))); diff != "" {
				t.Error(diff)
			}
		})
	}
	judged(t, []mutation{
		{name: "ssh", file: "network.tf", old: `setproduct(["80", "443"], var.allowed_cidrs)`, new: `setproduct(["80", "443", "22"], var.allowed_cidrs)`, want: "0.0.0.0/0 → load_balancer tcp 22"},
		{name: "tasks open to all", file: "network.tf", old: "  security_group_id            = aws_security_group.task.id\n  description                  = \"The load balancer\"\n  referenced_security_group_id = aws_security_group.load_balancer.id", new: "  security_group_id = aws_security_group.task.id\n  cidr_ipv4         = \"0.0.0.0/0\"", want: "0.0.0.0/0 → task tcp 3002"},
		{name: "DNS forgotten", file: "network.tf", old: `"dns udp" = { protocol = "udp", port = 53 }, `, new: "", want: "udp 53"},
	}, func(t *testing.T, s *terraformtest.State) []string {
		got := edges(t, s)
		var out []string
		for _, e := range got {
			if !slices.Contains(always, e) {
				out = append(out, "open: "+e)
			}
		}
		for _, e := range always {
			if !slices.Contains(got, e) {
				out = append(out, "closed: "+e)
			}
		}
		return out
	})
}

// policies are AWS's TLS policies with TLS 1.2 as the least and forward secrecy only.
var policies = []string{
	"ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09", "ELBSecurityPolicy-TLS13-1-3-PQ-2025-09",
	"ELBSecurityPolicy-TLS13-1-2-Res-2021-06", "ELBSecurityPolicy-TLS13-1-3-2021-06",
}

// The load balancer speaks TLS of today on 443, sends people on 80 there, and asks tasks as the bridge answers.
func TestBalancer(t *testing.T) {
	t.Parallel()
	for variant := range variants {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			for _, c := range judgeBalancer(t, apply(t, deployment(t), variant)) {
				t.Error(c)
			}
		})
	}
	judged(t, []mutation{
		{name: "old TLS", file: "balancer.tf", old: "= var.ssl_policy", new: `= "ELBSecurityPolicy-2016-08"`, want: "the TLS policy is ELBSecurityPolicy-2016-08"},
		{name: "no redirect", file: "balancer.tf", old: "  default_action {\n    type = \"redirect\"\n    redirect {\n      port        = \"443\"\n      protocol    = \"HTTPS\"\n      status_code = \"HTTP_301\"\n    }\n  }", new: "  default_action {\n    type             = \"forward\"\n    target_group_arn = aws_lb_target_group.op_scim_bridge.arn\n  }", want: "port 80 does not send to HTTPS"},
		{name: "the health check of before December 2021", file: "balancer.tf", old: `"/app"`, new: `"/"`, want: "the health check asks /"},
		{name: "odd headers", file: "balancer.tf", old: "drop_invalid_header_fields = true", new: "drop_invalid_header_fields = false", want: "invalid header fields are let through"},
		{name: "target type", file: "balancer.tf", old: `target_type          = "ip"`, new: `target_type          = "instance"`, want: "the targets are of type instance"},
		{name: "no roll back", file: "main.tf", old: "rollback = true", new: "rollback = false", want: "a failed deployment is not rolled back"},
		{name: "another port", file: "main.tf", old: "container_port   = 3002", new: "container_port   = 8443", want: "the service sends to port 8443"},
		{name: "public addresses of private tasks", file: "main.tf", old: "assign_public_ip = !local.private", new: "assign_public_ip = true", variant: "private", want: "tasks in private subnets have public addresses"},
	}, judgeBalancer)
}

func judgeBalancer(t *testing.T, s *terraformtest.State) []string {
	t.Helper()
	var complaints []string
	complain := func(format string, args ...any) { complaints = append(complaints, fmt.Sprintf(format, args...)) }
	lb := s.One(t, "aws_lb.op_scim_bridge")
	if lb.Values["drop_invalid_header_fields"] != true {
		complain("invalid header fields are let through")
	}
	target := s.One(t, "aws_lb_target_group.op_scim_bridge")
	check := first(target.Values["health_check"])
	if check["path"] != "/app" || check["matcher"] != "200,301,302" {
		complain("the health check asks %v and takes %v", check["path"], check["matcher"])
	}
	if target.Text("target_type") != "ip" { // awsvpc has no other
		complain("the targets are of type %s", target.Text("target_type"))
	}
	if target.Text("protocol") != "HTTP" || fmt.Sprint(target.Values["port"]) != "3002" {
		complain("the targets are spoken to by %s on %v", target.Text("protocol"), target.Values["port"])
	}
	for _, l := range s.Of("aws_lb_listener") {
		action := first(l.Values["default_action"])
		switch fmt.Sprint(l.Values["port"]) {
		case "443":
			if !slices.Contains(policies, l.Text("ssl_policy")) {
				complain("the TLS policy is %s", l.Text("ssl_policy"))
			}
			if l.Text("protocol") != "HTTPS" || action["type"] != "forward" || action["target_group_arn"] != target.Text("arn") {
				complain("port 443 does not lead to the bridge")
			}
		case "80":
			if redirect := first(action["redirect"]); action["type"] != "redirect" || redirect["protocol"] != "HTTPS" || redirect["status_code"] != "HTTP_301" {
				complain("port 80 does not send to HTTPS")
			}
		default:
			complain("there is a listener on %v", l.Values["port"])
		}
	}
	service := s.One(t, "aws_ecs_service.op_scim_bridge")
	if b := first(service.Values["deployment_circuit_breaker"]); b["enable"] != true || b["rollback"] != true {
		complain("a failed deployment is not rolled back")
	}
	if to := first(service.Values["load_balancer"]); fmt.Sprint(to["container_port"]) != "3002" || to["container_name"] != "op_scim_bridge" {
		complain("the service sends to port %v of %v", to["container_port"], to["container_name"])
	}
	network := first(service.Values["network_configuration"])
	for _, subnet := range list(network["subnets"]) {
		if network["assign_public_ip"] == true && strings.Contains(fmt.Sprint(subnet), "private") {
			complain("tasks in private subnets have public addresses")
			break
		}
	}
	return complaints
}

func first(v any) map[string]any {
	if l := list(v); len(l) > 0 {
		v = l[0]
	}
	m, _ := v.(map[string]any)
	return m
}
