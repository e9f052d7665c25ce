package scim_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/scimbridge/scimbridge/scim"
)

func parse(t testing.TB, doc string) any {
	t.Helper()
	v, err := scim.Parse([]byte(doc))
	if err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	return v
}

func object(t testing.TB, doc string) *scim.Object {
	t.Helper()
	return parse(t, doc).(*scim.Object)
}

func TestObject(t *testing.T) {
	t.Parallel()
	o := object(t, `{"userName":"a","title":null,"active":true}`)
	if got := o.Get("USERNAME"); got != "a" {
		t.Errorf("Get: %v", got)
	}
	if got := o.String("username"); got != "a" {
		t.Errorf("String: %q", got)
	}
	if got := o.String("active"); got != "" {
		t.Errorf("String of a boolean: %q", got)
	}
	if !o.Has("TITLE") || o.Get("title") != nil || o.Has("nope") || o.Get("nope") != nil {
		t.Error("null and missing are not told apart by Has alone")
	}
	o.Set("UserName", "b")
	o.Set("nickName", "n")
	if !o.Delete("TITLE") || o.Delete("title") {
		t.Error("Delete does not tell whether the member was there")
	}
	if diff := cmp.Diff(`{"UserName":"b","active":true,"nickName":"n"}`, string(scim.JSON(o))); diff != "" {
		t.Error(diff)
	}
	var names []string
	for name := range o.All() {
		if name == "nickName" {
			break
		}
		names = append(names, name)
	}
	if diff := cmp.Diff([]string{"UserName", "active"}, names); diff != "" {
		t.Error(diff)
	}
	var zero scim.Object
	zero.Set("a", true)
	if zero.Len() != 1 {
		t.Error("the zero value cannot be used")
	}
}

func TestClone(t *testing.T) {
	t.Parallel()
	o := object(t, `{"a":{"b":[{"c":1},"s"]}}`)
	c := o.Clone()
	c.Get("a").(*scim.Object).Get("b").(scim.Array)[0].(*scim.Object).Set("c", nil)
	c.Get("a").(*scim.Object).Get("b").(scim.Array)[1] = "t"
	c.Set("d", true)
	if diff := cmp.Diff(`{"a":{"b":[{"c":1},"s"]}}`, string(scim.JSON(o))); diff != "" {
		t.Error("the original changed:", diff)
	}
}

func TestEqual(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		a, b string
		want bool
	}{
		"null":                  {`null`, `null`, true},
		"order of members":      {`{"a":1,"b":2}`, `{"B":2,"A":1}`, true},
		"order of arrays":       {`[1,2]`, `[2,1]`, false},
		"missing member":        {`{"a":1}`, `{"b":1}`, false},
		"fewer members":         {`{"a":1}`, `{"a":1,"b":2}`, false},
		"other value":           {`{"a":1}`, `{"a":2}`, false},
		"numbers by their text": {`1.0`, `1`, false},
		"number and string":     {`1`, `"1"`, false},
		"string and array":      {`"a"`, `["a"]`, false},
		"array and object":      {`[]`, `{}`, false},
		"null and object":       {`null`, `{}`, false},
		"case of values":        {`"a"`, `"A"`, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := parse(t, tt.a), parse(t, tt.b)
			if scim.Equal(a, b) != tt.want || scim.Equal(b, a) != tt.want {
				t.Errorf("%s and %s: want %t", tt.a, tt.b, tt.want)
			}
		})
	}
}

func TestFold(t *testing.T) {
	t.Parallel()
	equal := map[string][2]string{
		"lower":      {"abc@x-1.example", "abc@x-1.example"},
		"ASCII case": {"Bob@Example.COM", "bob@example.com"},
		"umlauts":    {"ÄÖÜ", "äöü"},
		"composed":   {"\u00c9", "e\u0301"},
		"full width": {"Ａlice", "alice"},
		"cyrillic":   {"Ж", "ж"},
	}
	for name, pair := range equal {
		if a, b := scim.Fold(pair[0]), scim.Fold(pair[1]); a != b {
			t.Errorf("%s: %q and %q differ", name, a, b)
		}
	}
	for name, pair := range map[string][2]string{
		"space": {"a b", "ab"}, "accent": {"e", "é"}, "sharp s": {"straße", "strasse"}, "empty": {"", " "},
	} {
		if a, b := scim.Fold(pair[0]), scim.Fold(pair[1]); a == b {
			t.Errorf("%s: both are %q", name, a)
		}
	}
}

// Allocations are counted for the whole process, so that this test cannot run beside others.
func TestFoldAllocations(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { scim.Fold("lower.case@example.com") }); n != 0 {
		t.Errorf("%v allocations for lower case", n)
	}
}

func TestFoldIdempotent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		once := scim.Fold(s)
		if twice := scim.Fold(once); twice != once {
			t.Fatalf("%q becomes %q and then %q", s, once, twice)
		}
	})
}

func TestNames(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		gen := rapid.StringMatching(`[aAkK\x{212A}sſßé$.:-]{0,4}`)
		a, b := gen.Draw(t, "a"), gen.Draw(t, "b")
		if scim.EqualName(a, b) != (scim.LowerName(a) == scim.LowerName(b)) {
			t.Fatalf("EqualName and LowerName disagree on %q and %q", a, b)
		}
	})
	if scim.EqualName("K", "\u212a") || !scim.EqualName("userName", "USERNAME") || scim.EqualName("a", "ab") {
		t.Error("names are compared by more or less than ASCII case")
	}
}
