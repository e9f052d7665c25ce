package schema_test

import (
	"testing"

	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/schema"
)

// person is what an identity provider sends for a person with the usual attributes, 1.3 KB.
const person = `{"schemas":["` + userURN + `","` + entURN + `"],` +
	`"externalId":"00u1a2b3c4d5e6f7g8h9","userName":"barbara.jensen@example.com","name":{"formatted":"Ms. Barbara J Jensen III",` +
	`"familyName":"Jensen","givenName":"Barbara","middleName":"Jane","honorificPrefix":"Ms.","honorificSuffix":"III"},` +
	`"displayName":"Babs Jensen","nickName":"Babs","profileUrl":"https://login.example.com/bjensen","emails":[` +
	`{"value":"barbara.jensen@example.com","type":"work","primary":true},{"value":"babs@jensen.example","type":"home"}],` +
	`"addresses":[{"streetAddress":"100 Universal City Plaza","locality":"Hollywood","region":"CA","postalCode":"91608","country":"USA",` +
	`"formatted":"100 Universal City Plaza\nHollywood, CA 91608 USA","type":"work","primary":true}],"phoneNumbers":[` +
	`{"value":"555-555-5555","type":"work"},{"value":"555-555-4444","type":"mobile"}],"userType":"Employee","title":"Tour Guide",` +
	`"preferredLanguage":"en-US","locale":"en-US","timezone":"America/Los_Angeles","active":true,"password":"t1meMa$heen",` +
	`"groups":[],"` + entURN + `":{"employeeNumber":"701984","costCenter":"4130",` +
	`"organization":"Universal Studios","division":"Theme Park","department":"Tour Operations","manager":{"value":"26118915","displayName":"John Smith"}}}`

func BenchmarkCanonical(b *testing.B) {
	rt := schema.Standard().User()
	in := object(b, person)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rt.Canonical(in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTidy(b *testing.B) {
	rt := schema.Standard().User()
	doc, err := rt.Canonical(object(b, person))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := rt.Tidy(doc); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkResolve(b *testing.B) {
	rt := schema.Standard().User()
	b.ReportAllocs()
	for b.Loop() {
		rt.Resolve(scim.EnterpriseSchema, "manager", "value")
	}
}

func BenchmarkProjection(b *testing.B) {
	rt := schema.Standard().User()
	doc := object(b, person)
	p := schema.ParseProjection(rt, []string{"userName", "name.givenName", "emails.value"}, nil)
	b.ReportAllocs()
	for b.Loop() {
		p.Apply(rt, doc)
	}
}
