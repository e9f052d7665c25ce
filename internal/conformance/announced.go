package conformance

import (
	"net/http"
	"slices"
	"strings"
)

// What the server says of itself (RFC 7643 §5 to §7). Where it says nothing, the usual is assumed, so that a server
// without discovery fails the checks of discovery and no others.

// once returns an answer that is asked for once in a run.
func (p *probe) once(slot **answer, call call) answer {
	s := &p.c.stock
	s.mu.Lock()
	defer s.mu.Unlock()
	if *slot == nil {
		a := p.send(call)
		if p.stopped() {
			return a
		}
		*slot = &a
	}
	if !p.stopped() {
		p.trace.add(call, **slot, nil)
	}
	return **slot
}

func (p *probe) config() answer {
	return p.once(&p.c.stock.config, call{method: http.MethodGet, path: "/ServiceProviderConfig"})
}

func (p *probe) resourceTypes() answer {
	return p.once(&p.c.stock.types, call{method: http.MethodGet, path: "/ResourceTypes"})
}

func (p *probe) schemas() answer {
	return p.once(&p.c.stock.schema, call{method: http.MethodGet, path: "/Schemas"})
}

// unauthenticated returns the answer to a request without a token.
func (p *probe) unauthenticated() answer {
	return p.once(&p.c.stock.bare, call{method: http.MethodGet, path: "/Users?count=1", anonymous: true})
}

// wrongToken returns the answer to a request with a wrong token. It is sent once: servers count such requests.
func (p *probe) wrongToken() answer {
	return p.once(&p.c.stock.wrong, call{method: http.MethodGet, path: "/Users?count=1", token: "not-the-right-token"})
}

// announces tells whether ServiceProviderConfig says true under these names. known is false where it says nothing.
func (p *probe) announces(names ...string) (yes, known bool) {
	a := p.config()
	if a.status != http.StatusOK {
		return false, false
	}
	yes, known = at(a.body, names...).(bool)
	return yes, known
}

// needs skips the check where the server announces that it does not do a thing: patch, bulk, filter, sort, etag.
func (p *probe) needs(feature string) {
	if yes, known := p.announces(feature, "supported"); known && !yes {
		p.skip("the server announces that it does not support %s", feature)
	}
}

// needCursors skips the check unless the server announces cursors: most do not know RFC 9865.
func (p *probe) needCursors() {
	if yes, _ := p.announces("pagination", "cursor"); !yes {
		p.skip("the server announces no cursors (pagination.cursor)")
	}
}

// resourceType returns the ResourceType with a base schema.
func (p *probe) resourceType(schema string) (object, bool) {
	for _, t := range objects(p.resourceTypes().body, "Resources") {
		if strings.EqualFold(text(t["schema"]), schema) {
			return t, true
		}
	}
	return nil, false
}

func (p *probe) needGroups() {
	if _, ok := p.resourceType(groupURN); !ok && len(objects(p.resourceTypes().body, "Resources")) > 0 {
		p.skip("the server announces no resource type Group")
	}
}

func (p *probe) needEnterprise() {
	user, ok := p.resourceType(userURN)
	if !ok {
		return
	}
	for _, e := range objects(user, "schemaExtensions") {
		if strings.EqualFold(text(e["schema"]), enterpriseURN) {
			return
		}
	}
	p.skip("the server announces no enterprise extension")
}

// definitions returns the documents of /Schemas.
func (p *probe) definitions() []object {
	a := p.schemas()
	p.status(a, http.StatusOK)
	list := objects(a.body, "Resources")
	if !p.stopped() && len(list) == 0 {
		p.failf("/Schemas lists none")
	}
	return list
}

// attributes returns the attributes of one schema; nothing where the server does not describe it.
func (p *probe) attributes(schema string) []object {
	for _, s := range objects(p.schemas().body, "Resources") {
		if strings.EqualFold(text(s["id"]), schema) {
			return objects(s, "attributes")
		}
	}
	return nil
}

// needAttributes skips the check where the server describes its User and these attributes are not in it: a server
// need not have all of them.
func (p *probe) needAttributes(names ...string) {
	all := p.attributes(userURN)
	if len(all) == 0 {
		return
	}
	for _, n := range names {
		if !slices.ContainsFunc(all, func(a object) bool { return strings.EqualFold(text(a["name"]), n) }) {
			p.skip("the server's User has no attribute %s", n)
		}
	}
}

// custom is a simple attribute of a person that a server has on top of the RFCs, such as one of type integer.
type custom struct{ schema, name string }

// body returns a person's members with the attribute set.
func (c custom) body(value any) object {
	if c.schema == userURN {
		return object{c.name: value}
	}
	return object{"schemas": []string{userURN, c.schema}, c.schema: object{c.name: value}}
}

// in returns the attribute's value in a person.
func (c custom) in(u object) any {
	if c.schema == userURN {
		return u[c.name]
	}
	return at(u, c.schema, c.name)
}

// path addresses the attribute in filters, in PATCH and in attributes=.
func (c custom) path() string { return c.schema + ":" + c.name }

// needCustom finds a single-valued attribute of people that is as asked for, or skips the check.
func (p *probe) needCustom(what string, fits func(attribute object) bool) custom {
	for _, schema := range p.personSchemas() {
		for _, a := range p.attributes(schema) {
			if a["multiValued"] != true && a["type"] != "complex" && fits(a) {
				return custom{schema, text(a["name"])}
			}
		}
	}
	p.skip("no schema of the server's people has %s", what)
	return custom{}
}

// personSchemas returns the base schema of people and its extensions.
func (p *probe) personSchemas() []string {
	urns := []string{userURN}
	if user, ok := p.resourceType(userURN); ok {
		for _, e := range objects(user, "schemaExtensions") {
			urns = append(urns, text(e["schema"]))
		}
	}
	return urns
}

// writable tells whether clients may set an attribute of the type.
func writable(kind string) func(object) bool {
	return func(a object) bool { return a["type"] == kind && text(a["mutability"]) == "readWrite" }
}
