package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/scimbridge/scimbridge/internal/keyset"
)

// defaultSession is where the original looks when OP_SESSION is not set.
const defaultSession = "/home/opuser/.op/scimsession"

// session finds the scimsession: what OP_SESSION says, or the file where the original looks.
func session(value string) (s *keyset.Session, origin string, err error) {
	if value == "" {
		if _, err := os.Stat(defaultSession); errors.Is(err, os.ErrNotExist) {
			return nil, "OP_SESSION is not set, and there is no file " + defaultSession, keyset.ErrNoSession
		}
		value = defaultSession
	}
	raw, origin, err := keyset.DecodeSession(value, os.ReadFile)
	if err != nil {
		return nil, origin, err
	}
	s, err = keyset.ParseSession(raw)
	return s, origin, err
}

// sessionProblem says what to do about a scimsession that is there and of no use.
func sessionProblem(origin string, err error) error {
	if errors.Is(err, keyset.ErrFormat) || errors.Is(err, keyset.ErrAltered) || errors.Is(err, keyset.ErrVersion) {
		return fmt.Errorf("%s: %w. Give it the file that \"scimbridge credentials new\" wrote, unchanged", origin, err)
	}
	return fmt.Errorf("%s: %w", origin, err)
}
