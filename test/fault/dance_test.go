package fault_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// What Entra ID and Okta send for a person who comes, changes, joins a group and goes: the requests of test/idp/testdata,
// one after another, with another person each time.

// inOrder takes steps until one fails.
func inOrder(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func body(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// entra is one cycle of Microsoft Entra ID.
func entra(w *worker, ctx context.Context) error {
	p := w.newPerson()
	replace := func(p *person, path, value, title, active string) error {
		return w.set(ctx, p, http.MethodPatch, body(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Replace","path":%q,"value":%q}]}`, path, value), title, active)
	}
	rename := func(p *person) error {
		title := p.nextTitle()
		return replace(p, "title", title, title, "")
	}
	members := func(op, in string) error {
		return inOrder(
			func() error {
				return w.join(ctx, w.group, p, http.MethodPatch, body(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":%q,"path":"members","value":[{"$ref":null,"value":%q}]}]}`, op, p.id), in)
			},
			func() error { return w.probe(ctx, w.group, p) })
	}
	return inOrder(
		func() error { return w.lookUp(ctx, p) },
		func() error {
			return w.create(ctx, p, body(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],`+
				`"externalId":%q,"userName":%q,"active":true,"displayName":"Given Family","emails":[{"primary":true,"type":"work","value":%[2]q}],"meta":{"resourceType":"User"},`+
				`"name":{"formatted":"Given Family","familyName":"Family","givenName":"Given"},"roles":[],`+
				`"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"701984","department":"Tour Operations"}}`, p.external, p.name))
		},
		func() error { return w.lookUp(ctx, p) },
		func() error { return rename(p) },
		func() error { return members("Add", yes) },
		func() error { return replace(p, "active", "False", "", no) },
		func() error { return replace(p, "active", "True", "", yes) },
		func() error {
			if w.cycles%2 != 0 {
				return nil
			}
			return members("Remove", no)
		},
		func() error { return rename(w.people[w.cycles%len(w.people)]) },
		func() error {
			if len(w.people) <= keptPeople {
				return nil
			}
			first := w.people[0]
			w.people = w.people[1:]
			return inOrder(func() error { return replace(first, "active", "False", "", no) }, func() error { return w.remove(ctx, first) })
		},
		func() error { return w.turnOver(ctx) },
	)
}

// probe asks whether somebody is in a group, as Entra ID does.
func (w *worker) probe(ctx context.Context, g *group, p *person) error {
	filter := url.QueryEscape(fmt.Sprintf("id eq %q and members eq %q", g.id, p.id))
	return w.see(ctx, "/Groups?excludedAttributes=members&filter="+filter, func(a answer) ([]seen, error) {
		ids, err := found(a)
		return []seen{{p.name + " in " + g.name, g.member(p), word(len(ids) == 1)}}, err
	})
}

// turnOver makes a group now and then, and deletes the one before.
func (w *worker) turnOver(ctx context.Context) error {
	const every = 4 // cycles
	if w.cycles%every != 0 {
		return nil
	}
	if w.spare != nil {
		if err := w.removeGroup(ctx, w.spare); err != nil {
			return err
		}
	}
	w.spare = w.newGroup(fmt.Sprintf("Project %d %d", w.n, w.cycles))
	return w.makeGroup(ctx, w.spare)
}

// okta is one cycle of Okta.
func okta(w *worker, ctx context.Context) error {
	p := w.newPerson()
	of := func(p *person, title, active string) string {
		flag := "true"
		if active == no {
			flag = "false"
		}
		return body(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q,"name":{"givenName":"Ai","familyName":"Doe"},`+
			`"emails":[{"primary":true,"value":%[1]q,"type":"work"}],"displayName":"Ai Doe","locale":"en-US","externalId":%q,"title":%q,"groups":[],"active":%s}`,
			p.name, p.external, title, flag)
	}
	put := func(p *person, title, active string) error {
		return w.set(ctx, p, http.MethodPut, of(p, title, active), title, active)
	}
	return inOrder(
		func() error { return w.lookUp(ctx, p) },
		func() error { return w.create(ctx, p, of(p, "", yes)) },
		func() error { return w.seePerson(ctx, p) },
		func() error { return put(p, p.nextTitle(), yes) },
		func() error { return w.push(ctx, p) },
		func() error { return put(p, p.title.now, no) },
		func() error { return put(p, p.title.now, yes) },
		func() error {
			old := w.people[w.cycles%len(w.people)]
			return put(old, old.nextTitle(), old.active.now)
		},
		func() error {
			if len(w.people) <= keptPeople {
				return nil
			}
			first := w.people[0]
			w.people = w.people[1:]
			return put(first, first.title.now, no) // Okta deletes nobody
		},
		func() error { return w.turnOver(ctx) },
	)
}

// push replaces the members of the worker's group, as Okta does: every second person stays out of it again.
func (w *worker) push(ctx context.Context, p *person) error {
	in := yes
	for range 2 {
		var members []string
		for q, k := range w.group.members {
			if q != p && k.now == yes {
				members = append(members, body(`{"value":%q,"display":"x"}`, q.id))
			}
		}
		slices.Sort(members)
		if in == yes {
			members = append(members, body(`{"value":%q,"display":"x"}`, p.id))
		}
		list := body(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":%q,"displayName":%q,"members":[%s]}`, w.group.id, w.group.name, strings.Join(members, ","))
		if err := w.join(ctx, w.group, p, http.MethodPut, list, in); err != nil {
			return err
		}
		if err := w.seeMembers(ctx, w.group); err != nil {
			return err
		}
		if w.cycles%2 != 0 {
			return nil
		}
		in = no
	}
	return nil
}

// seeMembers reads who is in a group.
func (w *worker) seeMembers(ctx context.Context, g *group) error {
	people := slices.Collect(maps.Keys(g.members))
	return w.see(ctx, "/Groups/"+g.id, func(a answer) ([]seen, error) {
		if a.status == http.StatusNotFound {
			return []seen{{g.name, &g.there, no}}, nil
		}
		var r struct{ Members []struct{ Value string } }
		if err := a.decode(&r); err != nil {
			return nil, err
		}
		in := map[string]bool{}
		for _, m := range r.Members {
			if in[m.Value] {
				return nil, fmt.Errorf("%s is in %s twice", m.Value, g.name)
			}
			in[m.Value] = true
		}
		var list []seen
		for _, p := range people {
			list = append(list, seen{p.name + " in " + g.name, g.member(p), word(in[p.id])})
			delete(in, p.id)
		}
		for id := range in {
			return nil, fmt.Errorf("%s is in %s, whom nobody has put there", id, g.name)
		}
		return list, nil
	})
}
