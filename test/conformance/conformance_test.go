// Package conformance_test holds the program to the requirements of the RFCs: the same values that "scimbridge check"
// tries against any server.
package conformance_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/internal/conformance"
	"github.com/scimbridge/scimbridge/test/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// extension has an attribute of each kind that the standard schemas lack, so that their requirements can be tried.
const extension = `[{"resourceType": "User", "required": false, "schema": {
  "id": "urn:example:params:scim:schemas:extension:test:2.0:User", "name": "Test", "description": "Attributes of every kind",
  "attributes": [
    {"name": "integerAttr", "type": "integer"}, {"name": "decimalAttr", "type": "decimal"}, {"name": "dateTimeAttr", "type": "dateTime"},
    {"name": "binaryAttr", "type": "binary"}, {"name": "booleanAttr", "type": "boolean"}, {"name": "immutableAttr", "mutability": "immutable"},
    {"name": "requestAttr", "returned": "request"}, {"name": "neverAttr", "returned": "never"}, {"name": "exactAttr", "caseExact": true}]}}]`

func TestRequirements(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "extensions.json")
	if err := os.WriteFile(file, []byte(extension), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{"standard": nil, "extended": {"--extensions-file", file}, "strict": {"--strict-members"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := program.Start(t, "", args...)
			report, err := conformance.Run(t.Context(), conformance.Config{BaseURL: p.SCIM, Token: func() string { return p.Token }})
			if err != nil {
				t.Fatal(err)
			}
			if !report.OK() || len(report.Rows) < 421 {
				t.Errorf("%d requirements", len(report.Rows))
			}
			should, met := 0, 0
			for _, row := range report.Rows {
				if row.Outcome == conformance.Fail || row.Outcome == conformance.Error {
					t.Logf("%s %s %s: %s", row.Counts, row.ID, row.Summary, row.Detail)
				}
				switch {
				case row.Counts == conformance.Must && (row.Outcome == conformance.Fail || row.Outcome == conformance.Error):
					t.Errorf("%s is not met", row.ID)
				case row.Counts == conformance.Should && row.Outcome == conformance.Pass:
					should, met = should+1, met+1
				case row.Counts == conformance.Should && row.Outcome != conformance.NotApplicable:
					should++
				}
			}
			const promised = 0.95
			if float64(met) < promised*float64(should) {
				t.Errorf("%d of %d SHOULDs are met", met, should)
			}
			if len(report.Left) > 0 {
				t.Errorf("left behind: %v", report.Left)
			}
		})
	}
}

// TestCheckVerb runs the verb as a person would.
func TestCheckVerb(t *testing.T) {
	t.Parallel()
	p := program.Start(t, "")
	token := filepath.Join(p.Data, "token")
	out, errs, code := program.Run(t, "check", p.SCIM, "--token-file", token)
	if code != 0 || !strings.Contains(out, "No MUST fails.") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	out, _, code = program.Run(t, "check", p.SCIM, "--token-file", token, "--json")
	if code != 0 || !strings.Contains(out, `"requirements"`) || strings.Contains(out, p.Token) {
		t.Errorf("exit %d: %.500s", code, out)
	}
	for name, c := range map[string][]string{
		"a wrong address": {p.Bridge + "/nowhere/at/all", token}, "nobody there": {"http://127.0.0.1:1/scim/v2", token}, "no file": {p.SCIM, "/nowhere"},
	} {
		_, errs, code := program.Run(t, "check", c[0], "--token-file", c[1])
		if code != 1 || errs == "" {
			t.Errorf("%s: exit %d, %q", name, code, errs)
		}
	}
}
