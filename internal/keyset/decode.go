package keyset

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// DecodeSession finds the scimsession in the value of OP_SESSION: a path, the file's JSON, or its base64, in the
// standard or the URL alphabet, padded or not, with line breaks or without. origin says where it was found, for
// messages. The contents are judged by ParseSession.
func DecodeSession(value string, readFile func(string) ([]byte, error)) (raw []byte, origin string, err error) {
	text := strings.TrimSpace(value)
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
	if strings.ContainsAny(text, "\r\n") || len(text) > 4096 {
		return nil, "OP_SESSION", fmt.Errorf("%w: neither a path nor JSON nor base64 of a scimsession", ErrFormat)
	}
	raw, err = readFile(text)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, "OP_SESSION names the file " + text + ", which does not exist", ErrNoSession
	case err != nil:
		return nil, "OP_SESSION", err
	}
	if raw := bytes.TrimSpace(raw); len(raw) > 0 && raw[0] != '{' {
		if inner, ok := decode64(string(raw)); ok { // secret stores hand out base64 as it was put in
			return inner, text + " (base64)", nil
		}
	}
	return raw, text, nil
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
