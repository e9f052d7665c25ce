package main

import (
	"context"
	"crypto/rand"

	"github.com/scimbridge/scimbridge/internal/bridge"
	"github.com/scimbridge/scimbridge/internal/bucket"
	"github.com/scimbridge/scimbridge/internal/handover"
	"github.com/scimbridge/scimbridge/internal/server"
)

// shareUnlock lets this replica and others unlock each other, where the settings say so.
func (a *assembly) shareUnlock(lock *bridge.Lock) (err error) {
	if !a.ShareUnlock {
		return nil
	}
	if a.redis == nil {
		a.log.Warn("OP_SHARE_UNLOCK has no effect without a Redis that the bridges share; name one with OP_REDIS_URL")
		return nil
	}
	a.unlocking, err = handover.New(handover.Config{Lock: lock, Redis: a.redis, Clock: clock, Rand: rand.Reader, Log: a.log})
	return err
}

// sharedLimit counts wrong tokens together with the other replicas; nil where there is no Redis.
func (a *assembly) sharedLimit() (*bucket.Shared, error) {
	if a.redis == nil {
		return nil, nil
	}
	key, err := a.session.PeerKey("sources 1")
	return server.SharedLimit(a.redis, key), err
}

// share keeps up what replicas share until the function that is returned is called. It outlives ctx: while the bridge drains,
// the last requests need it, and so does the replica that takes this one's place.
func (a *assembly) share(ctx context.Context) func() {
	if a.redis == nil {
		return func() {}
	}
	ctx = context.WithoutCancel(ctx)
	stopRedis, stopLog, stopUnlocking := alongside(ctx, a.redis.Run), alongside(ctx, a.tail.Run), func() {}
	if a.unlocking != nil {
		stopUnlocking = alongside(ctx, a.unlocking.Run)
	}
	return func() {
		stopUnlocking()
		stopLog()
		stopRedis()
	}
}
