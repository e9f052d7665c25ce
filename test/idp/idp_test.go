package idp_test

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/scimbridge/scimbridge/test/idp"
	"github.com/scimbridge/scimbridge/test/program"
)

//go:embed testdata/*.txtar
var testdata embed.FS

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// TestConversations replays every client against the real program, twice: the second time meets what the first left.
func TestConversations(t *testing.T) {
	t.Parallel()
	files, err := fs.Sub(testdata, "testdata")
	if err != nil {
		t.Fatal(err)
	}
	list, err := idp.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	p := program.Start(t, "")
	steps := 0
	for _, c := range list {
		steps += len(c.Steps)
		t.Run(c.Client, func(t *testing.T) {
			for range 2 {
				for _, problem := range idp.Replay(t.Context(), p.SCIM, p.Token, c) {
					t.Error(problem)
				}
			}
		})
	}
	if len(list) < 20 || steps < 152 {
		t.Errorf("%d conversations with %d requests; some are missing", len(list), steps)
	}
}

// TestOperators holds the judge to its word: each expectation is met by the first document and not by the second.
func TestOperators(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ expectation, right, wrong string }{
		{`/a eq "x"`, `{"a":"x"}`, `{"a":"y"}`},
		{`/a eq 1`, `{"a":1}`, `{"a":"1"}`},
		{`/a ne "x"`, `{"a":"y"}`, `{"a":"x"}`},
		{`/a ieq "ABC"`, `{"a":"abc"}`, `{"a":"abd"}`},
		{`/a exists`, `{"a":0}`, `{"a":""}`},
		{`/a exists`, `{"a":[1]}`, `{"a":[]}`},
		{`/a absent`, `{"a":null}`, `{"a":false}`},
		{`/a type "number"`, `{"a":1}`, `{"a":"1"}`},
		{`/a type "array"`, `{"a":[]}`, `{"a":{}}`},
		{`/a matches "^x.z$"`, `{"a":"xyz"}`, `{"a":"xyzz"}`},
		{`/a len 2`, `{"a":[1,2]}`, `{"a":[1]}`},
		{`/a minLen 2`, `{"a":[1,2,3]}`, `{"a":[1]}`},
		{`/a maxLen 2`, `{"a":[1]}`, `{"a":[1,2,3]}`},
		{`/a some {"v":1}`, `{"a":[{"v":2},{"v":1,"w":3}]}`, `{"a":[{"v":2}]}`},
		{`/a none {"v":1}`, `{"a":[{"v":2}]}`, `{"a":[{"v":1,"w":2}]}`},
		{`/a ge 5`, `{"a":5}`, `{"a":4}`},
		{`/a le 5`, `{"a":5}`, `{"a":6}`},
		{`/e/[t=w]/v eq "x"`, `{"e":[{"t":"h","v":"y"},{"t":"w","v":"x"}]}`, `{"e":[{"t":"h","v":"x"}]}`},
		{`/a~1b eq 1`, `{"a/b":1}`, `{"a":{"b":1}}`},
	} {
		for doc, want := range map[string]int{c.right: 0, c.wrong: 1} {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, doc) }))
			files := fstest.MapFS{"x.txtar": {Data: []byte("-- one --\nGET /\n\n=> 200\n" + c.expectation + "\n")}}
			list, err := idp.Load(files)
			if err != nil {
				t.Fatalf("%s: %v", c.expectation, err)
			}
			if got := idp.Replay(t.Context(), srv.URL, "", list[0]); len(got) != want {
				t.Errorf("%s on %s: problems %v, want %d", c.expectation, doc, got, want)
			}
			srv.Close()
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no statuses":      "GET /\n",
		"unknown operator": "GET /\n\n=> 200\n/a like 1\n",
		"unknown flag":     "GET /\n\n=> 200 maybe\n",
	} {
		_, err := idp.Load(fstest.MapFS{"x.txtar": {Data: []byte("-- one --\n" + text)}})
		if err == nil || !strings.Contains(err.Error(), "x.txtar: one") {
			t.Errorf("%s: error %v does not name the place", name, err)
		}
	}
}
