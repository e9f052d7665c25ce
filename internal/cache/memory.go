package cache

import (
	"encoding/binary"
	"fmt"
	"sync"
	"syscall"
)

// memory holds copies in a block of memory that the collector does not know: it would let the heap grow to several times
// of it. A shard is a ring, in which the newest copy overwrites the oldest, and a table of where in the ring a key's copy
// begins.
//
//	ring   copies one after another, each: length (2 bytes) ‖ stamp (6) ‖ key (14) ‖ content, at multiples of 8
//	table  buckets of 8 slots; a slot is the copy's place, as counted from the beginning of time, and 16 bits of its key
//
// A place that the ring has passed is void, so that nothing is ever taken out of the table.
type memory struct {
	block  []byte
	shards [memoryShards]shard
}

const (
	memoryShards = 16 // so that requests at once rarely wait for one another
	slotBytes    = 64 // a slot for so many bytes of the ring, so that buckets are rarely full: copies are of 60 to 400
	bucketSlots  = 8  // a cache line
	headBytes    = 8 + keyBytes
	tagBits      = 16
	lengthBits   = 16 // more than largestCopy needs
	// largestCopy is what is kept at most: larger profiles are rare and would push many others out.
	largestCopy    = 16 << 10
	smallestMemory = 1 << 20
)

type shard struct {
	mu    sync.Mutex
	ring  []byte
	table []byte
	next  uint64 // place of the next copy
}

func newMemory(size int) (*memory, error) {
	if size < smallestMemory {
		return nil, fmt.Errorf("%d bytes are too few for copies: %d at least", size, smallestMemory)
	}
	const slot, bucket = 8, slotBytes * bucketSlots
	ring := size / memoryShards / (bucket + slot*bucketSlots) * bucket
	table := ring / slotBytes * slot
	block, err := syscall.Mmap(-1, 0, memoryShards*(ring+table), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("memory for copies: %w", err)
	}
	m := &memory{block: block}
	for i := range m.shards {
		s := &m.shards[i]
		s.ring, block = block[:ring:ring], block[ring:]
		s.table, block = block[:table:table], block[table:]
		s.next = uint64(ring) // so that the zero slot is void
	}
	return m, nil
}

// close gives the memory back. From then on nothing is kept.
func (m *memory) close() error {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ring, s.table = nil, nil
	}
	return syscall.Munmap(m.block)
}

func (m *memory) shard(k copyKey) *shard { return &m.shards[k[0]%memoryShards] }

// get appends a key's copy to dst; false where there is none.
func (m *memory) get(k copyKey, dst []byte) (content []byte, stamp uint64, ok bool) {
	s := m.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ring == nil {
		return dst, 0, false
	}
	bucket := s.bucket(k)
	for i := 0; i < len(bucket); i += 8 {
		at, ok := s.holds(binary.LittleEndian.Uint64(bucket[i:]), k)
		if !ok {
			continue
		}
		head := s.ring[at:]
		lengthAndStamp := binary.LittleEndian.Uint64(head)
		n := int(lengthAndStamp & (1<<lengthBits - 1)) //nolint:gosec // below largestCopy
		return append(dst, head[headBytes:headBytes+n]...), lengthAndStamp >> lengthBits, true
	}
	return dst, 0, false
}

// put keeps a copy.
func (m *memory) put(k copyKey, stamp uint64, content []byte) {
	if len(content) > largestCopy {
		return
	}
	s := m.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ring == nil {
		return
	}
	size := uint64(headBytes+len(content)+7) &^ 7
	ring := uint64(len(s.ring))
	if s.next%ring+size > ring { // copies do not go round the end
		s.next += ring - s.next%ring
	}
	head := s.ring[s.next%ring:]
	binary.LittleEndian.PutUint64(head, stamp<<lengthBits|uint64(len(content)))
	copy(head[8:], k[:])
	copy(head[headBytes:], content)
	place := s.next
	s.next += size

	bucket := s.bucket(k)
	worst, oldest := 0, ^uint64(0)
	for i := 0; i < len(bucket); i += 8 {
		slot := binary.LittleEndian.Uint64(bucket[i:])
		if _, ok := s.holds(slot, k); ok {
			worst = i
			break
		}
		if slot>>tagBits < oldest {
			worst, oldest = i, slot>>tagBits
		}
	}
	binary.LittleEndian.PutUint64(bucket[worst:], place/8<<tagBits|uint64(k.tag()))
}

func (k *copyKey) tag() uint16 { return binary.LittleEndian.Uint16(k[8:]) }

func (s *shard) bucket(k copyKey) []byte {
	const size = bucketSlots * 8
	n := uint64(len(s.table) / size)
	i := binary.LittleEndian.Uint32(k[1:])
	begin := uint64(i) % n * size
	return s.table[begin : begin+size]
}

// holds tells whether a slot is that of a key, and where in the ring its copy begins.
func (s *shard) holds(slot uint64, k copyKey) (at uint64, ok bool) {
	place := slot >> tagBits * 8
	if uint16(slot) != k.tag() || place+uint64(len(s.ring)) < s.next || place >= s.next { //nolint:gosec // the low bits
		return 0, false
	}
	at = place % uint64(len(s.ring))
	return at, copyKey(s.ring[at+8:at+headBytes]) == k
}
