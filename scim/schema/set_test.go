package schema_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/schema"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares with a file of testdata.
func golden(t *testing.T, name string, doc []byte) {
	t.Helper()
	var got bytes.Buffer
	if err := json.Indent(&got, doc, "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Error(diff)
	}
}

func TestDiscoveryGolden(t *testing.T) {
	t.Parallel()
	set := standard()
	const root = "https://bridge.example/scim/v2"
	for _, s := range set.Schemas() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			golden(t, "schema_"+s.Name+".json", scim.JSON(s.Object(root)))
		})
	}
	for _, rt := range set.ResourceTypes() {
		t.Run("type "+rt.Name, func(t *testing.T) {
			t.Parallel()
			golden(t, "type_"+rt.Name+".json", scim.JSON(rt.Object(root)))
		})
	}
}

// What RFC 7643 says of all schemas.
func TestSchemasAreWellFormed(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`^[A-Za-z$][A-Za-z0-9_$-]*$`)
	types := map[string]schema.Type{
		"value": "", "display": schema.String, "type": schema.String, "primary": schema.Boolean, "$ref": schema.Reference,
	}
	var check func(t *testing.T, s *schema.Schema, attrs []*schema.Attribute, depth int)
	check = func(t *testing.T, s *schema.Schema, attrs []*schema.Attribute, depth int) {
		for _, a := range attrs {
			if !name.MatchString(a.Name) || a.Description == "" {
				t.Errorf("%s: name or description", a.Name)
			}
			if (a.Type == schema.Complex) != (len(a.Sub) > 0) {
				t.Errorf("%s: sub-attributes", a.Name)
			}
			if a.Type == schema.Reference && (len(a.ReferenceTypes) == 0 || !a.CaseExact) {
				t.Errorf("%s: reference types or case", a.Name)
			}
			if depth > 0 && a.Type == schema.Complex && s.Name != "Schema" {
				t.Errorf("%s: complex in complex", a.Name)
			}
			if depth > 0 && types[a.Name] != "" && s.Name != "Schema" && a.Type != types[a.Name] {
				t.Errorf("%s: type %s", a.Name, a.Type)
			}
			check(t, s, a.Sub, depth+1)
		}
	}
	for _, s := range extended(t).Schemas() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			if s.Name == "Test" {
				return // has descriptions left out on purpose
			}
			check(t, s, s.Attributes, 0)
			if doc := scim.JSON(s.Object("")); bytes.Contains(doc, []byte("null")) {
				t.Errorf("null in %s", doc)
			}
		})
	}
}

func TestSetLookups(t *testing.T) {
	t.Parallel()
	set := standard()
	if s, ok := set.SchemaByID(strings.ToUpper(entURN)); !ok || s.Name != "EnterpriseUser" {
		t.Errorf("got %v, %t", s, ok)
	}
	if s, ok := set.SchemaByID("urn:x"); ok {
		t.Errorf("got %v", s)
	}
	if rt, ok := set.ResourceTypeByName("GROUP"); !ok || rt != set.Group() {
		t.Errorf("got %v, %t", rt, ok)
	}
	if rt, ok := set.ResourceTypeByName("Device"); ok {
		t.Errorf("got %v", rt)
	}
}

func TestLoadExtensions(t *testing.T) {
	t.Parallel()
	before := standard()
	after, err := schema.LoadExtensions(before, []byte(testExtension))
	if err != nil {
		t.Fatal(err)
	}
	if len(before.User().Extensions) != 1 || len(before.Schemas()) != 6 {
		t.Error("the set given was changed")
	}
	if _, ok := before.User().ResolveText(testURN); ok {
		t.Error("the set given knows the extension")
	}
	if len(after.User().Extensions) != 2 || len(after.Group().Extensions) != 0 {
		t.Errorf("extensions: %v", after.User().Extensions)
	}
	s, ok := after.SchemaByID(testURN)
	if !ok {
		t.Fatal("the schema is not listed")
	}
	golden(t, "schema_Test.json", scim.JSON(s.Object("")))
	golden(t, "type_User_extended.json", scim.JSON(after.User().Object("")))

	// What is announced can be loaded again.
	doc := scim.JSON(scim.NewObject(
		scim.Member{Name: "resourceType", Value: "User"}, scim.Member{Name: "schema", Value: s.Object("")}))
	again, err := schema.LoadExtensions(before, doc)
	if err != nil {
		t.Fatal(err)
	}
	r, _ := again.SchemaByID(testURN)
	if diff := cmp.Diff(s, r); diff != "" {
		t.Error(diff)
	}
	none, err := schema.LoadExtensions(before, []byte(`[]`))
	if err != nil || len(none.Schemas()) != 6 {
		t.Errorf("an empty list: %v", err)
	}
}

func TestLoadExtensionsErrors(t *testing.T) {
	t.Parallel()
	ext := func(attribute string) string {
		return `{"resourceType":"User","schema":{"id":"urn:example:x","attributes":[` + attribute + `]}}`
	}
	id := func(id string) string {
		return `{"resourceType":"User","schema":{"id":"` + id + `","attributes":[{"name":"a"}]}}`
	}
	tests := map[string]struct{ in, want string }{
		"no JSON":                   {`{`, "extensions: at byte"},
		"a word":                    {`"x"`, "extension 1: must be an object, not a string"},
		"second":                    {`[` + id("urn:example:x") + `,5]`, "extension 2: must be an object, not a number"},
		"unknown member":            {`{"resourcetypes":"User"}`, `extension 1: unknown member "resourcetypes"; known are resourceType, required, schema`},
		"type missing":              {`{}`, `resourceType "" is neither`},
		"type unknown":              {`{"resourceType":"Device"}`, `resourceType "Device" is neither`},
		"type a number":             {`{"resourceType":5}`, "resourceType must be a string, not a number"},
		"required a string":         {`{"resourceType":"User","required":"yes"}`, "required must be true or false, not a string"},
		"schema missing":            {`{"resourceType":"User"}`, "schema must be an object, not null"},
		"id missing":                {`{"resourceType":"User","schema":{}}`, "id is missing"},
		"id a number":               {`{"resourceType":"User","schema":{"id":5}}`, "id must be a string"},
		"attributes missing":        {`{"resourceType":"User","schema":{"id":"urn:a:b"}}`, "attributes is missing or empty"},
		"attributes an object":      {`{"resourceType":"User","schema":{"id":"urn:a:b","attributes":{}}}`, "attributes must be an array, not an object"},
		"attribute a string":        {ext(`"a"`), "attributes[0] must be an object, not a string"},
		"id no URN":                 {id("http://x"), "id must be a URN"},
		"id short":                  {id("urn:x"), "id must be a URN"},
		"id ends in a colon":        {id("urn:x:y:"), "id must be a URN"},
		"id with a space":           {id("urn:x:a b"), `id holds ' '`},
		"id with a bracket":         {id("urn:x:a["), `id holds '['`},
		"id twice":                  {`[` + id("urn:x:a") + `,` + id("URN:X:A") + `]`, "there is a schema of this id already"},
		"id of the standard":        {id(entURN), "there is a schema of this id already"},
		"id below another":          {id(entURN + ":more"), "cannot be told from an attribute's path"},
		"id above another":          {id(entURN[:len(entURN)-len(":User")]), "cannot be told from an attribute's path"},
		"name missing":              {ext(`{}`), `attributes[0]: "" is no name`},
		"name with a dot":           {ext(`{"name":"a.b"}`), `"a.b" is no name`},
		"name begins with a digit":  {ext(`{"name":"1"}`), `"1" is no name`},
		"name a dollar":             {ext(`{"name":"$"}`), `"$" is no name`},
		"name twice":                {ext(`{"name":"a"},{"name":"A"}`), "attributes[1]: there is another A"},
		"misspelt characteristic":   {ext(`{"name":"a","multivalue":true}`), `unknown member "multivalue"`},
		"type of attribute":         {ext(`{"name":"a","type":"text"}`), `attributes[0] a: type "text" is none of [string`},
		"mutability":                {ext(`{"name":"a","mutability":"x"}`), `mutability "x" is none of`},
		"returned":                  {ext(`{"name":"a","returned":"x"}`), `returned "x" is none of`},
		"uniqueness":                {ext(`{"name":"a","uniqueness":"x"}`), `uniqueness "x" is none of`},
		"unique":                    {ext(`{"name":"a","uniqueness":"server"}`), "attribute a: uniqueness can only be none"},
		"write-only":                {ext(`{"name":"a","mutability":"writeOnly"}`), "attribute a: mutability writeOnly would lose"},
		"read-only and required":    {ext(`{"name":"a","mutability":"readOnly","required":true}`), "attribute a: a readOnly attribute cannot be required"},
		"canonicalValues":           {ext(`{"name":"a","canonicalValues":"x"}`), "canonicalValues must be an array"},
		"canonicalValues of number": {ext(`{"name":"a","canonicalValues":[1]}`), "canonicalValues must hold strings, not a number"},
		"complex without":           {ext(`{"name":"a","type":"complex"}`), "subAttributes belong to the type complex"},
		"string with":               {ext(`{"name":"a","subAttributes":[{"name":"b"}]}`), "subAttributes belong to the type complex"},
		"complex in complex":        {ext(`{"name":"a","type":"complex","subAttributes":[{"name":"b","type":"complex","subAttributes":[{"name":"c"}]}]}`), "attribute a.b: a sub-attribute cannot be complex"},
		"fault in a sub-attribute":  {ext(`{"name":"a","type":"complex","subAttributes":[{"name":"b","type":"x"}]}`), "attributes[0] a, subAttributes[0] b: type"},
		"unique sub-attribute":      {ext(`{"name":"a","type":"complex","subAttributes":[{"name":"b","uniqueness":"global"}]}`), "attribute a.b: uniqueness"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := schema.LoadExtensions(standard(), []byte(tt.in))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v does not say %q", err, tt.want)
			}
		})
	}
}

func FuzzLoadExtensions(f *testing.F) {
	f.Add([]byte(testExtension))
	f.Add([]byte(`{"resourceType":"Group","required":true,"schema":{"id":"urn:a:b","attributes":[{"name":"x","type":"complex","subAttributes":[{"name":"$ref","type":"reference"}]}]}}`))
	set := standard()
	f.Fuzz(func(t *testing.T, doc []byte) {
		out, err := schema.LoadExtensions(set, doc)
		if err != nil {
			return
		}
		for _, rt := range out.ResourceTypes() {
			for _, e := range rt.Extensions {
				for _, a := range e.Schema.Attributes {
					want := schema.Target{Extension: e.Schema, Attr: a}
					if got, ok := rt.ResolveText(want.String()); !ok || got != want {
						t.Fatalf("%s resolves to %s, %t", want, got, ok)
					}
				}
			}
			if _, err := scim.ParseObject(scim.JSON(rt.Object(""))); err != nil {
				t.Fatal(err)
			}
		}
	})
}
