package conformance

import (
	"net/http"
)

// RFC 7643 §4.2: groups.

func groupRequirements() []Requirement {
	return join(section(
		"7643", "4.2",
		entry{95, Must, "a group needs a displayName", func(p *probe) {
			g := p.group()
			p.refused(p.post("/Groups", object{"schemas": []string{groupURN}}), http.StatusBadRequest, "invalidValue")
			p.refused(p.put(groupPath(g), object{"schemas": []string{groupURN}}), http.StatusBadRequest, "invalidValue")
		}},
		entry{96, Def, "a member has the id of a person, $ref and type", func(p *probe) {
			u := p.user(nil)
			m := first(objects(p.read(groupPath(p.group(u))), "members"))
			p.equal("value", m["value"], u["id"])
			p.want(text(m["$ref"]) != "", "there is no $ref")
			p.want(m["type"] == nil || m["type"] == "User", "type is %s", show(m["type"]))
		}},
		entry{97, Iop, "a member shows a name", func(p *probe) {
			u := p.user(object{"displayName": "Ada Q"})
			m := first(objects(p.read(groupPath(p.group(u))), "members"))
			p.want(text(m["display"]) != "", "there is no display")
		}},
		entry{98, May, "a group in a group is kept or refused", func(p *probe) {
			inner := p.group()
			a := p.post("/Groups", object{
				"schemas": []string{groupURN}, "displayName": p.title("outer"),
				"members": []object{{"value": inner["id"], "type": "Group"}},
			})
			if !p.refusedOr(a, http.StatusBadRequest) {
				return
			}
			for _, m := range objects(p.read(groupPath(a.body)), "members") {
				p.want(m["type"] == nil || m["type"] == "Group", "the inner group is shown as a %s", show(m["type"]))
			}
		}},
		entry{99, Iop, "a group cannot hold itself", func(p *probe) {
			p.needs("patch")
			g := p.group()
			a := p.patch(groupPath(g), op("add", "members", []object{{"value": g["id"], "type": "Group"}}))
			p.refused(a, http.StatusBadRequest)
		}},
		entry{100, Iop, "a deleted person is a member no more", func(p *probe) {
			u, other := p.user(nil), p.user(nil)
			g := p.group(u, other)
			p.status(p.delete(userPath(u)), http.StatusNoContent)
			p.equal("members", p.memberIDs(g), []string{text(other["id"])})
		}},
		entry{101, Iop, "a group holds more members than fit a page", func(p *probe) {
			p.needs("patch")
			crowd := p.crowd()
			g := p.group()
			p.status(p.patch(groupPath(g), op("add", "members", memberValues(crowd...))), http.StatusOK, http.StatusNoContent)
			got := p.memberIDs(g)
			p.want(p.stopped() || sameSet(got, column(crowd, "id")), "of %d members %d are shown", len(crowd), len(got))
		}},
	))
}
