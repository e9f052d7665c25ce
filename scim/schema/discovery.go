package schema

import "github.com/scimbridge/scimbridge/scim"

// URNs of the schemas of the service's own description (RFC 7643 §8.7.2).
const (
	resourceTypeSchema = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
	schemaSchema       = "urn:ietf:params:scim:schemas:core:2.0:Schema"
)

// Object renders the schema as a resource (RFC 7643 §7), stating every characteristic and nothing as null, since
// Entra does not take nulls. base is the service's URL before /Schemas.
func (s *Schema) Object(base string) *scim.Object {
	return scim.NewObject(
		scim.Member{Name: "schemas", Value: scim.Array{schemaSchema}},
		scim.Member{Name: "id", Value: s.ID},
		scim.Member{Name: "name", Value: s.Name},
		scim.Member{Name: "description", Value: s.Description},
		scim.Member{Name: "attributes", Value: attributeList(s.Attributes)},
		scim.Member{Name: "meta", Value: meta("Schema", base+"/Schemas/"+s.ID)})
}

func attributeList(attrs []*Attribute) scim.Array {
	list := make(scim.Array, len(attrs))
	for i, a := range attrs {
		list[i] = a.object()
	}
	return list
}

func (a *Attribute) object() *scim.Object {
	o := scim.NewObject(
		scim.Member{Name: "name", Value: a.Name},
		scim.Member{Name: "type", Value: string(a.Type)},
		scim.Member{Name: "multiValued", Value: a.MultiValued},
		scim.Member{Name: "description", Value: a.Description},
		scim.Member{Name: "required", Value: a.Required},
		scim.Member{Name: "caseExact", Value: a.CaseExact},
		scim.Member{Name: "mutability", Value: string(a.Mutability)},
		scim.Member{Name: "returned", Value: string(a.Returned)},
		scim.Member{Name: "uniqueness", Value: a.Uniqueness})
	if len(a.CanonicalValues) > 0 {
		o.Set("canonicalValues", words(a.CanonicalValues))
	}
	if len(a.ReferenceTypes) > 0 {
		o.Set("referenceTypes", words(a.ReferenceTypes))
	}
	if len(a.Sub) > 0 {
		o.Set("subAttributes", attributeList(a.Sub))
	}
	return o
}

func words(list []string) scim.Array {
	out := make(scim.Array, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// Object renders the resource type as a resource (RFC 7643 §6). base is the service's URL before /ResourceTypes.
func (rt *ResourceType) Object(base string) *scim.Object {
	extensions := make(scim.Array, len(rt.Extensions))
	for i, e := range rt.Extensions {
		extensions[i] = scim.NewObject(
			scim.Member{Name: "schema", Value: e.Schema.ID},
			scim.Member{Name: "required", Value: e.Required})
	}
	return scim.NewObject(
		scim.Member{Name: "schemas", Value: scim.Array{resourceTypeSchema}},
		scim.Member{Name: "id", Value: rt.Name},
		scim.Member{Name: "name", Value: rt.Name},
		scim.Member{Name: "description", Value: rt.Description},
		scim.Member{Name: "endpoint", Value: rt.Endpoint},
		scim.Member{Name: "schema", Value: rt.Schema.ID},
		scim.Member{Name: "schemaExtensions", Value: extensions},
		scim.Member{Name: "meta", Value: meta("ResourceType", base+"/ResourceTypes/"+rt.Name)})
}

func meta(kind, location string) *scim.Object {
	return scim.NewObject(
		scim.Member{Name: "resourceType", Value: kind},
		scim.Member{Name: "location", Value: location})
}
