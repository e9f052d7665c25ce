package sqlite

import (
	"encoding/binary"
	"sync"
	"syscall"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

const (
	// cacheSize bounds the pages that all connections of the process keep in memory. The whole program is to stay
	// below 128 MB with 100,000 people and copies of all of them in package cache.
	cacheSize = 12 << 20
	pageSize  = 4096
)

// sharedCache gives SQLite one block of memory for the pages of all connections, and tells whether it took it: only
// before anything else in the process has used SQLite. The block stays until the process ends.
//
// Without it, connections of this build of SQLite (SQLITE_ENABLE_MEMORY_MANAGEMENT) take pages from one another
// although each has a limit of its own. Who has lost some gets new ones, until all limits together are reached; from
// then on it drops what it has used last, the roots of tables first, and reads it again for the next look-up. With
// one block, what goes is what nobody has used for longest.
var sharedCache = sync.OnceValue(func() bool {
	block, err := syscall.Mmap(-1, 0, cacheSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return false
	}
	largePages(block)
	tls := libc.NewTLS()
	defer tls.Close()
	begin := uintptr(unsafe.Pointer(&block[0]))
	if configure(tls, lib.SQLITE_CONFIG_PCACHE_HDRSZ, begin) {
		slot := pageSize + int32(binary.NativeEndian.Uint32(block)) //nolint:gosec // what SQLite adds to a page, some 250 bytes
		if configure(tls, lib.SQLITE_CONFIG_PAGECACHE, begin, slot, cacheSize/slot) {
			return true
		}
	}
	_ = syscall.Munmap(block)
	return false
})

func configure(tls *libc.TLS, option int32, args ...any) bool {
	list := libc.NewVaList(args...)
	defer libc.Xfree(tls, list)
	return lib.Xsqlite3_config(tls, option, list) == lib.SQLITE_OK
}
