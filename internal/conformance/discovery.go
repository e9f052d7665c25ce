package conformance

import (
	"net/http"
	"slices"
)

// RFC 7644 §4: discovery.

func discoveryRequirements() []Requirement {
	return section(
		"7644", "4",
		entry{345, Must, "the three endpoints of discovery answer", func(p *probe) {
			p.want(slices.Contains(texts(p.read("/ServiceProviderConfig")["schemas"]), "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"), "ServiceProviderConfig lacks its URN")
			p.list("/Schemas")
			p.list("/ResourceTypes")
		}},
		entry{346, Must, "schemas are listed and read one by one", func(p *probe) {
			p.list("/Schemas")
			p.equal("id", p.read("/Schemas/" + userURN)["id"], userURN)
		}},
		entry{347, Def, "unknown schemas and types are answered 404", func(p *probe) {
			p.refused(p.get("/Schemas/urn:x"), http.StatusNotFound)
			p.refused(p.get("/ResourceTypes/Nope"), http.StatusNotFound)
		}},
		entry{348, Must, "a filter on discovery is answered 403, paging is ignored", func(p *probe) {
			p.refused(p.get("/Schemas"+query("filter", `id eq "x"`)), http.StatusForbidden)
			_, all := p.list("/Schemas")
			_, paged := p.list("/Schemas", "count", "1", "startIndex", "2")
			p.want(len(all) == len(paged), "of %d schemas %d are listed", len(all), len(paged))
		}},
		entry{349, Def, "nothing can be written there", func(p *probe) {
			a := p.post("/Schemas", object{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:Schema"}, "id": "urn:x", "name": "x"})
			p.status(a, http.StatusMethodNotAllowed, http.StatusForbidden, http.StatusNotImplemented, http.StatusNotFound)
		}},
		entry{350, Def, "totalResults is the number of what is listed", func(p *probe) {
			for _, path := range []string{"/Schemas", "/ResourceTypes"} {
				a, found := p.list(path)
				p.equal("totalResults of "+path, a.body["totalResults"], len(found))
			}
		}},
	)
}
