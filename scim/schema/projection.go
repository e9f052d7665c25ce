package schema

import (
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/scim"
)

// Projection chooses the attributes of an answer (RFC 7644 §3.9). The zero value is the default choice of a resource
// type none of whose stored attributes is hidden.
type Projection struct {
	mode   mode
	hidden bool // the resource type has stored attributes that are not returned by default
	attrs  map[*Attribute]choice
	exts   map[*Schema]bool // extensions named as a whole
	base   bool             // the base schema was named as a whole
}

type mode int

const (
	byDefault mode = iota
	only           // what attributes names
	without        // what excludedAttributes names
)

// choice is what a parameter says of one attribute.
type choice struct {
	whole bool
	subs  []*Attribute
}

// ParseProjection reads the parameters attributes and excludedAttributes, each element one name: an attribute, a
// sub-attribute, a URN with either, or a URN alone. A filter in brackets is skipped (Postman sends
// emails[type eq "work"]). Names that the resource type has not are ignored; empty names count as not given; where
// both parameters are given, attributes wins.
func ParseProjection(rt *ResourceType, attributes, excluded []string) Projection {
	p := Projection{hidden: rt.index.hidden}
	if p.parse(rt, attributes, only) {
		return p
	}
	p.parse(rt, excluded, without)
	return p
}

// parse reads one parameter and tells whether it was given.
func (p *Projection) parse(rt *ResourceType, names []string, m mode) bool {
	for _, name := range names {
		if name = bare(name); name == "" {
			continue
		}
		if p.mode == byDefault {
			p.mode, p.attrs, p.exts = m, make(map[*Attribute]choice), make(map[*Schema]bool)
		}
		t, ok := rt.ResolveText(name)
		switch {
		case !ok:
			p.base = p.base || scim.EqualName(name, rt.Schema.ID)
		case t.Attr == nil:
			p.exts[t.Extension] = true
		default:
			c := p.attrs[t.Attr]
			switch {
			case t.Sub == nil:
				c.whole = true
			case !slices.Contains(c.subs, t.Sub):
				c.subs = append(c.subs, t.Sub)
			}
			p.attrs[t.Attr] = c
		}
	}
	return p.mode == m
}

// bare returns the name without spaces around and without a filter in brackets.
func bare(name string) string {
	name = strings.TrimSpace(name)
	if i := strings.IndexByte(name, '['); i >= 0 {
		after := ""
		if j := strings.LastIndexByte(name, ']'); j > i {
			after = name[j+1:]
		}
		name = name[:i] + after
	}
	return name
}

// IsDefault tells whether a canonical document with the read-only attributes put in is the answer as it stands.
func (p Projection) IsDefault() bool { return p.mode == byDefault && !p.hidden }

// Wants tells whether the answer can have the attribute of that name, one of the base schema or a common one, so that
// what is costly to read need not be read.
func (p Projection) Wants(name string) bool {
	for a, c := range p.attrs {
		if scim.EqualName(a.Name, name) {
			return p.mode == only || !c.whole
		}
	}
	return p.mode != only || p.base
}

// Apply returns the part of obj that the answer has; obj stays as it is, the answer shares values with it.
// What is returned always is there and what is returned never is not, whatever was asked for.
func (p Projection) Apply(rt *ResourceType, obj *scim.Object) *scim.Object {
	out := make([]scim.Member, 0, obj.Len())
	for name, v := range obj.All() {
		if i := rt.index.root.find(name); i >= 0 {
			a := rt.index.root.attrs[i]
			v = p.attribute(a, p.base, v)
		} else if k, ok := lookup(rt.index.urns, name); ok && k != base {
			v = p.extension(rt, k, v)
		} else if p.mode == only {
			continue
		}
		if v != nil {
			out = append(out, scim.Member{Name: name, Value: v})
		}
	}
	return scim.NewObject(out...)
}

func (p Projection) extension(rt *ResourceType, k int, v any) any {
	o, ok := v.(*scim.Object)
	if !ok {
		return nil
	}
	ext := rt.Extensions[k].Schema
	named := p.exts[ext]
	var out []scim.Member
	for name, v := range o.All() {
		i := rt.index.exts[k].find(name)
		if i < 0 {
			continue
		}
		if v := p.attribute(ext.Attributes[i], named, v); v != nil {
			out = append(out, scim.Member{Name: name, Value: v})
		}
	}
	if out == nil {
		return nil
	}
	return scim.NewObject(out...)
}

// attribute returns what is shown of an attribute's value, nil where nothing is; named tells whether its schema was
// named as a whole.
func (p Projection) attribute(a *Attribute, named bool, v any) any {
	c := p.attrs[a]
	switch {
	case a.Returned == Never:
		return nil
	case a.Returned == Always:
		return v
	case p.mode == only:
		all := c.whole || named && a.Returned != OnRequest
		if !all && c.subs == nil {
			return nil
		}
		return p.parts(a, c, all, v)
	case a.Returned == OnRequest, p.mode == without && (c.whole || named):
		return nil
	}
	return p.parts(a, c, true, v)
}

// parts leaves out sub-attributes. all tells whether the attribute itself was chosen and not only some of its
// sub-attributes.
func (p Projection) parts(a *Attribute, c choice, all bool, v any) any {
	if c.subs == nil && !hides(a.Sub) {
		return v
	}
	switch v := v.(type) {
	case *scim.Object:
		var out []scim.Member
		for name, value := range v.All() {
			if sub := a.SubAttribute(name); sub != nil && p.shows(sub, c, all) {
				out = append(out, scim.Member{Name: name, Value: value})
			}
		}
		if out == nil {
			return nil
		}
		return scim.NewObject(out...)
	case scim.Array:
		out := make(scim.Array, 0, len(v))
		for _, e := range v {
			if e := p.parts(a, c, all, e); e != nil {
				out = append(out, e)
			}
		}
		if len(out) == 0 && len(v) > 0 {
			return nil
		}
		return out
	}
	return v
}

func (p Projection) shows(sub *Attribute, c choice, all bool) bool {
	named := slices.Contains(c.subs, sub)
	switch sub.Returned {
	case Always:
		return true
	case Never:
		return false
	case OnRequest:
		return p.mode == only && named
	}
	if p.mode == without {
		return !named
	}
	return all || named
}
