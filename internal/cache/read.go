package cache

import (
	"context"
	"slices"
	"sync"

	"github.com/scimbridge/scimbridge/internal/account"
)

// fewFound is up to how many users or groups a term finds, so that its finding is kept: whoever asks for one of many is
// not looking somebody up.
const fewFound = 4

// User answers from a copy, or asks the account.
func (c *Cache) User(ctx context.Context, id string) (account.User, error) {
	if !account.IsID(id) {
		return c.Account.User(ctx, id)
	}
	l := c.look(ctx)
	if l == nil {
		return c.Account.User(ctx, id)
	}
	return l.askUser(id)
}

func (l *look) askUser(id string) (account.User, error) {
	if u, there, ok := l.user(id); ok {
		l.stats.hits.Add(1)
		return u, missing(there)
	}
	l.stats.misses.Add(1)
	u, err := l.Account.User(l.ctx, id)
	switch {
	case err == nil:
		l.keepUser(&u)
	case absent(err):
		l.keepNobody(userCopy, id)
	}
	return u, err
}

// Group answers from a copy, or asks the account.
func (c *Cache) Group(ctx context.Context, id string) (account.Group, error) {
	if !account.IsID(id) {
		return c.Account.Group(ctx, id)
	}
	l := c.look(ctx)
	if l == nil {
		return c.Account.Group(ctx, id)
	}
	return l.askGroup(id)
}

func (l *look) askGroup(id string) (account.Group, error) {
	if g, there, ok := l.group(id); ok {
		l.stats.hits.Add(1)
		return g, missing(there)
	}
	l.stats.misses.Add(1)
	g, err := l.Account.Group(l.ctx, id)
	switch {
	case err == nil:
		l.keepGroup(&g)
	case absent(err):
		l.keepNobody(groupCopy, id)
	}
	return g, err
}

// Users answers look-ups from copies, and leaves everything else to the account.
func (c *Cache) Users(ctx context.Context, q account.Query) (account.UserPage, error) {
	if !isLookup(&q) || !userFields[q.Terms[0].Field] {
		return c.Account.Users(ctx, q)
	}
	l := c.look(ctx)
	if l == nil {
		return c.Account.Users(ctx, q)
	}
	term := q.Terms[0]
	if page, ok := l.findUsers(term, q.Limit); ok {
		c.stats.hits.Add(1)
		if !q.Groups {
			for i := range page.Users {
				page.Users[i].Groups = nil
			}
		}
		return page, nil
	}
	c.stats.misses.Add(1)
	with := q
	with.Groups = true // what is kept has them
	page, err := c.Account.Users(ctx, with)
	if err != nil {
		return page, err
	}
	if page.Total == len(page.Users) && page.Total <= fewFound {
		ids := make([]string, len(page.Users))
		for i := range page.Users {
			ids[i] = page.Users[i].ID
			l.keepUser(&page.Users[i])
		}
		l.keepFound(usersFound, term, ids)
	}
	if !q.Groups {
		for i := range page.Users {
			page.Users[i].Groups = nil
		}
	}
	return page, nil
}

// Groups answers look-ups, and whether somebody is in a group, from copies, and leaves everything else to the account.
func (c *Cache) Groups(ctx context.Context, q account.Query) (account.GroupPage, error) {
	group, member, probe := isProbe(&q)
	if !probe && (!isLookup(&q) || !groupFields[q.Terms[0].Field]) {
		return c.Account.Groups(ctx, q)
	}
	l := c.look(ctx)
	if l == nil {
		return c.Account.Groups(ctx, q)
	}
	if probe {
		return l.probe(group, member)
	}
	term := q.Terms[0]
	if page, ok := l.findGroups(term, q.Limit); ok {
		c.stats.hits.Add(1)
		return page, nil
	}
	c.stats.misses.Add(1)
	page, err := c.Account.Groups(ctx, q)
	if err == nil && page.Total == len(page.Groups) && page.Total <= fewFound {
		ids := make([]string, len(page.Groups))
		for i := range page.Groups {
			ids[i] = page.Groups[i].ID
			l.keepGroup(&page.Groups[i])
		}
		l.keepFound(groupsFound, term, ids)
	}
	return page, err
}

// probe answers whether somebody is in a group: the user says which groups it is in.
func (l *look) probe(group, member string) (account.GroupPage, error) {
	u, err := l.askUser(member)
	switch {
	case absent(err):
		return account.GroupPage{}, nil
	case err != nil:
		return account.GroupPage{}, err
	case !slices.ContainsFunc(u.Groups, func(r account.GroupRef) bool { return r.ID == group }):
		return account.GroupPage{}, nil
	}
	g, err := l.askGroup(group)
	if err != nil {
		if absent(err) { // in between it went
			err = nil
		}
		return account.GroupPage{}, err
	}
	return account.GroupPage{Groups: []account.Group{g}, Total: 1}, nil
}

// Members asks the account: lists of members are long and rarely asked for twice.
func (c *Cache) Members(ctx context.Context, group, after string, limit int) ([]account.Member, error) {
	return c.Account.Members(ctx, group, after, limit)
}

// Describe asks the account.
func (c *Cache) Describe(ctx context.Context) (account.Info, error) { return c.Account.Describe(ctx) }

var (
	userFields  = map[account.Field]bool{account.ByID: true, account.ByUserName: true, account.ByEmail: true, account.ByExternalID: true}
	groupFields = map[account.Field]bool{account.ByID: true, account.ByName: true, account.ByExternalID: true}
)

// isLookup tells whether a query asks who or what has a name or an id.
func isLookup(q *account.Query) bool {
	return len(q.Terms) == 1 && q.Terms[0].Op == account.Eq && wholeAnswer(q)
}

func wholeAnswer(q *account.Query) bool {
	return q.After == nil && q.Offset == 0 && q.Limit >= 1 && !q.NoTotal
}

// isProbe tells whether a query asks if somebody is in a group.
func isProbe(q *account.Query) (group, member string, ok bool) {
	if len(q.Terms) != 2 || !wholeAnswer(q) {
		return "", "", false
	}
	for _, t := range q.Terms {
		switch {
		case t.Op != account.Eq || !account.IsID(t.Value):
			return "", "", false
		case t.Field == account.ByID:
			group = t.Value
		case t.Field == account.ByMember:
			member = t.Value
		}
	}
	return group, member, group != "" && member != ""
}

// folded is how a term compares.
func folded(t account.Term) string {
	switch t.Field {
	case account.ByID, account.ByExternalID:
		return t.Value
	}
	return account.Fold(t.Value)
}

// look is one question, asked of copies.
type look struct {
	*Cache
	ctx  context.Context //nolint:containedctx // of the one question
	keys *keys
	now  stamp
}

// look begins a question; nil while no copy may serve. What is read from the account from then on may be kept.
func (c *Cache) look(ctx context.Context) *look {
	ks := c.serving(ctx)
	if ks == nil {
		return nil
	}
	return &look{c, ctx, ks, c.marks.stamp()}
}

// findUsers answers a look-up from copies.
func (l *look) findUsers(t account.Term, limit int) (page account.UserPage, ok bool) {
	ids, ok := l.found(usersFound, t, func(ids []string) []thing {
		// Only one can have a user name: who has it has it, whatever others are called since.
		if t.Field == account.ByUserName && len(ids) == 1 {
			return nil
		}
		return []thing{theUserNames}
	})
	if !ok || len(ids) > limit {
		return page, false
	}
	for _, id := range ids {
		u, there, ok := l.user(id)
		if ok && !there && t.Field == account.ByID {
			return page, true
		}
		if !ok || !there || t.Field == account.ByUserName && account.Fold(u.UserName) != account.Fold(t.Value) {
			return page, false
		}
		page.Users = append(page.Users, u)
	}
	page.Total = len(ids)
	return page, true
}

func (l *look) findGroups(t account.Term, limit int) (page account.GroupPage, ok bool) {
	ids, ok := l.found(groupsFound, t, func([]string) []thing { return []thing{theGroupNames} })
	if !ok || len(ids) > limit {
		return page, false
	}
	for _, id := range ids {
		g, there, ok := l.group(id)
		if ok && !there && t.Field == account.ByID {
			return page, true
		}
		if !ok || !there {
			return page, false
		}
		page.Groups = append(page.Groups, g)
	}
	page.Total = len(ids)
	return page, true
}

// found is what a term finds. depends says on what, beside those whom it finds.
func (l *look) found(kind copyKind, t account.Term, depends func(ids []string) []thing) (list []string, ok bool) {
	if t.Field == account.ByID { // an id finds itself
		return []string{t.Value}, account.IsID(t.Value)
	}
	ok = l.copy(l.keys.key(kind, string(t.Field), folded(t)), func(block []byte, s stamp) bool {
		found, err := newReader(block).ids()
		list = found
		return err == nil && l.marks.fresh(s, depends(found)...)
	})
	return list, ok
}

// user is a fresh copy of a user; there is false for one that says that there is none.
func (l *look) user(id string) (u account.User, there, ok bool) {
	ok = l.copy(l.keys.key(userCopy, string(account.ByID), id), func(block []byte, s stamp) bool {
		const usual = 16 // groups that a user is in, so that the list needs no memory
		var buf [1 + usual]thing
		things := append(buf[:0], theUser(id))
		if there = len(block) > 0; there {
			found, err := newReader(block).user()
			if err != nil || found.ID != id {
				return false
			}
			for _, g := range found.Groups {
				things = append(things, membersOf(g.ID))
			}
			u = found
		}
		return l.marks.fresh(s, things...)
	})
	return u, there, ok
}

func (l *look) group(id string) (g account.Group, there, ok bool) {
	ok = l.copy(l.keys.key(groupCopy, string(account.ByID), id), func(block []byte, s stamp) bool {
		if there = len(block) > 0; there {
			found, err := newReader(block).group()
			if err != nil || found.ID != id {
				return false
			}
			g = found
		}
		return l.marks.fresh(s, theGroup(id))
	})
	return g, there, ok
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// copy looks for a copy that will do: in this process's memory, and then in Redis, from where it is taken over.
func (l *look) copy(k copyKey, do func(block []byte, s stamp) bool) bool {
	buf, _ := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	content, tick, ok := l.memory.get(k, (*buf)[:0])
	*buf = content[:0]
	if ok {
		if block, err := unpack(content); err == nil && do(block, stamp{tick: tick}) {
			return true
		}
	}
	if l.shared == nil {
		return false
	}
	content, s, ok := l.shared.get(l.ctx, l.keys, k)
	if !ok {
		return false
	}
	block, err := unpack(content)
	if err != nil || !do(block, s) {
		return false
	}
	l.memory.put(k, l.now.tick, content)
	return true
}

func (l *look) keepUser(u *account.User) {
	if len(u.Profile) > largestCopy {
		return
	}
	if _, there, ok := l.user(u.ID); ok && there { // found by another name than last time
		return
	}
	l.keep(l.keys.key(userCopy, string(account.ByID), u.ID), appendUser(nil, u))
}

func (l *look) keepGroup(g *account.Group) {
	if len(g.Profile) > largestCopy {
		return
	}
	l.keep(l.keys.key(groupCopy, string(account.ByID), g.ID), appendGroup(nil, g))
}

// keepNobody keeps that nothing has an id.
func (l *look) keepNobody(kind copyKind, id string) {
	l.keep(l.keys.key(kind, string(account.ByID), id), nil)
}

func (l *look) keepFound(kind copyKind, t account.Term, list []string) {
	if t.Field != account.ByID {
		l.keep(l.keys.key(kind, string(t.Field), folded(t)), appendIDs(nil, list))
	}
}

func (l *look) keep(k copyKey, block []byte) {
	buf, _ := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	*buf = pack((*buf)[:0], block)
	l.memory.put(k, l.now.tick, *buf)
	if l.shared != nil {
		l.shared.put(l.ctx, l.keys, k, l.now, *buf)
	}
}

func missing(there bool) error {
	if there {
		return nil
	}
	return account.ErrNotFound
}
