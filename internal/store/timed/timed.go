// Package timed counts, times and traces what a store does, whatever store it is. It is a decorator: rows, rules and errors
// pass as they are.
package timed

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/tracing"
)

// Meter keeps the figures of all stores that it wraps.
type Meter struct {
	tracer      *tracing.Tracer
	unavailable *prometheus.CounterVec
	seconds     *prometheus.HistogramVec
	view        kind
	update      kind
}

// kind is what is kept of one kind of transaction.
type kind struct {
	span        string
	seconds     prometheus.Observer
	unavailable prometheus.Counter
}

// New makes a Meter.
func New(t *tracing.Tracer) *Meter {
	m := &Meter{
		tracer: t,
		unavailable: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "scimbridge_store_failures_total", Help: "Transactions (read, write) that the database could not carry out: it is away, full, or fails.",
		}, []string{"kind"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "scimbridge_store_seconds", Help: "Time of the database's transactions (read, write), with waiting for their turn and for the disk.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"kind"}),
	}
	m.view = kind{"store read", m.seconds.WithLabelValues("read"), m.unavailable.WithLabelValues("read")}
	m.update = kind{"store write", m.seconds.WithLabelValues("write"), m.unavailable.WithLabelValues("write")}
	return m
}

// Collectors are the metrics. A nil Meter has none.
func (m *Meter) Collectors() []prometheus.Collector {
	if m == nil {
		return nil
	}
	return []prometheus.Collector{m.unavailable, m.seconds}
}

// Wrap returns a store whose transactions are measured. With a nil Meter that is the store itself.
func (m *Meter) Wrap(s account.Store) account.Store {
	if m == nil {
		return s
	}
	return &store{s, m}
}

type store struct {
	account.Store
	meter *Meter
}

var _ account.Store = (*store)(nil)

// View reads.
func (s *store) View(ctx context.Context, read func(account.Tx) error) error {
	return s.measure(ctx, &s.meter.view, func(ctx context.Context) error { return s.Store.View(ctx, read) })
}

// Update changes.
func (s *store) Update(ctx context.Context, change func(account.Tx) error) error {
	return s.measure(ctx, &s.meter.update, func(ctx context.Context) error { return s.Store.Update(ctx, change) })
}

func (s *store) measure(ctx context.Context, k *kind, transaction func(context.Context) error) error {
	ctx, span := s.meter.tracer.Step(ctx, k.span)
	begin := time.Now()
	err := transaction(ctx)
	k.seconds.Observe(time.Since(begin).Seconds())
	unavailable := errors.Is(err, account.ErrUnavailable) && ctx.Err() == nil
	if unavailable {
		k.unavailable.Inc()
	}
	span.End(!unavailable)
	return err
}
