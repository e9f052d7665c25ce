package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/scimbridge/scimbridge/internal/account"
)

// conn is a connection within a transaction that reads or changes one account. It belongs to one goroutine.
//
// What a network costs is round trips. So the beginning of a transaction, a savepoint, and changes whose outcome
// nobody asks for go ahead of the next statement, together with it.
type conn struct {
	ctx     context.Context // of whoever waits for the transaction
	store   *Store
	pool    *pgxpool.Pool
	wire    *pgxpool.Conn
	account int32 // key of the account; 0: it is not there
	ahead   []statement
	heard   bool  // the server has answered within this transaction
	err     error // of the first statement that failed; whatever follows fails so too
}

// statement is what is sent to the server.
type statement struct {
	text  string
	args  []any
	free  bool                 // of no account; see arguments
	finds bool                 // finds the account
	each  func(pgx.Rows) error // for every row; nil: what comes back does not matter
}

// arguments puts the account in front of whatever else a statement names: it is $1 in every statement but those few
// that find an account or frame a transaction.
func (s statement) arguments(account int32) []any {
	if s.free {
		return s.args
	}
	return append([]any{account}, s.args...)
}

// lookUpAccount finds an account's key. Whoever changes takes the row for the time of the transaction.
const (
	lookUpAccount = "SELECT key FROM accounts WHERE id = $1"
	lockAccount   = "SELECT key FROM accounts WHERE id = $1 FOR UPDATE"
)

// connect takes a connection that begins a transaction with its first statement. The account's key is the one that was
// last seen, and is looked up in the same round trip: if it is another after all, the statement is run again.
func (s *Store) connect(ctx context.Context, pool *pgxpool.Pool, lookUp string, begin ...string) (*conn, error) {
	c := &conn{ctx: ctx, store: s, pool: pool, account: s.key.Load()}
	if err := c.acquire(); err != nil {
		return nil, err
	}
	for _, text := range begin {
		c.ahead = append(c.ahead, statement{text: text, free: true})
	}
	c.ahead = append(c.ahead, c.find(lookUp))
	return c, nil
}

func (c *conn) find(text string) statement {
	return statement{text: text, args: []any{encode(c.store.id)}, free: true, finds: true, each: func(r pgx.Rows) error { return r.Scan(&c.account) }}
}

func (c *conn) acquire() (err error) {
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	c.wire, err = c.pool.Acquire(ctx)
	if err == nil {
		return nil
	}
	if c.ctx.Err() != nil {
		return c.ctx.Err()
	}
	return fmt.Errorf("%w: %w", account.ErrUnavailable, err)
}

// end ends the transaction, unless it has ended or never begun, and gives the connection back. The pool closes one
// that is not in order.
func (c *conn) end(how string) {
	if c.wire == nil {
		return
	}
	if raw := c.wire.Conn(); !raw.IsClosed() && raw.PgConn().TxStatus() != 'I' {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), cancelPatience)
		_, _ = raw.Exec(ctx, how) // who reads has all there is to know; who changes has failed already
		cancel()
	}
	c.wire.Release()
	c.wire = nil
}

// send sends statements in one round trip, after those that wait to go ahead, and returns how many rows the last one
// found or changed.
func (c *conn) send(list ...statement) (int64, error) {
	if c.err != nil {
		return 0, c.err
	}
	list = append(c.ahead[:len(c.ahead):len(c.ahead)], list...)
	n, err := c.roundTrip(list)
	if err != nil && !c.heard && c.dead() {
		// The server has been started anew since the connection was made.
		if err = c.reconnect(); err == nil {
			n, err = c.roundTrip(list)
		}
	}
	if errors.Is(err, errOtherAccount) {
		n, err = c.roundTrip(list[len(c.ahead):])
	}
	c.ahead = nil
	return n, err
}

// dead tells whether the connection was broken before anything came of it, while somebody still waits.
func (c *conn) dead() bool {
	return c.wire.Conn().IsClosed() && c.ctx.Err() == nil && !errors.Is(c.err, context.DeadlineExceeded)
}

func (c *conn) reconnect() error {
	c.pool.Reset()
	c.wire.Release()
	c.wire = nil
	c.err = c.acquire()
	return c.err
}

// errOtherAccount means that the account's key is not the one that was last seen.
var errOtherAccount = errors.New("the account has another key")

// roundTrip sends statements, and stops at the first that fails, or whose rows are not taken.
func (c *conn) roundTrip(list []statement) (n int64, err error) {
	key := c.account
	b := &pgx.Batch{}
	for _, s := range list {
		b.Queue(s.text, s.arguments(key)...)
	}
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	res := c.wire.SendBatch(ctx, b)
	var stop error
	for i := 0; i < len(list) && stop == nil; i++ {
		if list[i].finds {
			c.account = 0 // unless there is a row
		}
		rows, err := res.Query()
		for err == nil && stop == nil && list[i].each != nil && rows.Next() {
			stop = list[i].each(rows)
		}
		rows.Close()
		if rows.Err() != nil {
			break // res.Close returns it
		}
		c.heard = true
		n = rows.CommandTag().RowsAffected()
		if list[i].finds {
			c.store.key.Store(c.account)
			if c.account != key { // what follows has found nothing, or what it should not have
				stop = errOtherAccount
			}
		}
	}
	err = res.Close()
	switch {
	case err != nil:
		return 0, c.fail(err)
	case errors.Is(stop, errEnough):
		return n, nil
	}
	return n, stop
}

// fail remembers why the transaction cannot go on.
func (c *conn) fail(err error) error {
	switch {
	case c.ctx.Err() != nil:
		err = c.ctx.Err()
	case c.wire.Conn().IsClosed():
		err = failure(fmt.Errorf("%w: %w", errBroken, err))
	default:
		err = failure(err)
	}
	c.err = err
	return err
}

// rows runs a statement and calls each for every row, until the end or until each has enough.
func (c *conn) rows(text string, args []any, each func(pgx.Rows) error) error {
	_, err := c.send(statement{text: text, args: args, each: each})
	return err
}

// one reads a single row; ErrNotFound where there is none.
func (c *conn) one(text string, args []any, into ...any) error {
	found := false
	err := c.rows(text, args, func(r pgx.Rows) error {
		found = true
		return r.Scan(into...)
	})
	if err == nil && !found {
		return account.ErrNotFound
	}
	return err
}

// number reads a single whole number; ErrNotFound where there is none.
func (c *conn) number(text string, args ...any) (n int64, err error) {
	err = c.one(text, args, &n)
	return n, err
}

// raw runs a text by itself, at once.
func (c *conn) raw(text string) error {
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	if _, err := c.wire.Conn().PgConn().Exec(ctx, text).ReadAll(); err != nil {
		return c.fail(err)
	}
	return nil
}

// limit is a LIMIT clause. It stands in the text because the server plans a statement for any number of rows when
// the number is bound.
func limit(n int) string { return " LIMIT " + strconv.Itoa(max(n, 0)) }

// errEnough ends the reading of rows before their end.
var errEnough = errors.New("enough rows")
