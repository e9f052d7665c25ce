package main

import (
	"context"
	"log/slog"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/scimbridge/scimbridge/internal/tracing"
)

// traceVariables are the variables that settle where traces go. They are OpenTelemetry's own, and its SDK reads most of
// them itself, which is why they are in no table of flags.
var traceVariables = []struct{ names, meaning string }{
	{"OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "Where traces go, by OTLP over HTTP: `http://collector:4318` (`/v1/traces` is added), or the whole URL with the second. Neither set: there are no traces."},
	{"OTEL_EXPORTER_OTLP_HEADERS, OTEL_EXPORTER_OTLP_TRACES_HEADERS", "Headers that are sent along: `api-key=…,other=…`."},
	{"OTEL_EXPORTER_OTLP_PROTOCOL, OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "`http/protobuf` (the default) or `http/json`. With `grpc` traces stay off, and the log says so."},
	{"OTEL_EXPORTER_OTLP_CERTIFICATE, _CLIENT_CERTIFICATE, _CLIENT_KEY, _COMPRESSION, _TIMEOUT, _INSECURE", "As OpenTelemetry has them."},
	{"OTEL_TRACES_EXPORTER", "`otlp`, also where no endpoint is set, which is then `http://localhost:4318`; `none`: there are no traces."},
	{"OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG", "Which traces are kept. Not set: those that the client wants kept, and all that it says nothing of. `traceidratio` with `0.01` keeps one in a hundred, whatever clients want."},
	{"OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES", "What the process is called. Not set: `scimbridge`, and `scimbridge-account` for the account service."},
	{"OTEL_BSP_SCHEDULE_DELAY and its companions", "When and how many at once are sent."},
	{"OTEL_SDK_DISABLED", "`true`: there are no traces."},
}

// lastTraces is how long the end of the process may wait for the last traces to be sent.
const lastTraces = 2 * time.Second

// variable is one of the environment's, "" where it is not set.
func (e *environment) variable(name string) string {
	for _, kv := range e.env {
		if value, ok := strings.CutPrefix(kv, name+"="); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// traces makes what the environment asks for; nil where it asks for none. Whatever is wrong with it is said in the log and
// keeps nothing else from working. The function that is returned sends what is left.
func (e *environment) traces(ctx context.Context, service string, log *slog.Logger) (*tracing.Tracer, func()) {
	off := func() {}
	to := e.tracesTo(log)
	if to == "" {
		return nil, off
	}
	otel.SetLogger(logr.New(sdkLog{log}))
	otel.SetErrorHandler(&sdkErrors{log: log})
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		log.Warn("there are no traces: the OTEL_EXPORTER_OTLP_ variables are wrong", "error", err)
		return nil, off
	}
	about, err := resource.New(ctx, resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", service), attribute.String("service.version", version)), resource.WithFromEnv())
	if err != nil { // what could be read of it counts
		log.Warn("OTEL_RESOURCE_ATTRIBUTES is wrong", "error", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	log.Info("traces are sent", "to", to)
	return tracing.New(provider), func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTraces)
		defer cancel()
		if err := provider.Shutdown(last); err != nil {
			log.Debug("the last traces were not sent", "error", err)
		}
	}
}

// tracesTo is where traces go to, for the log; "" where there are none.
func (e *environment) tracesTo(log *slog.Logger) string {
	exporter := e.variable("OTEL_TRACES_EXPORTER")
	endpoint := e.variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
	if endpoint == "" {
		endpoint = e.variable("OTEL_EXPORTER_OTLP_ENDPOINT")
	}
	switch {
	case strings.EqualFold(e.variable("OTEL_SDK_DISABLED"), "true"), exporter == "none", exporter == "" && endpoint == "":
		return ""
	case exporter != "" && exporter != "otlp":
		log.Warn("there are no traces: OTEL_TRACES_EXPORTER names an exporter that scimbridge does not have. Set otlp or none", "exporter", exporter)
		return ""
	case endpoint == "":
		endpoint = "http://localhost:4318"
	}
	protocol := e.variable("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
	if protocol == "" {
		protocol = e.variable("OTEL_EXPORTER_OTLP_PROTOCOL")
	}
	if protocol != "" && protocol != "http/protobuf" && protocol != "http/json" {
		log.Warn("there are no traces: scimbridge sends them over HTTP only. Set OTEL_EXPORTER_OTLP_PROTOCOL to http/protobuf, and the endpoint to the collector's port for it, commonly 4318", "protocol", protocol)
		return ""
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		log.Warn("there are no traces: OTEL_EXPORTER_OTLP_ENDPOINT is no address like http://collector:4318")
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// sdkErrors tells the log what OpenTelemetry's SDK cannot do, now and then: a collector that is away fails every few
// seconds.
type sdkErrors struct {
	log  *slog.Logger
	said atomic.Int64 // when it was last said, in ns since 1970
}

// Handle implements otel.ErrorHandler.
func (h *sdkErrors) Handle(err error) {
	const quiet = 5 * time.Minute
	last, now := h.said.Load(), time.Now().UnixNano()
	if now-last >= int64(quiet) && h.said.CompareAndSwap(last, now) {
		h.log.Warn("traces could not be sent", "error", err)
	}
}

// sdkLog tells the log what OpenTelemetry's SDK says of its settings. What it says beside the message is the value, which
// may be a secret.
type sdkLog struct{ log *slog.Logger }

// Init implements logr.LogSink.
func (sdkLog) Init(logr.RuntimeInfo) {}

// Enabled implements logr.LogSink.
func (sdkLog) Enabled(int) bool { return false }

// Info implements logr.LogSink.
func (sdkLog) Info(int, string, ...any) {}

// Error implements logr.LogSink.
func (s sdkLog) Error(_ error, what string, _ ...any) {
	s.log.Warn("an OTEL_ variable is wrong and has no effect; its value is not shown", "what", what)
}

// WithValues implements logr.LogSink.
func (s sdkLog) WithValues(...any) logr.LogSink { return s }

// WithName implements logr.LogSink.
func (s sdkLog) WithName(string) logr.LogSink { return s }
