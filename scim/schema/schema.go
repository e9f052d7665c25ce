// Package schema holds the schemas of RFC 7643 (User, Group, enterprise User, and those of the service's own
// description), extension schemas read from a file, and what follows from them:
//
//	Resolve    finds an attribute by its path
//	Canonical  brings the body of POST or PUT into the one form that is stored, Coerce a single value
//	Tidy       mends a document after a change
//	Projection chooses the attributes of an answer
//	Object     describes schemas and resource types to clients
//
// Canonical form: names as the schema spells them, in the schema's order, extensions last under their URN; values
// of the schema's types; nothing unassigned, read-only or unknown. Identity providers differ in how they write the
// same thing; the ways that are accepted are listed in canonical.go and coerce.go.
//
// The package knows neither HTTP nor any account. A Set is made once and then only read, by any number of
// goroutines.
package schema

import "github.com/scimbridge/scimbridge/scim"

// Type is an attribute's data type (RFC 7643 §2.3).
type Type string

// The data types.
const (
	String    Type = "string"
	Boolean   Type = "boolean"
	Decimal   Type = "decimal"
	Integer   Type = "integer"
	DateTime  Type = "dateTime"
	Binary    Type = "binary"
	Reference Type = "reference"
	Complex   Type = "complex"
)

// Mutability says who may write an attribute and when (RFC 7643 §7).
type Mutability string

// The mutabilities.
const (
	ReadOnly  Mutability = "readOnly"
	ReadWrite Mutability = "readWrite"
	Immutable Mutability = "immutable"
	WriteOnly Mutability = "writeOnly"
)

// Returned says when an attribute is part of an answer (RFC 7643 §7).
type Returned string

// The rules of return.
const (
	Always    Returned = "always"
	Never     Returned = "never"
	Default   Returned = "default"
	OnRequest Returned = "request"
)

// Attribute is one attribute or sub-attribute (RFC 7643 §7).
type Attribute struct {
	Name            string
	Type            Type
	MultiValued     bool
	Description     string
	Required        bool
	CaseExact       bool
	CanonicalValues []string // suggestions; other values are accepted
	Mutability      Mutability
	Returned        Returned
	Uniqueness      string // none, server or global
	ReferenceTypes  []string
	Sub             []*Attribute // of type Complex only
}

// SubAttribute returns the sub-attribute of that name, compared without case, or nil.
func (a *Attribute) SubAttribute(name string) *Attribute {
	if i := a.subIndex(name); i >= 0 {
		return a.Sub[i]
	}
	return nil
}

func (a *Attribute) subIndex(name string) int {
	for i, s := range a.Sub {
		if scim.EqualName(s.Name, name) {
			return i
		}
	}
	return -1
}

// Schema is a schema (RFC 7643 §7).
type Schema struct {
	ID          string // URN
	Name        string
	Description string
	Attributes  []*Attribute
}

// Extension is an extension schema of a resource type.
type Extension struct {
	Schema   *Schema
	Required bool
}

// ResourceType is a kind of resource (RFC 7643 §6). Its methods need what Standard and LoadExtensions prepare; a
// literal has no use.
type ResourceType struct {
	Name        string // User
	Endpoint    string // /Users
	Description string
	Schema      *Schema
	Extensions  []Extension

	index *index
}
