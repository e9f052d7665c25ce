package account_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
)

func TestTrouble(t *testing.T) {
	t.Parallel()
	var trouble account.Trouble
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	full := fmt.Errorf("%w: the disk is full", account.ErrUnavailable)
	for _, step := range []struct {
		name  string
		after time.Duration
		note  error
		want  error
	}{
		{"nothing was tried", 0, nil, nil},
		{"a rule has refused", 0, account.ErrProtected, nil},
		{"a change was not made", 0, full, full},
		{"another was, which needed no room", 4 * time.Second, nil, full},
		{"none fails any more", time.Second, nil, nil},
	} {
		now = now.Add(step.after)
		trouble.Note(step.note, now)
		if got := trouble.Err(now); got != step.want { //nolint:errorlint // the very one
			t.Errorf("%s: %v, want %v", step.name, got, step.want)
		}
	}
}
