package scim_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/scimbridge/scimbridge/scim"
)

func TestError(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err        *scim.Error
		text, json string
	}{
		"with scimType": {
			scim.BadRequest(scim.InvalidValue, "%s is wrong.", "a\"b"),
			`400 invalidValue: a"b is wrong.`,
			`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"400","scimType":"invalidValue","detail":"a\"b is wrong."}`,
		},
		"without": {
			scim.Errorf(404, "", "Nothing here."),
			`404: Nothing here.`,
			`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"404","detail":"Nothing here."}`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.text, tt.err.Error()); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.json, string(scim.JSON(tt.err.Object()))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAppendList(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		header    scim.ListHeader
		resources [][]byte
		want      string
	}{
		"empty": {
			scim.ListHeader{StartIndex: 1},
			nil,
			`{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":0,"startIndex":1,"itemsPerPage":0,"Resources":[]}`,
		},
		"index": {
			scim.ListHeader{Total: 7, StartIndex: 3, ItemsPerPage: 2},
			[][]byte{[]byte(`{"id":"a"}`), []byte(`{"id":"b"}`)},
			`{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":7,"startIndex":3,"itemsPerPage":2,"Resources":[{"id":"a"},{"id":"b"}]}`,
		},
		"cursor": {
			scim.ListHeader{Total: 7, ItemsPerPage: 1, NextCursor: "n", PreviousCursor: "p"},
			[][]byte{[]byte(`{}`)},
			`{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":7,"itemsPerPage":1,"nextCursor":"n","previousCursor":"p","Resources":[{}]}`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := scim.AppendList([]byte("> "), tt.header, tt.resources)
			if diff := cmp.Diff("> "+tt.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMatchVersion(t *testing.T) {
	t.Parallel()
	const current = `W/"12"`
	tests := map[string]struct {
		header, current string
		want, bad       bool
	}{
		"equal":               {`W/"12"`, current, true, false},
		"strong form":         {`"12"`, current, true, false},
		"strong version":      {`W/"12"`, `"12"`, true, false},
		"other":               {`W/"13"`, current, false, false},
		"prefix":              {`W/"1"`, current, false, false},
		"any":                 {`*`, current, true, false},
		"any with spaces":     {" *\t", current, true, false},
		"list":                {`"a", W/"12" ,"b"`, current, true, false},
		"list without":        {`"a",W/"b"`, current, false, false},
		"empty elements":      {`,"a", ,"12",`, current, true, false},
		"comma in a tag":      {`"1,2"`, `W/"1,2"`, true, false},
		"empty tag":           {`""`, `W/""`, true, false},
		"no version":          {`W/"12"`, ``, false, false},
		"unquoted":            {`12`, current, false, true},
		"weak without quotes": {`W/12`, current, false, true},
		"small w":             {`w/"12"`, current, false, true},
		"open quote":          {`"12`, current, false, true},
		"two without a comma": {`"12" "13"`, current, false, true},
		"any in a list":       {`"12", *`, current, false, true},
		"space in a tag":      {`"1 2"`, current, false, true},
		"control in a tag":    {"\"1\x7f\"", current, false, true},
		"empty":               {``, current, false, true},
		"commas":              {` , ,`, current, false, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := scim.MatchVersion(tt.header, tt.current)
			var e *scim.Error
			if bad := errors.As(err, &e) && e.Status == 400 && e.Type == scim.InvalidSyntax; bad != tt.bad || !bad && err != nil {
				t.Fatalf("error %v; want one: %t", err, tt.bad)
			}
			if got != tt.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

func FuzzMatchVersion(f *testing.F) {
	for _, s := range []string{`*`, `W/"1", "2"`, `"1`, `,,`} {
		f.Add(s, `W/"1"`)
	}
	f.Fuzz(func(t *testing.T, header, current string) {
		match, err := scim.MatchVersion(header, current)
		if match && err != nil {
			t.Fatalf("%q matches and is an error: %v", header, err)
		}
	})
}

func TestParseTime(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ in, want string }{
		"UTC":              {"2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000Z"},
		"small letters":    {"2026-01-31t12:00:00z", "2026-01-31T12:00:00.000Z"},
		"offset":           {"2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00.000Z"},
		"negative offset":  {"2026-01-31T23:30:00.5-01:00", "2026-02-01T00:30:00.500Z"},
		"fraction":         {"2026-01-31T12:00:00.123456789Z", "2026-01-31T12:00:00.123Z"},
		"no zone":          {"2026-01-31T12:00:00", "2026-01-31T12:00:00.000Z"},
		"no zone fraction": {"2026-01-31T12:00:00.25", "2026-01-31T12:00:00.250Z"},
		"leap day":         {"2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z"},
		"empty":            {"", ""},
		"date":             {"2026-01-31", ""},
		"month":            {"2020-13-01T00:00:00Z", ""},
		"day":              {"2026-02-30T00:00:00Z", ""},
		"hour of a digit":  {"2026-01-31T1:00:00Z00", ""},
		"comma":            {"2026-01-31T12:00:00,5Z", ""},
		"space":            {"2026-01-31 12:00:00Z", ""},
		"offset, no colon": {"2026-01-31T12:00:00+0200", ""},
		"text after":       {"2026-01-31T12:00:00Zx", ""},
		"short year":       {"026-01-31T12:00:00ZZ", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := scim.ParseTime(tt.in)
			if tt.want == "" {
				if !errors.Is(err, scim.ErrTime) {
					t.Fatalf("got %v, error %v; want ErrTime", got, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, scim.FormatTime(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTimeRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMilli(rapid.Int64Range(-6e13, 2e14).Draw(t, "ms"))
		back, err := scim.ParseTime(scim.FormatTime(at))
		if err != nil || !back.Equal(at) {
			t.Fatalf("%v became %v, %v", at, back, err)
		}
	})
}
