package accountapi

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scimbridge/scimbridge/internal/account"
)

// calls counts what a bridge asks of the account service, try by try, by route and never by who or what it is about.
type calls struct {
	total   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

func newCalls() *calls {
	return &calls{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "scimbridge_account_calls_total",
			Help: "Calls to the account service, each try, by route and by what came of it: ok, refused (by the rules), failed (it could not be reached, or could not answer) or cancelled.",
		}, []string{"call", "result"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "scimbridge_account_call_seconds", Help: "Time until the account service has answered, by route. GET /v1/changes waits for changes, for 25 s at most.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"call"}),
	}
}

func (c *calls) note(ctx context.Context, call string, err error, took time.Duration) {
	if c == nil {
		return
	}
	var again *temporary
	result := "refused"
	switch {
	case err == nil:
		result = "ok"
	case errors.Is(ctx.Err(), context.Canceled):
		result = "cancelled"
	case errors.As(err, &again), errors.Is(err, account.ErrUnavailable):
		result = "failed"
	}
	c.total.WithLabelValues(call, result).Inc()
	c.seconds.WithLabelValues(call).Observe(took.Seconds())
}

// Collectors are the metrics of the calls to the account service.
func (r *Remote) Collectors() []prometheus.Collector {
	return []prometheus.Collector{r.calls.total, r.calls.seconds}
}

// routeOf is the pattern of the route that a path leads to.
func routeOf(path string) string {
	const leases = "/v1/leases/"
	if rest, ok := strings.CutPrefix(path, leases); ok {
		_, rest, _ = strings.Cut(rest, "/")
		return strings.TrimSuffix(leases+"{name}/"+rest, "/")
	}
	parts := strings.Split(path, "/")
	for i, part := range parts {
		switch {
		case account.IsID(part):
			parts[i] = "{id}"
		case i > 0 && parts[i-1] == "join":
			parts[i] = "{ref}"
		}
	}
	return strings.Join(parts, "/")
}
