package conformance

import (
	"net/http"
	"strconv"
	"strings"
)

// RFC 7644 §3.7: several operations in one request.

func bulkRequirements() []Requirement {
	list := join(bulkResultRequirements(), bulkReferenceRequirements(), bulkLimitRequirements())
	for i, r := range list {
		list[i].Check = within(r.Check, "bulk")
	}
	return append(list, section(
		"7644", "3.7",
		entry{313, Iop, "Bulk that is not supported is answered 501", func(p *probe) {
			if yes, known := p.announces("bulk", "supported"); !known || yes {
				p.skip("the server announces Bulk")
			}
			p.status(p.bulk(bulkPost("a", p.person(nil))), http.StatusNotImplemented, http.StatusNotFound)
		}},
		entry{314, Iop, "Bulk gives no more rights than single requests", unseen(needsTokens)},
	)...)
}

func bulkResultRequirements() []Requirement {
	return section(
		"7644", "3.7",
		entry{297, Must, "Bulk is answered 200 with a BulkResponse", func(p *probe) {
			a := p.bulk(bulkPost("a", p.person(nil)))
			p.status(a, http.StatusOK)
			p.equal("schemas", a.body["schemas"], []string{bulkAnswerURN})
		}},
		entry{298, Must, "every operation has its result", func(p *probe) {
			u := p.user(nil)
			results := p.bulked(
				bulkPost("a", p.person(nil)),
				object{"method": "PUT", "path": userPath(u), "data": core(u, object{"title": "t"})},
				object{"method": "DELETE", "path": userPath(u)},
			)
			p.want(len(results) == 3, "of 3 operations %d have a result", len(results))
		}},
		entry{299, Must, "a creation needs a bulkId", func(p *probe) {
			a := p.bulk(object{"method": "POST", "path": "/Users", "data": p.person(nil)})
			if a.status == http.StatusOK {
				p.want(bulkStatus(first(objects(a.body, "Operations"))) == http.StatusBadRequest, "the operation is not refused with 400")
				return
			}
			p.refused(a, http.StatusBadRequest)
		}},
		entry{300, Must, "every result but that of a failed creation has a location", func(p *probe) {
			u, other := p.user(nil), p.user(nil)
			results := p.bulked(
				bulkPost("a", p.person(nil)),
				object{"method": "PUT", "path": userPath(u), "data": core(u, object{"userName": other["userName"]})},
				object{"method": "DELETE", "path": userPath(other)},
			)
			for _, r := range results {
				p.want(text(r["location"]) != "", "a result has none: %s", show(r))
			}
		}},
		entry{301, Must, "a failed operation says why", func(p *probe) {
			u := p.user(nil)
			r := first(p.bulked(bulkPost("a", p.person(object{"userName": u["userName"]}))))
			p.want(bulkStatus(r) == http.StatusConflict, "status is %s", show(r["status"]))
			p.equal("response.scimType", at(r, "response", "scimType"), "uniqueness")
			p.equal("response.schemas", at(r, "response", "schemas"), []string{errorURN})
		}},
		entry{302, Must, "a failure does not stop the others", func(p *probe) {
			u := p.user(nil)
			results := p.bulked(bulkPost("bad", p.person(object{"userName": u["userName"]})), bulkPost("good", p.person(nil)))
			p.want(p.stopped() || statusOf(results, "good") == http.StatusCreated, "the good one has the status %d", statusOf(results, "good"))
		}},
		entry{303, Def, "after failOnErrors failures nothing more is done", func(p *probe) {
			u := p.user(nil)
			good := p.person(nil)
			a := p.post("/Bulk", object{
				"schemas": []string{bulkURN}, "failOnErrors": 1,
				"Operations": []object{bulkPost("bad", p.person(object{"userName": u["userName"]})), bulkPost("good", good)},
			})
			p.status(a, http.StatusOK)
			p.want(p.stopped() || statusOf(objects(a.body, "Operations"), "good") != http.StatusCreated, "the good one was done")
		}},
		entry{304, Must, "a creation's result has its bulkId and location", func(p *probe) {
			r := first(p.bulked(bulkPost("qwerty", p.person(nil))))
			p.equal("bulkId", r["bulkId"], "qwerty")
			p.want(text(r["location"]) != "", "there is no location")
		}},
	)
}

func bulkReferenceRequirements() []Requirement {
	return section(
		"7644", "3.7",
		entry{305, Must, "references to what is made before are resolved", func(p *probe) {
			p.needGroups()
			p.resolved(bulkPost("u", p.person(nil)), p.bulkGroup("g", "u"))
		}},
		entry{306, Def, "references to what is made after are resolved", func(p *probe) {
			p.needGroups()
			p.resolved(p.bulkGroup("g", "u"), bulkPost("u", p.person(nil)))
		}},
		entry{307, Must, "a circle of references is resolved, or refused with 409", func(p *probe) {
			p.needEnterprise()
			boss := func(of string) object {
				return p.person(object{enterpriseURN: object{"manager": object{"value": "bulkId:" + of}}})
			}
			for _, r := range p.bulked(bulkPost("a", boss("b")), bulkPost("b", boss("a"))) {
				status := bulkStatus(r)
				p.want(status == http.StatusCreated || status == http.StatusConflict, "a result is %s", show(r))
			}
		}},
		entry{308, Must, "references in extensions and paths are resolved", func(p *probe) {
			p.needEnterprise()
			results := p.bulked(
				bulkPost("boss", p.person(nil)),
				bulkPost("u", p.person(object{enterpriseURN: object{"manager": object{"value": "bulkId:boss"}}})),
				object{"method": "PATCH", "path": "/Users/bulkId:u", "data": object{
					"schemas": []string{patchURN}, "Operations": []object{op("replace", "title", "t")},
				}},
			)
			u := p.made(results, "u")
			p.equal("title", u["title"], "t")
			p.equal("manager", at(u, enterpriseURN, "manager", "value"), p.made(results, "boss")["id"])
		}},
		entry{309, Def, "a reference to nothing is an error", func(p *probe) {
			p.needGroups()
			status := bulkStatus(first(p.bulked(p.bulkGroup("g", "none"))))
			p.want(status >= 400 && status < 500, "the operation has the status %d", status)
		}},
	)
}

func bulkLimitRequirements() []Requirement {
	const (
		mostOperations = 20_000
		mostBytes      = 64 << 20
	)
	return section(
		"7644", "3.7",
		entry{310, Must, "more than maxOperations is answered 413 with the limit", func(p *probe) {
			limit, ok := integer(at(p.config().body, "bulk", "maxOperations"))
			if !ok || limit < 1 || limit > mostOperations {
				p.skip("bulk.maxOperations is %d, too many to try", limit)
			}
			if p.stopped() {
				return
			}
			gone := object{"method": "DELETE", "path": "/Users/" + p.unknownID()}
			ops := make([]object, limit+1)
			for i := range ops {
				ops[i] = gone
			}
			a := p.bulk(ops...)
			p.refused(a, http.StatusRequestEntityTooLarge)
			p.want(strings.Contains(text(a.body["detail"]), strconv.Itoa(limit)), "detail does not name the limit, %d", limit)
		}},
		entry{311, Must, "more than maxPayloadSize is answered 413", func(p *probe) {
			limit, ok := integer(at(p.config().body, "bulk", "maxPayloadSize"))
			if !ok || limit < 1 || limit > mostBytes {
				p.skip("bulk.maxPayloadSize is %d, too much to try", limit)
			}
			if p.stopped() {
				return
			}
			p.refused(p.bulk(bulkPost("a", p.person(object{"title": strings.Repeat("x", limit)}))), http.StatusRequestEntityTooLarge)
		}},
		entry{312, Def, "method and path are checked for each operation", func(p *probe) {
			results := p.bulked(object{"method": "GET", "path": "/Users"}, object{"method": "POST", "path": "/Nope", "bulkId": "n", "data": p.person(nil)})
			p.want(len(results) == 2, "of 2 operations %d have a result", len(results))
			for _, r := range results {
				status := bulkStatus(r)
				p.want(status >= 400 && status < 500 || status == http.StatusNotImplemented, "a result is %s", show(r))
			}
		}},
	)
}

func bulkPost(id string, data object) object {
	return object{"method": "POST", "path": "/Users", "bulkId": id, "data": data}
}

func (p *probe) bulkGroup(id, member string) object {
	return object{"method": "POST", "path": "/Groups", "bulkId": id, "data": object{
		"schemas": []string{groupURN}, "displayName": p.title("bulk"), "members": []object{{"value": "bulkId:" + member}},
	}}
}

func (p *probe) bulk(ops ...object) answer {
	return p.post("/Bulk", object{"schemas": []string{bulkURN}, "Operations": ops})
}

// bulked sends operations, which must be answered 200, and returns their results.
func (p *probe) bulked(ops ...object) []object {
	a := p.bulk(ops...)
	p.status(a, http.StatusOK)
	return objects(a.body, "Operations")
}

// byBulkID returns the result of a creation.
func byBulkID(results []object, id string) object {
	for _, r := range results {
		if text(r["bulkId"]) == id {
			return r
		}
	}
	return nil
}

func statusOf(results []object, id string) int { return bulkStatus(byBulkID(results, id)) }

// made reads what the operation with a bulkId has made.
func (p *probe) made(results []object, id string) object {
	if p.stopped() {
		return nil
	}
	r := byBulkID(results, id)
	if bulkStatus(r) != http.StatusCreated {
		p.failf("the creation %q has the result %s", id, show(r))
		return nil
	}
	location := text(r["location"])
	if path, ok := p.c.relative(location); ok {
		location = path
	}
	return p.read(location)
}

// resolved fails the check unless a person u and a group g of u come of the operations.
func (p *probe) resolved(ops ...object) {
	results := p.bulked(ops...)
	u, g := p.made(results, "u"), p.made(results, "g")
	p.equal("members", column(objects(g, "members"), "value"), []string{text(u["id"])})
}
