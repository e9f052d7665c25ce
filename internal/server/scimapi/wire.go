package scimapi

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/filter"
	"github.com/scimbridge/scimbridge/scim/protocol"
	"github.com/scimbridge/scimbridge/scim/schema"
)

// retryAfter is how long 429 and 503 tell the client to wait, where nobody knows better.
const retryAfter = 5 * time.Second

// WriteError answers with a SCIM error (RFC 7644 §3.12).
func WriteError(w http.ResponseWriter, r *http.Request, e *scim.Error) {
	h := w.Header()
	if (e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable) && h.Get("Retry-After") == "" {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(cmp.Or(e.Retry, retryAfter).Seconds())))) // rounded down it would be too early
	}
	if e.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="SCIM"`) // RFC 6750 §3
	}
	if e.Status == http.StatusRequestEntityTooLarge {
		h.Set("Connection", "close") // the rest of the body is not read
	}
	h.Del("ETag")
	h.Del("Location")
	write(w, r, e.Status, scim.JSON(e.Object()))
}

// write sends a JSON body. HEAD gets the headers of GET; the server leaves out the body.
func write(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", mediaType(r))
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client has gone; there is nobody to tell
	}
}

// mediaType is application/scim+json unless the client accepts application/json only (OneLogin).
func mediaType(r *http.Request) string {
	accept := strings.ToLower(r.Header.Get("Accept"))
	if accept == "" || strings.Contains(accept, "scim+json") || strings.Contains(accept, "*") {
		return scim.MediaType
	}
	if strings.Contains(accept, "application/json") {
		return "application/json"
	}
	return scim.MediaType
}

// resource sends a resource with its Location and ETag, or 204 where it has no body.
func (c *call) resource(w http.ResponseWriter, status int, res protocol.Resource) {
	h := w.Header()
	h.Set("ETag", res.Version)
	h.Set("Content-Location", res.Location)
	if status == http.StatusCreated {
		h.Set("Location", res.Location)
	}
	if res.Body == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	write(w, c.Request, status, res.Body)
}

// object reads the body as one JSON object.
func (c *call) object(w http.ResponseWriter) (*scim.Object, error) {
	if err := c.mediaType(); err != nil {
		return nil, err
	}
	tooLarge := scim.Errorf(413, "", "The body is larger than the %d bytes that are accepted here.", c.body)
	if c.ContentLength > c.body {
		return nil, tooLarge
	}
	var buf bytes.Buffer
	if c.ContentLength > 0 {
		buf.Grow(int(c.ContentLength) + bytes.MinRead)
	}
	if _, err := buf.ReadFrom(http.MaxBytesReader(w, c.Body, c.body)); err != nil {
		var limit *http.MaxBytesError
		if errors.As(err, &limit) {
			return nil, tooLarge
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, scim.BadRequest(scim.InvalidSyntax, "The body ended before its announced length.")
		}
		return nil, err
	}
	if len(bytes.TrimSpace(buf.Bytes())) == 0 {
		return nil, scim.BadRequest(scim.InvalidSyntax, "The request has no body; a JSON object is needed.")
	}
	o, err := scim.ParseObject(buf.Bytes())
	var parse *scim.ParseError
	if errors.As(err, &parse) {
		return nil, scim.BadRequest(scim.InvalidSyntax, "The body is not acceptable JSON: %s.", parse)
	}
	return o, err
}

func (c *call) mediaType() error {
	ct := c.Header.Get("Content-Type")
	if ct == "" {
		return nil
	}
	mt, _, err := mime.ParseMediaType(ct)
	if err != nil && mt == "" || mt != scim.MediaType && mt != "application/json" {
		return scim.Errorf(415, "", "The Content-Type %q is not accepted; send application/scim+json or application/json.", clean(ct))
	}
	return nil
}

// query reads the URL's parameters, names compared without case; of a repeated one the first counts.
func (c *call) query() (map[string]string, error) {
	values, err := parseQuery(c.URL.RawQuery)
	if err != nil {
		return nil, scim.BadRequest(scim.InvalidSyntax, "The query of the URL is not well-formed: %s.", clean(err.Error()))
	}
	params := make(map[string]string, len(values))
	for _, v := range values {
		name := strings.ToLower(v.name)
		if _, seen := params[name]; seen || v.name == "" {
			continue
		}
		if !utf8.ValidString(v.value) || strings.ContainsRune(v.value, 0) {
			return nil, scim.BadRequest(scim.InvalidValue, "The parameter %s is not UTF-8 text.", clean(v.name))
		}
		params[name] = v.value
	}
	return params, nil
}

// shape reads attributes and excludedAttributes.
func (c *call) shape(params map[string]string) protocol.Shape {
	return protocol.Shape{
		Base: c.base, Attributes: names(params["attributes"]), Excluded: names(params["excludedattributes"]),
	}
}

// names splits a comma-separated list; an empty one counts as absent. Commas within brackets do not separate.
func names(list string) []string {
	var out []string
	depth, start := 0, 0
	cut := func(end int) {
		if s := strings.TrimSpace(list[start:end]); s != "" {
			out = append(out, s)
		}
		start = end + 1
	}
	for i := range len(list) {
		switch list[i] {
		case '[':
			depth++
		case ']':
			depth--
		case ',':
			if depth <= 0 {
				cut(i)
			}
		}
	}
	cut(len(list))
	return out
}

func parseFilter(text string, given bool) (filter.Expr, error) {
	if !given {
		return nil, nil
	}
	return filter.Parse(text)
}

// number reads an integer parameter; what is none is an error that names it.
func number(params map[string]string, name string, missing int) (int, error) {
	text, ok := params[strings.ToLower(name)]
	if !ok || text == "" {
		return missing, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		if errors.Is(err, strconv.ErrRange) {
			if strings.HasPrefix(text, "-") {
				return -1, nil
			}
			return maxNumber, nil
		}
		return 0, scim.BadRequest(scim.InvalidValue, "%s is no number: %q.", name, clean(text))
	}
	return min(n, maxNumber), nil
}

// maxNumber bounds startIndex and count before they are added to anything; no account has so many resources.
const maxNumber = 1 << 40

// clean makes a client's own text fit for a message: printable and short.
func clean(s string) string {
	const most = 100 // bytes; enough to recognise the text by
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
}

// types are the resource types that a query is about.
func (c *call) types() []*schema.ResourceType {
	if c.rt != nil {
		return []*schema.ResourceType{c.rt}
	}
	return c.h.provider.Types().ResourceTypes()
}
