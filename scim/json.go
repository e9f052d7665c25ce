package scim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxDepth is how deep a document may nest. SCIM needs five levels (a Bulk request holding a PATCH whose value is a
// resource with an extension needs eight); the rest is room for values that are JSON themselves.
const MaxDepth = 32

// ParseError says what is wrong with a document and where.
type ParseError struct {
	Offset int64 // bytes from the start of the document
	Reason string
}

func (e *ParseError) Error() string { return fmt.Sprintf("at byte %d: %s", e.Offset, e.Reason) }

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// decoder reads from a bytes.Buffer, which package jsontext reads in place where it would copy another reader.
type decoder struct {
	src bytes.Buffer
	dec jsontext.Decoder
}

// reset makes the decoder read doc. Duplicate names are found by object, which compares them without case.
func (d *decoder) reset(doc []byte) {
	d.src = *bytes.NewBuffer(doc)
	d.dec.Reset(&d.src, jsontext.AllowDuplicateNames(true))
}

// Parse reads one JSON document (RFC 8259) into a value. All errors are of type *ParseError.
func Parse(doc []byte) (any, error) {
	d := decoders.Get().(*decoder)
	defer decoders.Put(d)
	d.reset(doc)
	defer d.reset(nil) // keeps no document alive in the pool
	v, err := d.value(0)
	if err == nil {
		if _, end := d.dec.ReadToken(); !errors.Is(end, io.EOF) {
			err = d.fail("more than one JSON value")
		}
	}
	return v, err
}

// ParseObject reads one JSON object.
func ParseObject(doc []byte) (*Object, error) {
	v, err := Parse(doc)
	if err != nil {
		return nil, err
	}
	o, ok := v.(*Object)
	if !ok {
		return nil, &ParseError{Reason: "a JSON object is needed, not " + Kind(v)}
	}
	return o, nil
}

// Kind names the JSON type of a value for messages: "a string", "an array", …
func Kind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case Number:
		return "a number"
	case string:
		return "a string"
	case Array:
		return "an array"
	}
	return "an object"
}

func (d *decoder) fail(reason string) error {
	return &ParseError{Offset: d.dec.InputOffset(), Reason: reason}
}

func (d *decoder) value(depth int) (any, error) {
	tok, err := d.dec.ReadToken()
	if err != nil {
		return nil, d.syntax(err)
	}
	switch tok.Kind() {
	case 'n':
		return nil, nil
	case 't':
		return true, nil
	case 'f':
		return false, nil
	case '"':
		return d.text(tok)
	case '0':
		return Number(tok.String()), nil
	}
	if depth++; depth > MaxDepth {
		return nil, d.fail(fmt.Sprintf("nested deeper than %d levels", MaxDepth))
	}
	if tok.Kind() == '[' {
		return d.array(depth)
	}
	return d.object(depth)
}

func (d *decoder) text(tok jsontext.Token) (string, error) {
	s := tok.String()
	if strings.IndexByte(s, 0) >= 0 {
		return "", d.fail("U+0000 in a string")
	}
	return s, nil
}

func (d *decoder) array(depth int) (any, error) {
	a := Array{}
	for d.dec.PeekKind() != ']' {
		v, err := d.value(depth)
		if err != nil {
			return nil, err
		}
		a = append(a, v)
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return nil, d.syntax(err)
	}
	return a, nil
}

// manyMembers is from how many members on names are looked up in a map: below it, scanning is faster; above
// it, scanning would let a crafted document cost the square of its size.
const manyMembers = 32

func (d *decoder) object(depth int) (any, error) {
	o := &Object{members: make([]Member, 0, 4)}
	var seen map[string]struct{}
	for d.dec.PeekKind() != '}' {
		tok, err := d.dec.ReadToken()
		if err != nil {
			return nil, d.syntax(err)
		}
		name, err := d.text(tok)
		if err != nil {
			return nil, err
		}
		if seen == nil && len(o.members) >= manyMembers {
			seen = make(map[string]struct{}, 2*manyMembers)
			for _, m := range o.members {
				seen[LowerName(m.Name)] = struct{}{}
			}
		}
		if duplicate(o, seen, name) {
			return nil, d.fail(fmt.Sprintf("the name %q occurs twice (names are compared without case)", name))
		}
		v, err := d.value(depth)
		if err != nil {
			return nil, err
		}
		o.members = append(o.members, Member{name, v})
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return nil, d.syntax(err)
	}
	return o, nil
}

func duplicate(o *Object, seen map[string]struct{}, name string) bool {
	if seen == nil {
		return o.index(name) >= 0
	}
	key := LowerName(name)
	_, dup := seen[key]
	seen[key] = struct{}{}
	return dup
}

func (d *decoder) syntax(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return d.fail("the document ends too early")
	}
	var syn *jsontext.SyntacticError
	if errors.As(err, &syn) {
		return &ParseError{Offset: syn.ByteOffset, Reason: strings.TrimPrefix(syn.Err.Error(), "jsontext: ")}
	}
	return d.fail("not JSON")
}

// AppendJSON appends the JSON text of a value.
func AppendJSON(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		if v {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	case Number:
		return append(dst, v...)
	case string:
		return AppendString(dst, v)
	case Array:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = AppendJSON(dst, e)
		}
		return append(dst, ']')
	case *Object:
		dst = append(dst, '{')
		for i, m := range v.members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(AppendString(dst, m.Name), ':')
			dst = AppendJSON(dst, m.Value)
		}
		return append(dst, '}')
	}
	panic(fmt.Sprintf("scim: no value: %T", v))
}

// AppendString appends a JSON string. Bytes that are no UTF-8 become U+FFFD.
func AppendString(dst []byte, s string) []byte {
	out, err := jsontext.AppendQuote(dst, s)
	if err != nil {
		out, _ = jsontext.AppendQuote(dst, strings.ToValidUTF8(s, "\uFFFD"))
	}
	return out
}

// JSON returns the JSON text of a value.
func JSON(v any) []byte { return AppendJSON(nil, v) }
