package scim

import (
	"iter"
	"slices"
	"strconv"
)

// A value of a resource is one of: nil, bool, Number, string, *Object, Array. Other dynamic types are a bug of
// the program.

// Number is a JSON number by its text, so that nothing is lost between reading and writing.
type Number string

// Array is a JSON array.
type Array []any

// Object is a JSON object that keeps the order of its members and finds them without regard to ASCII case.
// The zero value is an empty object.
type Object struct {
	members []Member
}

// Member is a name and its value.
type Member struct {
	Name  string
	Value any
}

// NewObject returns an object of the members given, whose names must differ.
func NewObject(members ...Member) *Object { return &Object{members: members} }

// Len is the number of members.
func (o *Object) Len() int { return len(o.members) }

// All yields the members in order.
func (o *Object) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		for _, m := range o.members {
			if !yield(m.Name, m.Value) {
				return
			}
		}
	}
}

// Get returns the value of name, or nil. A member whose value is null and a missing one are the same state in
// SCIM (RFC 7643 §2.5); Has tells them apart.
func (o *Object) Get(name string) any {
	if i := o.index(name); i >= 0 {
		return o.members[i].Value
	}
	return nil
}

// Has tells whether there is a member of that name.
func (o *Object) Has(name string) bool { return o.index(name) >= 0 }

// String returns the value of name where it is a string, else "".
func (o *Object) String(name string) string {
	s, _ := o.Get(name).(string)
	return s
}

// Set gives name the value, in its old place where there was one, and takes over the spelling given.
func (o *Object) Set(name string, value any) {
	if i := o.index(name); i >= 0 {
		o.members[i] = Member{name, value}
		return
	}
	o.members = append(o.members, Member{name, value})
}

// Delete removes name and tells whether it was there.
func (o *Object) Delete(name string) bool {
	i := o.index(name)
	if i < 0 {
		return false
	}
	o.members = slices.Delete(o.members, i, i+1)
	return true
}

func (o *Object) index(name string) int {
	for i := range o.members {
		if EqualName(o.members[i].Name, name) {
			return i
		}
	}
	return -1
}

// Clone returns a deep copy of a value.
func Clone(v any) any {
	switch v := v.(type) {
	case *Object:
		return v.Clone()
	case Array:
		c := make(Array, len(v))
		for i, e := range v {
			c[i] = Clone(e)
		}
		return c
	}
	return v
}

// Clone returns a deep copy.
func (o *Object) Clone() *Object {
	c := &Object{members: make([]Member, len(o.members))}
	for i, m := range o.members {
		c.members[i] = Member{m.Name, Clone(m.Value)}
	}
	return c
}

// Equal compares two values: names without regard to case, members in any order, arrays in order, numbers by
// their text.
func Equal(a, b any) bool {
	switch a := a.(type) {
	case *Object:
		b, ok := b.(*Object)
		if !ok || len(a.members) != len(b.members) {
			return false
		}
		for _, m := range a.members {
			i := b.index(m.Name)
			if i < 0 || !Equal(m.Value, b.members[i].Value) {
				return false
			}
		}
		return true
	case Array:
		b, ok := b.(Array)
		return ok && slices.EqualFunc(a, b, Equal)
	default:
		switch b.(type) {
		case *Object, Array:
			return false
		}
		return a == b
	}
}

// Int makes a Number of an integer.
func Int[T ~int | ~int64](n T) Number { return Number(strconv.FormatInt(int64(n), 10)) }
