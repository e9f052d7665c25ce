package logtail_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/internal/logtail"
	"github.com/scimbridge/scimbridge/internal/redis"
	"github.com/scimbridge/scimbridge/internal/redis/redistest"
)

// patience bounds the waiting for what has to come.
const patience = 60 * time.Second

var all = logtail.Query{Least: slog.LevelDebug - 4, Most: 100_000}

// upper stands for the writer that leaves secrets out.
type upper struct{ w io.Writer }

func (u upper) Write(p []byte) (int, error) {
	_, err := u.w.Write(bytes.ReplaceAll(p, []byte("secret"), []byte("[hidden]")))
	return len(p), err
}

func redact(w io.Writer) io.Writer { return upper{w} }

// bridge is a replica's log with its tail.
type bridge struct {
	*logtail.Tail
	log        *slog.Logger
	out        bytes.Buffer
	redis      *redis.Conn
	locked     atomic.Bool
	generation atomic.Int64
}

func newBridge(replica string, level slog.Level) *bridge {
	b := &bridge{Tail: logtail.New(logtail.Config{Replica: replica, Redact: redact})}
	b.log = slog.New(b.Text(upper{&b.out}, level))
	b.generation.Store(1)
	return b
}

// share connects a bridge to others until the test ends.
func (b *bridge) share(t *testing.T, server *redistest.Server) *bridge {
	t.Helper()
	b.redis = redis.New(redis.Config{Server: server.Server(), Account: "account", Integration: "integration", Clock: time.Now, Log: slog.New(slog.DiscardHandler)})
	b.Share(b.redis, func() (int, [32]byte, error) {
		if b.locked.Load() {
			return 0, [32]byte{}, errors.New("locked")
		}
		g := b.generation.Load()
		return int(g), [32]byte{7, byte(g)}, nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	var g sync.WaitGroup
	g.Go(func() { b.redis.Run(ctx) })
	g.Go(func() { b.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		g.Wait()
	})
	return b
}

// texts are lines as "replica level text", the oldest first.
func texts(p logtail.Page) (list []string) {
	for i := len(p.Lines) - 1; i >= 0; i-- {
		l := p.Lines[i]
		if l.Missing > 0 {
			list = append(list, fmt.Sprintf("%s %d missing", l.Replica, l.Missing))
			continue
		}
		list = append(list, fmt.Sprintf("%s %s %s", l.Replica, l.Level, l.Text))
	}
	return list
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for begin := time.Now(); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Since(begin) > patience {
			t.Fatalf("%s has not come", what)
		}
	}
}

// TestAsInTheLog: each line is what the log has, at its level and redacted, and nothing else is kept.
func TestAsInTheLog(t *testing.T) {
	t.Parallel()
	for _, beside := range []bool{false, true} {
		b := newBridge("one", slog.LevelInfo)
		if beside {
			b.log = slog.New(b.Tee(slog.NewTextHandler(upper{&b.out}, nil)))
		}
		asInTheLog(t, b)
	}
}

func asInTheLog(t *testing.T, b *bridge) {
	t.Helper()
	b.log.Debug("not logged", "name", "ann@example.com")
	b.log.Info("request", "status", 200, "took", time.Second, "level", "of water", "time", time.Unix(1, 0).UTC())
	b.log.With("part", "a b").WithGroup("g").Warn("two\nlines", "error", errors.New("the secret is out"), "x", slog.GroupValue(slog.Int("y", 1)))
	b.log.Error("bad bytes", "text", "\xff\xfe")
	p := b.Read(t.Context(), all)
	if p.Shared || p.Err != nil || p.More || p.Unreadable != 0 || len(p.Replicas) != 1 || p.Replicas[0] != "one" {
		t.Errorf("%+v", p)
	}
	var again strings.Builder
	for i := len(p.Lines) - 1; i >= 0; i-- {
		l := p.Lines[i]
		fmt.Fprintf(&again, "time=%s level=%s %s\n", l.Time.Format("2006-01-02T15:04:05.000Z07:00"), l.Level, l.Text)
	}
	if diff := cmp.Diff(b.out.String(), again.String()); diff != "" {
		t.Errorf("-log +kept\n%s", diff)
	}
	if strings.Contains(again.String(), "secret") || !strings.Contains(again.String(), "[hidden]") {
		t.Error("not redacted")
	}
}

func TestBoundsAndFilters(t *testing.T) {
	t.Parallel()
	b := newBridge("one", slog.LevelDebug)
	b.log.Warn("early")
	b.log.Error("worse")
	for i := range 3 * logtail.KeptLines {
		b.log.Info("request " + strconv.Itoa(i))
	}
	b.log.Debug("late")
	p := b.Read(t.Context(), all)
	got := texts(p)
	if len(got) != logtail.KeptLines+2 || got[0] != "one WARN msg=early" || got[2] != "one INFO msg=\"request 2001\"" || got[len(got)-1] != "one DEBUG msg=late" {
		t.Errorf("%d lines, from %q and %q to %q", len(got), got[0], got[2], got[len(got)-1])
	}
	for name, c := range map[string]struct {
		query logtail.Query
		want  []string
		more  bool
	}{
		"warnings":        {logtail.Query{Least: slog.LevelWarn, Most: 10}, []string{"one WARN msg=early", "one ERROR msg=worse"}, false},
		"errors":          {logtail.Query{Least: slog.LevelError, Most: 10}, []string{"one ERROR msg=worse"}, false},
		"the newest":      {logtail.Query{Least: slog.LevelInfo, Most: 1}, []string{"one INFO msg=\"request 2999\""}, true},
		"another replica": {logtail.Query{Replica: "two", Most: 10}, nil, false},
		"this replica":    {logtail.Query{Replica: "one", Least: slog.LevelError, Most: 10}, []string{"one ERROR msg=worse"}, false},
	} {
		p := b.Read(t.Context(), c.query)
		if diff := cmp.Diff(c.want, texts(p)); diff != "" || p.More != c.more {
			t.Errorf("%s: more %v, %s", name, p.More, diff)
		}
	}
	long := strings.Repeat("ü", logtail.LongestLine)
	for range logtail.KeptLines {
		b.log.Error(long)
	}
	p = b.Read(t.Context(), logtail.Query{Least: slog.LevelError, Most: logtail.KeptLines})
	size := 0
	for _, l := range p.Lines {
		size += len(l.Text)
		if len(l.Text) > logtail.LongestLine || !strings.HasSuffix(l.Text, "ü…") {
			t.Fatalf("%d bytes, ending in %q", len(l.Text), l.Text[len(l.Text)-5:])
		}
	}
	if size > 512<<10 || size < 500<<10 {
		t.Errorf("%d bytes are kept", size)
	}
}

// TestShared: each replica shows the lines of all, those of the start included, and Redis can read none.
func TestShared(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	one, two := newBridge("one", slog.LevelInfo), newBridge("two", slog.LevelInfo)
	one.log.Info("setting")
	one.locked.Store(true)
	one.share(t, server)
	two.share(t, server)
	two.log.Info("listening")
	two.log.Warn("trouble", "id", "abcdefg")
	until(t, "the other's lines", func() bool { return len(two.Read(t.Context(), all).Lines) == 2 })
	one.locked.Store(false)
	one.log.Info("unlocked")
	want := []string{"one INFO msg=setting", "two INFO msg=listening", "two WARN msg=trouble id=abcdefg", "one INFO msg=unlocked"}
	for _, b := range []*bridge{one, two} {
		until(t, "all lines", func() bool { return len(b.Read(t.Context(), all).Lines) == len(want) })
		p := b.Read(t.Context(), all)
		if diff := cmp.Diff(want, texts(p)); diff != "" {
			t.Error(diff)
		}
		if !p.Shared || p.Err != nil || p.More || p.Unreadable != 0 || !cmp.Equal(p.Replicas, []string{"one", "two"}) {
			t.Errorf("%+v", p)
		}
		p = b.Read(t.Context(), logtail.Query{Least: slog.LevelInfo, Replica: "two", Most: 1})
		if diff := cmp.Diff(want[2:3], texts(p)); diff != "" || !p.More {
			t.Errorf("%s, more %v", diff, p.More)
		}
	}
	// A replica that starts now shows what was before it.
	three := newBridge("three", slog.LevelInfo).share(t, server)
	until(t, "a new replica's view", func() bool { return cmp.Equal(want, texts(three.Read(t.Context(), all))) })

	ordinary, attention := one.redis.Key("log:1:ordinary"), one.redis.Key("log:1:attention")
	for _, key := range []string{ordinary, attention} {
		if life, err := strconv.Atoi(server.Do("PTTL", key)); err != nil || life <= 0 || life > 7*24*3600*1000 {
			t.Errorf("%s lives for %d ms: %v", key, life, err)
		}
		raw := server.Do("XRANGE", key, "-", "+")
		for _, text := range []string{"msg", "trouble", "abcdefg", "listening", "one", "two"} {
			if strings.Contains(raw, text) {
				t.Errorf("Redis can read %q", text)
			}
		}
	}
	// What is moved or altered is not read, and said.
	server.Do("RENAME", attention, ordinary)
	p := three.Read(t.Context(), all)
	if len(p.Lines) != 0 || p.Unreadable != 1 {
		t.Errorf("moved: %v, %d unreadable", texts(p), p.Unreadable)
	}
	// Replicas with other credentials do not see each other's.
	three.generation.Store(2)
	if p := three.Read(t.Context(), all); len(p.Lines) != 0 || p.Unreadable != 0 {
		t.Errorf("of another generation: %v", texts(p))
	}
}

// TestRedisAway: logging goes on, what memory holds is shown and shared afterwards, and what it has lost is counted.
func TestRedisAway(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	one, two := newBridge("one", slog.LevelInfo).share(t, server), newBridge("two", slog.LevelInfo).share(t, server)
	one.log.Info("before")
	until(t, "a line", func() bool { return len(two.Read(t.Context(), all).Lines) == 1 })
	server.Hold()
	for i := range logtail.KeptLines + 500 {
		one.log.Info("request " + strconv.Itoa(i))
	}
	until(t, "the loss", func() bool { return errors.Is(one.Read(t.Context(), all).Err, redis.ErrAway) })
	if p := one.Read(t.Context(), all); len(p.Lines) != logtail.KeptLines || !p.Shared || p.Lines[0].Text != "msg=\"request 1499\"" {
		t.Errorf("meanwhile: %d lines, %v", len(p.Lines), p.Err)
	}
	server.Kill()
	server.Start() // without what it had
	until(t, "the rest", func() bool { return len(two.Read(t.Context(), all).Lines) > logtail.KeptLines })
	got := texts(two.Read(t.Context(), all))
	missing, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(got[0], "one "), " missing"))
	// A few may have been written before Redis stood still.
	if err != nil || missing > 500 || missing < 1 || len(got) != logtail.KeptLines+1 || got[1] != "one INFO msg=\"request 500\"" || got[logtail.KeptLines] != "one INFO msg=\"request 1499\"" {
		t.Errorf("afterwards: %d lines, %q, %q", len(got), got[0], got[1])
	}
}

// TestStreamIsBounded: whatever was there, little more than so many entries are left, and what nobody of us wrote is counted.
func TestStreamIsBounded(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	b := newBridge("one", slog.LevelInfo).share(t, server)
	key := b.redis.Key("log:1:attention")
	server.Do("EVAL", "for i = 1, 3000 do redis.call('XADD', KEYS[1], '*', 'sealed', 'nonsense') end", "1", key)
	b.log.Warn("a line")
	n := func() int {
		n, err := strconv.Atoi(server.Do("XLEN", key))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	const node = 100 // entries, by which Redis trims
	until(t, "the trimming", func() bool { return n() <= logtail.KeptEntries+node })
	p := b.Read(t.Context(), logtail.Query{Least: slog.LevelWarn, Most: 10})
	if diff := cmp.Diff([]string{"one WARN msg=\"a line\""}, texts(p)); diff != "" || p.Unreadable != n()-1 || p.More {
		t.Errorf("%s; %d of %d unreadable, more %v", diff, p.Unreadable, n(), p.More)
	}
}

func FuzzEntry(f *testing.F) {
	f.Add([]byte(`{"replica":"one","lines":[{"t":"2026-11-25T09:00:00Z","l":"INFO","m":7},{"n":8,"t":"2026-11-25T09:00:00Z","l":"INFO","x":"msg=a"}]}`))
	f.Add([]byte(`{"replica":"one","lines":[{"n":8,"t":"2026-11-25T09:00:00+01:00","l":"DEBUG-4"}]}`))
	f.Add([]byte(`{"replica":"","lines":[{}]}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		once, err := logtail.Reprint(in)
		if err != nil {
			return
		}
		twice, err := logtail.Reprint(once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%q becomes %q and then %q: %v", in, once, twice, err)
		}
	})
}
