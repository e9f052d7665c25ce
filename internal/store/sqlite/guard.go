package sqlite

import (
	"errors"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/internal/account"
)

func (t *tx) GuardCount(kind, subject string, minute, after int64, n int) (int, error) {
	counted, err := t.exec("UPDATE guard SET n = n + ? WHERE kind = ? AND subject = ? AND minute = ?", n, kind, subject, minute)
	if err != nil {
		return 0, err
	}
	if counted == 0 { // another minute has begun
		if _, err := t.exec("INSERT INTO guard (kind, subject, minute, n) VALUES (?, ?, ?, ?)", kind, subject, minute, n); err != nil {
			return 0, err
		}
		if _, err := t.exec("DELETE FROM guard WHERE kind = ? AND subject = ? AND minute <= ?", kind, subject, after); err != nil {
			return 0, err
		}
	}
	sum, err := t.number("SELECT sum(n) FROM guard WHERE kind = ? AND subject = ?", kind, subject)
	return int(sum), err
}

func (t *tx) PutHeld(h *account.Held) error {
	users := slices.Clone(h.Users)
	err := t.one("SELECT users FROM held WHERE kind = ? AND subject = ?", []any{string(h.Kind), h.Subject}, func(s *stmt) {
		users = append(users, strings.Fields(s.text(0))...)
	})
	if err != nil && !errors.Is(err, account.ErrNotFound) {
		return err
	}
	slices.Sort(users)
	users = slices.Compact(users)
	_, err = t.exec("INSERT INTO held (kind, subject, users, at) VALUES (?, ?, ?, ?) ON CONFLICT (kind, subject) DO UPDATE SET users = excluded.users",
		string(h.Kind), h.Subject, strings.Join(users, " "), h.At.UnixMilli())
	return err
}

func (t *tx) Held() ([]account.Held, error) {
	var list []account.Held
	err := t.rows("SELECT kind, subject, users, at FROM held ORDER BY at, kind, subject", nil, func(s *stmt) error {
		list = append(list, account.Held{Kind: account.HeldKind(s.text(0)), Subject: s.text(1), Users: strings.Fields(s.text(2)), At: s.time(3)})
		return nil
	})
	return list, err
}

func (t *tx) DeleteHeld(h *account.Held) error {
	_, err := t.exec("DELETE FROM held WHERE kind = ? AND subject = ?", string(h.Kind), h.Subject)
	return err
}
