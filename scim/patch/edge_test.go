package patch_test

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/patch"
	"github.com/scimbridge/scimbridge/scim/schema"
)

// TestDialectsAreRecorded: every conversation that the table of dialects cites is there.
func TestDialectsAreRecorded(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("dialect.go")
	if err != nil {
		t.Fatal(err)
	}
	cited := regexp.MustCompile(`([A-Za-z0-9-]+)/(\d\d-[a-z0-9-]+)`).FindAllStringSubmatch(string(source), -1)
	if len(cited) < 20 {
		t.Fatalf("%d conversations are cited", len(cited))
	}
	for _, c := range cited {
		recorded, err := os.ReadFile("../../test/idp/testdata/" + c[1] + ".txtar")
		if err != nil {
			t.Errorf("%s: %v", c[0], err)
			continue
		}
		if !strings.Contains(string(recorded), "\n-- "+c[2]+" --\n") {
			t.Errorf("%s is not recorded", c[0])
		}
	}
}

func TestApplyEdges(t *testing.T) {
	t.Parallel()
	rt := schema.Standard().User()
	for _, c := range []struct {
		name, ops string
		want      map[string]string
		same      bool
	}{
		{"the type of a made element is canonical", `{"op":"add","path":"phoneNumbers[type eq \"WORK\"].value","value":"1"}`, map[string]string{"phoneNumbers/0/type": `"work"`}, false},
		{"a made element has what all equations say", `{"op":"replace","path":"phoneNumbers[type eq \"work\" and primary eq \"True\"].value","value":"1"}`, map[string]string{"phoneNumbers/0": `{"type":"work","primary":true,"value":"1"}`}, false},
		{"a made element has nothing of null", `{"op":"add","path":"phoneNumbers[type eq \"work\" and display eq null].value","value":"1"}`, map[string]string{"phoneNumbers/0": `{"type":"work","value":"1"}`}, false},
		{"a made element of an unknown sub-attribute", `{"op":"add","path":"phoneNumbers[nope eq \"x\" and type eq \"fax\"].value","value":"1"}`, map[string]string{"phoneNumbers/0": `{"type":"fax","value":"1"}`}, false},
		{"a made primary demotes", `{"op":"add","path":"emails[type eq \"other\" and primary eq true].value","value":"o@x"}`, map[string]string{"emails/0/primary": "false", "emails/2/primary": "true"}, false},
		{"nothing is made of null", `{"op":"add","path":"phoneNumbers[type eq \"work\"].value","value":null}`, nil, true},
		{"nothing is made of nothing", `{"op":"add","path":"phoneNumbers[type eq \"work\"]","value":{}}`, nil, true},
		{"an element filled up with nothing", `{"op":"add","path":"emails[type eq \"work\"]","value":null}`, nil, true},
		{"an element filled up by a list of one", `{"op":"add","path":"emails[type eq \"work\"]","value":[{"display":"W"}]}`, map[string]string{"emails/0/display": `"W"`, "emails/0/value": `"a@w"`}, false},
		{"removal by value and type spares the namesake", `{"op":"add","path":"emails","value":{"value":"a@w","type":"other"}},{"op":"remove","path":"emails","value":[{"value":"a@w","type":"OTHER"}]}`, nil, true},
		{"removal by value without type takes both", `{"op":"add","path":"emails","value":{"value":"a@w","type":"other"}},{"op":"remove","path":"emails","value":["a@w"]}`, map[string]string{"emails/0/value": `"a@h"`, "emails/1": ""}, false},
		{"removal by value in another case", `{"op":"remove","path":"emails","value":[{"value":"A@W"}]}`, map[string]string{"emails/0/value": `"a@h"`, "emails/1": ""}, false},
		{"removal by one object", `{"op":"remove","path":"emails","value":{"value":"a@w"}}`, map[string]string{"emails/0/value": `"a@h"`, "emails/1": ""}, false},
		{"removal of the whole element", `{"op":"add","path":"addresses","value":{"type":"work","locality":"L"}},{"op":"remove","path":"addresses","value":[{"locality":"L","type":"work"}]}`, nil, true},
		{"removal by what is no element", `{"op":"remove","path":"emails","value":5}`, nil, true},
		{"removal by empty text is removal of all", `{"op":"remove","path":"emails","value":""}`, map[string]string{"emails": ""}, false},
		{"removal of what is not there by value", `{"op":"remove","path":"phoneNumbers","value":[{"value":"1"}]}`, nil, true},
		{"dotted keys below a URN", `{"op":"replace","value":{"` + ent + `":{"manager.value":"m2","nope":1}}}`, map[string]string{ent + "/manager/value": `"m2"`}, false},
		{"bracket key that selects nothing", `{"op":"add","value":{"phoneNumbers[type eq \"work\"].value":"1"}}`, map[string]string{"phoneNumbers/0": `{"type":"work","value":"1"}`}, false},
		{"key that is no path", `{"op":"add","value":{"emails[":1,"..":2,"":3,"name.nope":4}}`, nil, true},
		{"null of the extension removes it", `{"op":"replace","value":{"` + ent + `":null}}`, map[string]string{ent: "", "schemas/1": ""}, false},
		{"sub-attribute of what is not there", `{"op":"remove","path":"` + ent + `:manager.value"},{"op":"remove","path":"` + ent + `:manager.value"}`, map[string]string{ent + "/manager": ""}, false},
		{"sub-attribute makes the complex", `{"op":"remove","path":"name"},{"op":"replace","path":"name.givenName","value":"X"}`, map[string]string{"name": `{"givenName":"X"}`}, false},
		{"null makes no complex", `{"op":"remove","path":"name"},{"op":"replace","path":"name.givenName","value":null}`, map[string]string{"name": ""}, false},
		{"complex by null", `{"op":"replace","path":"name","value":null}`, map[string]string{"name": ""}, false},
		{"complex by a list of one", `{"op":"replace","path":"name","value":[{"givenName":"X"}]}`, map[string]string{"name/givenName": `"X"`, "name/familyName": `"Lee"`}, false},
		{"sub-attribute of all elements", `{"op":"replace","path":"emails.display","value":"X"}`, map[string]string{"emails/0/display": `"X"`, "emails/1/display": `"X"`}, false},
		{"sub-attribute of all elements removed", `{"op":"remove","path":"emails.type"}`, map[string]string{"emails/0/type": "", "emails/1/type": ""}, false},
		{"last sub-attribute takes the element along", `{"op":"replace","path":"emails","value":[{"value":"x"}]},{"op":"remove","path":"emails[value eq \"x\"].value"}`, map[string]string{"emails": ""}, false},
		{"an emptied element goes", `{"op":"replace","path":"emails[type eq \"work\"].value","value":null},{"op":"remove","path":"emails.display"}`, map[string]string{"emails/0/value": `"a@h"`, "emails/1": ""}, false},
		{"an emptied element that was primary", `{"op":"remove","path":"emails[type eq \"work\"].value"},{"op":"replace","path":"emails[type eq \"home\"].primary","value":true}`, map[string]string{"emails/0/value": `"a@h"`, "emails/0/primary": "true", "emails/1": ""}, false},
		{"emptied by add", `{"op":"add","path":"emails[type eq \"work\"]","value":{"type":"work","value":"","display":null}}`, map[string]string{"emails/0/value": `"a@h"`, "emails/1": ""}, false},
		{"an emptied element that is filled again keeps the rest", `{"op":"remove","path":"emails[type eq \"work\"].value"},{"op":"add","path":"emails[type eq \"work\"].value","value":"b@w"}`, map[string]string{"emails/0/value": `"b@w"`, "emails/0/primary": "true"}, false},
		{"an element of nothing but type", `{"op":"add","path":"addresses","value":[{"type":"work"}]},{"op":"replace","path":"addresses.primary","value":true}`, map[string]string{"addresses/0": `{"type":"work","primary":true}`}, false},
		{"a list with an empty element", `{"op":"add","path":"phoneNumbers","value":[{"type":"work","value":""},{"type":"fax","value":"1"}]}`, map[string]string{"phoneNumbers/0/type": `"fax"`, "phoneNumbers/1": ""}, false},
		{"another value loses the reference", `{"op":"add","path":"manager","value":{"value":"m1","$ref":"../Users/m1"}},{"op":"replace","path":"manager","value":{"value":"m2"}}`, map[string]string{ent + "/manager": `{"value":"m2"}`}, false},
		{"by its path too", `{"op":"add","path":"manager","value":{"value":"m1","$ref":"../Users/m1"}},{"op":"replace","path":"manager.value","value":"m2"}`, map[string]string{ent + "/manager": `{"value":"m2"}`}, false},
		{"the same value keeps the reference", `{"op":"add","path":"manager","value":{"value":"m1","$ref":"../Users/m1"}},{"op":"replace","path":"manager","value":"m1"}`, map[string]string{ent + "/manager": `{"value":"m1","$ref":"../Users/m1"}`}, false},
		{"no value, no reference", `{"op":"add","path":"manager","value":{"value":"m1","$ref":"../Users/m1"}},{"op":"remove","path":"manager.value"}`, map[string]string{ent + "/manager": ""}, false},
		{"an object for a plain value", `{"op":"replace","path":"title","value":[{"$ref":null,"value":"N"}]},{"op":"replace","value":{"nickName":{"value":"M"}}}`, map[string]string{"title": `"N"`, "nickName": `"M"`}, false},
		{"add of nothing", `{"op":"add","path":"emails","value":[]},{"op":"add","path":"emails","value":null}`, nil, true},
		{"add of one element twice", `{"op":"add","path":"phoneNumbers","value":[{"value":"1"},{"value":"1"}]}`, map[string]string{"phoneNumbers/0/value": `"1"`, "phoneNumbers/1": ""}, false},
		{"equal but for the order of names", `{"op":"add","path":"emails","value":{"display":"H","type":"home","value":"a@h"}}`, nil, true},
		{"primary of one, through another filter", `{"op":"replace","path":"emails[value eq \"a@h\"].primary","value":"True"}`, map[string]string{"emails/0/primary": "false", "emails/1/primary": "true"}, false},
		{"empty path is none", `{"op":"replace","path":"","value":{"title":"N"}}`, map[string]string{"title": `"N"`}, false},
		{"null path is none", `{"op":"replace","path":null,"value":{"title":"N"}}`, map[string]string{"title": `"N"`}, false},
		{"externalId", `{"op":"replace","path":"externalId","value":"E9"}`, map[string]string{"externalId": `"E9"`}, false},
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

func TestApplyRefusesEdges(t *testing.T) {
	t.Parallel()
	rt := schema.Standard().User()
	for _, c := range []struct {
		name, ops string
		typ       scim.ErrorType
	}{
		{"an element of a type that is no text", `{"op":"add","path":"phoneNumbers[type eq 5].value","value":"1"}`, scim.InvalidValue},
		{"an element of a primary that is no boolean", `{"op":"add","path":"phoneNumbers[primary eq \"maybe\"].value","value":"1"}`, scim.InvalidValue},
		{"the same where there is an element", `{"op":"replace","path":"emails[type eq \"work\" or primary eq \"x\"]","value":5}`, scim.InvalidValue},
		{"two sub-attributes", `{"op":"add","path":"emails.display[type eq \"work\"].value","value":"1"}`, scim.InvalidPath},
		{"a bad value through a filter", `{"op":"replace","path":"emails[type eq \"work\"].primary","value":"maybe"}`, scim.InvalidValue},
		{"a bad value through a filter that selects nothing", `{"op":"add","path":"phoneNumbers[type eq \"work\"].primary","value":"maybe"}`, scim.InvalidValue},
		{"a bad element through a filter that selects nothing", `{"op":"add","path":"phoneNumbers[type eq \"work\"]","value":[1,2]}`, scim.InvalidValue},
		{"a bad value of all elements", `{"op":"replace","path":"emails.primary","value":"maybe"}`, scim.InvalidValue},
		{"a bad sub-attribute", `{"op":"replace","path":"name.givenName","value":{"a":1}}`, scim.InvalidValue},
		{"a bad complex", `{"op":"replace","path":"name","value":7}`, scim.InvalidValue},
		{"two primary", `{"op":"replace","path":"emails","value":[{"value":"x","primary":true},{"value":"y","primary":true}]}`, scim.InvalidValue},
		{"required by null", `{"op":"replace","path":"userName","value":null}`, scim.InvalidValue},
		{"required by null without a path", `{"op":"replace","value":{"userName":null}}`, scim.InvalidValue},
		{"bad attribute of an extension", `{"op":"replace","value":{"` + ent + `":{"manager":7}}}`, scim.InvalidValue},
		{"slashes", `{"op":"replace","path":"/name/givenName","value":"x"}`, scim.InvalidPath},
		{"index", `{"op":"replace","path":"emails[0].value","value":"x"}`, scim.InvalidPath},
		{"point at the end", `{"op":"replace","path":"name.","value":"x"}`, scim.InvalidPath},
		{"extension without a name", `{"op":"replace","path":"` + ent + `:","value":"x"}`, scim.InvalidPath},
		{"unknown extension", `{"op":"replace","path":"urn:x:y:2.0:User:a","value":"x"}`, scim.InvalidPath},
		{"readOnly sub-attribute of an extension", `{"op":"replace","path":"manager.displayName","value":"x"}`, scim.Mutability},
		{"readOnly element", `{"op":"remove","path":"groups[value eq \"g1\"]"}`, scim.Mutability},
		{"null for id", `{"op":"replace","path":"id","value":null}`, scim.Mutability},
		{"schemas", `{"op":"replace","path":"schemas","value":[]}`, scim.Mutability},
		{"op is no text", `{"op":1,"path":"title","value":"x"}`, scim.InvalidSyntax},
		{"op is delete", `{"op":"delete","path":"title"}`, scim.InvalidSyntax},
		{"an operation is null", `null`, scim.InvalidSyntax},
		{"remove in a value", `{"op":"remove","value":{"title":"x"}}`, scim.NoTarget},
		{"list without a path", `{"op":"add","value":[{"title":"x"}]}`, scim.InvalidValue},
		{"null without a path", `{"op":"add","value":null}`, scim.InvalidValue},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out, _, err := apply(t, rt, before, `{"op":"replace","path":"title","value":"half done"},`+c.ops)
			var e *scim.Error
			if !errors.As(err, &e) || e.Status != 400 || e.Type != c.typ || out != nil {
				t.Fatalf("%v, error %v is no 400 %s", out, err, c.typ)
			}
		})
	}
}

// TestErrorsAreText: what an error repeats of a client's text is cut between characters.
func TestErrorsAreText(t *testing.T) {
	t.Parallel()
	for n := range 8 {
		path := `emails[value eq \"` + strings.Repeat("x", n) + strings.Repeat("é😀", 40) + `\"].display`
		_, _, err := apply(t, schema.Standard().User(), before, `{"op":"replace","path":"`+path+`","value":"1"}`)
		var e *scim.Error
		if !errors.As(err, &e) || e.Type != scim.NoTarget || !utf8.ValidString(e.Detail) || len(e.Detail) > 200 {
			t.Errorf("%q", err)
		}
	}
}

func TestPlainValues(t *testing.T) {
	t.Parallel()
	set, err := schema.LoadExtensions(schema.Standard(), []byte(`[{"resourceType":"User","schema":{"id":"urn:x:ext:2.0","attributes":[{"name":"tags","multiValued":true},{"name":"codes","multiValued":true,"caseExact":true}]}}]`))
	if err != nil {
		t.Fatal(err)
	}
	const doc = `{"userName":"a","urn:x:ext:2.0":{"tags":["red","blue"],"codes":["A","b"]}}`
	for ops, want := range map[string]string{
		`{"op":"remove","path":"urn:x:ext:2.0:tags[value eq \"RED\"]"}`:                   `["blue"]`,
		`{"op":"remove","path":"urn:x:ext:2.0:tags[value pr]"}`:                           ``,
		`{"op":"replace","path":"urn:x:ext:2.0:tags[value sw \"r\"]","value":"green"}`:    `["green","blue"]`,
		`{"op":"add","path":"urn:x:ext:2.0:tags[value eq \"pink\"]","value":"green"}`:     `["red","blue","green"]`,
		`{"op":"add","path":"urn:x:ext:2.0:tags","value":["blue","green"]}`:               `["red","blue","green"]`,
		`{"op":"add","path":"tags","value":"green"}`:                                      `["red","blue","green"]`,
		`{"op":"remove","path":"urn:x:ext:2.0:tags","value":["Red"]}`:                     `["blue"]`,
		`{"op":"remove","path":"urn:x:ext:2.0:tags","value":[{"value":"red"}]}`:           `["blue"]`,
		`{"op":"replace","path":"urn:x:ext:2.0:tags","value":[]}`:                         ``,
		`{"op":"remove","path":"urn:x:ext:2.0"}`:                                          ``,
		`{"op":"remove","path":"urn:x:ext:2.0:codes","value":["B"]}`:                      `["red","blue"]`,
		`{"op":"replace","path":"URN:X:EXT:2.0","value":{"TAGS":["one"]}}`:                `["one"]`,
		`{"op":"replace","path":"urn:x:ext:2.0:tags[value eq \"red\"]","value":null}`:     `["blue"]`,
		`{"op":"replace","path":"urn:x:ext:2.0:tags[value eq \"red\"]","value":["blue"]}`: `["blue"]`,
		`{"op":"replace","value":{"urn:x:ext:2.0:tags[value eq \"blue\"]":"x"}}`:          `["red","x"]`,
	} {
		out, _, err := apply(t, set.User(), doc, ops)
		if err != nil {
			t.Errorf("%s: %v", ops, err)
			continue
		}
		if got := get(out, "urn:x:ext:2.0/tags"); got != want {
			t.Errorf("%s: %s, want %s", ops, got, want)
		}
		if codes := get(out, "urn:x:ext:2.0/codes"); codes != `["A","b"]` && codes != "" {
			t.Errorf("%s: codes are %s", ops, codes)
		}
	}
	_, _, err = apply(t, set.User(), doc, `{"op":"replace","path":"urn:x:ext:2.0:tags[value eq \"nope\"]","value":"x"}`)
	var e *scim.Error
	if !errors.As(err, &e) || e.Type != scim.NoTarget {
		t.Errorf("%v is no noTarget", err)
	}
}

func ids(doc *scim.Object) string {
	list, _ := doc.Get("members").(scim.Array)
	var all []string
	for _, m := range list {
		o := m.(*scim.Object)
		all = append(all, o.String("value")+":"+o.String("type"))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// TestManyOfOneMember: operations that were made one mean what they mean one by one.
func TestManyOfOneMember(t *testing.T) {
	t.Parallel()
	rt := schema.Standard().Group()
	const doc = `{"displayName":"G","members":[{"value":"a","type":"User","display":"A"},{"value":"g","type":"Group"}]}`
	for ops, want := range map[string]string{
		`{"op":"add","path":"members","value":"b"},{"op":"add","path":"members","value":[{"value":"c","$ref":null}]}`:                                           "a:User b:User c:User g:Group",
		`{"op":"add","path":"members","value":"b"},{"op":"add","path":"members","value":{"value":"h","type":"Group"}}`:                                          "a:User b:User g:Group h:Group",
		`{"op":"add","path":"members","value":[]},{"op":"add","path":"members","value":null}`:                                                                   "a:User g:Group",
		`{"op":"remove","path":"members[value eq \"a\"]"},{"op":"remove","path":"members","value":["g"]}`:                                                       "",
		`{"op":"remove","path":"members","value":[]},{"op":"remove","path":"members","value":[]}`:                                                               "a:User g:Group",
		`{"op":"remove","path":"members[value eq \"x\"]"},{"op":"remove","path":"members[value eq \"a\" or value eq \"y\"]"}`:                                   "g:Group",
		`{"op":"remove","path":"members"},{"op":"remove","path":"members"},{"op":"add","path":"members","value":"b"},{"op":"add","path":"members","value":"c"}`: "b:User c:User",
		`{"op":"add","path":"members","value":"b"},{"op":"remove","path":"members","value":["b"]},{"op":"add","path":"members","value":"c"}`:                    "a:User c:User g:Group",
		`{"op":"add","path":"members","value":"b"},{"op":"add","path":"displayName","value":"N"},{"op":"add","path":"members","value":"c"}`:                     "a:User b:User c:User g:Group",
		`{"op":"remove","path":"members[display eq \"A\"]"},{"op":"remove","path":"members[value eq \"g\"]"}`:                                                   "",
		`{"op":"remove","path":"members","value":[{"value":"a","type":"person"}]},{"op":"remove","path":"members","value":[{"value":"g"}]}`:                     "",
		`{"op":"add","path":"members[display eq \"x\"]","value":{"value":"u"}}`:                                                                                 "a:User g:Group u:User",
	} {
		out, _, err := apply(t, rt, doc, ops)
		if err != nil {
			t.Errorf("%s: %v", ops, err)
			continue
		}
		if got := ids(out); got != want {
			t.Errorf("%s: %s, want %s", ops, got, want)
		}
	}
	long := strings.Repeat("x", 1<<20)
	_, _, err := apply(t, rt, doc, `{"op":"add","path":"members","value":"b"},{"op":"add","path":"members","value":"`+long+`"},{"op":"add","path":"members","value":"c"}`)
	var e *scim.Error
	if !errors.As(err, &e) || e.Type != scim.InvalidValue || !strings.HasPrefix(e.Detail, "Operation 2: ") {
		t.Errorf("%.200v does not name operation 2", err)
	}
}

// TestCostOfManyMembers: 20,000 operations of one member each, beside one that asks for the members to be read, cost
// about what they cost together.
func TestCostOfManyMembers(t *testing.T) {
	t.Parallel()
	rt := schema.Standard().Group()
	const many = 20_000
	ops := []patch.Operation{{Op: patch.Remove, HasPath: true, Index: 1, Path: path(t, `members[type eq "Group"]`)}}
	for i := range many {
		id := fmt.Sprint("u", i)
		ops = append(ops, patch.Operation{Op: patch.Add, HasPath: true, Path: path(t, "members"), Value: scim.NewObject(scim.Member{Name: "value", Value: id}), Index: i + 2})
	}
	for i := range many - 1 {
		ops = append(ops, patch.Operation{Op: patch.Remove, HasPath: true, Path: path(t, fmt.Sprintf(`members[value eq "u%d"]`, i)), Index: many + i + 2})
	}
	if _, _, simple := patch.SplitMembers(ops); simple {
		t.Fatal("a filter on the type is simple")
	}
	start := time.Now()
	out, _, err := patch.Apply(rt, object(t, `{"displayName":"G"}`), ops)
	if took := time.Since(start); err != nil || took > 5*time.Second { // one by one: 20 s and more
		t.Errorf("%v after %s", err, took)
	}
	if got, want := ids(out), fmt.Sprintf("u%d:User", many-1); got != want {
		t.Errorf("%s are left, want %s", got, want)
	}
	_, steps, simple := patch.SplitMembers(ops[1:])
	if !simple || len(steps) != 2 || len(steps[0].Values) != many {
		t.Errorf("simple %v, %d steps", simple, len(steps))
	}
}

func path(t testing.TB, text string) filter.Path {
	t.Helper()
	p, err := filter.ParsePath(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSplitMembersEdges(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ops    string
		rest   int
		steps  string
		simple bool
	}{
		"a group by its address":   {`{"op":"add","path":"members","value":[{"value":"g","$ref":"https://h/scim/Groups/g"}]}`, 0, "", false},
		"a user by its address":    {`{"op":"add","path":"members","value":[{"value":"u","$ref":"Users/u"}]}`, 0, "[{0 [u]}]", true},
		"type wins over address":   {`{"op":"add","path":"members","value":[{"value":"u","type":"User","$ref":"Groups/u"}]}`, 0, "[{0 [u]}]", true},
		"null adds nobody":         {`{"op":"add","path":"members","value":null}`, 0, "[{0 []}]", true},
		"null replaces all":        {`{"op":"replace","path":"members","value":null}`, 0, "[{2 []}]", true},
		"empty id":                 {`{"op":"add","path":"members","value":[""]}`, 0, "", false},
		"type is no text":          {`{"op":"add","path":"members","value":[{"value":"u","type":1}]}`, 0, "", false},
		"wrapped list":             {`{"op":"remove","path":"members","value":{"members":["u"]}}`, 0, "[{1 [u]}]", true},
		"replace through a filter": {`{"op":"replace","path":"members[value eq \"u\"]","value":{"value":"v"}}`, 0, "", false},
		"sub-attribute of one":     {`{"op":"remove","path":"members[value eq \"u\"].display"}`, 0, "", false},
		"not equal":                {`{"op":"remove","path":"members[value ne \"u\"]"}`, 0, "", false},
		"id is no text":            {`{"op":"remove","path":"members[value eq 5]"}`, 0, "", false},
		"or of something else":     {`{"op":"remove","path":"members[value eq \"u\" or type pr]"}`, 0, "", false},
		"replace and add":          {`{"op":"replace","path":"members","value":["a"]},{"op":"add","path":"members","value":["b"]},{"op":"replace","path":"members","value":["c"]}`, 0, "[{2 [a]} {0 [b]} {2 [c]}]", true},
		"capitals and URN in keys": {`{"op":"add","value":{"URN:ietf:params:scim:schemas:core:2.0:Group:MEMBERS":["u"],"displayName":"N"}}`, 1, "[{0 [u]}]", true},
		"bad members in a value":   {`{"op":"add","value":{"members":[5]}}`, 0, "", false},
		"nothing in a value":       {`{"op":"add","value":{}}`, 1, "[]", true},
	} {
		ops, err := patch.Parse(object(t, `{"Operations":[`+c.ops+`]}`))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		rest, steps, simple := patch.SplitMembers(ops)
		if simple != c.simple {
			t.Errorf("%s: simple is %v", name, simple)
			continue
		}
		if simple && (len(rest) != c.rest || fmt.Sprint(steps) != c.steps) {
			t.Errorf("%s: %d left, steps %v", name, len(rest), steps)
		}
	}
}

// FuzzGroupPatch: where SplitMembers says that steps are enough, they make what Apply makes.
func FuzzGroupPatch(f *testing.F) {
	for _, s := range []string{
		`[{"op":"add","path":"members","value":[{"value":"b"}]},{"op":"remove","path":"members[value eq \"a\"]"}]`,
		`[{"op":"replace","value":{"displayName":"N","members":["c","c"]}},{"op":"remove","path":"members","value":{"members":["c"]}}]`,
		`[{"op":"remove","path":"members"},{"op":"add","path":"members","value":{"value":"g","type":"Group"}}]`,
		`[{"op":"remove","path":"members[value eq \"a\" or value eq \"x\"]"},{"op":"remove","path":"members","value":[{"value":"x","type":"user"}]}]`,
	} {
		f.Add(s)
	}
	rt := schema.Standard().Group()
	f.Fuzz(func(t *testing.T, text string) {
		body, err := scim.ParseObject([]byte(`{"Operations":` + text + `}`))
		if err != nil {
			return
		}
		ops, err := patch.Parse(body)
		if err != nil {
			return
		}
		const group = `{"displayName":"G","members":[{"value":"a","type":"User"},{"value":"x","type":"User"}]}`
		doc := object(t, group)
		out, _, err := patch.Apply(rt, doc, ops)
		if !scim.Equal(doc, object(t, group)) {
			t.Fatal("the document given was changed")
		}
		_, steps, simple := patch.SplitMembers(ops)
		if err != nil || !simple {
			return
		}
		left := map[string]bool{"a": true, "x": true}
		for _, s := range steps {
			if s.Kind == patch.StepReplace {
				clear(left)
			}
			for _, id := range s.Values {
				if s.Kind == patch.StepRemove {
					delete(left, id)
				} else {
					left[id] = true
				}
			}
		}
		var want []string
		for id := range left {
			want = append(want, id+":User")
		}
		slices.Sort(want)
		if got := ids(out); got != strings.Join(want, " ") {
			t.Fatalf("Apply leaves %s, the steps leave %s", got, want)
		}
	})
}

func BenchmarkApply(b *testing.B) {
	rt, doc := schema.Standard().User(), object(b, before)
	for name, text := range map[string]string{
		"active":   `{"op":"Replace","path":"active","value":"False"}`,
		"filter":   `{"op":"Replace","path":"emails[type eq \"work\"].value","value":"n@w"}`,
		"pathless": `{"op":"replace","value":{"title":"N","name.givenName":"X","` + ent + `:department":"Y"}}`,
	} {
		body := object(b, `{"Operations":[`+text+`]}`)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ops, err := patch.Parse(body)
				if err != nil {
					b.Fatal(err)
				}
				if _, _, err := patch.Apply(rt, doc, ops); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
