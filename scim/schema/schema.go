// Package schema holds the schemas of RFC 7643 (User, Group, enterprise User, and those of the service's own
// description) as values, extension schemas read from a file, and what follows from them: finding an attribute by
// its path, bringing a document into canonical form, choosing the attributes to return.
//
// It knows neither HTTP nor any account, and changes nothing: a ResourceType is made once and then only read.
package schema

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
	CanonicalValues []string
	Mutability      Mutability
	Returned        Returned
	Uniqueness      string // none, server or global
	ReferenceTypes  []string
	Sub             []*Attribute // of type Complex only
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

// ResourceType is a kind of resource (RFC 7643 §6).
type ResourceType struct {
	Name        string // User
	Endpoint    string // /Users
	Description string
	Schema      *Schema
	Extensions  []Extension
}
