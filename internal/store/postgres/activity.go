package postgres

import (
	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/internal/account"
)

// Log appends an entry. It becomes a row with the commit, together with the others of the batch.
func (t *tx) Log(e account.Entry) error {
	w := t.writer
	switch {
	case w == nil:
		return errReading
	case t.err != nil:
		return t.err
	}
	w.entry++
	w.entries++
	e.Number = w.entry
	w.pending = append(w.pending, e)
	w.wrote = true
	return nil
}

// keepEntries makes rows of entries.
func keepEntries(list []account.Entry) statement {
	numbers, times := make([]int64, len(list)), make([]int64, len(list))
	var texts [6][]string
	for i := range list {
		e := &list[i]
		numbers[i], times[i] = e.Number, e.Time.UnixMilli()
		for j, s := range [...]string{string(e.Caller), e.RequestID, e.Verb, e.Object, e.ObjectID, e.Detail} {
			texts[j] = append(texts[j], encode(s))
		}
	}
	return statement{
		text: `INSERT INTO activity (account, number, time, caller, request, verb, object, object_id, detail)
		SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])`,
		args: []any{numbers, times, texts[0], texts[1], texts[2], texts[3], texts[4], texts[5]},
	}
}

// settle makes rows of the entries so far, for whoever reads the log within a change.
func (t *tx) settle() error {
	w := t.writer
	if w == nil || len(w.pending) == w.kept {
		return nil
	}
	_, err := t.send(keepEntries(w.pending[w.kept:]))
	w.kept = len(w.pending)
	return err
}

func (t *tx) Entries(after int64, n int) ([]account.Entry, error) {
	if err := t.settle(); err != nil {
		return nil, err
	}
	var list []account.Entry
	err := t.rows("SELECT number, time, caller, request, verb, object, object_id, detail FROM activity WHERE account = $1 AND number > $2 ORDER BY number"+limit(n),
		[]any{after}, func(r pgx.Rows) error {
			var e account.Entry
			err := r.Scan(&e.Number, (*millis)(&e.Time), (*text)(&e.Caller), (*text)(&e.RequestID), (*text)(&e.Verb), (*text)(&e.Object), (*text)(&e.ObjectID), (*text)(&e.Detail))
			list = append(list, e)
			return err
		})
	return list, err
}

func (t *tx) Links(after int64, n int) ([]account.Link, error) {
	var list []account.Link
	err := t.rows("SELECT number, first, last, hash FROM activity_links WHERE account = $1 AND number > $2 ORDER BY number"+limit(n),
		[]any{after}, func(r pgx.Rows) error {
			var l account.Link
			err := r.Scan(&l.Number, &l.First, &l.Last, (*blob)(&l.Hash))
			list = append(list, l)
			return err
		})
	return list, err
}

func (t *tx) Head() (int64, error) {
	if err := t.settle(); err != nil {
		return 0, err
	}
	return t.number("SELECT coalesce(max(number), 0) FROM activity WHERE account = $1")
}
