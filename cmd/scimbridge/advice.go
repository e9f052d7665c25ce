package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// advice is what to do about an error of the system, whatever the program was about when it came.
var advice = []struct {
	is   error
	next string
}{
	{fs.ErrPermission, "Run this as the user whose file or folder it is, or change its owner"},
	{syscall.EROFS, "The file system is read-only: name a folder that can be written to"},
	{syscall.ENOSPC, "Make room on that disk and try again"},
	{syscall.EISDIR, "It is a folder: name the file in it. Docker makes a folder where the file to be mounted does not exist"},
	{syscall.ENOTDIR, "A file is where a folder is wanted: name another folder"},
	{fs.ErrNotExist, "See that the path is right"},
}

// advised ends an error of the system with what to do next.
func advised(err error) error {
	for _, a := range advice {
		if !errors.Is(err, a.is) {
			continue
		}
		if errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("%w. %s; this is user %d", err, a.next, os.Getuid())
		}
		return fmt.Errorf("%w. %s", err, a.next)
	}
	return err
}
