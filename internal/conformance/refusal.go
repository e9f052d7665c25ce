package conformance

import (
	"net/http"
)

// RFC 7644 §3.12: errors.

func errorRequirements() []Requirement {
	return section(
		"7644", "3.12",
		entry{327, Must, "errors are sent as application/scim+json", audited(ruleErrorType)},
		entry{328, Must, "an error's status is the HTTP status, as a string", audited(ruleErrorStatus)},
		entry{329, Iop, "an error says something to people", audited(ruleErrorDetail)},
		entry{330, Def, "an error says what kind it is", func(p *probe) {
			u := p.user(nil)
			p.refused(p.post("/Users", p.person(object{"userName": u["userName"]})), http.StatusConflict, "uniqueness")
			p.refused(p.post("/Users", "{"), http.StatusBadRequest, "invalidSyntax")
			p.refused(p.post("/Users", p.person(object{"active": 5})), http.StatusBadRequest, "invalidValue", "invalidSyntax")
			if yes, known := p.announces("filter", "supported"); yes || !known {
				p.refused(p.get("/Users"+query("filter", "userName eq")), http.StatusBadRequest, "invalidFilter")
			}
			if yes, known := p.announces("patch", "supported"); yes || !known {
				p.refused(p.patch(userPath(u), op("remove", "")), http.StatusBadRequest, "noTarget")
				p.refused(p.patch(userPath(u), op("replace", "id", "other")), http.StatusBadRequest, "mutability")
			}
		}},
		entry{331, Iop, "a breakdown shows no internals", audited(ruleLeak)},
		entry{332, Iop, "429 and 503 say in seconds when to come back", audited(ruleRetryAfter)},
		entry{333, Iop, "a slash at the end is tolerated or redirected as what it was", func(p *probe) {
			p.status(p.get("/Users/?count=0"), http.StatusOK, http.StatusPermanentRedirect, http.StatusTemporaryRedirect)
		}},
	)
}
