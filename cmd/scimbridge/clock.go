//go:build !skewed

package main

import "time"

// clock is the clock of everything that runs for long.
func clock() time.Time { return time.Now() }
