package guides

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/store/postgrestest"
	"github.com/scimbridge/scimbridge/test/deploy/guide"
	"github.com/scimbridge/scimbridge/test/deploy/product"
	"github.com/scimbridge/scimbridge/test/deploy/terraformtest"
	"github.com/scimbridge/scimbridge/test/program"
)

// played are the programs that this one plays where it is called by their names.
var played = []string{"machine", "balancer", "terraform", "kubectl", "helm", "atmos", "aws"}

func TestMain(m *testing.M) {
	if name := filepath.Base(os.Args[0]); slices.Contains(played, name) {
		if err := (machine{os.Getenv("GUIDES")}).play(name, os.Args[1:]); err != nil {
			var failed *exec.ExitError
			if !errors.As(err, &failed) { // Terraform has said it
				fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			}
			os.Exit(1)
		}
		os.Exit(0)
	}
	terraformtest.Main(tests{m})
}

// tests are the package's, run with the program built once for all of them.
type tests struct{ m *testing.M }

func (t tests) Run() int { return program.Main(t.m) }

// founded is what a page presupposes that begins with an account: one that is served, with its owner's kit.
const founded = `
scimbridge credentials new --account Acme --owner ann@example.com --owner-name 'Ann Archer' --kit ~/kit.txt \
  --url https://account.example.com --out ~/scimsession --token-file ~/token
(cd deploy/aws-account-terraform && cp terraform.tfvars.template terraform.tfvars && terraform init && terraform apply -auto-approve)
`

// deployed is a bridge by Terraform on top of it; the page begins in its folder.
const deployed = founded + `
cd deploy/aws-ecsfargate-terraform
cp terraform.tfvars.template terraform.tfvars
cp ~/scimsession ./
terraform init
terraform apply -auto-approve
`

// original is a deployment of 1Password's, with a session of theirs.
const original = founded + `
rm ~/scimsession ~/token
mkdir -p ~/op-scim/task-definitions && cd ~/op-scim
cp ~/original/*.tf .
sed -i -e 's|base64encode("theirs")|filebase64("${path.module}/scimsession")|' \
  -e 's|"\[\]"|jsonencode([for c in jsondecode(file("${path.module}/task-definitions/scim.json")) : merge(c, { secrets = [{ name = "OP_SESSION", valueFrom = aws_secretsmanager_secret.scimsession.arn }] })])|' main.tf
echo '{"version":"2","deviceUuid":"x","encCredentials":{},"verifier":{}}' >scimsession
printf '[\n  {\n    "name": "op_scim_bridge",\n    "image": "1password/scim:v2.9.16",\n    "environment": [{ "name": "OP_REDIS_URL", "value": "redis://localhost:6379" }]\n  }\n]\n' >task-definitions/scim.json
printf '.terraform*\n*.tfstate*\n*.plan\n' >.gitignore
git init -q
terraform init
terraform apply -auto-approve
`

// followed says how a page is followed: what comes before, what its commands print in this order, and what is found where one of them is
// wrong.
type followed struct {
	before  string
	prints  []string
	changed []change
}

type change struct{ name, old, new, want string }

// oneUser is in the answer of a bridge that is unlocked: there is nobody but the owner.
const oneUser = `"totalResults":1`

var pages = map[string]followed{
	"aws-terraform.md": {"", []string{"ready", "Apply complete", "https://account.example.com", "Apply complete", "locked", oneUser, "ready", "ann@example.com"}, []change{
		{"another file's name", "cp ~/scimsession ./", "cp ~/scimsession ./session", "does not exist: no scimsession"},
		{"an output that is none", "terraform output -raw scim_bridge_url", "terraform output -raw bridge_url", `Output "bridge_url" not found`},
		{"a plan of another name", "terraform apply ./account.plan", "terraform apply ./accounts.plan", "accounts.plan"},
	}},
	"aws-atmos.md": {founded, []string{"locked", oneUser, "ready"}, []change{
		{"another parameter", "--name /1password/scim/scimsession", "--name /1password/scimsession", "no such file"},
		{"another stack", "apply 1pass-scim -s core-usw2-auto", "apply 1pass-scim -s core-use1-auto", "there is no 1pass-scim in core-use1-auto"},
	}},
	"kubernetes.md": {"", []string{"ready", "locked", oneUser, "ready", "ann@example.com"}, []change{
		{"another secret", "generic scimsession", "generic scim-session", `secret "scimsession" not found`},
		{"another key", "--from-file=url=", "--from-file=uri=", "scimbridge-account-database/url"},
		{"another deployment", "status deployment/scim-scimbridge\n", "status deployment/scimbridge\n", "deployment/scimbridge not found"},
		{"a value that is none", "  databaseSecret:", "  dbSecret:", "dbSecret"},
	}},
	"moving-over.md": {original, []string{"https://account.example.com", "task-definitions/scim.json", "Apply complete", "locked", oneUser, "ready", "Apply complete"}, []change{
		{"their session stays", "cp ~/scimsession ./scimsession", "true", "only 1Password's bridge can use"},
		{"another image", "s|1password/scim:v[0-9.]*|", "s|1password/scim-bridge:v[0-9.]*|", "scim.example.com"},
	}},
	"updating.md": {deployed, []string{"Apply complete", "locked", oneUser, "ready"}, []change{
		{"another image", "|ghcr.io/scimbridge/scimbridge:v0.1.0|", "|ghcr.io/scimbridge/bridge:v0.1.0|", "502"},
		{"another plan", "apply ./op-scim.plan", "apply ./scim.plan", "scim.plan"},
	}},
	"credentials.md": {deployed, []string{"Apply complete", oneUser, oneUser, "valid until", "All credentials have ended", "Apply complete", oneUser}, []change{
		{"no overlap", " --overlap 24h", "", "401"},
		{"a file elsewhere", "--overlap 24h --out scimsession", "--overlap 24h --out session", "previous"},
		{"a half of before", "--out scimsession --token-file ~/token-newest", "--out session --token-file ~/token-newest", "401"},
	}},
}

// follow runs a script on a machine of its own, in a copy of what the guides begin in, and returns what it printed.
func follow(t *testing.T, script string) (string, machine, error) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("this makes a network of its own, which takes root: run it by sudo, or in a container")
	}
	root, err := product.Root()
	must(t, err)
	m := machine{t.TempDir()}
	_, err = program.MakeCertificates(m.dir)
	must(t, err)
	here, home, bin := m.file("scimbridge"), m.file("home"), m.file("bin")
	for _, dir := range []string{here, home, bin} {
		must(t, os.Mkdir(dir, 0o755))
	}
	// What git has, and nothing that somebody has made beside it.
	if out, err := exec.Command("sh", "-ec", "cd "+root+" && git ls-files -z deploy CHANGELOG.md docs/configuration.md | xargs -0 cp --parents -t "+here).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	must(t, os.CopyFS(filepath.Join(home, "original"), os.DirFS(filepath.Join(root, "test/deploy/terraform/testdata/original"))))
	must(t, os.WriteFile(filepath.Join(here, "deploy/aws-account-terraform/rds-ca.pem"), read(t, m.file("ca.pem")), 0o600))
	must(t, os.WriteFile(m.file("password"), []byte("four words and more"), 0o600))

	self, err := os.Executable()
	must(t, err)
	for _, name := range played {
		must(t, os.Symlink(self, filepath.Join(bin, name)))
	}
	// Who is asked for the owner's password here is no person at a terminal.
	wrapper := "#!/bin/sh\n[ \"$1 $2\" = 'credentials new' ] && set -- \"$@\" --password-file " + m.file("password") + "\nexec " + program.Path(t) + " \"$@\"\n"
	must(t, os.WriteFile(filepath.Join(bin, "scimbridge"), []byte(wrapper), 0o755)) //nolint:gosec // a script

	terraform, settings := terraformtest.Registry(t, m.file("writes"))
	const patience = 5 * time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
		"bash", "-euo", "pipefail", "-c", "machine\n"+script)
	cmd.Dir = here
	cmd.Env = append(settings, "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+home, "LANG=C.UTF-8", "GUIDES="+m.dir, "GUIDES_TERRAFORM="+terraform,
		"GUIDES_PROGRAM="+program.Path(t), "OP_DATABASE_URL="+postgrestest.Empty(t), "SSL_CERT_FILE="+m.file("ca.pem"), "CURL_CA_BUNDLE="+m.file("ca.pem"),
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		logs, _ := filepath.Glob(m.file("*.log")) //nolint:errcheck // the pattern is right
		for _, path := range logs {
			out = fmt.Appendf(out, "\n%s:\n%s", filepath.Base(path), read(t, path))
		}
	}
	return string(out), m, err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	must(t, err)
	return raw
}

// documents are the pages of docs/deploy, by name.
func documents(t *testing.T) map[string]string {
	t.Helper()
	root, err := product.Root()
	must(t, err)
	paths, err := filepath.Glob(filepath.Join(root, "docs/deploy/*.md"))
	must(t, err)
	list := map[string]string{}
	for _, path := range paths {
		list[filepath.Base(path)] = string(read(t, path))
	}
	return list
}

// missing is the first of what was to be printed that was not, after those before it.
func missing(out string, want []string) string {
	for _, w := range want {
		_, rest, ok := strings.Cut(out, w)
		if !ok {
			return w
		}
		out = rest
	}
	return ""
}

// The pages are followed from their first line to their last. A command that is wrong is found.
func TestGuides(t *testing.T) {
	t.Parallel()
	for name, page := range documents(t) {
		script := guide.Script(page)
		how, ok := pages[name]
		if ok != (script != "") {
			t.Errorf("%s: to be followed: %v, has blocks that begin with ```sh test: %v", name, ok, script != "")
		}
		if !ok {
			continue
		}
		// A page's own output only.
		const begins = "\n=== the page begins\n"
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, m, err := follow(t, how.before+"echo '"+begins+"'\n"+script)
			if err != nil {
				t.Fatalf("following %s: %v\n%s", name, err, out)
			}
			_, out, _ = strings.Cut(out, begins)
			if w := missing(out, how.prints); w != "" {
				t.Errorf("%q is not printed, or not in its place:\n%s", w, out)
			}
			if _, err := os.Stat(m.file("theirs")); name == "moving-over.md" && err != nil {
				t.Errorf("at the end their bridge does not run: %v", err)
			}
		})
		for _, c := range how.changed {
			t.Run(name+" changed: "+c.name, func(t *testing.T) {
				t.Parallel()
				if strings.Count(script, c.old) == 0 {
					t.Fatalf("%s has no %q", name, c.old)
				}
				if out, _, err := follow(t, how.before+strings.Replace(script, c.old, c.new, 1)); err == nil || !strings.Contains(out, c.want) {
					t.Errorf("got %v, want %q\n%s", err, c.want, out)
				}
			})
		}
	}
}

// flags are those of a verb, by the program itself; nil where there is no such verb.
func flags(t *testing.T, verb []string) []string {
	t.Helper()
	out, err := exec.Command(program.Path(t), append(slices.Clone(verb), "--help")...).CombinedOutput()
	if err != nil {
		return nil
	}
	return regexp.MustCompile(`--[a-z][a-z-]*`).FindAllString(string(out), -1)
}

// A command line of the program: its words, then flags.
var command = regexp.MustCompile("\\bscimbridge ((?:credentials|account|check|serve|healthcheck|dev)(?: [a-z]+(?:-[a-z]+)*)*)((?:[^`\n\\\\]|\\\\\n?)*)")

// strangers are the verbs and flags that a page names and the program has not.
func strangers(t *testing.T, page string) []string {
	t.Helper()
	var list []string
	for _, m := range command.FindAllStringSubmatch(page, -1) {
		verb := strings.Fields(m[1])
		has := flags(t, verb)
		if has == nil {
			list = append(list, "scimbridge "+m[1])
		}
		for _, f := range regexp.MustCompile(`--[a-z][a-z-]*`).FindAllString(m[2], -1) {
			if has != nil && !slices.Contains(has, f) {
				list = append(list, m[1]+" "+f)
			}
		}
	}
	return list
}

func TestCommands(t *testing.T) {
	t.Parallel()
	for name, page := range documents(t) {
		if got := strangers(t, page); len(got) > 0 {
			t.Errorf("%s names what the program has not: %q", name, got)
		}
		if len(guide.Blocks(page)) == 0 {
			continue
		}
		if got := guide.Complaints(page); len(got) > 0 {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, c := range []struct{ page, want string }{
		{"`scimbridge credentials new --owners ann`", "credentials new --owners"},
		{"```sh\nscimbridge credentials new --kit k \\\n  --output x\n```", "credentials new --output"},
		{"`scimbridge account outbocks`", "scimbridge account outbocks"},
	} {
		if got := strangers(t, c.page); len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: %q, want %q", c.page, got, c.want)
		}
	}
}

// What moving-over.md says that the program prints where a scimsession is 1Password's, it prints.
func TestRefusal(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "scimsession")
	must(t, os.WriteFile(path, []byte(`{"version":"2","deviceUuid":"x","encCredentials":{},"verifier":{}}`), 0o600))
	out, err := exec.Command(program.Path(t), "serve", "--session", path).CombinedOutput()
	if err == nil {
		t.Fatalf("it starts:\n%s", out)
	}
	_, text, _ := strings.Cut(documents(t)["moving-over.md"], "```text\n")
	text, _, _ = strings.Cut(text, "\n```")
	if text == "" || !strings.Contains(string(out), text) {
		t.Errorf("the page says %q; the program:\n%s", text, out)
	}
}
