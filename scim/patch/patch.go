// Package patch applies PATCH requests (RFC 7644 §3.5.2) to documents: the whole path grammar, add, remove and
// replace with the RFC's meaning, all operations or none.
//
// What real clients send beyond the RFC, or against it, is understood too; every such dialect has its name, its
// senders and its rule in dialect.go, and nowhere else.
//
// A document is canonical, as package schema makes it, and is never changed in place. The package knows no HTTP and
// no account.
package patch

import (
	"errors"
	"fmt"
	"strings"

	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/schema"
)

// Op is what an operation does.
type Op string

// The operations.
const (
	Add     Op = "add"
	Remove  Op = "remove"
	Replace Op = "replace"
)

// Operation is one operation of a request.
type Operation struct {
	Op      Op
	Path    filter.Path
	HasPath bool
	Value   any // nil where there is none
	Index   int // place in the request, from 1, for messages
}

// MaxOperations bounds the operations of a request. authentik sends one for each member, a whole group at once.
const MaxOperations = 50_000

// Parse reads the body of a PATCH request. Errors are 400.
func Parse(body *scim.Object) ([]Operation, error) {
	if err := checkSchemas(body); err != nil {
		return nil, err
	}
	list, ok := body.Get("Operations").(scim.Array)
	if !ok || len(list) == 0 {
		return nil, scim.BadRequest(scim.InvalidSyntax, "Operations must be an array of at least one operation.")
	}
	if len(list) > MaxOperations {
		return nil, scim.Errorf(413, "", "The request holds %d operations; at most %d are accepted.", len(list), MaxOperations)
	}
	ops := make([]Operation, len(list))
	for i, v := range list {
		op, err := operation(v, i+1)
		if err != nil {
			return nil, at(i+1, err)
		}
		ops[i] = op
	}
	return ops, nil
}

// checkSchemas tolerates a missing schemas, not another message's.
func checkSchemas(body *scim.Object) error {
	list, ok := body.Get("schemas").(scim.Array)
	if !ok || len(list) == 0 {
		return nil
	}
	for _, s := range list {
		if s, ok := s.(string); ok && scim.EqualName(s, scim.PatchOpMessage) {
			return nil
		}
	}
	return scim.BadRequest(scim.InvalidSyntax, "schemas must name %s.", scim.PatchOpMessage)
}

func operation(v any, index int) (Operation, error) {
	op := Operation{Index: index}
	o, ok := v.(*scim.Object)
	if !ok {
		return op, scim.BadRequest(scim.InvalidSyntax, "an operation must be an object, not %s", scim.Kind(v))
	}
	name, ok := o.Get("op").(string)
	if !ok {
		return op, scim.BadRequest(scim.InvalidSyntax, "op is missing; it is add, remove or replace")
	}
	if op.Op, ok = opName(name); !ok {
		return op, scim.BadRequest(scim.InvalidSyntax, "op %q is none of add, remove and replace", quote(name))
	}
	switch path := o.Get("path").(type) {
	case nil:
	case string:
		if path == "" {
			break
		}
		var err error
		if op.Path, err = filter.ParsePath(path); err != nil {
			return op, err
		}
		op.HasPath = true
	default:
		return op, scim.BadRequest(scim.InvalidPath, "path must be a string, not %s", scim.Kind(path))
	}
	op.Value = o.Get("value")
	switch {
	case op.Op == Remove && !op.HasPath:
		return op, scim.BadRequest(scim.NoTarget, "remove needs a path")
	case op.Op != Remove && !o.Has("value"):
		return op, scim.BadRequest(scim.InvalidValue, "%s needs a value", op.Op)
	}
	if _, isObject := op.Value.(*scim.Object); !op.HasPath && !isObject {
		return op, scim.BadRequest(scim.InvalidValue, "without a path, value must be an object of attributes, not %s", scim.Kind(op.Value))
	}
	return op, nil
}

// at names the operation in an error.
func at(index int, err error) error {
	var e *scim.Error
	if !errors.As(err, &e) {
		return err
	}
	c := *e
	c.Detail = fmt.Sprintf("Operation %d: %s", index, e.Detail)
	return &c
}

// quoted is how much of a client's own text an error repeats, in bytes.
const quoted = 60

func quote(s string) string {
	if len(s) > quoted {
		return strings.ToValidUTF8(s[:quoted], "") + "…"
	}
	return s
}

// Apply applies operations in order and returns the new document, and whether it differs from the old one. The
// document may hold id, meta and what else is readOnly; it stays.
func Apply(rt *schema.ResourceType, doc *scim.Object, ops []Operation) (*scim.Object, bool, error) {
	w := &work{rt: rt, doc: doc.Clone()}
	for len(ops) > 0 {
		op, n := run(rt, ops)
		if err := w.apply(&op); err != nil {
			return nil, false, at(w.culprit(ops[:n], op), err)
		}
		ops = ops[n:]
	}
	w.dropEmptied()
	if err := rt.Tidy(w.doc); err != nil {
		return nil, false, err
	}
	return w.doc, !scim.Equal(doc, w.doc), nil
}

// work is a document under change.
type work struct {
	rt  *schema.ResourceType
	doc *scim.Object
	// emptied holds elements that have lost all but their type and primary, with their attributes.
	emptied map[*scim.Object]schema.Target
}

func (w *work) apply(op *Operation) error {
	if !op.HasPath {
		return w.pathless(op)
	}
	t, err := w.target(op.Path)
	if err != nil {
		return err
	}
	if t.Attr == nil {
		return w.extension(op, t)
	}
	if err := w.writable(op, t); err != nil {
		return err
	}
	return w.change(op, t)
}

// target finds what a path names; the sub-attribute after brackets included.
func (w *work) target(path filter.Path) (schema.Target, error) {
	sub := path.Attr.Sub
	if path.Sub != "" {
		sub = path.Sub
	}
	t, ok := w.rt.Resolve(path.Attr.URN, path.Attr.Name, sub)
	if !ok {
		return t, scim.BadRequest(scim.InvalidPath, "path %s names no attribute of a %s", quote(path.String()), w.rt.Name)
	}
	if path.Attr.Sub != "" && path.Sub != "" {
		return t, scim.BadRequest(scim.InvalidPath, "path %s names two sub-attributes", quote(path.String()))
	}
	if path.Filter != nil && (t.Attr == nil || !t.Attr.MultiValued) {
		return t, scim.BadRequest(scim.InvalidPath, "path %s has a filter, but the attribute has one value only", quote(path.String()))
	}
	return t, nil
}

// writable refuses a target that may not be written (RFC 7644 §3.5.2).
func (w *work) writable(op *Operation, t schema.Target) error {
	leaf := t.Attr
	if t.Sub != nil {
		leaf = t.Sub
	}
	switch {
	case t.Attr.Mutability == schema.ReadOnly || leaf.Mutability == schema.ReadOnly:
		if same, ok := op.Value.(string); ok && op.Op != Remove && t.Attr.Name == "id" && same == w.doc.String("id") {
			return nil
		}
		return scim.BadRequest(scim.Mutability, "%s is readOnly", t)
	case op.Op == Remove && leaf.Required && t.Sub == nil && op.Path.Filter == nil:
		return scim.BadRequest(scim.Mutability, "%s is required and cannot be removed", t)
	case leaf.Mutability == schema.Immutable && t.Sub != nil && (op.Path.Filter != nil || t.Attr.MultiValued):
		return scim.BadRequest(scim.Mutability, "%s is immutable; remove the element and add another", t)
	case leaf.Mutability == schema.Immutable && w.get(t) != nil:
		v, err := w.rt.Coerce(t, op.Value)
		if err == nil && op.Op != Remove && scim.Equal(v, w.get(t)) {
			return nil
		}
		return scim.BadRequest(scim.Mutability, "%s is immutable: it has a value and cannot be given another", t)
	}
	return nil
}

// extension changes an extension as a whole: attribute by attribute, or all of it removed.
func (w *work) extension(op *Operation, t schema.Target) error {
	if op.Op == Remove || op.Value == nil {
		w.doc.Delete(t.Extension.ID)
		return nil
	}
	o, ok := op.Value.(*scim.Object)
	if !ok {
		return scim.BadRequest(scim.InvalidValue, "%s must be an object, not %s", t, scim.Kind(op.Value))
	}
	for name, value := range o.All() {
		if sub, ok := w.rt.ResolveText(t.Extension.ID + ":" + name); ok && sub.Attr != nil {
			if err := w.member(op, sub, filter.Path{Attr: filter.AttrPath{URN: t.Extension.ID, Name: name}}, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// home is the object that holds the target's attribute; nil where it is an extension without data and make is false.
func (w *work) home(t schema.Target, make bool) *scim.Object {
	if t.Extension == nil {
		return w.doc
	}
	if o, ok := w.doc.Get(t.Extension.ID).(*scim.Object); ok {
		return o
	}
	if !make {
		return nil
	}
	o := scim.NewObject()
	w.doc.Set(t.Extension.ID, o)
	return o
}

// get is the value of the target's attribute, or of its sub-attribute where the attribute has one value.
func (w *work) get(t schema.Target) any {
	home := w.home(t, false)
	if home == nil {
		return nil
	}
	v := home.Get(t.Attr.Name)
	if o, ok := v.(*scim.Object); ok && t.Sub != nil {
		return o.Get(t.Sub.Name)
	}
	return v
}

// put gives the attribute a value; nil unassigns it.
func (w *work) put(t schema.Target, v any) {
	if v == nil {
		if home := w.home(t, false); home != nil {
			home.Delete(t.Attr.Name)
		}
		return
	}
	w.home(t, true).Set(t.Attr.Name, v)
}
