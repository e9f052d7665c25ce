package conformance

import (
	"net/http"
)

// RFC 7644 §3.4.2.5 and §3.9: attributes and excludedAttributes.

func projectionRequirements() []Requirement {
	return section(
		"7644", "3.4.2.5",
		entry{217, Must, "attributes returns these and what is always returned", func(p *probe) {
			p.only(p.read(userPath(p.rich())+"?attributes=userName"), "userName")
		}},
		entry{218, Must, "sub-attributes can be selected", func(p *probe) {
			got := p.read(userPath(p.rich()) + "?attributes=name.givenName,emails.value")
			p.only(got, "name", "emails")
			p.equal("name", got["name"], object{"givenName": "g"})
			for _, e := range objects(got, "emails") {
				p.want(len(e) == 1 && e["value"] != nil, "an e-mail is %s", show(e))
			}
		}},
		entry{219, Def, "an extension's attribute is selected by URN", func(p *probe) {
			p.needEnterprise()
			u := p.user(object{enterpriseURN: object{"department": "d", "division": "v"}})
			got := p.read(userPath(u) + query("attributes", enterpriseURN+":department"))
			p.only(got, enterpriseURN)
			p.equal("the extension", got[enterpriseURN], object{"department": "d"})
		}},
		entry{220, Must, "what is always returned cannot be excluded", func(p *probe) {
			u := p.rich()
			p.equal("id", p.read(userPath(u) + "?excludedAttributes=id")["id"], u["id"])
		}},
		entry{221, Must, "excludedAttributes leaves out", func(p *probe) {
			got := p.read(userPath(p.rich()) + "?excludedAttributes=title,emails.type")
			p.want(got["title"] == nil, "title is there")
			p.want(len(objects(got, "emails")) > 0, "the e-mails are gone")
			for _, e := range objects(got, "emails") {
				p.want(e["type"] == nil && e["value"] != nil, "an e-mail is %s", show(e))
			}
			g := p.group(p.user(nil))
			p.want(p.read(groupPath(g) + "?excludedAttributes=members")["members"] == nil, "members are there")
		}},
		entry{222, Def, "names are taken in any case", func(p *probe) {
			p.only(p.read(userPath(p.rich())+"?attributes=USERNAME"), "userName")
		}},
		entry{223, Def, "they shape every answer with a resource", projectedEverywhere},
		entry{224, Iop, "both together are refused or have one meaning", func(p *probe) {
			u := p.rich()
			path := userPath(u) + "?attributes=userName,title&excludedAttributes=title"
			a, b := p.get(path), p.get(path)
			if p.refusedOr(a, http.StatusBadRequest) {
				p.want(text(a.body["userName"]) != "", "userName is missing")
				p.want(same(a.body, b.body), "two answers differ")
			}
		}},
		entry{225, Iop, "unknown names are ignored", func(p *probe) {
			p.only(p.read(userPath(p.rich()) + "?attributes=noSuchAttribute"))
		}},
		entry{226, Iop, "an empty parameter is none", func(p *probe) {
			u := p.rich()
			p.equal("the person", p.read(userPath(u)+"?attributes="), p.read(userPath(u)))
		}},
	)
}

// rich makes a person with something to leave out.
func (p *probe) rich() object {
	return p.user(object{
		"title": "t", "name": object{"givenName": "g", "familyName": "f"},
		"emails": []object{{"value": p.name("m"), "type": "work", "primary": true}},
	})
}

func projectedEverywhere(p *probe) {
	u := p.rich()
	path := userPath(u) + "?attributes=userName"
	body := object{"schemas": u["schemas"], "userName": u["userName"], "title": "t"}
	for what, a := range map[string]answer{
		"PUT":   p.put(path, body),
		"PATCH": p.patch(path, op("replace", "title", "t2")),
		"GET":   p.get(path),
	} {
		p.status(a, http.StatusOK)
		p.want(p.stopped() || a.body["title"] == nil && a.body["userName"] != nil, "the answer to %s is not shaped", what)
	}
	byName := `userName eq "` + text(u["userName"]) + `"`
	_, found := p.list("/Users", "filter", byName, "attributes", "userName")
	p.only(first(found), "userName")
	a := p.post("/Users/.search", object{"schemas": []string{searchURN}, "filter": byName, "attributes": []string{"userName"}})
	p.status(a, http.StatusOK)
	p.only(first(objects(a.body, "Resources")), "userName")
}
