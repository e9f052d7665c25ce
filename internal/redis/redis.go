// Package redis is the way to the Redis or Valkey that bridges of one account share, where there is one. Nothing that
// must not be lost is kept there, and nobody waits for it: while it is away, whoever asks is told at once, with ErrAway,
// and goes on without. The connection is made, watched and made again in the background.
//
// The package knows how to reach a server, and that every key begins with what is particular to one integration, so that
// several can share a server. It does not know what is kept there.
package redis

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// ErrAway means that the server cannot be used now. Whoever gets it goes on without, and does not try again by itself.
var ErrAway = errors.New("redis is away")

// Config is what New needs.
type Config struct {
	Server
	// Account and Integration are whose keys these are.
	Account, Integration string
	Clock                func() time.Time
	Log                  *slog.Logger
}

// Conn is the connection to one server. It is of use while Run runs.
type Conn struct {
	Config
	prefix string

	client atomic.Pointer[rueidis.Client] // nil while the server is away
	lost   chan error                     // why client has been given up, from whoever found out
	dials  atomic.Int64

	mu    sync.Mutex // guards state
	state State
}

// State is how the connection is, for people.
type State struct {
	Up    bool
	Since time.Time
	Err   error // why it is not up; nil where nothing is known yet
}

const (
	// answerTime is how long a command may take, and so the longest that a request waits for a server that does not
	// answer, once. A server answers within a millisecond, one that is held to an eighth of a CPU within a few hundred.
	answerTime = 500 * time.Millisecond
	// connectTime bounds the making of a connection, with TLS and signing in.
	connectTime = 3 * time.Second
	// watchEvery is how often a connection on which nothing happens is tried.
	watchEvery = 5 * time.Second
	// firstPause and longestPause are between attempts to connect; the longest is below the time within which
	// everything is to be as before once a fault is over.
	firstPause, longestPause = 100 * time.Millisecond, 5 * time.Second
	// aliveFor is how long the key of the watch stays in a server that nobody uses any more.
	aliveFor = time.Minute
)

// What a connection holds in memory. The client's own sizes, 1 MiB and more for each connection of several, are for
// programs that do nothing else.
const (
	bufferSize   = 16 << 10 // of reading and of writing; longer values pass through
	ringScale    = 8        // 256 commands under way; more wait
	oneConn      = -1       // the client counts in powers of two
	noKeepAlive  = -1       // the watch takes its place
	prefixLength = 16       // characters of base32: 80 bits
)

// New makes a connection, which is made once Run is called.
func New(c Config) *Conn {
	digest := sha256.Sum256([]byte(c.Account + "\x00" + c.Integration))
	id := strings.ToLower(base32.StdEncoding.EncodeToString(digest[:]))[:prefixLength]
	return &Conn{Config: c, prefix: "scimbridge:" + id + ":", lost: make(chan error, 1), state: State{Since: c.Clock()}}
}

// Key is the name under which something is kept, beginning with what is particular to the integration.
func (c *Conn) Key(name string) string { return c.prefix + name }

// Use lets f use the connection for a moment: the context ends after half a second. Keys are made by Key. ErrAway, at once
// where the server was away before; where it was not, nobody knows whether the server has done what f asked for. What the
// server itself refuses, and errors of f's own, are returned as they are.
func (c *Conn) Use(ctx context.Context, f func(context.Context, rueidis.Client) error) error {
	client := c.client.Load()
	if client == nil {
		return ErrAway
	}
	within, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	err := f(within, *client)
	if err == nil || ctx.Err() != nil || !gone(err) {
		return err
	}
	if c.client.CompareAndSwap(client, nil) {
		c.lost <- err // Run takes it before it makes another client
	}
	return fmt.Errorf("%w: %w", ErrAway, err)
}

// gone tells whether an error means that the connection or the server is of no use, and not that the server has refused
// something.
func gone(err error) bool {
	var answer *rueidis.RedisError
	if errors.As(err, &answer) {
		text := answer.Error()
		for _, word := range []string{
			"READONLY", "MASTERDOWN", // another has become the primary: the name may lead to it now
			"LOADING", // it has just started
			"NOAUTH",  // the password was changed
		} {
			if strings.HasPrefix(text, word) {
				return true
			}
		}
		return false
	}
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, rueidis.ErrClosing) || errors.Is(err, net.ErrClosed)
}

// Epoch grows with every connection that is made. Who finds it changed may have been cut off, or speak to a server that
// has forgotten what it was told.
func (c *Conn) Epoch() int64 { return c.dials.Load() }

// State is how the connection is.
func (c *Conn) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// Run makes the connection and keeps it until ctx ends. What is logged is how things change, not each attempt; what was
// mended at once has not changed.
func (c *Conn) Run(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		client, err := c.connect(ctx)
		if err != nil {
			c.down(ctx, err)
			pause(ctx, failures)
			failures++
			continue
		}
		failures = 0
		c.up(ctx)
		c.client.Store(&client)
		c.watch(ctx, &client)
		client.Close()
	}
}

// watch returns when the connection has been lost, or ctx has ended; nobody can get the client then.
func (c *Conn) watch(ctx context.Context, client *rueidis.Client) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case err := <-c.lost:
			c.Log.DebugContext(ctx, "redis has been lost", "error", err)
			return
		case <-tick.C:
			// A failure comes back by c.lost; only the server's refusals do not.
			if err := c.Use(ctx, c.alive); err != nil && !errors.Is(err, ErrAway) && c.client.CompareAndSwap(client, nil) {
				return
			}
		case <-ctx.Done():
			if !c.client.CompareAndSwap(client, nil) {
				<-c.lost
			}
			return
		}
	}
}

// alive finds out whether the server takes what it is given: one that is full, is somebody's replica or lets this user
// only read is of no use.
func (c *Conn) alive(ctx context.Context, client rueidis.Client) error {
	return client.Do(ctx, client.B().Set().Key(c.Key("alive")).Value("").Px(aliveFor).Build()).Error()
}

// connect makes a client that works.
func (c *Conn) connect(ctx context.Context) (rueidis.Client, error) {
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{c.Address()}, Username: c.Username, Password: string(c.Password), SelectDB: c.Database, TLSConfig: c.tls(),
		ClientName: "scimbridge", ForceSingleClient: true, DisableRetry: true, DisableCache: true,
		Dialer: net.Dialer{Timeout: connectTime, KeepAlive: noKeepAlive}, ConnWriteTimeout: answerTime,
		ReadBufferEachConn: bufferSize, WriteBufferEachConn: bufferSize, RingScaleEachConn: ringScale, PipelineMultiplex: oneConn,
		DialCtxFn: func(within context.Context, address string, d *net.Dialer, t *tls.Config) (net.Conn, error) {
			c.dials.Add(1)
			within, cancel := context.WithCancel(within)
			defer cancel()
			defer context.AfterFunc(ctx, cancel)()
			if t == nil {
				return d.DialContext(within, "tcp", address)
			}
			return (&tls.Dialer{NetDialer: d, Config: t}).DialContext(within, "tcp", address)
		},
	})
	if err == nil {
		within, cancel := context.WithTimeout(ctx, connectTime)
		defer cancel()
		err = c.alive(within, client)
	}
	if err != nil {
		if client != nil {
			client.Close()
		}
		return nil, advise(err)
	}
	return client, nil
}

// pause waits before the next attempt: longer after each failure, and not as long as others who failed with it.
func pause(ctx context.Context, failures int) {
	d := longestPause
	if failures < 6 { // 100 ms doubled six times is above the longest
		d = firstPause << failures
	}
	t := time.NewTimer(d/2 + rand.N(d/2)) //nolint:gosec // not a secret
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (c *Conn) up(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state.Up {
		return
	}
	c.state = State{Up: true, Since: c.Clock()}
	c.Log.InfoContext(ctx, "connected to redis", "server", c.Address(), "keys", c.prefix)
}

func (c *Conn) down(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.state
	if was.Up {
		c.state.Since = c.Clock()
	}
	c.state.Up, c.state.Err = false, err
	// Errors differ in the numbers of ports; what there is to do about them tells whether they are of one kind.
	if was.Up || was.Err == nil || advice(was.Err) != advice(err) {
		c.Log.WarnContext(ctx, "redis cannot be used; the bridge goes on without it and tries again", "server", c.Address(), "error", err)
	}
}
