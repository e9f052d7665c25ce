// Package filter is the filter language of SCIM (RFC 7644 §3.4.2.2) and the paths of PATCH (§3.5.2), which are
// built from it: a parser, a printer, and the judgement whether a resource matches.
//
// The grammar is the RFC's, with what clients send beyond it: operators and words in any case, bare words as
// strings, a sub-attribute and a comparison after a value path (emails[type eq "work"].value eq "x"), not without
// parentheses. An expression of a resource type's attributes is compiled once and then judges any number of
// resources. No comparison with an attribute that the type does not have matches, ne and eq null included; not (…)
// around one does match, since not is what turns its filter round (RFC 7644 §3.4.2.2).
//
// The package knows no HTTP and no store. Errors are *scim.Error with the place in the text.
package filter

import (
	"strings"

	"github.com/scimbridge/scimbridge/scim"
)

// Expr is a filter. The types below are all there are.
type Expr interface {
	// String prints the filter so that Parse reads the same again.
	String() string
	expr()
}

// Op is a comparison (RFC 7644 table 3).
type Op string

// The comparisons.
const (
	Eq Op = "eq"
	Ne Op = "ne"
	Co Op = "co"
	Sw Op = "sw"
	Ew Op = "ew"
	Gt Op = "gt"
	Ge Op = "ge"
	Lt Op = "lt"
	Le Op = "le"
	Pr Op = "pr" // present; of ValuePath only, where Present cannot say it
)

// AttrPath names an attribute: [URN:]name[.sub].
type AttrPath struct{ URN, Name, Sub string }

// And holds when all do.
type And []Expr

// Or holds when one does.
type Or []Expr

// Not holds when its filter does not.
type Not struct{ Filter Expr }

// Compare compares an attribute's values with a literal: a string, a bool, a scim.Number or nil.
type Compare struct {
	Path  AttrPath
	Op    Op
	Value any
}

// Present holds when the attribute has a value.
type Present struct{ Path AttrPath }

// ValuePath holds when one element of a multi-valued attribute satisfies the filter and, where Op is set, compares
// so: emails[type eq "work"].value eq "x". Sub is empty where the comparison is of the element's value.
type ValuePath struct {
	Path   AttrPath
	Filter Expr
	Sub    string
	Op     Op // empty: no comparison follows
	Value  any
}

func (And) expr()       {}
func (Or) expr()        {}
func (Not) expr()       {}
func (Compare) expr()   {}
func (Present) expr()   {}
func (ValuePath) expr() {}

// String prints URN:name.sub.
func (p AttrPath) String() string {
	s := p.Name
	if p.URN != "" {
		s = p.URN + ":" + s
	}
	if p.Sub != "" {
		s += "." + p.Sub
	}
	return s
}

const and, or = "and", "or"

func (e And) String() string { return join(e, and) }
func (e Or) String() string  { return join(e, or) }

func join(list []Expr, word string) string {
	parts := make([]string, len(list))
	for i, x := range list {
		parts[i] = x.String()
		// "and" binds more tightly than "or", so that within "or" it needs no parentheses: the text is never
		// nested more deeply than the one that was read.
		_, isOr := x.(Or)
		_, isAnd := x.(And)
		if isOr || isAnd && word == and {
			parts[i] = "(" + parts[i] + ")"
		}
	}
	return strings.Join(parts, " "+word+" ")
}

func (e Not) String() string { return "not (" + e.Filter.String() + ")" }

func (e Compare) String() string {
	return e.Path.String() + " " + string(e.Op) + " " + string(scim.JSON(e.Value))
}

func (e Present) String() string { return e.Path.String() + " pr" }

func (e ValuePath) String() string {
	s := e.Path.String() + "[" + e.Filter.String() + "]"
	if e.Sub != "" {
		s += "." + e.Sub
	}
	switch e.Op {
	case "":
	case Pr:
		s += " pr"
	default:
		s += " " + string(e.Op) + " " + string(scim.JSON(e.Value))
	}
	return s
}

// Conjuncts takes apart what "and" joins; a filter that is no And is its only conjunct.
func Conjuncts(e Expr) []Expr {
	if and, ok := e.(And); ok {
		return and
	}
	return []Expr{e}
}

// All joins filters by "and". There must be one at least.
func All(list []Expr) Expr {
	if len(list) == 1 {
		return list[0]
	}
	return And(list)
}
