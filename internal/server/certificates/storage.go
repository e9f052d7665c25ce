package certificates

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
)

const (
	// lockLife is how long a lock outlives a holder that has been killed.
	lockLife = 30 * time.Second
	// lockBeat is how often a holder says that it still is: three times in a life, so that one that got lost does no harm.
	lockBeat = lockLife / 3
	// lockPoll is how often somebody who waits for a lock looks whether it is free. An order takes several seconds.
	lockPoll = time.Second
)

// Storage is where certificates are kept, with the keys, the accounts at those who issue them, and orders under way.
type Storage = certmagic.Storage

// Memory is a storage that lasts as long as the process.
func Memory() Storage { return newStorage(newMemory(), nil) }

// Folder is a storage in a folder, which one or several processes on one file system share; it is made if it is not there.
// Its files are for their owner only, and not sealed: whoever reads them reads the process's other files too.
func Folder(dir string) (Storage, error) {
	s := &certmagic.FileStorage{Path: dir}
	const trial = "trial"
	// What is issued and cannot be kept would be ordered again and again.
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = s.Store(context.Background(), trial, []byte(trial))
	}
	if err == nil {
		err = s.Delete(context.Background(), trial)
	}
	if err != nil {
		return nil, fmt.Errorf("certificates cannot be kept in %s: %w", dir, err)
	}
	return s, nil
}

// storage is a Storage on a Shelf.
type storage struct {
	shelf Shelf
	seal  *sealer // nil: values are kept as they are
	poll  time.Duration
	beat  time.Duration

	mu   sync.Mutex // guards held
	held map[string]*lock
}

// lock is one that this process holds.
type lock struct {
	holder string
	stop   context.CancelFunc
	done   chan struct{}
}

var _ Storage = (*storage)(nil)

func newStorage(s Shelf, seal *sealer) *storage {
	return &storage{shelf: s, seal: seal, poll: lockPoll, beat: lockBeat, held: map[string]*lock{}}
}

// Store implements Storage.
func (s *storage) Store(ctx context.Context, key string, value []byte) error {
	if s.seal != nil {
		value = s.seal.seal(key, value)
	}
	return s.shelf.Set(ctx, key, value)
}

// Load implements Storage. What has been altered, or was sealed by others, counts as not there.
func (s *storage) Load(ctx context.Context, key string) ([]byte, error) {
	value, err := s.shelf.Get(ctx, key)
	if err != nil || s.seal == nil {
		return value, err
	}
	if value, err = s.seal.open(key, value); err != nil {
		return nil, errors.Join(fs.ErrNotExist, err)
	}
	return value, nil
}

// Delete implements Storage: the key, and all below it.
func (s *storage) Delete(ctx context.Context, key string) error {
	below, err := s.shelf.List(ctx, key+"/")
	if err != nil {
		return err
	}
	return s.shelf.Delete(ctx, append(below, key)...)
}

// Exists implements Storage.
func (s *storage) Exists(ctx context.Context, key string) bool {
	_, err := s.Stat(ctx, key)
	return err == nil
}

// List implements Storage.
func (s *storage) List(ctx context.Context, dir string, recursive bool) ([]string, error) {
	prefix := ""
	if dir != "" {
		prefix = strings.TrimSuffix(dir, "/") + "/"
	}
	all, err := s.shelf.List(ctx, prefix)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 && dir != "" {
		return nil, fs.ErrNotExist
	}
	var list []string
	for _, key := range all {
		if !recursive {
			first, _, _ := strings.Cut(key[len(prefix):], "/")
			key = path.Join(prefix, first)
		}
		list = append(list, key)
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// Stat implements Storage. When something was changed is not known.
func (s *storage) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	value, err := s.Load(ctx, key)
	if err == nil {
		return certmagic.KeyInfo{Key: key, Size: int64(len(value)), IsTerminal: true}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return certmagic.KeyInfo{}, err
	}
	below, err := s.shelf.List(ctx, key+"/")
	if err == nil && len(below) == 0 {
		err = fs.ErrNotExist
	}
	return certmagic.KeyInfo{Key: key}, err
}

// Lock implements Storage. It waits until the lock is free, or ctx ends, or the shelf cannot be reached.
func (s *storage) Lock(ctx context.Context, name string) error {
	holder := rand.Text()
	for {
		ok, err := s.shelf.Lock(ctx, lockKey(name), holder, lockLife)
		if err != nil {
			return err
		}
		if ok {
			s.keep(name, holder)
			return nil
		}
		if !wait(ctx, s.poll) {
			return ctx.Err()
		}
	}
}

func lockKey(name string) string { return "locks/" + name }

// keep holds on to a lock until it is given back.
func (s *storage) keep(name, holder string) {
	ctx, stop := context.WithCancel(context.Background())
	l := &lock{holder, stop, make(chan struct{})}
	s.mu.Lock()
	s.held[name] = l
	s.mu.Unlock()
	go func() {
		defer close(l.done)
		tick := time.NewTicker(s.beat)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				// Where it fails, or somebody else has the lock by now, the work goes on: that two do it is a second
				// certificate and no harm.
				_, _ = s.shelf.Lock(ctx, lockKey(name), holder, lockLife)
			}
		}
	}()
}

// Unlock implements Storage.
func (s *storage) Unlock(ctx context.Context, name string) error {
	s.mu.Lock()
	l, ok := s.held[name]
	delete(s.held, name)
	s.mu.Unlock()
	if !ok {
		return nil
	}
	l.stop()
	<-l.done
	return s.shelf.Unlock(ctx, lockKey(name), l.holder)
}
