package filter

import (
	"strings"
	"unicode/utf8"

	"github.com/scimbridge/scimbridge/scim"
)

const (
	// MaxLength is the longest filter in bytes. Clients send some hundred; the longest known, forty ids joined by
	// "or", is 2 KiB.
	MaxLength = 8 << 10
	// MaxTerms bounds the comparisons of a filter: each is judged on each resource.
	MaxTerms = 256
	// MaxNesting bounds parentheses, brackets and nots, and so the recursion.
	MaxNesting = 32
)

// Parse reads a filter. Errors are 400 invalidFilter.
func Parse(text string) (Expr, error) {
	p := &parser{text: text, kind: scim.InvalidFilter, what: "filter"}
	if len(text) > MaxLength {
		return nil, scim.BadRequest(scim.InvalidFilter, "The filter has %d bytes; at most %d are accepted.", len(text), MaxLength)
	}
	if !readable(text) {
		return nil, scim.BadRequest(scim.InvalidFilter, "The filter is not UTF-8 text, or holds control characters.")
	}
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.space(); p.pos < len(p.text) {
		return nil, p.fail("the end or \"and\" or \"or\" is expected")
	}
	return e, nil
}

// readable tells whether a text is UTF-8 without control characters; JSON strings hold those escaped.
func readable(text string) bool {
	return utf8.ValidString(text) && strings.IndexFunc(text, control) < 0
}

type parser struct {
	text  string
	pos   int
	depth int
	terms int
	inner bool // inside brackets: a word ends at the bracket
	kind  scim.ErrorType
	what  string
}

// fail says where the text is wrong, and quotes what stands there.
func (p *parser) fail(reason string) error {
	const shown = 30 // bytes; enough to find the place by
	rest := p.text[p.pos:]
	if len(rest) > shown {
		rest = strings.ToValidUTF8(rest[:shown], "") + "…"
	}
	near := "at its end"
	if rest != "" {
		near = "at \"" + strings.Map(visible, rest) + "\""
	}
	return scim.BadRequest(p.kind, "The %s cannot be read at character %d (%s): %s.", p.what, p.pos+1, near, reason)
}

func visible(r rune) rune {
	if r < ' ' || r == 0x7f {
		return '?'
	}
	return r
}

func (p *parser) space() {
	for p.pos < len(p.text) && (p.text[p.pos] == ' ' || p.text[p.pos] == '\t') {
		p.pos++
	}
}

// take skips a character if it stands there.
func (p *parser) take(c byte) bool {
	if p.pos < len(p.text) && p.text[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

// word skips a keyword, in any case, if it stands there as a whole word.
func (p *parser) word(w string) bool {
	end := p.pos + len(w)
	if end > len(p.text) || !strings.EqualFold(p.text[p.pos:end], w) {
		return false
	}
	if end < len(p.text) && nameByte(p.text[end]) {
		return false
	}
	p.pos = end
	return true
}

func (p *parser) enter() error {
	if p.depth++; p.depth > MaxNesting {
		return p.fail("it is nested too deeply")
	}
	return nil
}

func (p *parser) or() (Expr, error) {
	return p.list(or, p.and, func(l []Expr) Expr { return Or(l) })
}

func (p *parser) and() (Expr, error) {
	return p.list(and, p.unary, func(l []Expr) Expr { return And(l) })
}

// list reads one or more operands joined by a word.
func (p *parser) list(word string, operand func() (Expr, error), make func([]Expr) Expr) (Expr, error) {
	first, err := operand()
	if err != nil {
		return nil, err
	}
	list := []Expr{first}
	for {
		p.space()
		if !p.word(word) {
			break
		}
		next, err := operand()
		if err != nil {
			return nil, err
		}
		list = append(list, next)
	}
	if len(list) == 1 {
		return first, nil
	}
	return make(list), nil
}

func (p *parser) unary() (Expr, error) {
	p.space()
	start := p.pos
	if p.word("not") {
		p.space()
		// An attribute may be called "not"; then an operator follows.
		if !p.operatorFollows() {
			return p.not()
		}
		p.pos = start
	}
	if p.take('(') {
		if err := p.enter(); err != nil {
			return nil, err
		}
		e, err := p.or()
		if err != nil {
			return nil, err
		}
		if p.space(); !p.take(')') {
			return nil, p.fail("a closing parenthesis is missing")
		}
		p.depth--
		return e, nil
	}
	return p.term()
}

// not reads what "not" stands before. A parenthesis counts itself as nesting, so that not (a) and not a, which are
// printed alike, are as deep as each other.
func (p *parser) not() (Expr, error) {
	if p.pos == len(p.text) || p.text[p.pos] != '(' {
		if err := p.enter(); err != nil {
			return nil, err
		}
		defer func() { p.depth-- }()
	}
	e, err := p.unary()
	if err != nil {
		return nil, err
	}
	return Not{e}, nil
}

func (p *parser) operatorFollows() bool {
	at := p.pos
	defer func() { p.pos = at }()
	return p.word("pr") || p.operator() != ""
}

func (p *parser) term() (Expr, error) {
	if p.terms++; p.terms > MaxTerms {
		return nil, p.fail("it has more than the 256 comparisons that are accepted")
	}
	path, err := p.path()
	if err != nil {
		return nil, err
	}
	if p.take('[') {
		return p.valuePath(path)
	}
	p.space()
	if p.word("pr") {
		return Present{path}, nil
	}
	op, value, err := p.comparison()
	return Compare{path, op, value}, err
}

// valuePath reads what follows the opening bracket.
func (p *parser) valuePath(path AttrPath) (Expr, error) {
	if p.inner {
		return nil, p.fail("brackets cannot stand within brackets")
	}
	inner, err := p.bracket()
	if err != nil {
		return nil, err
	}
	v := ValuePath{Path: path, Filter: inner}
	if p.take('.') {
		if v.Sub = p.name(); v.Sub == "" {
			return nil, p.fail("the name of a sub-attribute is expected")
		}
	}
	p.space()
	switch {
	case p.word("pr"):
		v.Op = Pr
	case v.Sub != "" || p.operatorFollows():
		if v.Op, v.Value, err = p.comparison(); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// bracket reads a filter up to the closing bracket.
func (p *parser) bracket() (Expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	p.inner = true
	inner, err := p.or()
	p.inner = false
	if err != nil {
		return nil, err
	}
	if p.space(); !p.take(']') {
		return nil, p.fail("a closing bracket is missing")
	}
	p.depth--
	return inner, nil
}

func (p *parser) comparison() (Op, any, error) {
	op := p.operator()
	if op == "" {
		return "", nil, p.fail("an operator is expected: eq, ne, co, sw, ew, pr, gt, ge, lt or le")
	}
	p.space()
	value, err := p.literal()
	return op, value, err
}

func (p *parser) operator() Op {
	for _, op := range [...]Op{Eq, Ne, Co, Sw, Ew, Gt, Ge, Lt, Le} {
		if p.word(string(op)) {
			return op
		}
	}
	return ""
}

// path reads an attribute's name, with a URN before it and a sub-attribute behind it where there are such.
func (p *parser) path() (AttrPath, error) {
	start := p.pos
	for p.pos < len(p.text) && (nameByte(p.text[p.pos]) || p.text[p.pos] == ':' || p.text[p.pos] == '.') {
		p.pos++
	}
	path, ok := splitPath(p.text[start:p.pos])
	if !ok {
		p.pos = start
		return AttrPath{}, p.fail("the name of an attribute is expected")
	}
	return path, nil
}

// splitPath cuts a URN off at the last colon and a sub-attribute at the first point after it.
func splitPath(s string) (AttrPath, bool) {
	var path AttrPath
	rest := s
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		path.URN, rest = s[:i], s[i+1:]
		if path.URN == "" {
			return path, false
		}
	}
	name, sub, dotted := strings.Cut(rest, ".")
	path.Name, path.Sub = name, sub
	if path.URN != "" {
		// The URN of an extension as a whole may end in its version, urn:…:2.0, and is cut up like an attribute.
		return path, nameBytes(name) && (!dotted || nameBytes(sub))
	}
	return path, validName(name) && (!dotted || validName(sub))
}

// validName is RFC 7643 §2.1's ATTRNAME, and $ref.
func validName(s string) bool {
	return nameBytes(s) && (letter(s[0]) || s[0] == '$')
}

// nameBytes tells whether s is not empty and holds only what names are made of.
func nameBytes(s string) bool {
	for i := range len(s) {
		if !nameByte(s[i]) {
			return false
		}
	}
	return s != ""
}

func (p *parser) name() string {
	start := p.pos
	for p.pos < len(p.text) && nameByte(p.text[p.pos]) {
		p.pos++
	}
	if name := p.text[start:p.pos]; validName(name) {
		return name
	}
	p.pos = start
	return ""
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func nameByte(c byte) bool {
	return letter(c) || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '$'
}

// literal reads a JSON string, number, true, false or null, or a bare word, which stands for a string.
func (p *parser) literal() (any, error) {
	if p.pos == len(p.text) {
		return nil, p.fail("a value is expected")
	}
	if p.text[p.pos] == '"' {
		return p.str()
	}
	start := p.pos
	for p.pos < len(p.text) && !p.ends(p.text[p.pos]) {
		p.pos++
	}
	word := p.text[start:p.pos]
	switch strings.ToLower(word) {
	case "":
		return nil, p.fail("a value is expected")
	case "true":
		return true, nil
	case "false":
		return false, nil
	case "null":
		return nil, nil
	}
	if strings.ContainsAny(word, `"'\`) {
		p.pos = start
		return nil, p.fail("a value must be a JSON string in double quotes, a number, true, false or null")
	}
	if v, err := scim.Parse([]byte(word)); err == nil {
		if n, ok := v.(scim.Number); ok {
			return n, nil
		}
	}
	return word, nil
}

// ends tells whether a bare word ends before c.
func (p *parser) ends(c byte) bool {
	return c == ' ' || c == '\t' || c == ')' || c == '(' || c == ']' && p.inner || c == '['
}

// str reads a JSON string with its escapes.
func (p *parser) str() (any, error) {
	start := p.pos
	for p.pos++; p.pos < len(p.text); p.pos++ {
		switch p.text[p.pos] {
		case '\\':
			p.pos++
		case '"':
			p.pos++
			raw := p.text[start:p.pos]
			if !strings.ContainsRune(raw, '\\') && strings.IndexByte(raw, '\t') < 0 {
				return raw[1 : len(raw)-1], nil
			}
			v, err := scim.Parse([]byte(raw))
			if err != nil {
				p.pos = start
				return nil, p.fail("this is no JSON string")
			}
			return v, nil
		}
	}
	p.pos = start
	return nil, p.fail("the closing quote is missing")
}

func control(r rune) bool { return r < ' ' && r != '\t' }
