package tracing_test

import (
	"context"
	"net/http"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/scimbridge/scimbridge/internal/tracing"
)

// everything goes through all that a request does.
func everything(ctx context.Context, t *tracing.Tracer, in, out http.Header) {
	ctx, request := t.Serve(ctx, in)
	within, step := t.Step(ctx, "step")
	_, call := t.Call(within, out, http.MethodGet, "/v1/users/{id}")
	call.Returned(http.StatusOK)
	step.End(true)
	request.Answered(http.MethodGet, "/Users", http.StatusOK)
	_, again := t.Continue(ctx, in)
	again.Answered(http.MethodGet, "/", http.StatusOK)
	_, round := t.Begin(ctx, "round")
	round.End(false)
	if request.Trace() != "" && t == nil {
		panic("a trace of nobody")
	}
}

// TestOff: without a tracer nothing is made, said or paid for.
func TestOff(t *testing.T) { // not in parallel: what it counts is everybody's
	in, out := http.Header{"Traceparent": {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}, http.Header{}
	if n := testing.AllocsPerRun(100, func() { everything(t.Context(), nil, in, out) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if len(out) != 0 {
		t.Errorf("handed on: %v", out)
	}
}

func recorder() (*tracing.Tracer, *tracetest.SpanRecorder) {
	r := tracetest.NewSpanRecorder()
	return tracing.New(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r))), r
}

// TestOutside: what belongs to no request has no spans, and hands nothing on.
func TestOutside(t *testing.T) {
	t.Parallel()
	tracer, spans := recorder()
	out := http.Header{}
	_, call := tracer.Call(t.Context(), out, http.MethodGet, "/v1/changes")
	call.Returned(http.StatusOK)
	_, step := tracer.Step(t.Context(), "store read")
	step.End(true)
	_, request := tracer.Continue(t.Context(), http.Header{})
	request.Answered(http.MethodGet, "/v1/changes", http.StatusOK)
	if len(spans.Ended()) != 0 || len(out) != 0 {
		t.Errorf("%d spans, handed on: %v", len(spans.Ended()), out)
	}
}

// TestErrors: which spans are errors.
func TestErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		make func(ctx context.Context, t *tracing.Tracer)
		want string
	}{
		{"refused by us", func(ctx context.Context, t *tracing.Tracer) {
			_, s := t.Serve(ctx, http.Header{})
			s.Answered(http.MethodGet, "/Users", http.StatusUnauthorized)
		}, "Unset"},
		{"failed by us", func(ctx context.Context, t *tracing.Tracer) {
			_, s := t.Serve(ctx, http.Header{})
			s.Answered(http.MethodGet, "/Users", http.StatusServiceUnavailable)
		}, "Error"},
		{"refused by the account", func(ctx context.Context, t *tracing.Tracer) {
			_, s := t.Call(ctx, http.Header{}, http.MethodGet, "/v1/users/{id}")
			s.Returned(http.StatusNotFound)
		}, "Unset"},
		{"not reached", func(ctx context.Context, t *tracing.Tracer) {
			_, s := t.Call(ctx, http.Header{}, http.MethodGet, "/v1/users/{id}")
			s.Returned(0)
		}, "Error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tracer, spans := recorder()
			ctx, around := tracer.Begin(t.Context(), "around")
			tt.make(ctx, tracer)
			around.End(true)
			if got := spans.Ended()[0].Status(); got.Code.String() != tt.want || got.Description != "" {
				t.Errorf("status %v", got)
			}
		})
	}
}
