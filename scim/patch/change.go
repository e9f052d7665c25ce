package patch

import (
	"slices"

	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/schema"
)

// change carries out an operation whose target may be written.
func (w *work) change(op *Operation, t schema.Target) error {
	if t.Attr.Mutability == schema.ReadOnly {
		return nil // id with its own value
	}
	switch {
	case op.Path.Filter != nil:
		return w.filtered(op, t)
	case t.Attr.MultiValued && t.Sub != nil:
		return w.everyElement(op, t)
	case t.Attr.MultiValued:
		return w.list(op, t)
	case t.Attr.Type == schema.Complex && t.Sub == nil:
		return w.complex(op, t)
	case t.Sub != nil:
		return w.subAttribute(op, t)
	}
	v, err := w.coerce(op, t)
	if err != nil {
		return err
	}
	w.put(t, v)
	return nil
}

// coerce brings the operation's value into the attribute's form; nil for remove.
func (w *work) coerce(op *Operation, t schema.Target) (any, error) {
	if op.Op == Remove {
		return nil, nil
	}
	value := op.Value
	if !t.Attr.MultiValued || t.Sub != nil {
		value = plainValue(t, onlyElement(value))
	}
	return w.rt.Coerce(t, value)
}

// complex sets the sub-attributes given and keeps the others (RFC 7644 §3.5.2.1, §3.5.2.3); a sub-attribute given
// as null goes.
func (w *work) complex(op *Operation, t schema.Target) error {
	v, err := w.coerce(op, t)
	if err != nil {
		return err
	}
	now, ok := v.(*scim.Object)
	if !ok {
		w.put(t, nil)
		return nil
	}
	w.put(t, merged(t.Attr, w.get(t), now, onlyElement(op.Value)))
	return nil
}

// merged is an object with the sub-attributes of now over those of old, less what raw sets to null.
func merged(attr *schema.Attribute, old any, now *scim.Object, raw any) *scim.Object {
	was, ok := old.(*scim.Object)
	if !ok {
		return now
	}
	out := was.Clone()
	for name, value := range now.All() {
		out.Set(name, value)
	}
	if o, ok := raw.(*scim.Object); ok {
		for name := range o.All() {
			sub := attr.SubAttribute(name)
			if sub != nil && !now.Has(sub.Name) && sub.Mutability != schema.ReadOnly && sub.Mutability != schema.Immutable {
				out.Delete(sub.Name)
			}
		}
	}
	if !now.Has("$ref") {
		dropReference(out, was.Get("value"))
	}
	return out
}

// dropReference takes $ref away from an object whose value is not what it was: the two name one resource (RFC 7643
// §2.4), and the old reference would name another.
func dropReference(o *scim.Object, was any) {
	if !scim.Equal(o.Get("value"), was) {
		o.Delete("$ref")
	}
}

func (w *work) subAttribute(op *Operation, t schema.Target) error {
	v, err := w.coerce(op, t)
	if err != nil {
		return err
	}
	o, ok := w.home(t, true).Get(t.Attr.Name).(*scim.Object)
	if !ok {
		if v == nil {
			return nil
		}
		o = scim.NewObject()
	}
	was := o.Get("value")
	o = o.Clone()
	setOrDelete(o, t.Sub.Name, v)
	dropReference(o, was)
	if o.Len() == 0 {
		w.put(t, nil)
		return nil
	}
	w.put(t, o)
	return nil
}

func setOrDelete(o *scim.Object, name string, v any) {
	if v == nil {
		o.Delete(name)
		return
	}
	o.Set(name, v)
}

// list changes a multi-valued attribute as a whole.
func (w *work) list(op *Operation, t schema.Target) error {
	old, _ := w.get(t).(scim.Array)
	if op.Op == Remove {
		return w.removeFromList(op, t, old)
	}
	v, err := w.coerce(op, t)
	if err != nil {
		return err
	}
	now, _ := v.(scim.Array)
	if op.Op == Replace {
		w.putList(t, now)
		return nil
	}
	if len(now) == 0 {
		return nil
	}
	list := slices.Clone(old)
	known := make(map[string][]any, len(list)) // by value: comparing each with each would take minutes for large groups
	for _, e := range list {
		value, _, _ := valueAndType(e)
		known[value] = append(known[value], e)
	}
	for _, e := range now {
		value, _, _ := valueAndType(e)
		if slices.ContainsFunc(known[value], func(x any) bool { return scim.Equal(x, e) }) {
			continue
		}
		known[value] = append(known[value], e)
		list = append(list, e)
		if isPrimary(e) {
			w.demote(list, len(list)-1)
		}
	}
	w.putList(t, list)
	return nil
}

func (w *work) putList(t schema.Target, list scim.Array) {
	if len(list) == 0 {
		w.put(t, nil)
		return
	}
	w.put(t, list)
}

// demote takes primary away from all elements but one: there is one at most (RFC 7643 §2.4).
func (w *work) demote(list scim.Array, keep int) {
	for i, e := range list {
		if i != keep && isPrimary(e) {
			old := e.(*scim.Object) //nolint:forcetypeassert // isPrimary holds for objects only
			o := old.Clone()
			o.Set("primary", false)
			w.inherit(old, o)
			list[i] = o
		}
	}
}

func isPrimary(e any) bool {
	o, ok := e.(*scim.Object)
	if !ok {
		return false
	}
	primary, _ := o.Get("primary").(bool)
	return primary
}

// everyElement changes a sub-attribute of all elements.
func (w *work) everyElement(op *Operation, t schema.Target) error {
	old, _ := w.get(schema.Target{Extension: t.Extension, Attr: t.Attr}).(scim.Array)
	v, err := w.coerce(op, t)
	if err != nil {
		return err
	}
	if len(old) == 0 && v != nil {
		w.putList(t, scim.Array{scim.NewObject(scim.Member{Name: t.Sub.Name, Value: v})})
		return nil
	}
	list := slices.Clone(old)
	for i := range list {
		w.setSub(list, i, t, v)
	}
	w.putList(t, dropEmpty(list))
	return nil
}

func (w *work) setSub(list scim.Array, i int, t schema.Target, v any) {
	old, ok := list[i].(*scim.Object)
	if !ok {
		return
	}
	o := old.Clone()
	setOrDelete(o, t.Sub.Name, v)
	dropReference(o, old.Get("value"))
	list[i] = o
	w.note(t, old, o)
	if v == true && t.Sub.Name == "primary" {
		w.demote(list, i)
	}
}

// note remembers an element that this request has emptied.
func (w *work) note(t schema.Target, old, now *scim.Object) {
	if !schema.Bare(now) {
		return
	}
	if schema.Bare(old) {
		w.inherit(old, now)
		return
	}
	if w.emptied == nil {
		w.emptied = map[*scim.Object]schema.Target{}
	}
	w.emptied[now] = schema.Target{Extension: t.Extension, Attr: t.Attr}
}

// inherit is for an element that takes another's place: it is emptied if the other was.
func (w *work) inherit(old, now *scim.Object) {
	if t, ok := w.emptied[old]; ok {
		w.emptied[now] = t
	}
}

// dropEmptied removes the elements that the request has emptied and not filled again. Entra clears an e-mail address
// so (emails[type eq "work"].value is null), and an address that is none would be shown to everybody.
func (w *work) dropEmptied() {
	for _, t := range w.emptied {
		list, _ := w.get(t).(scim.Array)
		w.putList(t, slices.DeleteFunc(slices.Clone(list), func(e any) bool {
			o, ok := e.(*scim.Object)
			_, emptied := w.emptied[o]
			return ok && emptied
		}))
	}
}

func dropEmpty(list scim.Array) scim.Array {
	return slices.DeleteFunc(list, func(e any) bool {
		o, ok := e.(*scim.Object)
		return ok && o.Len() == 0
	})
}

// filtered changes the elements that the brackets select.
func (w *work) filtered(op *Operation, t schema.Target) error {
	whole := schema.Target{Extension: t.Extension, Attr: t.Attr}
	old, _ := w.get(whole).(scim.Array)
	m, err := filter.CompileElement(w.rt, t.Attr, op.Path.Filter)
	if err != nil {
		return err
	}
	var hits []int
	for i, e := range old {
		o, ok := e.(*scim.Object)
		if !ok { // a plain value goes by the attribute's name
			o = scim.NewObject(scim.Member{Name: t.Attr.Name, Value: e})
		}
		if m.Match(o) {
			hits = append(hits, i)
		}
	}
	if len(hits) == 0 {
		return w.noElement(op, t, old)
	}
	list := slices.Clone(old)
	if t.Sub != nil {
		v, err := w.coerce(op, t)
		if err != nil {
			return err
		}
		for _, i := range hits {
			w.setSub(list, i, t, v)
		}
		w.putList(whole, dropEmpty(list))
		return nil
	}
	return w.wholeElements(op, whole, list, hits)
}

// wholeElements removes, replaces or fills up the elements selected.
func (w *work) wholeElements(op *Operation, t schema.Target, list scim.Array, hits []int) error {
	var v any
	if op.Op != Remove && op.Value != nil {
		var err error
		if v, err = w.rt.CoerceElement(t, onlyElement(op.Value)); err != nil {
			return err
		}
	}
	switch now := v.(type) {
	case *scim.Object:
		if err := w.fill(op, t, list, hits, now); err != nil {
			return err
		}
	case nil:
		if op.Op == Add {
			return nil
		}
		for k, i := range hits {
			list = slices.Delete(list, i-k, i-k+1)
		}
	default: // plain values
		for _, i := range hits {
			list[i] = now
		}
	}
	w.putList(t, list)
	return nil
}

// fill adds the sub-attributes of now to the elements selected, or puts now in their place with what the filter
// says about them.
func (w *work) fill(op *Operation, t schema.Target, list scim.Array, hits []int, now *scim.Object) error {
	said, err := w.constraints(t, op.Path.Filter)
	if err != nil {
		return err
	}
	for _, i := range hits {
		o := now.Clone()
		if op.Op == Add {
			o = merged(t.Attr, list[i], now, onlyElement(op.Value))
			if old, ok := list[i].(*scim.Object); ok {
				w.note(t, old, o)
			}
		} else {
			for name, value := range said.All() {
				if !o.Has(name) {
					o.Set(name, value)
				}
			}
		}
		list[i] = o
		if isPrimary(o) {
			w.demote(list, i)
		}
	}
	return nil
}
