//go:build skewed

package main

import (
	"os"
	"sync"
	"time"
)

// clock is the clock of a build for tests only, wrong by as much as SCIMBRIDGE_CLOCK_OFFSET says: see test/fault.
func clock() time.Time { return time.Now().Add(offset()) }

// offset panics at what is no duration: a test that skews nothing must not pass.
var offset = sync.OnceValue(func() time.Duration {
	text := os.Getenv("SCIMBRIDGE_CLOCK_OFFSET")
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		panic(err)
	}
	return d
})
