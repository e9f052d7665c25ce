package certificates_test

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/internal/redis"
	"github.com/scimbridge/scimbridge/internal/redis/redistest"
	"github.com/scimbridge/scimbridge/internal/server/certificates"
)

// storages are all that a storage may be made of.
func storages(t *testing.T) map[string]certmagic.Storage {
	t.Helper()
	folder, err := certificates.Folder(filepath.Join(t.TempDir(), "new"))
	must(t, err)
	return map[string]certmagic.Storage{
		"memory": certificates.OnShelf(certificates.NewMemoryShelf()), "folder": folder,
		"shared": shared(certificates.NewMemoryShelf(), [32]byte{1}, nil, certificates.Memory()),
		"redis":  certificates.OnShelf(onRedis(t, redistest.Start(t, redistest.Options{}))("here")),
	}
}

// onRedis makes shelves on a server, with a connection of their own.
func onRedis(t *testing.T, server *redistest.Server) func(place string) certificates.Shelf {
	t.Helper()
	c := redis.New(redis.Config{Server: server.Server(), Account: "account", Integration: "integration", Clock: time.Now, Log: discard()})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	eventually(t, "a connection to Redis", func() bool { return c.State().Up })
	return certificates.OnRedis(c)
}

func shared(shelf certificates.Shelf, secret [32]byte, former *[32]byte, own certmagic.Storage) *certificates.Shared {
	s := certificates.NewShared(certificates.SharedConfig{
		Shelf: func(place string) certificates.Shelf { return below{shelf, place + "/"} }, Secret: secret, Former: former, Own: own, Log: discard(),
	})
	s.Hurry()
	return s
}

// below is a part of a shelf.
type below struct {
	certificates.Shelf
	place string
}

func (b below) Get(ctx context.Context, name string) ([]byte, error) {
	return b.Shelf.Get(ctx, b.place+name)
}

func (b below) Set(ctx context.Context, name string, value []byte) error {
	return b.Shelf.Set(ctx, b.place+name, value)
}

func (b below) SetNew(ctx context.Context, values map[string][]byte) (bool, error) {
	placed := map[string][]byte{}
	for name, value := range values {
		placed[b.place+name] = value
	}
	return b.Shelf.SetNew(ctx, placed)
}

func (b below) Delete(ctx context.Context, names ...string) error {
	for _, name := range names {
		if err := b.Shelf.Delete(ctx, b.place+name); err != nil {
			return err
		}
	}
	return nil
}

func (b below) List(ctx context.Context, prefix string) ([]string, error) {
	list, err := b.Shelf.List(ctx, b.place+prefix)
	for i := range list {
		list[i] = strings.TrimPrefix(list[i], b.place)
	}
	return list, err
}

// TestStorage holds every storage to what certmagic.Storage asks for.
func TestStorage(t *testing.T) {
	t.Parallel()
	for name, s := range storages(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			if _, err := s.Load(ctx, "certificates/a/b.crt"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("what is not there: %v", err)
			}
			if _, err := s.Stat(ctx, "certificates/a/b.crt"); !errors.Is(err, fs.ErrNotExist) || s.Exists(ctx, "certificates") {
				t.Errorf("what is not there: %v", err)
			}
			must(t, s.Delete(ctx, "certificates/a/b.crt"))
			for key, value := range map[string]string{"certificates/a/b.crt": "1", "certificates/a/b.key": "22", "certificates/ab/c.crt": "3", "acme/x/users/u/u.json": "4"} {
				must(t, s.Store(ctx, key, []byte("before")))
				must(t, s.Store(ctx, key, []byte(value)))
			}
			if value, err := s.Load(ctx, "certificates/a/b.key"); err != nil || string(value) != "22" {
				t.Errorf("%q, %v", value, err)
			}
			if info, err := s.Stat(ctx, "certificates/a/b.key"); err != nil || info.Size != 2 || !info.IsTerminal || info.Key != "certificates/a/b.key" {
				t.Errorf("%+v, %v", info, err)
			}
			if info, err := s.Stat(ctx, "certificates/a"); err != nil || info.IsTerminal {
				t.Errorf("a folder: %+v, %v", info, err)
			}
			for _, c := range []struct {
				dir       string
				recursive bool
				want      []string
			}{
				{"certificates", false, []string{"certificates/a", "certificates/ab"}},
				{"certificates/a", false, []string{"certificates/a/b.crt", "certificates/a/b.key"}},
				{"certificates/a", true, []string{"certificates/a/b.crt", "certificates/a/b.key"}},
				{"acme/x/users", false, []string{"acme/x/users/u"}},
			} {
				list, err := s.List(ctx, c.dir, c.recursive)
				must(t, err)
				slices.Sort(list)
				if diff := cmp.Diff(c.want, list); diff != "" {
					t.Errorf("%s:\n%s", c.dir, diff)
				}
			}
			must(t, s.Delete(ctx, "certificates/a"))
			if s.Exists(ctx, "certificates/a/b.crt") || s.Exists(ctx, "certificates/a") || !s.Exists(ctx, "certificates/ab/c.crt") {
				t.Error("a folder's deletion took too much or too little")
			}
			if _, err := s.List(ctx, "certificates/a", true); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a folder that is not there: %v", err)
			}
		})
	}
}

// TestLock: of many who want a lock one has it at a time, and who waits may stop waiting.
func TestLock(t *testing.T) {
	t.Parallel()
	for name, s := range storages(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var inside, most, total atomic.Int64
			var work sync.WaitGroup
			for range 4 {
				work.Go(func() {
					for range 3 {
						if err := s.Lock(t.Context(), "issue_cert_x"); err != nil {
							t.Error(err)
							return
						}
						if n := inside.Add(1); n > most.Load() {
							most.Store(n)
						}
						total.Add(1)
						inside.Add(-1)
						if err := s.Unlock(t.Context(), "issue_cert_x"); err != nil {
							t.Error(err)
						}
					}
				})
			}
			work.Wait()
			if most.Load() != 1 || total.Load() != 12 {
				t.Errorf("%d at a time, %d in all", most.Load(), total.Load())
			}
			must(t, s.Lock(t.Context(), "other"))
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := s.Lock(ctx, "other"); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			must(t, s.Unlock(t.Context(), "other"))
		})
	}
}

// TestLockOutlived: the lock of a holder that was killed is taken over when its life is over, and not before; then the former holder cannot give it back.
func TestLockOutlived(t *testing.T) {
	t.Parallel()
	for name, shelf := range map[string]certificates.Shelf{
		"memory": certificates.NewMemoryShelf(), "redis": onRedis(t, redistest.Start(t, redistest.Options{}))("here"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outlived(t, shelf)
		})
	}
}

func outlived(t *testing.T, shelf certificates.Shelf) {
	t.Helper()
	if ok, err := shelf.Lock(t.Context(), "locks/x", "one", certificates.LockLife); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if ok, err := shelf.Lock(t.Context(), "locks/x", "two", certificates.LockLife); ok || err != nil {
		t.Fatal(ok, err)
	}
	if ok, err := shelf.Lock(t.Context(), "locks/x", "one", time.Millisecond); !ok || err != nil {
		t.Fatal(ok, err)
	}
	eventually(t, "the lock's end", func() bool {
		ok, err := shelf.Lock(t.Context(), "locks/x", "two", certificates.LockLife)
		must(t, err)
		return ok
	})
	must(t, shelf.Unlock(t.Context(), "locks/x", "one"))
	if ok, err := shelf.Lock(t.Context(), "locks/x", "three", certificates.LockLife); ok || err != nil {
		t.Fatal(ok, err)
	}
}

// TestFolderThatCannotBeWritten is refused at once.
func TestFolderThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	file := write(t, "file", "")
	if _, err := certificates.Folder(filepath.Join(file, "certificates")); err == nil || !strings.Contains(err.Error(), "certificates cannot be kept in "+file) {
		t.Error(err)
	}
}

// TestSealed: what is on the shelf tells nothing, and what was altered, moved, cut or sealed under another secret is not there.
func TestSealed(t *testing.T) {
	t.Parallel()
	ctx, shelf, nobody := t.Context(), certificates.NewMemoryShelf(), func() certmagic.Storage { return certificates.Memory() }
	s := shared(shelf, [32]byte{1}, nil, nobody())
	const key, secret = "certificates/a/b.key", "a private key"
	must(t, s.Store(ctx, key, []byte(secret)))
	names, err := shelf.List(ctx, "")
	must(t, err)
	if len(names) != 1 {
		t.Fatal(names)
	}
	sealed, err := shelf.Get(ctx, names[0])
	must(t, err)
	if strings.Contains(string(sealed), secret) || strings.Contains(names[0], "\x01") {
		t.Error("it can be read")
	}
	reader := func() *certificates.Shared { return shared(shelf, [32]byte{1}, nil, nobody()) }
	if value, err := reader().Load(ctx, key); err != nil || string(value) != secret {
		t.Errorf("%q, %v", value, err)
	}
	if _, err := shared(shelf, [32]byte{2}, nil, nobody()).Load(ctx, key); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("under another secret: %v", err)
	}
	for i := range sealed {
		changed := slices.Clone(sealed)
		changed[i] ^= 1
		must(t, shelf.Set(ctx, names[0], changed))
		if _, err := reader().Load(ctx, key); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
		must(t, shelf.Set(ctx, names[0], sealed[:i]))
		if _, err := reader().Load(ctx, key); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("cut to %d bytes: %v", i, err)
		}
	}
	moved := strings.TrimSuffix(names[0], "b.key") + "c.key"
	must(t, shelf.Set(ctx, moved, sealed))
	if _, err := reader().Load(ctx, "certificates/a/c.key"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("moved: %v", err)
	}
}

// away is a shelf that can be made unreachable.
type away struct {
	certificates.Shelf
	is atomic.Bool
}

var errAway = errors.New("away")

func (a *away) Get(ctx context.Context, name string) ([]byte, error) {
	if a.is.Load() {
		return nil, errAway
	}
	return a.Shelf.Get(ctx, name)
}

func (a *away) Set(ctx context.Context, name string, value []byte) error {
	if a.is.Load() {
		return errAway
	}
	return a.Shelf.Set(ctx, name, value)
}

func (a *away) SetNew(ctx context.Context, values map[string][]byte) (bool, error) {
	if a.is.Load() {
		return false, errAway
	}
	return a.Shelf.SetNew(ctx, values)
}

func (a *away) List(ctx context.Context, prefix string) ([]string, error) {
	if a.is.Load() {
		return nil, errAway
	}
	return a.Shelf.List(ctx, prefix)
}

// TestRedisEmptied: a server that loses what it holds is given it again by whoever has it, and replicas that share it see one
// another's certificate, and nothing that could be read without the secret.
func TestRedisEmptied(t *testing.T) {
	t.Parallel()
	ctx, server := t.Context(), redistest.Start(t, redistest.Options{})
	const key, secret = "certificates/a/scim.example.com/scim.example.com.key", "a private key"
	replica := func() *certificates.Shared {
		s := certificates.NewShared(certificates.SharedConfig{Shelf: onRedis(t, server), Secret: [32]byte{7}, Own: certificates.Memory(), Log: discard()})
		s.Hurry()
		return s
	}
	one, two := replica(), replica()
	must(t, one.Store(ctx, key, []byte(secret)))
	if value, err := two.Load(ctx, key); err != nil || string(value) != secret {
		t.Errorf("%q, %v", value, err)
	}
	for _, name := range strings.Fields(strings.Trim(server.Do("KEYS", "*"), "[]")) {
		if server.Do("TYPE", name) == "hash" && strings.Contains(server.Do("HVALS", name), secret) {
			t.Errorf("%s can be read", name)
		}
	}
	server.Do("FLUSHALL")
	if two.Exists(ctx, key) {
		t.Error("it is there though the server has lost it")
	}
	one.Keep(ctx)
	if value, err := two.Load(ctx, key); err != nil || string(value) != secret {
		t.Errorf("after it was given again: %q, %v", value, err)
	}
	server.Kill()
	if value, err := one.Load(ctx, key); err != nil || string(value) != secret {
		t.Errorf("without the server: %q, %v", value, err)
	}
	must(t, one.Lock(ctx, "issue"))
	must(t, one.Unlock(ctx, "issue"))
	server.Start()
	eventually(t, "it is given again", func() bool {
		one.Keep(ctx)
		value, err := two.Load(ctx, key)
		return err == nil && string(value) == secret
	})
}

// TestSharedAway: while the shelf is away a replica goes on with its own copy, and when it is back and empty it is given
// what was issued; what it has by then stays.
func TestSharedAway(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	shelf := &away{Shelf: certificates.NewMemoryShelf()}
	one, two := shared(shelf, [32]byte{1}, nil, certificates.Memory()), shared(shelf, [32]byte{1}, nil, certificates.Memory())
	load := func(s *certificates.Shared, key string) string {
		value, err := s.Load(ctx, key)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
		return string(value)
	}
	shelf.is.Store(true)
	must(t, one.Lock(ctx, "issue"))
	must(t, one.Store(ctx, "certificates/a/a.crt", []byte("one")))
	must(t, one.Store(ctx, "certificates/a/a.key", []byte("one's key")))
	must(t, one.Store(ctx, "acme/a/challenge_tokens/x.json", []byte("of an order")))
	must(t, one.Unlock(ctx, "issue"))
	if load(one, "certificates/a/a.crt") != "one" || load(two, "certificates/a/a.crt") != "" || !one.Exists(ctx, "certificates/a/a.key") {
		t.Error("a replica's own copy does not serve")
	}
	one.Keep(ctx)
	shelf.is.Store(false)
	if load(two, "certificates/a/a.crt") != "" {
		t.Error("it is there before it was given")
	}
	one.Keep(ctx)
	if load(two, "certificates/a/a.crt") != "one" || load(two, "certificates/a/a.key") != "one's key" {
		t.Error("what was issued was not given")
	}
	if load(two, "acme/a/challenge_tokens/x.json") != "" {
		t.Error("an order's challenge was given")
	}
	must(t, two.Store(ctx, "certificates/a/a.crt", []byte("two")))
	one.Keep(ctx)
	if load(one, "certificates/a/a.crt") != "two" {
		t.Error("an older copy took the place of a newer one")
	}
}

// TestFormerSecret: those who start with new credentials take over the certificate of those before.
func TestFormerSecret(t *testing.T) {
	t.Parallel()
	ctx, shelf := t.Context(), certificates.NewMemoryShelf()
	old := [32]byte{1}
	before := shared(shelf, old, nil, certificates.Memory())
	must(t, before.Store(ctx, "certificates/a/a.crt", []byte("cert")))
	must(t, before.Store(ctx, "acme/a/users/u/u.key", []byte("account")))
	after := shared(shelf, [32]byte{2}, &old, certificates.Memory())
	after.Keep(ctx)
	for key, want := range map[string]string{"certificates/a/a.crt": "cert", "acme/a/users/u/u.key": "account"} {
		if value, err := after.Load(ctx, key); err != nil || string(value) != want {
			t.Errorf("%s: %q, %v", key, value, err)
		}
	}
	if value, err := before.Load(ctx, "certificates/a/a.crt"); err != nil || string(value) != "cert" {
		t.Errorf("those before: %q, %v", value, err)
	}
}

// FuzzSealed: whatever somebody puts into what replicas share, a replica finds nothing there, or what a replica has put there.
func FuzzSealed(f *testing.F) {
	const key, value = "certificates/a/a.key", "a private key"
	shelf := certificates.NewMemoryShelf()
	s := shared(shelf, [32]byte{1}, nil, certificates.Memory())
	if err := s.Store(context.Background(), key, []byte(value)); err != nil {
		f.Fatal(err)
	}
	names, err := shelf.List(context.Background(), "")
	if err != nil || len(names) != 1 {
		f.Fatal(names, err)
	}
	sealed, err := shelf.Get(context.Background(), names[0])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add([]byte{1})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		shelf := certificates.NewMemoryShelf()
		must(t, shelf.Set(t.Context(), names[0], raw))
		got, err := shared(shelf, [32]byte{1}, nil, certificates.Memory()).Load(t.Context(), key)
		if err == nil && string(got) != value || err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q, %v", got, err)
		}
	})
}
