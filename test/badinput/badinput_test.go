// Package badinput_test sends what no client should: every request is refused with the right 4xx and a SCIM error that
// names the fault, quickly, and changes nothing.
package badinput_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/test/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// bad is one request and what it must meet.
type bad struct {
	name, method, path, body string
	status                   []int
	typ                      string // scimType; "" where the RFC has none
	names                    string // what detail must contain
	headers                  []string
}

func post(name, body, typ, names string) bad {
	return bad{name, "POST", "/Users", body, []int{400}, typ, names, nil}
}

func patch(name, ops, typ, names string) bad {
	return bad{name, "PATCH", "/Users/{user}", `{"Operations":[` + ops + `]}`, []int{400}, typ, names, nil}
}

func filter(name, text, typ, names string) bad {
	return bad{name, "GET", "/Users?filter=" + escape(text), "", []int{400}, typ, names, nil}
}

// escape percent-encodes everything but letters and digits.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func user(member string) string { return `{"userName":"bad@example.com",` + member + `}` }

func table() []bad {
	long := strings.Repeat("x", 20_000)
	list := []bad{
		post("no body", "", "invalidSyntax", "no body"),
		post("blank body", "  \n ", "invalidSyntax", "no body"),
		post("open object", "{", "invalidSyntax", "JSON"),
		post("open array", "[", "invalidSyntax", "JSON"),
		post("array", "[]", "invalidSyntax", "an array"),
		post("text", `"x"`, "invalidSyntax", "a string"),
		post("number", "5", "invalidSyntax", "a number"),
		post("null", "null", "invalidSyntax", "null"),
		post("two documents", `{"userName":"a"}{"userName":"b"}`, "invalidSyntax", "more than one"),
		post("trailing comma", `{"userName":"a",}`, "invalidSyntax", "JSON"),
		post("single quotes", `{'userName':'a'}`, "invalidSyntax", "JSON"),
		post("comment", `{/*x*/"userName":"a"}`, "invalidSyntax", "JSON"),
		post("unquoted name", `{userName:"a"}`, "invalidSyntax", "JSON"),
		post("NaN", user(`"title":NaN`), "invalidSyntax", "JSON"),
		post("leading zero", user(`"active":01`), "invalidSyntax", "JSON"),
		post("raw control character", "{\"userName\":\"a\x01\"}", "invalidSyntax", "JSON"),
		post("bad escape", `{"userName":"\x"}`, "invalidSyntax", "JSON"),
		post("half a surrogate", `{"userName":"\ud800"}`, "invalidSyntax", "JSON"),
		post("bytes that are no UTF-8", "{\"userName\":\"\xff\xfe\"}", "invalidSyntax", "JSON"),
		post("overlong UTF-8", "{\"userName\":\"\xc0\xaf\"}", "invalidSyntax", "JSON"),
		post("UTF-16", "\xff\xfe{\x00}\x00", "invalidSyntax", "JSON"),
		post("NUL", `{"userName":"a\u0000b"}`, "invalidSyntax", "U+0000"),
		post("NUL in a name", `{"userName":"a","x\u0000y":1}`, "invalidSyntax", "U+0000"),
		post("duplicate name", `{"userName":"a","userName":"b"}`, "invalidSyntax", "userName"),
		post("duplicate name in another case", `{"userName":"a","USERNAME":"b"}`, "invalidSyntax", "USERNAME"),
		post("duplicate name within", `{"userName":"a","name":{"givenName":"x","GivenName":"y"}}`, "invalidSyntax", "GivenName"),
		post("duplicate in a long object", `{`+numbered(200)+`,"k150":1,"userName":"a"}`, "invalidSyntax", "k150"),
		post("100,000 open arrays", strings.Repeat("[", 100_000), "invalidSyntax", "nested"),
		post("100,000 open objects", strings.Repeat(`{"a":`, 100_000), "invalidSyntax", "nested"),
		post("deep value", user(`"title":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)), "invalidSyntax", "nested"),
		post("no userName", `{"displayName":"x"}`, "invalidValue", "userName"),
		post("empty userName", `{"userName":""}`, "invalidValue", "userName"),
		post("blank userName", `{"userName":"   "}`, "invalidValue", "userName"),
		post("null userName", `{"userName":null}`, "invalidValue", "userName"),
		post("empty list as userName", `{"userName":[]}`, "invalidValue", "userName"),
		post("object as userName", `{"userName":{}}`, "invalidValue", "userName"),
		post("number as userName", `{"userName":5}`, "invalidValue", "userName"),
		post("boolean as userName", `{"userName":true}`, "invalidValue", "userName"),
		post("long userName", `{"userName":"`+long+`"}`, "invalidValue", "userName"),
		post("userName longer than an account takes", `{"userName":"`+long[:2000]+`"}`, "invalidValue", "userName"),
		post("number as active", user(`"active":5`), "invalidValue", "active"),
		post("word as active", user(`"active":"maybe"`), "invalidValue", "active"),
		post("object as active", user(`"active":{}`), "invalidValue", "active"),
		post("list as active", user(`"active":[true,false]`), "invalidValue", "active"),
		post("huge number as active", user(`"active":1e400`), "invalidValue", "active"),
		post("400 digits as active", user(`"active":`+strings.Repeat("9", 400)), "invalidValue", "active"),
		post("text as name", user(`"name":"x"`), "invalidValue", "name"),
		post("list as name", user(`"name":[1,2]`), "invalidValue", "name"),
		post("number as givenName", user(`"name":{"givenName":1}`), "invalidValue", "name.givenName"),
		post("object as givenName", user(`"name":{"givenName":{}}`), "invalidValue", "name.givenName"),
		post("number as title", user(`"title":5`), "invalidValue", "title"),
		post("list as title", user(`"title":["a","b"]`), "invalidValue", "title"),
		post("long title", user(`"title":"`+long+`"`), "invalidValue", "title"),
		post("number in emails", user(`"emails":[1]`), "invalidValue", "emails"),
		post("list in emails", user(`"emails":[[]]`), "", ""),
		post("number as e-mail", user(`"emails":[{"value":1}]`), "invalidValue", "emails.value"),
		post("word as primary", user(`"emails":[{"value":"a@x","primary":"perhaps"}]`), "invalidValue", "primary"),
		post("two primaries", user(`"emails":[{"value":"a@x","primary":true},{"value":"b@x","primary":true}]`), "invalidValue", "primary"),
		post("too many e-mails", user(`"emails":[`+strings.TrimSuffix(strings.Repeat(`{"value":"a"},`, 1001), ",")+`]`), "invalidValue", "emails"),
		post("certificate that is no base64", user(`"x509Certificates":[{"value":"%%%"}]`), "invalidValue", "x509Certificates"),
		post("number as address", user(`"addresses":[{"locality":3}]`), "invalidValue", "addresses.locality"),
		post("number as manager", user(`"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":5}`), "invalidValue", "manager"),
		post("text as extension", user(`"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":"x"`), "invalidValue", "enterprise"),
		post("number as department", user(`"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":1}`), "invalidValue", "department"),
		post("number as externalId", user(`"externalId":7`), "invalidValue", "externalId"),
		post("long externalId", user(`"externalId":"`+long[:3000]+`"`), "invalidValue", "externalId"),
		post("text as schemas", user(`"schemas":"x"`), "", ""),
		post("number in schemas", user(`"schemas":[1]`), "invalidValue", "schemas"),
		post("number as password", user(`"password":5`), "invalidValue", "password"),
		{"taken userName", "POST", "/Users", `{"userName":"THERE@example.com"}`, []int{409}, "uniqueness", "{user}", nil},

		{"group without a name", "POST", "/Groups", `{}`, []int{400}, "invalidValue", "displayName", nil},
		{"blank group name", "POST", "/Groups", `{"displayName":" "}`, []int{400}, "invalidValue", "displayName", nil},
		{"number as group name", "POST", "/Groups", `{"displayName":1}`, []int{400}, "invalidValue", "displayName", nil},
		{"text as members", "POST", "/Groups", `{"displayName":"b","members":5}`, []int{400}, "invalidValue", "members", nil},
		{"number as member", "POST", "/Groups", `{"displayName":"b","members":[5]}`, []int{400}, "invalidValue", "members", nil},
		{"member without a value", "POST", "/Groups", `{"displayName":"b","members":[{"display":"x"}]}`, []int{400}, "invalidValue", "members", nil},
		{"a group as member", "POST", "/Groups", `{"displayName":"b","members":[{"value":"{group}","type":"Group"}]}`, []int{400}, "invalidValue", "group", nil},
		{"itself as member", "PATCH", "/Groups/{group}", `{"Operations":[{"op":"add","path":"members","value":[{"value":"{group}","type":"Group"}]}]}`, []int{400}, "invalidValue", "group", nil},
		{"taken group name", "POST", "/Groups", `{"displayName":"Here"}`, []int{409}, "uniqueness", "{group}", nil},
		{"the account's own group", "POST", "/Groups", `{"displayName":"Owners"}`, []int{409}, "uniqueness", "does not manage", nil},

		{"PUT without userName", "PUT", "/Users/{user}", `{"displayName":"x"}`, []int{400}, "invalidValue", "userName", nil},
		{"PUT of an array", "PUT", "/Users/{user}", `[]`, []int{400}, "invalidSyntax", "array", nil},
		{"PUT of nobody", "PUT", "/Users/nobody", `{"userName":"x"}`, []int{404}, "", "nobody", nil},
		{"PUT of a group without a name", "PUT", "/Groups/{group}", `{"members":[]}`, []int{400}, "invalidValue", "displayName", nil},

		patch("no op", `{"path":"title","value":"x"}`, "invalidSyntax", "op"),
		patch("unknown op", `{"op":"move","path":"title","value":"x"}`, "invalidSyntax", "move"),
		patch("number as op", `{"op":1,"path":"title","value":"x"}`, "invalidSyntax", "op"),
		patch("text as operation", `"x"`, "invalidSyntax", "Operation 1"),
		patch("remove without a path", `{"op":"remove"}`, "noTarget", "path"),
		patch("add without a value", `{"op":"add","path":"title"}`, "invalidValue", "value"),
		patch("value that is no object", `{"op":"replace","value":5}`, "invalidValue", "object"),
		patch("number as path", `{"op":"add","path":5,"value":"x"}`, "invalidPath", "path"),
		patch("open bracket in a path", `{"op":"add","path":"emails[","value":"x"}`, "invalidPath", "path"),
		patch("points as a path", `{"op":"add","path":"..","value":"x"}`, "invalidPath", "path"),
		patch("slash in a path", `{"op":"add","path":"/name/givenName","value":"x"}`, "invalidPath", "path"),
		patch("path of three levels", `{"op":"add","path":"name.nope.deep","value":"x"}`, "invalidPath", "path"),
		patch("brackets in brackets", `{"op":"add","path":"emails[a[b eq 1]]","value":"x"}`, "invalidPath", "path"),
		patch("path that ends in a point", `{"op":"add","path":"name.","value":"x"}`, "invalidPath", "path"),
		patch("10,000 brackets", `{"op":"add","path":"a`+strings.Repeat("[", 10_000)+`","value":"x"}`, "invalidPath", "bytes"),
		patch("enormous path", `{"op":"add","path":"`+long+`","value":"x"}`, "invalidPath", "bytes"),
		patch("unknown attribute", `{"op":"add","path":"nope","value":"x"}`, "invalidPath", "nope"),
		patch("unknown URN", `{"op":"add","path":"urn:x:y:title","value":"x"}`, "invalidPath", "urn:x:y:title"),
		patch("readOnly id", `{"op":"replace","path":"id","value":"x"}`, "mutability", "id"),
		patch("readOnly groups", `{"op":"add","path":"groups","value":[{"value":"{group}"}]}`, "mutability", "groups"),
		patch("readOnly meta", `{"op":"replace","path":"meta.created","value":"2000-01-01T00:00:00Z"}`, "mutability", "meta"),
		patch("remove of userName", `{"op":"remove","path":"userName"}`, "mutability", "userName"),
		patch("empty userName", `{"op":"replace","path":"userName","value":""}`, "invalidValue", "userName"),
		patch("word as active", `{"op":"replace","path":"active","value":"maybe"}`, "invalidValue", "active"),
		patch("word as active without a path", `{"op":"replace","value":{"active":"maybe"}}`, "invalidValue", "active"),
		patch("no target", `{"op":"replace","path":"emails[type eq \"nonexistent\"].value","value":"x"}`, "noTarget", "nonexistent"),
		patch("good and bad", `{"op":"replace","path":"title","value":"half"},{"op":"add","path":"nope","value":1}`, "invalidPath", "Operation 2"),
		{"no operations", "PATCH", "/Users/{user}", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"]}`, []int{400}, "invalidSyntax", "Operations", nil},
		{"empty operations", "PATCH", "/Users/{user}", `{"Operations":[]}`, []int{400}, "invalidSyntax", "Operations", nil},
		{"object as operations", "PATCH", "/Users/{user}", `{"Operations":{}}`, []int{400}, "invalidSyntax", "Operations", nil},
		{"another message", "PATCH", "/Users/{user}", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[{"op":"remove","path":"title"}]}`, []int{400}, "invalidSyntax", "PatchOp", nil},
		{"PATCH of nobody", "PATCH", "/Users/nobody", `{"Operations":[{"op":"replace","path":"active","value":false}]}`, []int{404}, "", "nobody", nil},
		{"PATCH to a taken name", "PATCH", "/Users/{user}", `{"Operations":[{"op":"replace","path":"userName","value":"owner@example.com"}]}`, []int{409}, "uniqueness", "userName", nil},

		filter("empty filter", "", "invalidFilter", "filter"),
		filter("filter without an operator", "userName", "invalidFilter", "operator"),
		filter("filter without a value", "userName eq", "invalidFilter", "value"),
		filter("unknown operator", `userName regex "x"`, "invalidFilter", "operator"),
		filter("open parenthesis", `(userName eq "x"`, "invalidFilter", "parenthesis"),
		filter("stray parenthesis", `userName eq "x")`, "invalidFilter", "end"),
		filter("open bracket", `emails[type eq "x"`, "invalidFilter", "bracket"),
		filter("open quote", `userName eq "x`, "invalidFilter", "quote"),
		filter("10,000 terms", strings.TrimSuffix(strings.Repeat("a pr or ", 10_000), " or "), "invalidFilter", "bytes"),
		filter("1,000 terms", strings.TrimSuffix(strings.Repeat("a pr or ", 1_000), " or "), "invalidFilter", "256"),
		filter("300 parentheses", strings.Repeat("(", 300)+"a pr"+strings.Repeat(")", 300), "invalidFilter", "deep"),
		filter("10,000 parentheses", strings.Repeat("(", 10_000)+"a pr", "invalidFilter", "bytes"),
		{"1 MB of filter", "GET", "/Users?filter=" + strings.Repeat("x", 1_000_000), "", []int{400, 414, 431}, "", "", nil},
		filter("order of booleans", "active gt true", "invalidFilter", "active"),
		filter("not UTF-8", "userName eq \"\xff\"", "invalidValue", "filter"),
		filter("NUL", "userName eq \"\x00\"", "invalidValue", "filter"),
		filter("line breaks", "userName eq \"a\r\nX-Injected: 1\"", "invalidFilter", "control"),
		{"password in a filter", "GET", "/Users?filter=password+eq+%22x%22", "", []int{403}, "sensitive", "password", nil},
		{"bad percent", "GET", "/Users?filter=%zz", "", []int{400}, "invalidSyntax", "query", nil},
		{"200 parameters", "GET", "/Users?" + strings.Repeat("a=b&", 200), "", []int{400}, "invalidSyntax", "100", nil},
		{"word as count", "GET", "/Users?count=abc", "", []int{400}, "invalidValue", "count", nil},
		{"word as startIndex", "GET", "/Users?startIndex=1.5", "", []int{400}, "invalidValue", "startIndex", nil},
		{"bad cursor", "GET", "/Users?cursor=garbage", "", []int{400}, "invalidCursor", "cursor", nil},
		{"long cursor", "GET", "/Users?cursor=" + strings.Repeat("A", 5000), "", []int{400}, "invalidCursor", "cursor", nil},
		{"filter on discovery", "GET", "/Schemas?filter=id+eq+%22x%22", "", []int{403}, "", "filter", nil},

		{"search that is no object", "POST", "/Users/.search", `[]`, []int{400}, "invalidSyntax", "array", nil},
		{"number as filter in a search", "POST", "/Users/.search", `{"filter":5}`, []int{400}, "invalidValue", "filter", nil},
		{"bad filter in a search", "POST", "/.search", `{"filter":"x"}`, []int{400}, "invalidFilter", "operator", nil},
		{"number as attributes in a search", "POST", "/Users/.search", `{"attributes":5}`, []int{400}, "invalidValue", "attributes", nil},
		{"object as count in a search", "POST", "/Users/.search", `{"count":{}}`, []int{400}, "invalidValue", "count", nil},
		{"another message in a search", "POST", "/Users/.search", `{"schemas":["urn:x"]}`, []int{400}, "invalidValue", "SearchRequest", nil},

		{"bulk without operations", "POST", "/Bulk", `{}`, []int{400}, "invalidSyntax", "Operations", nil},
		{"bulk with a text as operation", "POST", "/Bulk", `{"Operations":["x"]}`, []int{400}, "invalidSyntax", "Operations[0]", nil},
		{"bulk with 1,001 operations", "POST", "/Bulk", `{"Operations":[` + strings.TrimSuffix(strings.Repeat(`{"method":"DELETE","path":"/Users/x"},`, 1001), ",") + `]}`, []int{413}, "", "1000", nil},
		{"bulk with a bulkId twice", "POST", "/Bulk", `{"Operations":[{"method":"POST","path":"/Users","bulkId":"q","data":{}},{"method":"POST","path":"/Users","bulkId":"q","data":{}}]}`, []int{400}, "invalidValue", "q", nil},
		{"bulk with another message", "POST", "/Bulk", `{"schemas":["urn:x"],"Operations":[{}]}`, []int{400}, "invalidValue", "BulkRequest", nil},

		{"body over the limit", "POST", "/Users", `{"userName":"` + strings.Repeat("x", 1<<20) + `"}`, []int{413}, "", "bytes", nil},
		{"text/plain", "POST", "/Users", `{"userName":"a"}`, []int{415}, "", "Content-Type", []string{"Content-Type", "text/plain"}},
		{"a form", "POST", "/Users", `userName=a`, []int{415}, "", "Content-Type", []string{"Content-Type", "application/x-www-form-urlencoded"}},
		{"XML", "PUT", "/Users/{user}", `<a/>`, []int{415}, "", "Content-Type", []string{"Content-Type", "application/xml"}},
		{"broken content type", "POST", "/Users", `{"userName":"a"}`, []int{415}, "", "Content-Type", []string{"Content-Type", ";;"}},
		{"If-Match that is none", "PATCH", "/Users/{user}", `{"Operations":[{"op":"replace","path":"title","value":"x"}]}`, []int{400}, "invalidSyntax", "If-Match", []string{"If-Match", "garbage"}},
		{"If-Match of another version", "DELETE", "/Users/{user}", ``, []int{412}, "", "version", []string{"If-Match", `W/"999"`}},
		{"If-None-Match that is none", "GET", "/Users/{user}", ``, []int{400}, "invalidSyntax", "If-None-Match", []string{"If-None-Match", "x"}},

		{"POST of a resource", "POST", "/Users/{user}", `{}`, []int{405}, "", "POST", nil},
		{"DELETE of all", "DELETE", "/Users", ``, []int{405}, "", "DELETE", nil},
		{"PUT of all", "PUT", "/Users", `{}`, []int{405}, "", "PUT", nil},
		{"GET of Bulk", "GET", "/Bulk", ``, []int{405}, "", "GET", nil},
		{"GET of .search", "GET", "/Users/.search", ``, []int{405}, "", "GET", nil},
		{"POST of Schemas", "POST", "/Schemas", `{}`, []int{405}, "", "POST", nil},
		{"a method of one's own", "BREW", "/Users", ``, []int{405}, "", "BREW", nil},
		{"unknown endpoint", "GET", "/Nothing", ``, []int{404}, "", "endpoint", nil},
		{"endpoint below a resource", "GET", "/Users/{user}/more", ``, []int{404}, "", "endpoint", nil},
		{"unknown schema", "GET", "/Schemas/urn:x", ``, []int{404}, "", "urn:x", nil},
		{"unknown resource type", "GET", "/ResourceTypes/Nope", ``, []int{404}, "", "Nope", nil},
		{"nobody", "GET", "/Users/nobody", ``, []int{404}, "", "nobody", nil},
		{"a group among the users", "GET", "/Users/{group}", ``, []int{404}, "", "{group}", nil},
		{"a path as id", "GET", "/Users/%2e%2e%2f%2e%2e%2fetc%2fpasswd", ``, []int{404}, "", "no user", nil},
		{"NUL as id", "GET", "/Users/%00", ``, []int{404}, "", "no user", nil},
		{"line breaks as id", "GET", "/Users/a%0d%0aX-Injected:%201", ``, []int{404}, "", "no user", nil},
		{"10 kB as id", "GET", "/Users/" + strings.Repeat("a", 10_000), ``, []int{404}, "", "no user", nil},
		{"bytes that are no UTF-8 as id", "GET", "/Users/%ff%fe", ``, []int{404}, "", "no user", nil},
		{"SQL as id", "DELETE", "/Users/'%20OR%201=1--", ``, []int{404}, "", "no user", nil},
		{"DELETE of nobody", "DELETE", "/Groups/nobody", ``, []int{404}, "", "nobody", nil},
		{"/Me changed", "PATCH", "/Me", `{}`, []int{501}, "", "/Me", nil},
		{"the last owner suspended", "PATCH", "/Users/{owner}", `{"Operations":[{"op":"replace","path":"active","value":false}]}`, []int{403}, "", "last active owner", nil},
		{"the last owner deleted", "DELETE", "/Users/{owner}", ``, []int{403}, "", "last active owner", nil},
	}
	// Where the schema is lenient there is nothing to refuse.
	return slices.DeleteFunc(list, func(b bad) bool { return b.method == "POST" && b.path == "/Users" && b.typ == "" && b.names == "" })
}

func numbered(n int) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf(`"K%d":%d`, i, i)
	}
	return strings.Join(parts, ",")
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	p := program.Start(t, "")
	ids := map[string]string{
		"{user}":  made(t, p, "/Users", `{"userName":"there@example.com","emails":[{"value":"there@example.com","type":"work"}]}`),
		"{group}": made(t, p, "/Groups", `{"displayName":"here"}`),
		"{owner}": owner(t, p),
	}
	fill := func(s string) string {
		for name, id := range ids {
			s = strings.ReplaceAll(s, name, id)
		}
		return s
	}
	before := state(t, p)
	cases := table()
	if len(cases) < 120 {
		t.Errorf("%d cases; 120 are promised", len(cases))
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			refused(t, p, c, fill)
			if now := state(t, p); now != before {
				t.Fatalf("something has changed:\n%s\n%s", before, now)
			}
		})
	}
	if status, _, _, err := p.Do("GET", "/Users?count=1", ""); err != nil || status != 200 {
		t.Errorf("afterwards: %d %v", status, err)
	}
}

// refused sends a request and judges the answer. The time limit is there to catch a hang, not to measure.
func refused(t *testing.T, p *program.Process, c bad, fill func(string) string) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, c.method, p.SCIM+fill(c.path), strings.NewReader(fill(c.body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.Token)
	req.Header.Set("Content-Type", "application/scim+json")
	for i := 0; i+1 < len(c.headers); i += 2 {
		req.Header.Set(c.headers[i], c.headers[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(c.status, res.StatusCode) {
		t.Fatalf("status %d, want %v: %.300s", res.StatusCode, c.status, text)
	}
	if res.Header.Get("X-Injected") != "" {
		t.Error("a header was injected")
	}
	if res.StatusCode == 405 && res.Header.Get("Allow") == "" {
		t.Error("405 without Allow")
	}
	var e struct {
		Schemas                  []string
		Status, ScimType, Detail string
	}
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatalf("no SCIM error: %v: %.300s", err, text)
	}
	if !slices.Equal(e.Schemas, []string{"urn:ietf:params:scim:api:messages:2.0:Error"}) || e.Status != fmt.Sprint(res.StatusCode) ||
		!strings.HasPrefix(res.Header.Get("Content-Type"), "application/scim+json") {
		t.Errorf("no SCIM error: %s %.300s", res.Header.Get("Content-Type"), text)
	}
	if c.typ != "" && e.ScimType != c.typ {
		t.Errorf("scimType %q, want %q: %s", e.ScimType, c.typ, e.Detail)
	}
	if e.Detail == "" || !strings.Contains(e.Detail, fill(c.names)) {
		t.Errorf("detail %.300q does not name %q", e.Detail, fill(c.names))
	}
	if len(e.Detail) > 1000 {
		t.Errorf("detail of %d bytes", len(e.Detail))
	}
}

// TestTooLargeGroup sends bodies over the limits of groups and Bulk.
func TestTooLargeGroup(t *testing.T) {
	t.Parallel()
	p := program.Start(t, "")
	body := `{"displayName":"` + strings.Repeat("x", 16<<20) + `"}`
	for _, path := range []string{"/Groups", "/Bulk"} {
		status, text, _, err := p.Do("POST", path, body)
		if err != nil || status != 413 || !strings.Contains(text, "bytes") {
			t.Errorf("%s: %d %.200s %v", path, status, text, err)
		}
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	p := program.Start(t, "")
	for name, c := range map[string]struct {
		header string
		status int
	}{
		"none": {"", 401}, "wrong": {"Bearer wrong", 401}, "empty": {"Bearer ", 401}, "a bare word": {"secret", 401}, "not base64": {"Basic %%%", 401},
		"another password": {"Basic " + base64.StdEncoding.EncodeToString([]byte("bridge:secret")), 401},
		"as password":      {"Basic " + base64.StdEncoding.EncodeToString([]byte("bridge:"+p.Token)), 200}, "bare": {p.Token, 200}, "another word": {"Token " + p.Token, 200},
		"cut and bare": {p.Token[:40], 401},
		"cut":          {"Bearer " + p.Token[:40], 401}, "right": {"Bearer " + p.Token, 200}, "other case of the scheme": {"bEARER " + p.Token, 200},
	} {
		status, text, headers, err := p.Do("GET", "/Users", "", "Authorization", c.header)
		if err != nil || status != c.status {
			t.Errorf("%s: %d %s %v", name, status, text, err)
		}
		if status == 401 && (!strings.HasPrefix(headers.Get("WWW-Authenticate"), "Bearer") || !strings.Contains(text, `"status":"401"`)) {
			t.Errorf("%s: %s %s", name, headers.Get("WWW-Authenticate"), text)
		}
	}
	limited := false
	for range 60 {
		status, _, headers, err := p.Do("GET", "/Users", "", "Authorization", "Bearer wrong")
		if err != nil {
			t.Fatal(err)
		}
		if status == 429 && headers.Get("Retry-After") != "" {
			limited = true
		}
	}
	if !limited {
		t.Error("wrong tokens are never slowed down")
	}
	if status, _, _, err := p.Do("GET", "/Users", ""); err != nil || status != 200 {
		t.Errorf("the right token is held back: %d %v", status, err)
	}
	if strings.Contains(p.Log(), p.Token) || strings.Contains(p.Log(), "there@example.com") {
		t.Error("the log tells the token or a name")
	}
}

func made(t *testing.T, p *program.Process, path, body string) string {
	t.Helper()
	status, text, _, err := p.Do("POST", path, body)
	var r struct{ ID string }
	if err != nil || status != 201 || json.Unmarshal([]byte(text), &r) != nil {
		t.Fatalf("%s: %d %s %v", path, status, text, err)
	}
	return r.ID
}

func owner(t *testing.T, p *program.Process) string {
	t.Helper()
	_, text, _, err := p.Do("GET", "/Users?filter=userName+eq+%22owner@example.com%22", "")
	var r struct{ Resources []struct{ ID string } }
	if err != nil || json.Unmarshal([]byte(text), &r) != nil || len(r.Resources) != 1 {
		t.Fatalf("%s %v", text, err)
	}
	return r.Resources[0].ID
}

// state is everything that a client can see.
func state(t *testing.T, p *program.Process) string {
	t.Helper()
	_, users, _, err := p.Do("GET", "/Users?count=1000", "")
	if err != nil {
		t.Fatal(err)
	}
	_, groups, _, err := p.Do("GET", "/Groups?count=1000", "")
	if err != nil {
		t.Fatal(err)
	}
	return users + groups
}
