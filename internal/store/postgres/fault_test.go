package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/store/postgres"
	"github.com/scimbridge/scimbridge/internal/store/postgrestest"
)

func invite(ctx context.Context, a *account.Service, id, name string) error {
	_, err := a.Invite(ctx, account.Invitation{ID: id, Person: account.Person{UserName: name, Email: name, Name: name, Profile: make([]byte, 300)}})
	return err
}

func verify(t *testing.T, a *account.Service) {
	t.Helper()
	if v, err := a.Verify(t.Context()); err != nil || v.Problem != "" {
		t.Errorf("the log: %+v %v", v, err)
	}
}

// people are how many the integration sees.
func people(t *testing.T, a *account.Service) int {
	t.Helper()
	page, err := a.Users(t.Context(), account.Query{})
	must(t, err)
	return page.Total
}

// TestKilledServer kills the server again and again under load. Whoever was told that a change is kept finds it, everybody
// else was told that the account is unavailable, and the store recovers by itself.
func TestKilledServer(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t, postgrestest.Options{})
	db := open(t, server.New(t))
	a, _ := found(t, db)
	var kept, lost sync.Map
	var count atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := newID(t)
				err := invite(context.Background(), a, id, fmt.Sprintf("p%d-%d@example.com", w, i))
				switch {
				case err == nil:
					kept.Store(id, true)
					count.Add(1)
				case errors.Is(err, account.ErrUnavailable):
					if !strings.Contains(err.Error(), "not known") {
						lost.Store(id, true)
					}
					time.Sleep(5 * time.Millisecond)
				default:
					t.Errorf("invitation: %v", err)
				}
				if _, err := a.User(context.Background(), id); err != nil && !errors.Is(err, account.ErrUnavailable) && !errors.Is(err, account.ErrNotFound) {
					t.Errorf("read: %v", err)
				}
			}
		})
	}
	const kills = 3
	for range kills {
		reached := count.Load() + 50
		for begin := time.Now(); count.Load() < reached; time.Sleep(5 * time.Millisecond) {
			if time.Since(begin) > time.Minute {
				t.Fatal("nothing is kept any more")
			}
		}
		must(t, server.Kill())
		begin := time.Now()
		if _, err := a.Describe(t.Context()); !errors.Is(err, account.ErrUnavailable) || time.Since(begin) > 5*time.Second {
			t.Errorf("without a server: %v after %s", err, time.Since(begin))
		}
		must(t, server.Start())
	}
	close(stop)
	wg.Wait()
	told := 0
	kept.Range(func(id, _ any) bool {
		if _, err := a.User(t.Context(), id.(string)); err != nil {
			t.Errorf("kept, and gone: %v", err)
		}
		return true
	})
	lost.Range(func(id, _ any) bool {
		told++
		if _, err := a.User(t.Context(), id.(string)); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("not kept, and there: %v", err)
		}
		return true
	})
	t.Logf("%d kept, %d told that they are not", count.Load(), told)
	verify(t, a)
}

// TestAbsent: who waits for a server does so where there is none, and not where it refuses for good.
func TestAbsent(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t, postgrestest.Options{})
	open := func(database string) error {
		db, err := postgres.Open(t.Context(), server.URL(database))
		if err == nil {
			err = db.Close()
		}
		return err
	}
	if err := open("postgres"); err != nil {
		t.Fatal(err)
	}
	if err := open("unknown"); err == nil || postgres.Absent(err) {
		t.Errorf("no such database: %v", err)
	}
	must(t, server.Kill())
	if err := open("postgres"); !postgres.Absent(err) {
		t.Errorf("no server: %v", err)
	}
}

// proxy stands between the store and the server and cuts connections.
type proxy struct {
	dir    string
	server string
	cut    atomic.Pointer[cut]
	down   atomic.Bool // takes no connections
}

type cut struct {
	at    string // in what the store sends
	after bool   // the server has done it, and its answer is lost
}

// commit is the statement by itself.
const commit = "COMMIT\x00"

// newProxy stands before the server, on a socket of its own.
func newProxy(t *testing.T, server string) *proxy {
	t.Helper()
	p := &proxy{dir: t.TempDir(), server: server}
	l, err := net.Listen("unix", filepath.Join(p.dir, ".s.PGSQL.5432"))
	must(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if p.down.Load() {
				_ = c.Close()
				continue
			}
			wg.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		must(t, l.Close())
		wg.Wait()
	})
	return p
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close() //nolint:errcheck // a test's
	server, err := net.Dial("unix", p.server)
	if err != nil {
		return
	}
	var silent atomic.Bool
	answered := make(chan struct{}, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer client.Close() //nolint:errcheck // a test's
		buf := make([]byte, 1<<16)
		for {
			n, err := server.Read(buf)
			if err != nil {
				return
			}
			if silent.Load() {
				select {
				case answered <- struct{}{}:
				default:
				}
				continue
			}
			if _, err := client.Write(buf[:n]); err != nil {
				return
			}
		}
	})
	buf := make([]byte, 1<<16)
	for {
		n, err := client.Read(buf)
		if err != nil {
			break
		}
		if c := p.cut.Load(); c != nil && bytes.Contains(buf[:n], []byte(c.at)) && p.cut.CompareAndSwap(c, nil) {
			if c.after {
				silent.Store(true)
				_, _ = server.Write(buf[:n])
				<-answered
			}
			break
		}
		if _, err := server.Write(buf[:n]); err != nil {
			break
		}
	}
	_ = client.Close()
	_ = server.Close()
	wg.Wait()
}

// TestCutConnection cuts the connection before and after everything that a change says, the commit above all.
func TestCutConnection(t *testing.T) {
	t.Parallel()
	url := postgrestest.New(t)
	socket, name := parts(url)
	for _, tt := range []struct {
		at    string
		after bool
		runs  int // of the change
	}{
		{"BEGIN", false, 1},
		{"FOR UPDATE", true, 1},
		{"SAVEPOINT", false, 2},
		{"INTO settings", true, 2},
		{commit, false, 2},
		{commit, true, 1},
	} {
		t.Run(fmt.Sprint(tt.at, tt.after), func(t *testing.T) {
			t.Parallel()
			p := newProxy(t, socket)
			// Without prepared statements every text is sent each time.
			db := open(t, postgrestest.URL(p.dir, name)+"&default_query_exec_mode=exec")
			a, store := found(t, db)
			before, err := a.Verify(t.Context())
			must(t, err)
			p.cut.Store(&cut{tt.at, tt.after})
			runs := 0
			must(t, store.Update(t.Context(), func(tx account.Tx) error {
				runs++
				return errors.Join(tx.SetSetting("key", "value"), tx.Log(account.Entry{Verb: "test", Object: "o"}))
			}))
			if p.cut.Load() != nil {
				t.Error("nothing was cut")
			}
			if runs != tt.runs {
				t.Errorf("the change ran %d times, want %d", runs, tt.runs)
			}
			after, err := a.Verify(t.Context())
			if err != nil || after.Problem != "" || after.Entries != before.Entries+1 {
				t.Errorf("the log: %+v %v", after, err)
			}
		})
	}
}

// TestCutFounding: the account's own row is made by the change whose commit is lost.
func TestCutFounding(t *testing.T) {
	t.Parallel()
	socket, name := parts(postgrestest.New(t))
	for _, after := range []bool{false, true} {
		p := newProxy(t, socket)
		db := open(t, postgrestest.URL(p.dir, name)+"&default_query_exec_mode=exec")
		p.cut.Store(&cut{commit, after})
		a, _ := found(t, db)
		verify(t, a)
		if n, err := a.People(t.Context(), "", 10); err != nil || len(n) != 1 {
			t.Errorf("%d people, %v", len(n), err)
		}
	}
}

// TestUnknownCommit: the answer to a commit is lost, and the server is not there to be asked.
func TestUnknownCommit(t *testing.T) {
	t.Parallel()
	socket, name := parts(postgrestest.New(t))
	p := newProxy(t, socket)
	db := open(t, postgrestest.URL(p.dir, name)+"&default_query_exec_mode=exec")
	a, store := found(t, db)
	p.cut.Store(&cut{commit, true})
	runs := 0
	err := store.Update(t.Context(), func(tx account.Tx) error {
		p.down.Store(true)
		runs++
		return tx.SetSetting("key", "value")
	})
	if !errors.Is(err, account.ErrUnavailable) || runs != 1 {
		t.Errorf("%v after %d runs", err, runs)
	}
	p.down.Store(false)
	must(t, store.View(t.Context(), func(tx account.Tx) error {
		if v, err := tx.Setting("key"); v != "value" {
			t.Errorf("the setting is %q, %v", v, err)
		}
		return nil
	}))
	verify(t, a)
}

// TestCutRead: a read on a connection that died while it was idle does not notice.
func TestCutRead(t *testing.T) {
	t.Parallel()
	db := open(t, postgrestest.New(t))
	a, _ := found(t, db)
	_, err := a.Describe(t.Context())
	must(t, err)
	must(t, db.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"))
	_, err = a.Describe(t.Context())
	must(t, err)
	must(t, invite(t.Context(), a, newID(t), "ada@example.com"))
}

// parts are the socket and the database of a URL.
func parts(url string) (socket, database string) {
	_, rest, _ := strings.Cut(url, "@/")
	database, _, _ = strings.Cut(rest, "?")
	_, dir, _ := strings.Cut(url, "host=")
	dir, _, _ = strings.Cut(dir, "&")
	return filepath.Join(strings.ReplaceAll(dir, "%2F", "/"), ".s.PGSQL.5432"), database
}

// TestSeveralProcesses: several processes change one account at once.
func TestSeveralProcesses(t *testing.T) {
	t.Parallel()
	url := postgrestest.New(t)
	first := open(t, url)
	a, store := found(t, first)
	info, err := a.Describe(t.Context())
	must(t, err)
	id, err := first.Accounts(t.Context(), "", 1)
	must(t, err)
	services := []*account.Service{a}
	for range 2 {
		services = append(services, account.New(account.Config{Store: open(t, url).Account(id[0])}))
	}
	const each = 40
	var wg sync.WaitGroup
	for i, s := range services {
		for w := range 4 {
			wg.Go(func() {
				for n := range each / 4 {
					if err := invite(context.Background(), s, newID(t), fmt.Sprintf("p%d-%d-%d@example.com", i, w, n)); err != nil {
						t.Error(err)
					}
					// Everybody wants this one, and one gets it.
					err := invite(context.Background(), s, newID(t), fmt.Sprintf("p%d@example.com", n))
					if err != nil && !errors.Is(err, account.ErrUserNameTaken) {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	for _, s := range services {
		if n := people(t, s); n != len(services)*each+each/4+1 {
			t.Errorf("%d people", n)
		}
		verify(t, s)
		if again, err := s.Describe(t.Context()); err != nil || again.ID != info.ID {
			t.Errorf("account %v %v", again, err)
		}
	}
	for begin := time.Now(); postgres.Writing(store); time.Sleep(time.Millisecond) {
		if time.Since(begin) > 10*time.Second {
			t.Fatal("an idle writer goes on")
		}
	}
}

// TestLockedAccount: another process holds the account's lock for too long.
func TestLockedAccount(t *testing.T) {
	t.Parallel()
	url := postgrestest.New(t)
	db, other := open(t, url), open(t, url)
	_, store := found(t, db)
	ids, err := db.Accounts(t.Context(), "", 1)
	must(t, err)
	holds, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = other.Account(ids[0]).Update(context.Background(), func(tx account.Tx) error {
			err := tx.SetSetting("a", "b")
			close(holds)
			<-release
			return err
		})
	})
	<-holds
	// Another account is not held up, and a read of this one is not either.
	_, _ = found(t, db)
	must(t, store.View(t.Context(), func(tx account.Tx) error {
		_, err := tx.Setting("a")
		return err
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var running, waiting error
	wg.Go(func() {
		running = store.Update(context.Background(), func(tx account.Tx) error { return tx.SetSetting("c", "d") })
	})
	for !postgres.Writing(store) {
		time.Sleep(time.Millisecond)
	}
	gaveUp := make(chan struct{})
	wg.Go(func() {
		defer close(gaveUp)
		waiting = store.Update(ctx, func(tx account.Tx) error { return tx.SetSetting("e", "f") })
	})
	<-gaveUp // before it could have its turn
	close(release)
	wg.Wait()
	if running != nil || !errors.Is(waiting, context.DeadlineExceeded) {
		t.Errorf("running %v, waiting %v", running, waiting)
	}
}

// TestReadOnly: after a failover the connections lead to a server that only reads.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	db := open(t, postgrestest.New(t))
	a, store := found(t, db)
	set := func(text string) {
		must(t, db.Exec(t.Context(), fmt.Sprintf("DO $$ BEGIN EXECUTE format('ALTER DATABASE %%I %s', current_database()); END $$", text)))
	}
	set("SET default_transaction_read_only = on")
	must(t, db.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"))
	if err := invite(t.Context(), a, newID(t), "ada@example.com"); !errors.Is(err, account.ErrUnavailable) {
		t.Errorf("changed what is only read: %v", err)
	}
	must(t, store.View(t.Context(), func(account.Tx) error { return nil }))
	must(t, db.Exec(t.Context(), "SET default_transaction_read_only = off"))
	set("RESET default_transaction_read_only")
	must(t, invite(t.Context(), a, newID(t), "ada@example.com"))
}

// TestDurable: a database that acknowledges before a commit is on the disk is told not to.
func TestDurable(t *testing.T) {
	t.Parallel()
	url := postgrestest.New(t)
	for set, want := range map[string]string{"off": "on", "remote_apply": "remote_apply", "local": "local"} {
		db := open(t, url+"&synchronous_commit="+set)
		_, store := found(t, db)
		must(t, store.Update(t.Context(), func(tx account.Tx) error {
			var got string
			err := postgres.Conn(tx).QueryRow(context.Background(), "SHOW synchronous_commit").Scan(&got)
			if err == nil {
				err = tx.SetSetting("a", "b")
			}
			if got != want {
				t.Errorf("%s stays %s", set, got)
			}
			return err
		}))
	}
}

// TestSwallowedFailure: a change that goes on after a statement failed is undone, whatever it returns, and alone.
func TestSwallowedFailure(t *testing.T) {
	t.Parallel()
	db := open(t, postgrestest.New(t))
	a, store := found(t, db)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			err := store.Update(t.Context(), func(tx account.Tx) error {
				if err := errors.Join(tx.SetSetting(fmt.Sprint("key", i), "set"), tx.Log(account.Entry{Verb: "test", Object: "o"})); err != nil {
					return err
				}
				if i%2 == 0 {
					u := userOf("u", 0, "")
					u.UserName, u.SignInName = ownerName, ownerName
					if err := tx.InsertUser(&u); !errors.Is(err, account.ErrUserNameTaken) {
						t.Errorf("inserted: %v", err)
					}
					if i%4 == 0 {
						panic("a bug")
					}
				}
				return nil
			})
			if (err == nil) != (i%2 == 1) || i%4 == 2 && !errors.Is(err, account.ErrUserNameTaken) {
				t.Errorf("change %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	must(t, store.View(t.Context(), func(tx account.Tx) error {
		for i := range 20 {
			if v, err := tx.Setting(fmt.Sprint("key", i)); (v == "set") != (i%2 == 1) || err != nil {
				t.Errorf("key %d is %q, %v", i, v, err)
			}
		}
		return nil
	}))
	verify(t, a)
}
