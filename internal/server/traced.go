package server

import (
	"context"
	"errors"
	"net/http"

	"github.com/scimbridge/scimbridge/internal/server/scimapi"
	"github.com/scimbridge/scimbridge/internal/tracing"
	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/patch"
	"github.com/scimbridge/scimbridge/scim/protocol"
	"github.com/scimbridge/scimbridge/scim/schema"
)

// trace begins the span of a request. What load balancers and monitors ask every few seconds is of no trace.
func (s *Server) trace(ctx context.Context, r *http.Request) (context.Context, tracing.Span) {
	switch r.URL.Path {
	case "/", "/app", "/ping", "/ready", "/health", "/metrics", "/monitoring":
		return ctx, tracing.Span{}
	}
	return s.Tracer.Serve(ctx, r.Header)
}

// traced is a Provider with a span for each operation, of which a Bulk request has many.
type traced struct {
	scimapi.Provider
	tracer *tracing.Tracer
}

// inSpans is the Provider with spans; itself where there is no tracer.
func inSpans(p scimapi.Provider, t *tracing.Tracer) scimapi.Provider {
	if t == nil {
		return p
	}
	return &traced{p, t}
}

func step[T any](ctx context.Context, t *traced, name string, operation func(context.Context) (T, error)) (T, error) {
	ctx, span := t.tracer.Step(ctx, "scim "+name)
	out, err := operation(ctx)
	var answer *scim.Error
	span.End(err == nil || errors.As(err, &answer) && answer.Status < http.StatusInternalServerError)
	return out, err
}

// Create makes a resource.
func (t *traced) Create(ctx context.Context, rt *schema.ResourceType, body *scim.Object, shape protocol.Shape) (protocol.Resource, error) {
	return step(ctx, t, "create "+rt.Name, func(ctx context.Context) (protocol.Resource, error) {
		return t.Provider.Create(ctx, rt, body, shape)
	})
}

// Get reads one resource.
func (t *traced) Get(ctx context.Context, rt *schema.ResourceType, id string, shape protocol.Shape) (protocol.Resource, error) {
	return step(ctx, t, "get "+rt.Name, func(ctx context.Context) (protocol.Resource, error) {
		return t.Provider.Get(ctx, rt, id, shape)
	})
}

// List answers a query.
func (t *traced) List(ctx context.Context, q protocol.Query) (protocol.Page, error) {
	name := "list"
	for _, rt := range q.Types {
		name += " " + rt.Name
	}
	return step(ctx, t, name, func(ctx context.Context) (protocol.Page, error) { return t.Provider.List(ctx, q) })
}

// Replace is PUT.
func (t *traced) Replace(ctx context.Context, rt *schema.ResourceType, id string, body *scim.Object, ifMatch string, shape protocol.Shape) (protocol.Resource, error) {
	return step(ctx, t, "replace "+rt.Name, func(ctx context.Context) (protocol.Resource, error) {
		return t.Provider.Replace(ctx, rt, id, body, ifMatch, shape)
	})
}

// Patch applies operations.
func (t *traced) Patch(ctx context.Context, rt *schema.ResourceType, id string, ops []patch.Operation, ifMatch string, shape protocol.Shape) (protocol.Resource, error) {
	return step(ctx, t, "patch "+rt.Name, func(ctx context.Context) (protocol.Resource, error) {
		return t.Provider.Patch(ctx, rt, id, ops, ifMatch, shape)
	})
}

// Delete removes one resource.
func (t *traced) Delete(ctx context.Context, rt *schema.ResourceType, id, ifMatch string) error {
	_, err := step(ctx, t, "delete "+rt.Name, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, t.Provider.Delete(ctx, rt, id, ifMatch)
	})
	return err
}

// Me returns the resource of the caller.
func (t *traced) Me(ctx context.Context, shape protocol.Shape) (protocol.Resource, error) {
	return step(ctx, t, "me", func(ctx context.Context) (protocol.Resource, error) { return t.Provider.Me(ctx, shape) })
}
