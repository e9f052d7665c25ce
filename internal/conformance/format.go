package conformance

import (
	"mime"
	"net/http"
	"strings"
)

// RFC 7644 §3.8 to §3.11: formats, notation, /Me.

func formatRequirements() []Requirement {
	return join(section(
		"7644", "3.8",
		entry{315, Must, "UTF-8 goes in and comes out", func(p *probe) {
			const name = "Žofie Müller 🎈"
			p.equal("displayName", p.read(userPath(p.user(object{"displayName": name})))["displayName"], name)
		}},
		entry{316, Must, "application/scim+json can be asked for", func(p *probe) {
			p.formatted("application/scim+json", "application/scim+json")
		}},
		entry{317, Should, "application/json can be asked for", func(p *probe) {
			p.formatted("application/json", "application/json", "application/scim+json")
		}},
		entry{318, Def, "without a wish the format is application/scim+json", func(p *probe) {
			p.formatted("", "application/scim+json")
			p.formatted("*/*", "application/scim+json")
		}},
		entry{319, Iop, "a format that there is not is answered 406, or the wish ignored", func(p *probe) {
			a := p.send(call{method: http.MethodGet, path: "/Users?count=1", header: map[string]string{"Accept": "text/html"}})
			p.refusedOr(a, http.StatusNotAcceptable)
			p.want(a.body != nil || p.stopped(), "the answer is no JSON")
		}},
		entry{320, Iop, "both content types are taken, with parameters", func(p *probe) {
			for _, kind := range []string{"application/scim+json; charset=utf-8", "application/json", "application/json;charset=UTF-8"} {
				p.status(p.typed(kind, p.person(nil)), http.StatusCreated)
			}
		}},
		entry{321, Iop, "other content types are answered 415, or forgiven", func(p *probe) {
			p.refusedOr(p.typed("text/plain", p.person(nil)), http.StatusUnsupportedMediaType)
		}},
		entry{322, Iop, "a body that is not UTF-8 is refused", func(p *probe) {
			body := `{"schemas":["` + userURN + `"],"userName":"` + p.name("bytes") + `","displayName":"` + "\xff\xfe" + `"}`
			p.refused(p.post("/Users", body), http.StatusBadRequest, "invalidSyntax", "invalidValue")
		}},
		entry{323, Iop, "a name that occurs twice smuggles nothing", func(p *probe) {
			p.needs("filter")
			a, b := p.name("dup"), p.name("dup")
			made := p.post("/Users", `{"schemas":["`+userURN+`"],"userName":"`+a+`","userName":"`+b+`"}`)
			if p.refusedOr(made, http.StatusBadRequest) {
				p.findable(`userName eq "`+text(made.body["userName"])+`"`, made.body)
			}
		}},
	), section(
		"7644", "3.10",
		entry{324, Def, "paths are taken in any case", func(p *probe) {
			p.needs("patch")
			got := p.change(userPath(p.user(nil)), op("replace", strings.ToUpper(userURN)+":NAME.GIVENNAME", "g"))
			p.equal("name.givenName", at(got, "name", "givenName"), "g")
		}},
	), section(
		"7644", "3.11",
		entry{325, Should, "/Me is served, or refused as not implemented", func(p *probe) {
			p.status(p.get("/Me"), http.StatusOK, http.StatusPermanentRedirect, http.StatusTemporaryRedirect,
				http.StatusNotImplemented, http.StatusNotFound, http.StatusForbidden)
		}},
		entry{326, Must, "/Me names the permanent URL", func(p *probe) {
			a := p.get("/Me")
			if a.status >= 400 {
				p.skip("the server serves no /Me for this token (%d)", a.status)
			}
			p.want(a.headerValue("Location") != "" || a.headerValue("Content-Location") != "", "there is no Location")
		}},
	))
}

// formatted fails the check unless a list asked for in one format comes in one of those that will do.
func (p *probe) formatted(accept string, kinds ...string) {
	a := p.send(call{method: http.MethodGet, path: "/Users?count=1", header: map[string]string{"Accept": accept}})
	p.status(a, http.StatusOK)
	media, _, err := mime.ParseMediaType(a.headerValue("Content-Type"))
	fits := false
	for _, k := range kinds {
		fits = fits || media == k
	}
	p.want(p.stopped() || err == nil && fits, "for Accept %q Content-Type is %q", accept, a.headerValue("Content-Type"))
}

// typed creates a person under a content type.
func (p *probe) typed(kind string, body object) answer {
	return p.send(call{method: http.MethodPost, path: "/Users", body: body, header: map[string]string{"Content-Type": kind}})
}
