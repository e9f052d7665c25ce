package filter

import (
	"github.com/scimbridge/scimbridge/scim"
)

// MaxPathLength is the longest PATCH path in bytes: a URN, an attribute and a filter of a few comparisons.
const MaxPathLength = 2 << 10

// Path is the path of a PATCH operation (RFC 7644 §3.5.2): attr, attr.sub, attr[filter], attr[filter].sub, each
// with a URN before it or not. The zero Path is none.
type Path struct {
	Attr   AttrPath
	Filter Expr   // nil: no brackets
	Sub    string // after the brackets
}

// String prints the path so that ParsePath reads the same again.
func (p Path) String() string {
	s := p.Attr.String()
	if p.Filter != nil {
		s += "[" + p.Filter.String() + "]"
	}
	if p.Sub != "" {
		s += "." + p.Sub
	}
	return s
}

// ParsePath reads a path. Errors are 400 invalidPath.
func ParsePath(text string) (Path, error) {
	if len(text) > MaxPathLength {
		return Path{}, scim.BadRequest(scim.InvalidPath, "The path has %d bytes; at most %d are accepted.", len(text), MaxPathLength)
	}
	if !readable(text) {
		return Path{}, scim.BadRequest(scim.InvalidPath, "The path is not UTF-8 text, or holds control characters.")
	}
	p := &parser{text: text, kind: scim.InvalidPath, what: "path"}
	p.space()
	attr, err := p.path()
	if err != nil {
		return Path{}, err
	}
	path := Path{Attr: attr}
	if p.take('[') {
		if path.Filter, err = p.bracket(); err != nil {
			return Path{}, err
		}
		if p.take('.') {
			if path.Sub = p.name(); path.Sub == "" {
				return Path{}, p.fail("the name of a sub-attribute is expected")
			}
		}
	}
	if p.space(); p.pos < len(p.text) {
		return Path{}, p.fail("the end of the path is expected")
	}
	return path, nil
}
