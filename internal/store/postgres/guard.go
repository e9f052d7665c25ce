package postgres

import (
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/internal/account"
)

func (t *tx) GuardCount(kind, subject string, minute, after int64, n int) (int, error) {
	if err := errors.Join(
		t.later("INSERT INTO guard (account, kind, subject, minute, n) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (account, kind, subject, minute) DO UPDATE SET n = guard.n + excluded.n",
			encode(kind), encode(subject), minute, n),
		t.later("DELETE FROM guard WHERE account = $1 AND kind = $2 AND subject = $3 AND minute <= $4", encode(kind), encode(subject), after)); err != nil {
		return 0, err
	}
	sum, err := t.number("SELECT coalesce(sum(n), 0)::bigint FROM guard WHERE account = $1 AND kind = $2 AND subject = $3", encode(kind), encode(subject))
	return int(sum), err
}

func (t *tx) PutHeld(h *account.Held) error {
	users := slices.Clone(h.Users)
	var before text
	err := t.one("SELECT users FROM held WHERE account = $1 AND kind = $2 AND subject = $3", []any{encode(string(h.Kind)), encode(h.Subject)}, &before)
	if err != nil && !errors.Is(err, account.ErrNotFound) {
		return err
	}
	users = append(users, strings.Fields(string(before))...)
	slices.Sort(users)
	users = slices.Compact(users)
	return t.later("INSERT INTO held (account, kind, subject, users, at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (account, kind, subject) DO UPDATE SET users = excluded.users",
		encode(string(h.Kind)), encode(h.Subject), encode(strings.Join(users, " ")), h.At.UnixMilli())
}

func (t *tx) Held() ([]account.Held, error) {
	var list []account.Held
	err := t.rows("SELECT kind, subject, users, at FROM held WHERE account = $1 ORDER BY at, kind, subject", nil, func(r pgx.Rows) error {
		var h account.Held
		var users text
		err := r.Scan((*text)(&h.Kind), (*text)(&h.Subject), &users, (*millis)(&h.At))
		h.Users = strings.Fields(string(users))
		list = append(list, h)
		return err
	})
	return list, err
}

func (t *tx) DeleteHeld(h *account.Held) error {
	return t.later("DELETE FROM held WHERE account = $1 AND kind = $2 AND subject = $3", encode(string(h.Kind)), encode(h.Subject))
}
