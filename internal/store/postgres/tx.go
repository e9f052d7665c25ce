package postgres

import (
	"errors"

	"github.com/scimbridge/scimbridge/internal/account"
)

// tx is account.Tx on a connection within a transaction.
type tx struct {
	*conn
	writer  *writer // nil while reading
	ids     readAhead[string]
	granted readAhead[int]
	group   int64 // that granted is of
}

var _ account.Tx = (*tx)(nil)

var errReading = errors.New("a change while reading") // a bug

// exec runs a change now, and tells how many rows it changed.
func (t *tx) exec(text string, args ...any) (int64, error) {
	return t.execAll(statement{text: text, args: args})
}

// execAll runs changes now, in one round trip, and tells how many rows the last one changed.
func (t *tx) execAll(list ...statement) (int64, error) {
	if t.writer == nil {
		return 0, errReading
	}
	t.writer.wrote = true
	return t.send(list...)
}

// maxAhead is how many changes wait to be sent at most.
const maxAhead = 500

// later runs a change that neither uniqueness nor a reference can refuse, and whose outcome nobody asks for: it goes
// ahead of the next statement, or of the change's end.
func (t *tx) later(text string, args ...any) error {
	switch {
	case t.writer == nil:
		return errReading
	case t.err != nil:
		return t.err
	}
	t.writer.wrote = true
	t.ahead = append(t.ahead, statement{text: text, args: args})
	if len(t.ahead) < maxAhead {
		return nil
	}
	_, err := t.send()
	return err
}

func (t *tx) Setting(key string) (string, error) {
	var v text
	err := t.one("SELECT value FROM settings WHERE account = $1 AND key = $2", []any{encode(key)}, &v)
	if errors.Is(err, account.ErrNotFound) {
		return "", nil
	}
	return string(v), err
}

func (t *tx) SetSetting(key, value string) error {
	return t.later("INSERT INTO settings (account, key, value) VALUES ($1, $2, $3) ON CONFLICT (account, key) DO UPDATE SET value = excluded.value",
		encode(key), encode(value))
}
