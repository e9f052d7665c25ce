package logtail

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/scimbridge/scimbridge/internal/redis"
)

// What is kept in Redis, of each class. An entry holds the lines of a quarter of a second of one replica; of a quiet one that is a
// single line.
const (
	keptEntries = 1000
	entryBytes  = 8 << 10 // of text; with keptEntries some 8 MB at most
	// keptFor is how long the last lines outlive the last replica, as long as the original once kept them.
	keptFor = 7 * 24 * time.Hour
	// lineOverhead is what a line has beside its text.
	lineOverhead = 64
)

const (
	// gather is how long lines gather before they are written: fewer commands, and fewer messages under one key.
	gather = 250 * time.Millisecond
	// again is after how long what could not be written is tried again.
	again = 5 * time.Second
	// readEntries is how many entries are read at once: at most half a megabyte, which takes no server long.
	readEntries = 50
	// readBytes bounds the text that is held for one reader.
	readBytes = 4 << 20
)

// Secret gives the key that entries are sealed under and the generation of the credentials that it comes from; an error while
// the bridge is locked. Replicas with other credentials have other entries.
type Secret func() (generation int, key [32]byte, err error)

// Share lets replicas share their lines in Redis, once Run runs. It comes before the first Read.
func (t *Tail) Share(c *redis.Conn, s Secret) { t.redis, t.secret = c, s }

// Run writes lines to Redis until ctx ends. What was logged while the bridge was locked, or Redis away, is written afterwards,
// as far as it is still there.
func (t *Tail) Run(ctx context.Context) {
	retry := time.NewTicker(again)
	defer retry.Stop()
	for ctx.Err() == nil {
		select {
		case <-t.wake:
		case <-retry.C:
		case <-ctx.Done():
		}
		pause(ctx, gather)
		for c := range classes {
			t.flush(context.WithoutCancel(ctx), c) // at the end too: those are the last words
		}
	}
}

// pause waits, but not longer than ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// flush writes what is not in Redis yet. Errors are no reason to log: the connection does.
func (t *Tail) flush(ctx context.Context, c class) {
	s, err := t.stream(c)
	if err != nil {
		return // locked
	}
	for {
		t.mu.Lock()
		batch := t.rings[c].unsent()
		t.mu.Unlock()
		if len(batch) == 0 || s.append(ctx, t.redis, batch) != nil {
			return
		}
		t.mu.Lock()
		t.rings[c].sent = batch[len(batch)-1].number
		t.mu.Unlock()
	}
}

// stream is where the lines of a class are in Redis.
type stream struct {
	key   string
	class class
	aead  cipher.AEAD
}

func (t *Tail) stream(c class) (*stream, error) {
	generation, key, err := t.secret()
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return &stream{t.redis.Key(fmt.Sprintf("log:%d:%s", generation, c)), c, aead}, err
}

// field is the only one of an entry.
const field = "sealed"

// append writes an entry. Its place is bound to what is in it.
func (s *stream) append(ctx context.Context, c *redis.Conn, lines []Line) error {
	text, err := encode(lines)
	if err != nil {
		return err
	}
	sealed := rueidis.BinaryString(s.aead.Seal(nil, nil, text, []byte(s.key)))
	return c.Use(ctx, func(ctx context.Context, r rueidis.Client) error {
		var err error
		for _, answer := range r.DoMulti(ctx,
			r.B().Xadd().Key(s.key).Maxlen().Almost().Threshold(strconv.Itoa(keptEntries)).Id("*").FieldValue().FieldValue(field, sealed).Build(),
			r.B().Pexpire().Key(s.key).Milliseconds(keptFor.Milliseconds()).Build()) {
			err = errors.Join(err, answer.Error())
		}
		return err
	})
}

// fetch reads the entries of a class, the newest first, until there are enough lines that match. more tells whether it stopped
// before the oldest.
func (t *Tail) fetch(ctx context.Context, c class, q Query, into *collection, unreadable *int) (more bool, err error) {
	s, err := t.stream(c)
	if err != nil {
		return false, err
	}
	matches, size, before := 0, 0, "+"
	for matches <= q.Most && size < readBytes {
		var entries []rueidis.XRangeEntry
		if err := t.redis.Use(ctx, func(ctx context.Context, r rueidis.Client) (err error) {
			entries, err = r.Do(ctx, r.B().Xrevrange().Key(s.key).End(before).Start("-").Count(readEntries).Build()).AsXRange()
			return err
		}); err != nil {
			return false, err
		}
		last := len(entries) < readEntries
		if before != "+" && len(entries) > 0 {
			entries = entries[1:] // the one that the last came to; Redis 6.0 knows no range without its end
		}
		for _, e := range entries {
			before = e.ID
			text, err := s.aead.Open(nil, nil, []byte(e.FieldValues[field]), []byte(s.key))
			if err != nil {
				*unreadable++
				continue
			}
			lines, err := decode(text, c)
			if err != nil {
				*unreadable++
				continue
			}
			for _, l := range into.add(lines) {
				size += len(l.Text) + lineOverhead
				if q.match(l) {
					matches++
				}
			}
		}
		if last {
			return false, nil
		}
	}
	return true, nil
}

// entry is what is sealed: lines of one replica.
type entry struct {
	Replica string      `json:"replica"`
	Lines   []entryLine `json:"lines"`
}

type entryLine struct {
	Number  uint64     `json:"n,omitempty"`
	Time    time.Time  `json:"t"`
	Level   slog.Level `json:"l"`
	Text    string     `json:"x,omitempty"`
	Missing int        `json:"m,omitempty"`
}

func encode(lines []Line) ([]byte, error) {
	e := entry{Replica: lines[0].Replica}
	for _, l := range lines {
		e.Lines = append(e.Lines, entryLine{l.number, l.Time, l.Level, l.Text, l.Missing})
	}
	return json.Marshal(e)
}

var errEntry = errors.New("this is no entry of the log")

// decode reads what encode has written.
func decode(text []byte, c class) ([]Line, error) {
	var e entry
	if err := json.Unmarshal(text, &e); err != nil || e.Replica == "" {
		return nil, errEntry
	}
	lines := make([]Line, len(e.Lines))
	for i, l := range e.Lines {
		if l.Missing < 0 || (l.Missing == 0) != (l.Number > 0) || len(l.Text) > longestLine {
			return nil, errEntry
		}
		lines[i] = Line{Time: l.Time, Level: l.Level, Replica: e.Replica, Text: l.Text, Missing: l.Missing, class: c, number: l.Number}
	}
	return lines, nil
}
