package conformance

import (
	"net/http"
	"strings"
	"sync"
)

// RFC 7644 §3.3 and §3.4.1: creating, and reading one.

func createRequirements() []Requirement {
	return join(section(
		"7644", "3.3",
		entry{140, Must, "a creation is answered 201 with Location", func(p *probe) {
			a := p.post("/Users", p.person(nil))
			p.status(a, http.StatusCreated)
			p.want(strings.Contains(a.headerValue("Location"), "://"), "Location is %q", a.headerValue("Location"))
		}},
		entry{141, Must, "meta.location is the Location", func(p *probe) {
			a := p.post("/Users", p.person(nil))
			p.status(a, http.StatusCreated)
			p.equal("meta.location", at(a.body, "meta", "location"), a.headerValue("Location"))
		}},
		entry{142, Should, "a 201 has the whole resource", func(p *probe) {
			more := object{"displayName": "D", "name": object{"givenName": "g", "familyName": "f"}}
			u := p.user(more)
			p.holds("the answer", u, more)
			p.want(text(u["id"]) != "", "there is no id")
		}},
		entry{143, Must, "a duplicate is answered 409 uniqueness", func(p *probe) {
			body := p.person(nil)
			p.status(p.post("/Users", body), http.StatusCreated)
			p.refused(p.post("/Users", body), http.StatusConflict, "uniqueness")
		}},
		entry{144, Must, "the endpoint decides the type", func(p *probe) {
			p.equal("meta.resourceType", at(p.group(), "meta", "resourceType"), "Group")
		}},
		entry{145, Def, "malformed JSON is answered 400 invalidSyntax", func(p *probe) {
			p.refused(p.post("/Users", "{"), http.StatusBadRequest, "invalidSyntax")
		}},
		entry{146, Iop, "an empty body is answered 400", func(p *probe) {
			p.refused(p.post("/Users", ""), http.StatusBadRequest, "invalidSyntax")
		}},
		entry{147, Iop, "a body that is no object is answered 400", func(p *probe) {
			p.refused(p.post("/Users", "[]"), http.StatusBadRequest, "invalidSyntax")
			p.refused(p.post("/Users", `"x"`), http.StatusBadRequest, "invalidSyntax")
		}},
		entry{148, Def, "attributes shapes the answer to POST", func(p *probe) {
			a := p.post("/Users?attributes=userName", p.person(object{"displayName": "D"}))
			p.status(a, http.StatusCreated)
			p.only(a.body, "userName")
		}},
		entry{149, Iop, "of parallel creations of one userName one succeeds", func(p *probe) {
			body := p.person(nil)
			counts := p.together(20, func() answer { return p.post("/Users", body) })
			p.want(counts[http.StatusCreated] == 1 && counts[http.StatusConflict] == 19, "the 20 answers by status are %v", counts)
		}},
	), readRequirements())
}

func readRequirements() []Requirement {
	return section(
		"7644", "3.4.1",
		entry{150, Def, "a resource is read by its id, as lists show it", func(p *probe) {
			u := p.user(object{"displayName": "D"})
			got := p.read(userPath(u))
			p.needs("filter")
			p.equal("the person in the list", first(p.find(`userName eq "`+text(u["userName"])+`"`)), got)
		}},
		entry{151, Def, "an unknown id is answered 404", func(p *probe) {
			p.refused(p.get("/Users/"+p.unknownID()), http.StatusNotFound)
		}},
		entry{152, Def, "an id of another type is answered 404", func(p *probe) {
			p.refused(p.get("/Users/"+strings.TrimPrefix(groupPath(p.group()), "/Groups/")), http.StatusNotFound)
		}},
		entry{153, Iop, "odd ids do no harm", func(p *probe) {
			for _, id := range []string{"%2e%2e%2fx", "%00", strings.Repeat("x", 10_000)} {
				a := p.send(call{method: http.MethodGet, path: "/Users/" + id, unaudited: true})
				p.status(a, http.StatusNotFound, http.StatusBadRequest, http.StatusRequestURITooLong)
			}
		}},
		entry{154, Iop, "HEAD is GET without a body", func(p *probe) {
			u := p.user(nil)
			a := p.send(call{method: http.MethodHead, path: userPath(u)})
			p.status(a, http.StatusOK)
			p.want(len(a.raw) == 0, "there is a body")
		}},
	)
}

// only fails the check unless a resource has these attributes at most, what is always returned, and meta by policy.
func (p *probe) only(o object, names ...string) {
	rest := without(o, append([]string{"schemas", "id", "meta"}, names...)...)
	if p.stopped() {
		return
	}
	p.want(text(o["id"]) != "", "the id is missing")
	for _, n := range names {
		p.want(assigned(o[n]), "%s is missing", n)
	}
	p.want(len(rest) == 0, "there is more than was asked for: %s", show(rest))
}

// together sends n requests at once and counts the answers by status.
func (p *probe) together(n int, send func() answer) map[int]int {
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		counts = map[int]int{}
	)
	for range n {
		wg.Go(func() {
			a := send()
			mu.Lock()
			defer mu.Unlock()
			counts[a.status]++
		})
	}
	wg.Wait()
	return counts
}
