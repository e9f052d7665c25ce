package conformance

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// RFC 7643 §3: schemas, the common attributes, extensions.

func schemasRequirements() []Requirement {
	return join(section(
		"7643", "3",
		entry{41, Must, "every representation names its schemas", audited(ruleSchemas)},
		entry{42, Must, "schemas holds the base schema", func(p *probe) {
			p.want(slices.Contains(texts(p.read(userPath(p.user(nil)))["schemas"]), userURN), "%s is missing", userURN)
		}},
		entry{43, Must, "schemas names an extension exactly while it has data", func(p *probe) {
			p.needEnterprise()
			u := p.user(object{enterpriseURN: object{"department": "d"}})
			p.want(slices.Contains(texts(u["schemas"]), enterpriseURN), "the extension's URN is missing")
			p.needs("patch")
			got := p.change(userPath(u), op("remove", enterpriseURN+":department"))
			p.want(!slices.Contains(texts(got["schemas"]), enterpriseURN), "the extension's URN stays though its data is gone")
		}},
		entry{44, Must, "schemas holds only what the resource type announces", func(p *probe) {
			known := p.personSchemas()
			for _, s := range texts(p.read(userPath(p.user(nil)))["schemas"]) {
				p.want(slices.Contains(known, s), "%s is not of the resource type", s)
			}
		}},
		entry{45, Must, "schemas names nothing twice", func(p *probe) {
			u := p.user(object{"schemas": []string{userURN, userURN}})
			p.equal("schemas", p.read(userPath(u))["schemas"], []string{userURN})
		}},
		entry{46, Must, "the order of schemas means nothing", func(p *probe) {
			p.needEnterprise()
			p.user(object{"schemas": []string{enterpriseURN, userURN}, enterpriseURN: object{"department": "d"}})
		}},
		entry{47, Iop, "missing and foreign URNs in schemas are forgiven", func(p *probe) {
			p.status(p.post("/Users", object{"userName": p.name("none")}), http.StatusCreated)
			p.user(object{"schemas": []string{userURN, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/User"}})
		}},
	))
}

func commonRequirements() []Requirement {
	return join(idRequirements(), metaRequirements(), extensionRequirements())
}

func idRequirements() []Requirement {
	return section(
		"7643", "3.1",
		entry{48, Must, "ids are there and unique over all resource types", audited(ruleUniqueID)},
		entry{49, Must, "an id stays", func(p *probe) {
			u := p.user(nil)
			p.equal("id when read", p.read(userPath(u))["id"], u["id"])
			p.equal("id after PUT", p.replace(userPath(u), object{"schemas": u["schemas"], "userName": u["userName"], "title": "t"})["id"], u["id"])
			p.needs("patch")
			p.equal("id after PATCH", p.change(userPath(u), op("replace", "title", "t2"))["id"], u["id"])
		}},
		entry{50, Must, "the client does not choose the id", func(p *probe) {
			p.want(text(p.user(object{"id": "abc"})["id"]) != "abc", "the client's id was taken")
		}},
		entry{51, Must, "no id contains bulkId", audited(ruleBulkID)},
		entry{52, Must, "an id is never given again", func(p *probe) {
			u := p.user(nil)
			p.status(p.delete(userPath(u)), http.StatusNoContent)
			again := p.user(object{"userName": u["userName"]})
			p.want(p.stopped() || text(again["id"]) != text(u["id"]), "the new person has the id of the deleted one")
		}},
		entry{53, Def, "the id is always returned", func(p *probe) {
			u := p.user(nil)
			p.equal("id", p.read(userPath(u) + "?attributes=userName")["id"], u["id"])
		}},
		entry{54, Must, "the server invents no externalId", func(p *probe) {
			p.want(!assigned(p.read(userPath(p.user(nil)))["externalId"]), "there is one that was not sent")
		}},
		entry{55, Must, "an externalId belongs to its tenant", unseen(needsTenant)},
		entry{56, Def, "an externalId is kept and can be searched for", func(p *probe) {
			id := "E-1-" + p.c.run
			u := p.user(object{"externalId": id})
			p.equal("externalId", u["externalId"], id)
			p.needs("filter")
			p.findable(`externalId eq "`+id+`"`, u)
		}},
	)
}

func metaRequirements() []Requirement {
	etag := regexp.MustCompile(`^(W/)?"[^"]+"$`)
	return section(
		"7643", "3.1",
		entry{57, Must, "the server sets meta.resourceType", func(p *probe) {
			p.equal("meta.resourceType", at(p.user(object{"meta": object{"resourceType": "Group"}}), "meta", "resourceType"), "User")
		}},
		entry{58, Must, "meta from clients is ignored", func(p *probe) {
			mine := object{"created": "2001-01-01T00:00:00Z", "lastModified": "2001-01-01T00:00:00Z", "location": "https://x.example.com/", "version": `W/"mine"`}
			u := p.user(object{"meta": mine})
			got := p.replace(userPath(u), object{"schemas": u["schemas"], "userName": u["userName"], "meta": mine})
			for name, v := range mine {
				p.want(!same(at(u, "meta", name), v), "meta.%s was taken from POST", name)
				p.want(!same(at(got, "meta", name), v), "meta.%s was taken from PUT", name)
			}
		}},
		entry{59, Must, "meta.created is a dateTime and never changes", func(p *probe) {
			u := p.user(nil)
			_, ok := instant(at(u, "meta", "created"))
			p.want(ok, "meta.created is %s", show(at(u, "meta", "created")))
			got := p.replace(userPath(u), object{"schemas": u["schemas"], "userName": u["userName"], "title": "t"})
			p.equal("meta.created", at(got, "meta", "created"), at(u, "meta", "created"))
		}},
		entry{60, Must, "at first meta.lastModified is meta.created", func(p *probe) {
			u := p.user(nil)
			created, ok1 := instant(at(u, "meta", "created"))
			modified, ok2 := instant(at(u, "meta", "lastModified"))
			p.want(ok1 && ok2 && created.Equal(modified), "meta is %s", show(u["meta"]))
		}},
		entry{61, Def, "meta.lastModified advances on a change", func(p *probe) {
			u := p.user(nil)
			before, _ := instant(at(u, "meta", "lastModified"))
			var after time.Time
			for i, title := range []string{"a", "b", "c"} {
				if i > 0 {
					p.pause(600 * time.Millisecond) // a server that keeps whole seconds needs one to pass
				}
				after, _ = instant(at(p.replace(userPath(u), object{"schemas": u["schemas"], "userName": u["userName"], "title": title}), "meta", "lastModified"))
				if p.stopped() || after.After(before) {
					return
				}
			}
			p.failf("it was %s and is %s after three changes", before, after)
		}},
		entry{62, Must, "meta.lastModified stands still when nothing changes", func(p *probe) {
			p.needs("patch")
			u := p.user(object{"title": "t"})
			got := p.change(userPath(u), op("add", "title", "t"))
			p.equal("meta.lastModified", at(got, "meta", "lastModified"), at(u, "meta", "lastModified"))
		}},
		entry{63, Must, "meta.location is what Location and Content-Location say", func(p *probe) {
			a := p.post("/Users", p.person(nil))
			p.status(a, http.StatusCreated)
			p.equal("Location", a.headerValue("Location"), at(a.body, "meta", "location"))
			b := p.get(userPath(a.body))
			if where := b.headerValue("Content-Location"); where != "" {
				p.equal("Content-Location", where, at(b.body, "meta", "location"))
			}
		}},
		entry{64, Def, "meta.location is absolute and reads the resource", func(p *probe) {
			u := p.user(nil)
			location := text(at(u, "meta", "location"))
			p.want(strings.Contains(location, "://"), "meta.location is %q", location)
			p.equal("the id there", p.read(location)["id"], u["id"])
		}},
		entry{65, Def, "meta.version is the ETag", func(p *probe) {
			p.needs("etag")
			a := p.get(userPath(p.user(nil)))
			p.equal("meta.version", at(a.body, "meta", "version"), a.headerValue("ETag"))
		}},
		entry{66, Must, "a version is written as an entity tag, W/ in upper case", func(p *probe) {
			p.needs("etag")
			tag := p.get(userPath(p.user(nil))).headerValue("ETag")
			p.want(etag.MatchString(tag), "the ETag is %q", tag)
		}},
	)
}

func extensionRequirements() []Requirement {
	return section(
		"7643", "3.3",
		entry{67, Must, "resources of every type have id and meta", func(p *probe) {
			tried := false
			for _, t := range objects(p.resourceTypes().body, "Resources") {
				if slices.Contains([]string{userURN, groupURN}, text(t["schema"])) {
					continue
				}
				_, found := p.list(text(t["endpoint"]), "count", "1")
				for _, r := range found {
					tried = true
					p.want(text(r["id"]) != "" && assigned(r["meta"]), "a %s has no id or no meta", text(t["name"]))
				}
			}
			if !tried {
				p.skip("the server has no resources of types other than User and Group")
			}
		}},
		entry{68, Must, "an extension's data stands under its URN", func(p *probe) {
			p.needEnterprise()
			u := p.read(userPath(p.user(object{enterpriseURN: object{"department": "d"}})))
			p.equal("department under the URN", at(u, enterpriseURN, "department"), "d")
			p.want(u["department"] == nil, "department stands at the top as well")
		}},
		entry{69, Def, "an extension's attribute is addressed by URN", func(p *probe) {
			p.needs("filter")
			p.needEnterprise()
			department := "Dep-" + p.c.run
			u := p.user(object{enterpriseURN: object{"department": department}})
			p.findable(enterpriseURN+`:department eq "`+department+`"`, u)
		}},
		entry{70, Def, "an extension's names in bodies are taken in any case", func(p *probe) {
			p.needEnterprise()
			u := p.user(object{"schemas": []string{userURN, enterpriseURN}, strings.ToUpper(enterpriseURN): object{"DEPARTMENT": "x"}})
			p.equal("department", at(u, enterpriseURN, "department"), "x")
		}},
		entry{71, Iop, "an unknown extension is dropped or refused", func(p *probe) {
			a := p.post("/Users", p.person(object{"urn:example:unknown": object{}}))
			if p.refusedOr(a, http.StatusBadRequest, "invalidValue", "invalidSyntax") {
				p.want(a.body["urn:example:unknown"] == nil, "it is kept, though no schema knows it")
			}
		}},
	)
}

// headerValue returns a header of the answer, "" where there was none or no answer.
func (a answer) headerValue(name string) string { return a.header.Get(name) }

// pause waits for the server's clock to go on.
func (p *probe) pause(d time.Duration) {
	if p.stopped() {
		return
	}
	select {
	case <-time.After(d):
	case <-p.ctx.Done():
		p.stop(p.ctx.Err())
	}
}
