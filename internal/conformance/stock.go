package conformance

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

// What checks make and share.

// parallel bounds the requests under way at once while many resources are made or deleted.
const parallel = 8

// stock is what is made or asked once in a run: tables to look things up in, and people to search among.
type stock struct {
	mu     sync.Mutex // guards what follows; held while making
	five   []object
	crowd  []object
	config *answer
	types  *answer
	schema *answer
	bare   *answer // an answer to a request without a token
	wrong  *answer // an answer to a request with a wrong token
}

// prefix begins every userName and every displayName of a group of this run.
func (c *Client) prefix() string { return "conf-" + c.run + "-" }

// name returns a userName that nobody has. It is an e-mail address, since that is what many accounts take.
func (p *probe) name(tag string) string {
	return fmt.Sprintf("%s%s-%d@example.com", p.c.prefix(), tag, p.c.fresh())
}

// title returns a displayName for a group that no other has.
func (p *probe) title(tag string) string {
	return fmt.Sprintf("%s%s-%d", p.c.prefix(), tag, p.c.fresh())
}

// person returns the body of a new person: a schema and a fresh userName, and what more puts over them.
func (p *probe) person(more object) object {
	body := object{"schemas": []string{userURN}, "userName": p.name("user")}
	maps.Copy(body, more)
	if _, ok := body[enterpriseURN]; ok && more["schemas"] == nil {
		body["schemas"] = []string{userURN, enterpriseURN}
	}
	return body
}

// user makes a person and returns the answer's body.
func (p *probe) user(more object) object {
	a := p.post("/Users", p.person(more))
	p.status(a, http.StatusCreated)
	if !p.stopped() && text(a.body["id"]) == "" {
		p.failf("the 201 has no body with an id")
	}
	return a.body
}

// group makes a group of the people given.
func (p *probe) group(members ...object) object {
	p.needGroups()
	body := object{"schemas": []string{groupURN}, "displayName": p.title("group")}
	if len(members) > 0 {
		body["members"] = memberValues(members...)
	}
	a := p.post("/Groups", body)
	p.status(a, http.StatusCreated)
	if !p.stopped() && text(a.body["id"]) == "" {
		p.failf("the 201 has no body with an id")
	}
	return a.body
}

func memberValues(members ...object) []object {
	values := make([]object, 0, len(members))
	for _, m := range members {
		values = append(values, object{"value": m["id"]})
	}
	return values
}

// memberIDs returns who is in a group, read anew.
func (p *probe) memberIDs(g object) []string {
	return column(objects(p.read(groupPath(g)), "members"), "value")
}

func userPath(u object) string  { return "/Users/" + url.PathEscape(text(u["id"])) }
func groupPath(g object) string { return "/Groups/" + url.PathEscape(text(g["id"])) }

// The five, whom filters and orders are tried on. Bob is inactive and Cyd has no title; Ada's home address ends as
// Dan's work address does; Dan's name begins with a capital; Eve's displayName needs escaping.
const (
	ada, bob, cyd, dan, eve = 0, 1, 2, 3, 4
)

var fiveNames = []string{"ada", "bob", "cyd", "dan", "eve"}

func (p *probe) fiveBodies() []object {
	mail := func(who, where, kind string, primary bool) object {
		return object{"value": p.fivePrefix() + who + "@" + where + ".example.com", "type": kind, "primary": primary}
	}
	return []object{
		{
			"title": "Analyst", "displayName": "Ada Q", "active": true, "externalId": "X-Ada-" + p.c.run,
			"name":   object{"givenName": "Ada", "familyName": "Lovelace"},
			"emails": []object{mail("ada-w", "work", "work", true), mail("ada-h", "home", "home", false)},
		},
		{
			"title": "Builder", "displayName": "Bob Q", "active": false, "name": object{"familyName": "Aalto"},
			"emails": []object{mail("bob-w", "work", "work", true)},
		},
		{"displayName": "Cyd Q", "active": true, "name": object{"givenName": "Cyd", "familyName": "Zimmer"}},
		{
			"title": "Clerk", "displayName": "Dan Q", "active": true, "name": object{"familyName": "Moore"},
			// The primary one is not the first: sorting must take the primary one.
			"emails": []object{mail("zzz-h", "home", "work", false), mail("aaa-w", "work", "home", true)},
		},
		{"title": "Driver", "displayName": eveDisplay, "active": true, "name": object{"givenName": "Eve"}},
	}
}

// eveDisplay holds what a filter's string has to escape.
const eveDisplay = `Eve "Q\R" é`

func (p *probe) fivePrefix() string { return p.c.prefix() + "five-" }

// fiveName returns the userName of one of the five.
func (p *probe) fiveName(i int) string {
	n := fiveNames[i]
	if i == dan {
		n = "Dan"
	}
	return p.fivePrefix() + n + "@example.com"
}

// five returns the five people, as the server has them. They are not to be changed.
func (p *probe) five() []object {
	s := &p.c.stock
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.five == nil && !p.stopped() {
		var made []object
		for i, body := range p.fiveBodies() {
			body["userName"] = p.fiveName(i)
			made = append(made, p.user(body))
		}
		if p.stopped() {
			// Under the same names they could not be made again.
			for _, u := range made {
				if text(u["id"]) != "" {
					_, _ = p.c.send(p.ctx, call{method: http.MethodDelete, path: userPath(u)}, nil)
				}
			}
			return make([]object, len(fiveNames))
		}
		s.five = made
	}
	if s.five == nil {
		return make([]object, len(fiveNames))
	}
	return s.five
}

// matches fails the check unless a condition, tried among the five, holds for exactly those given.
func (p *probe) matches(condition string, want ...int) {
	p.five()
	p.exactly(`userName sw "`+p.fivePrefix()+`" and (`+condition+`)`, want...)
}

// exactly fails the check unless a filter finds exactly those of the five; it must find nobody else.
func (p *probe) exactly(filter string, want ...int) {
	p.foundBy(p.among("/Users", filter), filter, want...)
}

func (p *probe) among(endpoint, filter string) []object {
	_, found := p.list(endpoint, "filter", filter, "count", "100")
	return found
}

func (p *probe) foundBy(found []object, filter string, want ...int) {
	five := p.five()
	if p.stopped() {
		return
	}
	var got, wanted []string
	for _, f := range found {
		got = append(got, who(five, f))
	}
	for _, w := range want {
		wanted = append(wanted, fiveNames[w])
	}
	if !sameSet(got, wanted) {
		p.failf("the filter %s finds [%s], want [%s]", shorten(filter, 200), strings.Join(got, " "), strings.Join(wanted, " "))
	}
}

func who(five []object, u object) string {
	i := slices.IndexFunc(five, func(o object) bool { return text(o["id"]) == text(u["id"]) })
	if i < 0 {
		return "somebody else"
	}
	return fiveNames[i]
}

// crowdSize is just over the page of 100 at which servers that cut lists cut them.
const crowdSize = 106

func (p *probe) crowdPrefix() string { return p.c.prefix() + "crowd-" }

// crowdFilter finds the crowd.
func (p *probe) crowdFilter() string { return `userName sw "` + p.crowdPrefix() + `"` }

// crowd returns many people to page through. They are not to be changed.
func (p *probe) crowd() []object {
	s := &p.c.stock
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.crowd != nil || p.stopped() {
		return s.crowd
	}
	made := make([]object, crowdSize)
	var g errgroup.Group
	g.SetLimit(parallel)
	for i := range made {
		g.Go(func() error {
			name := fmt.Sprintf("%s%03d@example.com", p.crowdPrefix(), i)
			a := p.post("/Users", object{"schemas": []string{userURN}, "userName": name})
			if a.status == http.StatusConflict {
				// Made before, by a check that was stopped half-way.
				if found := p.find(`userName eq "` + name + `"`); len(found) == 1 {
					made[i] = found[0]
					return nil
				}
			}
			p.status(a, http.StatusCreated)
			made[i] = a.body
			return nil
		})
	}
	_ = g.Wait() // what went wrong, the probe knows
	if p.stopped() {
		return nil
	}
	s.crowd = made
	return made
}
