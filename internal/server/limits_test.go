package server_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/redis"
	"github.com/scimbridge/scimbridge/internal/redis/redistest"
	"github.com/scimbridge/scimbridge/internal/server"
)

// burst and pause are what a source may send, as the operator reads it in the documentation.
const (
	burst = 20
	pause = 3 * time.Second
)

// replicas are two servers that share a Redis.
func replicas(t *testing.T, r *redistest.Server) (list [2]*server.Server, conn *redis.Conn) {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	conn = redis.New(redis.Config{Server: r.Server(), Account: "account", Integration: "integration", Clock: time.Now, Log: log})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	for i := range list {
		list[i] = server.New(server.Config{
			Health: &server.Health{Clock: time.Now}, Metrics: server.NewMetrics("1.2.3", func() bool { return false }),
			Shared: server.SharedLimit(conn, [32]byte{1}), Clock: func() time.Time { return noon }, Log: log,
		})
	}
	return list, conn
}

func becomes(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for begin := time.Now(); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Since(begin) > time.Minute {
			t.Fatalf("%s has not come", what)
		}
	}
}

// wrong sends n wrong tokens from an address, and counts those that were not too many.
func wrong(t *testing.T, s *server.Server, address string, n int) (passed int) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = address + ":1"
	for range n {
		wait, ok := s.WrongToken(r)
		if ok {
			passed++
		} else if wait <= 0 || wait > pause {
			t.Fatalf("to wait for %s", wait)
		}
	}
	return passed
}

// TestWrongTokensAreCountedTogether: two replicas let as many through as one, and each goes on counting when Redis is gone.
func TestWrongTokensAreCountedTogether(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, redistest.Options{})
	list, conn := replicas(t, redis)
	becomes(t, "the connection", func() bool { return conn.State().Up })
	begin := time.Now()
	passed := 0
	for i := range 4 {
		passed += wrong(t, list[i%2], "192.0.2.1", 10)
	}
	// While this ran, the shared bucket may have been filled again a little.
	if most := burst + int(time.Since(begin)/pause) + 1; passed < burst || passed > most {
		t.Errorf("%d wrong tokens passed at two replicas, want %d", passed, burst)
	}
	if n := wrong(t, list[0], "192.0.2.2", 5); n != 5 {
		t.Errorf("of another source %d of 5 pass", n)
	}

	// Ten more each, and none after that: what they have counted meanwhile counts.
	redis.Kill()
	becomes(t, "the loss", func() bool { return conn.State().Err != nil })
	for i, s := range list {
		if n := wrong(t, s, "192.0.2.1", 30); n != 0 {
			t.Errorf("replica %d lets %d more pass without Redis", i, n)
		}
		if n := wrong(t, s, "192.0.2.3", 30); n != burst {
			t.Errorf("replica %d lets %d pass without Redis, want %d", i, n, burst)
		}
	}
	if n := wrong(t, list[0], "192.0.2.2", 30); n != burst-5 {
		t.Errorf("%d more pass of who has sent 5 before", n)
	}
	redis.Start()
	becomes(t, "the connection", func() bool { return conn.State().Up })
	if n := wrong(t, list[0], "192.0.2.4", 10) + wrong(t, list[1], "192.0.2.4", 10); n != burst {
		t.Errorf("%d pass when Redis is back, want %d", n, burst)
	}
}

// TestRedisThatStandsStill delays a wrong token once, and refuses none for it.
func TestRedisThatStandsStill(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, redistest.Options{})
	list, conn := replicas(t, redis)
	becomes(t, "the connection", func() bool { return conn.State().Up })
	redis.Hold()
	if n := wrong(t, list[0], "192.0.2.1", 30); n != burst {
		t.Errorf("%d pass, want %d", n, burst)
	}
	redis.Resume()
}
