package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"modernc.org/libc"
	"modernc.org/sqlite/lib"

	"github.com/scimbridge/scimbridge/internal/account"
)

// conn is one connection to a database file with its prepared statements. It speaks SQLite's own interface: half of
// the CPU time of a look-up went into database/sql and its driver, which ask for the type of every column, box every
// value and take a lock at every step. A conn belongs to one goroutine at a time.
type conn struct {
	tls   *libc.TLS
	db    uintptr // sqlite3*
	cell  uintptr // where SQLite puts a pointer
	stmts map[string]*stmt
}

const (
	// maxStatements bounds the prepared statements of a connection. The program has some 60 texts; queries with
	// terms make up the rest.
	maxStatements = 200
	// keptArguments is up to how many bytes of arguments a statement keeps its buffer.
	keptArguments = 16 << 10
	pointerSize   = strconv.IntSize / 8
)

// fault is what SQLite says of a call that failed.
type fault struct {
	code int // extended result code
	text string
}

func (f *fault) Error() string { return f.text + " (" + strconv.Itoa(f.code) + ")" }

// connect opens a connection. cacheKiB bounds its page cache.
func connect(path string, cacheKiB int) (*conn, error) {
	c := &conn{tls: libc.NewTLS(), stmts: map[string]*stmt{}}
	c.cell = sqlite3.Xsqlite3_malloc(c.tls, pointerSize)
	name := c.text(path)
	if c.cell == 0 || name == 0 {
		return nil, errors.Join(errMemory, c.close())
	}
	// No mutex: a connection is never used by two goroutines at once.
	rc := sqlite3.Xsqlite3_open_v2(c.tls, name, c.cell, sqlite3.SQLITE_OPEN_READWRITE|sqlite3.SQLITE_OPEN_NOMUTEX, 0)
	sqlite3.Xsqlite3_free(c.tls, name)
	c.db = c.pointer()
	if rc != sqlite3.SQLITE_OK {
		return nil, errors.Join(failure(c.fault(rc)), c.close())
	}
	sqlite3.Xsqlite3_extended_result_codes(c.tls, c.db, 1)
	c.keepPlans()
	for _, p := range append(pragmas(), fmt.Sprintf("cache_size = -%d", cacheKiB)) {
		if err := c.rows("PRAGMA "+p, nil, func(*stmt) error { return nil }); err != nil {
			return nil, errors.Join(err, c.close())
		}
	}
	c.forget() // the pragmas; they are said once
	return c, nil
}

// keepPlans makes plans independent of arguments. Otherwise SQLite plans a query with a partial index anew at each
// run, in case an argument makes the index usable, which costs five times the query.
func (c *conn) keepPlans() {
	on := libc.NewVaList(int32(1), uintptr(0))
	sqlite3.Xsqlite3_db_config(c.tls, c.db, sqlite3.SQLITE_DBCONFIG_ENABLE_QPSG, on)
	libc.Xfree(c.tls, on)
}

var errMemory = fmt.Errorf("%w: out of memory", account.ErrUnavailable)

// text copies a text to where SQLite reads it; 0 where there is no memory.
func (c *conn) text(s string) uintptr {
	p := sqlite3.Xsqlite3_malloc(c.tls, int32(len(s)+1)) //nolint:gosec // texts of this package and a path
	if p != 0 {
		b := libc.GoBytes(p, len(s)+1)
		b[copy(b, s)] = 0
	}
	return p
}

// pointer is what SQLite has put into the cell.
func (c *conn) pointer() uintptr {
	b := libc.GoBytes(c.cell, pointerSize)
	if pointerSize == 4 {
		return uintptr(binary.NativeEndian.Uint32(b))
	}
	return uintptr(binary.NativeEndian.Uint64(b))
}

func (c *conn) fault(rc int32) error {
	if c.db == 0 {
		return &fault{int(rc), "no memory for a connection"}
	}
	return &fault{int(sqlite3.Xsqlite3_extended_errcode(c.tls, c.db)), libc.GoString(sqlite3.Xsqlite3_errmsg(c.tls, c.db))}
}

func (c *conn) close() (err error) {
	c.forget()
	if rc := sqlite3.Xsqlite3_close_v2(c.tls, c.db); rc != sqlite3.SQLITE_OK {
		err = failure(c.fault(rc))
	}
	sqlite3.Xsqlite3_free(c.tls, c.cell)
	c.tls.Close()
	return err
}

// forget gives the prepared statements back.
func (c *conn) forget() {
	for text, s := range c.stmts {
		// Finalizing repeats the error of the statement's last run, which has been told already.
		sqlite3.Xsqlite3_finalize(c.tls, s.p)
		sqlite3.Xsqlite3_free(c.tls, s.mem)
		delete(c.stmts, text)
	}
}

// inTransaction tells whether a transaction is open. SQLite ends one by itself when the disk is full or fails.
func (c *conn) inTransaction() bool { return sqlite3.Xsqlite3_get_autocommit(c.tls, c.db) == 0 }

func (c *conn) prepare(text string) (*stmt, error) {
	if s := c.stmts[text]; s != nil {
		return s, nil
	}
	if len(c.stmts) >= maxStatements {
		c.forget()
	}
	src := c.text(text)
	if src == 0 {
		return nil, errMemory
	}
	defer sqlite3.Xsqlite3_free(c.tls, src)
	rc := sqlite3.Xsqlite3_prepare_v3(c.tls, c.db, src, -1, sqlite3.SQLITE_PREPARE_PERSISTENT, c.cell, 0)
	if rc != sqlite3.SQLITE_OK {
		return nil, failure(c.fault(rc))
	}
	s := &stmt{c: c, p: c.pointer()}
	c.stmts[text] = s
	return s, nil
}

// rows runs a statement and calls each for every row. each must not run the same text again.
func (c *conn) rows(text string, args []any, each func(*stmt) error) error {
	s, err := c.prepare(text)
	if err != nil {
		return err
	}
	if err := s.bind(args); err != nil {
		return err
	}
	defer s.reset()
	for {
		switch rc := sqlite3.Xsqlite3_step(c.tls, s.p); rc {
		case sqlite3.SQLITE_ROW:
			if err := each(s); err != nil {
				return err
			}
		case sqlite3.SQLITE_DONE:
			return nil
		default:
			return failure(c.fault(rc))
		}
	}
}

// exec runs a statement and returns how many rows it changed.
func (c *conn) exec(text string, args ...any) (int, error) {
	s, err := c.prepare(text)
	if err != nil {
		return 0, err
	}
	if err := s.bind(args); err != nil {
		return 0, err
	}
	defer s.reset()
	if rc := sqlite3.Xsqlite3_step(c.tls, s.p); rc != sqlite3.SQLITE_DONE && rc != sqlite3.SQLITE_ROW {
		return 0, failure(c.fault(rc))
	}
	return int(sqlite3.Xsqlite3_changes(c.tls, c.db)), nil
}

// insert returns the number of the new row.
func (c *conn) insert(text string, args ...any) (int64, error) {
	_, err := c.exec(text, args...)
	return sqlite3.Xsqlite3_last_insert_rowid(c.tls, c.db), err
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
