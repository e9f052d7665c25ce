package schema_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/schema"
)

const (
	userURN  = scim.UserSchema
	entURN   = scim.EnterpriseSchema
	groupURN = scim.GroupSchema
	testURN  = "urn:example:params:scim:schemas:extension:Test.v1:2.0:User"
)

// testExtension has an attribute of every type.
const testExtension = `[{"resourceType":"user","schema":{"id":"` + testURN + `","name":"Test","attributes":[
	{"name":"text","caseExact":true},
	{"name":"flag","type":"boolean"},
	{"name":"count","type":"integer"},
	{"name":"share","type":"decimal"},
	{"name":"since","type":"dateTime"},
	{"name":"key","type":"binary"},
	{"name":"link","type":"reference","referenceTypes":["external"]},
	{"name":"tags","multiValued":true},
	{"name":"codes","multiValued":true,"caseExact":true},
	{"name":"numbers","type":"integer","multiValued":true},
	{"name":"hidden","returned":"never"},
	{"name":"asked","returned":"request"},
	{"name":"shown","returned":"always"},
	{"name":"fixed","mutability":"immutable"},
	{"name":"given","mutability":"readOnly"},
	{"name":"box","type":"complex","subAttributes":[
		{"name":"a","required":true},{"name":"b","returned":"request"},{"name":"c","returned":"always"},{"name":"d","returned":"never"},
		{"name":"list","multiValued":true},{"name":"e","type":"boolean"},{"name":"f"},{"name":"g"},{"name":"h"},{"name":"i"},
		{"name":"j"},{"name":"k"},{"name":"l"},{"name":"m"}]},
	{"name":"department","description":"a namesake of the enterprise extension's"}
]}}]`

func standard() *schema.Set { return schema.Standard() }

func extended(t testing.TB) *schema.Set {
	t.Helper()
	set, err := schema.LoadExtensions(schema.Standard(), []byte(testExtension))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func object(t testing.TB, doc string) *scim.Object {
	t.Helper()
	o, err := scim.ParseObject([]byte(doc))
	if err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	return o
}

// user and group are canonical documents of the members given.
func user(members string, extensions ...string) string {
	schemas := `"` + userURN + `"`
	for _, e := range extensions {
		schemas += `,"` + e + `"`
	}
	return `{"schemas":[` + schemas + `],"userName":"u"` + members + `}`
}

func group(members string) string {
	return `{"schemas":["` + groupURN + `"],"displayName":"g"` + members + `}`
}

func TestCanonicalUser(t *testing.T) {
	t.Parallel()
	rt := extended(t).User()
	tests := map[string]struct{ in, want string }{
		"least":                    {`{"userName":"u"}`, user(``)},
		"names without case":       {`{"USERNAME":"u","Name":{"GIVENNAME":"g"}}`, user(`,"name":{"givenName":"g"}`)},
		"order of the schema":      {`{"title":"t","name":{"givenName":"g","formatted":"f"},"userName":"u","externalId":"e"}`, `{"schemas":["` + userURN + `"],"externalId":"e","userName":"u","name":{"formatted":"f","givenName":"g"},"title":"t"}`},
		"unknown dropped":          {`{"userName":"u","foo":1,"foo.bar":2,"name.nope":"x","urn:foo":{},"name":{"nope":1},"":0,".":1,"name.":"x"}`, user(``)},
		"read-only dropped":        {`{"userName":"u","id":"","meta":{"created":5},"groups":[{"value":"x"}],"meta.version":"x"}`, user(``)},
		"password dropped":         {`{"userName":"u","password":"secret"}`, user(``)},
		"schemas made anew":        {`{"userName":"u","schemas":["urn:scim:schemas:core:1.0","` + entURN + `"]}`, user(``)},
		"schemas a string":         {`{"userName":"u","schemas":"x"}`, user(``)},
		"schemas null":             {`{"userName":"u","schemas":null}`, user(``)},
		"null, empty":              {`{"userName":"u","title":null,"nickName":"","emails":[],"name":{},"addresses":null,"roles":"","phoneNumbers":[null,"",{}],"active":"","locale":[],"ims":{}}`, user(``)},
		"empty inside":             {`{"userName":"u","name":{"givenName":"","familyName":null},"emails":[{"value":"","type":null}]}`, user(``)},
		"active true":              {`{"userName":"u","active":true}`, user(`,"active":true`)},
		"active \"False\"":         {`{"userName":"u","active":"False"}`, user(`,"active":false`)},
		"blank text is text":       {`{"userName":"u","title":" "}`, user(`,"title":" "`)},
		"unicode":                  {`{"userName":"u","displayName":"é\ud83d\ude00\u200f"}`, user(`,"displayName":"é😀` + "\u200f" + `"`)},
		"userName is not trimmed":  {`{"userName":"u "}`, strings.Replace(user(``), `"u"`, `"u "`, 1)},
		"email an object":          {`{"userName":"u","emails":{"value":"a@x"}}`, user(`,"emails":[{"value":"a@x"}]`)},
		"email a string":           {`{"userName":"u","emails":"a@x"}`, user(`,"emails":[{"value":"a@x"}]`)},
		"email a string in a list": {`{"userName":"u","emails":["a@x"]}`, user(`,"emails":[{"value":"a@x"}]`)},
		"type spelt canonically":   {`{"userName":"u","emails":[{"value":"a","type":"Work"}],"phoneNumbers":[{"value":"1","type":"MOBILE"}]}`, user(`,"emails":[{"value":"a","type":"work"}],"phoneNumbers":[{"value":"1","type":"mobile"}]`)},
		"type free":                {`{"userName":"u","emails":[{"value":"a","type":"Custom"}]}`, user(`,"emails":[{"value":"a","type":"Custom"}]`)},
		"primary as text":          {`{"userName":"u","roles":[{"value":"r","primary":"True"}]}`, user(`,"roles":[{"value":"r","primary":true}]`)},
		"equal elements":           {`{"userName":"u","emails":[{"value":"a@x","type":"work"},{"value":"A@X","type":"Work","display":"d"},{"value":"a@x","type":"home"},{"value":"a@x"}]}`, user(`,"emails":[{"value":"a@x","display":"d","type":"work"},{"value":"a@x","type":"home"},{"value":"a@x"}]`)},
		"equal primaries":          {`{"userName":"u","emails":[{"value":"a","primary":true},{"value":"a","primary":true}]}`, user(`,"emails":[{"value":"a","primary":true}]`)},
		"equal addresses":          {`{"userName":"u","addresses":[{"locality":"l","type":"work"},{"type":"work","locality":"l"},{"type":"work"}]}`, user(`,"addresses":[{"locality":"l","type":"work"},{"type":"work"}]`)},
		"address with a country":   {`{"userName":"u","addresses":[{"country":"Belize","formatted":"a\nb"}]}`, user(`,"addresses":[{"formatted":"a\nb","country":"Belize"}]`)},
		"references are free":      {`{"userName":"u","profileUrl":"abc","photos":[{"value":"x y"}]}`, user(`,"profileUrl":"abc","photos":[{"value":"x y"}]`)},
		"certificates":             {`{"userName":"u","x509Certificates":[{"value":"MII="},{"value":"-_8"},{"value":"AAAA\r\nAA=="}]}`, user(`,"x509Certificates":[{"value":"MII="},{"value":"-_8"},{"value":"AAAA\r\nAA=="}]`)},
		"role as a JSON document":  {`{"userName":"u","roles":[{"value":"{\"id\":\"1\"}"}]}`, user(`,"roles":[{"value":"{\"id\":\"1\"}"}]`)},
		"dotted":                   {`{"name.familyName":"f","userName":"u","Name.GivenName":"g"}`, user(`,"name":{"familyName":"f","givenName":"g"}`)},
		"proper place wins":        {`{"name.familyName":"no","userName":"u","name":{"familyName":"f"}}`, user(`,"name":{"familyName":"f"}`)},
		"dotted, of several":       {`{"userName":"u","emails.value":"a"}`, user(``)},
		"dotted, empty":            {`{"userName":"u","name.familyName":""}`, user(``)},
		"base URN":                 {`{"` + userURN + `":{"userName":"u","title":"t","nope":1}}`, user(`,"title":"t"`)},
		"base URN, beaten":         {`{"userName":"u","` + userURN + `":{"userName":"no"}}`, user(``)},
		"base URN, null":           {`{"userName":"u","` + userURN + `":null}`, user(``)},
		"base URN, attribute":      {`{"userName":"u","` + userURN + `:title":"t"}`, user(`,"title":"t"`)},
		"extension":                {`{"userName":"u","` + strings.ToUpper(entURN) + `":{"DEPARTMENT":"d","nope":1,"x.y":2}}`, user(`,"`+entURN+`":{"department":"d"}`, entURN)},
		"extension, empty":         {`{"userName":"u","` + entURN + `":{"department":null,"manager":{"value":"","displayName":""}}}`, user(``)},
		"extension, null":          {`{"userName":"u","` + entURN + `":null}`, user(``)},
		"extension, dotted":        {`{"userName":"u","` + entURN + `":{"manager.value":"m","manager.displayName":"no"}}`, user(`,"`+entURN+`":{"manager":{"value":"m"}}`, entURN)},
		"extension, paths as keys": {`{"userName":"u","` + entURN + `:department":"d","` + entURN + `:manager.value":"m"}`, user(`,"`+entURN+`":{"department":"d","manager":{"value":"m"}}`, entURN)},
		"extension, at the top":    {`{"userName":"u","department":"d","Manager.Value":"m","costCenter":null}`, user(`,"`+entURN+`":{"department":"d","manager":{"value":"m"}}`, entURN)},
		"extension, beaten":        {`{"department":"no","userName":"u","` + entURN + `":{"department":"d"}}`, user(`,"`+entURN+`":{"department":"d"}`, entURN)},
		"manager a string":         {`{"userName":"u","manager":"m"}`, user(`,"`+entURN+`":{"manager":{"value":"m"}}`, entURN)},
		"manager a list of one":    {`{"userName":"u","manager":[{"$ref":"r","value":"m"}]}`, user(`,"`+entURN+`":{"manager":{"value":"m","$ref":"r"}}`, entURN)},
		"manager an empty list":    {`{"userName":"u","manager":[]}`, user(``)},
		"manager of OneLogin":      {`{"userName":"u","manager":{"managerId":"m","displayName":"d"}}`, user(`,"`+entURN+`":{"manager":{"value":"m"}}`, entURN)},
		"manager twice":            {`{"userName":"u","manager":{"value":"m","managerId":"no"}}`, user(`,"`+entURN+`":{"manager":{"value":"m"}}`, entURN)},
		"every type":               {`{"userName":"u","` + testURN + `":{"text":"T","flag":"TRUE","count":-3,"share":1.0,"since":"2026-01-31T12:00:00+01:00","key":"AA==","link":"../x"}}`, user(`,"`+testURN+`":{"text":"T","flag":true,"count":-3,"share":1.0,"since":"2026-01-31T12:00:00+01:00","key":"AA==","link":"../x"}`, testURN)},
		"simple lists":             {`{"userName":"u","` + testURN + `":{"tags":["a","A","",null,"b"],"codes":["a","A","a"],"numbers":[1,2,1]}}`, user(`,"`+testURN+`":{"tags":["a","b"],"codes":["a","A"],"numbers":[1,2]}`, testURN)},
		"simple list of one":       {`{"userName":"u","tags":"a"}`, user(`,"`+testURN+`":{"tags":["a"]}`, testURN)},
		"many sub-attributes":      {`{"userName":"u","box":{"m":"m","a":"a","list":["x"],"e":"false"}}`, user(`,"`+testURN+`":{"box":{"a":"a","list":["x"],"e":false,"m":"m"}}`, testURN)},
		"read-only in extension":   {`{"userName":"u","` + testURN + `":{"given":"x","fixed":"f"}}`, user(`,"`+testURN+`":{"fixed":"f"}`, testURN)},
		"both extensions":          {`{"userName":"u","` + testURN + `":{"department":"t"},"department":"d"}`, user(`,"`+entURN+`":{"department":"d"},"`+testURN+`":{"department":"t"}`, entURN, testURN)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := object(t, tt.in)
			before := scim.Clone(in)
			got, err := rt.Canonical(in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(scim.JSON(got))); diff != "" {
				t.Error(diff)
			}
			if !scim.Equal(before, in) {
				t.Errorf("the body became %s", scim.JSON(in))
			}
			canonicalStays(t, rt, got)
		})
	}
}

// canonicalStays checks that a canonical document is canonical and tidy.
func canonicalStays(t *testing.T, rt *schema.ResourceType, doc *scim.Object) {
	t.Helper()
	want := string(scim.JSON(doc))
	again, err := rt.Canonical(doc)
	if err != nil {
		t.Fatalf("%s is refused: %v", want, err)
	}
	if diff := cmp.Diff(want, string(scim.JSON(again))); diff != "" {
		t.Error("canonical form is not canonical:", diff)
	}
	if err := rt.Tidy(again); err != nil {
		t.Fatalf("%s is not tidy: %v", want, err)
	}
	if diff := cmp.Diff(want, string(scim.JSON(again))); diff != "" {
		t.Error("canonical form is not tidy:", diff)
	}
}

func TestCanonicalGroup(t *testing.T) {
	t.Parallel()
	rt := standard().Group()
	tests := map[string]struct{ in, want string }{
		"least":            {`{"displayName":"g","schemas":["` + groupURN + `","http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"]}`, group(``)},
		"no members":       {`{"displayName":"g","members":[]}`, group(``)},
		"members":          {`{"displayName":"g","members":[{"value":"a","$ref":null,"display":"x","displayName":"y","type":"user"},{"value":"b","type":"Group"}]}`, group(`,"members":[{"value":"a","type":"User"},{"value":"b","type":"Group"}]`)},
		"bare ids":         {`{"displayName":"g","members":["a","b","a",""]}`, group(`,"members":[{"value":"a","type":"User"},{"value":"b","type":"User"}]`)},
		"ids are exact":    {`{"displayName":"g","members":["a","A"]}`, group(`,"members":[{"value":"a","type":"User"},{"value":"A","type":"User"}]`)},
		"one member":       {`{"displayName":"g","members":{"value":"a"}}`, group(`,"members":[{"value":"a","type":"User"}]`)},
		"type of the link": {`{"displayName":"g","members":[{"value":"a","$ref":"https://x/scim/v2/Groups/a"},{"value":"b","$ref":"Users/b"}]}`, group(`,"members":[{"value":"a","type":"Group"},{"value":"b","type":"User"}]`)},
		"type of its own":  {`{"displayName":"g","members":[{"value":"a","type":"direct"}]}`, group(`,"members":[{"value":"a","type":"User"}]`)},
		"externalId":       {`{"displayName":"g","externalId":"AbC","id":"","meta":{}}`, `{"schemas":["` + groupURN + `"],"externalId":"AbC","displayName":"g"}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := rt.Canonical(object(t, tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(scim.JSON(got))); diff != "" {
				t.Error(diff)
			}
			canonicalStays(t, rt, got)
		})
	}
}

// wantInvalid checks for a 400 invalidValue whose detail has the text.
func wantInvalid(t *testing.T, err error, text string) {
	t.Helper()
	var e *scim.Error
	if !errors.As(err, &e) || e.Status != 400 || e.Type != scim.InvalidValue {
		t.Fatalf("error %v; want 400 invalidValue", err)
	}
	if !strings.Contains(e.Detail, text) {
		t.Errorf("detail %q does not say %q", e.Detail, text)
	}
	if len(e.Detail) > 400 {
		t.Errorf("detail has %d bytes", len(e.Detail))
	}
}

func TestCanonicalErrors(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", schema.MaxString+1)
	elements := strings.TrimSuffix(strings.Repeat(`{"value":"x"},`, schema.MaxElements+1), ",")
	user := map[string]struct{ in, want string }{
		"no userName":         {`{}`, "userName is required"},
		"userName empty":      {`{"userName":""}`, "userName is required"},
		"userName blank":      {`{"userName":" \t "}`, "userName is required"},
		"userName null":       {`{"userName":null}`, "userName is required"},
		"userName []":         {`{"userName":[]}`, "userName is required"},
		"userName {}":         {`{"userName":{}}`, "userName must be a string, not an object."},
		"userName a number":   {`{"userName":5}`, "userName must be a string, not a number."},
		"userName a boolean":  {`{"userName":true}`, "userName must be a string, not a boolean."},
		"userName a list":     {`{"userName":["u"]}`, "userName must be a string, not an array."},
		"too long":            {`{"userName":"u","title":"` + long + `"}`, "title has 16385 bytes"},
		"active a number":     {`{"userName":"u","active":5}`, "active must be true or false, not a number."},
		"active a word":       {`{"userName":"u","active":"maybe"}`, `active must be true or false, not "maybe".`},
		"long word":           {`{"userName":"u","active":"` + long[1:] + `"}`, `xxx…".`},
		"name a string":       {`{"userName":"u","name":"x"}`, "name must be an object, not a string."},
		"name a list":         {`{"userName":"u","name":["x"]}`, "name must be an object, not an array."},
		"name a list of two":  {`{"userName":"u","name":[{},{}]}`, "name must be an object, not an array."},
		"sub-attribute":       {`{"userName":"u","name":{"givenName":1}}`, "name.givenName must be a string"},
		"emails of a number":  {`{"userName":"u","emails":[1]}`, "emails must be an object, not a number."},
		"emails of a list":    {`{"userName":"u","emails":[[{"value":"x"}]]}`, "emails must be an object, not an array."},
		"emails.value":        {`{"userName":"u","emails":[{"value":1}]}`, "emails.value must be a string"},
		"addresses of text":   {`{"userName":"u","addresses":["x"]}`, "addresses must be an object, not a string."},
		"two primaries":       {`{"userName":"u","emails":[{"value":"a","primary":true},{"value":"b","primary":"True"}]}`, "emails has more than one value whose primary is true"},
		"too many":            {`{"userName":"u","roles":[` + elements + `]}`, "roles has 1001 values"},
		"password":            {`{"userName":"u","password":5}`, "password must be a string"},
		"schemas":             {`{"userName":"u","schemas":5}`, "schemas must be an array of strings, not a number"},
		"schemas of a number": {`{"userName":"u","schemas":[5]}`, "schemas must hold strings, not a number"},
		"base URN":            {`{"` + userURN + `":"x"}`, userURN + " must be an object, not a string"},
		"inside the base URN": {`{"` + userURN + `":{"userName":5}}`, "userName must be a string"},
		"extension":           {`{"userName":"u","` + entURN + `":"x"}`, entURN + " must be an object, not a string"},
		"in an extension":     {`{"userName":"u","` + entURN + `":{"department":5}}`, entURN + ":department must be a string"},
		"in a dotted key":     {`{"userName":"u","` + entURN + `":{"manager.value":5}}`, entURN + ":manager.value must be a string"},
		"at the top":          {`{"userName":"u","department":5}`, entURN + ":department must be a string"},
		"binary":              {`{"userName":"u","x509Certificates":[{"value":"%%%"}]}`, "x509Certificates.value must be base64 text"},
		"base64, length":      {`{"userName":"u","key":"AAAAA"}`, ":key must be base64"},
		"base64, padding":     {`{"userName":"u","key":"AA="}`, ":key must be base64"},
		"base64, too much":    {`{"userName":"u","key":"A==="}`, ":key must be base64"},
		"base64, in between":  {`{"userName":"u","key":"AA==AA=="}`, ":key must be base64"},
		"base64, alphabets":   {`{"userName":"u","key":"+_AA"}`, ":key must be base64"},
		"base64, nothing":     {`{"userName":"u","key":"\n"}`, ":key must be base64"},
		"binary too long":     {`{"userName":"u","key":"` + strings.Repeat("A", schema.MaxBinary+4) + `"}`, "at most 262144"},
		"integer, fraction":   {`{"userName":"u","count":1.5}`, ":count must be an integer without fraction and exponent"},
		"integer, point":      {`{"userName":"u","count":3.0}`, ":count must be an integer"},
		"integer, exponent":   {`{"userName":"u","count":1e3}`, ":count must be an integer"},
		"integer, text":       {`{"userName":"u","count":"3"}`, ":count must be an integer"},
		"integer, boolean":    {`{"userName":"u","count":true}`, "not a boolean"},
		"integer, huge":       {`{"userName":"u","count":` + strings.Repeat("9", 73) + `}`, ":count must be an integer"},
		"decimal, exponent":   {`{"userName":"u","share":1e999999999}`, ":share must be a number"},
		"decimal, overflow":   {`{"userName":"u","share":1e99999999999999999999}`, ":share must be a number"},
		"dateTime":            {`{"userName":"u","since":"2020-13-01"}`, ":since must be a dateTime"},
		"simple list":         {`{"userName":"u","tags":["a",5]}`, ":tags must be a string"},
		"required inside":     {`{"userName":"u","box":{"e":true}}`, ":box.a is required"},
		"required, dotted":    {`{"userName":"u","box.f":"x"}`, ":box.a is required"},
		"dotted into nothing": {`{"userName":"u","name.givenName":[1]}`, "name.givenName must be a string"},
	}
	group := map[string]struct{ in, want string }{
		"no displayName":    {`{}`, "displayName is required"},
		"displayName blank": {`{"displayName":"  "}`, "displayName is required"},
		"member empty":      {`{"displayName":"g","members":[{}]}`, "members.value is required"},
		"member without id": {`{"displayName":"g","members":[{"display":"x"}]}`, "members.value is required"},
		"member blank":      {`{"displayName":"g","members":["  "]}`, "members.value is required"},
		"member a number":   {`{"displayName":"g","members":[1]}`, "members must be an object"},
		"value a number":    {`{"displayName":"g","members":[{"value":1}]}`, "members.value must be a string"},
	}
	set := extended(t)
	for name, tt := range user {
		t.Run("user/"+name, func(t *testing.T) {
			t.Parallel()
			_, err := set.User().Canonical(object(t, tt.in))
			wantInvalid(t, err, tt.want)
		})
	}
	for name, tt := range group {
		t.Run("group/"+name, func(t *testing.T) {
			t.Parallel()
			_, err := set.Group().Canonical(object(t, tt.in))
			wantInvalid(t, err, tt.want)
		})
	}
}

func TestCanonicalManyMembers(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`{"displayName":"g","members":[`)
	for i := range 20_000 {
		b.WriteString(`{"value":"` + string(scim.Int(i)) + `"},`)
	}
	b.WriteString(`{"value":"0"}]}`)
	got, err := standard().Group().Canonical(object(t, b.String()))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(got.Get("members").(scim.Array)); n != 20_000 {
		t.Errorf("%d members", n)
	}
}

func TestRequiredInExtension(t *testing.T) {
	t.Parallel()
	set, err := schema.LoadExtensions(standard(), []byte(`{"resourceType":"User","required":true,
		"schema":{"id":"urn:example:needed","attributes":[{"name":"must","required":true},{"name":"may"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	rt := set.User()
	for in, want := range map[string]string{
		`{"userName":"u"}`: "urn:example:needed is required",
		`{"userName":"u","urn:example:needed":{"may":"x"}}`:            "urn:example:needed:must is required",
		`{"userName":"u","urn:example:needed":{"must":" ","may":"x"}}`: "urn:example:needed:must is required",
	} {
		_, err := rt.Canonical(object(t, in))
		wantInvalid(t, err, want)
	}
	doc, err := rt.Canonical(object(t, `{"userName":"u","must":"x","may":"y"}`))
	if err != nil {
		t.Fatal(err)
	}
	canonicalStays(t, rt, doc)
	ext := doc.Get("urn:example:needed").(*scim.Object)
	ext.Set("must", "")
	wantInvalid(t, rt.Tidy(doc), "urn:example:needed:must is required")
	doc.Delete("urn:example:needed")
	wantInvalid(t, rt.Tidy(doc), "urn:example:needed is required")
}

func FuzzCanonical(f *testing.F) {
	set := extended(f)
	for _, s := range []string{
		`{"userName":"u","emails":[{"value":"a","type":"Work","primary":"True"},"b"],"Manager.Value":"m","department":"d"}`,
		`{"displayName":"g","userName":"u","members":["a",{"value":"b","$ref":"Groups/b"}]}`,
		`{"userName":"u","` + testURN + `":{"count":1,"share":1.5,"box":{"a":"x","list":["y"]},"since":"2026-01-31T12:00:00Z"},"box.b":"z"}`,
		`{"` + userURN + `":{"userName":"u"},"` + entURN + `:manager":[{"managerId":"x"}],"roles":{"value":"r"}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		in, err := scim.ParseObject(doc)
		if err != nil {
			return
		}
		before := scim.Clone(in)
		for _, rt := range set.ResourceTypes() {
			out, err := rt.Canonical(in)
			if !scim.Equal(before, in) {
				t.Fatalf("the body became %s", scim.JSON(in))
			}
			if err != nil {
				var e *scim.Error
				if !errors.As(err, &e) || e.Status != 400 {
					t.Fatalf("error %v is not the client's", err)
				}
				continue
			}
			canonicalStays(t, rt, out)
			schema.ParseProjection(rt, []string{"urn:x", string(doc)}, nil).Apply(rt, out)
		}
	})
}
