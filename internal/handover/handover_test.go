package handover_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/bridge"
	"github.com/scimbridge/scimbridge/internal/handover"
	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/internal/redis"
	"github.com/scimbridge/scimbridge/internal/redis/redistest"
)

// patience bounds the waiting for what has to come.
const patience = 60 * time.Second

const (
	account     = "accountaccountaccountaccou"
	integration = "integrationintegrationinte"
)

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// credentials makes a scimsession with its token; former is embedded, if there is one.
func credentials(t *testing.T, generation int, former []byte) (raw []byte, token keyset.Token) {
	t.Helper()
	seed, err := keyset.NewSeed(rand.Reader)
	ok(t, err)
	key, err := seed.InvitationKey(account, integration, generation)
	ok(t, err)
	token, err = keyset.NewToken(rand.Reader)
	ok(t, err)
	now := time.Now()
	h := keyset.Header{Account: account, Integration: integration, Generation: generation, Created: now}
	raw, err = keyset.Seal(h, token, keyset.Material{Seed: seed, Invitation: key}, former, now.Add(time.Hour), rand.Reader)
	ok(t, err)
	return raw, token
}

// journal is a log that can be read while it is written.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.String()
}

// replica is what a bridge has of this.
type replica struct {
	*bridge.Lock
	redis *redis.Conn
	log   *journal
}

// start starts a replica, which runs until the test ends.
func start(t *testing.T, server redis.Server, raw []byte) *replica {
	t.Helper()
	session, err := keyset.ParseSession(raw)
	ok(t, err)
	r := &replica{Lock: bridge.NewLock(session, time.Now), log: &journal{}}
	log := slog.New(slog.NewTextHandler(r.log, nil))
	r.redis = redis.New(redis.Config{Server: server, Account: session.Header().Account, Integration: session.Header().Integration, Clock: time.Now, Log: log})
	e, err := handover.New(handover.Config{Lock: r.Lock, Redis: r.redis, Clock: time.Now, Rand: rand.Reader, Log: log})
	ok(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var g sync.WaitGroup
	g.Go(func() { r.redis.Run(ctx) })
	g.Go(func() { e.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		g.Wait()
	})
	return r
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for begin := time.Now(); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Since(begin) > patience {
			t.Fatalf("%s has not come", what)
		}
	}
}

// kept returns the names of all keys in the server that belong to this, and fails the test for one that lives for more than a
// minute.
func kept(t *testing.T, server *redistest.Server) []string {
	t.Helper()
	var list []string
	for _, key := range strings.Fields(strings.Trim(server.Do("KEYS", "*"), "[]")) {
		if !strings.Contains(key, ":unlock:") {
			continue
		}
		if life, err := strconv.Atoi(server.Do("PTTL", key)); err != nil || life > 60_000 || life == -1 {
			t.Errorf("%s lives for %d ms: %v", key, life, err)
		}
		list = append(list, key)
	}
	return list
}

// TestOneTokenUnlocksAll: those who wait when the first gets the token, and those who come later, are opened, and nothing
// stays behind.
func TestOneTokenUnlocksAll(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	raw, token := credentials(t, 1, nil)
	_, wrong := credentials(t, 1, nil)
	first, second := start(t, server.Server(), raw), start(t, server.Server(), raw)
	until(t, "an ask", func() bool { return len(kept(t, server)) > 0 }) // two that begin alike have one place
	if first.Open() || second.Open() {
		t.Fatal("open without a token")
	}
	ok(t, first.Present(token.Reveal()))
	until(t, "the second replica's turn", second.Open)
	third := start(t, server.Server(), raw)
	until(t, "the third replica's turn", third.Open)
	until(t, "the end of asking", func() bool { return len(kept(t, server)) == 0 })

	for _, r := range []*replica{first, second, third} {
		a, err1 := first.Derive("cursor")
		b, err2 := r.Derive("cursor")
		if a != b || errors.Join(err1, err2) != nil {
			t.Error("the replicas have different keys")
		}
		if err := r.Present(wrong.Reveal()); !errors.Is(err, bridge.ErrWrongToken) {
			t.Errorf("a wrong token: %v", err)
		}
		if err := r.Present(token.Reveal()); err != nil {
			t.Errorf("the right token: %v", err)
		}
		if log := r.log.String(); strings.Contains(log, "WARN") || strings.Contains(log, token.Reveal()[20:40]) {
			t.Errorf("log: %s", log)
		}
	}
	if log := second.log.String(); strings.Count(log, "another replica has handed the key") != 1 {
		t.Errorf("log of the second: %s", log)
	}
}

// TestRollOut: replicas that have been given new credentials are opened by those that still have the former ones alone, and
// once one of them gets the new token, all act by the new ones.
func TestRollOut(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	former, oldToken := credentials(t, 1, nil)
	raw, newToken := credentials(t, 2, former)
	old := start(t, server.Server(), former)
	ok(t, old.Present(oldToken.Reveal()))
	first, second := start(t, server.Server(), raw), start(t, server.Server(), raw)
	for _, r := range []*replica{first, second} {
		until(t, "a replica's turn", r.Open)
		if got := r.Secrets(); got.Generation() != 1 || !got.Previous() {
			t.Errorf("opened generation %d", got.Generation())
		}
	}
	ok(t, first.Present(newToken.Reveal()))
	until(t, "the second replica's turn", func() bool { return second.Secrets().Generation() == 2 })
	// Who was not replaced is opened as ever when it starts again, now by those who have both.
	ok(t, second.Present(oldToken.Reveal()))
	again := start(t, server.Server(), former)
	until(t, "the former one's turn", again.Open)
	if got := again.Secrets().Generation(); got != 1 {
		t.Errorf("who has the former file acts by generation %d", got)
	}
}

// TestRedisLies: whatever is put into Redis by who has no scimsession opens nothing and is told nothing, and stops nobody
// once it is gone.
func TestRedisLies(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	raw, token := credentials(t, 1, nil)
	strangers, strange := credentials(t, 1, nil) // the same account and integration, so that the keys have the same names
	open := start(t, server.Server(), raw)
	ok(t, open.Present(token.Reveal()))
	until(t, "the connection", func() bool { return open.redis.State().Up })
	for _, slot := range "abcdefghijklmnopqrstuvwxyz234567" {
		server.Do("SET", open.redis.Key("unlock:ask:1:"+string(slot)), "nonsense")
	}
	until(t, "the complaint", func() bool { return strings.Contains(open.log.String(), "not as it should be") })
	for _, slot := range "abcdefghijklmnopqrstuvwxyz234567" {
		server.Do("DEL", open.redis.Key("unlock:ask:1:"+string(slot)))
	}

	// Who has another file asks in vain.
	stranger := start(t, server.Server(), strangers)
	until(t, "the stranger's ask", func() bool { return len(kept(t, server)) > 0 })
	until(t, "the refusal", func() bool { return strings.Contains(open.log.String(), keyset.ErrPeer.Error()) })
	if stranger.Open() || len(kept(t, server)) != 1 {
		t.Errorf("the stranger is answered: %v", kept(t, server))
	}
	// And an answer by who has another file is not taken.
	ok(t, stranger.Present(strange.Reveal()))
	locked := start(t, server.Server(), raw)
	until(t, "its turn", locked.Open)
	a, err1 := locked.Derive("cursor")
	b, err2 := open.Derive("cursor")
	if a != b || errors.Join(err1, err2) != nil {
		t.Error("opened by the wrong one")
	}
}

// TestWithoutRedis: while it is away the token opens each replica, and when it comes the others are opened.
func TestWithoutRedis(t *testing.T) {
	t.Parallel()
	server := redistest.New(t, redistest.Options{})
	raw, token := credentials(t, 1, nil)
	first, second := start(t, server.Server(), raw), start(t, server.Server(), raw)
	ok(t, first.Present(token.Reveal()))
	until(t, "the loss", func() bool { return second.redis.State().Err != nil })
	if second.Open() {
		t.Fatal("opened by nobody")
	}
	server.Start()
	until(t, "the second replica's turn", second.Open)
	server.Kill()
	third := start(t, server.Server(), raw)
	server.Start() // with nothing in it
	until(t, "the third replica's turn", third.Open)
	for _, r := range []*replica{first, second, third} {
		if log := r.log.String(); strings.Contains(log, "not as it should be") {
			t.Errorf("log: %s", log)
		}
	}
}
