package filter_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/schema"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"eq", `userName eq "a"`, `userName eq "a"`},
		{"case of operators", `userName EQ "a" AND title PR`, `userName eq "a" and title pr`},
		{"precedence", `a eq 1 or (b eq 2 and c eq 3)`, `a eq 1 or b eq 2 and c eq 3`},
		{"parentheses", `(a eq 1 or b eq 2) and c eq 3`, `(a eq 1 or b eq 2) and c eq 3`},
		{"not", `not (a eq 1)`, `not (a eq 1)`},
		{"not without parentheses", `not a eq 1 and b pr`, `not (a eq 1) and b pr`},
		{"not twice", `NOT (not(a pr))`, `not (not (a pr))`},
		{"an attribute called not", `not eq "x"`, `not eq "x"`},
		{"value path", `emails[type eq "work" and value co "@x"]`, `emails[type eq "work" and value co "@x"]`},
		{"value path and comparison", `emails[type eq "work"].value eq "a"`, `emails[type eq "work"].value eq "a"`},
		{"value path and pr", `emails[type eq "work"].display pr`, `emails[type eq "work"].display pr`},
		{"value path compared", `emails[type eq "work"] eq "x"`, `emails[type eq "work"] eq "x"`},
		{"URN", `urn:ietf:params:scim:schemas:core:2.0:User:name.givenName sw "J"`, `urn:ietf:params:scim:schemas:core:2.0:User:name.givenName sw "J"`},
		{"escapes", `a eq "q\"b\\ \u00e9\n"`, `a eq "q\"b\\ é\n"`},
		{"surrogates", `a eq "\ud83d\ude00"`, `a eq "😀"`},
		{"bare word", `userName eq bob@example.com`, `userName eq "bob@example.com"`},
		{"bare date", `meta.created gt 2011-05-13T04:42:34Z`, `meta.created gt "2011-05-13T04:42:34Z"`},
		{"bare word in brackets", `emails[type eq work]`, `emails[type eq "work"]`},
		{"booleans", `a eq True and b eq FALSE and c eq null`, `a eq true and b eq false and c eq null`},
		{"big number", `a eq 9007199254740993`, `a eq 9007199254740993`},
		{"spaces", `  a   eq   1  `, `a eq 1`},
		{"nested parentheses", `((a eq 1))`, `a eq 1`},
		{"$ref", `members.$ref eq "x"`, `members.$ref eq "x"`},
		{"hyphen", `my-attr_1 pr`, `my-attr_1 pr`},
		{"and as a value", `a eq and`, `a eq "and"`},
		{"all operators", `a ne 1 or a co "x" or a ew "x" or a ge 1 or a lt 1 or a le 1`, `a ne 1 or a co "x" or a ew "x" or a ge 1 or a lt 1 or a le 1`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e, err := filter.Parse(c.in)
			if err != nil {
				t.Fatal(err)
			}
			if e.String() != c.want {
				t.Errorf("got  %s\nwant %s", e, c.want)
			}
			again, err := filter.Parse(e.String())
			if err != nil || !cmp.Equal(e, again) {
				t.Errorf("printed and read again: %v, %v", again, err)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, names string }{
		{"empty", "", "attribute"},
		{"blank", "  ", "attribute"},
		{"no operator", "userName", "operator"},
		{"unknown operator", `userName regex "x"`, "operator"},
		{"no value", "userName eq", "value"},
		{"open parenthesis", `(a eq 1`, "parenthesis"},
		{"stray parenthesis", `a eq 1)`, "end"},
		{"open bracket", `emails[type eq "x"`, "bracket"},
		{"nothing in brackets", `emails[]`, "attribute"},
		{"brackets in brackets", `a[b[c eq 1]]`, "brackets"},
		{"open quote", `a eq "x`, "quote"},
		{"single quotes", `a eq 'x'`, "double quotes"},
		{"bad escape", `a eq "\x"`, "JSON string"},
		{"control character", "a eq \"\x01\"", "control"},
		{"control character in a bare word", "a gt \x00", "control"},
		{"tab in a string", "a eq \"\t\"", "JSON string"},
		{"and without more", `a eq 1 and`, "attribute"},
		{"two terms", `a eq 1 b eq 2`, "end"},
		{"number as attribute", `1a eq 1`, "attribute"},
		{"no sub-attribute", `a. eq 1`, "attribute"},
		{"point after brackets", `a[b eq 1]. eq 1`, "sub-attribute"},
		{"comparison missing", `a[b eq 1].c`, "operator"},
		{"colon first", `:a eq 1`, "attribute"},
		{"too long", `a eq "` + strings.Repeat("x", filter.MaxLength) + `"`, "bytes"},
		{"too deep", strings.Repeat("(", 40) + "a eq 1" + strings.Repeat(")", 40), "deep"},
		{"too many nots", strings.Repeat("not ", 40) + "a eq 1", "deep"},
		{"too many terms", strings.Repeat("a pr or ", 300) + "a pr", "256"},
		{"not UTF-8", "a eq \"\xff\"", "UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := filter.Parse(c.in)
			var e *scim.Error
			if !errors.As(err, &e) || e.Status != 400 || e.Type != scim.InvalidFilter {
				t.Fatalf("error %v is no 400 invalidFilter", err)
			}
			if !strings.Contains(e.Detail, c.names) {
				t.Errorf("%q does not name %q", e.Detail, c.names)
			}
		})
	}
}

func TestParsePath(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"title", "name.givenName", `emails[type eq "work"]`, `emails[type eq "work"].value`,
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
		`urn:x:User:emails[not (type eq "work" or value sw "k")].display`, "$ref",
	} {
		p, err := filter.ParsePath(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
		}
		if p.String() != in {
			t.Errorf("%s is printed as %s", in, p)
		}
	}
	for name, in := range map[string]string{
		"empty": "", "points": "..", "open bracket": "emails[", "empty brackets": "emails[]", "after brackets": `emails[type eq "x"]value`,
		"point at the end": "name.", "no name after the point": `emails[type eq "x"].`, "three levels": "a.b.c", "space": "a b", "slash": "/name/givenName",
		"long": strings.Repeat("a", filter.MaxPathLength+1), "not UTF-8": "a\xff",
	} {
		_, err := filter.ParsePath(in)
		var e *scim.Error
		if !errors.As(err, &e) || e.Type != scim.InvalidPath || e.Detail == "" {
			t.Errorf("%s: error %v is no invalidPath", name, err)
		}
	}
}

const person = `{
 "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
 "id": "2819c223", "externalId": "AbC", "userName": "Bjensen@Example.com", "title": "Tour Guide", "active": true, "nickName": "Änne",
 "name": {"givenName": "Barbara", "familyName": "Jensen"},
 "emails": [{"value": "a@work.example", "type": "work", "primary": true}, {"value": "b@home.example", "type": "home", "display": "B"}],
 "roles": [{"value": "admin", "primary": true}],
 "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Sales", "manager": {"value": "77"}},
 "meta": {"resourceType": "User", "created": "2020-01-01T12:00:00.000Z", "lastModified": "2020-01-02T00:00:00.500Z"}
}`

func TestMatch(t *testing.T) {
	t.Parallel()
	rt := schema.Standard().User()
	doc, err := scim.ParseObject([]byte(person))
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]bool{
		`userName eq "bjensen@example.com"`: true, `userName eq "x"`: false, `USERNAME sw "BJ"`: true, `userName ew ".COM"`: true, `userName co "sen@"`: true,
		`userName ne "x"`: true, `userName ne "bjensen@EXAMPLE.com"`: false, `userName gt "a"`: true, `userName lt "a"`: false, `userName ge "bjensen@example.com"`: true,
		`externalId eq "AbC"`: true, `externalId eq "abc"`: false, `id eq "2819c223"`: true, `id eq "2819C223"`: false,
		`nickName eq "ÄNNE"`: true, `nickName eq "änne"`: true,
		`title pr`: true, `locale pr`: false, `name pr`: true, `emails pr`: true, `phoneNumbers pr`: false, `name.givenName pr`: true,
		`active eq true`: true, `active eq "True"`: true, `active eq false`: false, `active ne false`: true, `active eq "maybe"`: false,
		`emails co "home"`: true, `emails.value eq "B@HOME.example"`: true, `emails.type eq "other"`: false, `emails.value ne "a@work.example"`: true,
		`emails[type eq "work" and value co "@work"]`: true, `emails[type eq "work" and value co "@home"]`: false,
		`emails[type eq "work"].value eq "a@work.example"`: true, `emails[type eq "home"].value eq "a@work.example"`: false,
		`emails[type eq "home"].display pr`: true, `emails[type eq "work"].display pr`: false, `emails[type eq "work"] eq "a@work.example"`: true,
		`emails[primary eq false]`: true, `emails[primary eq true and type eq "home"]`: false, `emails.primary eq false`: true, `roles.primary eq false`: false, `roles[primary eq "True"]`: true,
		`emails[not (type eq "work")]`: true, `not (emails[type eq "fax"])`: true,
		`urn:ietf:params:scim:schemas:core:2.0:User:userName eq "bjensen@example.com"`:     true,
		`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "sales"`: true,
		`URN:IETF:PARAMS:SCIM:SCHEMAS:EXTENSION:ENTERPRISE:2.0:USER:manager.value eq "77"`: true,
		`manager eq "77"`: true, `id eq "2819c223" and manager eq "78"`: false, `department sw "Sa"`: true,
		`meta.created eq "2020-01-01T13:00:00+01:00"`: true, `meta.created gt "2020-01-01T12:00:00Z"`: false, `meta.lastModified ge 2020-01-02T00:00:00.5Z`: true, `meta.created lt "2021-01-01T00:00:00Z"`: true,
		`meta.resourceType eq "User"`: true, `meta.created sw "2020"`: true, `meta.created eq "no date"`: false,
		`title eq null`: false, `locale eq null`: true, `title ne null`: true, `locale ne null`: false, `title gt null`: false,
		`nope eq "x"`: false, `nope ne "x"`: false, `nope pr`: false, `not (nope eq "x")`: true, `urn:x:y:title eq "Tour Guide"`: false, `name.nope eq "x"`: false, `emails[nope eq 1]`: false, `nope[a eq 1]`: false,
		`title eq "tour guide" or nope pr and nope pr`: true, `(title pr or nope pr) and nope pr`: false,
		`locale ne "x"`: true, `userName gt 5`: true, `addresses eq "x"`: false, `name eq "Barbara"`: false, `schemas eq "urn:ietf:params:scim:schemas:core:2.0:User"`: true,
	} {
		e, err := filter.Parse(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		got, err := filter.Match(rt, e, doc)
		if err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", in, got, err, want)
		}
	}
}

const numbers = `[{"resourceType": "User", "required": false, "schema": {"id": "urn:example:2.0:N", "name": "N", "attributes": [
 {"name": "count", "type": "integer", "multiValued": false}, {"name": "share", "type": "decimal", "multiValued": false},
 {"name": "tags", "type": "string", "multiValued": true}, {"name": "raw", "type": "binary", "multiValued": false}]}}]`

func TestMatchNumbers(t *testing.T) {
	t.Parallel()
	set, err := schema.LoadExtensions(schema.Standard(), []byte(numbers))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := scim.ParseObject([]byte(`{"urn:example:2.0:N": {"count": 10, "share": 0.5, "tags": ["Red", "blue"], "raw": "AA=="}}`))
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]bool{
		`urn:example:2.0:N:count gt 9`: true, `urn:example:2.0:N:count eq 10.0`: true, `urn:example:2.0:N:count le 9`: false, `urn:example:2.0:N:count eq "10"`: true,
		`urn:example:2.0:N:share lt 0.51`: true, `urn:example:2.0:N:share eq 5e-1`: true, `urn:example:2.0:N:count lt 1e999999999`: false, `urn:example:2.0:N:count eq "x"`: false,
		`urn:example:2.0:N:tags eq "red"`: true, `urn:example:2.0:N:tags[value eq "Blue"]`: true, `urn:example:2.0:N:tags eq "green"`: false, `urn:example:2.0:N:raw eq "AA=="`: true,
	} {
		e, err := filter.Parse(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got, err := filter.Match(set.User(), e, doc); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{`urn:example:2.0:N:raw gt "AA=="`} {
		e, err := filter.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		if filter.Check(set.User(), e) == nil {
			t.Errorf("%s: an order of binary values is accepted", in)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	rt := schema.Standard().User()
	for in, want := range map[string]scim.ErrorType{
		`active gt true`: scim.InvalidFilter, `title pr and active le false`: scim.InvalidFilter, `not (emails[primary ge true])`: scim.InvalidFilter,
		`password eq "x"`: scim.Sensitive, `title pr or password pr`: scim.Sensitive, `x509Certificates.value lt "AA"`: scim.InvalidFilter,
		`emails[type eq "work"].primary gt true`: scim.InvalidFilter,
	} {
		e, err := filter.Parse(in)
		if err != nil {
			t.Fatalf("%s: %v", in, err)
		}
		var se *scim.Error
		if err := filter.Check(rt, e); !errors.As(err, &se) || se.Type != want {
			t.Errorf("%s: %v, want %s", in, err, want)
		}
	}
}

func TestConjuncts(t *testing.T) {
	t.Parallel()
	e, err := filter.Parse(`a eq 1 and (b eq 2 or c eq 3) and d pr`)
	if err != nil {
		t.Fatal(err)
	}
	list := filter.Conjuncts(e)
	if len(list) != 3 || !cmp.Equal(filter.All(list), e) || !cmp.Equal(filter.All(list[:1]), list[0]) {
		t.Errorf("%v", list)
	}
	if one := filter.Conjuncts(list[1]); len(one) != 1 {
		t.Errorf("an or is one conjunct, not %v", one)
	}
}

// TestLogic compares and, or, not with their meaning, on filters of known truth.
func TestLogic(t *testing.T) {
	t.Parallel()
	rt := schema.Standard().User()
	doc, err := scim.ParseObject([]byte(person))
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt2 *rapid.T) {
		e, want := tree(rt2, 3)
		got, err := filter.Match(rt, e, doc)
		if err != nil || got != want {
			rt2.Fatalf("%s: %v, %v; want %v", e, got, err, want)
		}
		again, err := filter.Parse(e.String())
		if err != nil {
			rt2.Fatalf("%s: %v", e, err)
		}
		if got, _ := filter.Match(rt, again, doc); got != want {
			rt2.Fatalf("%s, printed and read again: %v", e, got)
		}
	})
}

func tree(t *rapid.T, depth int) (filter.Expr, bool) {
	kind := rapid.IntRange(0, 3).Draw(t, "kind")
	if depth == 0 || kind == 0 {
		truth := rapid.Bool().Draw(t, "truth")
		name := "locale"
		if truth {
			name = "title"
		}
		return filter.Present{Path: filter.AttrPath{Name: name}}, truth
	}
	if kind == 1 {
		e, v := tree(t, depth-1)
		return filter.Not{Filter: e}, !v
	}
	all, any := true, false
	var list []filter.Expr
	for range rapid.IntRange(2, 4).Draw(t, "operands") {
		e, v := tree(t, depth-1)
		list, all, any = append(list, e), all && v, any || v
	}
	if kind == 2 {
		return filter.And(list), all
	}
	return filter.Or(list), any
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{`userName eq "a"`, `emails[type eq "work" and not (value co "x")].value ne null or a:b:c.d pr`, `a eq 1e5`, `not(a gt "\u00e9")`, `a eq b c`} {
		f.Add(s)
	}
	rt := schema.Standard().User()
	doc, err := scim.ParseObject([]byte(person))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := filter.Parse(text)
		if err != nil {
			return
		}
		again, err := filter.Parse(e.String())
		if err != nil && len(e.String()) <= filter.MaxLength {
			t.Fatalf("%q is printed as %q, which cannot be read: %v", text, e, err)
		}
		if err == nil && again.String() != e.String() {
			t.Fatalf("%q is printed as %q and then as %q", text, e, again)
		}
		_, _ = filter.Match(rt, e, doc)
	})
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"name.givenName", `emails[type eq "work"].value`, "urn:a:b:c", "a["} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := filter.ParsePath(text)
		if err != nil {
			return
		}
		again, err := filter.ParsePath(p.String())
		if len(p.String()) <= filter.MaxPathLength && (err != nil || again.String() != p.String()) {
			t.Fatalf("%q is printed as %q and then as %q: %v", text, p, again, err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for name, text := range map[string]string{
		"simple":  `userName eq "bjensen@example.com"`,
		"complex": `(emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp"]) and not (title pr) and meta.lastModified gt "2011-05-13T04:42:34Z"`,
		"urn":     `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "Sales"`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := filter.Parse(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
