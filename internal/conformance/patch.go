package conformance

import (
	"net/http"
	"slices"
)

// RFC 7644 §3.5.2: PATCH, what holds for all operations.

func patchRequirements() []Requirement {
	list := join(patchFormRequirements(), patchEffectRequirements())
	for i, r := range list {
		list[i].Check = within(r.Check, "patch")
	}
	return list
}

// rawPatch sends a body as it is, where the form itself is at stake.
func (p *probe) rawPatch(path string, body object) answer {
	return p.send(call{method: http.MethodPatch, path: path, body: body})
}

func patchFormRequirements() []Requirement {
	form := []string{"invalidSyntax", "invalidValue"}
	return section(
		"7644", "3.5.2",
		entry{243, Must, "a PATCH names its schema; without it is refused or forgiven", func(p *probe) {
			u := p.user(nil)
			a := p.rawPatch(userPath(u), object{"schemas": []string{userURN}, "Operations": []object{op("replace", "title", "t")}})
			p.refusedOr(a, http.StatusBadRequest, form...)
		}},
		entry{244, Must, "Operations is an array with something in it", func(p *probe) {
			u := p.user(nil)
			for _, body := range []object{
				{"schemas": []string{patchURN}},
				{"schemas": []string{patchURN}, "Operations": object{}},
				{"schemas": []string{patchURN}, "Operations": []object{}},
			} {
				p.refused(p.rawPatch(userPath(u), body), http.StatusBadRequest, form...)
			}
		}},
		entry{245, Must, "an operation has an op", func(p *probe) {
			p.refused(p.patch(userPath(p.user(nil)), object{"path": "title", "value": "t"}), http.StatusBadRequest, form...)
		}},
		entry{246, Def, "op is add, remove or replace", func(p *probe) {
			p.refused(p.patch(userPath(p.user(nil)), op("move", "title", "t")), http.StatusBadRequest, form...)
		}},
		entry{247, Iop, "op is taken in any case", func(p *probe) {
			u := p.user(nil)
			p.equal("title", p.change(userPath(u), op("Add", "title", "a"))["title"], "a")
			p.equal("title", p.change(userPath(u), op("REPLACE", "title", "b"))["title"], "b")
			p.want(p.change(userPath(u), op("Remove", "title"))["title"] == nil, "title is there after Remove")
		}},
		entry{248, Iop, "Operations is taken in any case", func(p *probe) {
			u := p.user(nil)
			a := p.rawPatch(userPath(u), object{"schemas": []string{patchURN}, "operations": []object{op("replace", "title", "t")}})
			p.status(a, http.StatusOK, http.StatusNoContent)
			p.equal("title", p.read(userPath(u))["title"], "t")
		}},
		entry{249, Must, "remove needs a path", func(p *probe) {
			p.refused(p.patch(userPath(p.user(nil)), op("remove", "")), http.StatusBadRequest, "noTarget")
		}},
		entry{250, Def, "a path that is none is refused", func(p *probe) {
			u := p.user(nil)
			for _, path := range []string{"emails[", "..", "name.nope.deep"} {
				p.refused(p.patch(userPath(u), op("replace", path, "x")), http.StatusBadRequest, "invalidPath", "invalidFilter")
			}
		}},
		entry{251, Def, "a path to an unknown attribute is refused", func(p *probe) {
			p.refused(p.patch(userPath(p.user(nil)), op("replace", "nope", "x")), http.StatusBadRequest, "invalidPath", "noTarget")
		}},
		entry{252, Must, "what is read-only cannot be patched", func(p *probe) {
			u := p.user(nil)
			for path, value := range map[string]any{
				"id": "other", "meta.created": "2000-01-01T00:00:00Z", "groups": []object{{"value": "x"}},
			} {
				p.refused(p.patch(userPath(u), op("replace", path, value)), http.StatusBadRequest, "mutability")
			}
		}},
		entry{253, Must, "a value of a wrong type is refused", func(p *probe) {
			p.refused(p.patch(userPath(p.user(nil)), op("replace", "active", "maybe")), http.StatusBadRequest, "invalidValue")
		}},
	)
}

func patchEffectRequirements() []Requirement {
	return section(
		"7644", "3.5.2",
		entry{254, Must, "all operations are applied or none", func(p *probe) {
			u := p.user(object{"title": "before"})
			p.refused(p.patch(userPath(u), op("replace", "title", "after"), op("replace", "id", "other")), http.StatusBadRequest)
			got := p.read(userPath(u))
			p.equal("title", got["title"], "before")
			p.equal("meta.lastModified", at(got, "meta", "lastModified"), at(u, "meta", "lastModified"))
		}},
		entry{255, Def, "operations are applied in order", func(p *probe) {
			u := p.user(object{"title": "a"})
			got := p.change(userPath(u), op("remove", "title"), op("add", "title", "b"), op("replace", "title", "c"))
			p.equal("title", got["title"], "c")
		}},
		entry{256, Must, "PATCH is answered 200 with the new state, or 204", func(p *probe) {
			u := p.user(nil)
			a := p.patch(userPath(u), op("replace", "title", "t"))
			p.status(a, http.StatusOK, http.StatusNoContent)
			if a.status == http.StatusOK {
				p.equal("title", a.body["title"], "t")
				p.equal("id", a.body["id"], u["id"])
			} else {
				p.want(len(a.raw) == 0, "the 204 has a body")
			}
		}},
		entry{257, Must, "PATCH with attributes is answered 200", func(p *probe) {
			a := p.patch(userPath(p.user(nil))+"?attributes=userName", op("replace", "title", "t"))
			p.status(a, http.StatusOK)
			p.only(a.body, "userName")
		}},
		entry{258, Must, "what is made primary unmakes the other", func(p *probe) {
			p.needAttributes("emails")
			home := p.name("h")
			u := p.user(object{"emails": []object{
				{"value": p.name("w"), "type": "work", "primary": true}, {"value": home, "type": "home", "primary": false},
			}})
			got := p.change(userPath(u), op("replace", `emails[type eq "home"].primary`, true))
			p.equal("the primary e-mails", primaries(got), []string{home})
		}},
		entry{259, Def, "schemas follows the data of an extension", func(p *probe) {
			p.needEnterprise()
			got := p.change(userPath(p.user(nil)), op("add", enterpriseURN+":department", "d"))
			p.want(slices.Contains(texts(got["schemas"]), enterpriseURN), "the extension's URN is missing")
		}},
		entry{260, Def, "an unknown id is answered 404", func(p *probe) {
			p.refused(p.patch("/Users/"+p.unknownID(), op("replace", "title", "t")), http.StatusNotFound)
		}},
		entry{261, Def, "renaming to a taken name is answered 409", func(p *probe) {
			u, other := p.user(nil), p.user(nil)
			p.refused(p.patch(userPath(u), op("replace", "userName", other["userName"])), http.StatusConflict, "uniqueness")
		}},
	)
}
