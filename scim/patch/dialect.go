package patch

import (
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/schema"
)

// The dialects: what it is called, what is sent, the recorded conversation in test/idp that shows it (client/step), and
// what understands it.
//
//	capital operations           Add, Replace, Remove                   entra/12-patch-capital-ops                            opName
//	any case of names            operations, Path, VALUE                ms-postman/12-all-caps                                scim.Object finds names so
//	stray names                  an operation with a name               ms-postman/11-stray-name-in-op                        operation
//	missing schemas              no PatchOp URN                         scimgateway/03-patch                                  checkSchemas
//	dotted keys                  {"name.givenName": …} without path     entra-aadOptscim062020/04-patch-pathless-dotted-keys  key
//	URN keys                     {"urn:…:User:department": …}           entra-aadOptscim062020/05-patch-pathless-urn-keys     key
//	bracket keys                 {"emails[type eq \"work\"].value": …}  none; as the dotted keys                              key
//	URN objects                  {"urn:…:User": {"department": …}}      none; as Okta sends it in PUT                         extension
//	extension as the path        path urn:…:User                        sailpoint/10-extension-object                         extension
//	echoed id and meta           {"id": …, "displayName": …}            okta-oin/11-group-rename-pathless                     member
//	rename keeps members         value object without members           okta-oin/15-group-rename-again-keeps-members          pathless
//	unknown attributes           dropped without a path                 ms-postman/14-unknown-in-value                        pathless
//	string booleans              "True", "False", "true"                entra/26-patch-disable-string-false                   schema.Coerce
//	one element in a list        manager: [{"value": …}]                entra/18-patch-manager-unqualified-array              onlyElement
//	an object for a plain value  title: [{"$ref": null, "value": …}]    entra-AzureAdScimPatch2017/02-attributes              plainValue
//	manager as a string          manager: "id"                          entra/20-patch-manager-urn-string                     schema.Coerce
//	unqualified extension        path manager, department               entra/18-patch-manager-unqualified-array              schema.Resolve
//	empty clears                 {"value": ""}, "", null, []            entra/21-patch-manager-clear-empty-value              schema.Coerce
//	an element that is emptied   emails[type eq "work"].value is null   entra/23a-patch-email-to-null                         dropEmptied
//	another value, no $ref       manager: {"value": "other"}            entra/20a-patch-manager-to-a-stranger                 dropReference
//	element not there yet        add emails[type eq "work"].value       entra/13-patch-add-phone-absent-element               noElement
//	replace what is absent       replace phoneNumbers[type eq "work"]   entra/14-patch-replace-phone-absent-element           noElement
//	boolean as text in a filter  roles[primary eq "True"]               entra/24-patch-roles-single                           constraints, filter
//	JSON in a string             roles [{"value": "{\"id\":…}"}]        entra/25-patch-roles-complex                          kept as text
//	removal by value             remove members [{"value": …}]          entra/35-patch-group-remove-member-by-value-array     removeFromList
//	removal of all               remove members, value null or absent   keycloak/06-patch-group-empty                         removals
//	empty list of members        replace members []                     okta-oin/16-group-push-empty-list                     list
//	members without a path       {"members": [], "id": …}               okta-oin/17-group-push-pathless-empty                 pathless
//	remove and add at once       two operations on members              okta-oin/13-group-remove-and-add                      SplitMembers
//	one operation for each       20,000 of one member each              authentik/07-group-add                                run, SplitMembers
//	wrapped list                 remove members {"members": […]}        none; Salesforce                                      removals
//	bare member ids              members ["id", …]                      ms-postman/10-bare-member                             schema.Coerce
//	bare element                 members {"value": …}                   none; a list of one without brackets                  schema.Coerce
//	extra member keys            {"$ref": null, "display": …}           entra/33-patch-group-add-members                      schema.Coerce
//	relative $ref                {"$ref": "Users/id"}                   keycloak/05-patch-group-replace                       schema.Coerce

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

// plainValue takes the value out of an object, where the attribute's values are none. Entra, before 2018 and with its
// roll-back flag AzureAdScimPatch2017, writes every value as an element of a list.
func plainValue(t schema.Target, v any) any {
	leaf := t.Attr
	if t.Sub != nil {
		leaf = t.Sub
	}
	if o, ok := v.(*scim.Object); ok && leaf.Type != schema.Complex && o.Has("value") {
		return o.Get("value")
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
	o, err := w.constraints(whole, op.Path.Filter)
	if err != nil {
		return err
	}
	var element any = o
	if t.Sub != nil {
		v, err := w.coerce(op, t)
		if err != nil || v == nil {
			return err
		}
		o.Set(t.Sub.Name, v)
	} else {
		v, err := w.rt.CoerceElement(whole, onlyElement(op.Value))
		if err != nil || v == nil {
			return err
		}
		if given, ok := v.(*scim.Object); ok {
			for name, value := range given.All() {
				o.Set(name, value)
			}
		} else {
			element = v
		}
	}
	list := append(slices.Clone(old), element)
	if isPrimary(element) {
		w.demote(list, len(list)-1)
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

// constraints is the element that a filter describes: what its equations say, in canonical form (type eq "WORK" is
// work, primary eq "True" is true). What is readOnly is the server's to say.
func (w *work) constraints(t schema.Target, e filter.Expr) (*scim.Object, error) {
	o := scim.NewObject()
	for _, c := range filter.Conjuncts(e) {
		cmp, ok := c.(filter.Compare)
		if !ok || cmp.Op != filter.Eq || cmp.Path.Sub != "" {
			continue
		}
		sub := t.Attr.SubAttribute(cmp.Path.Name)
		if sub == nil || sub.Mutability == schema.ReadOnly {
			continue
		}
		value, err := w.rt.Coerce(schema.Target{Extension: t.Extension, Attr: t.Attr, Sub: sub}, cmp.Value)
		if err != nil {
			return nil, err
		}
		if value != nil {
			o.Set(sub.Name, value)
		}
	}
	return o, nil
}

// removeFromList removes a multi-valued attribute, or, where the operation has a value, the elements that it names:
// by value, and by type where it gives one too, since the two together say which element is meant (RFC 7643 §2.4).
// A member's id says it alone, and clients call its type what they like.
func (w *work) removeFromList(op *Operation, t schema.Target, old scim.Array) error {
	named := removals(op.Value)
	if named == nil {
		w.put(t, nil)
		return nil
	}
	fold, typed := foldOf(t.Attr), t.Attr.Name != "members"
	values := map[[2]string]bool{}
	var whole []any
	for _, v := range named {
		if value, typ, ok := valueAndType(v); ok {
			if !typed {
				typ = ""
			}
			values[[2]string{fold(value), scim.Fold(typ)}] = true
			continue
		}
		whole = append(whole, v)
	}
	w.putList(t, slices.DeleteFunc(slices.Clone(old), func(e any) bool {
		if value, typ, ok := valueAndType(e); ok {
			value = fold(value)
			if values[[2]string{value}] || values[[2]string{value, scim.Fold(typ)}] {
				return true
			}
		}
		return slices.ContainsFunc(whole, func(v any) bool { return scim.Equal(v, e) })
	}))
	return nil
}

// valueAndType reads an element, or a plain value.
func valueAndType(v any) (value, typ string, ok bool) {
	switch v := v.(type) {
	case string:
		return v, "", true
	case *scim.Object:
		value, ok = v.Get("value").(string)
		return value, v.String("type"), ok
	}
	return "", "", false
}

// foldOf makes values comparable as the attribute's schema asks.
func foldOf(attr *schema.Attribute) func(string) string {
	if sub := attr.SubAttribute("value"); sub != nil {
		attr = sub
	}
	if attr.CaseExact {
		return func(s string) string { return s }
	}
	return scim.Fold
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
