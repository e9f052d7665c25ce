package main

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write docs/configuration.md anew")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"scimbridge": main})
}

// TestScripts runs command lines as a person would type them.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:  filepath.Join("testdata", "script"),
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"site": siteCommand, "becomes": becomesCommand, "renames": renamesCommand, "liar": liarCommand, "keyless": keylessCommand},
		Setup: func(e *testscript.Env) error {
			e.Values[scriptSite{}] = &scriptSite{}
			e.Setenv("HOME", e.WorkDir)
			return os.WriteFile(filepath.Join(e.WorkDir, "password"), []byte("correct horse battery\n"), 0o600)
		},
	})
}

func TestConfigurationPage(t *testing.T) {
	t.Parallel()
	want, err := configurationPage()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("..", "..", "docs", "configuration.md")
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil { //nolint:gosec // a page for everybody
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/configuration.md is stale; make docs writes it anew:\n%s", diff)
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	parser, err := newParser(&commandLine{}, &environment{})
	if err != nil {
		t.Fatal(err)
	}
	known := variables(parser.Model.Node)
	for in, want := range map[string]string{
		"OP_SESION": "OP_SESSION", "OP_DEBGU": "OP_DEBUG", "OP_JSON_LOG": "OP_JSON_LOGS", "OP_SOMETHING_ELSE": "",
	} {
		if got := nearest(in, known, 3); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}
