package main

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scimbridge/scimbridge/internal/bridge"
	"github.com/scimbridge/scimbridge/internal/cache"
)

// copies are an account as the bridge asks it: itself, or through copies.
type copies struct {
	account bridge.Account
	view    bridge.View // nil: the account itself
	meters  []prometheus.Collector
	end     func() error
}

// largestCache is far more than any account needs, in megabytes: who names more has taken the unit for another.
const largestCache = 4096

// copies keeps copies of an account until end is called. That outlives ctx, since copies are read while the bridge drains,
// and what other replicas change meanwhile has to be heard.
func (a *assembly) copies(ctx context.Context, service cache.Account, lock *bridge.Lock) (copies, error) {
	if a.CacheMemory < 0 || a.CacheMemory > largestCache {
		return copies{}, fmt.Errorf("OP_CACHE_MEMORY: %d is no number of megabytes from 0 (no copies) to %d. Leave it out for the default", a.CacheMemory, largestCache)
	}
	if a.CacheMemory == 0 {
		return copies{account: service, end: func() error { return nil }}, nil
	}
	c, err := cache.New(cache.Config{Account: service, Redis: a.redis, Secret: lock, Memory: a.CacheMemory << 20, Clock: clock, Log: a.log})
	if err != nil {
		return copies{}, err
	}
	stop := alongside(context.WithoutCancel(ctx), c.Run)
	return copies{c.Direct(), c, c.Collectors(), func() error {
		stop()
		return c.Close()
	}}, nil
}
