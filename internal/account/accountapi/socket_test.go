package accountapi_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accountapi"
)

// TestSocketHandsNoGroupOverWithoutItsKey: an administrator's word is not enough where there are keys, and the refusal says
// what to do.
func TestSocketHandsNoGroupOverWithoutItsKey(t *testing.T) {
	t.Parallel()
	k := founded(t)
	dir, err := os.MkdirTemp("", "socket") // short, for the socket
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	path := filepath.Join(dir, "admin.sock")
	s, err := accountapi.Listen(path, k.Service, slog.New(slog.DiscardHandler))
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	c, err := accountapi.Dial(t.Context(), path)
	must(t, err)
	t.Cleanup(c.Close)
	g, err := k.MakeGroup(t.Context(), "Poets", nil)
	must(t, err)
	if _, err := c.Adopt(t.Context(), g.ID); !errors.Is(err, account.ErrState) || !strings.Contains(err.Error(), "scimbridge account adopt GROUP --kit FILE") {
		t.Errorf("adopt: %v", err)
	}
	if _, err := k.Group(t.Context(), g.ID); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("the group is provisioning's: %v", err)
	}
	if _, err := c.NextGeneration(t.Context(), account.Generation{}); !errors.Is(err, account.ErrState) || !strings.Contains(err.Error(), "scimbridge credentials new --kit FILE") {
		t.Errorf("credentials: %v", err)
	}
	if list, err := c.Rekeyings(t.Context(), "", 10); err != nil || len(list) > 0 {
		t.Errorf("new keys: %v %v", list, err)
	}
}
