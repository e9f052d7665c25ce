package account_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/test/deploy/guide"
	"github.com/scimbridge/scimbridge/test/program"
)

// claims returns what the README names and nobody has: variables, outputs, flags of the program.
func claims(t *testing.T, readme string) []string {
	t.Helper()
	declared := func(file, kind string) []string {
		var names []string
		for _, m := range regexp.MustCompile(`(?m)^`+kind+` "([\w-]+)"`).FindAllStringSubmatch(read(t, filepath.Join(folder, file)), -1) {
			names = append(names, m[1])
		}
		return names
	}
	variables, outputs := declared("variables.tf", "variable"), declared("outputs.tf", "output")
	var out []string
	for _, m := range regexp.MustCompile("(?:`([a-z0-9_]+) = |-var ([a-z0-9_]+)=)").FindAllStringSubmatch(readme, -1) {
		if name := m[1] + m[2]; !slices.Contains(variables, name) {
			out = append(out, "variable "+name)
		}
	}
	for _, m := range regexp.MustCompile("`([a-z]+_[a-z0-9_]+)`").FindAllStringSubmatch(readme, -1) {
		if !slices.Contains(variables, m[1]) && !slices.Contains(outputs, m[1]) && m[1] != "allow_major_version_upgrade" {
			out = append(out, "variable or output "+m[1])
		}
	}
	for _, m := range regexp.MustCompile(`terraform output -raw ([\w-]+)`).FindAllStringSubmatch(readme, -1) {
		if !slices.Contains(outputs, m[1]) {
			out = append(out, "output "+m[1])
		}
	}
	for _, m := range regexp.MustCompile(`(?m)scimbridge ((?:credentials new|account owner add)(?: |\n)(?:[^\n]*\\\n)*[^\n\x60]*)`).FindAllStringSubmatch(readme, -1) {
		verb := strings.Fields(m[1])
		help, err := exec.Command(program.Path(t), append(slices.Clone(verb[:2]), "--help")...).CombinedOutput()
		if verb[0] == "account" {
			help, err = exec.Command(program.Path(t), "account", "owner", "add", "--help").CombinedOutput()
		}
		if err != nil {
			t.Fatalf("%v: %s", err, help)
		}
		for _, flag := range regexp.MustCompile(`--[a-z-]+`).FindAllString(m[1], -1) {
			if !strings.Contains(string(help), flag) {
				out = append(out, "flag "+flag)
			}
		}
	}
	return out
}

func TestReadme(t *testing.T) {
	t.Parallel()
	readme := read(t, filepath.Join(folder, "README.md"))
	guide.Check(t, readme)
	if got := claims(t, readme); len(got) > 0 {
		t.Errorf("it names what is not there: %q", got)
	}
	for _, broken := range []struct{ old, new, want string }{
		{"`replicas = 2`", "`replica = 2`", "variable replica"},
		{"`certificate_validation_records`", "`certificate_records`", "variable or output certificate_records"},
		{"output -raw account_url", "output -raw url", "output url"},
		{"--token-file", "--tokens", "flag --tokens"},
	} {
		if got := claims(t, strings.ReplaceAll(readme, broken.old, broken.new)); !slices.Contains(got, broken.want) {
			t.Errorf("%s: %q", broken.want, got)
		}
	}
}
