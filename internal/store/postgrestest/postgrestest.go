// Package postgrestest gives tests a real PostgreSQL server, run from the machine's own binaries, and a fresh database
// of it for each test.
//
// The server is started by the first test of a test binary that wants one, and ends with the binary, however that
// ends: a shell waits for it beside, stops the server and removes its folder. Without PostgreSQL on the machine the
// test fails.
package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/internal/store/postgres"
)

// install says what to do without PostgreSQL.
const install = "the tests need PostgreSQL 13 or newer; install it: apt-get install postgresql (make packages does)"

// Options say what server is wanted.
type Options struct {
	// Disk is how many bytes the disk has that the server's data is on, which is then one of its own and can be filled;
	// 0: the machine's. It takes somebody who may mount.
	Disk int64
}

// Server is a PostgreSQL server.
type Server struct {
	Options
	bin, dir string
	as       *syscall.Credential // whom it runs as; nil: as the tests do
	process  *exec.Cmd
	ended    chan struct{}
	held     bool     // it stands still
	guard    *os.File // closed by the end of the test binary, which ends the server

	count    atomic.Int64 // of databases
	template sync.Once
	err      error // of template
}

// shared is the server of the test binary.
var shared = sync.OnceValues(func() (*Server, error) { return start(Options{}) })

// New makes a database with the tables of scimbridge on the test binary's server, drops it with the test, and returns
// its URL.
func New(t testing.TB) string {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return s.New(t)
}

// Empty is New without tables.
func Empty(t testing.TB) string {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return s.database(t, "template0")
}

// Start starts a server of the test's own, to be stopped and killed as the test likes.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { must(t, errors.Join(s.Kill(), s.guard.Close())) })
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// New makes a database with the tables of scimbridge, drops it with the test, and returns its URL.
func (s *Server) New(t testing.TB) string {
	t.Helper()
	s.template.Do(func() { s.err = s.makeTemplate() })
	must(t, s.err)
	return s.database(t, "scimbridge")
}

func (s *Server) makeTemplate() error {
	ctx := context.Background()
	// A collation that is not byte by byte, so that no order comes right by chance.
	if err := s.exec(ctx, "CREATE DATABASE scimbridge TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C.UTF-8'"); err != nil {
		// Before version 15 there is none to be had without the system's locales.
		if err := s.exec(ctx, "CREATE DATABASE scimbridge TEMPLATE template0 ENCODING 'UTF8'"); err != nil {
			return err
		}
	}
	db, err := postgres.Open(ctx, s.URL("scimbridge"))
	if err != nil {
		return err
	}
	return db.Close()
}

func (s *Server) database(t testing.TB, template string) string {
	t.Helper()
	name := "test" + strconv.FormatInt(s.count.Add(1), 10)
	must(t, s.exec(t.Context(), "CREATE DATABASE "+name+" TEMPLATE "+template))
	t.Cleanup(func() {
		if s.Running() && !s.held {
			must(t, s.exec(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"))
		}
	})
	return s.URL(name)
}

// exec runs a statement in the server's own database.
func (s *Server) exec(ctx context.Context, text string) (err error) {
	c, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close(ctx)) }()
	_, err = c.Exec(ctx, text)
	return err
}

// URL is the URL of a database.
func (s *Server) URL(database string) string {
	return URL(s.dir, database)
}

// URL is the URL of a database behind a socket in a folder.
func URL(dir, database string) string {
	return "postgres://postgres@/" + database + "?" + url.Values{"host": {dir}, "port": {"5432"}}.Encode()
}

// Socket is the path of the server's socket.
func (s *Server) Socket() string { return filepath.Join(s.dir, ".s.PGSQL.5432") }

// Running tells whether the server runs.
func (s *Server) Running() bool {
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

// start makes a server's folder and starts it.
func start(o Options) (s *Server, err error) {
	s = &Server{Options: o}
	if s.bin, err = binaries(); err != nil {
		return nil, err
	}
	if s.as, err = runAs(); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "postgres"); err != nil {
		return nil, err
	}
	if err := s.watch(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	if s.as != nil {
		if err := os.Chown(s.dir, int(s.as.Uid), int(s.as.Gid)); err != nil {
			return nil, errors.Join(err, s.guard.Close())
		}
	}
	if o.Disk > 0 {
		if err := s.mount(); err != nil {
			return nil, errors.Join(err, s.guard.Close())
		}
	}
	init := s.command("initdb", "--pgdata", s.data(), "--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync")
	if out, err := init.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("initdb: %w: %s", err, out), s.guard.Close())
	}
	if err := s.Start(); err != nil {
		return nil, errors.Join(err, s.guard.Close())
	}
	return s, nil
}

func (s *Server) data() string { return filepath.Join(s.disk(), "data") }

// binaries is the folder of the newest PostgreSQL.
func binaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return "", err
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path)))) // no number: the last to be taken
		return n
	}
	if len(found) > 0 {
		return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })), nil
	}
	path, err := exec.LookPath("postgres")
	if err != nil {
		return "", errors.New(install)
	}
	return filepath.Dir(path), nil
}

// runAs is somebody else than root, as whom PostgreSQL does not run.
func runAs() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(uidErr, gidErr)
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody")
}

// command runs one of PostgreSQL's programs. It has its own session, so that a terminal's interrupt leaves the ending
// to the guard.
func (s *Server) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(s.bin, name), args...)
	c.Dir = s.dir
	c.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"}
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: s.as}
	return c
}

// guardian waits for the end of its input, stops the server and removes the folder.
const guardian = `cat >/dev/null
if pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null); then
  kill -QUIT "$pid" 2>/dev/null; n=0
  kill -CONT "$pid" $(cat "/proc/$pid/task/$pid/children") 2>/dev/null
  while kill -0 "$pid" 2>/dev/null && [ $n -lt 100 ]; do n=$((n+1)); sleep 0.1; done
fi
[ "$0" = "$1" ] || $2 umount "$1" 2>/dev/null || $2 umount -l "$1"
rm -rf "$0"`

// watch starts the guardian. Its input ends when this process does, or with guard.
func (s *Server) watch() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	c := exec.Command("/bin/sh", "-c", guardian, s.dir, s.disk(), asRoot())
	c.Stdin = r
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := errors.Join(c.Start(), r.Close()); err != nil {
		return errors.Join(err, w.Close())
	}
	go func() { _ = c.Wait() }() // it ends after this process, or after guard is closed
	s.guard = w
	return nil
}

// Start starts a server that has been stopped or killed, and waits until it answers.
func (s *Server) Start() error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the server has its own
	s.process = s.command("postgres", "-D", s.data(), "-c", "listen_addresses=", "-c", "unix_socket_directories="+s.dir,
		"-c", "max_connections=200", "-c", "shared_buffers=64MB", "-c", "fsync=on", "-c", "max_wal_size="+s.logSize())
	s.process.Stdout, s.process.Stderr = log, log
	if err := s.process.Start(); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	ended := make(chan struct{})
	s.ended = ended
	go func(c *exec.Cmd) {
		_ = c.Wait() // killed or stopped, as wanted
		close(ended)
	}(s.process)
	const patience = 60 * time.Second
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		err := s.exec(context.Background(), "SELECT 1")
		if err == nil {
			return nil
		}
		if !s.Running() || time.Since(begin) > patience {
			said, _ := os.ReadFile(log.Name()) // there is nothing more to say without it
			return fmt.Errorf("postgres does not answer: %w\n%s", err, said)
		}
	}
}

// Stop stops the server in order; connections are cut.
func (s *Server) Stop() error { return s.signal(syscall.SIGINT) }

// Kill kills the server with all its processes, as a failing machine does.
func (s *Server) Kill() error {
	if !s.Running() {
		return nil
	}
	children := s.children()
	if err := s.signal(syscall.SIGKILL); err != nil {
		return err
	}
	for _, pid := range children {
		for ; syscall.Kill(pid, syscall.SIGKILL) == nil; time.Sleep(time.Millisecond) {
		}
	}
	return os.Remove(filepath.Join(s.data(), "postmaster.pid"))
}

// Hold lets the server stand still with all its processes: it keeps its connections, and answers none.
func (s *Server) Hold() error {
	s.held = true
	if err := s.process.Process.Signal(syscall.SIGSTOP); err != nil { // first, since it makes others
		return err
	}
	return s.signalChildren(syscall.SIGSTOP)
}

// Resume lets a held server go on.
func (s *Server) Resume() error {
	s.held = false
	return errors.Join(s.signalChildren(syscall.SIGCONT), s.process.Process.Signal(syscall.SIGCONT))
}

func (s *Server) signalChildren(sig syscall.Signal) error {
	var errs []error
	for _, pid := range s.children() {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (s *Server) signal(sig syscall.Signal) error {
	if err := s.process.Process.Signal(sig); err != nil {
		return err
	}
	<-s.ended
	return nil
}

// children are the server's other processes.
func (s *Server) children() []int {
	var list []int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(raw), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == strconv.Itoa(s.process.Process.Pid) {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
				list = append(list, pid)
			}
		}
	}
	return list
}
