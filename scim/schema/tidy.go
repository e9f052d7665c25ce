package schema

import (
	"github.com/scimbridge/scimbridge/scim"
)

// Tidy mends a document whose values are canonical one by one after some of them were changed: null, empty strings,
// arrays and objects are removed; of elements of equal type and value one remains, with the later one's other
// sub-attributes; of several primary values only the last stays so; schemas is made anew from the content. Read-only
// attributes stay as they are, write-only ones go. obj is changed, but no value below it that it may share with others.
//
// A required attribute that is missing or empty is a *scim.Error, 400 invalidValue; obj is then of no use.
func (rt *ResourceType) Tidy(obj *scim.Object) error {
	root := &rt.index.root
	for _, a := range root.attrs {
		switch a.Mutability {
		case ReadOnly:
			continue
		case WriteOnly:
			obj.Delete(a.Name)
			continue
		}
		if err := tidyMember(obj, Target{Attr: a}); err != nil {
			return err
		}
	}
	for _, e := range rt.Extensions {
		if err := tidyExtension(obj, e); err != nil {
			return err
		}
	}
	obj.Set("schemas", rt.Schemas(obj))
	return nil
}

// Schemas returns the value of the attribute schemas: the URN of the base schema and of each extension that the
// document has data of (RFC 7643 §3).
func (rt *ResourceType) Schemas(obj *scim.Object) scim.Array {
	urns := scim.Array{rt.Schema.ID}
	for _, e := range rt.Extensions {
		if o, ok := obj.Get(e.Schema.ID).(*scim.Object); ok && o.Len() > 0 {
			urns = append(urns, e.Schema.ID)
		}
	}
	return urns
}

func tidyExtension(obj *scim.Object, e Extension) error {
	o, ok := obj.Get(e.Schema.ID).(*scim.Object)
	if ok {
		// A copy, since the object may be shared.
		o = shallow(o)
		empty := true
		for _, a := range e.Schema.Attributes {
			if tidied, err := tidy(Target{Extension: e.Schema, Attr: a}, o.Get(a.Name)); err != nil {
				return err
			} else if tidied == nil {
				o.Delete(a.Name)
			} else {
				o.Set(a.Name, tidied)
				empty = false
			}
		}
		if !empty {
			for _, a := range e.Schema.Attributes {
				if a.Required && !o.Has(a.Name) {
					return required(Target{Extension: e.Schema, Attr: a})
				}
			}
			obj.Set(e.Schema.ID, o)
			return nil
		}
	}
	obj.Delete(e.Schema.ID)
	if e.Required {
		return required(Target{Extension: e.Schema})
	}
	return nil
}

func shallow(o *scim.Object) *scim.Object {
	members := make([]scim.Member, 0, o.Len())
	for name, v := range o.All() {
		members = append(members, scim.Member{Name: name, Value: v})
	}
	return scim.NewObject(members...)
}

func tidyMember(obj *scim.Object, t Target) error {
	v, err := tidy(t, obj.Get(t.Attr.Name))
	if err != nil {
		return err
	}
	if v != nil {
		obj.Set(t.Attr.Name, v)
		return nil
	}
	obj.Delete(t.Attr.Name)
	if t.Attr.Required {
		return required(t)
	}
	return nil
}

// tidy returns the value without what is empty, nil where nothing is left.
func tidy(t Target, v any) (any, error) {
	if list, ok := v.(scim.Array); ok {
		return tidyList(t, list)
	}
	if unassigned(v) {
		return nil, nil
	}
	if o, ok := v.(*scim.Object); ok {
		return tidyObject(t, o)
	}
	return v, nil
}

func tidyList(t Target, list scim.Array) (any, error) {
	out := make(scim.Array, 0, len(list))
	for _, e := range list {
		e, err := tidy(t, e)
		if err != nil {
			return nil, err
		}
		if e != nil {
			out = append(out, e)
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	if err := checkElements(t, out); err != nil {
		return nil, err
	}
	return lastPrimary(distinct(t, out)), nil
}

func tidyObject(t Target, o *scim.Object) (any, error) {
	empty := 0
	for _, v := range o.All() {
		if unassigned(v) {
			empty++
		}
	}
	if empty == o.Len() {
		return nil, nil
	}
	if empty > 0 {
		members := make([]scim.Member, 0, o.Len()-empty)
		for name, v := range o.All() {
			if !unassigned(v) {
				members = append(members, scim.Member{Name: name, Value: v})
			}
		}
		o = scim.NewObject(members...)
	}
	return o, checkSubs(t, o)
}

// checkSubs refuses a complex value that lacks a required sub-attribute.
func checkSubs(t Target, o *scim.Object) error {
	for _, sub := range t.Attr.Sub {
		if sub.Required && stored(sub) && !o.Has(sub.Name) {
			return required(Target{t.Extension, t.Attr, sub})
		}
	}
	return nil
}

// distinct leaves one of several equal elements, where the first one stood. Complex elements are equal when type
// and value are (RFC 7643 §2.4), without regard to case unless the schema says so; the later one's other
// sub-attributes win. Elements without a value are equal only when everything is. list may be changed.
func distinct(t Target, list scim.Array) scim.Array {
	if len(list) < 2 {
		return list
	}
	seen := make(map[string]int, len(list))
	out := list[:0]
	for _, e := range list {
		key, mergeable := elementKey(t, e)
		i, dup := seen[key]
		switch {
		case !dup:
			seen[key] = len(out)
			out = append(out, e)
		case mergeable:
			out[i] = merge(out[i].(*scim.Object), e.(*scim.Object), t.leaf())
		}
	}
	return out
}

// elementKey is equal for elements that are one. mergeable tells that they may differ in other sub-attributes.
func elementKey(t Target, e any) (key string, mergeable bool) {
	switch e := e.(type) {
	case *scim.Object:
		value, ok := e.Get("value").(string)
		if !ok {
			return string(scim.JSON(e)), false
		}
		if sub := t.Attr.SubAttribute("value"); sub == nil || !sub.CaseExact {
			value = scim.Fold(value)
		}
		return scim.Fold(e.String("type")) + "\x00" + value, true
	case string:
		if !t.leaf().CaseExact {
			return scim.Fold(e), false
		}
		return e, false
	}
	return string(scim.JSON(e)), false
}

// merge returns the object with the sub-attributes of a later one that stands for the same value; type and value
// stay as they were first written. Sub-attributes come in the schema's order.
func merge(o, later *scim.Object, a *Attribute) *scim.Object {
	members := make([]scim.Member, 0, o.Len()+later.Len())
	for _, sub := range a.Sub {
		v := o.Get(sub.Name)
		if w := later.Get(sub.Name); w != nil && (v == nil || sub.Name != "type" && sub.Name != "value") {
			v = w
		}
		if v != nil {
			members = append(members, scim.Member{Name: sub.Name, Value: v})
		}
	}
	return scim.NewObject(members...)
}

// primaries counts the elements whose primary is true.
func primaries(list scim.Array) int {
	n := 0
	for _, e := range list {
		if isPrimary(e) {
			n++
		}
	}
	return n
}

func isPrimary(e any) bool {
	o, ok := e.(*scim.Object)
	return ok && o.Get("primary") == true
}

// lastPrimary lets only the last primary element stay so (RFC 7643 §2.4). list may be changed, its elements are not.
func lastPrimary(list scim.Array) scim.Array {
	found := false
	for i := len(list) - 1; i >= 0; i-- {
		if !isPrimary(list[i]) {
			continue
		}
		if found {
			o := shallow(list[i].(*scim.Object))
			o.Set("primary", false)
			list[i] = o
		}
		found = true
	}
	return list
}
