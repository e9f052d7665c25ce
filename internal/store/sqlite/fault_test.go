package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/store/sqlite"
)

// TestFullDisk: SQLite undoes a whole transaction by itself when there is no room. Nobody whose change was in it may
// be told that it is kept, nothing of it may be there, and the store goes on once there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	a, store := open(t, filepath.Join(t.TempDir(), "account.db"))
	bound := func(pages int) {
		t.Helper()
		if err := store.Update(t.Context(), func(tx account.Tx) error {
			return sqlite.Exec(tx, fmt.Sprintf("PRAGMA max_page_count = %d", pages))
		}); err != nil {
			t.Fatal(err)
		}
	}
	bound(1) // no more than there are
	const many = 40
	var kept, lost sync.Map
	var wg sync.WaitGroup
	for i := range many {
		wg.Go(func() {
			id := testID('f', i)
			p := account.Person{UserName: fmt.Sprint("full", i), Profile: make([]byte, 1<<(i%17))}
			_, err := a.Invite(context.Background(), account.Invitation{ID: id, Person: p})
			switch {
			case err == nil:
				kept.Store(id, true)
			case errors.Is(err, account.ErrUnavailable):
				lost.Store(id, true)
			default:
				t.Errorf("invitation %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	full := 0
	lost.Range(func(any, any) bool { full++; return true })
	if full == 0 {
		t.Fatal("the disk was never full")
	}
	bound(1 << 30)
	invite(t, a, 3)
	check := func(set *sync.Map, want error) {
		set.Range(func(id, _ any) bool {
			if _, err := a.User(t.Context(), id.(string)); !errors.Is(err, want) {
				t.Errorf("user %s: %v, want %v", id, err, want)
			}
			return true
		})
	}
	check(&kept, nil)
	check(&lost, account.ErrNotFound)
	if v, err := a.Verify(t.Context()); err != nil || v.Problem != "" {
		t.Errorf("the log: %+v %v", v, err)
	}
}

// TestTamperedLogGoesOn: a damaged chain is reported for ever, and does not stop the account.
func TestTamperedLogGoesOn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "account.db")
	_, store := open(t, path)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	execSQL(t, path, "DELETE FROM activity_links WHERE number = (SELECT max(number) FROM activity_links)")
	a, _ := open(t, path)
	invite(t, a, 3)
	if v, err := a.Verify(t.Context()); err != nil || v.Problem == "" {
		t.Errorf("the log: %+v %v", v, err)
	}
}

func TestUpgradeFromFirstSchema(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "account.db")
	text, err := os.ReadFile("migrations/00001_account.sql")
	if err != nil {
		t.Fatal(err)
	}
	execSQL(t, path, string(text)+`;
		CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL, is_applied INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now')));
		INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, 1), (1, 1);
		INSERT INTO users (id, user_name, user_name_key, sign_in_name, email, name, name_key, language, external_id, state, active, managed,
			protection, released, stale, visible, addresses, revision, created, modified)
		WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
		SELECT 'id' || i, 'u' || i, 'u' || i, 'u' || i, 'u' || i, 'n', 'n', '', '', iif(i % 3, 'ACTIVE', 'SUSPENDED'), i % 3 > 0, 1, '', i % 5 = 0, 0, i % 5 > 0, '', 1, 0, 0 FROM n;
		INSERT INTO profiles (user, profile) SELECT seq, CAST('{"userName":"' || user_name || '"}' AS BLOB) FROM users WHERE seq % 2;
		INSERT INTO tallies SELECT seq >> 10, sum(visible), sum(visible AND active) FROM users GROUP BY 1;`)
	a, _ := open(t, path) // founds it, which adds the owner
	for value, want := range map[string]int{"": 1201, "true": 801, "false": 400} {
		q := account.Query{Offset: 700, Limit: 5}
		if value != "" {
			q.Terms = []account.Term{{Field: account.ByActive, Op: account.Eq, Value: value}}
		}
		page, err := a.Users(t.Context(), q)
		if err != nil || page.Total != want {
			t.Errorf("active %q: %d people, %v; want %d", value, page.Total, err, want)
		}
		if n := min(5, max(0, want-700)); len(page.Users) != n {
			t.Errorf("active %q: a page of %d, want %d", value, len(page.Users), n)
		}
	}
	for id, profile := range map[string]string{"id1": `{"userName":"u1"}`, "id2": ""} {
		u, err := a.User(t.Context(), id)
		if err != nil || "u"+id[2:] != u.UserName || string(u.Profile) != profile {
			t.Errorf("somebody from before: %+v %v", u, err)
		}
	}
}

func TestRestoreRefusesNewerBackup(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, copied := filepath.Join(dir, "account.db"), filepath.Join(dir, "copy")
	a, store := open(t, path)
	if err := errors.Join(a.Backup(t.Context(), copied), store.Close()); err != nil {
		t.Fatal(err)
	}
	execSQL(t, copied, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1); UPDATE schema_reach SET least = 99999")
	if old, err := sqlite.Restore(t.Context(), copied, path, "old"); !errors.Is(err, sqlite.ErrNewer) || old != "" {
		t.Errorf("restored: %q %v", old, err)
	}
	if a, _ := open(t, path); a == nil { // what was there is still there
		t.Error("the account is gone")
	}
}

// TestRestoreBesideStrayLog: SQLite would apply the log of another database to the one that is restored.
func TestRestoreBesideStrayLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	copied, path := filepath.Join(dir, "copy"), filepath.Join(dir, "new.db")
	a, store := open(t, filepath.Join(dir, "account.db"))
	invite(t, a, 5)
	if err := a.Backup(t.Context(), copied); err != nil {
		t.Fatal(err)
	}
	invite(t, a, 1)
	log, err := os.ReadFile(filepath.Join(dir, "account.db-wal"))
	if err != nil || len(log) == 0 {
		t.Fatalf("no log to leave behind: %v", err)
	}
	if err := errors.Join(os.WriteFile(path+"-wal", log, 0o600), os.WriteFile(path+"-shm", nil, 0o600), store.Close()); err != nil {
		t.Fatal(err)
	}
	if old, err := sqlite.Restore(t.Context(), copied, path, "old"); err != nil || old != "" {
		t.Fatalf("restore: %q %v", old, err)
	}
	a, _ = open(t, path)
	page, err := a.Users(t.Context(), account.Query{})
	if err != nil || page.Total != 6 {
		t.Errorf("%d people, %v; want 6", page.Total, err)
	}
}

// TestRestoreTakesTheLog: what a killed process leaves, or a restore sets aside, is a database and its log.
func TestRestoreTakesTheLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, left := filepath.Join(dir, "account.db"), filepath.Join(dir, "left")
	a, store := open(t, path)
	invite(t, a, 5)
	for _, end := range []string{"", "-wal"} {
		raw, err := os.ReadFile(path + end)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(left+end, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Restore(t.Context(), left, path, "old"); err != nil {
		t.Fatal(err)
	}
	if rest, err := filepath.Glob(path + ".restoring*"); err != nil || len(rest) > 0 {
		t.Errorf("left over: %v %v", rest, err)
	}
	a, _ = open(t, path)
	if page, err := a.Users(t.Context(), account.Query{}); err != nil || page.Total != 6 {
		t.Errorf("%d people, %v; want 6", page.Total, err)
	}
}

// TestPlans: no look-up, page or change reads a whole table or sorts what an index has in order.
func TestPlans(t *testing.T) {
	t.Parallel()
	_, store := open(t, filepath.Join(t.TempDir(), "account.db"))
	eq := func(f account.Field, v string) []account.Term {
		return []account.Term{{Field: f, Op: account.Eq, Value: v}}
	}
	lookups := []account.Query{
		{Limit: 2, Terms: eq(account.ByID, "x")},
		{Limit: 2, Terms: eq(account.ByUserName, "x")},
		{Limit: 2, Terms: eq(account.ByExternalID, "x")},
		{Limit: 2, Terms: eq(account.ByName, "x")},
		{Limit: 2, Terms: eq(account.ByActive, "false")},
	}
	pages := []account.Query{{Limit: 100}, {Limit: 100, Offset: 5}, {Limit: 100, Descending: true}, {Limit: 100, After: &account.Position{Key: "1", ID: "1"}}}
	for _, f := range []account.Field{account.ByID, account.ByUserName, account.ByName, account.ByExternalID, account.ByModified, account.ByCreated} {
		for _, descending := range []bool{false, true} {
			pages = append(pages, account.Query{Limit: 100, Order: f, Descending: descending},
				account.Query{Limit: 100, Order: f, Descending: descending, After: &account.Position{Key: "1", ID: "1"}})
		}
	}
	err := store.Update(t.Context(), func(tx account.Tx) error {
		for _, q := range append(lookups, pages...) {
			q.NoTotal = true
			if _, _, _, err := tx.Users(q, account.VisibleOnly); err != nil {
				return err
			}
		}
		for _, q := range []account.Query{{Limit: 2, Terms: eq(account.ByName, "x")}, {Limit: 2, Terms: eq(account.ByExternalID, "x")}, {Limit: 2, Terms: eq(account.ByMember, "x")}} {
			q.NoTotal = true
			if _, _, _, err := tx.Groups(q, account.VisibleOnly); err != nil {
				return err
			}
		}
		_, byName := tx.UserByName("x")
		_, byID := tx.UserByID("x")
		if !errors.Is(byName, account.ErrNotFound) || !errors.Is(byID, account.ErrNotFound) {
			return errors.Join(byName, byID)
		}
		for _, ids := range [][]string{{"x"}, {"a", "b", "c", "d", "e", "f"}} {
			if _, err := tx.FindUsers(ids); err != nil {
				return err
			}
		}
		for _, seqs := range [][]int64{{1}, {1, 2}, {1, 1000}} {
			if _, err := tx.GroupsOf(seqs); err != nil {
				return err
			}
		}
		_, err := tx.Members(1, "", 10, "")
		_, _, addErr := tx.AddMembers(1, nil, account.SCIM, nil)
		plans, planErr := sqlite.Plans(tx)
		for text, steps := range plans {
			for _, step := range steps {
				if wasteful(text, step) {
					t.Errorf("%s\n  for %s", step, strings.Join(strings.Fields(text), " "))
				}
			}
		}
		if len(plans) < 30 {
			t.Errorf("only %d plans", len(plans))
		}
		return errors.Join(err, addErr, planErr)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// wasteful tells whether a step of a plan reads or sorts all of a table for little.
func wasteful(text, step string) bool {
	switch {
	case strings.HasPrefix(step, "SCAN u") && strings.Contains(text, "ORDER BY"):
		// A page walks the table in its own order, or an index, and stops at the end of the page.
		return strings.Contains(text, "external_id = ?") || strings.Contains(text, "_key = ?") || strings.Contains(text, "u.id = ?")
	case strings.HasPrefix(step, "SCAN u"), strings.HasPrefix(step, "SCAN users"), strings.HasPrefix(step, "SCAN m"):
		return true
	case strings.HasPrefix(step, "USE TEMP B-TREE"):
		return strings.Contains(text, "FROM users") && strings.Contains(text, "u.profile")
	}
	return false
}
