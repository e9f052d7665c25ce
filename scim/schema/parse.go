package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/scim"
)

// parse reads a schema in the form of RFC 7643 §7. It is strict, since a misspelt characteristic would silently
// change what is accepted and stored: unknown members, wrong types and values are errors. What is left out has the
// default of RFC 7643 §2.2. where begins every message.
func parse(o *scim.Object, where string) (*Schema, error) {
	r := reader{o: o, where: where}
	r.only("schemas", "id", "name", "description", "attributes", "meta")
	s := &Schema{ID: r.text("id", ""), Name: r.text("name", ""), Description: r.text("description", "")}
	if r.err == nil && s.ID == "" {
		return nil, fmt.Errorf("%s: id is missing: the URN of the schema", where)
	}
	s.Attributes = r.attributes("attributes")
	if r.err != nil {
		return nil, r.err
	}
	if len(s.Attributes) == 0 {
		return nil, fmt.Errorf("%s: attributes is missing or empty", where)
	}
	return s, nil
}

func parseAttribute(o *scim.Object, where string) (*Attribute, error) {
	r := reader{o: o, where: where}
	r.only("name", "type", "multiValued", "description", "required", "caseExact", "canonicalValues", "mutability",
		"returned", "uniqueness", "referenceTypes", "subAttributes")
	a := &Attribute{
		Name:            r.text("name", ""),
		MultiValued:     r.flag("multiValued"),
		Description:     r.text("description", ""),
		Required:        r.flag("required"),
		CaseExact:       r.flag("caseExact"),
		CanonicalValues: r.texts("canonicalValues"),
		ReferenceTypes:  r.texts("referenceTypes"),
	}
	if r.err == nil && !validName(a.Name) {
		return nil, fmt.Errorf("%s: %q is no name for an attribute: a letter, then letters, digits, _ and -", where, a.Name)
	}
	r.where = where + " " + a.Name
	a.Type = oneOf(&r, "type", String, Boolean, Decimal, Integer, DateTime, Binary, Reference, Complex)
	if a.Type == Reference && a.ReferenceTypes == nil {
		a.ReferenceTypes = []string{"uri"} // RFC 7643 §7 wants one; this one promises nothing
	}
	a.Mutability = oneOf(&r, "mutability", ReadWrite, ReadOnly, Immutable, WriteOnly)
	a.Returned = oneOf(&r, "returned", Default, Always, Never, OnRequest)
	a.Uniqueness = oneOf(&r, "uniqueness", "none", "server", "global")
	a.Sub = r.attributes("subAttributes")
	if r.err != nil {
		return nil, r.err
	}
	if (a.Type == Complex) != (len(a.Sub) > 0) {
		return nil, fmt.Errorf("%s: subAttributes belong to the type complex, and it cannot be without", r.where)
	}
	return a, nil
}

// validName tells whether name is one by RFC 7643 §2.1; "$ref" is one as well.
func validName(name string) bool {
	name = strings.TrimPrefix(name, "$")
	for i := range len(name) {
		c := name[i] | 0x20
		switch {
		case 'a' <= c && c <= 'z':
		case i > 0 && ('0' <= name[i] && name[i] <= '9' || name[i] == '_' || name[i] == '-'):
		default:
			return false
		}
	}
	return name != ""
}

// reader takes members from an object and keeps the first error.
type reader struct {
	o     *scim.Object
	where string
	err   error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(r.where+": "+format, args...)
	}
}

// only refuses members of other names.
func (r *reader) only(names ...string) {
	for name := range r.o.All() {
		if !slices.ContainsFunc(names, func(n string) bool { return scim.EqualName(n, name) }) {
			r.fail("unknown member %q; known are %s", name, strings.Join(names, ", "))
		}
	}
}

func (r *reader) text(name, missing string) string {
	switch v := r.o.Get(name).(type) {
	case nil:
		return missing
	case string:
		return v
	default:
		r.fail("%s must be a string, not %s", name, scim.Kind(v))
		return ""
	}
}

func (r *reader) flag(name string) bool {
	switch v := r.o.Get(name).(type) {
	case nil:
		return false
	case bool:
		return v
	default:
		r.fail("%s must be true or false, not %s", name, scim.Kind(v))
		return false
	}
}

func (r *reader) array(name string) scim.Array {
	switch v := r.o.Get(name).(type) {
	case nil:
		return nil
	case scim.Array:
		return v
	default:
		r.fail("%s must be an array, not %s", name, scim.Kind(v))
		return nil
	}
}

func (r *reader) texts(name string) []string {
	var list []string
	for _, e := range r.array(name) {
		s, ok := e.(string)
		if !ok {
			r.fail("%s must hold strings, not %s", name, scim.Kind(e))
			return nil
		}
		list = append(list, s)
	}
	return list
}

func (r *reader) attributes(name string) []*Attribute {
	var attrs []*Attribute
	seen := make(map[string]bool)
	for i, e := range r.array(name) {
		o, ok := e.(*scim.Object)
		if !ok {
			r.fail("%s[%d] must be an object, not %s", name, i, scim.Kind(e))
			return nil
		}
		a, err := parseAttribute(o, fmt.Sprintf("%s, %s[%d]", r.where, name, i))
		if err != nil {
			if r.err == nil {
				r.err = err
			}
			return nil
		}
		if key := scim.LowerName(a.Name); seen[key] {
			r.fail("%s[%d]: there is another %s (case plays no role)", name, i, a.Name)
		} else {
			seen[key] = true
		}
		attrs = append(attrs, a)
	}
	return attrs
}

// oneOf reads a word; the first one given is the default.
func oneOf[T ~string](r *reader, name string, words ...T) T {
	s := T(r.text(name, string(words[0])))
	if !slices.Contains(words, s) {
		r.fail("%s %q is none of %v", name, s, words)
	}
	return s
}
