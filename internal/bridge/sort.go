package bridge

import (
	"cmp"
	"context"
	"errors"
	"math/big"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/protocol"
	"github.com/scimbridge/scimbridge/scim/schema"
)

// place is where a resource stands in an order made in memory: by key, then by id.
type place struct {
	Type    int    `json:"t,omitempty"` // index of the resource type
	Missing bool   `json:"m,omitempty"` // the resource has no such value
	Key     string `json:"k,omitempty"`
	ID      string `json:"i"`
}

// sorted keeps the places of all that match, sorts them and reads the page by id.
func (l *listing) sorted(ctx context.Context, seal *cursorSeal) (protocol.Page, error) {
	places, err := l.places(ctx)
	if err != nil {
		return protocol.Page{}, err
	}
	page := protocol.Page{Total: len(places), StartIndex: l.StartIndex}
	from := l.StartIndex - 1
	if seal != nil {
		page.StartIndex, from = 0, 0
		at, err := seal.open(*l.Cursor)
		if err != nil {
			return protocol.Page{}, err
		}
		if at != nil {
			i, found := slices.BinarySearchFunc(places, *at, l.compare)
			if from = i; found {
				from++
			}
		}
	}
	from = min(from, len(places))
	shown := places[from:min(from+l.Count, len(places))]
	if seal != nil && len(shown) > 0 && from+len(shown) < len(places) {
		if page.Next, err = seal.seal(shown[len(shown)-1]); err != nil {
			return protocol.Page{}, err
		}
	}
	for _, p := range shown {
		s := &l.sections[p.Type]
		e, err := l.entry(ctx, s, p.ID)
		if errors.Is(err, account.ErrNotFound) {
			continue // gone since the places were made
		}
		if err != nil {
			return protocol.Page{}, err
		}
		if page.Resources, err = l.render(ctx, s, []entry{e}, page.Resources); err != nil {
			return protocol.Page{}, err
		}
	}
	return page, nil
}

func (l *listing) entry(ctx context.Context, s *section, id string) (entry, error) {
	if s.rt == l.users {
		u, err := l.view.User(ctx, id)
		return entry{user: &u}, err
	}
	g, err := l.view.Group(ctx, id)
	return entry{group: &g}, err
}

func (l *listing) places(ctx context.Context) ([]place, error) {
	var places []place
	for i := range l.sections {
		s := &l.sections[i]
		order := s.order
		s.order = account.BySequence
		err := l.each(ctx, s, func(e entry, doc *scim.Object) {
			p := place{Type: i, ID: e.id()}
			if s.key.Attr != nil {
				p.Key, p.Missing = sortKey(doc, s.key)
			}
			places = append(places, p)
		})
		s.order = order
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(places, l.compare)
	return places, nil
}

// compare orders by key; missing values come last when ascending and first when descending (RFC 7644 §3.4.2.3).
func (l *listing) compare(a, b place) int {
	c := 0
	switch {
	case a.Missing != b.Missing && a.Missing:
		c = 1
	case a.Missing != b.Missing:
		c = -1
	default:
		c = cmp.Compare(a.Key, b.Key)
	}
	if l.Descending {
		c = -c
	}
	return cmp.Or(c, cmp.Compare(a.Type, b.Type), cmp.Compare(a.ID, b.ID))
}

// sortKey is a text that sorts as the attribute's values do.
func sortKey(doc *scim.Object, t schema.Target) (key string, missing bool) {
	v := sortValue(doc, t)
	attr := t.Attr
	if t.Sub != nil {
		attr = t.Sub
	}
	switch v := v.(type) {
	case string:
		switch {
		case attr.Type == schema.DateTime:
			if at, err := scim.ParseTime(v); err == nil {
				return at.UTC().Format("2006-01-02T15:04:05.000000000"), false
			}
		case attr.CaseExact:
			return v, false
		}
		return scim.Fold(v), false
	case bool:
		if v {
			return "1", false
		}
		return "0", false
	case scim.Number:
		return numberKey(string(v)), false
	}
	return "", true
}

// sortValue finds the value that counts: of several the primary one, else the first.
func sortValue(doc *scim.Object, t schema.Target) any {
	v := attribute(doc, t)
	if values, ok := v.(scim.Array); ok {
		v = nil
		for i, e := range values {
			if i == 0 || isPrimary(e) {
				v = e
			}
		}
	}
	if t.Sub == nil {
		return v
	}
	if o, ok := v.(*scim.Object); ok {
		return o.Get(t.Sub.Name)
	}
	return nil
}

func isPrimary(e any) bool {
	o, ok := e.(*scim.Object)
	if !ok {
		return false
	}
	primary, _ := o.Get("primary").(bool)
	return primary
}

// numberKey writes a number so that text order is number order. Numbers of more than 64 digits before the point
// are all equal.
func numberKey(text string) string {
	f, ok := new(big.Float).SetString(text)
	if !ok {
		return ""
	}
	const digits, fraction = 64, 16
	s := new(big.Float).Abs(f).Text('f', fraction)
	if len(s) > digits+fraction+1 {
		s = strings.Repeat("9", digits)
	}
	s = strings.Repeat("0", max(0, digits+fraction+1-len(s))) + s
	if f.Sign() >= 0 {
		return "1" + s
	}
	return "0" + strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return '9' - (r - '0')
		}
		return r
	}, s)
}
