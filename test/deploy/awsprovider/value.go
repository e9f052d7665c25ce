package main

import (
	"fmt"
	"math/big"

	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// unknown stands for a value that Terraform learns only from an apply.
type unknown struct{}

// plain turns v, which has the type t, into nil, unknown, string, bool, *big.Float, []any or map[string]any. What the
// schema leaves open (a dynamic type) stays a tftypes.Value.
func plain(t tftypes.Type, v tftypes.Value) (any, error) {
	switch {
	case t.Is(tftypes.DynamicPseudoType):
		return v, nil
	case !v.IsKnown():
		return unknown{}, nil
	case v.IsNull():
		return nil, nil
	case t.Is(tftypes.String):
		var s string
		err := v.As(&s)
		return s, err
	case t.Is(tftypes.Bool):
		var b bool
		err := v.As(&b)
		return b, err
	case t.Is(tftypes.Number):
		n := new(big.Float)
		err := v.As(n)
		return n, err
	}
	if inner, many := element(t); many {
		var in []tftypes.Value
		if err := v.As(&in); err != nil {
			return nil, err
		}
		out := make([]any, len(in))
		for i, e := range in {
			p, err := plain(inner, e)
			if err != nil {
				return nil, err
			}
			out[i] = p
		}
		return out, nil
	}
	var in map[string]tftypes.Value
	if err := v.As(&in); err != nil {
		return nil, err
	}
	out := make(map[string]any, len(in))
	for k, e := range in {
		p, err := plain(field(t, k), e)
		if err != nil {
			return nil, err
		}
		out[k] = p
	}
	return out, nil
}

// typed is plain the other way round; what a map lacks of an object's attributes is null.
func typed(t tftypes.Type, v any) (tftypes.Value, error) {
	switch x := v.(type) {
	case tftypes.Value:
		return x, nil
	case unknown:
		return tftypes.NewValue(t, tftypes.UnknownValue), nil
	case nil:
		return tftypes.NewValue(t, nil), nil
	case int:
		v = new(big.Float).SetInt64(int64(x))
	case []string:
		list := make([]any, len(x))
		for i, s := range x {
			list[i] = s
		}
		return typed(t, list)
	case []any:
		inner, many := element(t)
		if !many {
			return tftypes.Value{}, fmt.Errorf("a list where %s belongs", t)
		}
		out := make([]tftypes.Value, len(x))
		for i, e := range x {
			var err error
			if out[i], err = typed(inner, e); err != nil {
				return tftypes.Value{}, err
			}
		}
		v = out
	case map[string]any:
		out := map[string]tftypes.Value{}
		if o, ok := t.(tftypes.Object); ok {
			for k, ft := range o.AttributeTypes {
				out[k] = tftypes.NewValue(ft, nil)
			}
		}
		for k, e := range x {
			ft := field(t, k)
			if ft == nil {
				return tftypes.Value{}, fmt.Errorf("%s: no such attribute", k)
			}
			f, err := typed(ft, e)
			if err != nil {
				return tftypes.Value{}, fmt.Errorf("%s: %w", k, err)
			}
			out[k] = f
		}
		v = out
	}
	if err := tftypes.ValidateValue(t, v); err != nil {
		return tftypes.Value{}, err
	}
	return tftypes.NewValue(t, v), nil
}

// element is the type of what a list or set holds.
func element(t tftypes.Type) (inner tftypes.Type, many bool) {
	switch x := t.(type) {
	case tftypes.List:
		return x.ElementType, true
	case tftypes.Set:
		return x.ElementType, true
	}
	return nil, false
}

// field is the type of a map's or object's element; nil if it has none of this name.
func field(t tftypes.Type, name string) tftypes.Type {
	switch x := t.(type) {
	case tftypes.Map:
		return x.ElementType
	case tftypes.Object:
		return x.AttributeTypes[name]
	}
	return nil
}

// known says whether v holds nothing unknown at any depth.
func known(v any) bool {
	switch x := v.(type) {
	case unknown:
		return false
	case tftypes.Value:
		return x.IsFullyKnown()
	case []any:
		for _, e := range x {
			if !known(e) {
				return false
			}
		}
	case map[string]any:
		for _, e := range x {
			if !known(e) {
				return false
			}
		}
	}
	return true
}

// text is the string m has under name, "" if there is none.
func text(m map[string]any, name string) string {
	s, _ := m[name].(string)
	return s
}

// object is the first element of a nested block, or a map; never nil.
func object(v any) map[string]any {
	if list, ok := v.([]any); ok && len(list) > 0 {
		v = list[0]
	}
	m, _ := v.(map[string]any)
	if m == nil {
		m = map[string]any{}
	}
	return m
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}
