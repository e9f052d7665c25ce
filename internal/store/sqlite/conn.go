package sqlite

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/scimbridge/scimbridge/internal/account"
)

// maxStatements bounds the prepared statements of a connection. The program has some 60 texts; queries with terms
// make up the rest, and whoever makes up more pays for preparing them.
const maxStatements = 300

// conn is one connection to a database file, which keeps the statements that it has prepared. It belongs to one
// goroutine at a time.
//
// It speaks to SQLite without database/sql in between, which asks for the type of every column, boxes every value
// and takes a lock at every step: half of the CPU time of a look-up went there.
type conn struct {
	*sqlite.Conn
	texts map[string]struct{} // of the statements that are kept
}

// connect opens a connection. cacheKiB bounds its page cache.
func connect(path string, cacheKiB int) (*conn, error) {
	c, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return nil, failure(err)
	}
	for _, p := range append(pragmas(), fmt.Sprintf("cache_size = -%d", cacheKiB)) {
		if err := sqlitex.ExecuteTransient(c, "PRAGMA "+p, nil); err != nil {
			return nil, errors.Join(failure(err), c.Close())
		}
	}
	return &conn{Conn: c, texts: map[string]struct{}{}}, nil
}

func (c *conn) close() error { return failure(c.Close()) }

// inTransaction tells whether a transaction is open. SQLite ends one by itself when the disk is full or fails.
func (c *conn) inTransaction() bool { return !c.AutocommitEnabled() }

// limit is a LIMIT clause for at least n rows; whoever reads stops at the n-th. It stands in the text because SQLite
// prepares a statement anew whenever the value bound to a LIMIT changes, which costs more than most queries, and is
// rounded up so that there are few texts.
func limit(n int) string {
	const most = 1 << 13
	for size := 1; size < most; size <<= 1 {
		if size >= n {
			return " LIMIT " + strconv.Itoa(size)
		}
	}
	return " LIMIT " + strconv.Itoa(n)
}

// errEnough ends the reading of rows before their end.
var errEnough = errors.New("enough rows")

// enough ends the reading at the n-th row.
func enough(have, n int) error {
	if have >= n {
		return errEnough
	}
	return nil
}

// rows runs a statement and calls each for every row, until the end or until each has enough. each must not run the
// same text again.
func (c *conn) rows(text string, args []any, each func(*stmt) error) error {
	st, transient, err := c.statement(text, args)
	if err != nil {
		return err
	}
	s := stmt{st}
	for more := true; more && err == nil; {
		if more, err = st.Step(); err == nil && more {
			err = each(&s)
		}
	}
	if errors.Is(err, errEnough) {
		err = nil
	}
	if transient {
		return failure(errors.Join(err, st.Finalize()))
	}
	_ = st.Reset() // repeats the error of the step
	if cleared := st.ClearBindings(); err == nil {
		err = cleared
	}
	return failure(err)
}

// statement prepares a text, or takes it as prepared before, and binds the arguments. transient tells that it is to
// be finalized after use.
func (c *conn) statement(text string, args []any) (st *sqlite.Stmt, transient bool, err error) {
	_, known := c.texts[text]
	switch {
	case known || len(c.texts) < maxStatements:
		c.texts[text] = struct{}{}
		st, err = c.Prepare(text)
	default:
		transient = true
		st, _, err = c.PrepareTransient(text)
	}
	if err != nil {
		return nil, false, failure(err)
	}
	for i, arg := range args {
		bind(st, i+1, arg)
	}
	return st, transient, nil
}

// bind sets an argument: a string, []byte, int, int64, bool or nil.
func bind(st *sqlite.Stmt, i int, arg any) {
	switch v := arg.(type) {
	case nil:
		st.BindNull(i)
	case string:
		st.BindText(i, v)
	case []byte:
		if v == nil {
			v = []byte{} // an empty blob, and not NULL
		}
		st.BindBytes(i, v)
	case int:
		st.BindInt64(i, int64(v))
	case int64:
		st.BindInt64(i, v)
	case bool:
		st.BindBool(i, v)
	default:
		panic(fmt.Sprintf("argument %d of type %T cannot be bound", i, arg)) // a bug of this package
	}
}

// exec runs a statement and returns how many rows it changed.
func (c *conn) exec(text string, args ...any) (int, error) {
	err := c.rows(text, args, func(*stmt) error { return nil })
	return c.Changes(), err
}

// insert returns the number of the new row.
func (c *conn) insert(text string, args ...any) (int64, error) {
	_, err := c.exec(text, args...)
	return c.LastInsertRowID(), err
}

// one reads a single row; ErrNotFound where there is none.
func (c *conn) one(text string, args []any, read func(*stmt)) error {
	found := false
	err := c.rows(text, args, func(s *stmt) error {
		found = true
		read(s)
		return nil
	})
	if err == nil && !found {
		return account.ErrNotFound
	}
	return err
}

// number reads a single whole number; ErrNotFound where there is none.
func (c *conn) number(text string, args ...any) (n int64, err error) {
	err = c.one(text, args, func(s *stmt) { n = s.int(0) })
	return n, err
}

// stmt is a statement that runs, and the row it stands on. Columns count from 0.
type stmt struct{ row *sqlite.Stmt }

func (s *stmt) int(column int) int64      { return s.row.ColumnInt64(column) }
func (s *stmt) bool(column int) bool      { return s.int(column) != 0 }
func (s *stmt) time(column int) time.Time { return time.UnixMilli(s.int(column)).UTC() }
func (s *stmt) text(column int) string    { return s.row.ColumnText(column) }

// same is the column's text, sharing memory with one of the texts that it is likely to equal.
func (s *stmt) same(column int, likely ...string) string {
	var buf [64]byte
	n := s.row.ColumnLen(column)
	if n > len(buf) {
		return s.text(column)
	}
	s.row.ColumnBytes(column, buf[:])
	for _, text := range likely {
		if string(buf[:n]) == text {
			return text
		}
	}
	return string(buf[:n])
}

// blob is a copy of the column's bytes; nil where there are none.
func (s *stmt) blob(column int) []byte {
	n := s.row.ColumnLen(column)
	if n == 0 {
		return nil
	}
	b := make([]byte, n)
	s.row.ColumnBytes(column, b)
	return b
}

func (s *stmt) state(column int) account.State {
	return account.State(s.same(column, string(account.Active), string(account.Invited), string(account.Accepted),
		string(account.Suspended), string(account.InviteSuspended), string(account.Deleted)))
}

func (s *stmt) source(column int) account.Source {
	return account.Source(s.same(column, string(account.SCIM), string(account.Manual), string(account.Both)))
}
