package conformance

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// RFC 7644 §3.4.2.2: filters, tried on the five (stock.go). A condition is tried among them, so that nobody else
// is touched however many people the server has.

func filterRequirements() []Requirement {
	list := join(operatorRequirements(), logicRequirements(), spellingRequirements(), refusedFilterRequirements(), scopeRequirements())
	for i, r := range list {
		list[i].Check = withFilters(r.Check)
	}
	return list
}

func operatorRequirements() []Requirement {
	return section(
		"7644", "3.4.2.2",
		entry{164, Def, "eq compares strings by their case-exactness", func(p *probe) {
			p.five()
			p.exactly(`userName eq "`+strings.ToUpper(p.fiveName(ada))+`"`, ada)
			p.exactly(`externalId eq "X-Ada-`+p.c.run+`"`, ada)
			p.exactly(`externalId eq "x-ada-` + p.c.run + `"`)
		}},
		entry{165, Def, "ne finds the others", func(p *probe) {
			p.matches(`userName ne "`+p.fiveName(bob)+`"`, ada, cyd, dan, eve)
		}},
		entry{166, Def, "co finds what contains", func(p *probe) {
			p.five()
			p.exactly(`userName co "`+p.c.run+`-five-cy"`, cyd)
		}},
		entry{167, Def, "sw finds what begins with, the whole included", func(p *probe) {
			p.five()
			p.exactly(`userName sw "`+p.fivePrefix()+`b"`, bob)
			p.exactly(`userName sw "`+p.fiveName(bob)+`"`, bob)
		}},
		entry{168, Def, "ew finds what ends with", func(p *probe) {
			p.five()
			p.exactly(`userName ew "`+p.c.run+`-five-eve@example.com"`, eve)
		}},
		entry{169, Def, "pr finds what has a value", func(p *probe) {
			p.matches(`title pr`, ada, bob, dan, eve)
			p.matches(`name pr`, ada, bob, cyd, dan, eve)
			p.matches(`name.givenName pr`, ada, cyd, eve)
			p.matches(`emails pr`, p.withMail()...)
		}},
		entry{170, Def, "dates are compared as instants", func(p *probe) {
			created, ok := instant(at(p.five()[ada], "meta", "created"))
			p.want(ok, "meta.created is %s", show(at(p.five()[ada], "meta", "created")))
			zone := time.FixedZone("", 5*3600)
			before, after := created.Add(-2*time.Second).In(zone).Format(time.RFC3339), created.Add(2*time.Second).In(zone).Format(time.RFC3339)
			me := `userName eq "` + p.fiveName(ada) + `" and meta.created `
			p.exactly(me+`gt "`+before+`"`, ada)
			p.exactly(me+`ge "`+before+`"`, ada)
			p.exactly(me + `lt "` + before + `"`)
			p.exactly(me+`lt "`+after+`"`, ada)
			p.exactly(me+`le "`+after+`"`, ada)
			p.exactly(me + `gt "` + after + `"`)
		}},
		entry{171, Def, "strings are compared by order", func(p *probe) {
			name := `"` + p.fiveName(bob) + `"`
			p.matches("userName gt "+name, cyd, dan, eve)
			p.matches("userName ge "+name, bob, cyd, dan, eve)
			p.matches("userName lt "+name, ada)
			p.matches("userName le "+name, ada, bob)
		}},
		entry{172, Must, "order on booleans is refused", func(p *probe) {
			p.refused(p.get("/Users"+query("filter", "active gt true")), http.StatusBadRequest, "invalidFilter")
		}},
		entry{173, Def, "integers are compared by value", func(p *probe) {
			c := p.needCustom("a writable integer", writable("integer"))
			u := p.user(c.body(10))
			p.findable(`userName eq "`+text(u["userName"])+`" and `+c.path()+" gt 9", u)
		}},
		entry{174, Def, "booleans are compared with true and false", func(p *probe) {
			p.matches("active eq false", bob)
			p.matches("active eq true", ada, cyd, dan, eve)
		}},
		entry{175, Iop, "eq null finds what has no value, or is refused", func(p *probe) {
			p.five()
			filter := `userName sw "` + p.fivePrefix() + `" and title eq null`
			a := p.get("/Users" + query("filter", filter))
			if p.refusedOr(a, http.StatusBadRequest, "invalidFilter") {
				p.foundBy(objects(a.body, "Resources"), filter, cyd)
			}
		}},
	)
}

func logicRequirements() []Requirement {
	return section(
		"7644", "3.4.2.2",
		entry{176, Must, "not binds tighter than and, and than or", func(p *probe) {
			isBob, isAda := `userName eq "`+p.fiveName(bob)+`"`, `userName eq "`+p.fiveName(ada)+`"`
			p.five()
			p.exactly(isBob+" or "+isAda+" and not (active eq false)", ada, bob)
			p.exactly(isAda+" and not (active eq false) or "+isBob, ada, bob)
		}},
		entry{177, Def, "parentheses come first", func(p *probe) {
			p.five()
			p.exactly(`(userName eq "`+p.fiveName(bob)+`" or userName eq "`+p.fiveName(ada)+`") and active eq true`, ada)
		}},
		entry{178, Must, "not stands before parentheses", func(p *probe) {
			p.matches(`not (userName eq "`+p.fiveName(ada)+`")`, bob, cyd, dan, eve)
			filter := `userName sw "` + p.fivePrefix() + `" and not userName eq "` + p.fiveName(ada) + `"`
			a := p.get("/Users" + query("filter", filter))
			if p.refusedOr(a, http.StatusBadRequest, "invalidFilter") {
				p.foundBy(objects(a.body, "Resources"), filter, bob, cyd, dan, eve)
			}
		}},
		entry{179, Must, "the conditions in brackets hold on one and the same element", func(p *probe) {
			// Ada has a home address at home and a work address at work; only Dan has a work address at home.
			p.matches(`emails[type eq "work" and value co "@home.example"]`, dan)
		}},
		entry{180, Iop, "a sub-attribute may follow the brackets", func(p *probe) {
			p.five()
			p.exactly(`emails[type eq "work"].value eq "`+p.fivePrefix()+`ada-w@work.example.com"`, ada)
		}},
		entry{181, Def, "of several values any will do", func(p *probe) {
			p.five()
			p.exactly(`emails.value eq "`+p.fivePrefix()+`ada-h@home.example.com"`, ada)
		}},
		entry{182, Def, "a multi-valued attribute without sub-attribute means its value", func(p *probe) {
			p.five()
			p.exactly(`emails co "`+p.c.run+`-five-ada-h@"`, ada)
		}},
	)
}

func spellingRequirements() []Requirement {
	return section(
		"7644", "3.4.2.2",
		entry{183, Def, "an attribute may be named with its URN", func(p *probe) {
			p.five()
			p.exactly(userURN+`:userName eq "`+p.fiveName(ada)+`"`, ada)
		}},
		entry{184, Def, "operators are taken in any case", func(p *probe) {
			p.five()
			p.exactly(`userName EQ "`+p.fiveName(ada)+`"`, ada)
			p.exactly(`userName Eq "`+p.fiveName(ada)+`" Or userName eQ "`+p.fiveName(bob)+`"`, ada, bob)
			p.exactly(`userName sw "`+p.fivePrefix()+`" AND NOT (title PR)`, cyd)
		}},
		entry{185, Def, "attribute names and URNs are taken in any case", func(p *probe) {
			p.five()
			p.exactly(`USERNAME eq "`+p.fiveName(ada)+`"`, ada)
			p.exactly(strings.ToUpper(userURN)+`:username eq "`+p.fiveName(ada)+`"`, ada)
		}},
		entry{186, Def, "strings are written as in JSON", func(p *probe) {
			p.matches(`displayName eq "Eve \"Q\\R\" \u00e9"`, eve)
		}},
		entry{187, Def, "true, false and numbers are literals", func(p *probe) {
			p.matches("active eq true", ada, cyd, dan, eve)
		}},
		entry{188, Iop, "a word without quotes is taken as a string, or refused", func(p *probe) {
			p.five()
			filter := "userName eq " + p.fiveName(ada)
			a := p.get("/Users" + query("filter", filter))
			if p.refusedOr(a, http.StatusBadRequest, "invalidFilter") {
				p.foundBy(objects(a.body, "Resources"), filter, ada)
			}
		}},
	)
}

func refusedFilterRequirements() []Requirement {
	return section(
		"7644", "3.4.2.2",
		entry{189, Must, "an unknown operator is refused", func(p *probe) {
			p.refused(p.get("/Users"+query("filter", `userName regex "x"`)), http.StatusBadRequest, "invalidFilter")
		}},
		entry{190, Must, "a filter that is none is refused", func(p *probe) {
			for _, f := range []string{"userName eq", `(userName eq "a"`, `emails[type eq "work"`, `userName eq "a`, ""} {
				p.refused(p.get("/Users"+query("filter", f)), http.StatusBadRequest, "invalidFilter")
			}
		}},
		entry{191, Iop, "an unknown attribute matches nothing, or is refused", func(p *probe) {
			p.five()
			a := p.get("/Users" + query("filter", `noSuchAttribute eq "x"`))
			if p.refusedOr(a, http.StatusBadRequest, "invalidFilter") {
				p.want(len(objects(a.body, "Resources")) == 0, "people are found")
			}
		}},
	)
}

func scopeRequirements() []Requirement {
	return section(
		"7644", "3.4.2.2",
		entry{192, Must, "only what matches is returned", onlyWhatMatches},
		entry{193, Must, "an attribute that the server fills is compared as it is returned", func(p *probe) {
			u := p.user(nil)
			p.findable(`userName eq "`+text(u["userName"])+`" and active eq true`, u)
		}},
		entry{194, Def, "filters reach into meta", func(p *probe) {
			since, _ := instant(at(p.five()[ada], "meta", "lastModified"))
			p.matches(`meta.resourceType eq "User"`, ada, bob, cyd, dan, eve)
			p.matches(`meta.lastModified ge "`+since.Add(-time.Second).UTC().Format(time.RFC3339)+`"`, ada, bob, cyd, dan, eve)
		}},
		entry{195, Def, "filters find by id", func(p *probe) {
			p.exactly(`id eq "`+text(p.five()[bob]["id"])+`"`, bob)
		}},
		entry{196, Def, "filters find groups by member", func(p *probe) {
			u := p.user(nil)
			g := p.group(u)
			for _, f := range []string{`members.value eq "` + text(u["id"]) + `"`, `members[value eq "` + text(u["id"]) + `"]`} {
				_, found := p.list("/Groups", "filter", f)
				p.equal("the groups found by "+f, column(found, "id"), []string{text(g["id"])})
			}
		}},
		entry{197, Iop, "a filter of ten thousand parentheses is refused", func(p *probe) {
			filter := strings.Repeat("(", 10_000) + "title pr" + strings.Repeat(")", 10_000)
			a := p.send(call{method: http.MethodGet, path: "/Users?filter=" + url.QueryEscape(filter), unaudited: true})
			p.status(a, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong, http.StatusRequestHeaderFieldsTooLarge)
		}},
		entry{198, Iop, "+ and %20 both are a space", func(p *probe) {
			p.five()
			filter := `userName eq "` + p.fiveName(ada) + `"`
			for _, space := range []string{"+", "%20"} {
				a := p.get("/Users?filter=" + strings.ReplaceAll(url.QueryEscape(filter), "+", space))
				p.status(a, http.StatusOK)
				p.foundBy(objects(a.body, "Resources"), filter, ada)
			}
		}},
	)
}

// onlyWhatMatches evaluates what comes back by itself.
func onlyWhatMatches(p *probe) {
	p.five()
	prefix := p.c.prefix()
	for filter, holds := range map[string]func(object) bool{
		"active eq true": func(u object) bool { return u["active"] == true },
		`title co "er"`:  func(u object) bool { return strings.Contains(strings.ToLower(text(u["title"])), "er") },
		`not (title pr)`: func(u object) bool { return !assigned(u["title"]) },
		`name.familyName pr and active eq false`: func(u object) bool {
			return assigned(at(u, "name", "familyName")) && u["active"] == false
		},
	} {
		found := p.find(fmt.Sprintf(`userName sw %q and (%s)`, prefix, filter))
		p.want(len(found) > 0, "%s finds nobody", filter)
		for _, u := range found {
			p.want(strings.HasPrefix(strings.ToLower(text(u["userName"])), prefix) && holds(u), "%s finds %s", filter, show(u["userName"]))
		}
	}
}

// withMail returns those of the five who have e-mails: an account may give everybody one.
func (p *probe) withMail() []int {
	var who []int
	for i, u := range p.five() {
		if assigned(u["emails"]) {
			who = append(who, i)
		}
	}
	return who
}
