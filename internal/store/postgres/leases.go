package postgres

import (
	"errors"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
)

// clock is the server's clock in milliseconds, which goes on within a transaction.
const clock = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"

func (t *tx) Lease(name string) (account.LeaseRow, error) {
	var l account.LeaseRow
	var left int64
	err := t.one("SELECT number, holder, generation, expires - "+clock+" FROM leases WHERE account = $1 AND name = $2", []any{encode(name)},
		&l.Number, (*text)(&l.Holder), &l.Generation, &left)
	if errors.Is(err, account.ErrNotFound) {
		err = nil
	}
	l.Left = time.Duration(left) * time.Millisecond
	return l, err
}

func (t *tx) PutLease(name string, l account.Lease, life time.Duration) error {
	return t.later("INSERT INTO leases (account, name, number, holder, generation, expires) VALUES ($1, $2, $3, $4, $5, "+clock+" + $6) "+
		"ON CONFLICT (account, name) DO UPDATE SET number = excluded.number, holder = excluded.holder, generation = excluded.generation, expires = excluded.expires",
		encode(name), l.Number, encode(l.Holder), l.Generation, life.Milliseconds())
}
