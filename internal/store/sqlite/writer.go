package sqlite

import (
	"context"
	"errors"
	"fmt"

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
	*session
	link    account.Link    // the last one committed
	next    int64           // number of the next entry
	pending []account.Entry // entries of the transaction under way
}

func newWriter(path string) (*writer, error) {
	s, err := newSession(path, writerCache)
	if err != nil {
		return nil, err
	}
	w := &writer{session: s}
	if err := w.recall(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return w, nil
}

// recall reads the end of the chain.
func (w *writer) recall() error {
	w.link = account.Link{}
	err := w.one("SELECT number, first, last, hash FROM activity_links ORDER BY number DESC LIMIT 1", nil,
		func(r *row) { w.link = link(r) })
	if err != nil && !errors.Is(err, account.ErrNotFound) {
		return err
	}
	w.next = w.link.Last + 1
	return nil
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
		for len(jobs) < maxBatch {
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
	_, err := w.exec("BEGIN IMMEDIATE")
	return err
}

// run runs one change within its savepoint. What fails is undone by itself.
func (w *writer) run(j *job) {
	mark, next := len(w.pending), w.next
	if _, err := w.exec("SAVEPOINT change"); err != nil {
		j.result = err
		return
	}
	j.result = w.guarded(j.change)
	if j.result != nil {
		w.pending, w.next = w.pending[:mark], next
		if _, err := w.exec("ROLLBACK TO change"); err != nil {
			j.result = errors.Join(j.result, err)
		}
	}
	if _, err := w.exec("RELEASE change"); err != nil {
		j.result = errors.Join(j.result, err)
	}
}

// guarded turns a panic of a change, a bug, into an error, so that the writer goes on for the others.
func (w *writer) guarded(change func(account.Tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a change: %v", p)
		}
	}()
	return change(&tx{session: w.session, writer: w})
}

// commit links the entries into the chain and makes everything durable. On failure nothing of the batch is there.
func (w *writer) commit() error {
	err := w.seal()
	if err == nil {
		_, err = w.exec("COMMIT")
	}
	if err == nil {
		return nil
	}
	// The transaction may be gone already, which SQLite then says; what counts is that it is.
	_, _ = w.exec("ROLLBACK")
	w.pending = w.pending[:0]
	return errors.Join(err, w.recall())
}

func (w *writer) seal() error {
	if len(w.pending) == 0 {
		return nil
	}
	next := account.NextLink(w.link, w.pending)
	_, err := w.exec("INSERT INTO activity_links (number, first, last, hash) VALUES (?, ?, ?, ?)", next.Number, next.First, next.Last, next.Hash)
	if err == nil {
		w.link, w.pending = next, w.pending[:0]
	}
	return err
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
		[]any{after, limit}, func(r *row) error {
			list = append(list, account.Entry{
				Number: r.int(), Time: moment(r.int()), Caller: account.CallerKind(r.text()), RequestID: r.text(),
				Verb: r.text(), Object: r.text(), ObjectID: r.text(), Detail: r.text(),
			})
			return nil
		})
	return list, err
}

func (t *tx) Links(after int64, limit int) ([]account.Link, error) {
	var list []account.Link
	err := t.rows("SELECT number, first, last, hash FROM activity_links WHERE number > ? ORDER BY number LIMIT ?",
		[]any{after, limit}, func(r *row) error {
			list = append(list, link(r))
			return nil
		})
	return list, err
}

func link(r *row) account.Link {
	return account.Link{Number: r.int(), First: r.int(), Last: r.int(), Hash: r.bytes()}
}
