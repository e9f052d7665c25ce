package scim

import (
	"errors"
	"strings"
	"time"
)

// ErrTime is returned for text that is no dateTime.
var ErrTime = errors.New("not a dateTime such as 2026-01-31T12:00:00Z")

// ParseTime reads an xsd:dateTime (RFC 7643 §2.3.5): date, time to the second, optional fraction, optional "Z" or
// offset. Without an offset the time is taken as UTC. Years have four digits. The error is ErrTime.
func ParseTime(s string) (time.Time, error) {
	const seconds = len("2006-01-02T15:04:05")
	// package time would also take hours of one digit and a comma before the fraction.
	if len(s) < seconds || s[10] != 'T' && s[10] != 't' || s[13] != ':' || strings.Contains(s, ",") {
		return time.Time{}, ErrTime
	}
	if s[10] == 't' {
		s = s[:10] + "T" + s[11:]
	}
	if strings.HasSuffix(s, "z") {
		s = s[:len(s)-1] + "Z"
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t, err = time.Parse("2006-01-02T15:04:05", s)
	}
	if err != nil {
		return time.Time{}, ErrTime
	}
	return t, nil
}

// FormatTime writes a dateTime as RFC 3339 does, in UTC and to the millisecond.
func FormatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
