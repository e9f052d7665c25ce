package certificates

import (
	"context"
	"io/fs"
	"strings"
	"sync"
	"time"
)

// Shelf keeps small values under names, for one process or for several. Names are paths with slashes. An error other than
// fs.ErrNotExist means that the shelf cannot be reached now.
type Shelf interface {
	// Get returns a value; fs.ErrNotExist where there is none.
	Get(ctx context.Context, name string) ([]byte, error)
	// Set keeps a value in the place of the one before.
	Set(ctx context.Context, name string, value []byte) error
	// SetNew keeps values, all of them or none: none where any of the names has a value. It tells which.
	SetNew(ctx context.Context, values map[string][]byte) (bool, error)
	// Delete takes values away. Those that are not there are no error.
	Delete(ctx context.Context, names ...string) error
	// List returns the names that begin with a prefix, in no order.
	List(ctx context.Context, prefix string) ([]string, error)
	// Lock takes a lock for a while, or keeps one that the holder has already. It tells at once whether the holder has it
	// now. Holders choose a text that nobody else has.
	Lock(ctx context.Context, name, holder string, life time.Duration) (bool, error)
	// Unlock gives a lock back, unless somebody else has it by now.
	Unlock(ctx context.Context, name, holder string) error
}

// memory is a Shelf of one process.
type memory struct {
	mu     sync.Mutex
	values map[string][]byte
	locks  map[string]memoryLock
}

type memoryLock struct {
	holder string
	until  time.Time
}

func newMemory() *memory { return &memory{values: map[string][]byte{}, locks: map[string]memoryLock{}} }

var _ Shelf = (*memory)(nil)

func (m *memory) Get(_ context.Context, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.values[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return v, nil
}

func (m *memory) Set(_ context.Context, name string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[name] = append([]byte{}, value...)
	return nil
}

func (m *memory) SetNew(_ context.Context, values map[string][]byte) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range values {
		if _, ok := m.values[name]; ok {
			return false, nil
		}
	}
	for name, value := range values {
		m.values[name] = append([]byte{}, value...)
	}
	return true, nil
}

func (m *memory) Delete(_ context.Context, names ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range names {
		delete(m.values, name)
	}
	return nil
}

func (m *memory) List(_ context.Context, prefix string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []string
	for name := range m.values {
		if strings.HasPrefix(name, prefix) {
			list = append(list, name)
		}
	}
	return list, nil
}

func (m *memory) Lock(_ context.Context, name, holder string, life time.Duration) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, held := m.locks[name]
	if held && l.holder != holder && time.Now().Before(l.until) {
		return false, nil
	}
	m.locks[name] = memoryLock{holder, time.Now().Add(life)}
	return true, nil
}

func (m *memory) Unlock(_ context.Context, name, holder string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locks[name].holder == holder {
		delete(m.locks, name)
	}
	return nil
}
