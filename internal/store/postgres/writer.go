package postgres

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/internal/account"
)

const (
	// maxBatch is how many changes share a commit at most. Each is a subtransaction, of which the server keeps 64 at
	// hand; with more, everybody's reads become slower.
	maxBatch = 60
	// tries is how often a batch is tried that has failed for a reason that may be gone.
	tries = 3
	// inquiry is how long a writer tries to find out whether a commit has happened.
	inquiry = 15 * time.Second
	// writerLife is how long what a writer has committed last is remembered.
	writerLife = "7 days"
)

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
	if err := s.enqueue(j); err != nil {
		return err
	}
	select {
	case <-j.done:
		return j.result
	case <-ctx.Done():
	}
	if s.withdraw(j) {
		return ctx.Err()
	}
	// The change is being made; whether the caller still listens plays no role.
	<-j.done
	return j.result
}

// enqueue lets a change wait, and starts a writer if none is at work.
func (s *Store) enqueue(j *job) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	s.jobs = append(s.jobs, j)
	if !s.writing {
		s.writing = true
		s.work.Go(s.write)
	}
	return nil
}

// withdraw takes back a change that still waits.
func (s *Store) withdraw(j *job) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.jobs, j)
	if i < 0 {
		return false
	}
	s.jobs = slices.Delete(s.jobs, i, i+1)
	return true
}

// next is the next change that waits, nil where none does. more tells that the writer goes on whether or not there is
// one; otherwise it ends with the last.
func (s *Store) next(more bool) *job {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.jobs) == 0 {
		s.writing = more
		return nil
	}
	j := s.jobs[0]
	s.jobs = s.jobs[1:]
	return j
}

// write is the writer's goroutine: it runs whatever waits, and ends when nothing does.
func (s *Store) write() {
	for j := s.next(false); j != nil; j = s.next(false) {
		s.batch(j)
	}
}

// batch runs a first change and those that come in meanwhile, and acknowledges them.
func (s *Store) batch(first *job) {
	jobs := []*job{first}
	var err error
	for try := range tries {
		if try > 0 {
			time.Sleep(time.Duration(try*try)*50*time.Millisecond + rand.N(50*time.Millisecond)) //nolint:gosec // so that writers do not meet again
		}
		if jobs, err = s.attempt(jobs); err == nil || !again(err) {
			break
		}
		s.db.writers.Reset() // the other connections lead to the same server
	}
	for _, j := range jobs {
		if err != nil {
			j.result = err
		}
		close(j.done)
	}
}

// attempt runs changes, and those that come in meanwhile, in one transaction. Where it returns an error, nothing of
// them is there, or the error says that it is not known.
func (s *Store) attempt(jobs []*job) ([]*job, error) {
	w, err := s.begin()
	if err != nil {
		return jobs, err
	}
	defer w.end("ROLLBACK")
	for _, j := range jobs {
		w.run(j)
	}
	for len(jobs) < maxBatch && w.lost == nil {
		j := s.next(true)
		if j == nil {
			break
		}
		jobs = append(jobs, j)
		w.run(j)
	}
	err = w.commit()
	if err == nil || w.lost != nil || !w.asked || certain(err) {
		return jobs, err
	}
	w.end("ROLLBACK")
	return jobs, s.inquire(err)
}

// writer changes the account in one transaction, and holds the end of the activity chain.
type writer struct {
	*conn
	number int64 // of the batch
	link   account.Link
	place
	pending []account.Entry // of the transaction
	lost    error           // why the transaction cannot be committed
	asked   bool            // to commit
}

// place is how far a transaction has come. A change that is undone goes back to where it began.
type place struct {
	user, group, entry int64 // the last numbers that are taken
	entries, kept      int   // how many entries are pending, and how many of them are rows already
	wrote              bool
}

const (
	begin            = "BEGIN ISOLATION LEVEL READ COMMITTED" // so that after the lock every statement sees what was committed before it
	savepoint        = "SAVEPOINT change"
	releaseSavepoint = "RELEASE SAVEPOINT change"
	undoSavepoint    = "ROLLBACK TO SAVEPOINT change; RELEASE SAVEPOINT change"
	// atWork bounds what a process may do to the others: one that hangs loses its connection and with it the lock, and
	// nobody waits for the lock for ever. A database that acknowledges before a commit is durable is told not to.
	atWork = `SELECT set_config('idle_in_transaction_session_timeout', '60s', true), set_config('lock_timeout', '20s', true),
		set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, true)`
	makeAccount = "INSERT INTO accounts (id) VALUES ($1) ON CONFLICT (id) DO NOTHING"
	// An entry that belongs to no link is somebody's tampering, for Verify to report; numbers go on after it.
	recall = `SELECT (SELECT coalesce(max(u.seq), 0) FROM users u WHERE u.account = $1), (SELECT coalesce(max(g.seq), 0) FROM groups g WHERE g.account = $1),
		(SELECT coalesce(max(e.number), 0) FROM activity e WHERE e.account = $1)`
	lastLink = "SELECT number, first, last, hash FROM activity_links WHERE account = $1 ORDER BY number DESC LIMIT 1"
)

// begin locks the account's row, which is made where there is none, and reads how far the account has come.
func (s *Store) begin() (*writer, error) {
	s.number++
	c, err := s.connect(context.Background(), s.db.writers, lockAccount, begin, atWork)
	if err != nil {
		return nil, err
	}
	w := &writer{conn: c, number: s.number}
	if err := w.recall(); err != nil {
		w.end("ROLLBACK")
		return nil, err
	}
	return w, nil
}

func (w *writer) recall() error {
	list := []statement{
		{text: recall, each: func(r pgx.Rows) error { return r.Scan(&w.user, &w.group, &w.entry) }},
		{text: lastLink, each: func(r pgx.Rows) error {
			return r.Scan(&w.link.Number, &w.link.First, &w.link.Last, (*blob)(&w.link.Hash))
		}},
	}
	_, err := w.send(list...)
	if err == nil && w.account == 0 {
		if _, err = w.send(w.making(), w.find(lockAccount)); err == nil {
			_, err = w.send(list...) // another process may have been faster
		}
	}
	w.entry = max(w.entry, w.link.Last)
	return err
}

func (c *conn) making() statement {
	return statement{text: makeAccount, args: []any{encode(c.store.id)}, free: true}
}

// run runs one change within its savepoint. What fails is undone by itself.
func (w *writer) run(j *job) {
	if w.lost != nil {
		return
	}
	before := w.place
	w.ahead = append(w.ahead, statement{text: savepoint, free: true})
	j.result = w.guarded(j.change)
	if j.result == nil && w.err == nil && len(w.ahead) > 0 && w.ahead[len(w.ahead)-1].text != savepoint {
		_, j.result = w.send() // what the change has left to go ahead
	}
	if w.err != nil && (w.wire.Conn().IsClosed() || again(w.err)) {
		w.lost = w.err
		return
	}
	if j.result == nil {
		j.result = w.err
	}
	sent := !slices.ContainsFunc(w.ahead, func(s statement) bool { return s.text == savepoint })
	switch {
	case !sent: // with whatever else has not been sent of a change that failed
		w.ahead = w.ahead[:slices.IndexFunc(w.ahead, func(s statement) bool { return s.text == savepoint })]
	case j.result != nil:
		w.ahead, w.err = nil, nil
		w.lost = w.raw(undoSavepoint)
	default:
		w.ahead = []statement{{text: releaseSavepoint, free: true}}
	}
	if j.result != nil {
		w.place, w.pending = before, w.pending[:before.entries]
	}
}

// guarded turns a panic of a change, a bug, into an error, so that the writer goes on for the others.
func (w *writer) guarded(change func(account.Tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a change: %v\n%s", p, debug.Stack())
		}
	}()
	return change(&tx{conn: w.conn, writer: w})
}

// commit links the entries into the chain and makes everything durable. A batch that has changed nothing is undone,
// and with it the row of an account that would be made for nothing.
func (w *writer) commit() error {
	if w.lost != nil || !w.wrote {
		return w.lost
	}
	var list []statement
	if len(w.pending) > w.kept {
		list = append(list, keepEntries(w.pending[w.kept:]))
	}
	if len(w.pending) > 0 {
		w.link = account.NextLink(w.link, w.pending)
		list = append(list, statement{
			text: "INSERT INTO activity_links (account, number, first, last, hash) VALUES ($1, $2, $3, $4, $5)",
			args: []any{w.link.Number, w.link.First, w.link.Last, w.link.Hash},
		})
	}
	if w.number == 1 {
		list = append(list, statement{text: "DELETE FROM writers WHERE account = $1 AND at < now() - interval '" + writerLife + "'"})
	}
	list = append(list,
		statement{
			text: "INSERT INTO writers (account, writer, batch, at) VALUES ($1, $2, $3, now()) ON CONFLICT (account, writer) DO UPDATE SET batch = excluded.batch, at = excluded.at",
			args: []any{w.store.name, w.number},
		},
		statement{text: "COMMIT", free: true})
	w.asked = true
	_, err := w.send(list...)
	return err
}

// inquire finds out whether the last batch was committed, after the connection broke while it was to be. The lock on
// the account's row, and the row's index where there is none yet, wait for a server process that may still be at it.
func (s *Store) inquire(why error) error {
	for begin := time.Now(); time.Since(begin) < inquiry; time.Sleep(100 * time.Millisecond) {
		committed, err := s.committed()
		switch {
		case err == nil && committed:
			return nil
		case err == nil:
			return why // and again
		}
	}
	return fmt.Errorf("%w: it is not known whether a change was committed: %v", account.ErrUnavailable, why) // not %w: it must not be tried again
}

func (s *Store) committed() (bool, error) {
	c, err := s.connect(context.Background(), s.db.writers, lockAccount, begin, atWork)
	if err != nil {
		return false, err
	}
	defer c.end("ROLLBACK")
	c.ahead = slices.Insert(c.ahead, len(c.ahead)-1, c.making())
	var last int64
	_, err = c.send(statement{
		text: "SELECT batch FROM writers WHERE account = $1 AND writer = $2", args: []any{s.name},
		each: func(r pgx.Rows) error { return r.Scan(&last) },
	})
	return last == s.number, err
}
