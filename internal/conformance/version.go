package conformance

import (
	"net/http"
	"net/url"
	"strings"
)

// RFC 7644 §3.13 and §3.14: versions of the protocol and of resources.

func versionRequirements() []Requirement {
	return join(section(
		"7644", "3.13",
		entry{334, Should, "without a version the newest is used", func(p *probe) {
			p.unversioned()
		}},
		entry{335, Must, "the version stands right before the endpoint", func(p *probe) {
			if strings.HasSuffix(p.c.base.Path, "/v2") {
				p.list("/Users", "count", "1")
				return
			}
			a := p.get("/v2/Users?count=1")
			if a.status == http.StatusNotFound {
				p.skip("the server offers no /v2 below this base")
			}
			p.status(a, http.StatusOK)
		}},
		entry{336, Must, "an unknown version is refused", func(p *probe) {
			a := p.get(p.sibling("/v9") + "/Users?count=1")
			if a.status == http.StatusNotFound {
				return
			}
			p.refused(a, http.StatusBadRequest, "invalidVers")
		}},
		entry{337, Must, "links with and without version mean the same", func(p *probe) {
			unversioned := p.unversioned()
			u := p.user(nil)
			p.equal("the id", p.read(unversioned + userPath(u))["id"], u["id"])
		}},
	), etagRequirements())
}

// sibling returns the base with another version in place of its own, or appended where it has none.
func (p *probe) sibling(version string) string {
	base := *p.c.base
	base.Path = strings.TrimSuffix(base.Path, "/v2") + version
	return (&url.URL{Scheme: base.Scheme, Host: base.Host, Path: base.Path}).String()
}

// unversioned returns the base without its version, or skips the check where there is none or nothing answers.
func (p *probe) unversioned() string {
	if !strings.HasSuffix(p.c.base.Path, "/v2") {
		p.skip("the base has no version")
	}
	base := p.sibling("")
	a := p.send(call{method: http.MethodGet, path: base + "/Users?count=1", unaudited: true})
	if !p.stopped() && a.status >= 300 && a.status < 500 {
		p.skip("the server offers no base without version (%d)", a.status)
	}
	p.status(a, http.StatusOK)
	return base
}

func etagRequirements() []Requirement {
	list := section(
		"7644", "3.14",
		entry{338, Must, "answers with a resource have an ETag", func(p *probe) {
			a := p.post("/Users", p.person(nil))
			path := userPath(a.body)
			b, c := p.put(path, core(a.body, object{"title": "t"})), p.get(path)
			for _, a := range []answer{a, b, c} {
				p.want(p.stopped() || a.status == http.StatusNoContent || a.headerValue("ETag") != "", "the answer to %s has none", a.call.method)
			}
		}},
		entry{339, Should, "meta.version is the ETag", func(p *probe) {
			a := p.post("/Users", p.person(nil))
			p.equal("meta.version", at(a.body, "meta", "version"), a.headerValue("ETag"))
		}},
		entry{340, Def, "If-None-Match with the current version is answered 304", func(p *probe) {
			path, tag := p.tagged()
			a := p.conditional(http.MethodGet, path, nil, "If-None-Match", tag)
			p.status(a, http.StatusNotModified)
			p.want(len(a.raw) == 0, "there is a body")
		}},
		entry{341, Def, "If-Match with an old version is answered 412 and changes nothing", func(p *probe) {
			u := p.user(nil)
			path, old := userPath(u), text(at(u, "meta", "version"))
			p.replace(path, core(u, object{"title": "new"}))
			p.refused(p.conditional(http.MethodPut, path, core(u, object{"title": "newer"}), "If-Match", old), http.StatusPreconditionFailed)
			p.refused(p.conditional(http.MethodDelete, path, nil, "If-Match", old), http.StatusPreconditionFailed)
			if yes, known := p.announces("patch", "supported"); yes || !known {
				body := object{"schemas": []string{patchURN}, "Operations": []object{op("replace", "title", "newer")}}
				p.refused(p.conditional(http.MethodPatch, path, body, "If-Match", old), http.StatusPreconditionFailed)
			}
			p.equal("title", p.read(path)["title"], "new")
		}},
		entry{342, Def, "If-Match with the current version or * is let through", func(p *probe) {
			u := p.user(nil)
			tag := p.get(userPath(u)).headerValue("ETag")
			p.status(p.conditional(http.MethodPut, userPath(u), core(u, object{"title": "a"}), "If-Match", tag), http.StatusOK, http.StatusNoContent)
			p.status(p.conditional(http.MethodPut, userPath(u), core(u, object{"title": "b"}), "If-Match", "*"), http.StatusOK, http.StatusNoContent)
		}},
		entry{343, Def, "the version changes with every change and only then", func(p *probe) {
			u := p.user(object{"title": "a"})
			path, tag := userPath(u), p.get(userPath(u)).headerValue("ETag")
			p.replace(path, core(u, object{"title": "b"}))
			changed := p.get(path).headerValue("ETag")
			p.want(p.stopped() || changed != tag, "it is the same after a change")
			p.needs("patch")
			p.change(path, op("replace", "title", "b"))
			p.equal("the version after a change to what was there", p.get(path).headerValue("ETag"), changed)
		}},
		entry{344, Iop, "of two writers with one version one wins", func(p *probe) {
			u := p.user(nil)
			tag := p.get(userPath(u)).headerValue("ETag")
			counts := p.together(2, func() answer {
				title := "writer-" + p.name("w")
				return p.conditional(http.MethodPut, userPath(u), core(u, object{"title": title}), "If-Match", tag)
			})
			won := counts[http.StatusOK] + counts[http.StatusNoContent]
			p.want(won == 1 && counts[http.StatusPreconditionFailed] == 1, "the answers by status are %v", counts)
		}},
	)
	for i, r := range list {
		list[i].Check = within(r.Check, "etag")
	}
	return list
}

// tagged makes a person and returns path and ETag.
func (p *probe) tagged() (path, tag string) {
	path = userPath(p.user(nil))
	tag = p.get(path).headerValue("ETag")
	p.want(tag != "", "there is no ETag")
	return path, tag
}

func (p *probe) conditional(method, path string, body any, header, tag string) answer {
	return p.send(call{method: method, path: path, body: body, header: map[string]string{header: tag}})
}
