// Package terraformtest runs Terraform on copies of a folder with the stand-in for hashicorp/aws in the provider's place:
// no AWS, no `terraform init`, no network.
//
// Terraform itself is the program that the variable TERRAFORM names, or the one in PATH; 1.11 or newer, from
// https://developer.hashicorp.com/terraform/install. Go cannot build it from its module, which lacks the modules inside of it.
package terraformtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// Main runs a package's tests with the provider built once for all of them: func TestMain(m *testing.M) { terraformtest.Main(m) }.
func Main(m interface{ Run() int }) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "terraformtest-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		home = dir
		return m.Run()
	}())
}

// home is set by Main before a test runs, and holds the provider and Terraform's own settings.
var home string

// Home is a folder that lasts as long as the package's tests.
func Home() string { return home }

// prepare builds the provider and looks Terraform up; it answers with the program and its settings file.
var prepare = sync.OnceValues(func() (settings [2]string, err error) {
	if home == "" {
		return settings, errors.New("the package lacks: func TestMain(m *testing.M) { terraformtest.Main(m) }")
	}
	program := os.Getenv("TERRAFORM")
	if program == "" {
		if program, err = exec.LookPath("terraform"); err != nil {
			return settings, errors.New("no terraform in PATH and no variable TERRAFORM that names one: install 1.11 or newer, see https://developer.hashicorp.com/terraform/install")
		}
	}
	build := exec.Command("go", "build", "-o", filepath.Join(home, "terraform-provider-aws"), "github.com/scimbridge/scimbridge/test/deploy/awsprovider")
	if out, err := build.CombinedOutput(); err != nil {
		return settings, fmt.Errorf("building the stand-in provider: %w\n%s", err, out)
	}
	rc := filepath.Join(home, "terraformrc")
	body := fmt.Sprintf("disable_checkpoint = true\nprovider_installation {\n  dev_overrides {\n    \"hashicorp/aws\" = %q\n  }\n}\n", home)
	return [2]string{program, rc}, os.WriteFile(rc, []byte(body), 0o600)
})

// Registry returns settings, as variables, with which Terraform finds the stand-in as if hashicorp/aws came from a registry, so that
// `terraform init` can be run too; writes is the file for write-only arguments. Terraform's program comes with it.
func Registry(t *testing.T, writes string) (program string, variables []string) {
	t.Helper()
	settings, err := prepare()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	// A version that the modules take; the schema is of it.
	at := filepath.Join(dir, "registry.terraform.io/hashicorp/aws/6.66.0", runtime.GOOS+"_"+runtime.GOARCH)
	rc := filepath.Join(dir, "terraformrc")
	body := fmt.Sprintf("disable_checkpoint = true\nprovider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", dir)
	if err := errors.Join(
		os.MkdirAll(at, 0o755),
		os.Link(filepath.Join(home, "terraform-provider-aws"), filepath.Join(at, "terraform-provider-aws_v6.66.0")),
		os.WriteFile(rc, []byte(body), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	return settings[0], []string{"TF_CLI_CONFIG_FILE=" + rc, "TF_IN_AUTOMATION=1", "NO_COLOR=1", "TF_CLI_ARGS=-no-color", "AWSPROVIDER_WRITES=" + writes}
}

// Dir is a copy of a configuration to run Terraform in.
type Dir struct {
	Path   string
	writes string
}

// Copy copies folder, without what a run of Terraform leaves behind, and the credentials that a user may have put there.
func Copy(t *testing.T, folder string) *Dir {
	t.Helper()
	d := &Dir{Path: t.TempDir()}
	d.writes = filepath.Join(t.TempDir(), "writes")
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		to := filepath.Join(d.Path, rel)
		switch name := e.Name(); {
		case e.IsDir() && name == ".terraform":
			return fs.SkipDir
		case e.IsDir():
			return os.MkdirAll(to, 0o755)
		case strings.Contains(name, ".tfstate"), name == ".terraform.lock.hcl", name == "terraform.tfvars", name == "scimsession":
			return nil
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, body, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Write puts a file into the copy.
func (d *Dir) Write(t *testing.T, name, body string) {
	t.Helper()
	path := filepath.Join(d.Path, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Replace breaks or changes one thing in a file of the copy; old has to stand there exactly once.
func (d *Dir) Replace(t *testing.T, name, old, new string) {
	t.Helper()
	path := filepath.Join(d.Path, name)
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(body, []byte(old)); n != 1 {
		t.Fatalf("%s holds %q %d times, want once", name, old, n)
	}
	d.Write(t, name, strings.Replace(string(body), old, new, 1))
}

// Run runs terraform with args in the copy, and answers with what it printed, on either stream, and with an error where it
// failed. Notices about the stand-in itself are left out.
func (d *Dir) Run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := d.command(t, args...).CombinedOutput()
	return string(out), err
}

// MustRun is Run where failing ends the test.
func (d *Dir) MustRun(t *testing.T, args ...string) string {
	t.Helper()
	out, err := d.Run(t, args...)
	if err != nil {
		t.Fatalf("terraform %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (d *Dir) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	settings, err := prepare()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(settings[0], args...)
	cmd.Dir = d.Path
	// Nothing of the caller's own Terraform or AWS settings reaches the run.
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "TF_") && !strings.HasPrefix(v, "AWS_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "TF_CLI_CONFIG_FILE="+settings[1], "TF_IN_AUTOMATION=1", "NO_COLOR=1", "TF_CLI_ARGS=-no-color", "AWSPROVIDER_WRITES="+d.writes)
	return cmd
}

// Apply applies the configuration with variables, each NAME=VALUE, and answers with the state.
func (d *Dir) Apply(t *testing.T, variables ...string) *State {
	t.Helper()
	args := []string{"apply", "-auto-approve", "-input=false"}
	for _, v := range variables {
		args = append(args, "-var", v)
	}
	d.MustRun(t, args...)
	return d.State(t)
}

// State reads the state as `terraform show -json` gives it.
func (d *Dir) State(t *testing.T) *State {
	t.Helper()
	var stderr bytes.Buffer
	cmd := d.command(t, "show", "-json")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("terraform show: %v\n%s", err, stderr.Bytes())
	}
	var in struct {
		Values struct {
			Outputs map[string]struct {
				Value any `json:"value"`
			} `json:"outputs"`
			Root module `json:"root_module"`
		} `json:"values"`
	}
	if err := json.Unmarshal(out, &in); err != nil {
		t.Fatalf("terraform show: %v", err)
	}
	s := &State{Raw: out, Outputs: map[string]any{}}
	for name, o := range in.Values.Outputs {
		s.Outputs[name] = o.Value
	}
	s.collect(in.Values.Root)
	return s
}

// Written are the write-only arguments that were applied in the copy, oldest first: what AWS has and the state has not.
func (d *Dir) Written(t *testing.T) []Written {
	t.Helper()
	f, err := os.Open(d.writes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []Written
	for sc := bufio.NewScanner(f); sc.Scan(); {
		var w Written
		if err := json.Unmarshal(sc.Bytes(), &w); err != nil {
			t.Fatal(err)
		}
		out = append(out, w)
	}
	return out
}

// Written are the write-only arguments of one apply of one resource.
type Written struct {
	Type   string         `json:"type"`
	Values map[string]any `json:"values"`
}

type module struct {
	Resources []Resource `json:"resources"`
	Children  []module   `json:"child_modules"`
}

// State is what an apply left.
type State struct {
	Raw       []byte         // as `terraform show -json` printed it
	Outputs   map[string]any // by name
	Resources []Resource     // of all modules, data sources too
}

func (s *State) collect(m module) {
	s.Resources = append(s.Resources, m.Resources...)
	for _, c := range m.Children {
		s.collect(c)
	}
}

// Resource is one of a state.
type Resource struct {
	Address string         `json:"address"`
	Mode    string         `json:"mode"` // managed or data
	Type    string         `json:"type"`
	Name    string         `json:"name"`
	Values  map[string]any `json:"values"`
}

// Of are the managed resources of a type.
func (s *State) Of(typ string) []Resource {
	var out []Resource
	for _, r := range s.Resources {
		if r.Mode == "managed" && r.Type == typ {
			out = append(out, r)
		}
	}
	return out
}

// One is the one resource with an address.
func (s *State) One(t *testing.T, address string) Resource {
	t.Helper()
	for _, r := range s.Resources {
		if r.Address == address {
			return r
		}
	}
	t.Fatalf("the state has no %s", address)
	return Resource{}
}

// Text is a value that is a string, "" where it is none.
func (r Resource) Text(name string) string {
	s, _ := r.Values[name].(string)
	return s
}
