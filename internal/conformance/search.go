package conformance

import (
	"maps"
	"net/http"
)

// RFC 7644 §3.4.3: queries by POST.

func searchRequirements() []Requirement {
	return section(
		"7644", "3.4.3",
		entry{227, Must, ".search at an endpoint queries it", func(p *probe) {
			u := p.user(nil)
			a := p.search("/Users", object{"filter": `userName eq "` + text(u["userName"]) + `"`})
			p.status(a, http.StatusOK)
			p.equal("schemas", a.body["schemas"], []string{listURN})
			p.equal("the people found", column(objects(a.body, "Resources"), "id"), []string{text(u["id"])})
		}},
		entry{228, Must, "a SearchRequest names its schema; without it is refused or forgiven", func(p *probe) {
			for _, body := range []object{{"count": 1}, {"schemas": []string{listURN}, "count": 1}} {
				p.refusedOr(p.post("/Users/.search", body), http.StatusBadRequest, "invalidSyntax", "invalidValue")
			}
		}},
		entry{229, Def, "everything that GET takes stands in the body as well", func(p *probe) {
			p.five()
			a := p.search("/Users", object{
				"filter": p.fiveFilter(), "attributes": []string{"userName"}, "sortBy": "userName",
				"sortOrder": "descending", "startIndex": 2, "count": 2,
			})
			p.status(a, http.StatusOK)
			_, viaGet := p.fivePage("attributes", "userName", "sortBy", "userName", "sortOrder", "descending", "startIndex", "2", "count", "2")
			p.equal("Resources", a.body["Resources"], viaGet)
			p.equal("totalResults", a.body["totalResults"], len(fiveNames))
			a = p.search("/Users", object{"filter": p.fiveFilter(), "excludedAttributes": []string{"title"}})
			for _, u := range objects(a.body, "Resources") {
				p.want(u["title"] == nil, "title is there though it was excluded")
			}
		}},
		entry{230, Def, ".search at the root covers all types", func(p *probe) {
			g := p.group()
			a := p.search("", object{"filter": `displayName eq "` + text(g["displayName"]) + `"`})
			p.offered(a)
			p.status(a, http.StatusOK)
			p.equal("what is found", column(objects(a.body, "Resources"), "id"), []string{text(g["id"])})
		}},
		entry{231, Def, "a bad filter is refused", func(p *probe) {
			p.refused(p.search("/Users", object{"filter": "x"}), http.StatusBadRequest, "invalidFilter")
		}},
	)
}

func (p *probe) search(endpoint string, more object) answer {
	body := object{"schemas": []string{searchURN}}
	maps.Copy(body, more)
	return p.post(endpoint+"/.search", body)
}
