package filter_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/schema"
)

func parse(t testing.TB, text string) filter.Expr {
	t.Helper()
	e, err := filter.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return e
}

func document(t testing.TB, text string) *scim.Object {
	t.Helper()
	o, err := scim.ParseObject([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return o
}

func pr(name string) filter.Expr { return filter.Present{Path: filter.AttrPath{Name: name}} }

func TestPrecedence(t *testing.T) {
	t.Parallel()
	a, b, c := pr("a"), pr("b"), pr("c")
	for in, want := range map[string]filter.Expr{
		"a pr or b pr and c pr":                filter.Or{a, filter.And{b, c}},
		"a pr and b pr or c pr":                filter.Or{filter.And{a, b}, c},
		"(a pr or b pr) and c pr":              filter.And{filter.Or{a, b}, c},
		"a pr or b pr and not c pr":            filter.Or{a, filter.And{b, filter.Not{Filter: c}}},
		"not a pr or b pr":                     filter.Or{filter.Not{Filter: a}, b},
		"not (a pr or b pr)":                   filter.Not{Filter: filter.Or{a, b}},
		"a pr or (b pr or c pr)":               filter.Or{a, filter.Or{b, c}},
		"(a pr and b pr) and c pr":             filter.And{filter.And{a, b}, c},
		"a pr or b pr or c pr":                 filter.Or{a, b, c},
		"not(a pr)and(b pr)or(not(not(c pr)))": filter.Or{filter.And{filter.Not{Filter: a}, b}, filter.Not{Filter: filter.Not{Filter: c}}},
	} {
		if diff := cmp.Diff(want, parse(t, in)); diff != "" {
			t.Errorf("%s\n%s", in, diff)
		}
	}
}

// TestPrintedIsReadAgain: whatever is read can be printed and read again as the same, up to the limits.
func TestPrintedIsReadAgain(t *testing.T) {
	t.Parallel()
	deep := filter.MaxNesting - 1
	for name, in := range map[string]string{
		"nots":        strings.Repeat("not ", filter.MaxNesting) + "a pr",
		"nots around": strings.Repeat("not (", filter.MaxNesting) + "a pr" + strings.Repeat(")", filter.MaxNesting),
		"or in and":   strings.Repeat("(a pr or b pr and ", deep) + "c pr" + strings.Repeat(")", deep),
		"brackets":    strings.Repeat("not ", deep) + `a[b eq "]" and c eq "\\\"["]`,
	} {
		e := parse(t, in)
		again, err := filter.Parse(e.String())
		if err != nil || !reflect.DeepEqual(e, again) { // cmp takes twice as long for each level
			t.Errorf("%s: %v, %v", name, again, err)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		e := expression(rt, 3, false)
		again, err := filter.Parse(e.String())
		if err != nil {
			rt.Fatalf("%s: %v", e, err)
		}
		if !reflect.DeepEqual(e, again) {
			rt.Fatalf("%s is read again as %s: %#v", e, again, again)
		}
	})
}

// expression draws any filter that the grammar can say.
func expression(t *rapid.T, depth int, inner bool) filter.Expr {
	kinds := []string{"present", "compare", "compare"}
	if depth > 0 {
		kinds = append(kinds, "not", "and", "or")
	}
	if depth > 0 && !inner {
		kinds = append(kinds, "path", "path")
	}
	switch kind := rapid.SampledFrom(kinds).Draw(t, "kind"); kind {
	case "not":
		return filter.Not{Filter: expression(t, depth-1, inner)}
	case "and", "or":
		list := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) filter.Expr { return expression(t, depth-1, inner) }), 2, 3).Draw(t, "list")
		if kind == "and" {
			return filter.And(list)
		}
		return filter.Or(list)
	case "path":
		v := filter.ValuePath{Path: attribute(t), Filter: expression(t, depth-1, true)}
		switch rapid.IntRange(0, 2).Draw(t, "after") {
		case 0:
			v.Op, v.Value = operator(t), literal(t)
			v.Sub = rapid.SampledFrom([]string{"", "value", "$ref"}).Draw(t, "sub")
		case 1:
			v.Op, v.Sub = filter.Pr, "display"
		}
		return v
	case "present":
		return filter.Present{Path: attribute(t)}
	}
	return filter.Compare{Path: attribute(t), Op: operator(t), Value: literal(t)}
}

func attribute(t *rapid.T) filter.AttrPath {
	return filter.AttrPath{
		URN:  rapid.SampledFrom([]string{"", "", "urn:x:2.0:User", "a.b:c"}).Draw(t, "urn"),
		Name: rapid.StringMatching(`[$a-zA-Z][a-zA-Z0-9_-]{3,6}`).Draw(t, "name"),
		Sub:  rapid.SampledFrom([]string{"", "value", "x-1"}).Draw(t, "sub"),
	}
}

func operator(t *rapid.T) filter.Op {
	return rapid.SampledFrom([]filter.Op{"eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"}).Draw(t, "op")
}

func literal(t *rapid.T) any {
	return rapid.OneOf(
		rapid.Map(rapid.String(), func(s string) any { return strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", "") }),
		rapid.SampledFrom([]any{true, false, nil, scim.Number("-1.5e3"), scim.Number("9007199254740993"), "", "true", "5", "a\x01b\"]\\) and"}),
	).Draw(t, "literal")
}

// TestMatchAgrees compares Match with the plainest reading of RFC 7644's table of operators, on one text attribute
// that may be missing.
func TestMatchAgrees(t *testing.T) {
	t.Parallel()
	rt := schema.Standard().User()
	words := []string{"", "a", "A", "ab", "ba", "AbA", "b", "é", "É", "e\u0301"}
	rapid.Check(t, func(r *rapid.T) {
		have, want := rapid.SampledFrom(words).Draw(r, "have"), rapid.SampledFrom(words[1:]).Draw(r, "want")
		exact := rapid.Bool().Draw(r, "exact")
		name, h, w := "title", scim.Fold(have), scim.Fold(want)
		if exact {
			name, h, w = "externalId", have, want
		}
		doc := scim.NewObject()
		if have != "" {
			doc.Set(name, have)
		}
		there := have != ""
		for op, holds := range map[filter.Op]bool{
			filter.Eq: there && h == w, filter.Ne: !there || h != w,
			filter.Co: there && strings.Contains(h, w), filter.Sw: there && strings.HasPrefix(h, w), filter.Ew: there && strings.HasSuffix(h, w),
			filter.Gt: there && h > w, filter.Ge: there && h >= w, filter.Lt: there && h < w, filter.Le: there && h <= w,
		} {
			e := filter.Compare{Path: filter.AttrPath{Name: name}, Op: op, Value: want}
			if got, err := filter.Match(rt, e, doc); err != nil || got != holds {
				r.Fatalf("%s on %q: %v, %v", e, have, got, err)
			}
		}
	})
}

func TestMatchEdges(t *testing.T) {
	t.Parallel()
	user, group := schema.Standard().User(), schema.Standard().Group()
	for _, c := range []struct {
		name string
		rt   *schema.ResourceType
		doc  string
		in   string
		want bool
	}{
		{"primary not said is not true", user, `{"emails":[{"value":"a","primary":true},{"value":"b"}]}`, `emails.primary ne true`, true},
		{"primary said by all", user, `{"emails":[{"value":"a","primary":true}]}`, `emails.primary ne true`, false},
		{"primary not said, in brackets", user, `{"emails":[{"value":"b"}]}`, `emails[primary ne true]`, true},
		{"primary not said is not ne false", user, `{"emails":[{"value":"b"}]}`, `emails.primary ne false`, false},
		{"no element has no primary", user, `{}`, `emails.primary eq false`, false},
		{"unknown attribute and ne", user, `{}`, `nope ne "x" or nope eq null`, false},
		{"unknown attribute under not", user, `{}`, `not (nope eq "x")`, true},
		{"unknown attribute under not, in brackets", user, `{"emails":[{"value":"b"}]}`, `emails[not (nope pr)]`, true},
		{"URN in brackets", user, `{"emails":[{"value":"b"}]}`, `emails[urn:x:value eq "b"]`, false},
		{"sub-attribute in brackets", user, `{"emails":[{"value":"b"}]}`, `emails[value.x eq "b"]`, false},
		{"empty text is no value", user, `{"title":""}`, `title pr`, false},
		{"object of nothing is no value", user, `{"name":{"givenName":""}}`, `name pr`, false},
		{"empty list is no value", user, `{"emails":[]}`, `emails pr`, false},
		{"element of nothing is no value", user, `{"emails":[{}]}`, `emails pr`, false},
		{"false is a value", user, `{"active":false}`, `active pr`, true},
		{"complex of one value", user, `{"name":{"givenName":"Ann"}}`, `name[givenName eq "ann"]`, true},
		{"complex of one value and sub-attribute", user, `{"name":{"givenName":"Ann","familyName":"Lee"}}`, `name[givenName eq "ann"].familyName eq "LEE"`, true},
		{"text against a number", user, `{"externalId":"5"}`, `externalId eq 5`, true},
		{"text against a boolean", user, `{"externalId":"true"}`, `externalId eq true`, true},
		{"text against false", user, `{"externalId":"false"}`, `externalId eq FALSE`, true},
		{"boolean against a number", user, `{"active":true}`, `active eq 1`, false},
		{"boolean contains nothing", user, `{"active":true}`, `active co "t"`, false},
		{"null under ne in brackets", user, `{"emails":[{"value":"a","type":"work"},{"value":"b"}]}`, `emails[type eq null].value eq "b"`, true},
		{"two terms on two elements", user, `{"emails":[{"value":"a","type":"work"},{"value":"b","type":"home"}]}`, `emails.type eq "work" and emails.value eq "b"`, true},
		{"two terms on one element", user, `{"emails":[{"value":"a","type":"work"},{"value":"b","type":"home"}]}`, `emails[type eq "work" and value eq "b"]`, false},
		{"another dialect of dates", user, `{"meta":{"created":"2020-01-01T00:00:00.000Z"}}`, `meta.created le "2019-12-31T19:00:00-05:00"`, true},
		{"fraction of a second", user, `{"meta":{"created":"2020-01-01T00:00:00.001Z"}}`, `meta.created gt "2020-01-01T00:00:00Z"`, true},
		{"member", group, `{"members":[{"value":"u1","type":"User"}]}`, `members.value eq "u1"`, true},
		{"member's id is case-exact", group, `{"members":[{"value":"u1","type":"User"}]}`, `members.value eq "U1"`, false},
		{"member in brackets", group, `{"members":[{"value":"u1","type":"User"}]}`, `members[value eq "u1" and type eq "user"]`, true},
		{"members means their value", group, `{"members":[{"value":"u1","type":"User"}]}`, `members eq "u1"`, true},
		{"attribute of another type", group, `{"displayName":"G"}`, `userName pr`, false},
		{"user's URN on a group", group, `{"displayName":"G"}`, `urn:ietf:params:scim:schemas:core:2.0:User:displayName pr`, false},
		{"number that only Go reads", user, `{"externalId":"16"}`, `externalId eq 0x10`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := filter.Match(c.rt, parse(t, c.in), document(t, c.doc))
			if err != nil || got != c.want {
				t.Errorf("%s on %s: %v, %v", c.in, c.doc, got, err)
			}
		})
	}
}

const exotic = `[{"resourceType":"User","schema":{"id":"urn:x:ext:2.0","attributes":[
 {"name":"n","type":"integer"},{"name":"tags","multiValued":true},{"name":"at","type":"dateTime"}]}}]`

func TestNumbersAreJSON(t *testing.T) {
	t.Parallel()
	set, err := schema.LoadExtensions(schema.Standard(), []byte(exotic))
	if err != nil {
		t.Fatal(err)
	}
	doc := document(t, `{"urn:x:ext:2.0":{"n":16,"tags":["red"]}}`)
	for in, want := range map[string]bool{
		`n eq "16"`: true, `n eq 1.6e1`: true, `n eq 160E-1`: true, `n ne 17`: true, `n co 1`: false,
		`n eq "0x10"`: false, `n eq "1_6"`: false, `n eq "16p0"`: false, `n eq "32/2"`: false, `n lt "1p9999999"`: false, `n lt "Inf"`: false,
		`n eq "1e+-1"`: false, `n lt 1e9999`: false, `n gt -1e999`: true, `n eq true`: false,
		`urn:x:ext:2.0:tags[value eq "RED"]`: true, `urn:x:ext:2.0 pr`: false, `at eq null`: true,
	} {
		start := time.Now()
		got, err := filter.Match(set.User(), parse(t, in), doc)
		if err != nil || got != want {
			t.Errorf("%s: %v, %v", in, got, err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("%s takes %s", in, took)
		}
	}
}

func TestParseEdges(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`userName eq o'neil`:                         "", // a quote in a bare word: nobody can say where it ends
		`userName eq a+b@x.example`:                  `userName eq "a+b@x.example"`,
		`externalId eq 00u1`:                         `externalId eq "00u1"`,
		`externalId eq 007`:                          `externalId eq "007"`,
		`externalId eq -`:                            `externalId eq "-"`,
		`(userName eq abc)`:                          `userName eq "abc"`,
		`emails[type eq work].value eq a@x`:          `emails[type eq "work"].value eq "a@x"`,
		`emails[type eq "work"]and title pr`:         `emails[type eq "work"] and title pr`,
		`userName eq "a"and title pr`:                `userName eq "a" and title pr`,
		`notes eq "x"`:                               `notes eq "x"`,
		`order pr and android pr`:                    `order pr and android pr`,
		`title eq ""`:                                `title eq ""`,
		`title eq nullish`:                           `title eq "nullish"`,
		`title eq "\u0000"`:                          "", // JSON, but no text
		"title\teq\t\"x\"":                           `title eq "x"`,
		`userName eq "a" or`:                         "",
		`or userName eq "a"`:                         "",
		`and and and`:                                "",
		`userName eq "a" and ()`:                     "",
		`userName eq "a" "b"`:                        "",
		`userName eq [1]`:                            "",
		`userName eq {"a":1}`:                        "",
		`userName eq "\ud800"`:                       "",
		`not`:                                        "",
		`not ()`:                                     "",
		`emails[type eq "work"`:                      "",
		`emails type eq "work"]`:                     "",
		`emails[type eq "work"]]`:                    "",
		`emails[type eq "work"].value.x eq "a"`:      "",
		`urn: eq "x"`:                                "",
		`a.b.c eq "x"`:                               "",
		"a eq \"x\u2028y\"":                          "a eq \"x\u2028y\"",
		"a eq \"x\ny\"":                              "",
		"\u00e9 eq \"x\"":                            "",
		`userName eq "a";DROP TABLE users`:           "",
		`userName=eq"a"`:                             "",
		`userName eq "` + strings.Repeat("a", 8<<10): "",
	} {
		e, err := filter.Parse(in)
		var se *scim.Error
		switch {
		case want == "" && (!errors.As(err, &se) || se.Status != 400 || se.Type != scim.InvalidFilter || se.Detail == ""):
			t.Errorf("%.40q: %v, %v is no invalidFilter", in, e, err)
		case want != "" && err != nil:
			t.Errorf("%q: %v", in, err)
		case want != "" && e.String() != want:
			t.Errorf("%q is read as %s", in, e)
		}
	}
}

// TestBounds: what is refused for its size is refused soon.
func TestBounds(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]string{
		"a megabyte":  `userName eq "` + strings.Repeat("a", 1<<20) + `"`,
		"terms":       strings.Repeat("a pr or ", 10_000) + "a pr",
		"parentheses": strings.Repeat("(", 10_000) + "a pr" + strings.Repeat(")", 10_000),
		"brackets":    strings.Repeat("a[", 4_000),
		"nots":        strings.Repeat("not ", 2_000) + "a pr",
		"not (":       strings.Repeat("not(", 2_000) + "a pr",
	} {
		start := time.Now()
		_, err := filter.Parse(in)
		var se *scim.Error
		if !errors.As(err, &se) || se.Type != scim.InvalidFilter || len(se.Detail) > 300 {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("%s takes %s", name, took)
		}
	}
	if e := parse(t, strings.Repeat("a pr or ", filter.MaxTerms-1)+"a pr"); len(e.(filter.Or)) != filter.MaxTerms {
		t.Errorf("%d terms are read as %d", filter.MaxTerms, len(e.(filter.Or)))
	}
}

func TestPathOfAnExtensionNamedForItsVersion(t *testing.T) {
	t.Parallel()
	set, err := schema.LoadExtensions(schema.Standard(), []byte(exotic))
	if err != nil {
		t.Fatal(err)
	}
	p, err := filter.ParsePath("urn:x:ext:2.0")
	if err != nil || p.String() != "urn:x:ext:2.0" {
		t.Fatalf("%s, %v", p, err)
	}
	target, ok := set.User().Resolve(p.Attr.URN, p.Attr.Name, p.Attr.Sub)
	if !ok || target.Attr != nil || target.Extension == nil {
		t.Errorf("%v, %v is not the extension", target, ok)
	}
}

func TestCompileElement(t *testing.T) {
	t.Parallel()
	rt := schema.Standard().User()
	emails, _ := rt.Resolve("", "emails", "")
	m, err := filter.CompileElement(rt, emails.Attr, parse(t, `type eq "WORK" and not (display pr)`))
	if err != nil {
		t.Fatal(err)
	}
	if !m.Match(document(t, `{"type":"work"}`)) || m.Match(document(t, `{"type":"work","display":"x"}`)) {
		t.Error("the elements are judged wrongly")
	}
	if _, err := filter.CompileElement(rt, emails.Attr, parse(t, `primary gt true`)); err == nil {
		t.Error("an order of booleans is accepted")
	}
	if (filter.Matcher{}).Match(document(t, `{}`)) {
		t.Error("the zero Matcher matches")
	}
}

func BenchmarkMatch(b *testing.B) {
	rt, doc := schema.Standard().User(), document(b, person)
	for name, text := range map[string]string{
		"simple":  `userName eq "bjensen@example.com"`,
		"path":    `emails[type eq "work" and value co "@work"]`,
		"complex": `(emails[type eq "work" and value co "@example.com"] or title sw "t") and not (nickName pr and active eq false) and meta.lastModified gt "2011-05-13T04:42:34Z"`,
	} {
		m, err := filter.Compile(rt, parse(b, text))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Match(doc)
			}
		})
	}
}
