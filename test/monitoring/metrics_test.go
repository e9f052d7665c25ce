// Package monitoring_test holds what is written about metrics (docs/operating.md, docs/playbooks, deploy/monitoring) against
// what a running bridge and a running account service show.
package monitoring_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"

	"github.com/scimbridge/scimbridge/test/program"
)

var update = flag.Bool("update", false, "write the tables of docs/operating.md anew")

var (
	operatingPage = filepath.Join("..", "..", "docs", "operating.md")
	playbooks     = filepath.Join("..", "..", "docs", "playbooks")
	deployed      = filepath.Join("..", "..", "deploy", "monitoring")
)

// ours tells our metrics from those of the Go runtime and the process.
func ours(name string) bool { return strings.HasPrefix(name, "scimbridge_") }

// everything is what there is, whoever shows it.
func everything(t *testing.T) families {
	bridge, account, dev := seen(t)
	all := maps.Clone(dev)
	maps.Copy(all, account)
	maps.Copy(all, bridge)
	return all
}

// TestMetricsTable: what is shown is documented, and what is documented is shown, with type, labels and meaning.
func TestMetricsTable(t *testing.T) {
	t.Parallel()
	bridge, account, dev := seen(t)
	var b strings.Builder
	b.WriteString("| metric | type | labels | shown by | what it says |\n| --- | --- | --- | --- | --- |\n")
	all := everything(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !ours(name) {
			continue
		}
		var by []string
		switch {
		case bridge[name] != nil:
			by = append(by, "bridge")
		case dev[name] != nil:
			by = append(by, "bridge with `--data`")
		}
		if account[name] != nil {
			by = append(by, "account service")
		}
		f := all[name]
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", name, strings.ToLower(f.GetType().String()), strings.Join(labelNames(f), ", "), strings.Join(by, ", "), f.GetHelp())
	}
	table(t, "metrics", b.String())
}

// table compares a part of the page with what it has to be.
func table(t *testing.T, name, want string) {
	t.Helper()
	begin, end := "<!-- "+name+": made by \"make docs\" -->\n", "<!-- end of "+name+" -->"
	raw, err := os.ReadFile(operatingPage)
	must(t, err)
	before, rest, ok := strings.Cut(string(raw), begin)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no part %q", operatingPage, name)
	}
	if *update && got != want {
		must(t, os.WriteFile(operatingPage, []byte(before+begin+want+end+after), 0o644)) //nolint:gosec // a page for everybody
		got = want
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the table of %s in docs/operating.md is stale; make docs writes it anew (-want +got):\n%s", name, diff)
	}
}

// TestNames: names are as Prometheus has them: counters end in _total, times are in seconds, sizes in bytes, and nothing that
// is not a counter ends in _total.
func TestNames(t *testing.T) {
	t.Parallel()
	for name, f := range everything(t) {
		if ours(name) {
			if counter := f.GetType() == dto.MetricType_COUNTER; counter != strings.HasSuffix(name, "_total") {
				t.Errorf("%s is a %s", name, f.GetType())
			}
			if f.GetType() == dto.MetricType_HISTOGRAM && !strings.HasSuffix(name, "_seconds") && !strings.HasSuffix(name, "_bytes") {
				t.Errorf("%s has no unit", name)
			}
			if f.GetHelp() == "" {
				t.Errorf("%s says nothing of itself", name)
			}
		}
	}
}

// TestFigures: what has happened is in the numbers.
func TestFigures(t *testing.T) {
	t.Parallel()
	bridge, account, dev := seen(t)
	for _, tt := range []struct {
		in                   families
		metric, label, value string
		least, most          float64
	}{
		{bridge, "scimbridge_unlocked", "", "", 1, 1},
		{bridge, "scimbridge_lease_held", "", "", 1, 1},
		{bridge, "scimbridge_redis_up", "", "", 1, 1},
		{bridge, "scimbridge_healthy", "source", "Account", 1, 1},
		{bridge, "scimbridge_healthy", "source", "Guard", 1, 1},
		{bridge, "scimbridge_requests_total", "status", "201", 2, 2},
		{bridge, "scimbridge_requests_total", "route", "unknown", 1, 1},
		{bridge, "scimbridge_wrong_tokens_total", "", "", 31, 31},
		{bridge, "scimbridge_rate_limited_total", "", "", 1, 11},
		{bridge, "scimbridge_cache_questions_total", "result", "hit", 1, 1000},
		{bridge, "scimbridge_account_calls_total", "result", "refused", 1, 1000},
		{bridge, "scimbridge_account_calls_total", "call", "POST /v1/users", 4, 4},
		{bridge, "scimbridge_account_call_seconds", "call", "POST /v1/users", 4, 4},
		{bridge, "scimbridge_mails_total", "result", "sent", 1, 2},
		{bridge, "scimbridge_mails_total", "result", "undeliverable", 1, 2},
		{bridge, "scimbridge_people_waiting", "", "", 0, 0},
		{bridge, "scimbridge_certificate_expiry_timestamp_seconds", "", "", 1e9, 1e11},
		{account, "scimbridge_certificate_expiry_timestamp_seconds", "", "", 1e9, 1e11},
		{account, "scimbridge_store_seconds", "kind", "write", 3, 1000},
		{account, "scimbridge_store_failures_total", "", "", 0, 0},
		{account, "scimbridge_disk_free_bytes", "", "", 1, 1e18},
		{account, "scimbridge_account_requests_total", "route", "POST /v1/users", 4, 4},
		{dev, "scimbridge_store_seconds", "kind", "write", 1, 1000},
		{dev, "scimbridge_disk_size_bytes", "", "", 1, 1e18},
	} {
		if got := value(tt.in[tt.metric], tt.label, tt.value); tt.in[tt.metric] == nil || got < tt.least || got > tt.most {
			t.Errorf("%s{%s=%q} is %v, want %v to %v", tt.metric, tt.label, tt.value, got, tt.least, tt.most)
		}
	}
}

// TestNobody: no label says who or what a request was about.
func TestNobody(t *testing.T) {
	t.Parallel()
	bridge, account, dev := seen(t)
	somebody := regexp.MustCompile(`@|[a-z2-7]{26}|scb_|127\.0\.0\.1`)
	for _, families := range []families{bridge, account, dev} {
		for name, f := range families {
			for _, m := range f.GetMetric() {
				for _, l := range m.GetLabel() {
					if somebody.MatchString(l.GetValue()) || l.GetValue() == "" {
						t.Errorf("%s{%s=%q}", name, l.GetName(), l.GetValue())
					}
				}
			}
		}
	}
}

// rule is an alert of the rules' file.
type rule struct {
	Alert       string
	Expr        string
	For         string
	Labels      map[string]string
	Annotations map[string]string
}

func rules(t *testing.T) []rule {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(deployed, "alerts.yml"))
	must(t, err)
	var file struct {
		Groups []struct {
			Name  string
			Rules []rule
		}
	}
	dec := yaml.NewDecoder(strings.NewReader(string(raw)))
	dec.KnownFields(true)
	must(t, dec.Decode(&file))
	var list []rule
	for _, g := range file.Groups {
		list = append(list, g.Rules...)
	}
	return list
}

// playbook is the page that a rule names.
func (r *rule) playbook() string {
	return strings.TrimSuffix(filepath.Base(r.Annotations["runbook_url"]), ".md")
}

// TestAlerts: each alert asks for metrics that exist, says what it is about, and has its page; and the page of operating
// lists them all.
func TestAlerts(t *testing.T) {
	t.Parallel()
	q := newQueries(t)
	var b strings.Builder
	b.WriteString("| alert | when | for | severity | playbook |\n| --- | --- | --- | --- | --- |\n")
	pages := map[string]bool{}
	for _, r := range rules(t) {
		q.check(t, r.Alert, r.Expr)
		if r.For == "" || r.Annotations["summary"] == "" || r.Labels["severity"] != "critical" && r.Labels["severity"] != "warning" {
			t.Errorf("%s is not whole: %+v", r.Alert, r)
		}
		page := r.playbook()
		pages[page] = true
		if _, err := os.Stat(filepath.Join(playbooks, page+".md")); err != nil {
			t.Errorf("%s: %v", r.Alert, err)
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s | [%s](playbooks/%s.md) |\n", r.Alert, strings.ReplaceAll(strings.Join(strings.Fields(r.Expr), " "), "|", `\|`), r.For, r.Labels["severity"], page, page)
	}
	table(t, "alerts", b.String())
	files, err := os.ReadDir(playbooks)
	must(t, err)
	for _, f := range files {
		if page := strings.TrimSuffix(f.Name(), ".md"); page != "README" && !pages[page] {
			t.Errorf("docs/playbooks/%s is of no alert", f.Name())
		}
	}
}

// TestPlaybooks: each page says what it means, what to look at and what to do, names metrics that exist and commands that
// the program takes.
func TestPlaybooks(t *testing.T) {
	t.Parallel()
	q := newQueries(t)
	files, err := filepath.Glob(filepath.Join(playbooks, "*.md"))
	must(t, err)
	metric, command := regexp.MustCompile(`\bscimbridge_[a-z_]+`), regexp.MustCompile("(?m)(?:^|`)scimbridge ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)*)")
	for _, path := range files {
		raw, err := os.ReadFile(path)
		must(t, err)
		text := string(raw)
		if filepath.Base(path) != "README.md" {
			for _, heading := range []string{"## What it means", "## What to look at", "## What to do"} {
				if !strings.Contains(text, "\n"+heading+"\n") {
					t.Errorf("%s has no %q", path, heading)
				}
			}
		}
		for _, name := range metric.FindAllString(text, -1) {
			if q.family(name) == nil {
				t.Errorf("%s: there is no metric %s", path, name)
			}
		}
		for _, m := range command.FindAllStringSubmatch(text, -1) {
			if out, errs, code := program.Run(t, append(strings.Fields(m[1]), "--help")...); code != 0 {
				t.Errorf("%s: scimbridge %s: %s%s", path, m[1], out, errs)
			}
		}
	}
}

// TestDashboard: each query of the dashboard asks for metrics, labels and values that exist.
func TestDashboard(t *testing.T) {
	t.Parallel()
	q := newQueries(t)
	raw, err := os.ReadFile(filepath.Join(deployed, "dashboard.json"))
	must(t, err)
	var board any
	must(t, json.Unmarshal(raw, &board))
	n := 0
	walk(board, func(o map[string]any) {
		title, _ := o["title"].(string)
		targets, _ := o["targets"].([]any)
		for _, target := range targets {
			target, _ := target.(map[string]any)
			expr, _ := target["expr"].(string)
			n++
			q.check(t, "panel "+title, expr)
		}
		if query, ok := o["query"].(string); ok && o["type"] == "query" { // a variable: label_values(metric, label)
			n++
			metric, label, ok := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(query, "label_values("), ")"), ", ")
			if !ok {
				t.Errorf("variable %v: %s", o["name"], query)
			}
			q.check(t, fmt.Sprint("variable ", o["name"]), "count by ("+label+") ("+metric+")")
		}
	})
	const least = 20
	if n < least {
		t.Errorf("only %d queries were found", n)
	}
	for name := range q.all {
		if ours(name) && !q.asked[name] {
			t.Errorf("no panel shows %s", name)
		}
	}
}

func walk(v any, see func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		see(v)
		for _, e := range v {
			walk(e, see)
		}
	case []any:
		for _, e := range v {
			walk(e, see)
		}
	}
}

// queries judges queries by what is shown.
type queries struct {
	all   families
	asked map[string]bool // names of metrics that were asked for
}

func newQueries(t *testing.T) *queries {
	return &queries{everything(t), map[string]bool{}}
}

// family is the family that a series' name belongs to; nil where nothing of the name is shown.
func (q *queries) family(series string) *dto.MetricFamily {
	if f := q.all[series]; f != nil {
		return f
	}
	for _, part := range []string{"_bucket", "_sum", "_count"} {
		if f := q.all[strings.TrimSuffix(series, part)]; f != nil && f.GetType() == dto.MetricType_HISTOGRAM && strings.HasSuffix(series, part) {
			return f
		}
	}
	return nil
}

// targetLabels are those that Prometheus gives to whatever it scrapes.
var targetLabels = []string{"job", "instance"}

// grafana are the variables that Grafana puts values in the place of.
var grafana = strings.NewReplacer("$__rate_interval", "5m", "$__range", "1h", "$__all", "x", "$job", "x", "$account_job", "x")

// check reads a query and compares its metrics, labels and values with what is shown.
func (q *queries) check(t *testing.T, what, text string) {
	t.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(grafana.Replace(text))
	if err != nil {
		t.Errorf("%s: %s: %v", what, text, err)
		return
	}
	known := slices.Clone(targetLabels)
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		v, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		if v.Name == "up" { // Prometheus's own
			return nil
		}
		f := q.family(v.Name)
		if f == nil {
			t.Errorf("%s: there is no metric %s", what, v.Name)
			return nil
		}
		q.asked[f.GetName()] = true
		names := labelNames(f)
		if strings.HasSuffix(v.Name, "_bucket") {
			names = append(names, "le")
		}
		known = append(known, names...)
		for _, m := range v.LabelMatchers {
			switch {
			case m.Name == model.MetricNameLabel, slices.Contains(targetLabels, m.Name):
			case !slices.Contains(names, m.Name):
				t.Errorf("%s: %s has no label %s", what, v.Name, m.Name)
			case m.Type == labels.MatchEqual && !speaksOf(f, m.Name, m.Value):
				t.Errorf("%s: nobody has seen %s{%s=%q}", what, v.Name, m.Name, m.Value)
			}
		}
		return nil
	})
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		var by []string
		switch n := n.(type) {
		case *parser.AggregateExpr:
			by = n.Grouping
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				by = n.VectorMatching.MatchingLabels
			}
		}
		for _, name := range by {
			if !slices.Contains(known, name) {
				t.Errorf("%s: no metric of it has a label %s", what, name)
			}
		}
		return nil
	})
}

// speaksOf tells whether a label has had a value, or the metric's own words say that it may.
func speaksOf(f *dto.MetricFamily, label, want string) bool {
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			if l.GetName() == label && l.GetValue() == want {
				return true
			}
		}
	}
	return slices.Contains(regexp.MustCompile(`[A-Za-z0-9/_{}-]+`).FindAllString(f.GetHelp(), -1), want)
}
