package cache

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

func number(n uint64) (k copyKey) {
	binary.LittleEndian.PutUint64(k[:], n*0x9e3779b97f4a7c15)
	binary.LittleEndian.PutUint32(k[8:], uint32(n)) //nolint:gosec // small
	return k
}

func content(n uint64) []byte {
	return bytes.Repeat([]byte(fmt.Sprint(n, " ")), 1+int(n%40)) //nolint:gosec // small
}

func newTestMemory(t testing.TB) *memory {
	t.Helper()
	m, err := newMemory(smallestMemory)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// TestMemory puts far more than there is room for: what is found is what was put last under its key, and the newest is
// always found.
func TestMemory(t *testing.T) {
	m := newTestMemory(t)
	const many = 50_000
	kept := 0
	for n := range uint64(many) {
		m.put(number(n%(many/2)), n, content(n))
		got, stamp, ok := m.get(number(n%(many/2)), []byte("before"))
		if !ok || stamp != n || string(got) != "before"+string(content(n)) {
			t.Fatalf("copy %d was put, and %v, %d, %q is found", n, ok, stamp, got)
		}
	}
	for n := range uint64(many / 2) {
		got, stamp, ok := m.get(number(n), nil)
		if !ok {
			continue
		}
		kept++
		if want := n + many/2; stamp != want || !bytes.Equal(got, content(want)) {
			t.Fatalf("%d: an older copy, %d, is found", n, stamp)
		}
	}
	const least = 3000 // a megabyte, in copies of some 200 bytes
	if kept < least || kept > many/4 {
		t.Errorf("%d copies are kept", kept)
	}
	if _, _, ok := m.get(number(many), nil); ok {
		t.Error("something is found under a key that was never used")
	}
}

func TestMemoryKeepsNothingLarge(t *testing.T) {
	m := newTestMemory(t)
	m.put(number(1), 1, make([]byte, largestCopy+1))
	if _, _, ok := m.get(number(1), nil); ok {
		t.Error("a copy above the limit is kept")
	}
	m.put(number(1), 2, make([]byte, largestCopy))
	if got, _, ok := m.get(number(1), nil); !ok || len(got) != largestCopy {
		t.Error("a copy at the limit is not kept")
	}
}

func TestMemoryAfterClose(t *testing.T) {
	m, err := newMemory(smallestMemory)
	if err != nil {
		t.Fatal(err)
	}
	m.put(number(1), 1, []byte("x"))
	if err := m.close(); err != nil {
		t.Fatal(err)
	}
	m.put(number(1), 1, []byte("x"))
	if _, _, ok := m.get(number(1), nil); ok {
		t.Error("memory that was given back is read")
	}
	if _, err := newMemory(smallestMemory - 1); err == nil {
		t.Error("there is no least size")
	}
}

// TestMemoryAtOnce has readers and writers at once: a copy is always whole.
func TestMemoryAtOnce(t *testing.T) {
	m := newTestMemory(t)
	var g sync.WaitGroup
	for range 4 {
		g.Go(func() {
			for range 20_000 {
				n := rand.Uint64N(5000) //nolint:gosec // no secret
				if rand.IntN(2) == 0 {  //nolint:gosec // no secret
					m.put(number(n), n, content(n))
				} else if got, stamp, ok := m.get(number(n), nil); ok && (stamp != n || !bytes.Equal(got, content(n))) {
					t.Errorf("%d: a copy of %d is found", n, stamp)
				}
			}
		})
	}
	g.Wait()
}
