package bridge_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// client speaks to the endpoints of a bridge in this process.
type client struct {
	*testing.T
	h http.Handler
}

type document struct {
	ID, UserName, DisplayName, Title, Detail, ScimType string
	Active                                             bool
	TotalResults, ItemsPerPage                         int
	StartIndex                                         *int
	NextCursor                                         string
	Resources                                          []document
	Members                                            []struct{ Value string }
	Meta                                               struct{ Version, LastModified, Location string }
	Operations                                         []struct{ Status, Location, BulkID string }
}

func (c *client) send(method, path, body string, headers ...string) (int, document) {
	c.Helper()
	r := httptest.NewRequest(method, path, bytes.NewBufferString(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	c.h.ServeHTTP(w, r)
	var d document
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil {
			c.Fatalf("%s %s: %v in %s", method, path, err, w.Body)
		}
	}
	return w.Code, d
}

func start(t *testing.T) *client {
	_, h := open(t)
	return &client{t, h}
}

func (c *client) person(name, rest string) document {
	c.Helper()
	code, d := c.send("POST", "/Users", fmt.Sprintf(`{"userName":%q%s}`, name, rest))
	if code != 201 {
		c.Fatalf("%s: %d %s", name, code, d.Detail)
	}
	return d
}

func (c *client) list(query string) document {
	c.Helper()
	code, d := c.send("GET", query, "")
	if code != 200 {
		c.Fatalf("%s: %d %s", query, code, d.Detail)
	}
	return d
}

func names(d document) string {
	var list []string
	for _, r := range d.Resources {
		list = append(list, strings.TrimSuffix(r.UserName, "@example.com"))
	}
	return strings.Join(list, " ")
}

// TestIndexesAndScansAgree asks the same in ways that an index answers and in ways that every row is judged.
func TestIndexesAndScansAgree(t *testing.T) {
	t.Parallel()
	c := start(t)
	for i, title := range []string{"Chief", "Clerk", "", "chief"} {
		c.person(fmt.Sprintf("u%d@example.com", i), fmt.Sprintf(`,"title":%q,"externalId":"X%d","emails":[{"value":"m%d@mail.example","type":"work"}]`, title, i, i))
	}
	for _, q := range []struct{ filter, want string }{
		{`userName eq "U1@example.com"`, "u1"},
		{`userName eq "u1@example.com" and title eq "clerk"`, "u1"},
		{`userName eq "u1@example.com" and title eq "chief"`, ""},
		{`title eq "chief"`, "u0 u3"},
		{`title eq "chief" and externalId eq "X3"`, "u3"},
		{`emails eq "M2@mail.example"`, "u2"},
		{`emails[type eq "work"].value eq "m2@mail.example"`, "u2"},
		{`emails[type eq "home"].value eq "m2@mail.example"`, ""},
		{`emails.value eq "u2@example.com"`, ""},
		{`userName sw "u" and not (title pr)`, "u2"},
		{`userName gt "u1@example.com" and userName le "u3@example.com"`, "u2 u3"},
		{`title eq "clerk" or externalId eq "X2"`, "u1 u2"},
		{`active eq true and title co "hie"`, "u0 u3"},
		{`active eq false`, ""},
		{`displayName eq "u1@example.com"`, ""},
		{`meta.created gt "2000-01-01T00:00:00Z" and externalId sw "X"`, "u0 u1 u2 u3"},
	} {
		got := c.list("/Users?filter=" + url.QueryEscape(q.filter))
		if names(got) != q.want || got.TotalResults != len(strings.Fields(q.want)) {
			t.Errorf("%s: %q of %d, want %q", q.filter, names(got), got.TotalResults, q.want)
		}
		code, searched := c.send("POST", "/Users/.search", fmt.Sprintf(`{"filter":%q}`, q.filter))
		if code != 200 || names(searched) != q.want {
			t.Errorf("%s by search: %q", q.filter, names(searched))
		}
	}
}

// TestWalks reads everybody by index and by cursor, in the order of creation, of an index and of none, with a filter
// and without.
func TestWalks(t *testing.T) {
	t.Parallel()
	c := start(t)
	const people = 23
	for i := range people {
		c.person(fmt.Sprintf("w%02d@example.com", (i*7)%people), fmt.Sprintf(`,"title":"t%d"`, i%5))
	}
	for _, order := range []string{"", "&sortBy=userName", "&sortBy=userName&sortOrder=descending", "&sortBy=title", "&sortBy=title&sortOrder=descending", "&sortBy=meta.created"} {
		for _, filter := range []string{"userName sw \"w\"", "userName sw \"w\" and title pr"} {
			base := "/Users?count=4" + order + "&filter=" + url.QueryEscape(filter)
			var byIndex, byCursor []string
			for {
				page := c.list(fmt.Sprintf("%s&startIndex=%d", base, len(byIndex)+1))
				if page.TotalResults != people {
					t.Fatalf("%s: total %d", base, page.TotalResults)
				}
				for _, r := range page.Resources {
					byIndex = append(byIndex, r.ID)
				}
				if len(page.Resources) == 0 {
					break
				}
			}
			for cursor := ""; ; {
				page := c.list(base + "&cursor=" + cursor)
				if page.StartIndex != nil || page.TotalResults != people {
					t.Fatalf("%s: a page by cursor has startIndex or the total %d", base, page.TotalResults)
				}
				for _, r := range page.Resources {
					byCursor = append(byCursor, r.ID)
				}
				if cursor = page.NextCursor; cursor == "" {
					break
				}
			}
			distinct := slices.Compact(slices.Sorted(slices.Values(byIndex)))
			if strings.Contains(filter, "title") { // equal keys may stand in another order where rows are judged one by one
				slices.Sort(byIndex)
				slices.Sort(byCursor)
			}
			if len(distinct) != people || !slices.Equal(byIndex, byCursor) {
				t.Errorf("%s: %d by index, %d by cursor, want %d", base, len(distinct), len(byCursor), people)
			}
		}
	}
}

func TestSorting(t *testing.T) {
	t.Parallel()
	c := start(t)
	c.person("a@example.com", `,"title":"beta","emails":[{"value":"z@x"},{"value":"b@x","primary":true}]`)
	c.person("B@example.com", `,"emails":[{"value":"a@x"}]`)
	c.person("c@example.com", `,"title":"Alpha","emails":[{"value":"c@x"}]`)
	for query, want := range map[string]string{
		"sortBy=userName": "a B c", "sortBy=userName&sortOrder=descending": "c B a", "sortBy=title": "c a B", "sortBy=title&sortOrder=descending": "B a c",
		"sortBy=emails.value": "B a c", "sortBy=emails": "B a c", "sortBy=name": "a B c", "sortBy=nope": "a B c",
	} {
		if got := names(c.list("/Users?filter=userName+ne+%22owner@example.com%22&" + query)); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

// TestCursorsAreBound refuses cursors of another query, altered ones and those of nobody.
func TestCursorsAreBound(t *testing.T) {
	t.Parallel()
	c := start(t)
	c.person("a@example.com", "")
	c.person("b@example.com", "")
	cursor := c.list("/Users?count=1&cursor").NextCursor
	if cursor == "" {
		t.Fatal("no next page")
	}
	altered := "A" + cursor[1:]
	if altered == cursor {
		altered = "B" + cursor[1:]
	}
	for name, query := range map[string]string{
		"another filter": "/Users?count=1&filter=userName+pr&cursor=" + cursor, "another order": "/Users?count=1&sortBy=userName&cursor=" + cursor,
		"another type": "/Groups?count=1&cursor=" + cursor, "altered": "/Users?count=1&cursor=" + altered, "cut": "/Users?count=1&cursor=" + cursor[:8],
	} {
		if code, d := c.send("GET", query, ""); code != 400 || d.ScimType != "invalidCursor" {
			t.Errorf("%s: %d %s", name, code, d.ScimType)
		}
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	c := start(t)
	u := c.person("v@example.com", `,"title":"one"`)
	before := u.Meta
	_, same := c.send("PATCH", "/Users/"+u.ID, `{"Operations":[{"op":"replace","path":"title","value":"one"}]}`)
	if same.Meta != before {
		t.Errorf("nothing changed, but meta did: %+v %+v", before, same.Meta)
	}
	_, g := c.send("POST", "/Groups", fmt.Sprintf(`{"displayName":"g","members":[{"value":%q}]}`, u.ID))
	_, joined := c.send("GET", "/Users/"+u.ID, "")
	if joined.Meta.Version == before.Version || joined.Meta.LastModified != before.LastModified {
		t.Errorf("a new group shows, and the version is still %s", joined.Meta.Version)
	}
	if code, _ := c.send("PATCH", "/Users/"+u.ID, `{"Operations":[{"op":"replace","path":"title","value":"x"}]}`, "If-Match", before.Version); code != 412 {
		t.Errorf("an old version: %d", code)
	}
	if code, _ := c.send("PATCH", "/Users/"+u.ID, `{"Operations":[{"op":"replace","path":"active","value":false}]}`, "If-Match", joined.Meta.Version); code != 200 {
		t.Errorf("the version as it is: %d", code)
	}
	if code, _ := c.send("DELETE", "/Groups/"+g.ID, "", "If-Match", `W/"0"`); code != 412 {
		t.Errorf("a group's old version: %d", code)
	}
	if code, _ := c.send("DELETE", "/Groups/"+g.ID, "", "If-Match", "*"); code != 204 {
		t.Errorf("any version: %d", code)
	}
	if code, _ := c.send("GET", "/Users/"+u.ID, "", "If-None-Match", "*"); code != 304 {
		t.Errorf("If-None-Match: %d", code)
	}
}

// TestLargeGroup answers 204 above 1,000 members, unless attributes are asked for.
func TestLargeGroup(t *testing.T) {
	t.Parallel()
	c := start(t)
	const people = 1005
	ids := make([]string, people)
	var body strings.Builder
	for i := range people {
		fmt.Fprintf(&body, `{"method":"POST","path":"/Users","bulkId":"b%d","data":{"userName":"l%d@example.com"}},`, i, i)
		if i%500 == 499 || i == people-1 {
			code, d := c.send("POST", "/Bulk", `{"Operations":[`+strings.TrimSuffix(body.String(), ",")+`]}`)
			if code != 200 {
				t.Fatal(code, d.Detail)
			}
			for _, op := range d.Operations {
				var n int
				if _, err := fmt.Sscanf(op.BulkID, "b%d", &n); err != nil || op.Status != "201" {
					t.Fatal(op, err)
				}
				ids[n] = op.Location[strings.LastIndexByte(op.Location, '/')+1:]
			}
			body.Reset()
		}
	}
	_, g := c.send("POST", "/Groups", `{"displayName":"large"}`)
	add := func(ids []string) string {
		return `{"Operations":[{"op":"add","path":"members","value":["` + strings.Join(ids, `","`) + `"]}]}`
	}
	if code, d := c.send("PATCH", "/Groups/"+g.ID, add(ids[:1000])); code != 200 || len(d.Members) != 1000 {
		t.Errorf("1,000 members: %d with %d", code, len(d.Members))
	}
	if code, _ := c.send("PATCH", "/Groups/"+g.ID, add(ids[1000:])); code != 204 {
		t.Errorf("1,005 members: %d", code)
	}
	if code, d := c.send("PATCH", "/Groups/"+g.ID+"?attributes=displayName", add(ids[:1])); code != 200 || d.DisplayName != "large" || d.Members != nil {
		t.Errorf("attributes asked for: %d %+v", code, d.DisplayName)
	}
	if _, d := c.send("GET", "/Groups/"+g.ID, ""); len(d.Members) != people {
		t.Errorf("%d members are read", len(d.Members))
	}
	if d := c.list("/Groups?filter=" + url.QueryEscape(`id eq "`+g.ID+`" and members eq "`+ids[7]+`"`)); d.TotalResults != 1 {
		t.Errorf("is a member: %d", d.TotalResults)
	}
	if code, d := c.send("PATCH", "/Groups/"+g.ID+"?attributes=members", `{"Operations":[{"op":"remove","path":"members[display ew \"9@example.com\"]"}]}`); code != 200 || len(d.Members) >= people || len(d.Members) < 800 {
		t.Errorf("removed by a filter on names: %d with %d", code, len(d.Members))
	}
}

// TestMediaTypes: what Accept asks for, in any case (RFC 9110 §8.3.1).
func TestMediaTypes(t *testing.T) {
	t.Parallel()
	c := start(t)
	for accept, want := range map[string]string{
		"": "application/scim+json", "*/*": "application/scim+json", "text/html": "application/scim+json",
		"application/json": "application/json", "Application/JSON; charset=UTF-8": "application/json",
		"Application/SCIM+JSON": "application/scim+json", "application/json, */*": "application/scim+json",
	} {
		for _, path := range []string{"/Users", "/Users/none"} {
			r := httptest.NewRequest("GET", path, http.NoBody)
			r.Header.Set("Accept", accept)
			w := httptest.NewRecorder()
			c.h.ServeHTTP(w, r)
			if got := w.Header().Get("Content-Type"); got != want {
				t.Errorf("%s with Accept %q is %q, want %q", path, accept, got, want)
			}
		}
	}
}

// TestBulk resolves references in any order, goes on after failures and stops where it is told to.
func TestBulk(t *testing.T) {
	t.Parallel()
	c := start(t)
	statuses := func(body string) string {
		code, d := c.send("POST", "/Bulk", body)
		if code != 200 {
			return fmt.Sprint(code, d.Detail)
		}
		var list []string
		for _, op := range d.Operations {
			list = append(list, op.Status)
		}
		return strings.Join(list, " ")
	}
	boss := func(id, manager string) string {
		return fmt.Sprintf(`{"method":"POST","path":"/Users","bulkId":%q,"data":{"userName":"%s@example.com",%q:{"department":"circle","manager":{"value":"bulkId:%s"}}}}`,
			id, id, "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", manager)
	}
	const group = `{"method":"POST","path":"/Groups","bulkId":"g","data":{"displayName":"bulk","members":[{"value":"bulkId:u"}]}}`
	const user = `{"method":"POST","path":"/Users","bulkId":"u","data":{"userName":"bulk@example.com"}}`
	if got := statuses(`{"Operations":[` + group + `,` + user + `]}`); got != "201 201" {
		t.Fatalf("a group before its member: %s", got)
	}
	if d := c.list("/Groups?filter=displayName+eq+%22bulk%22"); len(d.Resources) != 1 || len(d.Resources[0].Members) != 1 {
		t.Errorf("the group: %+v", d)
	}
	for name, q := range map[string]struct{ body, want string }{
		"goes on":             {`{"Operations":[` + user + `,{"method":"POST","path":"/Users","bulkId":"w","data":{"userName":"next@example.com"}}]}`, "409 201"},
		"stops":               {`{"failOnErrors":1,"Operations":[` + user + `,{"method":"POST","path":"/Users","bulkId":"w","data":{"userName":"never@example.com"}}]}`, "409"},
		"unknown reference":   {`{"Operations":[{"method":"DELETE","path":"/Users/bulkId:none"}]}`, "400"},
		"circle":              {`{"Operations":[{"method":"POST","path":"/Groups","bulkId":"a","data":{"displayName":"a","members":[{"value":"bulkId:b"}]}},{"method":"POST","path":"/Groups","bulkId":"b","data":{"displayName":"b","members":[{"value":"bulkId:a"}]}}]}`, "409 409"},
		"circle of people":    {`{"Operations":[` + boss("a", "b") + `,` + boss("b", "c") + `,` + boss("c", "a") + `]}`, "201 201 201"},
		"own manager":         {`{"Operations":[` + boss("self", "self") + `]}`, "201"},
		"circle that fails":   {`{"Operations":[` + boss("d", "owner") + `,` + boss("owner", "d") + `]}`, "409 409"},
		"circle that stops":   {`{"failOnErrors":1,"Operations":[` + boss("e", "owner") + `,` + boss("owner", "e") + `]}`, "409 409"},
		"circle to a group":   {`{"Operations":[{"method":"POST","path":"/Users","bulkId":"f","data":{"userName":"f@example.com","manager":"bulkId:g"}},{"method":"POST","path":"/Groups","bulkId":"g","data":{"displayName":"f","members":[{"value":"bulkId:f"}]}}]}`, "201 201"},
		"methods and paths":   {`{"Operations":[{"method":"GET","path":"/Users"},{"method":"POST","path":"/Nope","bulkId":"x","data":{}},{"method":"PUT","path":"/Users","data":{}},{"path":"/Users"}]}`, "405 404 405 400"},
		"made, changed, gone": {`{"Operations":[{"method":"POST","path":"/Users","bulkId":"m","data":{"userName":"m@example.com"}},{"method":"PATCH","path":"/Users/bulkId:m","data":{"Operations":[{"op":"replace","path":"active","value":false}]}},{"method":"DELETE","path":"/Users/bulkId:m"}]}`, "201 200 204"},
		"POST without bulkId": {`{"Operations":[{"method":"POST","path":"/Users","data":{"userName":"no@example.com"}}]}`, "400"},
		"operations alone":    {`{"Operations":[{"method":"POST","path":"/Users","bulkId":"o","data":{"userName":"o@example.com"}},{"method":"PATCH","path":"/Users/bulkId:o","data":[{"op":"replace","path":"title","value":"alone"}]},{"method":"PUT","path":"/Users/bulkId:o","data":[]}]}`, "201 200 400"},
		"reference in a path": {`{"Operations":[{"method":"POST","path":"/Users","bulkId":"p","data":{"userName":"p@example.com"}},{"method":"POST","path":"/Groups","bulkId":"q","data":{"displayName":"q","members":[{"value":"bulkId:p"}]}},{"method":"PATCH","path":"/Groups/bulkId:q","data":{"Operations":[{"op":"remove","path":"members[value eq \"bulkId:p\"]"}]}}]}`, "201 201 200"},
	} {
		if got := statuses(q.body); got != q.want {
			t.Errorf("%s: %s, want %s", name, got, q.want)
		}
	}
	if d := c.list("/Groups?filter=displayName+eq+%22q%22"); len(d.Resources) != 1 || len(d.Resources[0].Members) != 0 {
		t.Errorf("the reference in a path was not resolved: %+v", d)
	}
	if d := c.list("/Users?filter=title+eq+%22alone%22"); len(d.Resources) != 1 {
		t.Errorf("the operations alone were not applied: %+v", d)
	}
	for name, manager := range map[string]string{"a": "b", "b": "c", "c": "a", "self": "self"} {
		id := c.list("/Users?filter=" + url.QueryEscape(`userName eq "`+manager+`@example.com"`)).Resources[0].ID
		if d := c.list("/Users?filter=" + url.QueryEscape(`userName eq "`+name+`@example.com" and department eq "circle" and manager eq "`+id+`"`)); len(d.Resources) != 1 {
			t.Errorf("the manager of %s is not %s: %+v", name, manager, d)
		}
	}
	if d := c.list("/Users?filter=" + url.QueryEscape(`userName sw "d@" or userName sw "e@"`)); len(d.Resources) != 0 {
		t.Errorf("half of a circle is left: %+v", d)
	}
}

// TestRootQuery finds people and groups together.
func TestRootQuery(t *testing.T) {
	t.Parallel()
	c := start(t)
	c.person("r@example.com", "")
	c.send("POST", "/Groups", `{"displayName":"r"}`)
	for query, want := range map[string]int{
		"/?filter=meta.resourceType+eq+%22Group%22": 1, "/?filter=userName+pr": 2, "/?count=1": 3, "/?sortBy=meta.created&filter=id+pr": 3, "/?cursor&count=2": 3,
	} {
		if d := c.list(query); d.TotalResults != want {
			t.Errorf("%s: %d, want %d", query, d.TotalResults, want)
		}
	}
	if d := c.list("/?count=2&startIndex=2"); len(d.Resources) != 2 || d.Resources[1].DisplayName != "r" {
		t.Errorf("a page over both types: %+v", d.Resources)
	}
	var seen []string
	for cursor := ""; ; {
		d := c.list("/?count=1&cursor=" + cursor)
		for _, r := range d.Resources {
			seen = append(seen, r.ID)
		}
		if cursor = d.NextCursor; cursor == "" {
			break
		}
	}
	if len(seen) != 3 {
		t.Errorf("%d resources by cursor", len(seen))
	}
}
