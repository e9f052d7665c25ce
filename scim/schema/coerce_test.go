package schema_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/schema"
)

func value(t testing.TB, doc string) any {
	t.Helper()
	v, err := scim.Parse([]byte(doc))
	if err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	return v
}

func TestCoerce(t *testing.T) {
	t.Parallel()
	rt := extended(t).User()
	tests := map[string]struct {
		path, in      string
		whole, single string // of Coerce and of CoerceElement; "" for an error
	}{
		"string":                 {"title", `"t"`, `"t"`, `"t"`},
		"null":                   {"title", `null`, `null`, `null`},
		"empty":                  {"userName", `""`, `null`, `null`},
		"empty list":             {"title", `[]`, `null`, `null`},
		"boolean":                {"active", `"FALSE"`, `false`, `false`},
		"wrong":                  {"active", `"no"`, ``, ``},
		"list":                   {"emails", `[{"value":"a"},"b",null]`, `[{"value":"a"},{"value":"b"}]`, ``},
		"element":                {"emails", `{"value":"a","type":"HOME"}`, `[{"value":"a","type":"home"}]`, `{"value":"a","type":"home"}`},
		"bare element":           {"emails", `"a"`, `[{"value":"a"}]`, `{"value":"a"}`},
		"no element":             {"emails", `{}`, `null`, `null`},
		"empty lists":            {"emails", `[]`, `null`, ``},
		"sub-attribute":          {"emails.type", `"Other"`, `"other"`, `"other"`},
		"boolean sub-attribute":  {"emails.primary", `"true"`, `true`, `true`},
		"complex":                {"name", `{"givenName":"g","nope":1}`, `{"givenName":"g"}`, `{"givenName":"g"}`},
		"manager":                {"manager", `[{"value":"m"}]`, `{"value":"m"}`, `{"value":"m"}`},
		"manager a string":       {"manager", `"m"`, `{"value":"m"}`, `{"value":"m"}`},
		"manager cleared":        {"manager", `{"value":""}`, `null`, `null`},
		"list of numbers":        {"numbers", `[1,2]`, `[1,2]`, ``},
		"number":                 {"numbers", `1`, `[1]`, `1`},
		"list in a complex":      {"box.list", `["a","A"]`, `["a"]`, ``},
		"extension":              {entURN, `{"Department":"d"}`, `{"department":"d"}`, `{"department":"d"}`},
		"extension empty":        {entURN, `{"department":""}`, `null`, `null`},
		"extension null":         {entURN, `null`, `null`, `null`},
		"extension a string":     {entURN, `"x"`, ``, ``},
		"extension with a fault": {testURN, `{"box":{"e":true}}`, ``, ``},
		"decimal":                {"share", `-1.5e-10`, `-1.5e-10`, `-1.5e-10`},
		"date":                   {"meta.created", `"2026-01-31T12:00:00"`, `"2026-01-31T12:00:00"`, `"2026-01-31T12:00:00"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target, ok := rt.ResolveText(tt.path)
			if !ok {
				t.Fatalf("%s is not found", tt.path)
			}
			check := func(what string, f func(schema.Target, any) (any, error), want string) {
				got, err := f(target, value(t, tt.in))
				if want == "" {
					if e, ok := errors.AsType[*scim.Error](err); !ok || e.Type != scim.InvalidValue {
						t.Errorf("%s: got %s, error %v; want invalidValue", what, scim.JSON(got), err)
					}
					return
				}
				if err != nil {
					t.Errorf("%s: %v", what, err)
					return
				}
				if diff := cmp.Diff(want, string(scim.JSON(got))); diff != "" {
					t.Errorf("%s: %s", what, diff)
				}
			}
			check("Coerce", rt.Coerce, tt.whole)
			check("CoerceElement", rt.CoerceElement, tt.single)
		})
	}
}

func TestCoerceNothing(t *testing.T) {
	t.Parallel()
	_, err := standard().User().Coerce(schema.Target{}, "x")
	if e, ok := errors.AsType[*scim.Error](err); !ok || e.Type != scim.InvalidPath {
		t.Errorf("got %v", err)
	}
}

func TestTidy(t *testing.T) {
	t.Parallel()
	set := extended(t)
	tests := map[string]struct {
		rt       *schema.ResourceType
		in, want string
	}{
		"clean":            {set.User(), user(`,"title":"t"`), user(`,"title":"t"`)},
		"empty values":     {set.User(), user(`,"title":"","nickName":null,"name":{"givenName":""},"emails":[{},null,{"value":""}],"roles":[]`), user(``)},
		"empty inside":     {set.User(), user(`,"name":{"givenName":"g","familyName":null},"emails":[{"value":"a","type":""}]`), user(`,"name":{"givenName":"g"},"emails":[{"value":"a"}]`)},
		"last primary":     {set.User(), user(`,"emails":[{"value":"a","primary":true},{"value":"b","primary":true},{"value":"c"}]`), user(`,"emails":[{"value":"a","primary":false},{"value":"b","primary":true},{"value":"c"}]`)},
		"equal elements":   {set.User(), user(`,"emails":[{"value":"a","type":"work"},{"value":"A","type":"WORK","primary":true}]`), user(`,"emails":[{"value":"a","type":"work","primary":true}]`)},
		"password":         {set.User(), user(`,"password":"x"`), user(``)},
		"read-only stays":  {set.User(), `{"userName":"u","id":"1","groups":[],"meta":{"version":""}}`, `{"userName":"u","id":"1","groups":[],"meta":{"version":""},"schemas":["` + userURN + `"]}`},
		"extension gained": {set.User(), user(`,"` + entURN + `":{"department":"d","division":""}`), user(`,"`+entURN+`":{"department":"d"}`, entURN)},
		"extension lost":   {set.User(), user(`,"`+entURN+`":{"department":null,"manager":{}}`, entURN), user(``)},
		"extension a word": {set.User(), user(`,"`+entURN+`":"x"`, entURN), user(``)},
		"simple lists":     {set.User(), user(`,"` + testURN + `":{"tags":["a","A",""],"numbers":[1,1]}`), user(`,"`+testURN+`":{"tags":["a"],"numbers":[1]}`, testURN)},
		"members":          {set.Group(), group(`,"members":[{"value":"a","$ref":"r","type":"User","display":"d"},{"value":"a","type":"User"},{"value":"b","type":"User"}]`), group(`,"members":[{"value":"a","$ref":"r","type":"User","display":"d"},{"value":"b","type":"User"}]`)},
		"no members left":  {set.Group(), group(`,"members":[]`), group(``)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := object(t, tt.in)
			// What stands below the document may be shared with the one it was made of.
			var shared []any
			for _, v := range in.All() {
				shared = append(shared, v)
			}
			before := scim.Clone(scim.Array(shared))
			if err := tt.rt.Tidy(in); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(scim.JSON(in))); diff != "" {
				t.Error(diff)
			}
			if !scim.Equal(before, scim.Array(shared)) {
				t.Error("values below the document were changed")
			}
		})
	}
}

func TestTidyErrors(t *testing.T) {
	t.Parallel()
	set := extended(t)
	many := make(scim.Array, schema.MaxElements+1)
	for i := range many {
		many[i] = scim.NewObject(scim.Member{Name: "value", Value: string(scim.Int(i))})
	}
	tooMany := object(t, user(``))
	tooMany.Set("roles", many)
	tests := map[string]struct {
		rt   *schema.ResourceType
		in   *scim.Object
		want string
	}{
		"userName":     {set.User(), object(t, `{"userName":""}`), "userName is required"},
		"displayName":  {set.Group(), object(t, `{}`), "displayName is required"},
		"member":       {set.Group(), object(t, group(`,"members":[{"type":"User"}]`)), "members.value is required"},
		"in extension": {set.User(), object(t, user(`,"`+testURN+`":{"box":{"e":true}}`)), ":box.a is required"},
		"too many":     {set.User(), tooMany, "roles has 1001 values"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantInvalid(t, tt.rt.Tidy(tt.in), tt.want)
		})
	}
}

func TestSchemas(t *testing.T) {
	t.Parallel()
	rt := extended(t).User()
	tests := map[string]struct{ in, want string }{
		"none":  {`{"` + entURN + `":{}}`, `["` + userURN + `"]`},
		"order": {`{"` + testURN + `":{"text":"x"},"` + entURN + `":{"department":"d"}}`, `["` + userURN + `","` + entURN + `","` + testURN + `"]`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, string(scim.JSON(rt.Schemas(object(t, tt.in))))); diff != "" {
				t.Error(diff)
			}
		})
	}
}
