package server_test

import (
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/server"
)

func TestStandstill(t *testing.T) {
	t.Parallel()
	now := noon
	s := server.NewStillness(func() time.Time { return now })
	for _, step := range []struct {
		name  string
		after time.Duration
		beat  bool
		want  bool
	}{
		{"nobody beats", time.Hour, false, false},
		{"the first beat", time.Hour, true, false},
		{"a busy machine", 2 * time.Second, true, false},
		{"a request on it", 2 * time.Second, false, false},
		{"it stood still, and a request is faster than the beat", 4 * time.Second, false, true},
		{"what has waited", 900 * time.Millisecond, false, true},
		{"what comes then", 200 * time.Millisecond, false, false},
		{"it stood still, and the beat is faster", time.Minute, true, true},
		{"a moment later", time.Second, true, false},
	} {
		now = now.Add(step.after)
		if step.beat {
			s.Beat()
		}
		if got := s.JustWoke(); got != step.want {
			t.Errorf("%s: %t", step.name, got)
		}
	}
}
