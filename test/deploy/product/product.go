// Package product says what the product's code and documents hold true, as values that the files of deploy/ are compared
// with: its version, its settings by verb, its ports. It knows no deployment.
package product

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// Image is the product's image, without a tag.
const Image = "ghcr.io/scimbridge/scimbridge"

// Binary is the program's path in the image.
const Binary = "/op-scim/op-scim"

// Root is the folder of the product's module, from anywhere in the module of these checks.
func Root() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", err
	}
	return filepath.Abs(filepath.Join(filepath.Dir(strings.TrimSpace(string(out))), "..", ".."))
}

var heading = regexp.MustCompile(`(?m)^## (\d+\.\d+\.\d+)\b`)

// Version is the version of the newest heading of CHANGELOG.md, such as "0.1.0".
func Version(root string) (string, error) {
	raw, err := os.ReadFile(filepath.Join(root, "CHANGELOG.md"))
	if err != nil {
		return "", err
	}
	m := heading.FindSubmatch(raw)
	if m == nil {
		return "", errors.New(`CHANGELOG.md has no heading like "## 0.1.0"`)
	}
	return string(m[1]), nil
}

// Settings are the OP_* variables of docs/configuration.md, which is made from the code's table.
type Settings struct {
	Of      map[string]map[string]bool // by verb, such as "account serve"
	Ignored map[string]bool            // variables of the original that are understood and have no effect
}

var (
	verbHeading = regexp.MustCompile(`^## scimbridge ([a-z -]+)`)
	variable    = regexp.MustCompile("`(OP_[A-Z0-9_]+)`")
)

// ReadSettings reads docs/configuration.md.
func ReadSettings(root string) (Settings, error) {
	raw, err := os.ReadFile(filepath.Join(root, "docs", "configuration.md"))
	if err != nil {
		return Settings{}, err
	}
	s := Settings{Of: map[string]map[string]bool{}, Ignored: map[string]bool{}}
	var into map[string]bool
	for line := range strings.Lines(string(raw)) {
		switch m := verbHeading.FindStringSubmatch(line); {
		case m != nil:
			into = map[string]bool{}
			s.Of[strings.TrimSpace(m[1])] = into
		case strings.HasPrefix(line, "## ") && strings.Contains(line, "without effect"):
			into = s.Ignored
		case strings.HasPrefix(line, "## "):
			into = nil
		}
		// The second column of a verb's table, the first of the other one; meanings name variables too.
		cells := strings.Split(line, " | ")
		if into == nil || !strings.HasPrefix(line, "| `") {
			continue
		}
		if strings.HasPrefix(line, "| `--") {
			cells = cells[1:]
		}
		for _, m := range variable.FindAllStringSubmatch(cells[0], -1) {
			into[m[1]] = true
		}
	}
	if len(s.Of["serve"]) == 0 || len(s.Ignored) == 0 {
		return s, errors.New("docs/configuration.md has not the form that this reads")
	}
	return s, nil
}

// Known tells whether a variable is a setting of any verb, or understood without effect.
func (s Settings) Known(name string) bool {
	for _, names := range s.Of {
		if names[name] {
			return true
		}
	}
	return s.Ignored[name]
}

// Ports are where the program listens unless a setting says otherwise.
type Ports struct{ HTTP, TLS, Ping, Account int }

// ReadPorts takes the ports from the source of cmd/scimbridge: the constants tlsPort and pingPort, and the defaults of OP_PORT
// and OP_ACCOUNT_LISTEN.
func ReadPorts(root string) (Ports, error) {
	found := map[string]string{}
	files, err := filepath.Glob(filepath.Join(root, "cmd", "scimbridge", "*.go"))
	if err != nil {
		return Ports{}, err
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return Ports{}, err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				for i, name := range n.Names {
					if i < len(n.Values) && (name.Name == "tlsPort" || name.Name == "pingPort") {
						found[name.Name] = literal(n.Values[i])
					}
				}
			case *ast.Field:
				tag := reflect.StructTag(literal(n.Tag))
				if env := tag.Get("env"); env == "OP_PORT" || env == "OP_ACCOUNT_LISTEN" {
					found[env] = strings.TrimPrefix(tag.Get("default"), ":")
				}
			}
			return true
		})
	}
	var p Ports
	for name, to := range map[string]*int{"OP_PORT": &p.HTTP, "tlsPort": &p.TLS, "pingPort": &p.Ping, "OP_ACCOUNT_LISTEN": &p.Account} {
		if *to, err = strconv.Atoi(found[name]); err != nil {
			return p, fmt.Errorf("cmd/scimbridge: %s is no port: %w", name, err)
		}
	}
	return p, nil
}

// literal is the text of a string literal; "" for whatever else.
func literal(e ast.Expr) string {
	b, ok := e.(*ast.BasicLit)
	if !ok || b == nil || b.Kind != token.STRING {
		return ""
	}
	text, err := strconv.Unquote(b.Value)
	if err != nil {
		return ""
	}
	return text
}
