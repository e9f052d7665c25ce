package scim_test

import (
	"testing"

	"github.com/scimbridge/scimbridge/scim"
)

// person is what an identity provider sends for a person with the usual attributes.
const person = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],` +
	`"externalId":"00u1a2b3c4d5e6f7g8h9","userName":"barbara.jensen@example.com","name":{"formatted":"Ms. Barbara J Jensen III",` +
	`"familyName":"Jensen","givenName":"Barbara","middleName":"Jane","honorificPrefix":"Ms.","honorificSuffix":"III"},` +
	`"displayName":"Babs Jensen","nickName":"Babs","profileUrl":"https://login.example.com/bjensen","emails":[` +
	`{"value":"barbara.jensen@example.com","type":"work","primary":true},{"value":"babs@jensen.example","type":"home"}],` +
	`"addresses":[{"streetAddress":"100 Universal City Plaza","locality":"Hollywood","region":"CA","postalCode":"91608","country":"USA",` +
	`"formatted":"100 Universal City Plaza\nHollywood, CA 91608 USA","type":"work","primary":true}],"phoneNumbers":[` +
	`{"value":"555-555-5555","type":"work"},{"value":"555-555-4444","type":"mobile"}],"userType":"Employee","title":"Tour Guide",` +
	`"preferredLanguage":"en-US","locale":"en-US","timezone":"America/Los_Angeles","active":true,"password":"t1meMa$heen",` +
	`"groups":[],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"701984","costCenter":"4130",` +
	`"organization":"Universal Studios","division":"Theme Park","department":"Tour Operations","manager":{"value":"26118915","displayName":"John Smith"}}}`

func BenchmarkParse(b *testing.B) {
	doc := []byte(person)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := scim.Parse(doc); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	v := object(b, person)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = scim.AppendJSON(buf[:0], v)
	}
	b.SetBytes(int64(len(buf)))
}
