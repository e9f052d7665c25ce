package filter

import (
	"math/big"
	"strings"

	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/schema"
)

// Matcher judges resources of one type by one filter.
type Matcher struct{ match test }

// Match tells whether the resource matches.
func (m Matcher) Match(doc *scim.Object) bool { return m.match != nil && m.match(doc) }

// test judges an object: a resource, or one element of a multi-valued attribute.
type test func(o *scim.Object) bool

func never(*scim.Object) bool { return false }

// Check refuses what cannot be asked of a resource type: an order between booleans or binary values (RFC 7644
// §3.4.2.2: 400 invalidFilter), and anything about a password (403 sensitive).
func Check(rt *schema.ResourceType, e Expr) error {
	_, err := Compile(rt, e)
	return err
}

// Match judges one resource. Whoever judges many compiles once.
func Match(rt *schema.ResourceType, e Expr, doc *scim.Object) (bool, error) {
	m, err := Compile(rt, e)
	return err == nil && m.Match(doc), err
}

// Compile finds the attributes of a filter in the resource type. Errors are those of Check.
func Compile(rt *schema.ResourceType, e Expr) (Matcher, error) {
	t, err := compiler{rt: rt}.compile(e)
	return Matcher{t}, err
}

// CompileElement compiles the filter between the brackets of a value path, for the elements of the attribute.
func CompileElement(rt *schema.ResourceType, attr *schema.Attribute, e Expr) (Matcher, error) {
	t, err := compiler{rt: rt, element: attr}.compile(e)
	return Matcher{t}, err
}

// compiler turns expressions into tests: of the resource, or of elements of one attribute.
type compiler struct {
	rt      *schema.ResourceType
	element *schema.Attribute // nil: of the resource
}

func (c compiler) compile(e Expr) (test, error) {
	switch e := e.(type) {
	case And:
		return c.several(e, false)
	case Or:
		return c.several(e, true)
	case Not:
		t, err := c.compile(e.Filter)
		if err != nil {
			return nil, err
		}
		return func(o *scim.Object) bool { return !t(o) }, nil
	case Present:
		return c.values(e.Path, "", Pr, nil)
	case Compare:
		return c.values(e.Path, "", e.Op, e.Value)
	case ValuePath:
		return c.valuePath(e)
	}
	return never, nil
}

// several joins tests; the first that decides ends the judging.
func (c compiler) several(list []Expr, decisive bool) (test, error) {
	tests := make([]test, len(list))
	for i, e := range list {
		var err error
		if tests[i], err = c.compile(e); err != nil {
			return nil, err
		}
	}
	return func(o *scim.Object) bool {
		for _, t := range tests {
			if t(o) == decisive {
				return decisive
			}
		}
		return !decisive
	}, nil
}

// target finds an attribute; within an element only the element's sub-attributes are there.
func (c compiler) target(path AttrPath) (schema.Target, bool) {
	if c.element == nil {
		t, ok := c.rt.Resolve(path.URN, path.Name, path.Sub)
		return t, ok && t.Attr != nil
	}
	sub := c.element.SubAttribute(path.Name)
	if sub == nil && c.element.Sub == nil && strings.EqualFold(path.Name, "value") {
		sub = c.element // a list of plain values
	}
	return schema.Target{Attr: sub}, sub != nil && path.URN == "" && path.Sub == ""
}

// values compiles a comparison of an attribute's values.
func (c compiler) values(path AttrPath, sub string, op Op, literal any) (test, error) {
	if sub != "" {
		path.Sub = sub
	}
	t, ok := c.target(path)
	if !ok {
		return never, nil
	}
	leaf := t.Attr
	if t.Sub != nil {
		leaf = t.Sub
	}
	if leaf.Returned == schema.Never {
		return nil, scim.Errorf(403, scim.Sensitive, "%s cannot be used in a filter.", t)
	}
	if op == Pr {
		return func(o *scim.Object) bool { return anyValue(o, t, present) }, nil
	}
	if leaf.Type == schema.Complex {
		// RFC 7644 §3.4.2.2 gives emails co "x" as an example: of a complex attribute the value counts.
		if leaf = leaf.SubAttribute("value"); leaf == nil {
			return never, nil
		}
		t.Sub = leaf
	}
	if err := orderable(t, leaf, op); err != nil {
		return nil, err
	}
	cmp := comparer(leaf, op, literal)
	if literal == nil {
		switch op {
		case Eq:
			return func(o *scim.Object) bool { return !anyValue(o, t, present) }, nil
		case Ne:
			return func(o *scim.Object) bool { return anyValue(o, t, present) }, nil
		}
		return never, nil
	}
	unsaid := never
	if leaf.Type == schema.Boolean && strings.EqualFold(leaf.Name, "primary") {
		// RFC 7643 §2.4: primary that is not said is false.
		unsaid = func(o *scim.Object) bool { return anyMissing(o, t, c.element != nil) }
	}
	matchFalse := cmp(false)
	match := func(o *scim.Object) bool { return anyValue(o, t, cmp) || matchFalse && unsaid(o) }
	if op == Ne {
		// A missing value is not equal to anything; of several one that differs suffices.
		return func(o *scim.Object) bool { return match(o) || !anyValue(o, t, present) && !unsaid(o) }, nil
	}
	return match, nil
}

func orderable(t schema.Target, leaf *schema.Attribute, op Op) error {
	switch op {
	case Gt, Ge, Lt, Le:
		if leaf.Type == schema.Boolean || leaf.Type == schema.Binary {
			return scim.BadRequest(scim.InvalidFilter, "%s is %s and has no order; use eq, ne or pr.", t, leaf.Type)
		}
	}
	return nil
}

// valuePath compiles attr[filter] with what may follow: both hold on the same element.
func (c compiler) valuePath(e ValuePath) (test, error) {
	t, ok := c.target(e.Path)
	if !ok {
		return never, nil
	}
	attr := t.Attr
	if t.Sub != nil {
		attr = t.Sub
	}
	elements := compiler{rt: c.rt, element: attr}
	inner, err := elements.compile(e.Filter)
	if err != nil {
		return nil, err
	}
	after := func(*scim.Object) bool { return true }
	if e.Op != "" {
		sub := e.Sub
		if sub == "" {
			sub = "value"
		}
		if after, err = elements.values(AttrPath{Name: sub}, "", e.Op, e.Value); err != nil {
			return nil, err
		}
	}
	return func(o *scim.Object) bool {
		return anyValue(o, t, func(v any) bool {
			element, ok := v.(*scim.Object)
			if !ok {
				element = scim.NewObject(scim.Member{Name: attr.Name, Value: v})
			}
			return inner(element) && after(element)
		})
	}, nil
}

// anyValue tells whether one of the target's values satisfies f.
func anyValue(o *scim.Object, t schema.Target, f func(any) bool) bool {
	if t.Extension != nil {
		ext, ok := o.Get(t.Extension.ID).(*scim.Object)
		if !ok {
			return false
		}
		o = ext
	}
	return anyOf(o.Get(t.Attr.Name), t.Sub, f)
}

func anyOf(v any, sub *schema.Attribute, f func(any) bool) bool {
	switch v := v.(type) {
	case nil:
		return false
	case scim.Array:
		for _, e := range v {
			if anyOf(e, sub, f) {
				return true
			}
		}
		return false
	case *scim.Object:
		if sub != nil {
			return anyOf(v.Get(sub.Name), nil, f)
		}
	}
	return f(v)
}

// anyMissing tells whether an element lacks the sub-attribute.
func anyMissing(o *scim.Object, t schema.Target, element bool) bool {
	if element {
		return !o.Has(t.Attr.Name)
	}
	return t.Sub != nil && anyValue(o, schema.Target{Extension: t.Extension, Attr: t.Attr}, func(v any) bool {
		e, ok := v.(*scim.Object)
		return ok && !e.Has(t.Sub.Name)
	})
}

// present tells whether a value counts as one: neither null nor empty (RFC 7643 §2.5).
func present(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case string:
		return v != ""
	case scim.Array:
		return len(v) > 0
	case *scim.Object:
		for _, m := range v.All() {
			if present(m) {
				return true
			}
		}
		return false
	}
	return true
}

// comparer compares a value of an attribute with the literal, as the attribute's type asks.
func comparer(a *schema.Attribute, op Op, literal any) func(any) bool {
	switch a.Type {
	case schema.Boolean:
		want, ok := boolean(literal)
		return func(v any) bool {
			b, isBool := v.(bool)
			return ok && isBool && (op == Eq && b == want || op == Ne && b != want)
		}
	case schema.Integer, schema.Decimal:
		return numbers(op, literal)
	case schema.DateTime:
		if s, ok := literal.(string); ok && op != Co && op != Sw && op != Ew {
			if want, err := scim.ParseTime(s); err == nil {
				return func(v any) bool {
					s, _ := v.(string)
					at, err := scim.ParseTime(s)
					return err == nil && ordered(op, at.Compare(want))
				}
			}
		}
	}
	return texts(a, op, literal)
}

func boolean(literal any) (value, ok bool) {
	switch l := literal.(type) {
	case bool:
		return l, true
	case string: // Entra: roles[primary eq "True"]
		return strings.EqualFold(l, "true"), strings.EqualFold(l, "true") || strings.EqualFold(l, "false")
	}
	return false, false
}

// maxDigits bounds the numbers that are compared by value; longer ones match nothing, since arithmetic on
// 1e999999999 would take all memory.
const maxDigits = 400

func numbers(op Op, literal any) func(any) bool {
	want := rational(literal)
	return func(v any) bool {
		n := rational(v)
		return want != nil && n != nil && ordered(op, n.Cmp(want))
	}
}

func rational(v any) *big.Rat {
	var text string
	switch v := v.(type) {
	case scim.Number:
		text = string(v)
	case string:
		text = v
	}
	// Only what JSON writes: big.Rat reads 0x1F, 1_000, 1/3 and powers of two (1p9999999) as well.
	if text == "" || len(text) > maxDigits || strings.ContainsFunc(text, notInNumber) {
		return nil
	}
	if i := strings.IndexAny(text, "eE"); i >= 0 && len(strings.TrimLeft(text[i+1:], "+-0")) > 3 {
		return nil // exponents of more than three digits
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil
	}
	return r
}

func notInNumber(r rune) bool { return !strings.ContainsRune("0123456789+-.eE", r) }

func texts(a *schema.Attribute, op Op, literal any) func(any) bool {
	fold := func(s string) string { return s }
	if !a.CaseExact {
		fold = scim.Fold
	}
	want, ok := textOf(literal)
	want = fold(want)
	return func(v any) bool {
		s, isText := textOf(v)
		if !ok || !isText {
			return false
		}
		s = fold(s)
		switch op {
		case Co:
			return strings.Contains(s, want)
		case Sw:
			return strings.HasPrefix(s, want)
		case Ew:
			return strings.HasSuffix(s, want)
		}
		return ordered(op, strings.Compare(s, want))
	}
}

// textOf is a value as text: an unquoted 5 may be meant for the text "5".
func textOf(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case scim.Number:
		return string(v), true
	case bool:
		if v {
			return "true", true
		}
		return "false", true
	}
	return "", false
}

func ordered(op Op, c int) bool {
	switch op {
	case Eq:
		return c == 0
	case Ne:
		return c != 0
	case Gt:
		return c > 0
	case Ge:
		return c >= 0
	case Lt:
		return c < 0
	case Le:
		return c <= 0
	}
	return false
}
