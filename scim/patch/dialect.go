package patch

import (
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/schema"
)

// The dialects. Each client's recorded conversation in test/idp shows what it sends.
//
//	capital operations      Add, Replace, Remove                   Entra (entra: patch-capital-ops)      opName
//	any case of names       operations, Path, VALUE                Microsoft's Postman set               scim.Object finds names so
//	missing schemas         no PatchOp URN                         scimgateway, idp-scim-sync            checkSchemas
//	dotted keys             {"name.givenName": …} without path     Entra flag aadOptscim062020           pathless
//	URN keys                {"urn:…:User:department": …}           Entra flag aadOptscim062020           pathless
//	URN objects             {"urn:…:User": {"department": …}}      Okta, SailPoint                       pathless
//	bracket keys            {"emails[type eq \"work\"].value": …}  Entra flag aadOptscim062020           pathless
//	echoed id and meta      {"id": …, "displayName": …}            Okta OIN (okta-oin: group-rename)     pathless
//	rename keeps members    value object without members           Okta OIN                              pathless
//	unknown attributes      dropped without a path                 Microsoft's Postman set               pathless
//	string booleans         "True", "False", "true"                Entra, Keycloak                       schema.Coerce
//	one element in a list   manager: [{"value": …}]                Entra (entra: patch-manager-array)    onlyElement
//	manager as a string     manager: "id"                          Entra (entra: patch-manager-urn)      schema.Coerce
//	unqualified extension   path manager, department               Entra                                 schema.Resolve
//	empty clears            {"value": ""}, "", null, []            Entra, Okta, probo                    schema.Coerce
//	element not there yet   emails[type eq "work"].value           Entra, Microsoft's validator          noElement
//	roles[primary eq "True"] a boolean as a string in a filter      Entra (entra: patch-roles-single)     filter
//	JSON in a string        roles [{"value": "{\"id\":…}"}]        Entra (entra: patch-roles-complex)    kept as text
//	removal by value        remove members, value [{"value": …}]   Entra, JumpCloud, ssosync, authentik  removeFromList
//	removal of all          remove members, value null or absent   Keycloak                              removeFromList
//	bare element            add members, value {"value": …}        Google, OneLogin                      schema.Coerce
//	bare member ids         members ["id", …]                      Microsoft's Postman set               schema.Coerce
//	extra member keys       {"$ref": null, "display": …}           Entra, Okta, Keycloak                 schema.Coerce

// opName reads an operation's name in any case.
func opName(name string) (Op, bool) {
	op := Op(strings.ToLower(name))
	return op, op == Add || op == Remove || op == Replace
}

// pathless applies an operation without a path: each key of the value is a path of its own, as the RFC has it for
// plain attributes and Entra sends it for all. What names no attribute is dropped, and so is what is readOnly,
// since clients send back what they have read.
func (w *work) pathless(op *Operation) error {
	o, ok := op.Value.(*scim.Object)
	if !ok {
		return nil // unreachable: Parse refuses
	}
	for key, value := range o.All() {
		t, path, ok := w.key(key)
		if !ok {
			continue
		}
		if t.Attr == nil {
			if err := w.extension(&Operation{Op: op.Op, Value: value, Index: op.Index}, t); err != nil {
				return err
			}
			continue
		}
		if err := w.member(op, t, path, value); err != nil {
			return err
		}
	}
	return nil
}

// key finds what a key of a path-less value names.
func (w *work) key(key string) (schema.Target, filter.Path, bool) {
	if t, ok := w.rt.ResolveText(key); ok {
		return t, filter.Path{}, true
	}
	path, err := filter.ParsePath(key)
	if err != nil {
		return schema.Target{}, path, false
	}
	t, err := w.target(path)
	return t, path, err == nil
}

// member applies one member of a path-less value.
func (w *work) member(op *Operation, t schema.Target, path filter.Path, value any) error {
	leaf := t.Attr
	if t.Sub != nil {
		leaf = t.Sub
	}
	if t.Attr.Mutability == schema.ReadOnly || leaf.Mutability == schema.ReadOnly || t.Attr.Name == "schemas" {
		return nil
	}
	one := &Operation{Op: op.Op, Path: path, HasPath: true, Value: value, Index: op.Index}
	if err := w.writable(one, t); err != nil {
		return err
	}
	return w.change(one, t)
}

// onlyElement takes the element out of a list of one, where an attribute has one value.
func onlyElement(v any) any {
	if list, ok := v.(scim.Array); ok && len(list) == 1 {
		return list[0]
	}
	return v
}

// noElement is for a filter that selects nothing. Adding creates the element. Replacing creates it where the
// filter asks for primary or for one of the attribute's canonical types, because Entra replaces what is not there
// yet; elsewhere it is noTarget (RFC 7644 §3.5.2.3). Removing what is not there is done already.
func (w *work) noElement(op *Operation, t schema.Target, old scim.Array) error {
	if op.Op == Remove {
		return nil
	}
	if op.Op == Replace && !createable(t.Attr, op.Path.Filter) {
		return scim.BadRequest(scim.NoTarget, "path %s selects nothing", quote(op.Path.String()))
	}
	whole := schema.Target{Extension: t.Extension, Attr: t.Attr}
	o := constraints(t.Attr, op.Path.Filter)
	if t.Sub != nil {
		v, err := w.coerce(op, t)
		if err != nil || v == nil {
			return err
		}
		o.Set(t.Sub.Name, v)
	} else {
		v, err := w.rt.CoerceElement(whole, onlyElement(op.Value))
		given, ok := v.(*scim.Object)
		if err != nil || !ok {
			return err
		}
		for name, value := range given.All() {
			o.Set(name, value)
		}
	}
	list := append(slices.Clone(old), o)
	if isPrimary(o) {
		demote(list, len(list)-1)
	}
	w.putList(whole, list)
	return nil
}

// createable tells whether a filter describes an element well enough for replace to make it.
func createable(attr *schema.Attribute, e filter.Expr) bool {
	for _, c := range filter.Conjuncts(e) {
		cmp, ok := c.(filter.Compare)
		if !ok || cmp.Op != filter.Eq {
			return false
		}
		switch strings.ToLower(cmp.Path.Name) {
		case "primary":
			return true
		case "type":
			typ := attr.SubAttribute("type")
			s, _ := cmp.Value.(string)
			if typ != nil && slices.ContainsFunc(typ.CanonicalValues, func(c string) bool { return strings.EqualFold(c, s) }) {
				return true
			}
		}
	}
	return false
}

// constraints is the element that a filter describes: what its equations say.
func constraints(attr *schema.Attribute, e filter.Expr) *scim.Object {
	o := scim.NewObject()
	for _, c := range filter.Conjuncts(e) {
		cmp, ok := c.(filter.Compare)
		if !ok || cmp.Op != filter.Eq || cmp.Path.Sub != "" {
			continue
		}
		sub := attr.SubAttribute(cmp.Path.Name)
		if sub == nil || cmp.Value == nil {
			continue
		}
		value := cmp.Value
		if s, ok := value.(string); ok && sub.Type == schema.Boolean {
			value = strings.EqualFold(s, "true")
		}
		o.Set(sub.Name, value)
	}
	return o
}

// removeFromList removes a multi-valued attribute, or, where the operation has a value, the elements that it names.
func (w *work) removeFromList(op *Operation, t schema.Target, old scim.Array) error {
	named := removals(op.Value)
	if named == nil {
		w.put(t, nil)
		return nil
	}
	values := map[string]bool{}
	var whole []any
	for _, v := range named {
		switch v := v.(type) {
		case string:
			values[v] = true
		case *scim.Object:
			if s, ok := v.Get("value").(string); ok {
				values[s] = true
				continue
			}
			whole = append(whole, v)
		default:
			whole = append(whole, v)
		}
	}
	w.putList(t, slices.DeleteFunc(slices.Clone(old), func(e any) bool {
		o, isObject := e.(*scim.Object)
		s, isText := e.(string)
		return isObject && values[o.String("value")] && o.Has("value") || isText && values[s] ||
			slices.ContainsFunc(whole, func(v any) bool { return scim.Equal(v, e) })
	}))
	return nil
}

// removals is what the value of a remove names; nil: it names nothing, so that all goes.
func removals(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case scim.Array:
		if len(v) == 0 {
			return []any{} // a list of nobody names nobody
		}
		return v
	case *scim.Object:
		// Salesforce: {"members": [{"value": …}]}.
		if inner, ok := v.Get("members").(scim.Array); ok {
			return inner
		}
		return []any{v}
	case string:
		if v == "" {
			return nil
		}
	}
	return []any{v}
}
