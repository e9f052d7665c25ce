package fault_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// worker is one of the identity provider's hands. It provisions people and groups of its own, one request after another
// and without a pause but for its pace, knows what was acknowledged, and takes what nobody has answered for unknown until
// it has read what became of it.
type worker struct {
	*client
	n     int
	dance func(*worker, context.Context) error // one round of work
	gate  *sync.RWMutex                        // held for a round of work, and by who wants all workers to stand still
	pace  time.Duration                        // from one request to the next, at least

	sent     int          // requests, for their ids
	cycles   int          // rounds of work, for names
	answered atomic.Int64 // when the request was begun that was answered last, in ns since 1970
	stuck    atomic.Bool  // the last request was not answered

	people []*person // whom it works on
	group  *group    // that people come into
	spare  *group    // that comes and goes

	allPeople []*person // whoever was there
	allGroups []*group
}

// person is somebody whom a worker has provisioned.
type person struct {
	name, external, id   string
	there, title, active known
	version              int // of title
}

// group is a group that a worker has made.
type group struct {
	name, id string
	there    known
	members  map[*person]*known
	replaced bool // a list of members was sent that nobody has answered
}

const (
	yes, no = "yes", "no"
	// keptPeople is how many people a worker has at a time.
	keptPeople = 8
	// again is how soon a request is sent again that was not answered: identity providers wait longer, and the test wants
	// to meet the first moment.
	again = 100 * time.Millisecond
	// freshIn is how long a copy may be old at the very most: the cache's own bound, and some.
	freshIn = 60 * time.Second
	// lateIn is after how long a value that may be a copy or a late write is taken for the latter.
	lateIn = 5 * time.Second
)

// run works until ctx ends.
func (w *worker) run(ctx context.Context) {
	cycle := func(do func() error) error {
		w.gate.RLock()
		defer w.gate.RUnlock()
		return do()
	}
	w.group = w.newGroup(fmt.Sprintf("Crew %d", w.n))
	err := cycle(func() error { return w.makeGroup(ctx, w.group) })
	for ctx.Err() == nil && err == nil {
		w.cycles++
		err = cycle(func() error { return w.dance(w, ctx) })
	}
	if ctx.Err() == nil {
		w.tally.Load().complain("worker %d gives up: %v", w.n, err)
	}
}

// newPerson is somebody who is not there yet.
func (w *worker) newPerson() *person {
	name := fmt.Sprintf("w%d.n%d@example.com", w.n, w.cycles)
	p := &person{name: name, external: "x-" + name, there: known{now: no}, active: known{now: yes}}
	w.allPeople = append(w.allPeople, p)
	return p
}

func (w *worker) newGroup(name string) *group {
	g := &group{name: name, there: known{now: no}, members: map[*person]*known{}}
	w.allGroups = append(w.allGroups, g)
	return g
}

func (p *person) nextTitle() string {
	p.version++
	return fmt.Sprintf("v%d", p.version)
}

// member is what is known of a membership.
func (g *group) member(p *person) *known {
	if g.members[p] == nil {
		g.members[p] = &known{now: no}
		if g.replaced { // by a list without whoever came later
			g.members[p].may(no)
		}
	}
	return g.members[p]
}

// change is a request that changes something.
type change struct {
	method, path, body string
	want               []int        // statuses of success
	may                func()       // notes what may come about though nobody has answered
	is                 func(answer) // notes that it has come about
	// look reads whether it has come about after all; nil: it is sent again.
	look func(context.Context) (bool, error)
	// also are statuses that are right where it may have come about before.
	also []int
}

// make makes a change, however long it takes.
func (w *worker) make(ctx context.Context, c change) error {
	for unsure := false; ; {
		a := w.request(ctx, c.method, c.path, c.body)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case slices.Contains(c.want, a.status):
			c.is(a)
			return nil
		case !a.unknown() && !(unsure && slices.Contains(c.also, a.status)):
			return fmt.Errorf("%s %s: %d %.300s", c.method, c.path, a.status, a.body)
		case a.unknown():
			unsure = true
			c.may()
		}
		if c.look == nil {
			if !a.unknown() { // it had come about before
				c.is(a)
				return nil
			}
			continue
		}
		if done, err := c.look(ctx); done || err != nil {
			return err
		}
	}
}

// request sends a request, at the worker's pace.
func (w *worker) request(ctx context.Context, method, path, body string) answer {
	w.sent++
	begin := time.Now()
	a := w.send(ctx, fmt.Sprintf("fault-%d-%d", w.n, w.sent), method, path, body)
	wait := w.pace - time.Since(begin)
	w.stuck.Store(a.unknown())
	if a.unknown() {
		wait = again
	} else {
		w.answered.Store(begin.UnixNano())
	}
	pause(ctx, wait)
	return a
}

// healthy tells whether the worker has been answered since a time, and has not been refused since.
func (w *worker) healthy(since time.Time) bool {
	return !w.stuck.Load() && w.answered.Load() > since.UnixNano()
}

// pause waits, but not longer than ctx.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// read sends a request that changes nothing until it is answered.
func (w *worker) read(ctx context.Context, path string) (answer, error) {
	for {
		a := w.request(ctx, http.MethodGet, path, "")
		switch {
		case ctx.Err() != nil:
			return a, ctx.Err()
		case a.status == http.StatusOK, a.status == http.StatusNotFound:
			return a, nil
		case !a.unknown():
			return a, fmt.Errorf("GET %s: %d %.300s", path, a.status, a.body)
		}
	}
}

// seen is a value that was read of something known.
type seen struct {
	what  string
	known *known
	value string
}

// see reads until everything is as it was acknowledged, and counts what was not at once.
func (w *worker) see(ctx context.Context, path string, read func(answer) ([]seen, error)) error {
	t := w.tally.Load()
	var since time.Time // of the first read that was not fresh
	for {
		begin := time.Now()
		a, err := w.read(ctx, path)
		if err != nil {
			return err
		}
		list, err := read(a)
		if err != nil {
			return fmt.Errorf("GET %s: %w: %.300s", path, err, a.body)
		}
		worst, of := fresh, seen{}
		for _, s := range list {
			if v := s.known.judge(s.value); v > worst {
				worst, of = v, s
			}
		}
		switch {
		case worst == fresh:
			if !since.IsZero() {
				t.wasFresh(time.Since(since))
			}
			return nil
		case worst == wrong:
			return fmt.Errorf("GET %s: %s is %q, which it never was; it is to be %q", path, of.what, of.value, of.known.now)
		case since.IsZero():
			since = begin
			t.wasStale("GET %s (request fault-%d-%d): %s is %q, and %q was acknowledged", path, w.n, w.sent, of.what, of.value, of.known.now)
		case time.Since(since) > lateIn && of.known.unsure[of.value]:
			t.late.Add(1)
			of.known.is(of.value)
		case time.Since(since) > freshIn:
			return fmt.Errorf("GET %s: %s is still %q after %s, though %q was acknowledged", path, of.what, of.value, freshIn, of.known.now)
		}
	}
}

// The reads of a worker.

// seePerson reads a person by id.
func (w *worker) seePerson(ctx context.Context, p *person) error {
	return w.see(ctx, "/Users/"+p.id, p.read)
}

// read judges an answer to a question for a person by id.
func (p *person) read(a answer) ([]seen, error) {
	if a.status == http.StatusNotFound {
		return []seen{{p.name, &p.there, no}}, nil
	}
	var u struct {
		ID, UserName, Title, ExternalID string
		Active                          bool
	}
	if err := a.decode(&u); err != nil {
		return nil, err
	}
	if u.ID != p.id || u.UserName != p.name || u.ExternalID != p.external {
		return nil, fmt.Errorf("this is not %s", p.name)
	}
	if p.there.now == no {
		return []seen{{p.name, &p.there, yes}}, nil
	}
	return []seen{{p.name, &p.there, yes}, {"title of " + p.name, &p.title, u.Title}, {p.name + " active", &p.active, word(u.Active)}}, nil
}

func word(b bool) string {
	if b {
		return yes
	}
	return no
}

// find is the path of a look-up, as Entra and Okta each write it.
func (w *worker) find(kind, attribute, value string) string {
	filter := url.QueryEscape(attribute + ` eq "` + value + `"`)
	if strings.HasPrefix(w.agent, "Okta") {
		return "/" + kind + "?filter=" + strings.ReplaceAll(filter, "+", "%20") + "&startIndex=1&count=100"
	}
	return "/" + kind + "?filter=" + filter
}

// found is who a look-up has found.
func found(a answer) (ids []string, err error) {
	var list struct {
		TotalResults int
		Resources    []struct{ ID string }
	}
	if err := a.decode(&list); err != nil {
		return nil, err
	}
	if list.TotalResults != len(list.Resources) {
		return nil, fmt.Errorf("%d of %d", len(list.Resources), list.TotalResults)
	}
	for _, r := range list.Resources {
		ids = append(ids, r.ID)
	}
	return ids, nil
}

// lookUp looks somebody up by name, as before making him or her.
func (w *worker) lookUp(ctx context.Context, p *person) error {
	return w.see(ctx, w.find("Users", "userName", p.name), one(p.name, &p.id, &p.there))
}

// one judges a look-up of what there is one of, or none.
func one(name string, id *string, there *known) func(answer) ([]seen, error) {
	return func(a answer) ([]seen, error) {
		ids, err := found(a)
		switch {
		case err != nil:
			return nil, err
		case len(ids) > 1:
			return nil, fmt.Errorf("%s is there %d times", name, len(ids))
		case len(ids) == 1 && *id != "" && ids[0] != *id:
			return nil, fmt.Errorf("%s has the id %s, and had %s", name, ids[0], *id)
		}
		return []seen{{name, there, word(len(ids) == 1)}}, nil
	}
}

// adopt looks whether something was made by a request that nobody has answered.
func (w *worker) adopt(find string, id *string, there *known) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		a, err := w.read(ctx, find)
		if err != nil {
			return false, err
		}
		ids, err := found(a)
		if err != nil || len(ids) == 0 {
			return false, err
		}
		*id = ids[0]
		there.is(yes)
		return true, nil
	}
}

// create makes a person.
func (w *worker) create(ctx context.Context, p *person, body string) error {
	if err := w.make(ctx, change{
		method: http.MethodPost, path: "/Users", body: body, want: []int{http.StatusCreated}, also: []int{http.StatusConflict},
		may: func() { p.there.may(yes) },
		is: func(a answer) {
			var u struct{ ID string }
			if err := a.decode(&u); err != nil || u.ID == "" {
				w.tally.Load().complain("POST /Users: 201 without an id: %.300s", a.body)
			}
			p.id = u.ID
			p.there.is(yes)
		},
		look: w.adopt(w.find("Users", "userName", p.name), &p.id, &p.there),
	}); err != nil {
		return err
	}
	w.people = append(w.people, p)
	return nil
}

// set gives a person's attributes values, by whatever method and body; an empty value stays as it is.
func (w *worker) set(ctx context.Context, p *person, method, body, title, active string) error {
	if err := w.make(ctx, change{
		method: method, path: "/Users/" + p.id, body: body, want: []int{http.StatusOK},
		may: func() {
			if title != "" {
				p.title.may(title)
			}
			if active != "" {
				p.active.may(active)
			}
		},
		is: func(answer) {
			if title != "" {
				p.title.is(title)
			}
			if active != "" {
				p.active.is(active)
			}
		},
	}); err != nil {
		return err
	}
	return w.seePerson(ctx, p)
}

// remove lets a person go.
func (w *worker) remove(ctx context.Context, p *person) error {
	if err := w.make(ctx, change{
		method: http.MethodDelete, path: "/Users/" + p.id, want: []int{http.StatusNoContent}, also: []int{http.StatusNotFound},
		may: func() { p.there.may(no) },
		is: func(answer) {
			p.there.is(no)
			for _, g := range []*group{w.group, w.spare} {
				if g != nil && g.members[p] != nil {
					g.members[p].is(no)
				}
			}
		},
	}); err != nil {
		return err
	}
	return w.seePerson(ctx, p)
}

// makeGroup makes a group, if there is none of the name.
func (w *worker) makeGroup(ctx context.Context, g *group) error {
	find := w.find("Groups", "displayName", g.name)
	if err := w.see(ctx, find, one(g.name, &g.id, &g.there)); err != nil {
		return err
	}
	if err := w.make(ctx, change{
		method: http.MethodPost, path: "/Groups", want: []int{http.StatusCreated}, also: []int{http.StatusConflict},
		body: fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group","http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],`+
			`"externalId":"x-%[1]s","displayName":"%[1]s","meta":{"resourceType":"Group"}}`, g.name),
		may: func() { g.there.may(yes) },
		is: func(a answer) {
			var r struct{ ID string }
			if err := a.decode(&r); err != nil || r.ID == "" {
				w.tally.Load().complain("POST /Groups: 201 without an id: %.300s", a.body)
			}
			g.id = r.ID
			g.there.is(yes)
		},
		look: w.adopt(find, &g.id, &g.there),
	}); err != nil {
		return err
	}
	return w.see(ctx, find, one(g.name, &g.id, &g.there))
}

// removeGroup deletes a group.
func (w *worker) removeGroup(ctx context.Context, g *group) error {
	if err := w.make(ctx, change{
		method: http.MethodDelete, path: "/Groups/" + g.id, want: []int{http.StatusNoContent}, also: []int{http.StatusNotFound},
		may: func() { g.there.may(no) },
		is:  func(answer) { g.there.is(no) },
	}); err != nil {
		return err
	}
	return w.see(ctx, "/Groups/"+g.id+"?excludedAttributes=members", func(a answer) ([]seen, error) {
		return []seen{{g.name, &g.there, word(a.status == http.StatusOK)}}, nil
	})
}

// join puts somebody into a group or takes the person out, by whatever method and body.
func (w *worker) join(ctx context.Context, g *group, p *person, method, body, in string) error {
	return w.make(ctx, change{
		method: method, path: "/Groups/" + g.id, body: body, want: []int{http.StatusOK, http.StatusNoContent},
		may: func() {
			g.member(p).may(in)
			if method == http.MethodPut {
				g.replaced = true
				for _, k := range g.members {
					k.may(k.now)
					k.may(no)
				}
			}
		},
		is: func(answer) { g.member(p).is(in) },
	})
}
