package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/store/sqlite"
	"github.com/scimbridge/scimbridge/internal/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t testing.TB) account.Store {
		s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "account.db"))
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
