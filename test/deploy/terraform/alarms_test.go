package terraform_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/test/deploy/terraformtest"
)

// line is a line of the bridge's log.
type line map[string]any

// The filters that alarms are made of find what the bridge writes: this is its real log, locked and then unlocked.
func TestAlarms(t *testing.T) {
	t.Parallel()
	log := bridgeLog(t)
	for _, c := range judgeAlarms(t, apply(t, deployment(t), "everything"), log) {
		t.Error(c)
	}
	for _, m := range []mutation{
		{name: "another message", old: `$.message = \"unlocked\"`, new: `$.message = \"open\"`, want: "locked: no line says that it is over"},
		{name: "another word", old: `\"listening\" && $.state = \"locked\"`, new: `\"listening\" && $.state = \"closed\"`, want: "locked: no line says that it begins"},
		{name: "while locked too", old: ` && $.state != \"locked\" }`, new: ` }`, want: `account: a line says that it begins with "locked"`},
		{name: "a source that is none", old: `$.source = \"Guard\" && $.state = \"healthy\"`, new: `$.source = \"Guards\" && $.state = \"healthy\"`, want: "guard: no line says that it is over"},
	} {
		t.Run("changed: "+m.name, func(t *testing.T) {
			t.Parallel()
			d := deployment(t)
			d.Replace(t, "alarms.tf", m.old, m.new)
			got := judgeAlarms(t, apply(t, d, "everything"), log)
			if len(got) != 1 || !strings.Contains(got[0], m.want) {
				t.Errorf("complaints: %q, want one with %q", got, m.want)
			}
		})
	}
}

func judgeAlarms(t *testing.T, s *terraformtest.State, log []line) []string {
	t.Helper()
	patterns := map[string]map[string]string{"0": {}, "1": {}}
	for _, f := range s.Of("aws_cloudwatch_log_metric_filter") {
		metric := first(f.Values["metric_transformation"])
		patterns[fmt.Sprint(metric["value"])][fmt.Sprint(metric["name"])] = f.Text("pattern")
	}
	// What did not happen here: the same lines of the log with another state.
	changed := func(source, state string) []line {
		var out []line
		for _, l := range log {
			if l["message"] == "health" && l["source"] == source {
				other := maps.Clone(l)
				other["state"] = state
				out = append(out, other)
			}
		}
		return out
	}
	begin := map[string][]line{"locked": log, "guard": changed("Guard", "attention"), "account": changed("Account", "no database")}
	var complaints []string
	for _, name := range slices.Sorted(maps.Keys(begin)) {
		if !slices.ContainsFunc(begin[name], matching(t, patterns["1"][name])) {
			complaints = append(complaints, name+": no line says that it begins")
		}
		if !slices.ContainsFunc(log, matching(t, patterns["0"][name])) {
			complaints = append(complaints, name+": no line says that it is over")
		}
	}
	for name, lines := range map[string][]line{"account": changed("Account", "locked"), "guard": log} {
		if i := slices.IndexFunc(lines, matching(t, patterns["1"][name])); i >= 0 {
			complaints = append(complaints, fmt.Sprintf("%s: a line says that it begins with %q", name, lines[i]["state"]))
		}
	}
	for _, a := range s.Of("aws_cloudwatch_metric_alarm") {
		if len(list(a.Values["alarm_actions"])) == 0 || len(list(a.Values["ok_actions"])) == 0 {
			complaints = append(complaints, a.Address+": nobody hears of it")
		}
	}
	return complaints
}

var terms = regexp.MustCompile(`\$\.(\w+) (!?=) "([^"]*)"`)

// matching is CloudWatch's filter for JSON, as far as ours go: { $.a = "x" && $.b != "y" }.
func matching(t *testing.T, pattern string) func(line) bool {
	t.Helper()
	found := terms.FindAllStringSubmatch(pattern, -1)
	var whole []string
	for _, m := range found {
		whole = append(whole, m[0])
	}
	if rebuilt := "{ " + strings.Join(whole, " && ") + " }"; pattern != rebuilt {
		t.Fatalf("the filter %q is not of the form that is understood here", pattern)
	}
	return func(l line) bool {
		for _, m := range found {
			if have, ok := l[m[1]].(string); !ok || (have == m[3]) != (m[2] == "=") {
				return false
			}
		}
		return true
	}
}

// patience bounds the life of the bridge, should it never say that it listens.
const patience = 90 * time.Second

// bridgeLog is what the program logs as JSON while it starts locked, is unlocked, and is asked for its health.
func bridgeLog(t *testing.T) []line {
	t.Helper()
	program := filepath.Join(t.TempDir(), "scimbridge")
	build := exec.Command("go", "build", "-o", program, "./cmd/scimbridge")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	data := filepath.Join(t.TempDir(), "data")
	dev := exec.CommandContext(t.Context(), program, "dev", "--data", data, "--listen", "127.0.0.1:0", "--json")
	out, err := dev.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := dev.Start(); err != nil {
		t.Fatal(err)
	}
	_, err = bufio.NewReader(out).ReadString('\n') // it is ready, and has made an account
	end(t, dev)
	if err != nil {
		t.Fatal(err)
	}
	token, err := os.ReadFile(filepath.Join(data, "token"))
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	bridge := exec.CommandContext(ctx, program, "serve")
	bridge.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	bridge.Env = append(os.Environ(), "OP_JSON_LOGS=1", "OP_DATA_DIR="+data, "OP_SESSION="+filepath.Join(data, "scimsession"), "OP_LISTEN=127.0.0.1:0")
	stderr, err := bridge.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := bridge.Start(); err != nil {
		t.Fatal(err)
	}
	var log []line
	asked := false
	for sc := bufio.NewScanner(stderr); sc.Scan(); {
		var l line
		if err := json.Unmarshal(sc.Bytes(), &l); err != nil {
			t.Errorf("no JSON in the log: %s", sc.Bytes())
			continue
		}
		log = append(log, l)
		if l["message"] != "listening" || asked {
			continue
		}
		asked = true
		address := "http://" + fmt.Sprint(l["address"])
		ask(t, address+"/scim/v2/Users?count=1", strings.TrimSpace(string(token)))
		ask(t, address+"/health", strings.TrimSpace(string(token)))
		if err := bridge.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	if err := bridge.Wait(); err != nil {
		t.Fatalf("serve: %v\n%v", err, log)
	}
	return log
}

func end(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}

func ask(t *testing.T, url, token string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
}
