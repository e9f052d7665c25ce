package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/scimbridge/scimbridge/internal/keyset"
)

// secretFile reads a file that holds one secret. What comes with copying it is not part of it.
func secretFile(setting, path string) (string, error) {
	raw, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !likeFile(path):
		return "", fmt.Errorf("%s names a file that does not exist, and looks like the secret itself (it is not shown). Write the secret to a file that only the bridge's user may read, and name that file", setting)
	case err != nil:
		return "", fmt.Errorf("%s: %w", setting, err)
	}
	text := keyset.Bare(string(raw))
	if text == "" {
		return "", fmt.Errorf("%s: %s is empty. Write the token to it", setting, path)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == unicode.ReplacementChar }) {
		return "", fmt.Errorf("%s: %s holds more than one word. It must hold the token, in UTF-8, and nothing else", setting, path)
	}
	return text, nil
}

// likeFile tells whether the value of a setting that names a file may be shown: people put the secret itself there.
func likeFile(path string) bool {
	const shortest = 20 // of a secret that is worth the name
	if strings.Contains(path, "scb_") || strings.ContainsAny(path, "{\n") || strings.Contains(path, "-----BEGIN") {
		return false
	}
	return len(path) < shortest || filepath.IsAbs(path) || strings.Contains(path, ".") || exists(path)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// secretOut is a file that is going to hold a secret and that only its owner may read. It appears under its name
// whole or not at all.
type secretOut struct {
	path string
	f    *os.File
}

// reserve makes sure that a secret can be written, before what cannot be undone is done for it.
func reserve(path string) (*secretOut, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a folder. Name the file to write", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, errors.Unwrap(err))
	}
	o := &secretOut{path, f}
	const room = 16 << 10 // more than any of them has
	_, err = f.Write(make([]byte, room))
	if err = errors.Join(err, f.Sync()); err != nil {
		return nil, errors.Join(err, o.discard())
	}
	return o, nil
}

// write puts the secret in its place.
func (o *secretOut) write(data []byte) error {
	_, err := o.f.WriteAt(data, 0)
	err = errors.Join(err, o.f.Truncate(int64(len(data))), o.f.Sync())
	if err == nil {
		err = os.Rename(o.f.Name(), o.path)
	}
	return err
}

// discard closes the file, and takes away one that has not been written.
func (o *secretOut) discard() error {
	err := os.Remove(o.f.Name())
	if errors.Is(err, fs.ErrNotExist) { // renamed
		err = nil
	}
	return errors.Join(err, o.f.Close())
}
