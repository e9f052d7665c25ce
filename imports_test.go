// Package scimbridge_test holds the laws of the layout: who may import whom, and what only some may do.
package scimbridge_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/scimbridge/scimbridge/"

// pkg is what the laws ask of a package.
type pkg struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string // without those of tests
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var list []pkg
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

// law forbids packages below from to import packages below to, but for those named.
type law struct {
	from, to string
	except   []string // packages below from that may
	why      string
}

var laws = []law{
	{"scim", module + "internal", nil, "the words of SCIM are public and stand alone"},
	{"scim", "net/http", nil, "SCIM's values know no HTTP"},
	{"scim", "log/slog", nil, "values do not log"},
	{"scim", "database/sql", nil, "values are not stored"},
	{"internal/account", module + "scim", nil, "two vocabularies, one translator: the account does not speak SCIM"},
	{"internal/account", module + "internal/bridge", nil, "the account does not know who drives it"},
	{"internal/account", module + "internal/store", nil, "rules stand above rows; which rows is chosen by cmd"},
	{"internal/account", module + "internal/keyset", []string{"internal/account/accountapi", "internal/account/accounttest"}, "the account keeps keys and can neither make nor open any; its API checks who signs in, its suite founds accounts with keys"},
	{"internal/account", module + "internal/server", nil, "the account knows no pages and no SCIM endpoints"},
	{"internal/store", module + "scim", nil, "stores hold rows and know no SCIM"},
	{"internal/store", module + "internal/bridge", nil, "stores hold rows"},
	{"internal/store", module + "internal/server", nil, "stores hold rows"},
	{"internal/store/postgres", module + "internal/store", nil, "twins do not know each other"},
	{"internal/store/sqlite", module + "internal/store", nil, "twins do not know each other"},
	{"internal", "github.com/jackc/pgx", []string{"internal/store/postgres", "internal/store/postgrestest"}, "one store speaks to PostgreSQL"},
	{"internal", "github.com/redis/rueidis", []string{"internal/redis", "internal/redis/redistest", "internal/cache", "internal/server/certificates", "internal/handover", "internal/bucket", "internal/logtail"}, "one package connects to Redis; who keeps something there is named here"},
	{"internal", "go.opentelemetry.io/otel", []string{"internal/tracing"}, "one package says what stands in a trace"},
	{"internal", "go.opentelemetry.io/otel/sdk", nil, "where traces go is settled by cmd, which alone reads the environment"},
	{"internal/tracing", module, nil, "spans are made of names and numbers, and of nobody's words"},
	{"internal/store/timed", module + "internal/store", nil, "what is measured may be any store"},
	{"internal/redis", module + "internal", nil, "the way to a server knows nothing of what is kept there"},
	{"internal/handover", module + "internal/account", nil, "replicas unlock each other, whatever they do then"},
	{"internal/handover", module + "internal/server", nil, "replicas meet in Redis, not over HTTP"},
	{"internal/logtail", module + "internal/server", nil, "the log's last lines know no pages"},
	{"internal/logtail", module + "internal/bridge", nil, "the log's last lines are given their key"},
	{"internal/bucket", module + "internal/server", nil, "buckets do not know what they limit"},
	{"internal/bridge", module + "internal/handover", nil, "the lock does not know who opens it"},
	{"internal/keyset", module + "internal", nil, "credentials depend on nothing of ours"},
	{"internal/keyset", module + "scim", nil, "credentials depend on nothing of ours"},
	{"internal/person", "net/http", nil, "a person's keys are made and opened without a network"},
	{"internal/person", module + "internal/store", nil, "a person's program sees what an account hands out, and no rows"},
	{"internal/person", module + "internal/owner", nil, "an owner is a person who may more"},
	{"internal/owner", "net/http", nil, "an owner signs and seals without a network"},
	{"internal/owner", module + "internal/store", nil, "an owner's program sees what an account hands out, and no rows"},
	{"internal/owner", module + "internal/bridge", nil, "owners and bridges share an account and nothing else"},
	{"internal/cache", module + "scim", nil, "a cache is a decorator of the account and knows its words only"},
	{"internal/cache", module + "internal/bridge", nil, "a cache is a decorator: it does not know who asks"},
	{"internal/cache", module + "internal/store", nil, "a cache decorates an account, whatever keeps it"},
	{"internal/cache", module + "internal/server", nil, "the server stands above the cache"},
	{"internal/account", module + "internal/cache", nil, "no rule reads a copy"},
	{"internal/bridge", module + "internal/cache", nil, "the bridge is given its view"},
	{"internal/bridge", "net/http", nil, "the translation knows no HTTP"},
	{"internal/bridge", module + "internal/store", nil, "the bridge drives an account, whatever keeps it"},
	{"internal/bridge", module + "internal/server", nil, "the server stands above the bridge"},
	{"internal/server/scimapi", module + "internal", nil, "SCIM over HTTP needs a Provider and knows no account"},
	{"internal/server/web", module + "internal", nil, "pages show what they are given"},
	{"internal/server", module + "internal/store", nil, "the server knows no rows"},
	{"internal/server/certificates", module + "internal/bridge", nil, "certificates are had before anybody is let in"},
	{"internal/server/certificates", module + "internal/keyset", nil, "certificates are sealed under a secret, whatever it is of"},
	{"internal/server/certificates/zone", module, nil, "records are written for whoever asks"},
	{"internal", "github.com/caddyserver/certmagic", []string{"internal/server/certificates"}, "one package speaks ACME"},
	{"internal/conformance", module + "internal", nil, "the checks work against any server and know only SCIM"},
	{"internal", module + "cmd", nil, "cmd is the roof"},
}

func below(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

func TestImports(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		for _, l := range laws {
			if !below(from, l.from) || slices.Contains(l.except, from) {
				continue
			}
			for _, to := range p.Imports {
				inside := below(strings.TrimPrefix(to, module), l.from) // a package may import its neighbours below the same root
				if below(to, strings.TrimSuffix(l.to, "/")) && !inside {
					t.Errorf("%s imports %s: %s", from, to, l.why)
				}
			}
		}
		both := 0
		for _, to := range p.Imports {
			if to == module+"internal/account" {
				both |= 1
			}
			if below(to, module+"scim") {
				both |= 2
			}
		}
		if both == 3 && from != "internal/bridge" && from != "cmd/scimbridge" {
			t.Errorf("%s imports both vocabularies; only internal/bridge translates (cmd wires)", from)
		}
	}
}

// TestOnlyCmd holds that only cmd/scimbridge reads the environment and ends the process, that nothing has an init
// function, and that production code does not import testing.
func TestOnlyCmd(t *testing.T) {
	t.Parallel()
	forbidden := map[string]string{
		"Getenv": "reads the environment", "LookupEnv": "reads the environment", "Environ": "reads the environment", "Exit": "ends the process",
	}
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		if below(from, "test") || strings.HasSuffix(from, "test") || from == "cmd/scimbridge" {
			continue
		}
		if slices.Contains(p.Imports, "testing") {
			t.Errorf("%s imports testing in production code", from)
		}
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.FuncDecl:
					if n.Name.Name == "init" && n.Recv == nil {
						t.Errorf("%s/%s has an init function", from, name)
					}
				case *ast.SelectorExpr:
					if x, ok := n.X.(*ast.Ident); ok && x.Name == "os" && forbidden[n.Sel.Name] != "" {
						t.Errorf("%s/%s %s", from, name, forbidden[n.Sel.Name])
					}
				}
				return true
			})
		}
	}
}

// TestMainIsShort: main.go shows in one look how the program begins and ends.
func TestMainIsShort(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("wc", "-l", "cmd/scimbridge/main.go").Output()
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Fields(string(out))[0]; len(n) > 2 || n > "45" {
		t.Errorf("cmd/scimbridge/main.go has %s lines", n)
	}
}

// TestDependencies: each direct dependency has its line in docs/dependencies.md, by its whole path.
func TestDependencies(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"go.mod", "test/deploy/go.mod"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for line := range strings.Lines(string(text)) {
			name, version, _ := strings.Cut(strings.TrimSpace(line), " ")
			if !strings.HasPrefix(version, "v") || strings.Contains(line, "// indirect") || name == strings.TrimSuffix(module, "/") {
				continue
			}
			n++
			if !regexp.MustCompile(regexp.QuoteMeta(name) + `[^\w/-]`).Match(page) {
				t.Errorf("%s has %s, and docs/dependencies.md no line for it", file, name)
			}
		}
		if n < 10 {
			t.Errorf("%s has only %d direct dependencies", file, n)
		}
	}
}
