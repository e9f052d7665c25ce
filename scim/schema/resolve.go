package schema

import (
	"strings"

	"github.com/scimbridge/scimbridge/scim"
)

// Target is what a path names.
type Target struct {
	Extension *Schema    // nil: an attribute of the base schema or a common one
	Attr      *Attribute // nil: the extension as a whole
	Sub       *Attribute // nil: the attribute as a whole
}

// leaf is the attribute whose values the target holds. Attr must not be nil.
func (t Target) leaf() *Attribute {
	if t.Sub != nil {
		return t.Sub
	}
	return t.Attr
}

// String returns the path as the schema spells it: name.givenName, URN:manager.value, URN. The zero Target is "".
func (t Target) String() string {
	var path string
	if t.Attr != nil {
		path = t.Attr.Name
		if t.Sub != nil {
			path += "." + t.Sub.Name
		}
	}
	switch {
	case t.Extension == nil:
		return path
	case path == "":
		return t.Extension.ID
	}
	return t.Extension.ID + ":" + path
}

// Resolve finds what a path names that has been taken apart into the URN before the attribute, the attribute and
// the sub-attribute; urn and sub may be empty. Case plays no role (RFC 7644 §3.10).
//
// Without a URN, common attributes and those of the base schema come first, then those of the extensions, which
// Entra names so (manager, department). With the URN of the base schema or of an extension only its attributes are
// found. An extension's URN that was taken apart as if its end were an attribute is the extension as a whole.
func (rt *ResourceType) Resolve(urn, name, sub string) (Target, bool) {
	ix := rt.index
	if urn == "" {
		if i := ix.root.find(name); i >= 0 {
			return Target{Attr: ix.root.attrs[i]}.sub(sub)
		}
		if t, ok := lookup(ix.bare, name); ok {
			return t.sub(sub)
		}
		return Target{}, false
	}
	if k, ok := lookup(ix.urns, urn); ok {
		if t, ok := ix.attribute(rt, k, name); ok {
			return t.sub(sub)
		}
		return Target{}, false
	}
	whole := urn + ":" + name
	if sub != "" {
		whole += "." + sub
	}
	return rt.extension(whole)
}

// ResolveText finds what a path names: name.givenName, URN:attribute, URN:attribute.sub, URN.
func (rt *ResourceType) ResolveText(path string) (Target, bool) {
	if t, ok := rt.extension(path); ok {
		return t, true
	}
	for k := range rt.index.ids {
		rest, ok := cutURN(path, rt.index.ids[k])
		if !ok {
			continue
		}
		name, sub, dotted := strings.Cut(rest, ".")
		t, ok := rt.index.attribute(rt, k-1, name)
		if !ok || dotted && sub == "" {
			return Target{}, false
		}
		return t.sub(sub)
	}
	name, sub, dotted := strings.Cut(path, ".")
	if dotted && sub == "" {
		return Target{}, false
	}
	return rt.Resolve("", name, sub)
}

// extension finds an extension by its URN.
func (rt *ResourceType) extension(urn string) (Target, bool) {
	k, ok := lookup(rt.index.urns, urn)
	if !ok || k == base {
		return Target{}, false
	}
	return Target{Extension: rt.Extensions[k].Schema}, true
}

// sub narrows the target to a sub-attribute; an empty name leaves it.
func (t Target) sub(name string) (Target, bool) {
	if name == "" {
		return t, true
	}
	t.Sub = t.Attr.SubAttribute(name)
	if t.Sub == nil {
		return Target{}, false
	}
	return t, true
}

// cutURN cuts the URN and the colon after it from the start of path.
func cutURN(path, urn string) (rest string, ok bool) {
	if len(path) <= len(urn) || path[len(urn)] != ':' || !scim.EqualName(path[:len(urn)], urn) {
		return "", false
	}
	return path[len(urn)+1:], true
}

// base stands for the base schema where extensions are named by their position.
const base = -1

// index is what a resource type prepares so that finding an attribute costs a look-up in a map.
type index struct {
	root  table             // common attributes and those of the base schema
	exts  []table           // of Extensions, by position
	ids   []string          // URN of the base schema, then those of Extensions
	urns  map[string]int    // URN to position in Extensions, or base
	bare  map[string]Target // attributes of extensions that no other schema has a namesake of
	group *Attribute        // members of a group, nil for other resource types
	// hidden: an attribute that is stored must be left out of ordinary answers (returned never or request).
	hidden bool
}

// table finds attributes by name.
type table struct {
	attrs []*Attribute
	at    map[string]int // by the schema's spelling and by the name in lower case
}

func newTable(attrs []*Attribute) table {
	t := table{attrs: attrs, at: make(map[string]int, 2*len(attrs))}
	for i, a := range attrs {
		t.at[a.Name] = i
		t.at[scim.LowerName(a.Name)] = i
	}
	return t
}

// find returns the position of the attribute of that name, or -1.
func (t *table) find(name string) int {
	if i, ok := lookup(t.at, name); ok {
		return i
	}
	return -1
}

// lookup finds a name in a map that holds the usual spelling and the one in lower case, so that usual names are
// found without making another string.
func lookup[V any](m map[string]V, name string) (V, bool) {
	if v, ok := m[name]; ok {
		return v, true
	}
	v, ok := m[scim.LowerName(name)]
	return v, ok
}

func (ix *index) attribute(rt *ResourceType, k int, name string) (Target, bool) {
	if k == base {
		i := ix.root.find(name)
		if i < 0 {
			return Target{}, false
		}
		return Target{Attr: ix.root.attrs[i]}, true
	}
	i := ix.exts[k].find(name)
	if i < 0 {
		return Target{}, false
	}
	return Target{Extension: rt.Extensions[k].Schema, Attr: ix.exts[k].attrs[i]}, true
}

// prepare makes the index.
func (rt *ResourceType) prepare() *ResourceType {
	ix := &index{root: newTable(append(common(), rt.Schema.Attributes...)), ids: []string{rt.Schema.ID}}
	ix.urns = map[string]int{rt.Schema.ID: base, scim.LowerName(rt.Schema.ID): base}
	ix.bare = make(map[string]Target)
	if rt.Schema.ID == scim.GroupSchema {
		ix.group = ix.root.attrs[ix.root.find("members")]
	}
	ix.hidden = hides(rt.Schema.Attributes)
	for k, e := range rt.Extensions {
		ix.exts = append(ix.exts, newTable(e.Schema.Attributes))
		ix.ids = append(ix.ids, e.Schema.ID)
		ix.urns[e.Schema.ID], ix.urns[scim.LowerName(e.Schema.ID)] = k, k
		ix.hidden = ix.hidden || hides(e.Schema.Attributes)
		for _, a := range e.Schema.Attributes {
			if _, taken := lookup(ix.bare, a.Name); taken {
				continue // the first extension wins
			}
			t := Target{Extension: e.Schema, Attr: a}
			ix.bare[a.Name], ix.bare[scim.LowerName(a.Name)] = t, t
		}
	}
	rt.index = ix
	return rt
}

// hides tells whether a document may hold an attribute that an ordinary answer leaves out.
func hides(attrs []*Attribute) bool {
	for _, a := range attrs {
		if stored(a) && (a.Returned == Never || a.Returned == OnRequest || hides(a.Sub)) {
			return true
		}
	}
	return false
}

// stored tells whether a canonical document holds the attribute: read-only ones are the server's, and what may
// only be written is not kept at all.
func stored(a *Attribute) bool { return a.Mutability != ReadOnly && a.Mutability != WriteOnly }

// common returns the attributes that every resource has and no schema lists (RFC 7643 §3 and §3.1).
func common() []*Attribute {
	attr := func(name string, typ Type, exact bool, m Mutability, r Returned, sub ...*Attribute) *Attribute {
		return &Attribute{Name: name, Type: typ, CaseExact: exact, Mutability: m, Returned: r, Uniqueness: "none", Sub: sub}
	}
	schemas := attr("schemas", Reference, true, ReadOnly, Always)
	schemas.MultiValued = true
	id := attr("id", String, true, ReadOnly, Always)
	id.Uniqueness = "server"
	return []*Attribute{
		schemas,
		id,
		attr("externalId", String, true, ReadWrite, Default),
		attr("meta", Complex, false, ReadOnly, Default,
			attr("resourceType", String, true, ReadOnly, Default),
			attr("created", DateTime, false, ReadOnly, Default),
			attr("lastModified", DateTime, false, ReadOnly, Default),
			attr("location", Reference, true, ReadOnly, Default),
			attr("version", String, true, ReadOnly, Default)),
	}
}
