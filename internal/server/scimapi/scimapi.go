// Package scimapi serves SCIM 2.0 over HTTP (RFC 7644, RFC 9865): it decodes requests, calls the Provider that it
// declares, and encodes what comes back. Every error below a SCIM path is a SCIM error, also those of routing, of
// bodies that are too large and of bugs.
//
// The routes are one table: method, path, who may, body limit, time limit, handler. The same table serves under
// every base; the links in an answer carry the base that the client used.
//
// The package knows nothing of accounts, tokens or TLS. Whoever mounts it authenticates, by the Guard it is given.
package scimapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/patch"
	"github.com/scimbridge/scimbridge/scim/protocol"
	"github.com/scimbridge/scimbridge/scim/schema"
)

// Provider is where resources live. Methods return a *scim.Error for what the client can mend; anything else
// becomes a 500 that says nothing but the request's id.
type Provider interface {
	// Types returns the resource types served.
	Types() *schema.Set
	// Create makes a resource from a document as the client sent it.
	Create(ctx context.Context, rt *schema.ResourceType, body *scim.Object, shape protocol.Shape) (protocol.Resource, error)
	// Get reads one resource.
	Get(ctx context.Context, rt *schema.ResourceType, id string, shape protocol.Shape) (protocol.Resource, error)
	// List answers a query.
	List(ctx context.Context, q protocol.Query) (protocol.Page, error)
	// Replace is PUT; ifMatch is the header, empty where there is none. It never creates.
	Replace(ctx context.Context, rt *schema.ResourceType, id string, body *scim.Object, ifMatch string, shape protocol.Shape) (protocol.Resource, error)
	// Patch applies all of the operations or none. A Resource without a body is answered 204.
	Patch(ctx context.Context, rt *schema.ResourceType, id string, ops []patch.Operation, ifMatch string, shape protocol.Shape) (protocol.Resource, error)
	// Delete removes one resource.
	Delete(ctx context.Context, rt *schema.ResourceType, id, ifMatch string) error
	// Me returns the resource of the caller.
	Me(ctx context.Context, shape protocol.Shape) (protocol.Resource, error)
}

// Guard lets a request in, or returns the error to answer. public tells that the route may be read without a token.
type Guard func(r *http.Request, public bool) error

// Config is what New needs.
type Config struct {
	Provider Provider
	Guard    Guard
	Log      *slog.Logger
}

// Handler serves the SCIM endpoints.
type Handler struct {
	provider Provider
	guard    Guard
	log      *slog.Logger
	routes   map[string]map[string]*route // by path pattern, by method
	buffers  sync.Pool                    // of *[]byte, for pages
}

// New makes a Handler.
func New(c Config) *Handler {
	h := &Handler{provider: c.Provider, guard: c.Guard, log: c.Log, routes: map[string]map[string]*route{}}
	for _, rt := range h.table() {
		if h.routes[rt.path] == nil {
			h.routes[rt.path] = map[string]*route{}
		}
		for _, m := range strings.Fields(rt.methods) {
			h.routes[rt.path][m] = &rt
		}
	}
	return h
}

// route is one line of the table.
type route struct {
	methods string // separated by spaces; GET serves HEAD too
	path    string // {type} stands for the endpoint of a resource type, {id} for one segment
	public  bool   // may be read without a token
	body    int64  // largest body in bytes; 0: none is read
	timeout time.Duration
	serve   func(*Handler, http.ResponseWriter, *call) error
}

const (
	// quick bounds what touches one resource. Okta waits 60 s and Keycloak 5 s; whoever has not been served within
	// 30 s had better hear so.
	quick = 30 * time.Second
	// slow bounds lists and groups, which may be large.
	slow = 55 * time.Second
)

// table lists the routes. Groups and Bulk take larger bodies: their members come by value.
func (h *Handler) table() []route {
	const (
		small = protocol.MaxUserBody
		large = protocol.MaxGroupBody
	)
	return []route{
		{"GET", "/ServiceProviderConfig", true, 0, quick, (*Handler).serviceProviderConfig},
		{"GET", "/ResourceTypes", false, 0, quick, (*Handler).resourceTypes},
		{"GET", "/ResourceTypes/{id}", false, 0, quick, (*Handler).resourceType},
		{"GET", "/Schemas", false, 0, quick, (*Handler).schemas},
		{"GET", "/Schemas/{id}", false, 0, quick, (*Handler).schema},
		{"GET", "/Me", false, 0, quick, (*Handler).me},
		{"PUT PATCH DELETE POST", "/Me", false, small, quick, (*Handler).changeMe},
		{"POST", "/Bulk", false, large, slow, (*Handler).bulk},
		{"GET", "/", false, 0, slow, (*Handler).list},
		{"POST", "/.search", false, small, slow, (*Handler).search},

		{"GET", "/Users", false, 0, slow, (*Handler).list},
		{"POST", "/Users", false, small, quick, (*Handler).create},
		{"POST", "/Users/.search", false, small, slow, (*Handler).search},
		{"GET", "/Users/{id}", false, 0, quick, (*Handler).get},
		{"PUT", "/Users/{id}", false, small, quick, (*Handler).replace},
		{"PATCH", "/Users/{id}", false, small, quick, (*Handler).patch},
		{"DELETE", "/Users/{id}", false, 0, quick, (*Handler).delete},

		{"GET", "/Groups", false, 0, slow, (*Handler).list},
		{"POST", "/Groups", false, large, slow, (*Handler).create},
		{"POST", "/Groups/.search", false, small, slow, (*Handler).search},
		{"GET", "/Groups/{id}", false, 0, slow, (*Handler).get},
		{"PUT", "/Groups/{id}", false, large, slow, (*Handler).replace},
		{"PATCH", "/Groups/{id}", false, large, slow, (*Handler).patch},
		{"DELETE", "/Groups/{id}", false, 0, slow, (*Handler).delete},
	}
}

// call is one request on its way through a handler.
type call struct {
	*http.Request
	h       *Handler
	base    string               // URL before the endpoint, as the client used it
	rt      *schema.ResourceType // nil outside the endpoints of resource types
	id      string
	body    int64
	pattern string
}

// Endpoint is a path below a base, taken apart.
type Endpoint struct {
	Pattern string // as in the route table, for logs and metrics
	ID      string
	Type    string // spelled as in the resource type's endpoint
}

// endpoints are the first segments that are SCIM's, by their lower-case spelling. Any case is tolerated.
var endpoints = map[string]string{
	"users": "Users", "groups": "Groups", "me": "Me", "bulk": "Bulk", ".search": ".search", "schemas": "Schemas",
	"resourcetypes": "ResourceTypes", "serviceproviderconfig": "ServiceProviderConfig",
	// Salesforce's and AWS's compatibility modes ask in the plural.
	"serviceproviderconfigs": "ServiceProviderConfig",
}

// IsEndpoint tells whether a path segment names a SCIM endpoint.
func IsEndpoint(segment string) bool { return endpoints[strings.ToLower(segment)] != "" }

// Locate takes apart the segments below a base, already unescaped. ok is false for a path that is none of SCIM's.
func Locate(segments []string) (e Endpoint, ok bool) {
	if len(segments) == 0 {
		return Endpoint{Pattern: "/"}, true
	}
	name := endpoints[strings.ToLower(segments[0])]
	if name == "" || len(segments) > 2 {
		return Endpoint{}, false
	}
	e = Endpoint{Pattern: "/" + name, Type: name}
	if len(segments) == 2 {
		if strings.EqualFold(segments[1], ".search") {
			e.Pattern += "/.search"
		} else {
			e.Pattern, e.ID = e.Pattern+"/{id}", segments[1]
		}
	}
	return e, true
}

// Serve answers a request for an endpoint below base. It returns the pattern of the route for logs and metrics.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, base string, segments []string) string {
	e, _ := Locate(segments)
	methods := h.routes[e.Pattern]
	public := methods != nil && methods[http.MethodGet] != nil && methods[http.MethodGet].public && (r.Method == http.MethodGet || r.Method == http.MethodHead)
	if methods == nil {
		e.Pattern = "unknown"
	}
	if err := h.guard(r, public); err != nil {
		h.fail(w, r, err)
		return e.Pattern
	}
	if methods == nil {
		h.fail(w, r, scim.Errorf(404, "", "There is no such endpoint. Users, Groups, Me, Bulk, .search, Schemas, ResourceTypes and ServiceProviderConfig are served below %s.", base))
		return e.Pattern
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	rt := methods[method]
	if rt == nil {
		w.Header().Set("Allow", allowed(methods))
		h.fail(w, r, scim.Errorf(405, "", "%s is not allowed here; %s.", clean(r.Method), allowed(methods)))
		return e.Pattern
	}
	ctx, cancel := context.WithTimeout(r.Context(), rt.timeout)
	defer cancel()
	c := &call{Request: r.WithContext(ctx), h: h, base: base, id: e.ID, body: rt.body, pattern: e.Pattern}
	switch e.Type {
	case "Users":
		c.rt = h.provider.Types().User()
	case "Groups":
		c.rt = h.provider.Types().Group()
	}
	if err := rt.serve(h, w, c); err != nil {
		h.fail(w, c.Request, err)
	}
	return e.Pattern
}

func allowed(methods map[string]*route) string {
	var list []string
	for _, m := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		if methods[m] != nil {
			list = append(list, m)
			if m == "GET" {
				list = append(list, "HEAD")
			}
		}
	}
	return strings.Join(list, ", ")
}

// fail writes an error. What is no *scim.Error is logged and answered with the request's id only.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	var e *scim.Error
	switch {
	case errors.As(err, &e):
	case errors.Is(err, context.DeadlineExceeded):
		e = scim.Errorf(503, "", "The request took too long and was given up. Try again.")
	case errors.Is(err, context.Canceled):
		e = scim.Errorf(499, "", "The client closed the connection.")
	default:
		id := w.Header().Get("X-Request-Id")
		h.log.ErrorContext(r.Context(), "request failed", "error", err, "request", id)
		e = scim.Errorf(500, "", "Something went wrong in the bridge. Its log says what, under the request id %s.", id)
	}
	WriteError(w, r, e)
}
