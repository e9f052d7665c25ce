//go:build !linux

package sqlite

func largePages([]byte) {}
