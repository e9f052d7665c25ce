package sqlite

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/scimbridge/scimbridge/internal/account"
)

// maxBatch is how many changes share a commit at most, so that the first of them does not wait for ever.
const maxBatch = 128

// job is a change that waits to be made durable.
type job struct {
	change func(account.Tx) error
	result error
	done   chan struct{}
}

// Update changes, all or nothing, and returns when the change is durable.
func (s *Store) Update(ctx context.Context, change func(account.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &job{change: change, done: make(chan struct{})}
	select {
	case s.jobs <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closed:
		return errClosed
	}
	// From here on the change is made; whether the caller still listens plays no role.
	<-j.done
	return j.result
}

// writer is the one connection that changes, and the end of the activity chain.
type writer struct {
	*conn
	link    account.Link    // the last one committed
	next    int64           // number of the next entry
	pending []account.Entry // entries of the transaction under way
	stale   bool            // link and next are to be read again, since a commit failed
	lost    error           // why the transaction under way cannot be committed
}

func newWriter(path string, cacheKiB int) (*writer, error) {
	c, err := connect(path, cacheKiB)
	if err != nil {
		return nil, err
	}
	return &writer{conn: c, stale: true}, nil
}

// recall reads the end of the chain.
func (w *writer) recall() error {
	w.link = account.Link{}
	err := w.one("SELECT number, first, last, hash FROM activity_links ORDER BY number DESC LIMIT 1", nil, func(s *stmt) {
		w.link = account.Link{Number: s.int(0), First: s.int(1), Last: s.int(2), Hash: s.blob(3)}
	})
	if err != nil && !errors.Is(err, account.ErrNotFound) {
		return err
	}
	// An entry that belongs to no link is somebody's tampering, for Verify to report; numbers go on after it.
	last, err := w.number("SELECT coalesce(max(number), 0) FROM activity")
	if err == nil {
		w.next, w.stale = max(w.link.Last, last)+1, false
	}
	return err
}

// write is the writer's goroutine: it takes whatever waits, runs it in one transaction and acknowledges.
func (s *Store) write(w *writer) {
	defer close(s.done)
	for {
		select {
		case j := <-s.jobs:
			s.batch(w, j)
		case <-s.closed:
			if err := w.close(); err != nil && s.err == nil {
				s.err = err
			}
			return
		}
	}
}

// batch runs a first change and those that come in meanwhile.
func (s *Store) batch(w *writer, first *job) {
	jobs := []*job{first}
	err := w.begin()
	if err == nil {
		w.run(first)
	more:
		for len(jobs) < maxBatch && w.lost == nil {
			select {
			case j := <-s.jobs:
				jobs = append(jobs, j)
				w.run(j)
			default:
				break more
			}
		}
		err = w.commit()
	}
	for _, j := range jobs {
		if err != nil {
			j.result = err
		}
		close(j.done)
	}
}

func (w *writer) begin() error {
	w.pending, w.lost = w.pending[:0], nil
	if _, err := w.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if !w.stale {
		return nil
	}
	err := w.recall()
	if err != nil {
		err = errors.Join(err, w.undo())
	}
	return err
}

// run runs one change within its savepoint. What fails is undone by itself.
func (w *writer) run(j *job) {
	mark, next := len(w.pending), w.next
	if _, w.lost = w.exec("SAVEPOINT change"); w.lost != nil {
		return
	}
	j.result = w.guarded(j.change)
	if !w.inTransaction() {
		// The disk is full or fails, and SQLite has undone the whole transaction by itself.
		w.lost = errors.Join(errUndone, j.result)
		return
	}
	if j.result != nil {
		w.pending, w.next = w.pending[:mark], next
		if _, w.lost = w.exec("ROLLBACK TO change"); w.lost != nil {
			return
		}
	}
	_, w.lost = w.exec("RELEASE change")
}

var errUndone = fmt.Errorf("%w: the database has undone a transaction", account.ErrUnavailable)

// guarded turns a panic of a change, a bug, into an error, so that the writer goes on for the others.
func (w *writer) guarded(change func(account.Tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a change: %v\n%s", p, debug.Stack())
		}
	}()
	return change(&tx{conn: w.conn, writer: w})
}

// commit links the entries into the chain and makes everything durable. On failure nothing of the batch is there.
func (w *writer) commit() error {
	err := w.lost
	if err == nil {
		err = w.seal()
	}
	if err == nil {
		_, err = w.exec("COMMIT")
	}
	if err != nil {
		w.stale = true
		err = errors.Join(err, w.undo())
	}
	return err
}

// undo ends a transaction without a trace, if it has not ended by itself.
func (w *writer) undo() error {
	if !w.inTransaction() {
		return nil
	}
	_, err := w.exec("ROLLBACK")
	return err
}

func (w *writer) seal() error {
	if len(w.pending) == 0 {
		return nil
	}
	w.link = account.NextLink(w.link, w.pending)
	_, err := w.exec("INSERT INTO activity_links (number, first, last, hash) VALUES (?, ?, ?, ?)", w.link.Number, w.link.First, w.link.Last, w.link.Hash)
	return err
}

// exec hides the connection's: after SQLite has undone a transaction by itself, nothing more of a change may be
// written, since it would be on its own.
func (t *tx) exec(text string, args ...any) (int, error) {
	if !t.inTransaction() {
		return 0, errUndone
	}
	return t.conn.exec(text, args...)
}

func (t *tx) insert(text string, args ...any) (int64, error) {
	if !t.inTransaction() {
		return 0, errUndone
	}
	return t.conn.insert(text, args...)
}

func (t *tx) Log(e account.Entry) error {
	e.Number = t.writer.next
	_, err := t.exec("INSERT INTO activity (number, time, caller, request, verb, object, object_id, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		e.Number, e.Time.UnixMilli(), string(e.Caller), e.RequestID, e.Verb, e.Object, e.ObjectID, e.Detail)
	if err == nil {
		t.writer.next++
		t.writer.pending = append(t.writer.pending, e)
	}
	return err
}

func (t *tx) Entries(after int64, limit int) ([]account.Entry, error) {
	var list []account.Entry
	err := t.rows("SELECT number, time, caller, request, verb, object, object_id, detail FROM activity WHERE number > ? ORDER BY number LIMIT ?",
		[]any{after, limit}, func(s *stmt) error {
			list = append(list, account.Entry{
				Number: s.int(0), Time: s.time(1), Caller: account.CallerKind(s.text(2)), RequestID: s.text(3),
				Verb: s.text(4), Object: s.text(5), ObjectID: s.text(6), Detail: s.text(7),
			})
			return nil
		})
	return list, err
}

func (t *tx) Links(after int64, limit int) ([]account.Link, error) {
	var list []account.Link
	err := t.rows("SELECT number, first, last, hash FROM activity_links WHERE number > ? ORDER BY number LIMIT ?",
		[]any{after, limit}, func(s *stmt) error {
			list = append(list, account.Link{Number: s.int(0), First: s.int(1), Last: s.int(2), Hash: s.blob(3)})
			return nil
		})
	return list, err
}
