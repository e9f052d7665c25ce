// Package tracing makes the spans of OpenTelemetry traces: which there are, what they are called and what they say. A nil
// *Tracer makes none, at no cost, which is how the program runs unless somebody asks for traces; where spans go to is
// settled by cmd/scimbridge.
//
// What a span may say is settled by what the methods take: names of our own, patterns of routes, methods, numbers of
// statuses. A path, a query, a header, a body, the text of an error or who somebody is has no way in.
package tracing

import (
	"context"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Tracer makes spans. nil makes none.
type Tracer struct{ tracer trace.Tracer }

// New makes a Tracer whose spans go where the provider says.
func New(p trace.TracerProvider) *Tracer {
	return &Tracer{p.Tracer("github.com/scimbridge/scimbridge")}
}

// Span is part of a trace, to be ended. The zero value is none.
type Span struct{ span trace.Span }

// header names a span to others, and reads it, by the header traceparent (W3C Trace Context). What else a client wants to
// be handed on (baggage) is not: it may say anything about anybody.
var header = propagation.TraceContext{}

// Serve begins the span of a request that has come in, in the trace that the client names or in one of its own.
func (t *Tracer) Serve(ctx context.Context, head http.Header) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	ctx, s := t.tracer.Start(header.Extract(ctx, propagation.HeaderCarrier(head)), "request", trace.WithSpanKind(trace.SpanKindServer))
	return ctx, Span{s}
}

// Continue is Serve for a request that is in a trace only where the client names one.
func (t *Tracer) Continue(ctx context.Context, head http.Header) (context.Context, Span) {
	if t == nil || head.Get("Traceparent") == "" {
		return ctx, Span{}
	}
	return t.Serve(ctx, head)
}

// Call begins the span of a request to another service, and names it in the request's head. Outside of a trace there is
// none.
func (t *Tracer) Call(ctx context.Context, head http.Header, method, route string) (context.Context, Span) {
	if t == nil || !trace.SpanContextFromContext(ctx).IsValid() {
		return ctx, Span{}
	}
	ctx, s := t.tracer.Start(ctx, method+" "+route, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("http.request.method", method), attribute.String("url.template", route)))
	header.Inject(ctx, propagation.HeaderCarrier(head))
	return ctx, Span{s}
}

// Begin begins a trace of work that nobody has asked for.
func (t *Tracer) Begin(ctx context.Context, name string) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	ctx, s := t.tracer.Start(ctx, name)
	return ctx, Span{s}
}

// Step begins the span of a part of what goes on. Outside of a trace there is none.
func (t *Tracer) Step(ctx context.Context, name string) (context.Context, Span) {
	if t == nil || !trace.SpanContextFromContext(ctx).IsValid() {
		return ctx, Span{}
	}
	return t.Begin(ctx, name)
}

// Answered ends the span of Serve. Who is at fault for a status from 500 on is this program.
func (s Span) Answered(method, route string, status int) {
	if s.span == nil {
		return
	}
	s.span.SetName(method + " " + route)
	s.span.SetAttributes(attribute.String("http.request.method", method), attribute.String("http.route", route))
	s.returned(status, status >= http.StatusInternalServerError)
}

// Returned ends the span of Call. Status 0 means that no answer came.
func (s Span) Returned(status int) {
	if s.span == nil {
		return
	}
	s.returned(status, status == 0 || status >= http.StatusInternalServerError)
}

func (s Span) returned(status int, failed bool) {
	kind := "unreachable"
	if status != 0 {
		kind = strconv.Itoa(status)
		s.span.SetAttributes(attribute.Int("http.response.status_code", status))
	}
	if failed {
		s.span.SetAttributes(attribute.String("error.type", kind))
	}
	s.End(!failed)
}

// End ends the span of Begin and Step.
func (s Span) End(ok bool) {
	if s.span == nil {
		return
	}
	if !ok {
		s.span.SetStatus(codes.Error, "")
	}
	s.span.End()
}

// Trace is the trace's id, in hexadecimal, for the log; "" where there is none, or where it goes nowhere.
func (s Span) Trace() string {
	if s.span == nil || !s.span.SpanContext().IsSampled() {
		return ""
	}
	return s.span.SpanContext().TraceID().String()
}
