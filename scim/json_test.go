package scim_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/scim"
)

func TestParsePrint(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ in, want string }{
		"null":              {` null `, `null`},
		"booleans":          {`[true, false]`, `[true,false]`},
		"numbers by text":   {`[0, -0, 1.50, 1e3, 123456789012345678901234567890]`, `[0,-0,1.50,1e3,123456789012345678901234567890]`},
		"strings":           {`["", "a\u0062\n\"\\\/", "é\ud83d\ude00"]`, `["","ab\n\"\\/","é😀"]`},
		"empty object":      {`{ }`, `{}`},
		"empty array":       {`[ ]`, `[]`},
		"order is kept":     {`{"b":1,"a":{"d":null,"c":[]}}`, `{"b":1,"a":{"d":null,"c":[]}}`},
		"spelling is kept":  {`{"UserName":"x"}`, `{"UserName":"x"}`},
		"deepest":           {strings.Repeat("[", 32) + strings.Repeat("]", 32), strings.Repeat("[", 32) + strings.Repeat("]", 32)},
		"names not of SCIM": {`{"":1," ":2,"é":3,"É":4}`, `{"":1," ":2,"é":3,"É":4}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, err := scim.Parse([]byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(scim.JSON(v))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	many := `{"first":0`
	for i := range 100 {
		many += `,"a` + string(scim.Int(i)) + `":0`
	}
	tests := map[string]struct{ in, want string }{
		"empty":                    {``, "ends too early"},
		"spaces":                   {`  `, "ends too early"},
		"cut":                      {`{"a":[1`, "ends too early"},
		"cut in a name":            {`{"a`, "ends too early"},
		"cut after an object":      {`{"a":{}`, "ends too early"},
		"two values":               {`{} {}`, "more than one JSON value"},
		"bare word":                {`abc`, "invalid character"},
		"single quotes":            {`{'a':1}`, "invalid character"},
		"trailing comma":           {`[1,]`, "invalid character"},
		"wrong bracket":            {`[1}`, "invalid character"},
		"wrong brace":              {`{"a":1]`, "invalid character"},
		"name is no string":        {`{1:1}`, "string"},
		"comment":                  {`{} // x`, "more than one JSON value"},
		"duplicate":                {`{"a":1,"a":2}`, `"a" occurs twice`},
		"duplicate by case":        {`{"userName":1,"USERNAME":2}`, `"USERNAME" occurs twice`},
		"duplicate among many":     {many + `,"A39":0}`, `"A39" occurs twice`},
		"duplicate late":           {many + `,"x":1,"X":2}`, `"X" occurs twice`},
		"NUL":                      {`"a\u0000b"`, "U+0000"},
		"NUL in a name":            {`{"\u0000":1}`, "U+0000"},
		"invalid UTF-8":            {"\"\xff\xfe\"", "UTF-8"},
		"invalid UTF-8 in a name":  {"{\"\xff\":1}", "UTF-8"},
		"half a surrogate pair":    {`"\ud800"`, "surrogate"},
		"too deep":                 {strings.Repeat("[", 33) + strings.Repeat("]", 33), "deeper than 32"},
		"too deep, mixed":          {strings.Repeat(`{"a":[`, 17), "deeper than 32"},
		"enormous depth":           {strings.Repeat("[", 1<<20), "deeper than 32"},
		"number with leading zero": {`01`, "more than one JSON value"},
		"NaN":                      {`NaN`, "invalid character"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, err := scim.Parse([]byte(tt.in))
			var pe *scim.ParseError
			if !errors.As(err, &pe) {
				t.Fatalf("got %s, error %v; want a ParseError", scim.JSON(v), err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q does not say %q", err, tt.want)
			}
			if pe.Offset < 0 || pe.Offset > int64(len(tt.in)) {
				t.Errorf("offset %d is outside the document", pe.Offset)
			}
		})
	}
}

// What was read must not change with the bytes it was read from: bodies are read into buffers that are used again.
func TestParseCopies(t *testing.T) {
	t.Parallel()
	doc := []byte(`{"name":["value",123]}`)
	v, err := scim.Parse(doc)
	if err != nil {
		t.Fatal(err)
	}
	for i := range doc {
		doc[i] = 'x'
	}
	if got, want := string(scim.JSON(v)), `{"name":["value",123]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestParseObject(t *testing.T) {
	t.Parallel()
	if o, err := scim.ParseObject([]byte(`{"a":1}`)); err != nil || o.Len() != 1 {
		t.Errorf("got %v, %v", o, err)
	}
	for in, want := range map[string]string{
		`null`: "not null", `true`: "not a boolean", `1`: "not a number", `"x"`: "not a string", `[]`: "not an array",
		`{`: "ends too early",
	} {
		if _, err := scim.ParseObject([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v does not say %q", in, err, want)
		}
	}
}

func TestKind(t *testing.T) {
	t.Parallel()
	if got := scim.Kind(new(scim.Object)); got != "an object" {
		t.Errorf("got %q", got)
	}
}

func TestAppendJSON(t *testing.T) {
	t.Parallel()
	t.Run("appends", func(t *testing.T) {
		t.Parallel()
		if got := string(scim.AppendJSON([]byte("x"), scim.Array{nil, scim.Int(-7)})); got != "x[null,-7]" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("invalid UTF-8 is replaced", func(t *testing.T) {
		t.Parallel()
		if got := string(scim.AppendString([]byte("x"), "a\xffb")); got != "x\"a\uFFFDb\"" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("foreign types are a bug", func(t *testing.T) {
		t.Parallel()
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		scim.JSON(scim.Array{1})
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"schemas":["urn:x"],"name":{"givenName":"é"},"n":[1,2.50,-0,1e9,true,null,{}]}`, `"\ud83d\ude00"`, `[[[]]]`, `{"a":1,"A":2}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		before := bytes.Clone(doc)
		v, err := scim.Parse(doc)
		if !bytes.Equal(before, doc) {
			t.Fatal("the document was changed")
		}
		if err != nil {
			return
		}
		if !json.Valid(doc) {
			t.Fatalf("%q was taken for JSON", doc)
		}
		text := scim.JSON(v)
		again, err := scim.Parse(text)
		if err != nil {
			t.Fatalf("%s, printed as %s: %v", doc, text, err)
		}
		if !scim.Equal(v, again) || !bytes.Equal(text, scim.JSON(again)) {
			t.Fatalf("%s became %s", text, scim.JSON(again))
		}
		if !scim.Equal(v, scim.Clone(v)) {
			t.Fatal("a clone differs")
		}
	})
}
