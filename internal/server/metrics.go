package server

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics counts requests by route pattern, never by who or what they are about.
type Metrics struct {
	http.Handler
	registry    *prometheus.Registry
	requests    *prometheus.CounterVec
	seconds     *prometheus.HistogramVec
	wrongTokens prometheus.Counter
	heldBack    prometheus.Counter
}

// NewMetrics makes the metrics of a server. unlocked tells whether the bridge is; others are those of its parts.
func NewMetrics(version string, unlocked func() bool, others ...prometheus.Collector) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "scimbridge_requests_total", Help: "Requests by route, method and status.",
		}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "scimbridge_request_seconds", Help: "Time to answer, by route and method.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"route", "method"}),
		wrongTokens: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "scimbridge_wrong_tokens_total", Help: "Requests with a token that is not the bridge's.",
		}),
		heldBack: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "scimbridge_rate_limited_total", Help: "Requests that were told to wait (429), since their source has sent too many wrong tokens.",
		}),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "scimbridge_info", Help: "Always 1; the label is the version.", ConstLabels: prometheus.Labels{"version": version},
	})
	info.Set(1)
	lock := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "scimbridge_unlocked", Help: "1 once the bearer token has been presented, 0 while locked.",
	}, func() float64 {
		if unlocked() {
			return 1
		}
		return 0
	})
	m.registry.MustRegister(m.requests, m.seconds, m.wrongTokens, m.heldBack, info, lock,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registry.MustRegister(others...)
	m.Handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
	return m
}

// Collectors are the health as metrics.
func (h *Health) Collectors() []prometheus.Collector { return []prometheus.Collector{healthMetric{h}} }

// healthMetric asks the components whenever somebody looks.
type healthMetric struct{ *Health }

var healthyDesc = prometheus.NewDesc("scimbridge_healthy", "1 while the report of /health with this source is healthy.", []string{"source"}, nil)

// Describe implements prometheus.Collector.
func (healthMetric) Describe(out chan<- *prometheus.Desc) { out <- healthyDesc }

// Collect implements prometheus.Collector.
func (h healthMetric) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	for _, r := range h.Reports(ctx) {
		healthy := 0.0
		if r.State == Healthy {
			healthy = 1
		}
		out <- prometheus.MustNewConstMetric(healthyDesc, prometheus.GaugeValue, healthy, r.Source)
	}
}

// Gauge adds a number that is asked for whenever somebody looks.
func (m *Metrics) Gauge(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

func (m *Metrics) request(route, method string, status int, took time.Duration) {
	method = known(method)
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route, method).Observe(took.Seconds())
}
