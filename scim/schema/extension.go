package schema

import (
	"errors"
	"fmt"
	"strings"

	"github.com/scimbridge/scimbridge/scim"
)

// LoadExtensions returns the set with further extensions, declared by a JSON document: an array of
//
//	{"resourceType": "User", "required": false, "schema": {"id": "urn:…", "name": "…", "attributes": […]}}
//
// or one such object, schema being in the form of RFC 7643 §7. The set given stays as it is. Errors name the place
// and say what is accepted there.
func LoadExtensions(set *Set, doc []byte) (*Set, error) {
	v, err := scim.Parse(doc)
	if err != nil {
		return nil, fmt.Errorf("extensions: %w", err)
	}
	list, ok := v.(scim.Array)
	if !ok {
		list = scim.Array{v}
	}
	out := set.clone()
	for i, e := range list {
		where := fmt.Sprintf("extension %d", i+1)
		o, ok := e.(*scim.Object)
		if !ok {
			return nil, fmt.Errorf("%s: must be an object, not %s", where, scim.Kind(e))
		}
		if err := out.extend(o, where); err != nil {
			return nil, err
		}
	}
	for _, rt := range out.types {
		rt.prepare()
	}
	return out, nil
}

// clone copies what extend changes.
func (s *Set) clone() *Set {
	c := &Set{schemas: append([]*Schema(nil), s.schemas...)}
	for _, rt := range s.types {
		n := *rt
		n.Extensions = append([]Extension(nil), rt.Extensions...)
		c.types = append(c.types, &n)
	}
	return c
}

func (s *Set) extend(o *scim.Object, where string) error {
	r := reader{o: o, where: where}
	r.only("resourceType", "required", "schema")
	name, required := r.text("resourceType", ""), r.flag("required")
	if r.err != nil {
		return r.err
	}
	rt, ok := s.ResourceTypeByName(name)
	if !ok {
		return fmt.Errorf("%s: resourceType %q is neither User nor Group", where, name)
	}
	doc, ok := o.Get("schema").(*scim.Object)
	if !ok {
		return fmt.Errorf("%s: schema must be an object, not %s", where, scim.Kind(o.Get("schema")))
	}
	sch, err := parse(doc, where)
	if err != nil {
		return err
	}
	if err := s.acceptable(sch); err != nil {
		return fmt.Errorf("%s, %s: %w", where, sch.ID, err)
	}
	rt.Extensions = append(rt.Extensions, Extension{Schema: sch, Required: required})
	s.schemas = append(s.schemas, sch)
	return nil
}

// acceptable refuses what a schema may say but this service could not keep.
func (s *Set) acceptable(sch *Schema) error {
	if err := validURN(sch.ID); err != nil {
		return err
	}
	for _, other := range s.schemas {
		if scim.EqualName(sch.ID, other.ID) {
			return errors.New("there is a schema of this id already")
		}
		// URN:attribute would be the other one's attribute and this one's URN.
		_, below := cutURN(sch.ID, other.ID)
		_, above := cutURN(other.ID, sch.ID)
		if below || above {
			return fmt.Errorf("the ids %s and %s cannot be told from an attribute's path; neither may begin with the other and a colon", sch.ID, other.ID)
		}
	}
	for _, a := range sch.Attributes {
		if err := acceptableAttribute(a, a.Name); err != nil {
			return err
		}
		for _, sub := range a.Sub {
			if sub.Type == Complex {
				return fmt.Errorf("attribute %s.%s: a sub-attribute cannot be complex (RFC 7643 §2.3.8)", a.Name, sub.Name)
			}
			if err := acceptableAttribute(sub, a.Name+"."+sub.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

func acceptableAttribute(a *Attribute, path string) error {
	switch {
	case a.Uniqueness != "none":
		return fmt.Errorf("attribute %s: uniqueness can only be none, since the account keeps extension data without looking into it", path)
	case a.Mutability == WriteOnly:
		return fmt.Errorf("attribute %s: mutability writeOnly would lose the value, since what cannot be read is not stored", path)
	case a.Mutability == ReadOnly && a.Required:
		return fmt.Errorf("attribute %s: a readOnly attribute cannot be required of clients", path)
	}
	return nil
}

// validURN accepts what can stand before an attribute in a path: the paths of filters and PATCH have no way to
// quote a URN.
func validURN(id string) error {
	if len(id) < len("urn:x:y") || !scim.EqualName(id[:4], "urn:") || strings.HasSuffix(id, ":") {
		return errors.New("id must be a URN, such as urn:example:params:scim:schemas:extension:staff:1.0:User")
	}
	for i := range len(id) {
		c := id[i]
		switch {
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9', strings.IndexByte(":.-_", c) >= 0:
		default:
			return fmt.Errorf("id holds %q; letters, digits and : . - _ are accepted", c)
		}
	}
	return nil
}
