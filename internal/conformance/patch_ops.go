package conformance

import (
	"net/http"
	"slices"
)

// RFC 7644 §3.5.2.1 to §3.5.2.3: add, remove, replace.

func patched(list []Requirement) []Requirement {
	for i, r := range list {
		list[i].Check = within(r.Check, "patch")
	}
	return list
}

func addRequirements() []Requirement {
	return patched(section(
		"7644", "3.5.2.1",
		entry{262, Must, "add needs a value", func(p *probe) {
			p.refused(p.patch(userPath(p.user(nil)), op("add", "title")), http.StatusBadRequest, "invalidValue", "invalidSyntax")
		}},
		entry{263, Def, "without a path the value is merged into the resource", func(p *probe) {
			u := p.mailed()
			got := p.change(userPath(u), op("add", "", object{"title": "t", "emails": []object{{"value": p.name("b"), "type": "home"}}}))
			p.equal("title", got["title"], "t")
			p.want(len(objects(got, "emails")) == 2, "there are %d e-mails, want 2", len(objects(got, "emails")))
		}},
		entry{264, Def, "a single value is replaced", func(p *probe) {
			p.equal("title", p.change(userPath(p.user(object{"title": "a"})), op("add", "title", "b"))["title"], "b")
		}},
		entry{265, Def, "sub-attributes are merged", func(p *probe) {
			u := p.user(object{"name": object{"familyName": "f", "givenName": "g"}})
			got := p.change(userPath(u), op("add", "name", object{"givenName": "x"}))
			p.holds("name", got["name"], object{"familyName": "f", "givenName": "x"})
		}},
		entry{266, Def, "to a multi-valued attribute values are appended", func(p *probe) {
			u := p.mailed()
			more := p.name("b")
			got := p.change(userPath(u), op("add", "emails", []object{{"value": more, "type": "home"}}))
			want := append(column(objects(u, "emails"), "value"), more)
			p.want(p.stopped() || sameSet(column(objects(got, "emails"), "value"), want), "emails is %s", show(got["emails"]))
		}},
		entry{267, Must, "adding what is there changes nothing", func(p *probe) {
			u := p.user(nil)
			g := p.read(groupPath(p.group(u)))
			got := p.change(groupPath(g), op("add", "members", memberValues(u)))
			p.equal("members", column(objects(got, "members"), "value"), []string{text(u["id"])})
			p.equal("meta.lastModified", at(got, "meta", "lastModified"), at(g, "meta", "lastModified"))
		}},
		entry{268, Iop, "an object alone is taken as one element", func(p *probe) {
			u := p.user(nil)
			g := p.group()
			p.status(p.patch(groupPath(g), op("add", "members", object{"value": u["id"]})), http.StatusOK, http.StatusNoContent)
			p.equal("members", p.memberIDs(g), []string{text(u["id"])})
		}},
		entry{269, Def, "a path with a filter reaches the element", func(p *probe) {
			got := p.change(userPath(p.mailed()), op("add", `emails[type eq "work"].display`, "x"))
			p.equal("display", first(objects(got, "emails"))["display"], "x")
		}},
		entry{270, Iop, "a filter that matches nothing makes the element", func(p *probe) {
			p.needAttributes("phoneNumbers")
			got := p.change(userPath(p.user(nil)), op("add", `phoneNumbers[type eq "mobile"].value`, "+1 201 555 0123"))
			p.holds("the number", first(objects(got, "phoneNumbers")), object{"type": "mobile", "value": "+1 201 555 0123"})
		}},
		entry{271, Def, "a path may begin with a URN", func(p *probe) {
			p.needEnterprise()
			got := p.change(userPath(p.user(nil)), op("add", enterpriseURN+":department", "d"))
			p.equal("department", at(got, enterpriseURN, "department"), "d")
		}},
		entry{272, Iop, "dotted and URN names in a value without path are paths", func(p *probe) {
			p.needEnterprise()
			got := p.change(userPath(p.user(nil)), op("add", "", object{"name.givenName": "x", enterpriseURN + ":department": "y"}))
			p.equal("name.givenName", at(got, "name", "givenName"), "x")
			p.equal("department", at(got, enterpriseURN, "department"), "y")
			p.want(got["name.givenName"] == nil, "the dotted name is stored as it is")
		}},
	))
}

func removeRequirements() []Requirement {
	return patched(section(
		"7644", "3.5.2.2",
		entry{273, Must, "a single value is removed", func(p *probe) {
			got := p.change(userPath(p.user(object{"title": "t"})), op("remove", "title"))
			p.want(!assigned(got["title"]), "title is %s", show(got["title"]))
		}},
		entry{274, Must, "without a filter all values are removed", func(p *probe) {
			got := p.change(userPath(p.mailed()), op("remove", "emails"))
			p.want(!assigned(got["emails"]), "emails is %s", show(got["emails"]))
			g := p.group(p.user(nil), p.user(nil))
			p.status(p.patch(groupPath(g), op("remove", "members")), http.StatusOK, http.StatusNoContent)
			p.want(len(p.memberIDs(g)) == 0, "members are left")
		}},
		entry{275, Def, "with a filter what matches is removed", func(p *probe) {
			a, b := p.user(nil), p.user(nil)
			g := p.group(a, b)
			p.status(p.patch(groupPath(g), op("remove", `members[value eq "`+text(a["id"])+`"]`)), http.StatusOK, http.StatusNoContent)
			p.equal("members", p.memberIDs(g), []string{text(b["id"])})
		}},
		entry{276, Must, "a sub-attribute of what matches is removed", func(p *probe) {
			value := p.name("m")
			u := p.user(object{"emails": []object{{"value": value, "type": "work", "display": "d"}}})
			e := first(objects(p.change(userPath(u), op("remove", `emails[type eq "work"].display`)), "emails"))
			p.equal("value", e["value"], value)
			p.want(e["display"] == nil, "display is %s", show(e["display"]))
		}},
		entry{277, Must, "with its last element an attribute is unassigned", func(p *probe) {
			u := p.mailed()
			got := p.change(userPath(u), op("remove", `emails[type eq "work"]`))
			p.want(!assigned(got["emails"]), "emails is %s", show(got["emails"]))
			p.needs("filter")
			p.want(len(p.find(`userName eq "`+text(u["userName"])+`" and emails pr`)) == 0, "emails pr holds")
		}},
		entry{278, Must, "what is required or read-only cannot be removed", func(p *probe) {
			u := p.user(nil)
			p.refused(p.patch(userPath(u), op("remove", "userName")), http.StatusBadRequest, "mutability")
			p.refused(p.patch(userPath(u), op("remove", "id")), http.StatusBadRequest, "mutability")
		}},
		entry{279, Iop, "remove with a list of members removes those only", func(p *probe) {
			a, b := p.user(nil), p.user(nil)
			g := p.group(a, b)
			p.status(p.patch(groupPath(g), op("remove", "members", memberValues(a))), http.StatusOK, http.StatusNoContent)
			p.equal("members", p.memberIDs(g), []string{text(b["id"])})
		}},
		entry{280, Iop, "removing what is not there changes nothing", func(p *probe) {
			u := p.user(nil)
			p.refusedOr(p.patch(userPath(u), op("remove", "title")), http.StatusBadRequest, "noTarget")
			p.equal("meta.lastModified", at(p.read(userPath(u)), "meta", "lastModified"), at(u, "meta", "lastModified"))
			g := p.read(groupPath(p.group(u)))
			p.refusedOr(p.patch(groupPath(g), op("remove", `members[value eq "none"]`)), http.StatusBadRequest, "noTarget")
			p.equal("the group", p.read(groupPath(g)), g)
		}},
		entry{281, Def, "an extension is removed with its URN", func(p *probe) {
			p.needEnterprise()
			u := p.user(object{enterpriseURN: object{"department": "d"}})
			got := p.change(userPath(u), op("remove", enterpriseURN))
			p.want(!assigned(got[enterpriseURN]), "its data is left")
			p.want(!slices.Contains(texts(got["schemas"]), enterpriseURN), "its URN is left")
		}},
	))
}

func replaceRequirements() []Requirement {
	return patched(section(
		"7644", "3.5.2.3",
		entry{282, Def, "without a path what is named is replaced, the rest stays", func(p *probe) {
			u := p.mailed()
			got := p.change(userPath(u), op("replace", "", object{"title": "t"}))
			p.equal("title", got["title"], "t")
			p.equal("emails", got["emails"], u["emails"])
		}},
		entry{283, Must, "replacing what is absent adds it", func(p *probe) {
			p.equal("title", p.change(userPath(p.user(nil)), op("replace", "title", "t"))["title"], "t")
		}},
		entry{284, Def, "sub-attributes that are not named stay", func(p *probe) {
			u := p.user(object{"name": object{"familyName": "f", "givenName": "g"}})
			got := p.change(userPath(u), op("replace", "name", object{"givenName": "x"}))
			p.holds("name", got["name"], object{"familyName": "f", "givenName": "x"})
		}},
		entry{285, Def, "without a filter the whole list is replaced", func(p *probe) {
			mail := p.name("c")
			got := p.change(userPath(p.mailed()), op("replace", "emails", []object{{"value": mail, "type": "home"}}))
			p.equal("emails", column(objects(got, "emails"), "value"), []string{mail})
		}},
		entry{286, Def, "replacing with an empty list empties", func(p *probe) {
			g := p.group(p.user(nil))
			p.status(p.patch(groupPath(g), op("replace", "members", []object{})), http.StatusOK, http.StatusNoContent)
			p.want(len(p.memberIDs(g)) == 0, "members are left")
		}},
		entry{287, Must, "with a filter all that matches is replaced", func(p *probe) {
			p.needAttributes("phoneNumbers")
			u := p.user(object{"phoneNumbers": []object{
				{"value": "+1 201 555 0101", "type": "work"}, {"value": "+1 201 555 0102", "type": "work"}, {"value": "+1 201 555 0103", "type": "home"},
			}})
			got := p.change(userPath(u), op("replace", `phoneNumbers[type eq "work"].display`, "x"))
			p.want(len(objects(got, "phoneNumbers")) == 3, "there are %d numbers, want 3", len(objects(got, "phoneNumbers")))
			for _, n := range objects(got, "phoneNumbers") {
				p.want((n["display"] == "x") == (n["type"] == "work"), "a number is %s", show(n))
			}
		}},
		entry{288, Must, "a filter without match is refused with noTarget", func(p *probe) {
			a := p.patch(userPath(p.mailed()), op("replace", `emails[type eq "nonexistent"].value`, p.name("x")))
			p.refused(a, http.StatusBadRequest, "noTarget")
		}},
		entry{289, Iop, "but a filter on a usual type makes the element", func(p *probe) {
			p.needAttributes("phoneNumbers")
			got := p.change(userPath(p.user(nil)), op("replace", `phoneNumbers[type eq "work"].value`, "+1 201 555 0123"))
			p.holds("the number", first(objects(got, "phoneNumbers")), object{"type": "work", "value": "+1 201 555 0123"})
		}},
		entry{290, Def, "an element that matches is replaced by an object", func(p *probe) {
			p.needAttributes("addresses")
			u := p.user(object{"addresses": []object{{"type": "work", "locality": "A"}, {"type": "home", "locality": "B"}}})
			got := p.change(userPath(u), op("replace", `addresses[type eq "work"]`, object{"type": "work", "locality": "X"}))
			p.want(sameSet(column(objects(got, "addresses"), "locality"), []string{"X", "B"}), "addresses is %s", show(got["addresses"]))
		}},
		entry{291, Def, "renaming a group without path leaves its members", func(p *probe) {
			u := p.user(nil)
			g := p.group(u)
			name := p.title("renamed")
			got := p.change(groupPath(g), op("replace", "", object{"id": g["id"], "displayName": name}))
			p.equal("displayName", got["displayName"], name)
			p.equal("members", column(objects(got, "members"), "value"), []string{text(u["id"])})
		}},
		entry{292, Def, "null unassigns", func(p *probe) {
			got := p.change(userPath(p.user(object{"title": "t"})), op("replace", "title", nil))
			p.want(!assigned(got["title"]), "title is %s", show(got["title"]))
		}},
	))
}

// mailed makes a person with one e-mail, of type work.
func (p *probe) mailed() object {
	p.needAttributes("emails")
	return p.user(object{"emails": []object{{"value": p.name("m"), "type": "work"}}})
}
