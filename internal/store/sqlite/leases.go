package sqlite

import (
	"errors"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
)

func (t *tx) Lease(name string) (account.LeaseRow, error) {
	var l account.LeaseRow
	err := t.one("SELECT number, holder, generation, expires - CAST(unixepoch('subsec') * 1000 AS INTEGER) FROM leases WHERE name = ?", []any{name}, func(s *stmt) {
		l.Number, l.Holder, l.Generation, l.Left = s.int(0), s.text(1), int(s.int(2)), time.Duration(s.int(3))*time.Millisecond
	})
	if errors.Is(err, account.ErrNotFound) {
		err = nil
	}
	return l, err
}

func (t *tx) PutLease(name string, l account.Lease, life time.Duration) error {
	_, err := t.exec(`INSERT INTO leases (name, number, holder, generation, expires) VALUES (?, ?, ?, ?, CAST(unixepoch('subsec') * 1000 AS INTEGER) + ?)
		ON CONFLICT (name) DO UPDATE SET number = excluded.number, holder = excluded.holder, generation = excluded.generation, expires = excluded.expires`,
		name, l.Number, l.Holder, l.Generation, life.Milliseconds())
	return err
}
