package keyset

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode"
)

// DecodeSession finds the scimsession in the value of OP_SESSION: a path, the file's JSON, or its base64, in the
// standard or the URL alphabet, padded or not, with line breaks or without. origin says where it was found, for
// messages. The contents are judged by ParseSession.
//
// Neither origin nor the error repeats a value that may be something else than a path: it would be a secret in the
// log, and on the page that says what is missing.
func DecodeSession(value string, readFile func(string) ([]byte, error)) (raw []byte, origin string, err error) {
	text := Bare(value)
	switch {
	case text == "":
		return nil, "OP_SESSION is empty", ErrNoSession
	case strings.HasPrefix(text, tokenPrefix):
		return nil, "OP_SESSION", ErrTokenInstead
	case text[0] == '{':
		return []byte(text), "OP_SESSION (JSON)", nil
	}
	if raw, ok := decode64(text); ok {
		return raw, "OP_SESSION (base64)", nil
	}
	if !likePath(text) {
		return nil, "OP_SESSION", fmt.Errorf("%w: it is neither a path nor JSON nor whole base64 of one (it has %d characters, and is not shown)", ErrFormat, len(text))
	}
	raw, err = readFile(text)
	var at *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, "OP_SESSION names the file " + text + ", which does not exist", ErrNoSession
	case errors.As(err, &at): // origin has the path already
		return nil, text, at.Err
	case err != nil:
		return nil, text, err
	}
	if bytes.HasPrefix(raw, []byte("\xff\xfe")) || bytes.HasPrefix(raw, []byte("\xfe\xff")) {
		return nil, text, fmt.Errorf("%w: it is in UTF-16, as PowerShell and some editors write", ErrFormat)
	}
	contents := Bare(string(raw))
	if contents == "" {
		return nil, text, fmt.Errorf("%w: it is empty", ErrFormat)
	}
	if contents[0] != '{' {
		if inner, ok := decode64(contents); ok { // secret stores hand out base64 as it was put in
			return inner, text + " (base64)", nil
		}
	}
	return []byte(contents), text, nil
}

// Bare takes off a secret what comes with copying it: white space, a byte order mark, quotes, the word Bearer.
func Bare(text string) string {
	text = strings.TrimSpace(strings.TrimPrefix(text, "\ufeff"))
	if n := len(text); n >= 2 && (text[0] == '"' || text[0] == '\'') && text[n-1] == text[0] {
		text = strings.TrimSpace(text[1 : n-1])
	}
	const scheme = "bearer "
	if len(text) > len(scheme) && strings.EqualFold(text[:len(scheme)], scheme) {
		text = strings.TrimSpace(text[len(scheme):])
	}
	return text
}

// likePath tells whether a text may be a path and nothing secret: a scimsession's base64 that was cut is a long word
// that begins like JSON.
func likePath(text string) bool {
	const longest = 1024
	if len(text) > longest || strings.Contains(text, tokenPrefix) || strings.ContainsAny(text, "{}\"") || strings.ContainsFunc(text, unicode.IsControl) {
		return false
	}
	const shortest = 40 // of what a scimsession could be recognised in
	if len(text) < shortest || strings.Contains(text, ".") {
		return true
	}
	start, err := base64.RawStdEncoding.DecodeString(text[:4])
	return err != nil || start[0] != '{'
}

// decode64 decodes base64 of JSON; anything else is none.
func decode64(text string) ([]byte, bool) {
	text = strings.Map(func(r rune) rune {
		switch r {
		case '\r', '\n', ' ', '\t', '=':
			return -1
		case '+':
			return '-'
		case '/':
			return '_'
		}
		return r
	}, text)
	raw, err := base64.RawURLEncoding.DecodeString(text)
	trimmed := bytes.TrimSpace(raw)
	return raw, err == nil && len(trimmed) > 0 && trimmed[0] == '{'
}
