package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/scimbridge/scimbridge/internal/account"
)

// maxStatements bounds the prepared statements of a connection. The program has some 60 texts; queries with terms
// make up the rest.
const maxStatements = 200

// session is a connection with its prepared statements. Nobody else uses it meanwhile.
type session struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

func newSession(ctx context.Context, db *sql.DB, cacheKiB int) (*session, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, failure(err)
	}
	s := &session{conn: conn, stmts: map[string]*sql.Stmt{}}
	if _, err := conn.ExecContext(ctx, fmt.Sprintf("PRAGMA cache_size = -%d", cacheKiB)); err != nil {
		return nil, errors.Join(failure(err), conn.Close())
	}
	return s, nil
}

func (s *session) close() error {
	err := s.forget()
	return errors.Join(err, s.conn.Close())
}

func (s *session) forget() error {
	var err error
	for text, st := range s.stmts {
		err = errors.Join(err, st.Close())
		delete(s.stmts, text)
	}
	return err
}

// background is what statements run under: a context that could end would make the driver start a goroutine for
// each statement and might cut a transaction in two. Statements take microseconds; callers look at their context
// between them.
func background() context.Context { return context.Background() }

func (s *session) prepare(text string) (*sql.Stmt, error) {
	if st := s.stmts[text]; st != nil {
		return st, nil
	}
	if len(s.stmts) >= maxStatements {
		if err := s.forget(); err != nil {
			return nil, failure(err)
		}
	}
	st, err := s.conn.PrepareContext(background(), text)
	if err != nil {
		return nil, failure(err)
	}
	s.stmts[text] = st
	return st, nil
}

func (s *session) exec(text string, args ...any) (int64, error) {
	st, err := s.prepare(text)
	if err != nil {
		return 0, err
	}
	res, err := st.ExecContext(background(), args...)
	if err != nil {
		return 0, failure(err)
	}
	n, err := res.RowsAffected()
	return n, failure(err)
}

// insert returns the number of the new row.
func (s *session) insert(text string, args ...any) (int64, error) {
	st, err := s.prepare(text)
	if err != nil {
		return 0, err
	}
	res, err := st.ExecContext(background(), args...)
	if err != nil {
		return 0, failure(err)
	}
	n, err := res.LastInsertId()
	return n, failure(err)
}

// rows reads a query's rows one by one.
func (s *session) rows(text string, args []any, scan func(*sql.Rows) error) error {
	st, err := s.prepare(text)
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(background(), args...)
	if err != nil {
		return failure(err)
	}
	for rows.Next() {
		if err := scan(rows); err != nil {
			return errors.Join(failure(err), rows.Close())
		}
	}
	return failure(errors.Join(rows.Err(), rows.Close()))
}

// one reads a single row; ErrNotFound where there is none.
func (s *session) one(text string, args []any, into ...any) error {
	found := false
	err := s.rows(text, args, func(r *sql.Rows) error {
		found = true
		return r.Scan(into...)
	})
	if err == nil && !found {
		return account.ErrNotFound
	}
	return err
}

// tx is account.Tx on a session.
type tx struct {
	*session
	writer *writer // nil while reading
}

var _ account.Tx = (*tx)(nil)

func (t *tx) Setting(key string) (string, error) {
	var v string
	err := t.one("SELECT value FROM settings WHERE key = ?", []any{key}, &v)
	if errors.Is(err, account.ErrNotFound) {
		return "", nil
	}
	return v, err
}

func (t *tx) SetSetting(key, value string) error {
	_, err := t.exec("INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, value)
	return err
}
