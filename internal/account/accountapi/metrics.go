package accountapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics counts requests by route, never by who or what they are about.
type metrics struct {
	http.Handler
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	wrong    prometheus.Counter
}

func newMetrics(version string, others []prometheus.Collector) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "scimbridge_account_requests_total", Help: "Requests to the account service by route, method and status.",
		}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "scimbridge_account_request_seconds", Help: "Time until the account service answers, by route and method.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"route", "method"}),
		wrong: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "scimbridge_account_wrong_signatures_total", Help: "Sign-ins with a wrong signature and invitations with a wrong link.",
		}),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "scimbridge_account_info", Help: "Always 1; the label is the version.", ConstLabels: prometheus.Labels{"version": version},
	})
	info.Set(1)
	registry := prometheus.NewRegistry()
	registry.MustRegister(m.requests, m.seconds, m.wrong, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registry.MustRegister(others...)
	m.Handler = promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	return m
}

func (m *metrics) request(route, method string, status int, took time.Duration) {
	method = known(method)
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route, method).Observe(took.Seconds())
}

// serveMetrics shows the metrics to whoever has their token.
func (h *Handler) serveMetrics(r *request) (any, error) {
	if h.c.MetricsToken == "" {
		return nil, &apiError{status: http.StatusNotFound, code: codeNoRoute, detail: "/metrics is off. Name a file with a token to switch it on."}
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(h.c.MetricsToken))
	if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		return nil, &apiError{status: http.StatusUnauthorized, code: codeSessionRequired, detail: "/metrics has a token of its own. Send it as \"Authorization: Bearer …\"."}
	}
	h.metrics.ServeHTTP(r.w, r.Request)
	r.written = true
	return nil, nil
}
