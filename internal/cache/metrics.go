package cache

import "github.com/prometheus/client_golang/prometheus"

// Collectors are the cache's metrics.
func (c *Cache) Collectors() []prometheus.Collector {
	const questions, help = "scimbridge_cache_questions_total", "Questions that a copy may answer, by whether one did (hit) or the account was asked (miss)."
	return []prometheus.Collector{
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: questions, Help: help, ConstLabels: prometheus.Labels{"result": "hit"}},
			func() float64 { return float64(c.stats.hits.Load()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: questions, Help: help, ConstLabels: prometheus.Labels{"result": "miss"}},
			func() float64 { return float64(c.stats.misses.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "scimbridge_feed_silence_seconds", Help: "How long ago the account's feed of changes last said something; -1: it never has.",
		}, func() float64 {
			lag, ever := c.Lag()
			if !ever {
				return -1
			}
			return lag.Seconds()
		}),
	}
}
