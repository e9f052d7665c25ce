package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/store/sqlite"
)

func open(t *testing.T, path string) (*account.Service, *sqlite.Store) {
	t.Helper()
	store, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	a := account.New(account.Config{Store: store})
	if _, err := a.Found(t.Context(), account.Founding{Name: "Test", Owner: "Owner", UserName: "owner@example.com"}); err != nil {
		t.Fatal(err)
	}
	return a, store
}

// testID is an id that a number gives: 22 times a letter, and four letters for the digits.
func testID(letter byte, n int) string {
	id := bytes.Repeat([]byte{letter}, 26)
	for i := 25; i > 21; i-- {
		id[i] = 'a' + byte(n%10)
		n /= 10
	}
	return string(id)
}

func invite(t *testing.T, a *account.Service, n int) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			name := fmt.Sprintf("p%d@example.com", i)
			if _, err := a.Invite(context.Background(), account.Invitation{ID: testID('a', i), Person: account.Person{UserName: name, Email: name, Name: name}}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestChainNoticesTampering alters the log behind the program's back, in every way that there is.
func TestChainNoticesTampering(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"altered verb":    "UPDATE activity SET verb = 'user.change' WHERE number = 5",
		"altered time":    "UPDATE activity SET time = time + 1 WHERE number = 5",
		"altered object":  "UPDATE activity SET object_id = 'x' WHERE number = 5",
		"altered detail":  "UPDATE activity SET detail = detail || ' ' WHERE number = 5",
		"altered caller":  "UPDATE activity SET caller = 'administrator' WHERE number = 5",
		"altered request": "UPDATE activity SET request = 'r' WHERE number = 5",
		"removed":         "DELETE FROM activity WHERE number = 5",
		"removed last":    "DELETE FROM activity WHERE number = (SELECT max(number) FROM activity)",
		"swapped":         "UPDATE activity SET object_id = CASE number WHEN 5 THEN (SELECT object_id FROM activity WHERE number = 6) ELSE (SELECT object_id FROM activity WHERE number = 5) END WHERE number IN (5, 6)",
		"put in":          "INSERT INTO activity SELECT max(number) + 1, time, caller, request, verb, object, object_id, detail FROM activity",
		"removed link":    "DELETE FROM activity_links WHERE number = 2",
		"altered link":    "UPDATE activity_links SET hash = zeroblob(32) WHERE number = 2",
		"moved link":      "UPDATE activity_links SET last = last + 1 WHERE number = 1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "account.db")
			a, store := open(t, path)
			for i := range 8 {
				p := account.Person{UserName: fmt.Sprint("p", i), Email: "e", Name: "n"}
				if _, err := a.Invite(t.Context(), account.Invitation{ID: testID('a', i), Person: p}); err != nil {
					t.Fatal(err)
				}
			}
			before, err := a.Verify(t.Context())
			if err != nil || before.Problem != "" || before.Entries != 9 {
				t.Fatalf("before: %+v %v", before, err)
			}
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
			execSQL(t, path, change)
			a, _ = open(t, path)
			after, err := a.Verify(t.Context())
			if err != nil || after.Problem == "" {
				t.Errorf("not noticed: %+v %v", after, err)
			}
		})
	}
}

func execSQL(t testing.TB, path, text string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(text); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFailedChangesAreUndoneAlone mixes changes that fail with others in the same commit.
func TestFailedChangesAreUndoneAlone(t *testing.T) {
	t.Parallel()
	a, store := open(t, filepath.Join(t.TempDir(), "account.db"))
	bad := errors.New("refused")
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			err := store.Update(t.Context(), func(tx account.Tx) error {
				if err := tx.SetSetting(fmt.Sprint("key", i), "set"); err != nil {
					return err
				}
				if err := tx.Log(account.Entry{Verb: fmt.Sprint("test", i), Object: "test"}); err != nil {
					return err
				}
				switch i % 3 {
				case 1:
					return bad
				case 2:
					panic("a bug")
				}
				return nil
			})
			if (i%3 == 0) != (err == nil) || i%3 == 1 && !errors.Is(err, bad) {
				t.Errorf("change %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	err := store.View(t.Context(), func(tx account.Tx) error {
		for i := range 60 {
			v, err := tx.Setting(fmt.Sprint("key", i))
			if err != nil || (v == "set") != (i%3 == 0) {
				t.Errorf("key %d is %q, %v", i, v, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if v, err := a.Verify(t.Context()); err != nil || v.Problem != "" || v.Entries != 21 {
		t.Errorf("the log: %+v %v", v, err)
	}
}

func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, copied := filepath.Join(dir, "account.db"), filepath.Join(dir, "copy")
	a, store := open(t, path)
	invite(t, a, 50)
	var wg sync.WaitGroup
	wg.Go(func() { // beside the backup
		for i := range 50 {
			p := account.Person{UserName: fmt.Sprint("during", i), Email: "e", Name: "n"}
			if _, err := a.Invite(context.Background(), account.Invitation{ID: testID('b', i), Person: p}); err != nil {
				t.Error(err)
			}
		}
	})
	if err := a.Backup(t.Context(), copied); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if info, err := os.Stat(copied); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup: %v %v", info, err)
	}
	if err := a.Backup(t.Context(), copied); err == nil || !strings.Contains(err.Error(), "exists") {
		t.Errorf("a backup over a file: %v", err)
	}
	if _, err := sqlite.Restore(t.Context(), copied, path, "old"); !errors.Is(err, sqlite.ErrLocked) {
		t.Errorf("restored under a running process: %v", err)
	}
	invite50 := "late@example.com"
	if _, err := a.Invite(t.Context(), account.Invitation{ID: "cccccccccccccccccccccccccc", Person: account.Person{UserName: invite50, Email: invite50, Name: "n"}}); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"text": "no database", "empty": ""} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := sqlite.Restore(t.Context(), file, path, "old"); err == nil {
			t.Errorf("%s is restored", name)
		}
	}
	old, err := sqlite.Restore(t.Context(), copied, path, "old")
	if err != nil || old == "" {
		t.Fatalf("restore: %q %v", old, err)
	}
	a, _ = open(t, path)
	page, err := a.Users(t.Context(), account.Query{})
	if err != nil || page.Total < 51 || page.Total > 101 {
		t.Errorf("%d people after the restore, %v", page.Total, err)
	}
	if _, err := a.Person(t.Context(), invite50); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("somebody from after the backup: %v", err)
	}
	if v, err := a.Verify(t.Context()); err != nil || v.Problem != "" {
		t.Errorf("the log: %+v %v", v, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "account.db")
	_, store := open(t, path)
	if _, err := sqlite.Open(t.Context(), path); !errors.Is(err, sqlite.ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := store.Update(t.Context(), func(account.Tx) error { return nil }); !errors.Is(err, account.ErrUnavailable) {
		t.Errorf("changed after the end: %v", err)
	}
	execSQL(t, path, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1); UPDATE schema_reach SET least = 99999")
	if _, err := sqlite.Open(t.Context(), path); !errors.Is(err, sqlite.ErrNewer) {
		t.Errorf("a newer schema: %v", err)
	}
	if _, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "none", "account.db")); err == nil {
		t.Error("opened in a folder that is not there")
	}
}

func TestExport(t *testing.T) {
	t.Parallel()
	a, _ := open(t, filepath.Join(t.TempDir(), "account.db"))
	invite(t, a, 3)
	if _, err := a.CreateGroup(t.Context(), account.NewGroup{ID: "gggggggggggggggggggggggggg", Name: "g", Members: []string{testID('a', 1)}}); err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	if err := a.Export(t.Context(), &buf); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for line := range strings.Lines(buf.String()) {
		var o struct {
			Kind    string
			Name    string
			Members []struct{ ID string }
		}
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		kinds[o.Kind]++
		if o.Name == "g" && (len(o.Members) != 1 || o.Members[0].ID != testID('a', 1)) {
			t.Errorf("the group's members: %s", line)
		}
	}
	if kinds["user"] != 4 || kinds["group"] != 5 || kinds["activity"] != 6 {
		t.Errorf("exported %v", kinds)
	}
}
