package schema_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/scim/schema"
)

func TestResolve(t *testing.T) {
	t.Parallel()
	set := extended(t)
	tests := map[string]struct {
		urn, name, sub string
		want           string // "" for none
	}{
		"core":                        {"", "userName", "", "userName"},
		"case":                        {"", "USERNAME", "", "userName"},
		"sub-attribute":               {"", "Name", "GIVENNAME", "name.givenName"},
		"$ref":                        {"", "groups", "$REF", "groups.$ref"},
		"common":                      {"", "externalid", "", "externalId"},
		"meta":                        {"", "meta", "lastmodified", "meta.lastModified"},
		"schemas":                     {"", "schemas", "", "schemas"},
		"URN of the base schema":      {userURN, "userName", "", "userName"},
		"URN in capitals":             {strings.ToUpper(userURN), "NAME", "GIVENNAME", "name.givenName"},
		"common by URN":               {userURN, "meta", "created", "meta.created"},
		"extension":                   {entURN, "department", "", entURN + ":department"},
		"extension, case":             {strings.ToUpper(entURN), "MANAGER", "VALUE", entURN + ":manager.value"},
		"extension without URN":       {"", "manager", "value", entURN + ":manager.value"},
		"first extension wins":        {"", "department", "", entURN + ":department"},
		"namesake by URN":             {testURN, "department", "", testURN + ":department"},
		"extension as a whole":        {entURN[:len(entURN)-len(":User")], "user", "", entURN},
		"whole with dots":             {testURN[:len(testURN)-len(":User")], "User", "", testURN},
		"unknown":                     {"", "nope", "", ""},
		"unknown sub-attribute":       {"", "name", "nope", ""},
		"sub-attribute of a string":   {"", "userName", "value", ""},
		"unknown URN":                 {"urn:x", "userName", "", ""},
		"base attribute by extension": {entURN, "userName", "", ""},
		"extension's by base URN":     {userURN, "department", "", ""},
		"base schema as a whole":      {userURN[:len(userURN)-len(":User")], "User", "", ""},
		"Kelvin":                      {"", "nic\u212aName", "", ""},
		"empty":                       {"", "", "", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := set.User().Resolve(tt.urn, tt.name, tt.sub)
			if ok != (tt.want != "") {
				t.Fatalf("found: %t, %s", ok, got)
			}
			if diff := cmp.Diff(tt.want, got.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestResolveText(t *testing.T) {
	t.Parallel()
	set := extended(t)
	tests := map[string]struct {
		path string
		want string
	}{
		"core":                      {"userName", "userName"},
		"sub-attribute":             {"NAME.givenname", "name.givenName"},
		"URN":                       {userURN + ":userName", "userName"},
		"URN, case":                 {strings.ToUpper(userURN + ":name.givenName"), "name.givenName"},
		"extension":                 {entURN + ":department", entURN + ":department"},
		"extension's sub-attribute": {entURN + ":manager.displayName", entURN + ":manager.displayName"},
		"extension without URN":     {"manager.value", entURN + ":manager.value"},
		"URN with a dot":            {testURN + ":box.a", testURN + ":box.a"},
		"whole":                     {strings.ToLower(testURN), testURN},
		"base schema as a whole":    {userURN, ""},
		"URN and nothing":           {entURN + ":", ""},
		"URN and unknown":           {entURN + ":nope", ""},
		"URN and part":              {entURN + ":manager.", ""},
		"three levels":              {"name.givenName.x", ""},
		"dot at the end":            {"name.", ""},
		"dot at the start":          {".name", ""},
		"unknown":                   {"nope", ""},
		"unknown URN":               {"urn:x:y", ""},
		"empty":                     {"", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := set.User().ResolveText(tt.path)
			if ok != (tt.want != "") {
				t.Fatalf("found: %t, %s", ok, got)
			}
			if diff := cmp.Diff(tt.want, got.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The end of a URN may look like an attribute and its sub-attribute.
func TestResolveURNThatEndsInADot(t *testing.T) {
	t.Parallel()
	set, err := schema.LoadExtensions(standard(), []byte(`{"resourceType":"User","schema":{"id":"urn:example:staff.v1","attributes":[{"name":"a"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := set.User().Resolve("urn:example", "Staff", "V1"); !ok || got.String() != "urn:example:staff.v1" {
		t.Errorf("got %s, %t", got, ok)
	}
	if got, ok := set.User().ResolveText("urn:example:staff.v1:A"); !ok || got.String() != "urn:example:staff.v1:a" {
		t.Errorf("got %s, %t", got, ok)
	}
}

// Every attribute is found by the path that it prints.
func TestResolvePrinted(t *testing.T) {
	t.Parallel()
	for _, rt := range extended(t).ResourceTypes() {
		check := func(want schema.Target) {
			if got, ok := rt.ResolveText(want.String()); !ok || got != want {
				t.Errorf("%s: %s resolves to %s, %t", rt.Name, want, got, ok)
			}
		}
		each := func(ext *schema.Schema, attrs []*schema.Attribute) {
			for _, a := range attrs {
				check(schema.Target{Extension: ext, Attr: a})
				for _, sub := range a.Sub {
					check(schema.Target{Extension: ext, Attr: a, Sub: sub})
				}
			}
		}
		each(nil, rt.Schema.Attributes)
		for _, e := range rt.Extensions {
			check(schema.Target{Extension: e.Schema})
			each(e.Schema, e.Schema.Attributes)
		}
	}
}

func TestSubAttribute(t *testing.T) {
	t.Parallel()
	target, _ := standard().User().Resolve("", "emails", "")
	if sub := target.Attr.SubAttribute("PRIMARY"); sub == nil || sub.Name != "primary" {
		t.Errorf("got %v", sub)
	}
	if sub := target.Attr.SubAttribute("nope"); sub != nil {
		t.Errorf("got %v", sub)
	}
}

func TestResolveAllocations(t *testing.T) {
	rt := standard().User()
	n := testing.AllocsPerRun(100, func() {
		rt.Resolve("", "userName", "")
		rt.Resolve("", "emails", "value")
		rt.Resolve(entURN, "department", "")
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
