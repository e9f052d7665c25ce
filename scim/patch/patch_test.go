package patch_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/patch"
	"github.com/scimbridge/scimbridge/scim/schema"
)

const before = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
 "id":"u1","externalId":"e1","userName":"ann","title":"T","active":true,"name":{"givenName":"Ann","familyName":"Lee"},
 "emails":[{"value":"a@w","type":"work","primary":true},{"value":"a@h","type":"home","display":"H"}],
 "meta":{"resourceType":"User"},"groups":[{"value":"g1"}],
 "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"D","manager":{"value":"m1"}}}`

const ent = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

func object(t testing.TB, text string) *scim.Object {
	t.Helper()
	o, err := scim.ParseObject([]byte(text))
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return o
}

func apply(t testing.TB, rt *schema.ResourceType, doc, ops string) (*scim.Object, bool, error) {
	t.Helper()
	list, err := patch.Parse(object(t, `{"Operations":[`+ops+`]}`))
	if err != nil {
		return nil, false, err
	}
	in := object(t, doc)
	was := in.Clone()
	out, changed, err := patch.Apply(rt, in, list)
	if !scim.Equal(in, was) {
		t.Errorf("the document given was changed")
	}
	return out, changed, err
}

// get reads a value by dotted names and numbers, as JSON; "" where there is none.
func get(doc any, path string) string {
	for _, name := range strings.Split(path, "/") {
		switch d := doc.(type) {
		case *scim.Object:
			if !d.Has(name) {
				return ""
			}
			doc = d.Get(name)
		case scim.Array:
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(d) {
				return ""
			}
			doc = d[i]
		default:
			return ""
		}
	}
	return string(scim.JSON(doc))
}

func TestApply(t *testing.T) {
	t.Parallel()
	rt := schema.Standard().User()
	for _, c := range []struct {
		name, ops string
		want      map[string]string // path → JSON
		same      bool              // nothing changes
	}{
		{"add without a path", `{"op":"add","value":{"title":"N","emails":[{"value":"c@x"}]}}`, map[string]string{"title": `"N"`, "emails/2/value": `"c@x"`}, false},
		{"add single replaces", `{"op":"add","path":"title","value":"N"}`, map[string]string{"title": `"N"`}, false},
		{"add complex merges", `{"op":"add","path":"name","value":{"givenName":"X"}}`, map[string]string{"name/givenName": `"X"`, "name/familyName": `"Lee"`}, false},
		{"add multi appends", `{"op":"add","path":"emails","value":[{"value":"c@x","type":"other"}]}`, map[string]string{"emails/0/value": `"a@w"`, "emails/2/value": `"c@x"`}, false},
		{"add equal changes nothing", `{"op":"add","path":"emails","value":{"value":"a@h","type":"home","display":"H"}}`, nil, true},
		{"add of the same title changes nothing", `{"op":"add","path":"title","value":"T"}`, nil, true},
		{"add primary demotes", `{"op":"add","path":"emails","value":{"value":"b@x","primary":true}}`, map[string]string{"emails/0/primary": "false", "emails/2/primary": "true"}, false},
		{"add through a filter", `{"op":"add","path":"emails[type eq \"work\"].display","value":"W"}`, map[string]string{"emails/0/display": `"W"`, "emails/1/display": `"H"`}, false},
		{"add through a filter creates", `{"op":"add","path":"phoneNumbers[type eq \"mobile\"].value","value":"1"}`, map[string]string{"phoneNumbers/0": `{"type":"mobile","value":"1"}`}, false},
		{"add object through a filter merges", `{"op":"add","path":"emails[type eq \"home\"]","value":{"primary":true}}`, map[string]string{"emails/1/display": `"H"`, "emails/1/primary": "true", "emails/0/primary": "false"}, false},
		{"add object through a filter creates", `{"op":"add","path":"addresses[type eq \"work\"]","value":{"locality":"L"}}`, map[string]string{"addresses/0": `{"type":"work","locality":"L"}`}, false},
		{"add sub-attribute of a list", `{"op":"add","path":"phoneNumbers.value","value":"1"}`, map[string]string{"phoneNumbers/0/value": `"1"`}, false},
		{"URN path", `{"op":"add","path":"` + ent + `:costCenter","value":"C"}`, map[string]string{ent + "/costCenter": `"C"`, ent + "/department": `"D"`}, false},
		{"path in capitals", `{"op":"REPLACE","path":"URN:IETF:PARAMS:SCIM:SCHEMAS:CORE:2.0:USER:NAME.GIVENNAME","value":"X"}`, map[string]string{"name/givenName": `"X"`}, false},
		{"dotted and URN keys", `{"op":"Add","value":{"name.givenName":"X","` + ent + `:department":"Y","nope":1,"id":"zz","schemas":[]}}`, map[string]string{"name/givenName": `"X"`, ent + "/department": `"Y"`, "id": `"u1"`, "nope": ""}, false},
		{"bracket keys", `{"op":"replace","value":{"emails[type eq \"work\"].value":"n@w"}}`, map[string]string{"emails/0/value": `"n@w"`}, false},
		{"URN object", `{"op":"replace","value":{"` + ent + `":{"division":"V"}}}`, map[string]string{ent + "/division": `"V"`, ent + "/department": `"D"`}, false},
		{"extension as a path", `{"op":"replace","path":"` + ent + `","value":{"division":"V"}}`, map[string]string{ent + "/division": `"V"`}, false},
		{"remove single", `{"op":"remove","path":"title"}`, map[string]string{"title": ""}, false},
		{"remove multi", `{"op":"remove","path":"emails"}`, map[string]string{"emails": ""}, false},
		{"remove filtered", `{"op":"remove","path":"emails[type eq \"work\"]"}`, map[string]string{"emails/0/value": `"a@h"`, "emails/1": ""}, false},
		{"remove by not", `{"op":"remove","path":"emails[not (type eq \"work\" or value sw \"keep\")]"}`, map[string]string{"emails/0/type": `"work"`, "emails/1": ""}, false},
		{"remove the last leaves none", `{"op":"remove","path":"emails[type pr]"}`, map[string]string{"emails": ""}, false},
		{"remove sub-attribute of filtered", `{"op":"remove","path":"emails[type eq \"home\"].display"}`, map[string]string{"emails/1/display": "", "emails/1/value": `"a@h"`}, false},
		{"remove sub-attribute", `{"op":"remove","path":"name.givenName"}`, map[string]string{"name/givenName": "", "name/familyName": `"Lee"`}, false},
		{"remove both sub-attributes", `{"op":"remove","path":"name.givenName"},{"op":"remove","path":"name.familyName"}`, map[string]string{"name": ""}, false},
		{"remove named", `{"op":"remove","path":"emails","value":[{"value":"a@w"}]}`, map[string]string{"emails/0/value": `"a@h"`, "emails/1": ""}, false},
		{"remove nobody named", `{"op":"remove","path":"emails","value":[]}`, nil, true},
		{"remove what is not there", `{"op":"remove","path":"nickName"},{"op":"remove","path":"emails[type eq \"fax\"]"},{"op":"remove","path":"phoneNumbers.value"}`, nil, true},
		{"remove the extension", `{"op":"remove","path":"` + ent + `"}`, map[string]string{ent: "", "schemas": `["urn:ietf:params:scim:schemas:core:2.0:User"]`}, false},
		{"remove of the extension's all", `{"op":"remove","path":"` + ent + `:department"},{"op":"remove","path":"manager"}`, map[string]string{ent: ""}, false},
		{"replace without a path keeps others", `{"op":"replace","value":{"title":"N"}}`, map[string]string{"title": `"N"`, "emails/1/value": `"a@h"`}, false},
		{"replace absent", `{"op":"replace","path":"nickName","value":"N"}`, map[string]string{"nickName": `"N"`}, false},
		{"replace complex merges", `{"op":"replace","path":"name","value":{"givenName":"X"}}`, map[string]string{"name/givenName": `"X"`, "name/familyName": `"Lee"`}, false},
		{"null of a sub-attribute removes it", `{"op":"replace","path":"name","value":{"givenName":"X","familyName":null}}`, map[string]string{"name/givenName": `"X"`, "name/familyName": ""}, false},
		{"replace list", `{"op":"replace","path":"emails","value":[{"value":"c@x"}]}`, map[string]string{"emails/0/value": `"c@x"`, "emails/1": ""}, false},
		{"replace with nothing", `{"op":"replace","path":"emails","value":[]}`, map[string]string{"emails": ""}, false},
		{"replace filtered value", `{"op":"replace","path":"emails[type eq \"work\"].value","value":"n@w"}`, map[string]string{"emails/0/value": `"n@w"`, "emails/0/primary": "true"}, false},
		{"replace all matching", `{"op":"replace","path":"emails[value co \"a@\"].display","value":"X"}`, map[string]string{"emails/0/display": `"X"`, "emails/1/display": `"X"`}, false},
		{"replace of a canonical type creates", `{"op":"replace","path":"phoneNumbers[type eq \"work\"].value","value":"1"}`, map[string]string{"phoneNumbers/0": `{"type":"work","value":"1"}`}, false},
		{"replace of the primary creates", `{"op":"replace","path":"roles[primary eq \"True\"].value","value":"admin"}`, map[string]string{"roles/0": `{"primary":true,"value":"admin"}`}, false},
		{"replace element by an object", `{"op":"replace","path":"emails[type eq \"home\"]","value":{"value":"n@h"}}`, map[string]string{"emails/1": `{"value":"n@h","type":"home"}`}, false},
		{"replace primary through a filter", `{"op":"replace","path":"emails[type eq \"home\"].primary","value":true}`, map[string]string{"emails/0/primary": "false", "emails/1/primary": "true"}, false},
		{"null element", `{"op":"replace","path":"emails[type eq \"home\"]","value":null}`, map[string]string{"emails/1": ""}, false},
		{"null unassigns", `{"op":"replace","path":"title","value":null}`, map[string]string{"title": ""}, false},
		{"empty text unassigns", `{"op":"replace","path":"title","value":""}`, map[string]string{"title": ""}, false},
		{"boolean in text", `{"op":"Replace","path":"active","value":"False"}`, map[string]string{"active": "false"}, false},
		{"manager as a list", `{"op":"Add","path":"manager","value":[{"$ref":null,"value":"m2"}]}`, map[string]string{ent + "/manager/value": `"m2"`}, false},
		{"manager as text", `{"op":"Add","path":"` + ent + `:manager","value":"m2"}`, map[string]string{ent + "/manager/value": `"m2"`}, false},
		{"manager cleared", `{"op":"Replace","path":"` + ent + `:manager","value":{"value":""}}`, map[string]string{ent + "/manager": "", ent + "/department": `"D"`}, false},
		{"JSON in a text stays text", `{"op":"Add","path":"roles","value":[{"value":"{\"id\":\"1\"}"}]}`, map[string]string{"roles/0/value": `"{\"id\":\"1\"}"`}, false},
		{"own id", `{"op":"replace","path":"id","value":"u1"}`, nil, true},
		{"password is dropped", `{"op":"replace","value":{"password":"secret"}}`, nil, true},
		{"groups and meta in a value are ignored", `{"op":"replace","value":{"groups":[],"meta":{"created":"x"}}}`, nil, true},
		{"each on the result of the last", `{"op":"remove","path":"title"},{"op":"add","path":"title","value":"A"},{"op":"replace","path":"title","value":"B"}`, map[string]string{"title": `"B"`}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out, changed, err := apply(t, rt, before, c.ops)
			if err != nil {
				t.Fatal(err)
			}
			if changed == c.same {
				t.Errorf("changed is %v; the document is %s", changed, scim.JSON(out))
			}
			for path, want := range c.want {
				if got := get(out, path); got != want {
					t.Errorf("%s is %s, want %s", path, got, want)
				}
			}
		})
	}
}

func TestApplyRefuses(t *testing.T) {
	t.Parallel()
	rt := schema.Standard().User()
	for _, c := range []struct {
		name, ops string
		typ       scim.ErrorType
		names     string
	}{
		{"no op", `{"path":"title","value":"x"}`, scim.InvalidSyntax, "op"},
		{"unknown op", `{"op":"move","path":"title"}`, scim.InvalidSyntax, "move"},
		{"operation is no object", `"x"`, scim.InvalidSyntax, "a string"},
		{"remove without a path", `{"op":"remove"}`, scim.NoTarget, "path"},
		{"add without a value", `{"op":"add","path":"title"}`, scim.InvalidValue, "value"},
		{"value is no object", `{"op":"add","value":"x"}`, scim.InvalidValue, "object"},
		{"path is no text", `{"op":"add","path":5,"value":"x"}`, scim.InvalidPath, "a number"},
		{"broken path", `{"op":"add","path":"emails[","value":"x"}`, scim.InvalidPath, "path"},
		{"unknown path", `{"op":"add","path":"nope","value":"x"}`, scim.InvalidPath, "nope"},
		{"unknown sub-attribute", `{"op":"add","path":"name.nope","value":"x"}`, scim.InvalidPath, "name.nope"},
		{"filter on a single value", `{"op":"add","path":"name[givenName pr]","value":"x"}`, scim.InvalidPath, "one value"},
		{"readOnly", `{"op":"replace","path":"groups","value":[]}`, scim.Mutability, "groups"},
		{"readOnly sub-attribute", `{"op":"replace","path":"meta.created","value":"x"}`, scim.Mutability, "meta"},
		{"another id", `{"op":"replace","path":"id","value":"u2"}`, scim.Mutability, "id"},
		{"remove id", `{"op":"remove","path":"id"}`, scim.Mutability, "id"},
		{"remove what is required", `{"op":"remove","path":"userName"}`, scim.Mutability, "userName"},
		{"empty what is required", `{"op":"replace","path":"userName","value":" "}`, scim.InvalidValue, "userName"},
		{"wrong type", `{"op":"replace","path":"active","value":"maybe"}`, scim.InvalidValue, "active"},
		{"wrong type in a list", `{"op":"add","path":"emails","value":[1]}`, scim.InvalidValue, "emails"},
		{"extension as text", `{"op":"add","path":"` + ent + `","value":"x"}`, scim.InvalidValue, "object"},
		{"no target", `{"op":"replace","path":"emails[type eq \"nonexistent\"].value","value":"x"}`, scim.NoTarget, "nonexistent"},
		{"no target by another comparison", `{"op":"replace","path":"emails[type sw \"o\"].value","value":"x"}`, scim.NoTarget, "emails"},
		{"ordered boolean in a filter", `{"op":"remove","path":"emails[primary gt true]"}`, scim.InvalidFilter, "primary"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := apply(t, rt, before, `{"op":"replace","path":"title","value":"half done"},`+c.ops)
			var e *scim.Error
			if !errors.As(err, &e) || e.Status != 400 || e.Type != c.typ {
				t.Fatalf("error %v is no 400 %s", err, c.typ)
			}
			if !strings.Contains(e.Detail, c.names) {
				t.Errorf("%q does not name %q", e.Detail, c.names)
			}
			if c.name != "empty what is required" && !strings.HasPrefix(e.Detail, "Operation 2: ") {
				t.Errorf("%q does not name the operation", e.Detail)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"none": `{}`, "null": `{"Operations":null}`, "an object": `{"Operations":{}}`, "empty": `{"Operations":[]}`,
		"another message": `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[{"op":"remove","path":"title"}]}`,
	} {
		_, err := patch.Parse(object(t, body))
		var e *scim.Error
		if !errors.As(err, &e) || e.Type != scim.InvalidSyntax {
			t.Errorf("%s: %v is no invalidSyntax", name, err)
		}
	}
	many := `{"Operations":[` + strings.Repeat(`{},`, patch.MaxOperations) + `{}]}`
	_, err := patch.Parse(object(t, many))
	var e *scim.Error
	if !errors.As(err, &e) || e.Status != 413 {
		t.Errorf("too many: %v is no 413", err)
	}
	if _, err := patch.Parse(object(t, `{"SCHEMAS":["URN:IETF:PARAMS:SCIM:API:MESSAGES:2.0:PATCHOP"],"operations":[{"OP":"ADD","PATH":"title","VALUE":"x"}]}`)); err != nil {
		t.Errorf("any case: %v", err)
	}
}

func TestImmutable(t *testing.T) {
	t.Parallel()
	set, err := schema.LoadExtensions(schema.Standard(), []byte(`{"resourceType":"User","schema":{"id":"urn:x:2.0:I","attributes":[{"name":"badge","mutability":"immutable"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	rt := set.User()
	out, changed, err := apply(t, rt, `{"userName":"u"}`, `{"op":"add","path":"urn:x:2.0:I:badge","value":"7"}`)
	if err != nil || !changed {
		t.Fatalf("first set: %v %v", changed, err)
	}
	doc := string(scim.JSON(out))
	if _, changed, err := apply(t, rt, doc, `{"op":"replace","path":"urn:x:2.0:I:badge","value":"7"}`); err != nil || changed {
		t.Errorf("same value: %v %v", changed, err)
	}
	for _, op := range []string{`{"op":"replace","path":"urn:x:2.0:I:badge","value":"8"}`, `{"op":"remove","path":"urn:x:2.0:I:badge"}`, `{"op":"add","value":{"urn:x:2.0:I":{"badge":"9"}}}`} {
		_, _, err := apply(t, rt, doc, op)
		var e *scim.Error
		if !errors.As(err, &e) || e.Type != scim.Mutability {
			t.Errorf("%s: %v is no mutability", op, err)
		}
	}
}

func TestGroupMembers(t *testing.T) {
	t.Parallel()
	rt := schema.Standard().Group()
	const group = `{"displayName":"G","members":[{"value":"a","type":"User"},{"value":"b","type":"User"}]}`
	for ops, want := range map[string]string{
		`{"op":"add","path":"members","value":[{"value":"c"}]}`:                      "abc",
		`{"op":"add","path":"members","value":{"value":"a","display":"x"}}`:          "ab",
		`{"op":"add","path":"members","value":["c"]}`:                                "abc",
		`{"op":"remove","path":"members[value eq \"a\"]"}`:                           "b",
		`{"op":"remove","path":"members[type eq \"User\" and value ne \"a\"]"}`:      "a",
		`{"op":"remove","path":"members","value":[{"value":"b"}]}`:                   "a",
		`{"op":"remove","path":"members","value":{"members":[{"value":"b"}]}}`:       "a",
		`{"op":"remove","path":"members","value":null}`:                              "",
		`{"op":"replace","path":"members","value":[{"value":"z","$ref":"Users/z"}]}`: "z",
		`{"op":"replace","value":{"displayName":"N"}}`:                               "ab",
		`{"op":"replace","value":{"members":[]}}`:                                    "",
	} {
		out, _, err := apply(t, rt, group, ops)
		if err != nil {
			t.Errorf("%s: %v", ops, err)
			continue
		}
		got := ""
		list, _ := out.Get("members").(scim.Array)
		for _, m := range list {
			got += m.(*scim.Object).String("value")
		}
		if got != want {
			t.Errorf("%s: %q, want %q", ops, got, want)
		}
	}
	for _, op := range []string{`{"op":"replace","path":"members[value eq \"a\"].value","value":"c"}`, `{"op":"replace","path":"members.value","value":"c"}`} {
		_, _, err := apply(t, rt, group, op)
		var e *scim.Error
		if !errors.As(err, &e) || e.Type != scim.Mutability {
			t.Errorf("%s: %v is no mutability", op, err)
		}
	}
}

func TestSplitMembers(t *testing.T) {
	t.Parallel()
	type steps = []patch.MemberStep
	for _, c := range []struct {
		name, ops string
		rest      int
		steps     steps
		complex   bool
	}{
		{"add", `{"op":"add","path":"members","value":[{"value":"a"},{"value":"b","type":"user"}]}`, 0, steps{{patch.StepAdd, []string{"a", "b"}}}, false},
		{"adds join", `{"op":"add","path":"members","value":[{"value":"a"}]},{"op":"Add","path":"MEMBERS","value":{"value":"b"}}`, 0, steps{{patch.StepAdd, []string{"a", "b"}}}, false},
		{"remove and add", `{"op":"remove","path":"members[value eq \"a\"]"},{"op":"add","path":"members","value":["b"]}`, 0, steps{{patch.StepRemove, []string{"a"}}, {patch.StepAdd, []string{"b"}}}, false},
		{"remove several", `{"op":"remove","path":"members[value eq \"a\" or value eq \"b\"]"}`, 0, steps{{patch.StepRemove, []string{"a", "b"}}}, false},
		{"remove named", `{"op":"remove","path":"members","value":[{"$ref":null,"value":"a"}]}`, 0, steps{{patch.StepRemove, []string{"a"}}}, false},
		{"remove all", `{"op":"remove","path":"members"}`, 0, steps{{patch.StepReplace, nil}}, false},
		{"replace", `{"op":"replace","path":"urn:ietf:params:scim:schemas:core:2.0:Group:members","value":[]}`, 0, steps{{patch.StepReplace, []string{}}}, false},
		{"rename keeps members", `{"op":"replace","value":{"id":"g","displayName":"N"}}`, 1, nil, false},
		{"value with members", `{"op":"replace","value":{"displayName":"N","members":[{"value":"a"}]}}`, 1, steps{{patch.StepReplace, []string{"a"}}}, false},
		{"only members in a value", `{"op":"add","value":{"members":[{"value":"a"}]}}`, 0, steps{{patch.StepAdd, []string{"a"}}}, false},
		{"other paths", `{"op":"replace","path":"displayName","value":"N"}`, 1, nil, false},
		{"filter on a name", `{"op":"remove","path":"members[display co \"x\"]"}`, 0, nil, true},
		{"filter joined by and", `{"op":"remove","path":"members[value eq \"a\" and type eq \"User\"]"}`, 0, nil, true},
		{"sub-attribute", `{"op":"replace","path":"members.display","value":"x"}`, 0, nil, true},
		{"a group", `{"op":"add","path":"members","value":[{"value":"g","type":"Group"}]}`, 0, nil, true},
		{"no id", `{"op":"add","path":"members","value":[{"display":"x"}]}`, 0, nil, true},
		{"a number", `{"op":"add","path":"members","value":[1]}`, 0, nil, true},
		{"key with brackets", `{"op":"add","value":{"members[value eq \"a\"]":{}}}`, 0, nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ops, err := patch.Parse(object(t, `{"Operations":[`+c.ops+`]}`))
			if err != nil {
				t.Fatal(err)
			}
			rest, got, simple := patch.SplitMembers(ops)
			if simple == c.complex {
				t.Fatalf("simple is %v", simple)
			}
			if len(rest) != c.rest && simple {
				t.Errorf("%d operations are left, want %d", len(rest), c.rest)
			}
			if diff := cmp.Diff(c.steps, got); diff != "" && simple {
				t.Error(diff)
			}
		})
	}
}

// TestSplitMeansTheSame compares the steps with what Apply makes of the same operations.
func TestSplitMeansTheSame(t *testing.T) {
	t.Parallel()
	rt := schema.Standard().Group()
	rapid.Check(t, func(rt2 *rapid.T) {
		ids := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 1, 3)
		var ops []string
		for range rapid.IntRange(1, 5).Draw(rt2, "ops") {
			var values []string
			for _, id := range ids.Draw(rt2, "ids") {
				values = append(values, `{"value":"`+id+`"}`)
			}
			kind := rapid.SampledFrom([]string{"add", "remove", "replace"}).Draw(rt2, "op")
			ops = append(ops, `{"op":"`+kind+`","path":"members","value":[`+strings.Join(values, ",")+`]}`)
		}
		body := strings.Join(ops, ",")
		out, _, err := apply(t, rt, `{"displayName":"G","members":[{"value":"a"},{"value":"x"}]}`, body)
		if err != nil {
			rt2.Fatal(err)
		}
		want := map[string]bool{}
		list, _ := out.Get("members").(scim.Array)
		for _, m := range list {
			want[m.(*scim.Object).String("value")] = true
		}
		parsed, err := patch.Parse(object(t, `{"Operations":[`+body+`]}`))
		if err != nil {
			rt2.Fatal(err)
		}
		_, steps, _ := patch.SplitMembers(parsed)
		got := map[string]bool{"a": true, "x": true}
		for _, s := range steps {
			if s.Kind == patch.StepReplace {
				got = map[string]bool{}
			}
			for _, id := range s.Values {
				if s.Kind == patch.StepRemove {
					delete(got, id)
				} else {
					got[id] = true
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt2.Fatalf("%s\n%s", body, diff)
		}
	})
}

func FuzzPatch(f *testing.F) {
	for _, s := range []string{
		`{"Operations":[{"op":"add","path":"emails[type eq \"work\"].value","value":"x"}]}`,
		`{"Operations":[{"op":"replace","value":{"name.givenName":"x","` + ent + `:manager":"m"}},{"op":"remove","path":"emails","value":[{"value":"a@w"}]}]}`,
		`{"Operations":[{"op":"remove","path":"` + ent + `"},{"op":"add","path":"manager","value":[{"value":"m"}]}]}`,
	} {
		f.Add(s)
	}
	rt := schema.Standard().User()
	f.Fuzz(func(t *testing.T, text string) {
		body, err := scim.ParseObject([]byte(text))
		if err != nil {
			return
		}
		ops, err := patch.Parse(body)
		if err != nil {
			return
		}
		doc := object(t, before)
		out, changed, err := patch.Apply(rt, doc, ops)
		if !scim.Equal(doc, object(t, before)) {
			t.Fatal("the document given was changed")
		}
		if err != nil {
			return
		}
		if changed == scim.Equal(doc, out) {
			t.Fatalf("changed is %v: %s", changed, scim.JSON(out))
		}
		if err := rt.Tidy(out.Clone()); err != nil {
			t.Fatalf("the outcome is not tidy: %v in %s", err, scim.JSON(out))
		}
		if out.String("userName") == "" {
			t.Fatal("userName is gone")
		}
		patch.SplitMembers(ops)
	})
}
