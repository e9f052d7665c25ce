package bucket_test

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/bucket"
	"github.com/scimbridge/scimbridge/internal/redis"
	"github.com/scimbridge/scimbridge/internal/redis/redistest"
)

// patience bounds the waiting for what has to come.
const patience = 60 * time.Second

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// connect makes a connection that runs until the test ends, and waits until it is there.
func connect(t *testing.T, server *redistest.Server) *redis.Conn {
	t.Helper()
	c := redis.New(redis.Config{Server: server.Server(), Account: "account", Integration: "integration", Clock: time.Now, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	for begin := time.Now(); !c.State().Up; time.Sleep(2 * time.Millisecond) {
		if time.Since(begin) > patience {
			t.Fatal("no connection")
		}
	}
	return c
}

// slow are buckets that do not fill again while a test runs.
func slow(c *redis.Conn) *bucket.Shared {
	return bucket.New(bucket.Config{Redis: c, Name: "wrong", Key: [32]byte{7}, Size: 5, Pause: time.Hour})
}

func TestTake(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	one, two := slow(connect(t, server)), slow(connect(t, server))
	for i := range 8 {
		b := one
		if i%2 == 1 {
			b = two
		}
		wait, taken, err := b.Take(t.Context(), "192.0.2.1/32")
		ok(t, err)
		if taken != (i < 5) || taken && wait != 0 || !taken && (wait <= 59*time.Minute || wait > time.Hour) {
			t.Errorf("take %d: %v, wait %s", i+1, taken, wait)
		}
	}
	if _, taken, err := two.Take(t.Context(), "192.0.2.2/32"); err != nil || !taken {
		t.Errorf("somebody else: %v, %v", taken, err)
	}
	other := *two
	other.Name = "other"
	if _, taken, err := other.Take(t.Context(), "192.0.2.1/32"); err != nil || !taken {
		t.Errorf("another kind of bucket: %v, %v", taken, err)
	}
	// What is kept is no address, and not for longer than it takes to be full again.
	keys := strings.Fields(strings.Trim(server.Do("KEYS", "*:wrong:*"), "[]"))
	if len(keys) != 2 || strings.Contains(strings.Join(keys, " "), "192.0") {
		t.Errorf("keys %v", keys)
	}
	for _, key := range keys {
		if life, err := strconv.Atoi(server.Do("PTTL", key)); err != nil || life <= 0 || life > int(5*time.Hour/time.Millisecond) {
			t.Errorf("%s lives for %d ms: %v", key, life, err)
		}
	}
}

// TestFillsAgain: who waits as long as told can take again, one at a time.
func TestFillsAgain(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	b := bucket.New(bucket.Config{Redis: connect(t, server), Name: "wrong", Size: 2, Pause: 50 * time.Millisecond})
	taken, begin := 0, time.Now()
	for taken < 8 {
		wait, ok, err := b.Take(t.Context(), "who")
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			taken++
			continue
		}
		if wait > b.Pause {
			t.Fatalf("to wait for %s", wait)
		}
		timer := time.NewTimer(wait)
		<-timer.C
	}
	if took := time.Since(begin); took < 6*b.Pause-10*time.Millisecond { // never less; the rest is rounding
		t.Errorf("8 of 2 were taken within %s", took)
	}
}

// TestAtOnce: many who take at once get no more than there is.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	b := slow(connect(t, server))
	var taken atomic.Int32
	var g sync.WaitGroup
	for range 40 {
		g.Go(func() {
			if _, ok, err := b.Take(t.Context(), "who"); err != nil {
				t.Error(err)
			} else if ok {
				taken.Add(1)
			}
		})
	}
	g.Wait()
	if n := taken.Load(); n != 5 {
		t.Errorf("%d of 5 were taken", n)
	}
}

// TestNonsense: whatever else stands in Redis counts as a full bucket.
func TestNonsense(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	b := slow(connect(t, server))
	_, _, err := b.Take(t.Context(), "who")
	ok(t, err)
	key := strings.Trim(server.Do("KEYS", "*:wrong:*"), "[]")
	for _, value := range []string{"", "abc", "-5", "nan", "1", "99999999999999999999", "inf", strconv.FormatInt(time.Now().Add(6*time.Hour).UnixMilli(), 10)} {
		server.Do("SET", key, value)
		if wait, taken, err := b.Take(t.Context(), "who"); err != nil || !taken || wait != 0 {
			t.Errorf("%q: %v, wait %s, %v", value, taken, wait, err)
		}
	}
	server.Do("DEL", key)
	server.Do("LPUSH", key, "a list")
	if _, _, err := b.Take(t.Context(), "who"); err == nil || errors.Is(err, redis.ErrAway) {
		t.Errorf("a list: %v", err)
	}
}

func TestAway(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	b := slow(connect(t, server))
	server.Kill()
	if _, taken, err := b.Take(t.Context(), "who"); !errors.Is(err, redis.ErrAway) || taken {
		t.Errorf("without Redis: %v, %v", taken, err)
	}
}
