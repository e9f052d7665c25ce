package monitoring_test

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// receiver takes traces by OTLP over HTTP.
type receiver struct {
	*httptest.Server

	mu    sync.Mutex // guards what follows
	spans []span
	heads []http.Header
	raw   []byte
}

// span is a span and who has sent it.
type span struct {
	*trace.Span
	service string
}

func receive(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		var in collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &in)
		}
		if err != nil || req.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", req.URL.Path, err)
			http.Error(w, "", http.StatusBadRequest)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.heads, r.raw = append(r.heads, req.Header), append(r.raw, body...)
		for _, rs := range in.GetResourceSpans() {
			for _, ss := range rs.GetScopeSpans() {
				for _, s := range ss.GetSpans() {
					r.spans = append(r.spans, span{s, attribute(rs.GetResource().GetAttributes(), "service.name")})
				}
			}
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func attribute(list []*common.KeyValue, key string) string {
	for _, a := range list {
		if a.GetKey() == key {
			return a.GetValue().GetStringValue()
		}
	}
	return ""
}

// of are the spans of one trace.
func (r *receiver) of(trace string) (list []span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.spans {
		if hex.EncodeToString(s.GetTraceId()) == trace {
			list = append(list, s)
		}
	}
	return list
}

// below finds the span of a name directly below another.
func below(list []span, parent []byte, service, name string) *span {
	i := slices.IndexFunc(list, func(s span) bool {
		return string(s.GetParentSpanId()) == string(parent) && s.service == service && s.GetName() == name
	})
	if i < 0 {
		return nil
	}
	return &list[i]
}

// TestTraces: a SCIM request is one trace from the client's span through the bridge to the account service's database, and
// nothing in it says who it is about, or by which token.
func TestTraces(t *testing.T) {
	t.Parallel()
	r := receive(t)
	env := []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + r.URL, "OTEL_EXPORTER_OTLP_HEADERS=api-key=sesame", "OTEL_BSP_SCHEDULE_DELAY=10"}
	s := open(t, env, append(env, "OTEL_SERVICE_NAME=the-bridge"))
	const id, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	head := []string{"Traceparent", "00-" + id + "-" + parent + "-01", "Baggage", "who=grace"}
	if status := s.scim(t, s.token, http.MethodPost, "/Users", `{"userName":"grace.hopper@example.com","name":{"familyName":"Hopper"}}`, head...); status != http.StatusCreated {
		t.Fatal(status)
	}
	client, err := hex.DecodeString(parent)
	must(t, err)
	until(t, func() error {
		list, at := r.of(id), client
		for _, want := range []struct{ service, name string }{
			{"the-bridge", "POST /Users"},
			{"the-bridge", "scim create User"},
			{"the-bridge", "POST /v1/users"},
			{"scimbridge-account", "POST /v1/users"},
			{"scimbridge-account", "store write"},
		} {
			s := below(list, at, want.service, want.name)
			if s == nil {
				return fmt.Errorf("of %d spans none is %v below %x: %s", len(list), want, at, names(list))
			}
			at = s.GetSpanId()
		}
		return nil
	})

	// Of a client that wants nothing kept nothing is.
	const dark = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	s.scim(t, s.token, http.MethodGet, "/Users", "", "Traceparent", "00-"+dark+"-"+parent+"-00")
	// What fails is an error in the trace, what the rules refuse is none; wrong tokens are in traces too.
	const refused, wrong = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "cccccccccccccccccccccccccccccccc"
	s.scim(t, s.token, http.MethodPost, "/Users", `{"userName":"grace.hopper@example.com"}`, "Traceparent", "00-"+refused+"-"+parent+"-01")
	s.scim(t, "scb_wrong_token", http.MethodGet, "/Users?filter=userName+eq+%22grace.hopper@example.com%22", "", "Traceparent", "00-"+wrong+"-"+parent+"-01")
	for trace, want := range map[string]string{refused: "POST /Users", wrong: "GET /Users"} {
		until(t, func() error {
			s := below(r.of(trace), client, "the-bridge", want)
			if s == nil {
				return fmt.Errorf("no span %s", want)
			}
			if s.GetStatus().GetCode() == 2 { //nolint:mnd // error
				t.Errorf("%s is an error", want)
			}
			return nil
		})
	}
	// Watchers' rounds are traces of their own.
	until(t, func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, name := range []string{"ConfirmationWatcher", "StartProvisionWatcher"} {
			if !slices.ContainsFunc(r.spans, func(s span) bool { return s.GetName() == name && len(s.GetParentSpanId()) == 0 }) {
				return fmt.Errorf("no round of %s", name)
			}
		}
		return nil
	})
	if log := s.bridgeLives.Log(); !strings.Contains(log, "trace="+id) || !strings.Contains(log, `"traces are sent"`) {
		t.Error("the log does not name the trace")
	}
	s.bridgeLives.Stop() // sends what is left
	s.accountProcess.Stop()

	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.heads {
		if h.Get("Api-Key") != "sesame" {
			t.Error("OTEL_EXPORTER_OTLP_HEADERS has no effect")
		}
	}
	known := []string{"http.request.method", "http.route", "url.template", "http.response.status_code", "error.type"}
	for _, s := range r.spans {
		if hex.EncodeToString(s.GetTraceId()) == dark {
			t.Errorf("%s was not to be kept", s.GetName())
		}
		for _, a := range s.GetAttributes() {
			if !slices.Contains(known, a.GetKey()) {
				t.Errorf("%s has the attribute %s", s.GetName(), a)
			}
		}
		if len(s.GetEvents()) > 0 || s.GetStatus().GetMessage() != "" || s.GetTraceState() != "" {
			t.Errorf("%s says more than it is to", s.GetName())
		}
		if name := s.GetName(); strings.Contains(name, "/v1/changes") || strings.Contains(name, "/v1/leases") || strings.Contains(name, "/ready") || strings.Contains(name, "/metrics") {
			t.Errorf("there is a span %s", name)
		}
	}
	for _, secret := range []string{"grace", "hopper", "Hopper", "example.com", s.token, s.token[4:20], "scb_", "sesame", "owner"} {
		if strings.Contains(string(r.raw), secret) {
			t.Errorf("the traces say %q", secret)
		}
	}
	for _, log := range []string{s.bridgeLives.Log(), s.accountProcess.Log()} {
		if strings.Contains(log, "sesame") {
			t.Error("the log shows the headers")
		}
	}
}

func names(list []span) string {
	var b strings.Builder
	for _, s := range list {
		fmt.Fprintf(&b, "\n%s: %s %x below %x", s.service, s.GetName(), s.GetSpanId(), s.GetParentSpanId())
	}
	return b.String()
}

// TestNoTraces: without variables, or where they say so, nothing is sent and no header is handed on; what is wrong with
// them is said, and stops nothing.
func TestNoTraces(t *testing.T) {
	t.Parallel()
	r := receive(t)
	for _, tt := range []struct {
		name string
		env  []string
		said string
	}{
		{"nothing", nil, ""},
		{"off", []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + r.URL, "OTEL_SDK_DISABLED=true"}, ""},
		{"none", []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + r.URL, "OTEL_TRACES_EXPORTER=none"}, ""},
		{"grpc", []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + r.URL, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, "http/protobuf"},
		{"another exporter", []string{"OTEL_TRACES_EXPORTER=zipkin"}, "zipkin"},
		{"no address", []string{"OTEL_EXPORTER_OTLP_ENDPOINT=collector:4318"}, "no address"},
		{"a secret in the wrong place", []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_HEADERS=sesame"}, "its value is not shown"},
		{"nobody there", []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:9", "OTEL_BSP_SCHEDULE_DELAY=1", "OTEL_EXPORTER_OTLP_TIMEOUT=100"}, "traces could not be sent"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, tt.env, tt.env)
			if status := s.scim(t, s.token, http.MethodGet, "/Users", "", "Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"); status != http.StatusOK {
				t.Error(status)
			}
			until(t, func() error {
				if log := s.bridgeLives.Log(); !strings.Contains(log, tt.said) {
					return fmt.Errorf("%q is not said:\n%s", tt.said, log)
				}
				return nil
			})
			if log := s.bridgeLives.Log(); strings.Contains(log, "sesame") {
				t.Errorf("the log shows the header:\n%s", log)
			}
			s.bridgeLives.Stop()
			s.accountProcess.Stop()
		})
	}
	t.Cleanup(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.heads) > 0 {
			t.Error("something was sent")
		}
	})
}
