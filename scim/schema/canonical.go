package schema

import (
	"strings"

	"github.com/scimbridge/scimbridge/scim"
)

// Canonical makes the document that is stored of the body of a POST or PUT. The body stays as it is, but values of
// it may become part of the document.
//
// Unknown attributes and URNs, and read-only attributes (id, meta, groups), are dropped silently; password is
// checked and dropped, since this product stores no passwords. schemas is made from the content. active is left
// unassigned where the body has none. Accepted beyond the schema, because clients send it:
//
//	data of an extension     whose URN is not in schemas (Entra)
//	manager, department      at the top instead of under the extension's URN (Entra, Postman)
//	name.givenName           paths as keys, also below a URN (Postman, Entra's path-less PATCH)
//	URN:department           as a key
//	attributes               in an object under the base schema's URN
//
// Where an attribute is given twice, its proper place wins. Values are as Coerce makes them. Errors are *scim.Error,
// 400 invalidValue naming the path: wrong types, required attributes that are missing, null, empty or blank.
func (rt *ResourceType) Canonical(in *scim.Object) (*scim.Object, error) {
	d := draft{rt: rt, root: make([]any, len(rt.index.root.attrs))}
	again := false
	for name, v := range in.All() {
		placed, err := d.proper(name, v)
		if err != nil {
			return nil, err
		}
		again = again || !placed
	}
	if again {
		for name, v := range in.All() {
			if err := d.lenient(name, v); err != nil {
				return nil, err
			}
		}
	}
	return d.document()
}

// draft collects the values of a document by the position of their attributes.
type draft struct {
	rt   *ResourceType
	root []any
	exts [][]any // by position of the extension; nil where it has no data
	// parts: a complex value was put together of sub-attributes, so that required ones may be missing.
	parts bool
}

// proper places what stands where the schema puts it, and tells whether it did.
func (d *draft) proper(name string, v any) (bool, error) {
	if i := d.rt.index.root.find(name); i >= 0 {
		return true, d.set(i, v)
	}
	k, ok := lookup(d.rt.index.urns, name)
	if !ok {
		return false, nil
	}
	if k != base {
		return true, d.extension(k, v)
	}
	if unassigned(v) {
		return true, nil
	}
	o, ok := v.(*scim.Object)
	if !ok {
		return true, scim.BadRequest(scim.InvalidValue, "%s must be an object, not %s.", d.rt.Schema.ID, scim.Kind(v))
	}
	for name, v := range o.All() {
		if i := d.rt.index.root.find(name); i >= 0 && d.root[i] == nil {
			if err := d.set(i, v); err != nil {
				return true, err
			}
		}
	}
	return true, nil
}

// set gives the attribute at position i of the root its value, if clients may.
func (d *draft) set(i int, v any) error {
	a := d.rt.index.root.attrs[i]
	if a.Name == "schemas" {
		return checkSchemas(v)
	}
	if a.Mutability == ReadOnly {
		return nil
	}
	v, err := d.rt.Coerce(Target{Attr: a}, v)
	if err != nil || !stored(a) {
		return err
	}
	if v != nil {
		d.root[i] = v
	}
	return nil
}

// checkSchemas refuses what is no list of URNs. Which URNs there are plays no role: clients leave them out and send
// foreign ones.
func checkSchemas(v any) error {
	switch v := v.(type) {
	case nil, string:
		return nil
	case scim.Array:
		for _, e := range v {
			if _, ok := e.(string); !ok {
				return scim.BadRequest(scim.InvalidValue, "schemas must hold strings, not %s.", scim.Kind(e))
			}
		}
		return nil
	}
	return scim.BadRequest(scim.InvalidValue, "schemas must be an array of strings, not %s.", scim.Kind(v))
}

// extension places the data of the extension at position k.
func (d *draft) extension(k int, v any) error {
	if unassigned(v) {
		return nil
	}
	ext := d.rt.Extensions[k].Schema
	o, ok := v.(*scim.Object)
	if !ok {
		return invalid(Target{Extension: ext}, "must be an object, not %s", scim.Kind(v))
	}
	again := false
	for name, v := range o.All() {
		i := d.rt.index.exts[k].find(name)
		if i < 0 {
			again = true
			continue
		}
		if err := d.place(Target{Extension: ext, Attr: ext.Attributes[i]}, v, true); err != nil {
			return err
		}
	}
	if !again {
		return nil
	}
	for name, v := range o.All() {
		if d.rt.index.exts[k].find(name) >= 0 || strings.IndexByte(name, '.') < 0 {
			continue
		}
		if t, ok := d.rt.ResolveText(ext.ID + ":" + name); ok {
			if err := d.place(t, v, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// lenient places what a client means by a key that is no attribute of the base schema, unless the attribute has a
// value already.
func (d *draft) lenient(name string, v any) error {
	if d.rt.index.root.find(name) >= 0 {
		return nil
	}
	if _, ok := lookup(d.rt.index.urns, name); ok {
		return nil
	}
	t, ok := d.rt.ResolveText(name)
	if !ok {
		return nil
	}
	return d.place(t, v, false)
}

// place gives what t names its value, if clients may; with force false, only where there is none yet.
func (d *draft) place(t Target, v any, force bool) error {
	if !stored(t.Attr) {
		return nil
	}
	slot := d.slot(t)
	if t.Sub == nil {
		if *slot != nil && !force {
			return nil
		}
		v, err := d.rt.Coerce(t, v)
		if err == nil && v != nil {
			*slot = v
		}
		return err
	}
	// A sub-attribute of several values would not say which.
	if !kept(d.rt, t) || t.Attr.MultiValued {
		return nil
	}
	o, ok := (*slot).(*scim.Object)
	if ok && o.Has(t.Sub.Name) {
		return nil
	}
	v, err := d.rt.Coerce(t, v)
	if err != nil || v == nil {
		return err
	}
	*slot = with(t.Attr, o, t.Sub.Name, v)
	d.parts = true
	return nil
}

// with returns the object, or a new one, with a further sub-attribute, in the schema's order.
func with(a *Attribute, o *scim.Object, name string, v any) *scim.Object {
	out := new(scim.Object)
	for _, sub := range a.Sub {
		switch {
		case sub.Name == name:
			out.Set(name, v)
		case o != nil && o.Has(sub.Name):
			out.Set(sub.Name, o.Get(sub.Name))
		}
	}
	return out
}

// slot is where the value of t.Attr is kept.
func (d *draft) slot(t Target) *any {
	if t.Extension == nil {
		return &d.root[d.rt.index.root.find(t.Attr.Name)]
	}
	if d.exts == nil {
		d.exts = make([][]any, len(d.rt.Extensions))
	}
	k := d.rt.index.urns[t.Extension.ID]
	if d.exts[k] == nil {
		d.exts[k] = make([]any, len(t.Extension.Attributes))
	}
	return &d.exts[k][d.rt.index.exts[k].find(t.Attr.Name)]
}

// document makes the document.
func (d *draft) document() (*scim.Object, error) {
	n := 1 + len(d.rt.Extensions)
	for _, v := range d.root {
		if v != nil {
			n++
		}
	}
	members := make([]scim.Member, 1, n)
	for i, a := range d.rt.index.root.attrs {
		switch {
		case d.root[i] != nil:
			if err := d.whole(Target{Attr: a}, d.root[i]); err != nil {
				return nil, err
			}
			members = append(members, scim.Member{Name: a.Name, Value: d.root[i]})
		case a.Required:
			return nil, required(Target{Attr: a})
		}
	}
	schemas := append(make(scim.Array, 0, n), d.rt.Schema.ID)
	for k, e := range d.rt.Extensions {
		o, err := d.extensionObject(k)
		switch {
		case err != nil:
			return nil, err
		case o != nil:
			members = append(members, scim.Member{Name: e.Schema.ID, Value: o})
			schemas = append(schemas, e.Schema.ID)
		case e.Required:
			return nil, required(Target{Extension: e.Schema})
		}
	}
	members[0] = scim.Member{Name: "schemas", Value: schemas}
	return scim.NewObject(members...), nil
}

// extensionObject is the data of the extension at position k, nil where there is none.
func (d *draft) extensionObject(k int) (*scim.Object, error) {
	if d.exts == nil || d.exts[k] == nil {
		return nil, nil
	}
	ext := d.rt.Extensions[k].Schema
	var members []scim.Member
	for i, a := range ext.Attributes {
		if v := d.exts[k][i]; v != nil {
			members = append(members, scim.Member{Name: a.Name, Value: v})
		}
	}
	if members == nil {
		return nil, nil
	}
	for i, a := range ext.Attributes {
		t := Target{Extension: ext, Attr: a}
		if a.Required && d.exts[k][i] == nil {
			return nil, required(t)
		}
		if err := d.whole(t, d.exts[k][i]); err != nil {
			return nil, err
		}
	}
	return scim.NewObject(members...), nil
}

// whole checks that a complex value that was put together has its required sub-attributes.
func (d *draft) whole(t Target, v any) error {
	if o, ok := v.(*scim.Object); ok && d.parts {
		return checkSubs(t, o)
	}
	return nil
}
