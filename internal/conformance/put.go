package conformance

import (
	"maps"
	"net/http"
)

// RFC 7644 §3.5.1: replacing.

func putRequirements() []Requirement {
	return section(
		"7644", "3.5.1",
		entry{232, Must, "PUT is answered with the new state", func(p *probe) {
			u := p.user(nil)
			a := p.put(userPath(u), core(u, object{"title": "t"}))
			p.status(a, http.StatusOK, http.StatusNoContent)
			if a.status == http.StatusOK {
				p.equal("title", a.body["title"], "t")
			}
		}},
		entry{233, Must, "PUT creates nothing", func(p *probe) {
			id := p.unknownID()
			p.refused(p.put("/Users/"+id, p.person(nil)), http.StatusNotFound)
			p.refused(p.get("/Users/"+id), http.StatusNotFound)
		}},
		entry{234, Must, "values that are sent replace those there", func(p *probe) {
			u := p.rich()
			mail := p.name("new")
			got := p.replace(userPath(u), core(u, object{"emails": []object{{"value": mail, "type": "home"}}}))
			p.equal("emails", column(objects(got, "emails"), "value"), []string{mail})
		}},
		entry{235, May, "attributes left out are all cleared or all kept", func(p *probe) {
			p.needAttributes("title", "nickName")
			u := p.user(object{"title": "t", "nickName": "n"})
			got := p.replace(userPath(u), core(u, nil))
			p.want(assigned(got["title"]) == assigned(got["nickName"]), "title is %s, nickName is %s", show(got["title"]), show(got["nickName"]))
		}},
		entry{236, Iop, "PUT without active wakes nobody", func(p *probe) {
			u := p.user(object{"active": false})
			p.equal("active", p.replace(userPath(u), core(u, object{"title": "t"}))["active"], false)
		}},
		entry{237, Must, "read-only attributes are ignored", func(p *probe) {
			u := p.user(nil)
			g := p.group(u)
			got := p.replace(userPath(u), core(u, object{"groups": []object{}, "id": "other", "meta": object{"created": "2000-01-01T00:00:00Z"}}))
			p.equal("id", got["id"], u["id"])
			p.equal("meta.created", at(got, "meta", "created"), at(u, "meta", "created"))
			p.equal("groups", column(objects(got, "groups"), "value"), []string{text(g["id"])})
		}},
		entry{238, Must, "what is immutable must match", func(p *probe) {
			c := p.needCustom("an immutable string", func(a object) bool { return a["type"] == "string" && a["mutability"] == "immutable" })
			u := p.user(c.body("one"))
			p.refused(p.put(userPath(u), core(u, c.body("two"))), http.StatusBadRequest, "mutability")
			p.replace(userPath(u), core(u, c.body("one")))
		}},
		entry{239, Must, "required attributes must be sent", func(p *probe) {
			u := p.user(nil)
			p.refused(p.put(userPath(u), object{"schemas": u["schemas"], "displayName": "D"}), http.StatusBadRequest, "invalidValue")
		}},
		entry{240, Def, "renaming to a taken name is answered 409", func(p *probe) {
			u, other := p.user(nil), p.user(nil)
			p.refused(p.put(userPath(u), core(u, object{"userName": other["userName"]})), http.StatusConflict, "uniqueness")
			p.equal("userName", p.read(userPath(u))["userName"], u["userName"])
		}},
		entry{241, Iop, "PUT without password keeps it", unseen("whether a password works is not visible through SCIM")},
		entry{242, Def, "PUT of a group replaces its members", func(p *probe) {
			a, b := p.user(nil), p.user(nil)
			g := p.group(a, b)
			body := object{"schemas": []string{groupURN}, "displayName": g["displayName"], "members": memberValues(a)}
			p.replace(groupPath(g), body)
			p.equal("members", p.memberIDs(g), []string{text(a["id"])})
			body["members"] = []object{}
			p.replace(groupPath(g), body)
			p.want(len(p.memberIDs(g)) == 0, "an empty list leaves members")
		}},
	)
}

// core returns the body of a PUT: what must be there, and more.
func core(u, more object) object {
	body := object{"schemas": u["schemas"], "userName": u["userName"]}
	maps.Copy(body, more)
	return body
}
