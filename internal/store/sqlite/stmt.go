package sqlite

import (
	"fmt"
	"time"

	"modernc.org/libc"
	"modernc.org/sqlite/lib"

	"github.com/scimbridge/scimbridge/internal/account"
)

// stmt is a prepared statement and, while it runs, the row it stands on. Columns count from 0.
type stmt struct {
	c    *conn
	p    uintptr // sqlite3_stmt*
	mem  uintptr // where texts and blobs lie that are bound
	size int     // of mem
}

// bind sets the arguments: string, []byte, int, int64, bool or nil, of which an empty []byte is an empty blob.
// SQLite reads texts and blobs from the statement's own buffer, which stays as it is until the next bind.
func (s *stmt) bind(args []any) error {
	need := 1
	for _, a := range args {
		switch a := a.(type) {
		case string:
			need += len(a)
		case []byte:
			need += len(a)
		}
	}
	if need > s.size {
		const little = 64
		sqlite3.Xsqlite3_free(s.c.tls, s.mem)
		s.size = max(need, little)
		if s.mem = sqlite3.Xsqlite3_malloc(s.c.tls, int32(s.size)); s.mem == 0 { //nolint:gosec // some MB at most
			s.size = 0
			return errMemory
		}
	}
	buf, used := libc.GoBytes(s.mem, s.size), 0
	for i, a := range args {
		var rc int32
		n := int32(i + 1) //nolint:gosec // a statement has some 30 arguments
		switch a := a.(type) {
		case string:
			copy(buf[used:], a)
			rc = sqlite3.Xsqlite3_bind_text(s.c.tls, s.p, n, s.mem+uintptr(used), int32(len(a)), 0) //nolint:gosec // see above
			used += len(a)
		case []byte:
			copy(buf[used:], a)
			rc = sqlite3.Xsqlite3_bind_blob(s.c.tls, s.p, n, s.mem+uintptr(used), int32(len(a)), 0) //nolint:gosec // see above
			used += len(a)
		case int:
			rc = sqlite3.Xsqlite3_bind_int64(s.c.tls, s.p, n, int64(a))
		case int64:
			rc = sqlite3.Xsqlite3_bind_int64(s.c.tls, s.p, n, a)
		case bool:
			rc = sqlite3.Xsqlite3_bind_int64(s.c.tls, s.p, n, int64(one(a)))
		case nil:
			rc = sqlite3.Xsqlite3_bind_null(s.c.tls, s.p, n)
		default:
			return fmt.Errorf("argument %d of type %T cannot be bound", n, a) // unreachable
		}
		if rc != sqlite3.SQLITE_OK {
			return failure(s.c.fault(rc))
		}
	}
	return nil
}

// reset makes the statement ready for its next run. What it returns is the error of the last step again.
func (s *stmt) reset() {
	sqlite3.Xsqlite3_reset(s.c.tls, s.p)
	if s.size > keptArguments {
		sqlite3.Xsqlite3_free(s.c.tls, s.mem)
		s.mem, s.size = 0, 0
	}
}

func (s *stmt) int(column int32) int64 { return sqlite3.Xsqlite3_column_int64(s.c.tls, s.p, column) }

func (s *stmt) bool(column int32) bool { return s.int(column) != 0 }

func (s *stmt) time(column int32) time.Time { return time.UnixMilli(s.int(column)).UTC() }

// bytes are a column's bytes as they lie in SQLite's memory, until the next step. NULL is nil.
func (s *stmt) bytes(column int32) []byte {
	// Asking for a blob spares the copy that ends a text with a zero byte.
	p := sqlite3.Xsqlite3_column_blob(s.c.tls, s.p, column)
	if p == 0 {
		return nil
	}
	return libc.GoBytes(p, int(sqlite3.Xsqlite3_column_bytes(s.c.tls, s.p, column)))
}

func (s *stmt) text(column int32) string { return string(s.bytes(column)) }

// same is the column's text, sharing memory with one that is likely to be equal.
func (s *stmt) same(column int32, as string) string {
	b := s.bytes(column)
	if string(b) == as {
		return as
	}
	return string(b)
}

// blob is a copy of the column's bytes; nil where there are none.
func (s *stmt) blob(column int32) []byte {
	return append([]byte(nil), s.bytes(column)...)
}

func (s *stmt) state(column int32) account.State {
	switch b := s.bytes(column); string(b) {
	case string(account.Invited):
		return account.Invited
	case string(account.Active):
		return account.Active
	case string(account.Suspended):
		return account.Suspended
	default:
		return account.State(b)
	}
}
