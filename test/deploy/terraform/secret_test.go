package terraform_test

import (
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/test/deploy/terraformtest"
)

// No credential is in the state, in a plan, or in anything else that Terraform leaves in the folder: not as it is, not in
// base64, not twice. AWS has it, in base64, as ECS is to hand it over.
func TestNoCredentialInState(t *testing.T) {
	t.Parallel()
	for _, variant := range []string{"defaults", "everything"} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			d := deployment(t)
			for _, c := range leaks(t, d, variant) {
				t.Error(c)
			}
			sent := map[any]bool{}
			passwords := map[any]bool{}
			for _, w := range d.Written(t) {
				sent[w.Values["secret_string_wo"]] = true
				if w.Type == "aws_elasticache_replication_group" {
					passwords[w.Values["auth_token_wo"]] = true
				}
			}
			if !sent[base64.StdEncoding.EncodeToString([]byte(session))] {
				t.Error("AWS has not got the session in base64")
			}
			for p := range passwords {
				if p == "" || !sent[p] {
					t.Error("the cache has another password than the bridge is given")
				}
			}
		})
	}
	for name, m := range map[string]struct{ file, old, new string }{
		"as the original stores it": {"secrets.tf", "  secret_string_wo         = local.session\n  secret_string_wo_version = parseint(substr(local.session_digest, 0, 7), 16)", "  secret_string = local.session"},
		"in the environment":        {"task.tf", `{ scimsession = local.session_label }`, `{ scimsession = nonsensitive(file(local.session_path)) }`},
		"twice":                     {"task.tf", `{ scimsession = local.session_label }`, `{ scimsession = base64encode(nonsensitive(local.session)) }`},
	} {
		t.Run("changed: "+name, func(t *testing.T) {
			t.Parallel()
			d := deployment(t)
			d.Replace(t, m.file, m.old, m.new)
			if len(leaks(t, d, "defaults")) == 0 {
				t.Error("not found")
			}
		})
	}
	t.Run("base64 already", func(t *testing.T) {
		t.Parallel()
		d := deployment(t)
		encoded := base64.StdEncoding.EncodeToString([]byte(session))
		d.Write(t, "scimsession", encoded+"\n")
		apply(t, d, "defaults")
		if w := d.Written(t); len(w) != 1 || w[0].Values["secret_string_wo"] != encoded {
			t.Errorf("written: %v", w)
		}
	})
}

// leaks plans and applies, and lists the files with a credential in them.
func leaks(t *testing.T, d *terraformtest.Dir, variant string) []string {
	t.Helper()
	if variant == "everything" {
		d.Write(t, "workspace-credentials.json", `{"private_key":"`+workspaceKey+`"}`)
	}
	args := []string{"plan", "-input=false", "-out=op-scim.plan", "-var", domain}
	for _, v := range variants[variant] {
		args = append(args, "-var", v)
	}
	outputs := d.MustRun(t, args...)
	outputs += d.MustRun(t, "show", "-json", "op-scim.plan")
	outputs += d.MustRun(t, "apply", "-input=false", "op-scim.plan")

	var found []string
	look := func(where, body string) {
		for _, secret := range []string{"c3dvcmRmaXNoLXN3b3JkZmlzaA", workspaceKey} {
			for i, text := 0, []byte(secret); i < 3; i, text = i+1, []byte(base64.StdEncoding.EncodeToString(text)) {
				// base64 of a part is found at one of three places only; the text's neighbours decide which.
				for skip := range 3 {
					if core := strings.TrimRight(string(text), "="); len(core) > 12 && strings.Contains(body, core[skip:len(core)-4]) {
						found = append(found, fmt.Sprintf("%s holds a credential, encoded %d times", where, i))
						return
					}
				}
			}
		}
		for _, whole := range []string{session, `{"private_key":"` + workspaceKey + `"}`} {
			once := base64.StdEncoding.EncodeToString([]byte(whole))
			if strings.Contains(body, once) || strings.Contains(body, base64.StdEncoding.EncodeToString([]byte(once))) {
				found = append(found, where+" holds a credential in base64")
				return
			}
		}
		for _, w := range d.Written(t) {
			for name, v := range w.Values {
				if s, _ := v.(string); name != "secret_id" && s != "" && strings.Contains(body, s) {
					found = append(found, where+" holds what "+w.Type+" was given")
					return
				}
			}
		}
	}
	look("the output", outputs)
	err := filepath.WalkDir(d.Path, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == "scimsession" || e.Name() == "workspace-credentials.json" {
			return err
		}
		body, err := os.ReadFile(path)
		look(e.Name(), string(body))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
