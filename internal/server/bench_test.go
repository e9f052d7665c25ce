package server_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/scimbridge/scimbridge/internal/bridge"
	"github.com/scimbridge/scimbridge/internal/server"
	"github.com/scimbridge/scimbridge/internal/tracing"
	"github.com/scimbridge/scimbridge/scim/schema"
)

// BenchmarkRequest is a request that needs no account, without traces, with one that is not kept, and with one that is.
func BenchmarkRequest(b *testing.B) {
	types := schema.Standard()
	for _, bb := range []struct {
		name   string
		tracer *tracing.Tracer
	}{
		{"off", nil},
		{"not kept", tracing.New(sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())))},
		{"kept", tracing.New(sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.AlwaysSample())))},
	} {
		b.Run(bb.name, func(b *testing.B) {
			s := server.New(server.Config{
				Provider: bridge.New(bridge.Config{Types: types}), Tracer: bb.tracer,
				Health: &server.Health{}, Metrics: server.NewMetrics("1.2.3", func() bool { return false }), Clock: time.Now, Log: slog.New(slog.DiscardHandler),
			})
			r := httptest.NewRequest(http.MethodGet, "/scim/v2/ServiceProviderConfig", http.NoBody)
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				if s.ServeHTTP(w, r); w.Code != http.StatusOK {
					b.Fatal(w.Code)
				}
			}
		})
	}
}
