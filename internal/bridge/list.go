package bridge

import (
	"context"
	"slices"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/protocol"
	"github.com/scimbridge/scimbridge/scim/schema"
)

// A list is answered in one of three ways, the cheapest that can:
//
//	direct   the account's indexes answer the filter and the order; it is asked for the page and the total
//	scanned  the account orders; rows are read and judged, matches are counted and the page is kept
//	sorted   rows are read and judged, sort keys are kept and sorted, then the page is read by id

// scanPage is how many rows are read from the account at once where a filter has to be judged row by row: enough
// to make the reading cheap, few enough to hold in memory (750 KiB of profiles).
const scanPage = 500

// entry is a row of an answer: a user or a group.
type entry struct {
	user  *account.User
	group *account.Group
}

func (e entry) id() string {
	if e.user != nil {
		return e.user.ID
	}
	return e.group.ID
}

// section is the part of a query that is about one resource type.
type section struct {
	rt    *schema.ResourceType
	plan  plan
	shape schema.Projection
	order account.Field
	key   schema.Target // what to sort by in memory
}

// listing is one query under way.
type listing struct {
	*Bridge
	protocol.Query
	sections []section
	inMemory bool // sorted
}

// List answers a query (RFC 7644 §3.4.2, RFC 9865 §2).
func (b *Bridge) List(ctx context.Context, q protocol.Query) (protocol.Page, error) {
	q.Count = max(q.Count, 0)
	q.StartIndex = max(q.StartIndex, 1)
	l := &listing{Bridge: b, Query: q}
	for _, rt := range q.Types {
		p, err := b.plan(rt, q.Filter)
		if err != nil {
			return protocol.Page{}, err
		}
		l.sections = append(l.sections, section{rt: rt, plan: p, shape: b.projection(rt, q.Shape)})
	}
	l.chooseOrder()
	page, err := l.answer(ctx)
	if err != nil {
		return protocol.Page{}, commonError(err)
	}
	return page, nil
}

// chooseOrder decides who sorts. An attribute that no type has is ignored, as is a complex one without a value.
func (l *listing) chooseOrder() {
	known := false
	for i := range l.sections {
		s := &l.sections[i]
		t, ok := s.rt.ResolveText(l.SortBy)
		if !ok || t.Attr == nil || l.SortBy == "" {
			continue
		}
		if t.Attr.Type == schema.Complex && t.Sub == nil {
			if t.Sub = t.Attr.SubAttribute("value"); t.Sub == nil {
				continue
			}
		}
		known = true
		s.key = t
		s.order, ok = l.indexOrder(s.rt, t)
		l.inMemory = l.inMemory || !ok
	}
	if known && len(l.sections) > 1 {
		l.inMemory = true
	}
	if l.Cursor != nil && (len(l.sections) > 1 || l.sections[0].plan.residue != nil) {
		l.inMemory = true
	}
}

func (l *listing) answer(ctx context.Context) (protocol.Page, error) {
	if l.Cursor == nil {
		if l.inMemory {
			return l.sorted(ctx, nil)
		}
		return l.indexed(ctx)
	}
	seal, err := l.cursorSeal(l.Query)
	if err != nil {
		return protocol.Page{}, err
	}
	if l.inMemory {
		return l.sorted(ctx, seal)
	}
	return l.cursored(ctx, seal)
}

// indexed answers index paging in the account's order; several types follow one another.
func (l *listing) indexed(ctx context.Context) (protocol.Page, error) {
	page := protocol.Page{StartIndex: l.StartIndex}
	from, size := l.StartIndex-1, l.Count
	for i := range l.sections {
		s := &l.sections[i]
		var rows []entry
		var total int
		var err error
		if s.plan.residue == nil {
			q := l.query(s)
			q.Offset, q.Limit = from, size
			rows, total, _, err = l.read(ctx, s, q)
		} else {
			rows, total, err = l.scanned(ctx, s, from, size)
		}
		if err != nil {
			return protocol.Page{}, err
		}
		if page.Resources, err = l.render(ctx, s, rows, page.Resources); err != nil {
			return protocol.Page{}, err
		}
		page.Total += total
		from, size = max(0, from-total), size-len(rows)
	}
	return page, nil
}

// scanned counts what matches and keeps the window.
func (l *listing) scanned(ctx context.Context, s *section, from, size int) (kept []entry, total int, err error) {
	err = l.each(ctx, s, func(e entry, _ *scim.Object) {
		if total++; total > from && len(kept) < size {
			kept = append(kept, e)
		}
	})
	return kept, total, err
}

// cursored answers cursor paging from the account's indexes.
func (l *listing) cursored(ctx context.Context, seal *cursorSeal) (protocol.Page, error) {
	s := &l.sections[0]
	at, err := seal.open(*l.Cursor)
	if err != nil {
		return protocol.Page{}, err
	}
	q := l.query(s)
	q.Limit = l.Count
	if at != nil {
		q.After = &account.Position{Key: at.Key, ID: at.ID}
	}
	rows, total, next, err := l.read(ctx, s, q)
	if err != nil {
		return protocol.Page{}, err
	}
	page := protocol.Page{Total: total}
	if next != nil && l.Count > 0 {
		if page.Next, err = seal.seal(place{Key: next.Key, ID: next.ID}); err != nil {
			return protocol.Page{}, err
		}
	}
	page.Resources, err = l.render(ctx, s, rows, nil)
	return page, err
}

func (l *listing) query(s *section) account.Query {
	p := s.shape
	return account.Query{
		Terms: s.plan.terms, Order: s.order, Descending: l.Descending && s.order != account.BySequence,
		// The version in meta depends on the groups, so that they are read even where they are not shown.
		Groups: s.plan.residue != nil || l.inMemory || p.Wants("groups") || p.Wants("meta"),
	}
}

func (l *listing) read(ctx context.Context, s *section, q account.Query) (rows []entry, total int, next *account.Position, err error) {
	if s.rt == l.users {
		page, err := l.view.Users(ctx, q)
		rows = make([]entry, len(page.Users))
		for i := range page.Users {
			rows[i].user = &page.Users[i]
		}
		return rows, page.Total, page.Next, err
	}
	page, err := l.view.Groups(ctx, q)
	rows = make([]entry, len(page.Groups))
	for i := range page.Groups {
		rows[i].group = &page.Groups[i]
	}
	return rows, page.Total, page.Next, err
}

// each visits every row that matches, in the account's order, with its tree where one had to be made.
func (l *listing) each(ctx context.Context, s *section, visit func(entry, *scim.Object)) error {
	q := l.query(s)
	q.Limit, q.NoTotal = scanPage, true
	for {
		rows, _, next, err := l.read(ctx, s, q)
		if err != nil {
			return err
		}
		for _, e := range rows {
			var doc *scim.Object
			if s.plan.residue != nil || l.inMemory && s.key.Attr != nil {
				if doc, err = l.tree(ctx, s, e); err != nil {
					return err
				}
			}
			if s.plan.residue == nil || s.plan.matcher.Match(doc) {
				visit(e, doc)
			}
		}
		if next == nil {
			return nil
		}
		q.After = next
	}
}

// tree is the row as a filter sees it. The members of a group are read only where the filter speaks of them.
func (l *listing) tree(ctx context.Context, s *section, e entry) (*scim.Object, error) {
	if e.user != nil {
		return l.fullUser(e.user, userVersion(e.user), l.Base), nil
	}
	if !s.plan.members || e.group.Members == 0 {
		return l.fullGroup(e.group, nil, false, l.Base), nil
	}
	members, err := l.members(ctx, e.group.ID)
	return l.fullGroup(e.group, members, true, l.Base), err
}

// render appends the rows' JSON.
func (l *listing) render(ctx context.Context, s *section, rows []entry, dst [][]byte) ([][]byte, error) {
	size := 0
	for _, e := range rows {
		if e.user != nil {
			size += len(e.user.Profile) + len(e.user.Groups)*200 + 512
		}
	}
	buf := make([]byte, 0, size) // one for the page; where it does not suffice, what was rendered stays in the old one
	dst = slices.Grow(dst, len(rows))
	for _, e := range rows {
		if e.user != nil {
			begin := len(buf)
			buf = l.appendUser(buf, e.user, userVersion(e.user), l.Base, s.shape)
			dst = append(dst, buf[begin:len(buf):len(buf)])
			continue
		}
		members, shown, err := l.shownMembers(ctx, e.group, s.shape)
		if err != nil {
			return nil, err
		}
		dst = append(dst, l.appendGroup(nil, e.group, members, shown, l.Base, s.shape))
	}
	return dst, nil
}
