package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// ErrNewer means that a newer version of the program has made the tables, and that this one would do something wrong.
var ErrNewer = errors.New("the database was written by a newer version of scimbridge")

// migrationLock is the number of the advisory lock that one process at a time migrates under.
const migrationLock = 0x7363696d_62726467 // "scimbrdg"

// oldest is the oldest version of PostgreSQL that the tables and queries are made for.
const oldest = 130_000

// migrate brings the schema up to date. Several processes may do so at once: one works, the others wait for it. The
// lock belongs to a transaction and not to a session, so that it holds behind a pooler of transactions too, and ends
// with the process.
func migrate(ctx context.Context, config *pgx.ConnConfig) (err error) {
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()
	lock, err := db.BeginTx(ctx, nil)
	if err != nil {
		return failure(err)
	}
	defer lock.Rollback() //nolint:errcheck // nothing was changed in it
	var version int
	var encoding string
	if err := lock.QueryRowContext(ctx, "SELECT current_setting('server_version_num')::int, current_setting('server_encoding')").Scan(&version, &encoding); err != nil {
		return failure(err)
	}
	if version < oldest {
		return fmt.Errorf("this is PostgreSQL %d; 13 or newer is needed", version/10_000)
	}
	if encoding != "UTF8" {
		return fmt.Errorf("the database has the encoding %s; make one with ENCODING 'UTF8'", encoding)
	}
	if _, err := lock.ExecContext(ctx, "SET LOCAL idle_in_transaction_session_timeout = 0"); err != nil {
		return failure(err)
	}
	if _, err := lock.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", int64(migrationLock)); err != nil {
		return failure(err)
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return failure(err)
	}
	if current > target { // during an update, or after one that was taken back
		return reaches(ctx, db, current, target)
	}
	_, err = p.Up(ctx)
	return failure(err)
}

// reaches tells whether a program that knows migrations up to target may work with tables of a newer one. ErrNewer.
func reaches(ctx context.Context, db *sql.DB, current, target int64) error {
	var least int64
	if err := db.QueryRowContext(ctx, "SELECT least FROM schema_reach").Scan(&least); err != nil {
		return failure(err)
	}
	if least > target {
		return fmt.Errorf("%w (schema %d for programs that know %d, this one knows %d). Install that version or a newer one", ErrNewer, current, least, target)
	}
	return nil
}
