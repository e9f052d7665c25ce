package schema

import (
	"embed"
	"fmt"

	"github.com/scimbridge/scimbridge/scim"
)

//go:embed data/*.json
var files embed.FS

// Set is the resource types and schemas of a service. It does not change.
type Set struct {
	types   []*ResourceType
	schemas []*Schema
}

// Standard returns the types User, with the enterprise extension, and Group, and the schemas of RFC 7643 §8.7.
func Standard() *Set {
	user, group, enterprise := embedded("user"), embedded("group"), embedded("enterprise_user")
	s := &Set{types: []*ResourceType{
		{
			Name: "User", Endpoint: "/Users", Description: "People", Schema: user,
			Extensions: []Extension{{Schema: enterprise}},
		},
		{Name: "Group", Endpoint: "/Groups", Description: "Groups of people", Schema: group},
	}}
	for _, rt := range s.types {
		rt.prepare()
	}
	s.schemas = []*Schema{
		user, group, enterprise,
		embedded("service_provider_config"), embedded("resource_type"), embedded("schema"),
	}
	return s
}

// embedded reads a schema that is part of the program, so that a fault in it is a fault of the program.
func embedded(name string) *Schema {
	doc, err := files.ReadFile("data/" + name + ".json")
	if err != nil {
		panic(err)
	}
	o, err := scim.ParseObject(doc)
	if err != nil {
		panic(fmt.Sprintf("schema %s: %v", name, err))
	}
	s, err := parse(o, "schema "+name)
	if err != nil {
		panic(err)
	}
	return s
}

// ResourceTypes returns the resource types in the order of their description: User, Group.
func (s *Set) ResourceTypes() []*ResourceType { return s.types }

// User returns the resource type User.
func (s *Set) User() *ResourceType { return s.types[0] }

// Group returns the resource type Group.
func (s *Set) Group() *ResourceType { return s.types[1] }

// Schemas returns all schemas: those of the resource types, of extensions, and of the service's own description.
func (s *Set) Schemas() []*Schema { return s.schemas }

// SchemaByID finds a schema by its URN, compared without case.
func (s *Set) SchemaByID(urn string) (*Schema, bool) {
	for _, sch := range s.schemas {
		if scim.EqualName(sch.ID, urn) {
			return sch, true
		}
	}
	return nil, false
}

// ResourceTypeByName finds a resource type by its name, compared without case.
func (s *Set) ResourceTypeByName(name string) (*ResourceType, bool) {
	for _, rt := range s.types {
		if scim.EqualName(rt.Name, name) {
			return rt, true
		}
	}
	return nil, false
}
