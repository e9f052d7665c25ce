package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/store/sqlite"
	"github.com/scimbridge/scimbridge/internal/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t testing.TB) account.Store {
		s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "account.db"))
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

// TestNextSchema: after the next version has added to every table, one may go back to this one.
func TestNextSchema(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t testing.TB) account.Store {
		path := filepath.Join(t.TempDir(), "account.db")
		s, err := sqlite.Open(t.Context(), path)
		if err == nil {
			err = s.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range tables(t, path) {
			execSQL(t, path, "ALTER TABLE "+table+" ADD COLUMN next TEXT; ALTER TABLE "+table+" ADD COLUMN next_too INTEGER NOT NULL DEFAULT 7")
		}
		execSQL(t, path, "CREATE TABLE of_the_next (id INTEGER PRIMARY KEY); INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)")
		if s, err = sqlite.Open(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		return s
	})
}

// tables are the names of all tables.
func tables(t testing.TB, path string) (names []string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // read only
	rows, err := db.QueryContext(t.Context(), "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close() //nolint:errcheck // read only
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return names
}
