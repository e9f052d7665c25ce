// Package postgres keeps the rows of accounts in a PostgreSQL database, as package sqlite keeps those of one account
// in a file. One database holds any number of accounts, and any number of processes may use it at once.
//
// Every table but accounts carries the account's key, first in every primary key and index, and no statement is run
// without it: it is bound in one place, see conn.arguments.
//
// Changes of one account happen one after another. Those that arrive together in a process share a commit: a writer
// locks the account's row, which keeps writers of other processes away, runs the changes each within a savepoint of
// its own, and acknowledges all of them once the transaction that carries them is durable. What fails without having
// been committed is done again; where a connection breaks within a commit, the writer finds out what became of it.
//
// PostgreSQL accepts nothing more in a transaction after a statement has failed. So a change in which a statement
// failed is undone as a whole, even if it returns no error.
//
// The package knows rows, uniqueness and references, and no rule.
package postgres

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/scimbridge/scimbridge/internal/account"
)

const (
	// connections is how many connections read at most, and how many change, unless the URL says pool_max_conns.
	connections = 10
	// connectPatience is how long a connection may take to be made, unless the URL says otherwise.
	connectPatience = 5 * time.Second
	// patience is how long the server may take to answer. Whoever takes longer is taken for dead.
	patience = 30 * time.Second
	// cancelPatience is how long a server may take to give up what nobody waits for any more.
	cancelPatience = 3 * time.Second
)

// Database is a PostgreSQL database that holds accounts.
type Database struct {
	readers *pgxpool.Pool
	writers *pgxpool.Pool // its own, so that reads that wait for a change do not keep it from being made

	mu     sync.Mutex // guards stores and closed
	stores map[string]*Store
	closed bool
}

// Open opens the database that a URL or a string of keywords names, and brings its schema up to date. ErrNewer.
func Open(ctx context.Context, url string) (*Database, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = connections
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectPatience
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "scimbridge"
	}
	if err := migrate(ctx, config.ConnConfig); err != nil {
		return nil, fmt.Errorf("database %s: %w", config.ConnConfig.Database, err)
	}
	d := &Database{stores: map[string]*Store{}}
	if d.writers, err = pgxpool.NewWithConfig(ctx, config.Copy()); err != nil {
		return nil, err
	}
	// A read that nobody waits for any more is called off and its connection kept.
	config.ConnConfig.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: c, DeadlineDelay: cancelPatience}
	}
	if d.readers, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		d.writers.Close()
		return nil, err
	}
	return d, nil
}

// Account is the store of one account. The account need not be there yet: its first change makes it.
func (d *Database) Account(id string) account.Store {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.stores[id]
	if s == nil {
		s = newStore(d, id)
		s.closed = d.closed
		if !d.closed {
			d.stores[id] = s
		}
	}
	return s
}

// Accounts lists the ids of the accounts in the database, in their order, strictly after one.
func (d *Database) Accounts(ctx context.Context, after string, limit int) ([]string, error) {
	rows, err := d.readers.Query(ctx, "SELECT id FROM accounts WHERE id > $1 ORDER BY id LIMIT $2", encode(after), limit)
	if err != nil {
		return nil, failure(err)
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var id text
		if err := rows.Scan(&id); err != nil {
			return nil, failure(err)
		}
		list = append(list, string(id))
	}
	return list, failure(rows.Err())
}

// Close waits for reads and changes under way, and ends.
func (d *Database) Close() error {
	d.mu.Lock()
	d.closed = true
	stores := make([]*Store, 0, len(d.stores))
	for _, s := range d.stores {
		stores = append(stores, s)
	}
	d.mu.Unlock()
	for _, s := range stores {
		_ = s.Close() // has no error
	}
	d.readers.Close()
	d.writers.Close()
	return nil
}
