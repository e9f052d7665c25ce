package postgres

import "github.com/scimbridge/scimbridge/internal/account"

// readAhead answers questions about single numbers that come one after another, as they do for every member of a large
// group: after a few it reads a whole stretch of numbers at once instead of making a round trip for each.
type readAhead[T any] struct {
	asked int
	known map[int64]T
}

const (
	// few is after how many questions a stretch is read.
	few = 4
	// stretch is how many numbers are read then.
	stretch = 2000
)

// get is what is known of a number. read reads n from a number on. ErrNotFound where there is none.
func (a *readAhead[T]) get(number int64, read func(from int64, n int, put func(int64, T)) error) (T, error) {
	v, ok := a.known[number]
	if ok {
		return v, nil
	}
	n := 1
	if a.asked++; a.asked > few {
		n = stretch
	}
	if a.known == nil {
		a.known = map[int64]T{}
	}
	if err := read(number, n, func(number int64, v T) { a.known[number] = v }); err != nil {
		return v, err
	}
	if v, ok = a.known[number]; !ok {
		return v, account.ErrNotFound
	}
	return v, nil
}

// forget forgets what may have changed.
func (a *readAhead[T]) forget() { *a = readAhead[T]{} }
