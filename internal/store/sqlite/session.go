package sqlite

import (
	"errors"
	"fmt"
	"strconv"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/scimbridge/scimbridge/internal/account"
)

// session is a connection, which keeps the statements that it has prepared. Nobody else uses it meanwhile.
//
// It speaks to SQLite without database/sql in between, which asks for the type of every column, boxes every value
// and takes a lock at every step: half of the CPU time of a look-up went there.
type session struct {
	conn  *sqlite.Conn
	texts map[string]struct{} // of the statements that the connection keeps
}

func newSession(path string, cacheKiB int) (*session, error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite, sqlite.OpenWAL)
	if err != nil {
		return nil, failure(err)
	}
	for _, p := range append(pragmas(), fmt.Sprintf("cache_size = -%d", cacheKiB)) {
		if err := sqlitex.ExecuteTransient(conn, "PRAGMA "+p, nil); err != nil {
			return nil, errors.Join(failure(err), conn.Close())
		}
	}
	return &session{conn, map[string]struct{}{}}, nil
}

func (s *session) close() error { return failure(s.conn.Close()) }

// maxStatements bounds the statements that a connection keeps. The program has some 60 texts and some hundred for
// queries with terms; whoever makes up more pays for preparing them.
const maxStatements = 300

// statement prepares a text, or takes it as prepared before, and binds the arguments. transient tells that it is to
// be finalized after use.
func (s *session) statement(text string, args []any) (st *sqlite.Stmt, transient bool, err error) {
	_, known := s.texts[text]
	switch {
	case known || len(s.texts) < maxStatements:
		s.texts[text] = struct{}{}
		st, err = s.conn.Prepare(text)
	default:
		transient = true
		st, _, err = s.conn.PrepareTransient(text)
	}
	if err != nil {
		return nil, false, failure(err)
	}
	for i, arg := range args {
		bind(st, i+1, arg)
	}
	return st, transient, nil
}

func bind(st *sqlite.Stmt, i int, arg any) {
	switch v := arg.(type) {
	case nil:
		st.BindNull(i)
	case string:
		st.BindText(i, v)
	case []byte:
		if v == nil {
			st.BindNull(i)
			return
		}
		st.BindBytes(i, v)
	case int:
		st.BindInt64(i, int64(v))
	case int64:
		st.BindInt64(i, v)
	case bool:
		st.BindBool(i, v)
	default:
		panic(fmt.Sprintf("no SQL value: %T", arg)) // a bug of this package
	}
}

// exec runs a statement and returns how many rows it changed.
func (s *session) exec(text string, args ...any) (int, error) {
	err := s.rows(text, args, func(*row) error { return nil })
	return s.conn.Changes(), err
}

// insert returns the number of the new row.
func (s *session) insert(text string, args ...any) (int64, error) {
	_, err := s.exec(text, args...)
	return s.conn.LastInsertRowID(), err
}

// errEnough ends the reading of rows before their end.
var errEnough = errors.New("enough rows")

// rows reads a query's rows one by one, until the end or until scan has enough.
func (s *session) rows(text string, args []any, scan func(*row) error) error {
	st, transient, err := s.statement(text, args)
	if err != nil {
		return err
	}
	for more := true; more && err == nil; {
		if more, err = st.Step(); err == nil && more {
			err = scan(&row{stmt: st})
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

// one reads a single row; ErrNotFound where there is none.
func (s *session) one(text string, args []any, scan func(*row)) error {
	found := false
	err := s.rows(text, args, func(r *row) error {
		found = true
		scan(r)
		return nil
	})
	if err == nil && !found {
		return account.ErrNotFound
	}
	return err
}

// row reads the columns of a row from left to right.
type row struct {
	stmt *sqlite.Stmt
	next int
}

func (r *row) column() int {
	r.next++
	return r.next - 1
}

func (r *row) text() string { return r.stmt.ColumnText(r.column()) }
func (r *row) int() int64   { return r.stmt.ColumnInt64(r.column()) }
func (r *row) bool() bool   { return r.int() != 0 }

func (r *row) bytes() []byte {
	i := r.column()
	n := r.stmt.ColumnLen(i)
	if n == 0 {
		return nil
	}
	b := make([]byte, n)
	r.stmt.ColumnBytes(i, b)
	return b
}

// tx is account.Tx on a session.
type tx struct {
	*session
	writer *writer // nil while reading
}

var _ account.Tx = (*tx)(nil)

func (t *tx) Setting(key string) (string, error) {
	var v string
	err := t.one("SELECT value FROM settings WHERE key = ?", []any{key}, func(r *row) { v = r.text() })
	if errors.Is(err, account.ErrNotFound) {
		return "", nil
	}
	return v, err
}

func (t *tx) SetSetting(key, value string) error {
	_, err := t.exec("INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, value)
	return err
}
