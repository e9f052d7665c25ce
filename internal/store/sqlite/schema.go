package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// ErrNewer means that a newer version of the program has made the tables, and that this one would do something wrong.
var ErrNewer = errors.New("the database was written by a newer version of scimbridge")

// through opens a database through database/sql, for what is done once: migrations and copies.
func through(path string) (*sql.DB, error) {
	q := url.Values{}
	for _, p := range pragmas() {
		q.Add("_pragma", p)
	}
	return sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode())
}

// migrate brings the schema up to date.
func migrate(ctx context.Context, path string) (err error) {
	db, err := through(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return failure(err)
	}
	if current > target { // an update was taken back
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

// latest is the number of the last migration.
func latest() (int64, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return 0, err
	}
	return goose.NumericComponent(names[len(names)-1])
}
