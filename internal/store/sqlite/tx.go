package sqlite

import (
	"errors"

	"github.com/scimbridge/scimbridge/internal/account"
)

// tx is account.Tx on a connection within a transaction.
type tx struct {
	*conn
	writer *writer // nil while reading
}

var _ account.Tx = (*tx)(nil)

func (t *tx) Setting(key string) (string, error) {
	var v string
	err := t.one("SELECT value FROM settings WHERE key = ?", []any{key}, func(s *stmt) { v = s.text(0) })
	if errors.Is(err, account.ErrNotFound) {
		return "", nil
	}
	return v, err
}

func (t *tx) SetSetting(key, value string) error {
	_, err := t.exec("INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, value)
	return err
}
