package conformance

import (
	"net/http"
	"strings"
)

// RFC 7644 §5 to §7: internationalisation, tenants, security.

func securityRequirements() []Requirement {
	return join(section(
		"7644", "5",
		entry{351, Must, "userName is compared after PRECIS UsernameCaseMapped", func(p *probe) {
			for what, pair := range map[string][2]string{
				"full-width letters": {"\uff21lice-" + p.name("precis"), "alice-"},
				"a composed \u00c9":  {"\u00c9lise-" + p.name("precis"), "e\u0301lise-"},
			} {
				_, rest, _ := strings.Cut(pair[0], "-")
				a := p.post("/Users", p.person(object{"userName": pair[0]}))
				if a.status == http.StatusBadRequest {
					continue // who refuses such names has no namesakes
				}
				p.status(a, http.StatusCreated)
				again := p.post("/Users", p.person(object{"userName": pair[1] + rest}))
				p.want(p.stopped() || again.status == http.StatusConflict, "with %s the namesake is answered %d, want 409", what, again.status)
			}
		}},
		entry{352, Must, "passwords are compared after PRECIS OpaqueString", unseen("whether a password works is not visible through SCIM")},
	), section(
		"7644", "6",
		entry{353, Iop, "tenants see nothing of each other", unseen(needsTenant)},
		entry{354, Iop, "the tenants of URL and token must agree", unseen(needsTenant)},
	), section(
		"7644", "7",
		entry{355, Must, "TLS is 1.2 or later", unseen("TLS is not probed; the check speaks to the URL as given")},
		entry{356, Must, "tokens are long, end, and can be revoked", unseen(needsTokens)},
		entry{357, Should, "a filter on what is sensitive may be refused", func(p *probe) {
			a := p.get("/Users" + query("filter", `password eq "x"`))
			if !p.stopped() && a.status == http.StatusOK {
				p.want(len(objects(a.body, "Resources")) == 0, "people are found by password")
				p.skip("the server lets such filters match nothing instead")
			}
			p.status(a, http.StatusForbidden, http.StatusBadRequest)
			if a.status == http.StatusForbidden {
				p.refused(a, http.StatusForbidden, "sensitive")
			}
		}},
		entry{358, Iop, "logs mask personal data in URLs", unseen(needsStore)},
		entry{359, Iop, "a body nested ten thousand deep does no harm", func(p *probe) {
			const depth = 10_000
			body := `{"schemas":["` + userURN + `"],"userName":"` + p.name("deep") + `","x":` +
				strings.Repeat("[", depth) + strings.Repeat("]", depth) + `}`
			a := p.send(call{method: http.MethodPost, path: "/Users", body: body, unaudited: true})
			p.status(a, http.StatusBadRequest, http.StatusRequestEntityTooLarge)
		}},
	))
}
