package conformance

import (
	"net/http"
	"slices"
)

// RFC 7644 §3.4.2: lists.

func listRequirements() []Requirement {
	return section(
		"7644", "3.4.2",
		entry{155, Must, "a list is a ListResponse", func(p *probe) {
			a, _ := p.list("/Users", "count", "1")
			p.equal("schemas", a.body["schemas"], []string{listURN})
		}},
		entry{156, Must, "totalResults is a number", func(p *probe) {
			p.user(nil)
			a, _ := p.list("/Users", "count", "1")
			n, ok := integer(a.body["totalResults"])
			p.want(ok && n >= 1, "totalResults is %s", show(a.body["totalResults"]))
		}},
		entry{157, Must, "Resources is an array, there when anything was found", func(p *probe) {
			p.user(nil)
			for _, path := range []string{"/Users?count=1", "/Users" + query("filter", `userName eq "`+p.name("nobody")+`"`)} {
				a := p.get(path)
				p.status(a, http.StatusOK)
				list, ok := a.body["Resources"]
				_, isArray := list.([]any)
				p.want(isArray || !ok && path != "/Users?count=1", "Resources is %s", show(list))
			}
		}},
		entry{158, Must, "a partial list says where it begins and how long it is", func(p *probe) {
			p.five()
			a, found := p.list("/Users", "count", "1")
			p.want(len(found) == 1, "there are %d resources", len(found))
			p.equal("startIndex", a.body["startIndex"], 1)
			p.equal("itemsPerPage", a.body["itemsPerPage"], 1)
		}},
		entry{159, Must, "no match is answered 200 with 0", func(p *probe) {
			p.needs("filter")
			a, found := p.list("/Users", "filter", `userName eq "`+p.name("nobody")+`"`)
			p.equal("totalResults", a.body["totalResults"], 0)
			p.want(len(found) == 0, "there are resources")
		}},
		entry{160, Should, "unknown query parameters are ignored", func(p *probe) {
			p.status(p.get("/Users?foo=bar&count=1"), http.StatusOK)
		}},
		entry{161, Must, "a query at the root covers all types", func(p *probe) {
			p.needs("filter")
			p.needGroups()
			g := p.group()
			_, found := p.root(`displayName eq "` + text(g["displayName"]) + `"`)
			p.want(p.stopped() || slices.Contains(column(found, "id"), text(g["id"])), "the group is not found")
			_, found = p.root(`meta.resourceType eq "User" and userName sw "` + p.c.prefix() + `"`)
			for _, r := range found {
				p.equal("meta.resourceType", at(r, "meta", "resourceType"), "User")
			}
		}},
		entry{162, Must, "too many results are refused or cut into pages", func(p *probe) {
			a := p.get("/?count=2")
			p.offered(a)
			if p.refusedOr(a, http.StatusBadRequest, "tooMany") {
				p.want(len(objects(a.body, "Resources")) <= 2, "the page is longer than was asked for")
			}
		}},
		entry{163, Must, "what a type lacks has no value", func(p *probe) {
			p.needs("filter")
			p.group()
			_, found := p.root(`userName pr and meta.resourceType eq "Group"`)
			p.want(len(found) == 0, "groups are found to have a userName")
		}},
	)
}

// root queries all types, or skips the check where the server does not offer that.
func (p *probe) root(filter string) (answer, []object) {
	a := p.get("/" + query("filter", filter, "count", "50"))
	p.offered(a)
	p.status(a, http.StatusOK)
	return a, objects(a.body, "Resources")
}

func (p *probe) offered(a answer) {
	if !p.stopped() && (a.status == http.StatusNotImplemented || a.status == http.StatusNotFound ||
		a.status == http.StatusMethodNotAllowed || a.status == http.StatusForbidden || a.status >= 300 && a.status < 400) {
		p.skip("the server offers no queries over all types (%d)", a.status)
	}
}
