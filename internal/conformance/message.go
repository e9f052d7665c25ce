package conformance

import (
	"net/http"
	"net/url"
	"strings"
)

// RFC 7644 §1 to §3.2: the base, who may, messages, methods.

func messageRequirements() []Requirement {
	return join(section(
		"7644", "1.3",
		entry{125, Iop, "query parameters that belong to the base are ignored", func(p *probe) {
			u := p.user(nil)
			a := p.get("/Users?aadOptscim062020&filter=" + url.QueryEscape(`userName eq "`+text(u["userName"])+`"`))
			p.status(a, http.StatusOK)
			p.equal("the people found", column(objects(a.body, "Resources"), "id"), []string{text(u["id"])})
		}},
		entry{126, Must, "a URL is decoded once", func(p *probe) {
			p.needs("filter")
			id := "a%2Bb-" + p.c.run
			u := p.user(object{"externalId": id})
			p.findable(`externalId eq "`+id+`"`, u)
		}},
	), section(
		"7644", "2",
		entry{127, Must, "a 401 names the schemes", func(p *probe) {
			a := p.unauthenticated()
			p.refused(a, http.StatusUnauthorized)
			p.want(a.headerValue("WWW-Authenticate") != "", "there is no WWW-Authenticate")
		}},
		entry{128, Must, "a wrong token is answered 401 with a SCIM error", func(p *probe) {
			a := p.wrongToken()
			p.refused(a, http.StatusUnauthorized)
			p.equal("status", a.body["status"], "401")
			p.want(text(a.body["detail"]) != "", "there is no detail")
		}},
		entry{129, Must, "a token opens no more than its client may see", unseen(needsTokens)},
		entry{130, Should, "expired and revoked tokens are refused", unseen(needsTokens)},
		entry{131, Def, "the name of the scheme is taken in any case", func(p *probe) {
			a := p.send(call{
				method: http.MethodGet, path: "/Users?count=1",
				header: map[string]string{"Authorization": "bearer " + p.c.token()},
			})
			p.status(a, http.StatusOK)
		}},
	), section(
		"7644", "3.1",
		entry{132, Must, "messages are named by URNs of the SCIM API", audited(ruleMessage)},
		entry{133, Def, "what was read can be put back unchanged", func(p *probe) {
			u := p.user(object{"title": "t", "name": object{"givenName": "g"}, "emails": []object{{"value": p.name("m"), "type": "work", "primary": true}}})
			before := p.read(userPath(u))
			after := p.replace(userPath(u), before)
			p.equal("the person", without(after, "meta"), without(before, "meta"))
		}},
		entry{134, Must, "an answer shows what was stored", func(p *probe) {
			u := p.user(object{"title": "t", "noSuchAttribute": "x"})
			p.equal("the answer to POST", u, p.read(userPath(u)))
		}},
	), methodRequirements())
}

func methodRequirements() []Requirement {
	return section(
		"7644", "3.2",
		entry{135, Should, "an endpoint is the type's name with an s", func(p *probe) {
			for _, t := range p.types() {
				p.equal("the endpoint", t["endpoint"], "/"+text(t["name"])+"s")
			}
		}},
		// DELETE of all people is left out on purpose: what if a server did it?
		entry{136, Def, "methods that an endpoint does not have are refused", func(p *probe) {
			u := p.user(nil)
			for _, c := range []call{
				{method: http.MethodPost, path: userPath(u), body: p.person(nil)},
				{method: http.MethodPut, path: "/Users", body: p.person(nil)},
				{method: http.MethodPatch, path: "/Users", body: object{"schemas": []string{patchURN}, "Operations": []object{op("replace", "title", "t")}}},
			} {
				a := p.send(c)
				p.refused(a, http.StatusMethodNotAllowed)
				p.want(a.headerValue("Allow") != "", "there is no Allow")
			}
		}},
		entry{137, Must, "PUT creates nothing", func(p *probe) {
			p.refused(p.put("/Users/"+p.unknownID(), p.person(nil)), http.StatusNotFound)
		}},
		entry{138, Should, "a refusal has both status and body", audited(ruleErrorBody)},
		entry{139, Must, "an unknown endpoint is answered 404 with a SCIM error", func(p *probe) {
			p.refused(p.get("/NoSuchEndpoint"), http.StatusNotFound)
		}},
	)
}

// unknownID returns an id that no resource has, in the shape of the server's ids as far as that can be.
func (p *probe) unknownID() string {
	u := p.user(nil)
	id := text(u["id"])
	p.status(p.delete(userPath(u)), http.StatusNoContent)
	return url.PathEscape(strings.TrimSpace(id))
}
