// Package idp replays what identity providers send: recorded conversations, one file for each client, against a
// running server, with all that the client needs back.
//
// A file is a txtar archive; each section is a request:
//
//	METHOD /path?query
//	Header: value
//
//	{ body }
//
//	=> 200 201 [flags]
//	header NAME ~ REGEXP
//	POINTER OPERATOR [JSON]
//	capture NAME POINTER
//	verify /path 200
//	POINTER OPERATOR [JSON]
//
// {{run}} is a random value for each replay, {{guidN}} a random GUID, {{base}} the base URL, other names are captured.
// What follows verify is read with a GET of ours that proves the effect. Flags: body-optional (an empty body is
// fine), optional (servers may differ), client-limit-ms=N (a limit that the client's own suite sets; kept as a fact,
// not asserted, since timed tests fail on busy machines). Pointers are JSON Pointers; a token [type=work] takes the
// first element whose type is work, "" is the whole document.
package idp

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/tools/txtar"
)

// Conversation is one client's requests in order.
type Conversation struct {
	Client string
	Steps  []Step
}

// Step is a request and what the client needs back.
type Step struct {
	Name     string
	Method   string
	Path     string
	Headers  [][2]string
	Body     string
	Status   []int
	Optional bool // servers may differ
	NoBody   bool // an empty body is fine
	Expect   []Expectation
	Capture  [][2]string // name, pointer
	Verify   *Verify
}

// Verify is a GET that proves the effect.
type Verify struct {
	Path   string
	Status []int
	Expect []Expectation
}

// Expectation is about a header, or about the value at a pointer.
type Expectation struct {
	Header  string
	Pattern string
	Pointer string
	Op      string
	Value   string // JSON
}

// Load reads all conversations of a folder.
func Load(files fs.FS) ([]Conversation, error) {
	names, err := fs.Glob(files, "*.txtar")
	if err != nil {
		return nil, err
	}
	var list []Conversation
	for _, name := range names {
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		c := Conversation{Client: strings.TrimSuffix(name, ".txtar")}
		for _, f := range txtar.Parse(raw).Files {
			step, err := parseStep(string(f.Data))
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", name, f.Name, err)
			}
			step.Name = f.Name
			c.Steps = append(c.Steps, step)
		}
		list = append(list, c)
	}
	return list, nil
}

func parseStep(text string) (Step, error) {
	var s Step
	request, expect, ok := strings.Cut(text, "\n=> ")
	if !ok {
		return s, fmt.Errorf("no line => with the statuses")
	}
	head, body, _ := strings.Cut(request, "\n\n")
	s.Body = strings.TrimSpace(body)
	lines := strings.Split(strings.TrimSpace(head), "\n")
	s.Method, s.Path, ok = strings.Cut(lines[0], " ")
	if !ok {
		return s, fmt.Errorf("request line %q", lines[0])
	}
	for _, l := range lines[1:] {
		name, value, _ := strings.Cut(l, ":")
		s.Headers = append(s.Headers, [2]string{name, strings.TrimSpace(value)})
	}
	return s, s.parseExpect(strings.Split(strings.TrimSpace(expect), "\n"))
}

func (s *Step) parseExpect(lines []string) error {
	for _, word := range strings.Fields(lines[0]) {
		switch n, err := strconv.Atoi(word); {
		case err == nil:
			s.Status = append(s.Status, n)
		case word == "optional":
			s.Optional = true
		case word == "body-optional":
			s.NoBody = true
		case strings.HasPrefix(word, "client-limit-ms="):
		default:
			return fmt.Errorf("flag %q", word)
		}
	}
	into := &s.Expect
	for _, l := range lines[1:] {
		words := strings.SplitN(l, " ", 3)
		switch {
		case l == "":
		case words[0] == "header":
			name, pattern, _ := strings.Cut(strings.TrimPrefix(l, "header "), " ~ ")
			*into = append(*into, Expectation{Header: name, Pattern: pattern})
		case words[0] == "capture":
			s.Capture = append(s.Capture, [2]string{words[1], words[2]})
		case words[0] == "verify":
			s.Verify = &Verify{Path: words[1]}
			for _, w := range strings.Fields(words[2]) {
				n, err := strconv.Atoi(w)
				if err != nil {
					return err
				}
				s.Verify.Status = append(s.Verify.Status, n)
			}
			into = &s.Verify.Expect
		default:
			if len(words) < 2 {
				return fmt.Errorf("expectation %q", l)
			}
			e := Expectation{Pointer: strings.Trim(words[0], `"`), Op: words[1]}
			if len(words) == 3 {
				e.Value = words[2]
			}
			if operators[e.Op] == nil {
				return fmt.Errorf("operator %q", e.Op)
			}
			*into = append(*into, e)
		}
	}
	return nil
}

// replay is one conversation under way.
type replay struct {
	base, token string
	vars        map[string]string
}

// Replay sends a conversation's requests and returns what was not as the client needs it, a line each.
func Replay(ctx context.Context, base, token string, c Conversation) []string {
	var run [4]byte
	_, _ = rand.Read(run[:]) // never fails
	r := &replay{base: base, token: token, vars: map[string]string{"run": hex.EncodeToString(run[:]), "base": base}}
	var problems []string
	for _, s := range c.Steps {
		found, err := r.step(ctx, s)
		if err != nil {
			found = append(found, err.Error())
		}
		for _, p := range found {
			problems = append(problems, fmt.Sprintf("%s/%s: %s", c.Client, s.Name, p))
		}
	}
	return problems
}

// answer is what came back.
type answer struct {
	status  int
	headers http.Header
	body    []byte
	doc     any
}

func (r *replay) step(ctx context.Context, s Step) ([]string, error) {
	a, err := r.send(ctx, s.Method, s.Path, s.Headers, s.Body)
	if err != nil {
		return nil, err
	}
	var problems []string
	switch {
	case !contains(s.Status, a.status):
		problems = append(problems, fmt.Sprintf("status %d is none of %v: %.300s", a.status, s.Status, a.body))
	case len(a.body) > 0 || !s.NoBody:
		problems = r.judge(a, s.Expect)
	}
	if a.status < 300 && len(a.body) > 0 {
		for _, c := range s.Capture {
			if v, ok := at(a.doc, r.fill(c[1])); ok {
				r.vars[c[0]] = fmt.Sprint(v)
			} else if r.vars[c[0]] == "" {
				problems = append(problems, fmt.Sprintf("nothing to capture at %s", c[1]))
			}
		}
	}
	if s.Verify == nil {
		return problems, nil
	}
	v, err := r.send(ctx, http.MethodGet, s.Verify.Path, [][2]string{{"Accept", "application/scim+json"}}, "")
	if err != nil {
		return problems, err
	}
	if !contains(s.Verify.Status, v.status) {
		problems = append(problems, fmt.Sprintf("verify: status %d is none of %v", v.status, s.Verify.Status))
	}
	for _, p := range r.judge(v, s.Verify.Expect) {
		problems = append(problems, "verify: "+p)
	}
	return problems, nil
}

func contains(list []int, n int) bool {
	for _, x := range list {
		if x == n {
			return true
		}
	}
	return false
}

var variable = regexp.MustCompile(`\{\{(\w+)\}\}`)

// fill puts in the variables; GUIDs are made when first named.
func (r *replay) fill(s string) string {
	return variable.ReplaceAllStringFunc(s, func(m string) string {
		name := m[2 : len(m)-2]
		if _, ok := r.vars[name]; !ok && strings.HasPrefix(name, "guid") {
			var b [16]byte
			_, _ = rand.Read(b[:]) // never fails
			r.vars[name] = fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
		}
		return r.vars[name]
	})
}

func (r *replay) send(ctx context.Context, method, path string, headers [][2]string, body string) (answer, error) {
	var a answer
	body = r.fill(body)
	req, err := http.NewRequestWithContext(ctx, method, r.base+r.fill(path), strings.NewReader(body))
	if err != nil {
		return a, err
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	if body != "" {
		req.Header.Set("Content-Type", "application/scim+json")
	}
	for _, h := range headers {
		value := r.fill(h[1])
		if h[0] == "Authorization" && value == "" {
			req.Header.Del("Authorization")
			continue
		}
		req.Header.Set(h[0], value)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return a, err
	}
	defer res.Body.Close() //nolint:errcheck // read only
	a.status, a.headers = res.StatusCode, res.Header
	if a.body, err = io.ReadAll(res.Body); err != nil || len(a.body) == 0 {
		return a, err
	}
	dec := json.NewDecoder(bytes.NewReader(a.body))
	dec.UseNumber()
	if err := dec.Decode(&a.doc); err != nil {
		return a, fmt.Errorf("the body is not JSON: %.200s", a.body)
	}
	return a, nil
}

func (r *replay) judge(a answer, list []Expectation) []string {
	var problems []string
	for _, e := range list {
		if e.Header != "" {
			got := a.headers.Get(e.Header)
			if strings.EqualFold(e.Header, "content-type") && len(a.body) == 0 {
				continue
			}
			if ok, err := regexp.MatchString("(?i)"+r.fill(e.Pattern), got); err != nil || !ok {
				problems = append(problems, fmt.Sprintf("header %s is %q, not like %s", e.Header, got, e.Pattern))
			}
			continue
		}
		got, _ := at(a.doc, r.fill(e.Pointer))
		var want any
		if e.Value != "" {
			dec := json.NewDecoder(strings.NewReader(r.fill(e.Value)))
			dec.UseNumber()
			if err := dec.Decode(&want); err != nil {
				problems = append(problems, fmt.Sprintf("expectation %s %s %s: %v", e.Pointer, e.Op, e.Value, err))
				continue
			}
		}
		if !operators[e.Op](got, want) {
			problems = append(problems, fmt.Sprintf("%s %s %s, but it is %.200v", e.Pointer, e.Op, r.fill(e.Value), got))
		}
	}
	return problems
}

var selector = regexp.MustCompile(`^\[(\$?\w+)=(.*)\]$`)

// at finds the value that a pointer names.
func at(doc any, pointer string) (any, bool) {
	if pointer == "" {
		return doc, doc != nil
	}
	for _, raw := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		token := strings.NewReplacer("~1", "/", "~0", "~").Replace(raw)
		switch d := doc.(type) {
		case map[string]any:
			doc = d[token]
		case []any:
			doc = element(d, token)
		default:
			return nil, false
		}
	}
	return doc, doc != nil
}

func element(list []any, token string) any {
	if m := selector.FindStringSubmatch(token); m != nil {
		for _, e := range list {
			if o, ok := e.(map[string]any); ok && fmt.Sprint(o[m[1]]) == m[2] {
				return e
			}
		}
		return nil
	}
	i, err := strconv.Atoi(token)
	if err != nil || i < 0 || i >= len(list) {
		return nil
	}
	return list[i]
}

// operators compare a value found with the one expected.
var operators = map[string]func(got, want any) bool{
	"eq":     reflect.DeepEqual,
	"ne":     func(got, want any) bool { return !reflect.DeepEqual(got, want) },
	"ieq":    func(got, want any) bool { return strings.EqualFold(fmt.Sprint(got), fmt.Sprint(want)) },
	"exists": func(got, _ any) bool { return !empty(got) },
	"absent": func(got, _ any) bool { return empty(got) },
	"type":   func(got, want any) bool { return kind(got) == want },
	"matches": func(got, want any) bool {
		ok, err := regexp.MatchString(fmt.Sprint(want), fmt.Sprint(got))
		return err == nil && ok
	},
	"len":    func(got, want any) bool { return length(got) == number(want) },
	"minLen": func(got, want any) bool { return length(got) >= number(want) },
	"maxLen": func(got, want any) bool { return length(got) <= number(want) },
	"some":   func(got, want any) bool { return some(got, want) },
	"none":   func(got, want any) bool { return !some(got, want) },
	"ge":     func(got, want any) bool { return number(got) >= number(want) },
	"le":     func(got, want any) bool { return number(got) <= number(want) },
}

// empty is what SCIM calls unassigned, and the empty text.
func empty(v any) bool {
	list, isList := v.([]any)
	return v == nil || v == "" || isList && len(list) == 0
}

func kind(v any) any {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case json.Number:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	}
	return "object"
}

func length(v any) float64 {
	switch v := v.(type) {
	case []any:
		return float64(len(v))
	case string:
		return float64(len(v))
	}
	return 0
}

func number(v any) float64 {
	n, _ := v.(json.Number)
	f, _ := n.Float64()
	return f
}

func some(got, want any) bool {
	list, _ := got.([]any)
	for _, e := range list {
		if part(e, want) {
			return true
		}
	}
	return false
}

// part tells whether got has all that want has.
func part(got, want any) bool {
	w, ok := want.(map[string]any)
	if !ok {
		return reflect.DeepEqual(got, want)
	}
	g, ok := got.(map[string]any)
	if !ok {
		return false
	}
	for k, v := range w {
		if !part(g[k], v) {
			return false
		}
	}
	return true
}
