package conformance

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// RFC 7643 §2: attributes, their characteristics and their types.

func attributeRequirements() []Requirement {
	return join(section(
		"7643", "2.1",
		entry{1, Def, "attribute names in bodies are taken in any case and given in the schema's", func(p *probe) {
			u := p.post("/Users", `{"schemas":["`+userURN+`"],"USERNAME":"`+p.name("case")+`","Name":{"GIVENNAME":"b"}}`)
			p.status(u, http.StatusCreated)
			p.want(text(u.body["userName"]) != "", "userName is missing")
			p.equal("name.givenName", at(u.body, "name", "givenName"), "b")
		}},
		entry{2, Must, "names of attributes follow the grammar", func(p *probe) {
			name := regexp.MustCompile(`^[A-Za-z$][A-Za-z0-9_$-]*$`)
			p.eachAttribute(func(path string, a object) {
				p.want(name.MatchString(text(a["name"])), "%s has the name %q", path, text(a["name"]))
			})
		}},
		entry{3, Must, "each resource is an object with schemas", func(p *probe) {
			u := p.user(nil)
			for _, path := range []string{userPath(u), "/ServiceProviderConfig"} {
				p.want(len(texts(p.read(path)["schemas"])) > 0, "%s has no schemas", path)
			}
		}},
	), section(
		"7643", "2.2",
		entry{4, Def, "stated characteristics of attributes are among those that exist", statedCharacteristics},
		entry{5, Must, "what is always returned cannot be excluded", func(p *probe) {
			u := p.user(nil)
			got := p.read(userPath(u) + "?excludedAttributes=id,schemas")
			p.equal("id", got["id"], u["id"])
			p.want(len(texts(got["schemas"])) > 0, "schemas is missing")
		}},
		entry{6, Def, "a password is never sent back", passwordNeverReturned},
		entry{7, Def, "an attribute returned on request is left out until it is asked for", func(p *probe) {
			c := p.needCustom("a writable string that is returned on request only", func(a object) bool {
				return text(a["returned"]) == "request" && writable("string")(a)
			})
			u := p.user(c.body("x"))
			p.want(c.in(p.read(userPath(u))) == nil, "it is there without having been asked for")
			p.equal(c.name, c.in(p.read(userPath(u)+query("attributes", c.path()))), "x")
		}},
		entry{8, Must, "read-only attributes in POST are ignored", func(p *probe) {
			u := p.user(object{"id": "mine", "groups": []object{{"value": "x"}}, "meta": object{"created": "2000-01-01T00:00:00Z"}})
			p.want(text(u["id"]) != "mine", "the client's id was taken")
			p.want(!assigned(u["groups"]), "groups were taken from the client")
			created, ok := instant(at(u, "meta", "created"))
			p.want(ok && time.Since(created).Abs() < 48*time.Hour, "meta.created is %s", show(at(u, "meta", "created")))
		}},
		entry{9, Must, "read-only attributes in PUT are ignored", func(p *probe) {
			u := p.user(nil)
			body := object{
				"schemas": u["schemas"], "userName": u["userName"], "id": "other",
				"groups": []object{{"value": "x"}}, "meta": object{"created": "2000-01-01T00:00:00Z", "resourceType": "Group"},
			}
			got := p.replace(userPath(u), body)
			p.equal("id", got["id"], u["id"])
			p.equal("meta.created", at(got, "meta", "created"), at(u, "meta", "created"))
			p.want(!assigned(got["groups"]), "groups were taken from the client")
		}},
		entry{10, Must, "what is immutable cannot be changed once it is set", func(p *probe) {
			p.needs("patch")
			if a, ok := p.memberValue(); ok && text(a["mutability"]) != "immutable" {
				p.skip("the server's members.value is %s", text(a["mutability"]))
			}
			first, second := p.user(nil), p.user(nil)
			g := p.group(first)
			p.refused(p.patch(groupPath(g), op("replace", `members[value eq "`+text(first["id"])+`"].value`, second["id"])),
				http.StatusBadRequest, "mutability")
		}},
		entry{11, Must, "what is write-only is announced as never returned, and is not", func(p *probe) {
			p.eachAttribute(func(path string, a object) {
				if a["mutability"] == "writeOnly" {
					p.equal(path+" returned", a["returned"], "never")
				}
			})
			u := p.user(object{"password": p.c.pass})
			p.want(p.read(userPath(u) + "?attributes=password")["password"] == nil, "the password is returned")
		}},
		entry{12, Must, "no two people have one userName", func(p *probe) {
			u := p.user(nil)
			p.refused(p.post("/Users", p.person(object{"userName": u["userName"]})), http.StatusConflict, "uniqueness")
		}},
		entry{13, Must, "what is case-exact keeps its case", func(p *probe) {
			id := "AbC-" + p.c.run
			p.equal("externalId", p.read(userPath(p.user(object{"externalId": id})))["externalId"], id)
		}},
		entry{14, Must, "filters compare by the attribute's case-exactness", func(p *probe) {
			p.needs("filter")
			id := "AbC-14-" + p.c.run
			u := p.user(object{"externalId": id})
			found := p.find(`externalId eq "` + strings.ToLower(id) + `"`)
			p.want(len(found) == 0, "externalId is found in another case")
			p.findable(`userName eq "`+strings.ToUpper(text(u["userName"]))+`"`, u)
		}},
		entry{15, Must, "a required attribute must be there", func(p *probe) {
			p.refused(p.post("/Users", object{"schemas": []string{userURN}, "displayName": "x"}), http.StatusBadRequest, "invalidValue")
			p.needGroups()
			p.refused(p.post("/Groups", object{"schemas": []string{groupURN}}), http.StatusBadRequest, "invalidValue")
		}},
		entry{16, Must, "a required attribute must not be empty", func(p *probe) {
			for _, v := range []any{"", "  ", nil, []string{}} {
				p.refused(p.post("/Users", p.person(object{"userName": v})), http.StatusBadRequest, "invalidValue", "invalidSyntax")
			}
		}},
		entry{17, Def, "canonical values are suggestions", func(p *probe) {
			p.needAttributes("emails")
			u := p.user(object{"emails": []object{{"value": p.name("mail"), "type": "custom"}}})
			p.equal("emails type", column(objects(p.read(userPath(u)), "emails"), "type"), []string{"custom"})
		}},
	), typeRequirements(), multiValuedRequirements(), unassignedRequirements())
}

func typeRequirements() []Requirement {
	return section(
		"7643", "2.3",
		entry{18, Def, "strings hold any Unicode and come back unchanged", func(p *probe) {
			const all = "Grüße 🎉 עברית e\u0301 \u2028 \U0001F469\u200D\U0001F52C"
			p.equal("displayName", p.read(userPath(p.user(object{"displayName": all})))["displayName"], all)
			a := p.post("/Users", p.person(object{"displayName": "a\x00b"}))
			if p.refusedOr(a, http.StatusBadRequest) {
				p.equal("displayName with NUL", a.body["displayName"], "a\x00b")
			}
		}},
		entry{19, Def, "a boolean is true or false, not a string", func(p *probe) {
			p.equal("active", p.read(userPath(p.user(object{"active": true})))["active"], true)
		}},
		entry{20, Def, "a value of a wrong type is refused", func(p *probe) {
			for _, wrong := range []object{{"active": 5}, {"userName": object{}}, {"name": "x"}, {"emails": []int{1}}} {
				p.refused(p.post("/Users", p.person(wrong)), http.StatusBadRequest, "invalidValue", "invalidSyntax")
			}
		}},
		entry{21, Def, "a decimal is a JSON number", func(p *probe) {
			c := p.needCustom("a writable decimal", writable("decimal"))
			p.equal(c.name, c.in(p.read(userPath(p.user(c.body(1.5))))), 1.5)
		}},
		entry{22, Must, "an integer has neither fraction nor exponent", func(p *probe) {
			c := p.needCustom("a writable integer", writable("integer"))
			p.refused(p.post("/Users", p.person(c.body(1.5))), http.StatusBadRequest, "invalidValue", "invalidSyntax")
			p.equal(c.name, c.in(p.read(userPath(p.user(c.body(3))))), 3)
		}},
		entry{23, Must, "a dateTime has date, time and offset", func(p *probe) {
			dateTime := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`)
			created := text(at(p.read(userPath(p.user(nil))), "meta", "created"))
			p.want(dateTime.MatchString(created), "meta.created is %q", created)
		}},
		entry{24, Def, "a malformed dateTime is refused", func(p *probe) {
			c := p.needCustom("a writable dateTime", writable("dateTime"))
			p.refused(p.post("/Users", p.person(c.body("2020-13-01"))), http.StatusBadRequest, "invalidValue", "invalidSyntax")
		}},
		entry{25, Must, "binary is base64", func(p *probe) {
			p.needAttributes("x509Certificates")
			certificate := func(value string) object {
				return object{"x509Certificates": []object{{"value": value}}}
			}
			p.refused(p.post("/Users", p.person(certificate("%%%"))), http.StatusBadRequest, "invalidValue", "invalidSyntax")
			valid := base64.StdEncoding.EncodeToString([]byte{0x30, 0x03, 0x02, 0x01, 0x05})
			p.equal("value", column(objects(p.read(userPath(p.user(certificate(valid)))), "x509Certificates"), "value"), []string{valid})
		}},
		entry{26, Must, "references are URIs, meta.location an absolute one", func(p *probe) {
			u := p.user(nil)
			g := p.read(groupPath(p.group(u)))
			for _, ref := range []string{text(at(u, "meta", "location")), text(at(g, "meta", "location"))} {
				parsed, err := url.Parse(ref)
				p.want(err == nil && parsed.IsAbs(), "meta.location is %q", ref)
			}
			for _, m := range objects(g, "members") {
				_, err := url.Parse(text(m["$ref"]))
				p.want(err == nil, "$ref is %q", text(m["$ref"]))
			}
		}},
		entry{27, Must, "a $ref leads to the resource", func(p *probe) {
			u := p.user(nil)
			g := p.read(groupPath(p.group(u)))
			p.leadsTo(first(objects(g, "members")), u)
		}},
		entry{28, Def, "a relative $ref is taken and resolved against the base", func(p *probe) {
			u := p.user(nil)
			p.needGroups()
			a := p.post("/Groups", object{
				"schemas": []string{groupURN}, "displayName": p.title("relative"),
				"members": []object{{"value": u["id"], "$ref": "Users/" + text(u["id"])}},
			})
			p.status(a, http.StatusCreated)
			p.leadsTo(first(objects(p.read(groupPath(a.body)), "members")), u)
		}},
		entry{29, Must, "the order of sub-attributes means nothing", func(p *probe) {
			for _, name := range []string{`{"givenName":"a","familyName":"b"}`, `{"familyName":"b","givenName":"a"}`} {
				a := p.post("/Users", `{"name":`+name+`,"userName":"`+p.name("order")+`","schemas":["`+userURN+`"]}`)
				p.status(a, http.StatusCreated)
				p.holds("name", a.body["name"], object{"givenName": "a", "familyName": "b"})
			}
		}},
		entry{30, Must, "sub-attributes are not complex", func(p *probe) {
			for _, s := range p.definitions() {
				if strings.HasSuffix(text(s["id"]), ":core:2.0:Schema") {
					continue // it describes itself, which needs it
				}
				for _, a := range objects(s, "attributes") {
					for _, sub := range objects(a, "subAttributes") {
						p.want(sub["type"] != "complex", "%s.%s of %s is complex", text(a["name"]), text(sub["name"]), text(s["id"]))
					}
				}
			}
		}},
	)
}

func multiValuedRequirements() []Requirement {
	return section(
		"7643", "2.4",
		entry{31, Must, "at most one value is primary", func(p *probe) {
			p.needAttributes("emails")
			a := p.post("/Users", p.person(object{"emails": []object{
				{"value": p.name("a"), "type": "work", "primary": true}, {"value": p.name("b"), "type": "home", "primary": true},
			}}))
			if p.refusedOr(a, http.StatusBadRequest, "invalidValue") {
				p.want(len(primaries(a.body)) == 1, "%d e-mails are primary", len(primaries(a.body)))
			}
		}},
		entry{32, Must, "a missing primary can be asked for as false", func(p *probe) {
			p.needs("filter")
			p.user(object{"emails": []object{{"value": p.name("m"), "type": "work"}}})
			p.unharmed(p.get("/Users" + query("filter", "emails[primary eq false]", "count", "1")))
		}},
		entry{33, Must, "PATCH that makes one value primary unmakes the other", func(p *probe) {
			p.needs("patch")
			p.needAttributes("emails")
			second := p.name("b")
			u := p.user(object{"emails": []object{{"value": p.name("a"), "type": "work", "primary": true}}})
			got := p.change(userPath(u), op("add", "emails", []object{{"value": second, "type": "home", "primary": true}}))
			p.equal("the primary e-mails", primaries(got), []string{second})
		}},
		entry{34, Should, "no two elements have the same type and value", func(p *probe) {
			p.needAttributes("emails")
			mail := object{"value": p.name("twice"), "type": "work"}
			u := p.user(object{"emails": []object{mail, mail}})
			p.want(len(objects(p.read(userPath(u)), "emails")) == 1, "the element is kept twice")
		}},
		entry{35, May, "one value may stand under two types", func(p *probe) {
			p.needAttributes("emails")
			value := p.name("both")
			u := p.user(object{"emails": []object{{"value": value, "type": "work"}, {"value": value, "type": "home"}}})
			p.want(len(objects(p.read(userPath(u)), "emails")) == 2, "one of the two is lost")
		}},
		entry{36, Must, "display, type, primary and $ref are what they are everywhere", func(p *probe) {
			kinds := map[string]string{"display": "string", "type": "string", "primary": "boolean", "$ref": "reference"}
			for _, s := range p.definitions() {
				if !slices.Contains([]string{userURN, groupURN}, text(s["id"])) {
					continue
				}
				for _, a := range objects(s, "attributes") {
					for _, sub := range objects(a, "subAttributes") {
						kind, ok := kinds[text(sub["name"])]
						p.want(!ok || a["multiValued"] != true || sub["type"] == kind,
							"%s.%s is of type %s", text(a["name"]), text(sub["name"]), text(sub["type"]))
					}
				}
			}
		}},
		entry{37, Should, "a type is found by its canonical form", func(p *probe) {
			p.needs("filter")
			u := p.user(object{"emails": []object{{"value": p.name("t"), "type": "Work"}}})
			p.findable(`userName eq "`+text(u["userName"])+`" and emails[type eq "work"]`, u)
		}},
	)
}

func unassignedRequirements() []Requirement {
	return section(
		"7643", "2.5",
		entry{38, Must, "null, an empty array and absence are one state", func(p *probe) {
			u := p.user(object{"title": nil, "emails": []object{}})
			got := p.read(userPath(u))
			p.want(!assigned(got["title"]) && !assigned(got["emails"]), "title is %s, emails is %s", show(got["title"]), show(got["emails"]))
			p.needs("filter")
			p.want(len(p.find(`userName eq "`+text(u["userName"])+`" and title pr`)) == 0, "title pr holds")
		}},
		entry{39, Def, "assigning null or an empty array unassigns", func(p *probe) {
			more := object{"title": "t", "emails": []object{{"value": p.name("m"), "type": "work"}}}
			u := p.user(more)
			empty := object{"schemas": u["schemas"], "userName": u["userName"], "title": nil, "emails": []object{}}
			got := p.replace(userPath(u), empty)
			p.want(!assigned(got["title"]) && !assigned(got["emails"]), "after PUT title is %s, emails is %s", show(got["title"]), show(got["emails"]))
			p.needs("patch")
			u = p.user(object{"title": "t", "emails": []object{{"value": p.name("m"), "type": "work"}}})
			got = p.change(userPath(u), op("replace", "title", nil), op("replace", "emails", []object{}))
			p.want(!assigned(got["title"]) && !assigned(got["emails"]), "after PATCH title is %s, emails is %s", show(got["title"]), show(got["emails"]))
		}},
		entry{40, May, "clients may clear with null in PUT", func(p *probe) {
			u := p.user(object{"nickName": "n"})
			got := p.replace(userPath(u), object{"schemas": u["schemas"], "userName": u["userName"], "nickName": nil})
			p.want(!assigned(got["nickName"]), "nickName is %s", show(got["nickName"]))
		}},
	)
}

// eachAttribute visits all attributes of all schemas with their sub-attributes.
func (p *probe) eachAttribute(visit func(path string, a object)) {
	for _, s := range p.definitions() {
		for _, a := range objects(s, "attributes") {
			path := text(s["id"]) + ":" + text(a["name"])
			visit(path, a)
			for _, sub := range objects(a, "subAttributes") {
				visit(path+"."+text(sub["name"]), sub)
			}
		}
	}
}

func statedCharacteristics(p *probe) {
	allowed := map[string][]string{
		"type":       {"string", "boolean", "decimal", "integer", "dateTime", "binary", "reference", "complex"},
		"mutability": {"readOnly", "readWrite", "immutable", "writeOnly"},
		"returned":   {"always", "never", "default", "request"},
		"uniqueness": {"none", "server", "global"},
	}
	p.eachAttribute(func(path string, a object) {
		for name, values := range allowed {
			v, stated := a[name]
			p.want(!stated || slices.Contains(values, text(v)), "%s of %s is %s", name, path, show(v))
		}
		for _, name := range []string{"required", "caseExact", "multiValued"} {
			v, stated := a[name]
			_, isBool := v.(bool)
			p.want(!stated || isBool, "%s of %s is %s", name, path, show(v))
		}
	})
}

func passwordNeverReturned(p *probe) {
	clean := func(a answer) {
		p.want(!strings.Contains(string(a.raw), p.c.pass), "the password is in the answer")
		p.want(a.body["password"] == nil, "there is a password in the answer")
	}
	a := p.post("/Users", p.person(object{"password": p.c.pass}))
	p.status(a, http.StatusCreated)
	clean(a)
	u := a.body
	byName := `userName eq "` + text(u["userName"]) + `"`
	clean(p.get(userPath(u) + "?attributes=password"))
	clean(p.get("/Users" + query("filter", byName)))
	clean(p.post("/Users/.search", object{"schemas": []string{searchURN}, "filter": byName, "attributes": []string{"password"}}))
	clean(p.put(userPath(u), object{"schemas": u["schemas"], "userName": u["userName"], "password": p.c.pass}))
	clean(p.patch(userPath(u), op("replace", "password", p.c.pass)))
}

// memberValue returns the definition of members.value, where the server gives one.
func (p *probe) memberValue() (object, bool) {
	for _, a := range p.attributes(groupURN) {
		for _, sub := range objects(a, "subAttributes") {
			if text(a["name"]) == "members" && text(sub["name"]) == "value" {
				return sub, true
			}
		}
	}
	return nil, false
}

// leadsTo fails the check unless the $ref of an element reads the resource.
func (p *probe) leadsTo(element, resource object) {
	ref := text(element["$ref"])
	if p.stopped() {
		return
	}
	if ref == "" {
		p.failf("there is no $ref in %s", show(element))
		return
	}
	if !strings.Contains(ref, "://") {
		ref = "/" + strings.TrimPrefix(ref, "/")
	}
	p.equal("the id at "+ref, p.read(ref)["id"], resource["id"])
}

func first(list []object) object {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

// primaries returns the values of the e-mails that are primary.
func primaries(u object) []string {
	var found []string
	for _, e := range objects(u, "emails") {
		if e["primary"] == true {
			found = append(found, text(e["value"]))
		}
	}
	return found
}
