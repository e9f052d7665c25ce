package server

import "time"

// Stillness is what notices that the process stood still.
type Stillness struct{ stillness }

// NewStillness makes one.
func NewStillness(clock func() time.Time) *Stillness { return &Stillness{stillness{clock: clock}} }

// Beat notes that the process is at work.
func (s *Stillness) Beat() { s.beat() }

// JustWoke tells whether the process has stood still a moment ago.
func (s *Stillness) JustWoke() bool { return s.justWoke() }
