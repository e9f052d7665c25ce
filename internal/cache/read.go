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
	if !account.IsID(id) || !c.current() {
		return c.account.User(ctx, id)
	}
	if u, there, ok := c.user(id); ok {
		c.stats.hits.Add(1)
		return u, missing(there)
	}
	c.stats.misses.Add(1)
	stamp := c.marks.stamp()
	u, err := c.account.User(ctx, id)
	switch {
	case err == nil:
		c.keepUser(stamp, &u)
	case absent(err):
		c.keep(c.key(userCopy, account.ByID, id), stamp, nil)
	}
	return u, err
}

// Group answers from a copy, or asks the account.
func (c *Cache) Group(ctx context.Context, id string) (account.Group, error) {
	if !account.IsID(id) || !c.current() {
		return c.account.Group(ctx, id)
	}
	if g, there, ok := c.group(id); ok {
		c.stats.hits.Add(1)
		return g, missing(there)
	}
	c.stats.misses.Add(1)
	stamp := c.marks.stamp()
	g, err := c.account.Group(ctx, id)
	switch {
	case err == nil:
		c.keepGroup(stamp, &g)
	case absent(err):
		c.keep(c.key(groupCopy, account.ByID, id), stamp, nil)
	}
	return g, err
}

// Users answers look-ups from copies, and leaves everything else to the account.
func (c *Cache) Users(ctx context.Context, q account.Query) (account.UserPage, error) {
	if !isLookup(&q) || !userFields[q.Terms[0].Field] || !c.current() {
		return c.account.Users(ctx, q)
	}
	term := q.Terms[0]
	if page, ok := c.findUsers(term, q.Limit); ok {
		c.stats.hits.Add(1)
		if !q.Groups {
			for i := range page.Users {
				page.Users[i].Groups = nil
			}
		}
		return page, nil
	}
	c.stats.misses.Add(1)
	stamp := c.marks.stamp()
	with := q
	with.Groups, with.NoTotal = true, false // what is kept has them
	page, err := c.account.Users(ctx, with)
	if err != nil {
		return page, err
	}
	if page.Total == len(page.Users) && page.Total <= fewFound {
		ids := make([]string, len(page.Users))
		for i := range page.Users {
			ids[i] = page.Users[i].ID
			c.keepUser(stamp, &page.Users[i])
		}
		c.keepFound(usersFound, term, stamp, ids)
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
	if !c.current() {
		return c.account.Groups(ctx, q)
	}
	if group, member, ok := isProbe(&q); ok {
		return c.probe(ctx, q, group, member)
	}
	if !isLookup(&q) || !groupFields[q.Terms[0].Field] {
		return c.account.Groups(ctx, q)
	}
	term := q.Terms[0]
	if page, ok := c.findGroups(term, q.Limit); ok {
		c.stats.hits.Add(1)
		return page, nil
	}
	c.stats.misses.Add(1)
	stamp := c.marks.stamp()
	q.NoTotal = false
	page, err := c.account.Groups(ctx, q)
	if err == nil && page.Total == len(page.Groups) && page.Total <= fewFound {
		ids := make([]string, len(page.Groups))
		for i := range page.Groups {
			ids[i] = page.Groups[i].ID
			c.keepGroup(stamp, &page.Groups[i])
		}
		c.keepFound(groupsFound, term, stamp, ids)
	}
	return page, err
}

// probe answers whether somebody is in a group: the user says which groups it is in.
func (c *Cache) probe(ctx context.Context, q account.Query, group, member string) (account.GroupPage, error) {
	u, err := c.User(ctx, member)
	switch {
	case absent(err):
		return account.GroupPage{}, nil
	case err != nil:
		return account.GroupPage{}, err
	case !slices.ContainsFunc(u.Groups, func(r account.GroupRef) bool { return r.ID == group }):
		return account.GroupPage{}, nil
	}
	g, err := c.Group(ctx, group)
	if absent(err) { // in between it went
		return account.GroupPage{}, nil
	}
	return account.GroupPage{Groups: []account.Group{g}, Total: 1}, err
}

// Members asks the account: lists of members are long and rarely asked for twice.
func (c *Cache) Members(ctx context.Context, group, after string, limit int) ([]account.Member, error) {
	return c.account.Members(ctx, group, after, limit)
}

// Describe asks the account.
func (c *Cache) Describe(ctx context.Context) (account.Info, error) { return c.account.Describe(ctx) }

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

// findUsers answers a look-up from copies.
func (c *Cache) findUsers(t account.Term, limit int) (page account.UserPage, ok bool) {
	ids, stamp, ok := c.found(usersFound, t)
	if !ok || len(ids) > limit {
		return page, false
	}
	// Only one can have a user name: who has it has it, whatever others are called since.
	if unique := t.Field == account.ByUserName && len(ids) == 1 || t.Field == account.ByID; !unique && !c.marks.fresh(stamp, userNames()) {
		return page, false
	}
	for _, id := range ids {
		u, there, ok := c.user(id)
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

func (c *Cache) findGroups(t account.Term, limit int) (page account.GroupPage, ok bool) {
	ids, stamp, ok := c.found(groupsFound, t)
	if !ok || len(ids) > limit || t.Field != account.ByID && !c.marks.fresh(stamp, groupNames()) {
		return page, false
	}
	for _, id := range ids {
		g, there, ok := c.group(id)
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

// found is what a term finds, as far as a copy knows. The caller judges the stamp.
func (c *Cache) found(kind copyKind, t account.Term) (ids []string, stamp uint64, ok bool) {
	if t.Field == account.ByID { // an id finds itself
		return []string{t.Value}, c.marks.stamp(), account.IsID(t.Value)
	}
	block, stamp, ok := c.copyOf(c.key(kind, t.Field, folded(t)))
	if !ok {
		return nil, 0, false
	}
	ids, err := newReader(block).ids()
	return ids, stamp, err == nil
}

// user is a fresh copy of a user; there is false for one that says that there is none.
func (c *Cache) user(id string) (u account.User, there, ok bool) {
	block, stamp, ok := c.copyOf(c.key(userCopy, account.ByID, id))
	if !ok {
		return u, false, false
	}
	if len(block) == 0 {
		return u, false, c.marks.fresh(stamp, theUser(id))
	}
	u, err := newReader(block).user()
	if err != nil || u.ID != id {
		return u, false, false
	}
	const usual = 16 // groups that a user is in, so that the list needs no memory
	var buf [1 + usual]thing
	things := append(buf[:0], theUser(id))
	for _, g := range u.Groups {
		things = append(things, membersOf(g.ID))
	}
	return u, true, c.marks.fresh(stamp, things...)
}

func (c *Cache) group(id string) (g account.Group, there, ok bool) {
	block, stamp, ok := c.copyOf(c.key(groupCopy, account.ByID, id))
	if !ok || !c.marks.fresh(stamp, theGroup(id)) {
		return g, false, false
	}
	if len(block) == 0 {
		return g, false, true
	}
	g, err := newReader(block).group()
	return g, true, err == nil && g.ID == id
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// copyOf is the block of a copy, whether fresh or not.
func (c *Cache) copyOf(k copyKey) (block []byte, stamp uint64, ok bool) {
	buf, _ := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	content, stamp, ok := c.memory.get(k, (*buf)[:0])
	*buf = content[:0]
	if !ok {
		return nil, 0, false
	}
	block, err := unpack(content)
	return block, stamp, err == nil
}

func (c *Cache) keepUser(stamp uint64, u *account.User) {
	if len(u.Profile) > largestCopy {
		return
	}
	if _, there, ok := c.user(u.ID); ok && there { // found by another name than last time
		return
	}
	c.keep(c.key(userCopy, account.ByID, u.ID), stamp, appendUser(nil, u))
}

func (c *Cache) keepGroup(stamp uint64, g *account.Group) {
	if len(g.Profile) > largestCopy {
		return
	}
	c.keep(c.key(groupCopy, account.ByID, g.ID), stamp, appendGroup(nil, g))
}

func (c *Cache) keepFound(kind copyKind, t account.Term, stamp uint64, ids []string) {
	if t.Field != account.ByID {
		c.keep(c.key(kind, t.Field, folded(t)), stamp, appendIDs(nil, ids))
	}
}

func (c *Cache) keep(k copyKey, stamp uint64, block []byte) {
	buf, _ := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	*buf = pack((*buf)[:0], block)
	c.memory.put(k, stamp, *buf)
}

func missing(there bool) error {
	if there {
		return nil
	}
	return account.ErrNotFound
}
