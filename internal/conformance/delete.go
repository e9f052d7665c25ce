package conformance

import (
	"net/http"
)

// RFC 7644 §3.6: deleting.

func deleteRequirements() []Requirement {
	return section(
		"7644", "3.6",
		entry{293, Must, "a deletion is answered 204 without a body", func(p *probe) {
			a := p.delete(userPath(p.user(nil)))
			p.status(a, http.StatusNoContent)
			p.want(len(a.raw) == 0, "there is a body")
		}},
		entry{294, Must, "afterwards everything is answered 404", func(p *probe) {
			u := p.user(nil)
			p.status(p.delete(userPath(u)), http.StatusNoContent)
			p.refused(p.get(userPath(u)), http.StatusNotFound)
			p.refused(p.put(userPath(u), core(u, nil)), http.StatusNotFound)
			p.refused(p.delete(userPath(u)), http.StatusNotFound)
			p.needs("patch")
			p.refused(p.patch(userPath(u), op("replace", "title", "t")), http.StatusNotFound)
		}},
		entry{295, Must, "what is deleted is in no list", func(p *probe) {
			p.needs("filter")
			u := p.user(nil)
			p.status(p.delete(userPath(u)), http.StatusNoContent)
			p.want(len(p.find(`userName eq "`+text(u["userName"])+`"`)) == 0, "it is found")
		}},
		entry{296, Should, "what is deleted blocks no name", func(p *probe) {
			u := p.user(nil)
			p.status(p.delete(userPath(u)), http.StatusNoContent)
			p.user(object{"userName": u["userName"]})
		}},
	)
}
