package keyset

import (
	"bytes"
	"io"
	"regexp"
)

// tokens finds bearer tokens in a text, whole ones and those that were cut.
var tokens = regexp.MustCompile(tokenPrefix + `([a-z2-7]{1,8})_[A-Za-z0-9_-]{4,}`)

// Redact returns a writer that leaves the secrets of bearer tokens out and keeps their key ids. It is the last net
// below a log: whoever puts a token where something else belongs, finds it in no message. A token must come in a
// single Write, as loggers do.
func Redact(w io.Writer) io.Writer { return &redactor{w} }

type redactor struct{ w io.Writer }

func (r *redactor) Write(p []byte) (int, error) {
	if !bytes.Contains(p, []byte(tokenPrefix)) {
		return r.w.Write(p)
	}
	if _, err := r.w.Write(tokens.ReplaceAll(p, []byte(tokenPrefix+"${1}_[secret]"))); err != nil {
		return 0, err
	}
	return len(p), nil
}
