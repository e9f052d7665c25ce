package conformance

import (
	"net/http"
	"slices"
	"strings"
)

// RFC 7643 §5 to §9: what a server says of itself.

func describedRequirements() []Requirement {
	return join(configRequirements(), typesRequirements(), definitionRequirements(), section(
		"7643", "8",
		entry{123, Must, "every body is UTF-8 JSON without a name twice", audited(ruleJSON)},
		entry{124, Iop, "passwords and tokens are in no log", unseen(needsStore)},
	))
}

func configRequirements() []Requirement {
	return section(
		"7643", "5",
		entry{106, Must, "ServiceProviderConfig has all that it must have", func(p *probe) {
			c := p.read("/ServiceProviderConfig")
			for _, feature := range []string{"patch", "bulk", "filter", "changePassword", "sort", "etag"} {
				_, ok := at(c, feature, "supported").(bool)
				p.want(ok, "%s.supported is %s", feature, show(at(c, feature, "supported")))
			}
			for _, limit := range [][]string{{"bulk", "maxOperations"}, {"bulk", "maxPayloadSize"}, {"filter", "maxResults"}} {
				_, ok := integer(at(c, limit...))
				p.want(ok, "%s is %s", strings.Join(limit, "."), show(at(c, limit...)))
			}
			p.want(assigned(c["authenticationSchemes"]), "authenticationSchemes is missing")
		}},
		entry{107, Must, "authentication schemes have type, name and description", func(p *probe) {
			kinds := []string{"oauth", "oauth2", "oauthbearertoken", "httpbasic", "httpdigest"}
			for _, s := range objects(p.read("/ServiceProviderConfig"), "authenticationSchemes") {
				p.want(slices.Contains(kinds, text(s["type"])), "type is %s", show(s["type"]))
				p.want(text(s["name"]) != "" && text(s["description"]) != "", "name or description is missing in %s", show(s))
			}
		}},
		entry{108, Should, "the ways to authenticate can be read without a token, or policy says 401", func(p *probe) {
			a := p.send(call{method: http.MethodGet, path: "/ServiceProviderConfig", anonymous: true})
			p.status(a, http.StatusOK, http.StatusUnauthorized)
		}},
		entry{109, Def, "what is announced is true", func(p *probe) {
			if yes, _ := p.announces("patch", "supported"); yes {
				p.change(userPath(p.user(nil)), op("replace", "title", "t"))
			}
			if yes, known := p.announces("bulk", "supported"); known && !yes {
				p.status(p.post("/Bulk", object{"schemas": []string{bulkURN}, "Operations": []object{}}), http.StatusNotImplemented, http.StatusNotFound)
			}
		}},
		entry{110, Def, "its meta.resourceType is ServiceProviderConfig", func(p *probe) {
			p.equal("meta.resourceType", at(p.read("/ServiceProviderConfig"), "meta", "resourceType"), "ServiceProviderConfig")
		}},
	)
}

func typesRequirements() []Requirement {
	return section(
		"7643", "6",
		entry{111, Must, "a resource type has name, endpoint and a schema that can be read", func(p *probe) {
			for _, t := range p.types() {
				p.want(text(t["name"]) != "" && text(t["endpoint"]) != "", "name or endpoint is missing in %s", show(t))
				p.equal("id of its schema", p.read("/Schemas/" + text(t["schema"]))["id"], t["schema"])
			}
		}},
		entry{112, Must, "schema extensions name their schema and whether they are required", func(p *probe) {
			for _, t := range p.types() {
				for _, e := range objects(t, "schemaExtensions") {
					_, ok := e["required"].(bool)
					p.want(ok && text(e["schema"]) != "", "an extension of %s is %s", text(t["name"]), show(e))
				}
			}
		}},
		entry{113, Def, "an endpoint appended to the base answers", func(p *probe) {
			for _, t := range p.types() {
				p.list("/"+strings.TrimPrefix(text(t["endpoint"]), "/"), "count", "1")
			}
		}},
		entry{114, Must, "a required extension must be sent", func(p *probe) {
			user, _ := p.resourceType(userURN)
			for _, e := range objects(user, "schemaExtensions") {
				if e["required"] == true {
					p.refused(p.post("/Users", p.person(nil)), http.StatusBadRequest, "invalidValue")
					return
				}
			}
			p.skip("no extension of people is required")
		}},
		entry{115, Def, "meta.resourceType is the name of a resource type", func(p *probe) {
			kind := text(at(p.user(nil), "meta", "resourceType"))
			p.want(slices.Contains(column(p.types(), "name"), kind), "%q is not among them", kind)
		}},
	)
}

func definitionRequirements() []Requirement {
	return section(
		"7643", "7",
		entry{116, Def, "a schema's id is its URN", func(p *probe) {
			for _, s := range p.definitions() {
				p.equal("id", p.read("/Schemas/" + text(s["id"]))["id"], s["id"])
			}
		}},
		entry{117, Must, "every attribute states its characteristics", func(p *probe) {
			p.eachAttribute(func(path string, a object) {
				for _, name := range []string{"name", "type", "multiValued", "required", "mutability", "returned"} {
					_, ok := a[name]
					p.want(ok, "%s does not state %s", path, name)
				}
			})
		}},
		entry{118, Should, "complex attributes have sub-attributes", func(p *probe) {
			p.eachAttribute(func(path string, a object) {
				p.want(a["type"] != "complex" || assigned(a["subAttributes"]), "%s has none", path)
			})
		}},
		entry{119, Def, "references say to what", func(p *probe) {
			p.eachAttribute(func(path string, a object) {
				_, ok := a["referenceTypes"].([]any)
				p.want(a["type"] != "reference" || ok, "%s has no referenceTypes", path)
			})
		}},
		entry{120, Def, "what the User schema says can be written can be written and read", describedIsDone},
		entry{121, Must, "messages are not among the schemas", func(p *probe) {
			for _, s := range p.definitions() {
				p.want(!strings.HasPrefix(text(s["id"]), messagePrefix), "%s is listed", text(s["id"]))
			}
		}},
		entry{122, Iop, "schemas hold no null", func(p *probe) {
			p.definitions()
			p.want(!holdsNull(p.schemas().body), "there is a null")
		}},
	)
}

// types returns the resource types, which must be there.
func (p *probe) types() []object {
	a := p.resourceTypes()
	p.status(a, http.StatusOK)
	list := objects(a.body, "Resources")
	if !p.stopped() && len(list) == 0 {
		p.failf("/ResourceTypes lists none")
	}
	return list
}

// describedIsDone sends a value for each simple string of the User schema that says it may be written and is
// returned.
func describedIsDone(p *probe) {
	p.definitions()
	sent := object{}
	for _, a := range p.attributes(userURN) {
		name := text(a["name"])
		plainString := a["type"] == "string" && a["multiValued"] != true && a["canonicalValues"] == nil
		if plainString && a["mutability"] == "readWrite" && a["returned"] == "default" && name != "userName" && name != "externalId" {
			sent[name] = "x"
		}
	}
	for name, value := range map[string]string{"preferredLanguage": "en-GB", "locale": "en-GB", "timezone": "Europe/Berlin"} {
		if _, ok := sent[name]; ok {
			sent[name] = value
		}
	}
	p.roundTrip(sent)
}

func holdsNull(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case []any:
		return slices.ContainsFunc(v, holdsNull)
	case object:
		for _, m := range v {
			if holdsNull(m) {
				return true
			}
		}
	}
	return false
}
