package schema

import (
	"strings"

	"github.com/scimbridge/scimbridge/scim"
)

// Coerce brings the whole value of the attribute, sub-attribute or extension that t names into canonical form. It
// returns nil for what means unassigned: null, "", [], {}. Accepted beyond the schema, because clients send it:
//
//	"True", "false"          for booleans (Entra, OneLogin, Keycloak)
//	one element              for a multi-valued attribute (OneLogin: emails is an object)
//	an array of one          for a complex attribute (Entra: manager)
//	a string                 for a complex value with the sub-attribute value (Entra: manager; Postman: members)
//	managerId                for manager's value (OneLogin)
//	canonical values         in any case
//
// Unknown and read-only sub-attributes are dropped, and so are elements of which an empty value leaves nothing but
// type and primary (Okta: {"type": "mobile", "value": ""}). Elements of equal type and value become one; the later one's
// other sub-attributes win. Errors are *scim.Error, 400 invalidValue with the path in the detail. The values given
// may become part of those returned.
func (rt *ResourceType) Coerce(t Target, v any) (any, error) {
	if t.Attr == nil {
		return rt.coerceExtension(t, v)
	}
	if !t.leaf().MultiValued {
		return rt.one(t, v)
	}
	return rt.many(t, v)
}

// CoerceElement is Coerce for one element of a multi-valued attribute; for a single-valued one it is the same.
func (rt *ResourceType) CoerceElement(t Target, v any) (any, error) {
	if t.Attr == nil {
		return rt.coerceExtension(t, v)
	}
	return rt.one(t, v)
}

func (rt *ResourceType) coerceExtension(t Target, v any) (any, error) {
	if t.Extension == nil {
		return nil, scim.BadRequest(scim.InvalidPath, "The path names no attribute.")
	}
	d := draft{rt: rt}
	k := rt.index.urns[t.Extension.ID]
	if err := d.extension(k, v); err != nil {
		return nil, err
	}
	o, err := d.extensionObject(k)
	if o == nil || err != nil {
		return nil, err
	}
	return o, nil
}

// many coerces a multi-valued attribute.
func (rt *ResourceType) many(t Target, v any) (any, error) {
	list, ok := v.(scim.Array)
	if !ok {
		if unassigned(v) {
			return nil, nil
		}
		list = scim.Array{v}
	}
	if err := checkElements(t, list); err != nil {
		return nil, err
	}
	out := make(scim.Array, 0, len(list))
	for _, e := range list {
		coerced, err := rt.one(t, e)
		if err != nil {
			return nil, err
		}
		if coerced != nil && !emptied(t, e, coerced) {
			out = append(out, coerced)
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	out = distinct(t, out)
	if primaries(out) > 1 {
		return nil, invalid(t, "has more than one value whose primary is true")
	}
	return out, nil
}

// emptied tells whether an element was given with an empty value and has nothing else to say. One that was given as
// type and primary alone stays what it is (ssosync: addresses).
func emptied(t Target, given, coerced any) bool {
	o, ok := coerced.(*scim.Object)
	if !ok || !Bare(o) {
		return false
	}
	raw, ok := given.(*scim.Object)
	if !ok {
		return false
	}
	for name, v := range raw.All() {
		if unassigned(v) && !label(name) && t.Attr.subIndex(name) >= 0 {
			return true
		}
	}
	return false
}

// Bare tells whether an element has no sub-attributes but type and primary, which say how to use a value and are
// none themselves.
func Bare(o *scim.Object) bool {
	for name := range o.All() {
		if !label(name) {
			return false
		}
	}
	return true
}

func label(name string) bool { return scim.EqualName(name, "type") || scim.EqualName(name, "primary") }

// checkElements refuses more than MaxElements values.
func checkElements(t Target, list scim.Array) error {
	members := t.Extension == nil && t.Attr.Name == "members"
	if len(list) <= MaxElements || members {
		return nil
	}
	return invalid(t, "has %d values; at most %d are accepted", len(list), MaxElements)
}

// one coerces one value.
func (rt *ResourceType) one(t Target, v any) (any, error) {
	a := t.leaf()
	if v == nil || v == "" {
		return nil, nil
	}
	if a.Type == Complex {
		return rt.complex(t, v)
	}
	if list, ok := v.(scim.Array); ok && len(list) == 0 && !a.MultiValued {
		return nil, nil
	}
	return scalar(t, a, v)
}

func (rt *ResourceType) complex(t Target, v any) (any, error) {
	a := t.leaf()
	switch x := v.(type) {
	case *scim.Object:
		return rt.object(t, x)
	case scim.Array:
		switch {
		case a.MultiValued:
		case len(x) == 0:
			return nil, nil
		case len(x) == 1:
			if o, ok := x[0].(*scim.Object); ok {
				return rt.object(t, o)
			}
		}
	case string:
		if a.SubAttribute("value") != nil {
			return rt.object(t, scim.NewObject(scim.Member{Name: "value", Value: x}))
		}
	}
	return nil, invalid(t, "must be %s, not %s", wanted(a), scim.Kind(v))
}

// object coerces a complex value. Its sub-attributes come in the schema's order.
func (rt *ResourceType) object(t Target, o *scim.Object) (any, error) {
	a := t.Attr
	var buf [12]any
	slots := buf[:]
	if len(a.Sub) > len(slots) {
		slots = make([]any, len(a.Sub))
	}
	n := 0
	for name, v := range o.All() {
		i := a.subIndex(name)
		if i < 0 {
			if i = alias(a, name); i < 0 || slots[i] != nil {
				continue
			}
		}
		sub := Target{t.Extension, a, a.Sub[i]}
		if !kept(rt, sub) {
			continue
		}
		v, err := rt.Coerce(sub, v)
		if err != nil {
			return nil, err
		}
		if v != nil && slots[i] == nil {
			n++
		}
		if v != nil {
			slots[i] = v
		}
	}
	if n == 0 && t.Attr != rt.index.group {
		return nil, nil
	}
	if a == rt.index.group {
		return member(a, slots, o)
	}
	return assemble(t, slots, n)
}

// assemble makes the object of n values that stand at the positions of the schema's sub-attributes.
func assemble(t Target, slots []any, n int) (any, error) {
	members := make([]scim.Member, 0, n)
	for i, sub := range t.Attr.Sub {
		switch {
		case slots[i] != nil:
			members = append(members, scim.Member{Name: sub.Name, Value: slots[i]})
		case sub.Required && stored(sub):
			return nil, required(Target{t.Extension, t.Attr, sub})
		}
	}
	return scim.NewObject(members...), nil
}

// alias returns the position of the sub-attribute that a client means by another name, or -1.
func alias(a *Attribute, name string) int {
	if a.Name == "manager" && scim.EqualName(name, "managerId") {
		return a.subIndex("value")
	}
	return -1
}

// kept tells whether a sub-attribute is taken from a client. Of a group's members only value and type are stored:
// the server makes the rest of them anew for each answer.
func kept(rt *ResourceType, t Target) bool {
	if t.Attr == rt.index.group {
		return t.Sub.Name == "value" || t.Sub.Name == "type"
	}
	return stored(t.Sub)
}

// member makes an element of a group's members. Clients seldom send type, and some send a word of their own;
// whatever is not a group is a user.
func member(a *Attribute, slots []any, o *scim.Object) (any, error) {
	value, ok := slots[a.subIndex("value")].(string)
	if !ok || strings.TrimSpace(value) == "" {
		return nil, required(Target{Attr: a, Sub: a.SubAttribute("value")})
	}
	kind := "User"
	if typ, ok := slots[a.subIndex("type")].(string); ok {
		if typ == "Group" {
			kind = typ
		}
	} else if strings.Contains(o.String("$ref"), "Groups/") {
		kind = "Group"
	}
	return scim.NewObject(scim.Member{Name: "value", Value: value}, scim.Member{Name: "type", Value: kind}), nil
}

// unassigned tells whether a value means that there is none (RFC 7643 §2.5, and "" as most clients write it).
func unassigned(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case scim.Array:
		return len(v) == 0
	case *scim.Object:
		return v.Len() == 0
	}
	return false
}

func invalid(t Target, format string, args ...any) error {
	e := scim.BadRequest(scim.InvalidValue, format, args...)
	e.Detail = t.String() + " " + e.Detail + "."
	return e
}

func required(t Target) error { return invalid(t, "is required and must not be empty") }

// short bounds what a message repeats of a client's own text.
func short(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
