package sqlite

import "syscall"

// largePages asks for pages of 2 MiB below a block of memory. Look-ups touch it all over, so that the processor would
// have to look up the address of nearly everything. Where there are none, nothing is lost.
func largePages(block []byte) { _ = syscall.Madvise(block, syscall.MADV_HUGEPAGE) }
