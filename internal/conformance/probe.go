package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// probe is one check under way. Like a scanner it keeps the first thing that went wrong and from then on does
// nothing, so that a check reads as a list of steps; loops look at stopped. It lives as long as its check, which is
// why it may hold the context.
type probe struct {
	ctx   context.Context
	c     *Client
	trace *trace

	mu  sync.Mutex // guards err, since some checks send in parallel
	err error
}

// result is the error that Requirement.Check returns.
func (p *probe) result() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !errors.Is(p.err, ErrFailed) {
		return p.err
	}
	if last := p.trace.String(); last != "" {
		return fmt.Errorf("%w; %s", p.err, p.c.redact(last))
	}
	return p.err
}

func (p *probe) stopped() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err != nil
}

func (p *probe) stop(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
}

func (p *probe) failf(format string, args ...any) {
	p.stop(fmt.Errorf("%w: %s", ErrFailed, fmt.Sprintf(format, args...)))
}

func (p *probe) skip(format string, args ...any) {
	p.stop(fmt.Errorf("%w: %s", ErrNotApplicable, fmt.Sprintf(format, args...)))
}

// want fails the check unless ok.
func (p *probe) want(ok bool, format string, args ...any) {
	if !ok {
		p.failf(format, args...)
	}
}

// equal fails the check unless got is want, as JSON values.
func (p *probe) equal(what string, got, want any) {
	if !p.stopped() && !same(got, want) {
		p.failf("%s is %s, want %s", what, show(got), show(want))
	}
}

// holds fails the check unless got has all that want has.
func (p *probe) holds(what string, got, want any) {
	if !p.stopped() && !contains(plain(got), plain(want)) {
		p.failf("%s is %s, want %s in it", what, show(got), show(want))
	}
}

// send carries out a call. After a failure it does nothing.
func (p *probe) send(call call) answer {
	if p.stopped() {
		return answer{call: call}
	}
	a, err := p.c.send(p.ctx, call, p.trace)
	if err != nil {
		p.stop(fmt.Errorf("%s %s: %w", call.method, shorten(call.path, 120), err))
	}
	return a
}

func (p *probe) get(path string) answer {
	return p.send(call{method: http.MethodGet, path: path})
}

func (p *probe) post(path string, body any) answer {
	return p.send(call{method: http.MethodPost, path: path, body: body})
}

func (p *probe) put(path string, body any) answer {
	return p.send(call{method: http.MethodPut, path: path, body: body})
}

func (p *probe) patch(path string, ops ...object) answer {
	return p.send(call{method: http.MethodPatch, path: path, body: object{"schemas": []string{patchURN}, "Operations": ops}})
}

func (p *probe) delete(path string) answer {
	return p.send(call{method: http.MethodDelete, path: path})
}

// status fails the check unless the answer has one of the codes.
func (p *probe) status(a answer, codes ...int) {
	if !p.stopped() && !slices.Contains(codes, a.status) {
		p.failf("%s %s answers %d, want %s", a.call.method, shorten(a.call.path, 120), a.status, alternatives(codes))
	}
}

// refused fails the check unless the answer is the SCIM error given. Without types any or no scimType will do.
func (p *probe) refused(a answer, code int, types ...string) {
	p.status(a, code)
	if p.stopped() {
		return
	}
	if !slices.Contains(texts(a.body["schemas"]), errorURN) {
		p.failf("the body of the refusal is no SCIM error")
		return
	}
	if got := text(a.body["scimType"]); len(types) > 0 && !slices.Contains(types, got) {
		p.failf("scimType is %q, want %s", got, strings.Join(types, " or "))
	}
}

// refusedOr lets a success pass as well, for what a server may accept; anything else must be a refusal with code.
func (p *probe) refusedOr(a answer, code int, types ...string) (accepted bool) {
	if a.status >= 200 && a.status < 300 {
		return true
	}
	p.refused(a, code, types...)
	return false
}

// unharmed fails the check where the server broke down.
func (p *probe) unharmed(a answer) {
	p.want(a.status < 500 || a.status == http.StatusNotImplemented, "the server breaks down with %d", a.status)
}

// read returns the resource at path.
func (p *probe) read(path string) object {
	a := p.get(path)
	p.status(a, http.StatusOK)
	return a.body
}

// change patches a resource, which must work, and returns its new state, read where the answer is 204.
func (p *probe) change(path string, ops ...object) object {
	a := p.patch(path, ops...)
	p.status(a, http.StatusOK, http.StatusNoContent)
	return p.read(path)
}

// replace puts a resource, which must work, and returns its new state.
func (p *probe) replace(path string, body object) object {
	a := p.put(path, body)
	p.status(a, http.StatusOK, http.StatusNoContent)
	return p.read(path)
}

// op makes a PATCH operation; an empty path and a value left out are not sent.
func op(kind, path string, value ...any) object {
	o := object{"op": kind}
	if path != "" {
		o["path"] = path
	}
	if len(value) > 0 {
		o["value"] = value[0]
	}
	return o
}

// list returns the answer of a query, which must be a ListResponse, with its resources.
func (p *probe) list(endpoint string, params ...string) (answer, []object) {
	a := p.get(endpoint + query(params...))
	p.status(a, http.StatusOK)
	if !p.stopped() && !slices.Contains(texts(a.body["schemas"]), listURN) {
		p.failf("the answer is no ListResponse")
	}
	return a, objects(a.body, "Resources")
}

// find returns the people that a filter finds, of the first page.
func (p *probe) find(filter string) []object {
	_, found := p.list("/Users", "filter", filter, "count", "100")
	return found
}

// findable fails the check unless the filter finds exactly the person with this id.
func (p *probe) findable(filter string, u object) {
	found := p.find(filter)
	if !p.stopped() && !slices.Equal(column(found, "id"), []string{text(u["id"])}) {
		p.failf("the filter %s finds %d people, want the one that was made for it", shorten(filter, 160), len(found))
	}
}

// query writes parameters, given as names and values in turn.
func query(params ...string) string {
	var b strings.Builder
	for i := 0; i+1 < len(params); i += 2 {
		b.WriteString(map[bool]string{true: "?", false: "&"}[i == 0])
		b.WriteString(url.QueryEscape(params[i]) + "=" + url.QueryEscape(params[i+1]))
	}
	return b.String()
}

func alternatives(codes []int) string {
	words := make([]string, 0, len(codes))
	for _, c := range codes {
		words = append(words, fmt.Sprint(c))
	}
	return strings.Join(words, " or ")
}
