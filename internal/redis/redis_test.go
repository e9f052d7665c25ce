package redis_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/scimbridge/scimbridge/internal/redis"
	"github.com/scimbridge/scimbridge/internal/redis/redistest"
)

// patience bounds the waiting for what has to come.
const patience = 60 * time.Second

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

func (j *journal) count(text string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.buf.String(), text)
}

// run lets a connection run until the end of the test.
func run(t *testing.T, s redis.Server, account string) (*redis.Conn, *journal) {
	t.Helper()
	j := &journal{}
	c := redis.New(redis.Config{Server: s, Account: account, Integration: "integration", Clock: time.Now, Log: slog.New(slog.NewTextHandler(j, nil))})
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
	return c, j
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for begin := time.Now(); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Since(begin) > patience {
			t.Fatalf("%s has not come", what)
		}
	}
}

func up(t *testing.T, c *redis.Conn) {
	t.Helper()
	until(t, "the connection", func() bool { return c.State().Up })
}

// down waits until the connection is known to be lost, and returns why.
func down(t *testing.T, c *redis.Conn) error {
	t.Helper()
	until(t, "the loss", func() bool { return c.State().Err != nil })
	return c.State().Err
}

func set(t *testing.T, c *redis.Conn, name, value string) error {
	t.Helper()
	return c.Use(t.Context(), func(ctx context.Context, r rueidis.Client) error {
		return r.Do(ctx, r.B().Set().Key(c.Key(name)).Value(value).Build()).Error()
	})
}

func get(t *testing.T, c *redis.Conn, name string) (value string, err error) {
	t.Helper()
	err = c.Use(t.Context(), func(ctx context.Context, r rueidis.Client) error {
		value, err = r.Do(ctx, r.B().Get().Key(c.Key(name)).Build()).ToString()
		return err
	})
	return value, err
}

func TestConnect(t *testing.T) {
	t.Parallel()
	const secret = "p@ss:w/ord"
	for name, tt := range map[string]struct {
		server redistest.Options
		as     func(s *redis.Server)
		want   string // in the error; empty: it works
	}{
		"plain":                 {},
		"password":              {server: redistest.Options{Password: secret}},
		"user":                  {server: redistest.Options{Username: "scim", Password: secret}},
		"TLS":                   {server: redistest.Options{TLS: true, Password: secret}},
		"database":              {as: func(s *redis.Server) { s.Database = 3 }},
		"wrong password":        {server: redistest.Options{Password: secret}, as: func(s *redis.Server) { s.Password = "wrong-one" }, want: "OP_REDIS_PASSWORD"},
		"no password":           {server: redistest.Options{Password: secret}, as: func(s *redis.Server) { s.Password = "" }, want: "OP_REDIS_PASSWORD"},
		"wrong user":            {server: redistest.Options{Username: "scim", Password: secret}, as: func(s *redis.Server) { s.Username = "other" }, want: "OP_REDIS_USERNAME"},
		"unknown certificate":   {server: redistest.Options{TLS: true}, as: func(s *redis.Server) { s.Insecure = false }, want: "SSL_CERT_FILE"},
		"TLS to a plain server": {as: func(s *redis.Server) { s.TLS = true }, want: "One without TLS"},
		"plain to a TLS server": {server: redistest.Options{TLS: true}, as: func(s *redis.Server) { s.TLS = false }, want: "rediss:// instead of redis://"},
		"no such database":      {as: func(s *redis.Server) { s.Database = 99 }, want: "DB index is out of range"},
		"cluster":               {server: redistest.Options{Args: []string{"--cluster-enabled", "yes"}}, want: "without cluster mode"},
		"full":                  {server: redistest.Options{Args: []string{"--maxmemory", "1", "--maxmemory-policy", "noeviction"}}, want: "The server is full"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, tt.server)
			at := server.Server()
			if tt.as != nil {
				tt.as(&at)
			}
			c, log := run(t, at, "one")
			if tt.want != "" {
				err := down(t, c)
				if !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%v does not say %q", err, tt.want)
				}
				if log.count(secret) > 0 || log.count("wrong-one") > 0 || strings.Contains(err.Error(), secret) {
					t.Error("the password is shown")
				}
				if err := set(t, c, "x", "y"); !errors.Is(err, redis.ErrAway) {
					t.Errorf("a command: %v", err)
				}
				return
			}
			up(t, c)
			if err := set(t, c, "x", "y"); err != nil {
				t.Fatal(err)
			}
			if got, err := get(t, c, "x"); got != "y" || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
			if at.Database != 0 {
				if got := server.Do("DBSIZE"); got != "0" {
					t.Errorf("database 0 has %s keys", got)
				}
			}
		})
	}
}

// TestReplica: a server that takes nothing is of no use, and says why.
func TestReplica(t *testing.T) {
	t.Parallel()
	primary := redistest.Start(t, redistest.Options{})
	host, port, _ := strings.Cut(primary.Address(), ":")
	replica := redistest.Start(t, redistest.Options{Args: []string{"--replicaof", host + " " + port}})
	c, _ := run(t, replica.Server(), "one")
	until(t, "what is wrong", func() bool {
		err := c.State().Err // MASTERDOWN until it has caught up
		return err != nil && strings.Contains(err.Error(), "Name the primary")
	})
	// A failover under way: what was a replica becomes the primary.
	replica.Do("REPLICAOF", "NO", "ONE")
	up(t, c)
	// And back. The first write finds out.
	replica.Do("REPLICAOF", host, port)
	if err := set(t, c, "x", "y"); !errors.Is(err, redis.ErrAway) {
		t.Errorf("writing to a replica: %v", err)
	}
}

// TestApart: bridges of two accounts share a server and do not see each other's keys.
func TestApart(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	one, _ := run(t, server.Server(), "one")
	two, _ := run(t, server.Server(), "two")
	up(t, one)
	up(t, two)
	if err := set(t, one, "x", "1"); err != nil {
		t.Fatal(err)
	}
	if got, err := get(t, two, "x"); !rueidis.IsRedisNil(err) {
		t.Errorf("the other account sees %q, %v", got, err)
	}
	again, _ := run(t, server.Server(), "one")
	up(t, again)
	if got, err := get(t, again, "x"); got != "1" || err != nil {
		t.Errorf("another bridge of the account sees %q, %v", got, err)
	}
	if one.Key("") == two.Key("") || !strings.HasPrefix(one.Key("x"), "scimbridge:") {
		t.Errorf("prefixes %q and %q", one.Key(""), two.Key(""))
	}
}

// TestLater: a server that comes up after the bridge is found, and what is logged is that it was away and that it came.
func TestLater(t *testing.T) {
	t.Parallel()
	server := redistest.New(t, redistest.Options{})
	c, log := run(t, server.Server(), "one")
	if err := set(t, c, "x", "y"); !errors.Is(err, redis.ErrAway) {
		t.Errorf("before: %v", err)
	}
	err := down(t, c)
	if !strings.Contains(err.Error(), "refused") || !strings.Contains(err.Error(), server.Address()) {
		t.Errorf("the error does not say what is wrong: %v", err)
	}
	server.Start()
	up(t, c)
	if n := log.count("redis cannot be used"); n != 1 {
		t.Errorf("the loss was logged %d times", n)
	}
	if n := log.count("connected to redis"); n != 1 {
		t.Errorf("the connection was logged %d times", n)
	}
}

// TestComesBack: killed, restarted, stopped, held: nobody hangs, and afterwards everything is as before.
func TestComesBack(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	c, log := run(t, server.Server(), "one")
	up(t, c)
	lost := func(how string) {
		t.Helper()
		until(t, "the failure of a command after "+how, func() bool {
			err := set(t, c, "x", "y")
			if err != nil && !errors.Is(err, redis.ErrAway) {
				t.Fatalf("%s: %v", how, err)
			}
			return err != nil
		})
		if err := down(t, c); !errors.Is(set(t, c, "x", "y"), redis.ErrAway) {
			t.Errorf("%s: a command gets through although %v", how, err)
		}
	}
	server.Kill()
	lost("a kill")
	server.Start()
	up(t, c)
	server.Stop()
	lost("a stop")
	server.Start()
	up(t, c)
	server.Hold()
	lost("standing still")
	server.Resume()
	up(t, c)
	if got := c.State(); got.Err != nil {
		t.Errorf("state %+v", got)
	}
	if lost, found := log.count("redis cannot be used"), log.count("connected to redis"); lost != 3 || found != 4 {
		t.Errorf("logged: %d times lost, %d times connected", lost, found)
	}
}

// TestCut: a connection that is cut while the server lives is made again, and is no news.
func TestCut(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	c, log := run(t, server.Server(), "one")
	up(t, c)
	for range 5 {
		server.Do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
		until(t, "a command that works", func() bool { return set(t, c, "x", "y") == nil })
	}
	if n := log.count("redis cannot be used"); n != 0 {
		t.Errorf("logged %d times", n)
	}
}

// TestRefusals: what the server refuses, and what the caller gives up, is not taken for a loss.
func TestRefusals(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	c, _ := run(t, server.Server(), "one")
	up(t, c)
	own := errors.New("own")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, use := range map[string]func() error{
		"wrong command": func() error {
			return c.Use(t.Context(), func(ctx context.Context, r rueidis.Client) error {
				return r.Do(ctx, r.B().Arbitrary("NONSENSE").Build()).Error()
			})
		},
		"not there": func() error { _, err := get(t, c, "nothing"); return err },
		"own error": func() error { return c.Use(t.Context(), func(context.Context, rueidis.Client) error { return own }) },
		"given up": func() error {
			return c.Use(cancelled, func(ctx context.Context, _ rueidis.Client) error { return ctx.Err() })
		},
		"after it all": func() error { return errors.Join(own, set(t, c, "x", "y")) },
	} {
		if err := use(); err == nil || errors.Is(err, redis.ErrAway) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := set(t, c, "x", "y"); err != nil {
		t.Error(err)
	}
}

// TestAtOnce: many at once, while the server comes and goes, get an answer or ErrAway and nothing else.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	c, _ := run(t, server.Server(), "one")
	up(t, c)
	stop := make(chan struct{})
	var g sync.WaitGroup
	for range 8 {
		g.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := set(t, c, "x", "y"); err != nil && !errors.Is(err, redis.ErrAway) {
					t.Errorf("a command: %v", err)
					return
				}
			}
		})
	}
	for range 3 {
		server.Kill()
		down(t, c)
		server.Start()
		up(t, c)
	}
	close(stop)
	g.Wait()
}
