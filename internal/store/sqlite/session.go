package sqlite

import (
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/scimbridge/scimbridge/internal/account"
)

// session is a connection, which keeps the statements that it has prepared. Nobody else uses it meanwhile.
//
// It speaks to SQLite without database/sql in between, which asks for the type of every column, boxes every value
// and takes a lock at every step: half of the CPU time of a look-up went there.
type session struct {
	conn *sqlite.Conn
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
	return &session{conn}, nil
}

func (s *session) close() error { return failure(s.conn.Close()) }

// statement prepares a text, or takes it as prepared before, and binds the arguments.
func (s *session) statement(text string, args []any) (*sqlite.Stmt, error) {
	st, err := s.conn.Prepare(text)
	if err != nil {
		return nil, failure(err)
	}
	for i, arg := range args {
		bind(st, i+1, arg)
	}
	return st, nil
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

// rows reads a query's rows one by one.
func (s *session) rows(text string, args []any, scan func(*row) error) error {
	st, err := s.statement(text, args)
	if err != nil {
		return err
	}
	for {
		more, err := st.Step()
		if err == nil && more {
			err = scan(&row{stmt: st})
		}
		if err != nil || !more {
			// Reset repeats the error of the step.
			_ = st.Reset()
			if clear := st.ClearBindings(); err == nil {
				err = clear
			}
			return failure(err)
		}
	}
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
