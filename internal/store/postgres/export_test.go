package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/internal/account"
)

// Encode and Indexed are a text as it is kept, and as it is indexed; Decode is the way back.
var (
	Encode, Decode, Indexed = encode, decode, indexed
	AfterPrefix             = afterPrefix
)

// Conn is the connection below a transaction.
func Conn(t account.Tx) *pgx.Conn { return t.(*tx).wire.Conn() }

// Key is the key of a store's account.
func Key(s account.Store) int32 { return s.(*Store).key.Load() }

// Writing tells whether a store's writer is at work.
func Writing(s account.Store) bool {
	st := s.(*Store)
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.writing
}

// Exec runs a statement on a connection of the database's own.
func (d *Database) Exec(ctx context.Context, text string) error {
	_, err := d.readers.Exec(ctx, text)
	return err
}

// Text reads a single text.
func (d *Database) Text(ctx context.Context, query string, args ...any) (s string, err error) {
	err = d.readers.QueryRow(ctx, query, args...).Scan(&s)
	return s, err
}
