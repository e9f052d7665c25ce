// Package logtail keeps the last lines of the log for people who cannot get at the log itself: those of this process in memory,
// and, where replicas share a Redis, those of all in streams there, sealed.
//
// What is kept is what the log has, at its level and without the secrets that it leaves out. Warnings and errors are kept apart
// from the rest, so that an hour of requests does not push them out. Everything is bounded, logging never waits for any of
// it, and where lines got lost on the way to Redis it is said how many.
//
// The package knows neither pages nor who may read them.
package logtail

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/scimbridge/scimbridge/internal/redis"
)

// What is kept in memory, of warnings and errors and of the rest each: the last hour of a quiet bridge, the last seconds of a busy
// one. It is also what waits until it is in Redis.
const (
	keptLines = 1000
	keptBytes = 512 << 10
	// longestLine is what is kept of a line. Few have more than 300 bytes; a stack after a panic has some thousand.
	longestLine = 4 << 10
)

// Line is a line of the log.
type Line struct {
	Time    time.Time
	Level   slog.Level
	Replica string // that logged it
	Text    string // what the log has after time and level
	// Missing, instead of a text, is how many lines of the replica are not here.
	Missing int

	class  class
	number uint64 // of the line in its class, from 1; 0: of what is missing
}

// class is what lines are kept with.
type class int

const (
	ordinary  class = iota // up to info
	attention              // warnings and errors
	classes
)

// String names the class in Redis.
func (c class) String() string { return [...]string{"ordinary", "attention"}[c] }

func classOf(l slog.Level) class {
	if l >= slog.LevelWarn {
		return attention
	}
	return ordinary
}

// Config is what New needs.
type Config struct {
	Replica string
	// Redact makes a writer that leaves out what the log leaves out.
	Redact func(io.Writer) io.Writer
}

// Tail keeps the last lines.
type Tail struct {
	Config
	wake   chan struct{}
	redis  *redis.Conn // nil: nobody shares anything
	secret Secret

	mu    sync.Mutex // guards what follows
	buf   bytes.Buffer
	rings [classes]ring
}

// New makes a Tail.
func New(c Config) *Tail { return &Tail{Config: c, wake: make(chan struct{}, 1)} }

// Text returns a handler that logs as text and keeps what it logs, which costs little more than logging alone.
func (t *Tail) Text(w io.Writer, level slog.Level) slog.Handler {
	return handler{slog.NewTextHandler(t.Redact(&t.buf), &slog.HandlerOptions{Level: level}), nil, w, t}
}

// Tee returns a handler that logs by another one and keeps what that logs, as text.
func (t *Tail) Tee(log slog.Handler) slog.Handler {
	everything := slog.Level(-1 << 10) // the log decides
	return handler{slog.NewTextHandler(t.Redact(&t.buf), &slog.HandlerOptions{Level: everything}), log, nil, t}
}

// handler keeps each line and hands it on: the text to a writer, or the record to the log.
type handler struct {
	text slog.Handler // writes into tail.buf, under tail.mu
	log  slog.Handler // nil: w is the log
	w    io.Writer
	tail *Tail
}

// Enabled implements slog.Handler.
func (h handler) Enabled(ctx context.Context, l slog.Level) bool {
	if h.log != nil {
		return h.log.Enabled(ctx, l)
	}
	return h.text.Enabled(ctx, l)
}

// Handle implements slog.Handler.
func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if err := h.tail.keep(ctx, h.text, h.w, r); err != nil || h.log == nil {
		return err
	}
	return h.log.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.text = h.text.WithAttrs(attrs)
	if h.log != nil {
		h.log = h.log.WithAttrs(attrs)
	}
	return h
}

// WithGroup implements slog.Handler.
func (h handler) WithGroup(name string) slog.Handler {
	h.text = h.text.WithGroup(name)
	if h.log != nil {
		h.log = h.log.WithGroup(name)
	}
	return h
}

// keep keeps a line, and writes it to w if there is one.
func (t *Tail) keep(ctx context.Context, text slog.Handler, w io.Writer, r slog.Record) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Reset()
	if err := text.Handle(ctx, r); err != nil {
		return err // unreachable: a buffer takes everything
	}
	_, message, _ := strings.Cut(strings.TrimSuffix(t.buf.String(), "\n"), "level="+r.Level.String()+" ")
	c := classOf(r.Level)
	t.rings[c].add(Line{Time: r.Time, Level: r.Level, Replica: t.Replica, Text: cut(strings.ToValidUTF8(message, "?")), class: c})
	select {
	case t.wake <- struct{}{}:
	default: // it is awake
	}
	if w == nil {
		return nil
	}
	_, err := w.Write(t.buf.Bytes())
	return err
}

// cut shortens a line that is too long.
func cut(text string) string {
	if len(text) <= longestLine {
		return text
	}
	const dots = "…"
	return strings.ToValidUTF8(text[:longestLine-len(dots)], "") + dots
}

// ring holds the last lines of a class.
type ring struct {
	lines  []Line // oldest first
	bytes  int
	number uint64 // of the last
	sent   uint64 // number of the last that is in Redis
}

func (r *ring) add(l Line) {
	r.number++
	l.number = r.number
	r.lines = append(r.lines, l)
	r.bytes += len(l.Text)
	for len(r.lines) > keptLines || r.bytes > keptBytes {
		r.bytes -= len(r.lines[0].Text)
		r.lines[0] = Line{} // its text is let go
		r.lines = r.lines[1:]
	}
}

// unsent returns the oldest lines that are not in Redis, as many as an entry holds, and before them how many are missing.
func (r *ring) unsent() []Line {
	i, _ := slices.BinarySearchFunc(r.lines, r.sent+1, func(l Line, n uint64) int { return int(l.number) - int(n) })
	if i == len(r.lines) {
		return nil
	}
	var batch []Line
	first := r.lines[i]
	if gone := first.number - r.sent - 1; gone > 0 {
		batch = append(batch, Line{Time: first.Time, Level: first.Level, Replica: first.Replica, Missing: int(gone), class: first.class})
	}
	for size := 0; i < len(r.lines) && size+len(r.lines[i].Text) <= entryBytes; i++ {
		size += len(r.lines[i].Text) + lineOverhead
		batch = append(batch, r.lines[i])
	}
	return batch
}

// Query says which lines are asked for.
type Query struct {
	Least   slog.Level // of the lines
	Replica string     // empty: of all
	Most    int        // lines, the newest
}

func (q *Query) match(l Line) bool {
	return l.Level >= q.Least && (q.Replica == "" || q.Replica == l.Replica)
}

// Page is what was found.
type Page struct {
	Lines      []Line   // newest first
	More       bool     // there are older ones
	Replicas   []string // that have logged
	Shared     bool     // the replicas share a Redis
	Err        error    // why those of other replicas are not here
	Unreadable int      // entries that are not as a replica would write them
}

// Read finds the last lines: those of all replicas, or of this one alone while no others can be asked.
func (t *Tail) Read(ctx context.Context, q Query) Page {
	p := Page{Shared: t.redis != nil}
	var found collection
	for c := range classes {
		if c == ordinary && q.Least >= slog.LevelWarn {
			continue
		}
		t.mu.Lock()
		own := slices.Clone(t.rings[c].lines)
		t.mu.Unlock()
		found.add(own)
		if t.redis == nil || p.Err != nil {
			continue
		}
		more, err := t.fetch(ctx, c, q, &found, &p.Unreadable)
		p.More, p.Err = p.More || more, err
	}
	p.Replicas = found.replicas()
	for _, l := range found.lines {
		if q.match(l) {
			p.Lines = append(p.Lines, l)
		}
	}
	slices.SortStableFunc(p.Lines, func(a, b Line) int {
		if n := b.Time.Compare(a.Time); n != 0 {
			return n
		}
		return int(b.number) - int(a.number)
	})
	if len(p.Lines) > q.Most {
		p.Lines, p.More = p.Lines[:q.Most], true
	}
	return p
}

// collection gathers lines that may come twice.
type collection struct {
	lines []Line
	seen  map[name]bool
}

// name tells a line from all others.
type name struct {
	replica string
	class   class
	number  uint64
}

func (c *collection) add(lines []Line) (fresh []Line) {
	if c.seen == nil {
		c.seen = map[name]bool{}
	}
	for _, l := range lines {
		n := name{l.Replica, l.class, l.number}
		if l.number != 0 && c.seen[n] {
			continue
		}
		c.seen[n] = true
		c.lines = append(c.lines, l)
		fresh = append(fresh, l)
	}
	return fresh
}

func (c *collection) replicas() []string {
	var list []string
	for i := range c.lines {
		list = append(list, c.lines[i].Replica)
	}
	slices.Sort(list)
	return slices.Compact(list)
}
