package keyset_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/internal/keyset"
)

func TestDecodeSession(t *testing.T) {
	t.Parallel()
	raw := sealed(t, header, token(t, 1), 9)
	std := base64.StdEncoding.EncodeToString(raw)
	lines := std[:50] + "\n" + std[50:90] + "\r\n" + std[90:]
	files := map[string]string{"/home/opuser/.op/scimsession": string(raw), "/secrets/b64": std + "\n", "/secrets/mark": "\ufeff" + string(raw), "/secrets/utf16": "\xff\xfe{\x00", "/secrets/empty": " \n"}
	read := func(path string) ([]byte, error) {
		if text, ok := files[path]; ok {
			return []byte(text), nil
		}
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	for name, value := range map[string]string{
		"path": "/home/opuser/.op/scimsession", "file of base64": "/secrets/b64", "JSON": string(raw), "base64": std, "base64 without padding": strings.TrimRight(std, "="),
		"byte order mark": "\ufeff" + string(raw), "quotes": `"` + std + `"`, "single quotes": "'" + string(raw) + "'", "file with a byte order mark": "/secrets/mark",
		"base64url": base64.URLEncoding.EncodeToString(raw), "base64url without padding": base64.RawURLEncoding.EncodeToString(raw), "base64 in lines": lines, "spaces around": "  " + std + "\n",
	} {
		got, origin, err := keyset.DecodeSession(value, read)
		if err != nil || !bytes.Equal(bytes.TrimSpace(got), raw) || origin == "" {
			t.Errorf("%s: %v from %q", name, err, origin)
		}
	}
	for name, c := range map[string]struct {
		value string
		want  error
		names string
	}{
		"empty":        {" ", keyset.ErrNoSession, "empty"},
		"missing file": {"/nowhere", keyset.ErrNoSession, "/nowhere"},
		"a token":      {token(t, 1).Reveal(), keyset.ErrTokenInstead, "OP_SESSION"},
		"a header":     {"Bearer " + token(t, 1).Reveal(), keyset.ErrTokenInstead, "OP_SESSION"},
		"nonsense":     {"a\nb", keyset.ErrFormat, "OP_SESSION"},
		"UTF-16":       {"/secrets/utf16", keyset.ErrFormat, "/secrets/utf16"},
		"empty file":   {"/secrets/empty", keyset.ErrFormat, "/secrets/empty"},
	} {
		_, origin, err := keyset.DecodeSession(c.value, read)
		if !errors.Is(err, c.want) || !strings.Contains(origin, c.names) {
			t.Errorf("%s: %v from %q", name, err, origin)
		}
	}
}

// TestSessionIsNotShown: what is no path may be the secret itself, in the wrong spelling.
func TestSessionIsNotShown(t *testing.T) {
	t.Parallel()
	raw := sealed(t, header, token(t, 1), 9)
	std, secret := base64.StdEncoding.EncodeToString(raw), token(t, 1).Reveal()
	missing := func(path string) ([]byte, error) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	for name, value := range map[string]string{
		"base64 that was cut": std[:301], "base64 with one quote": `"` + std, "JSON in brackets": "[" + string(raw) + "]",
		"a token after a word": "token=" + secret, "a header": "Authorization: Bearer " + secret,
	} {
		_, origin, err := keyset.DecodeSession(value, missing)
		text := fmt.Sprint(origin, " ", err)
		if !errors.Is(err, keyset.ErrFormat) || strings.Contains(text, std[40:60]) || strings.Contains(text, secret[20:40]) || strings.Contains(text, "salt") {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func FuzzDecodeSession(f *testing.F) {
	f.Add("/path")
	f.Add(`{"a":1}`)
	f.Add(base64.StdEncoding.EncodeToString([]byte(`{"a":1}`)))
	f.Fuzz(func(t *testing.T, value string) {
		_, origin, err := keyset.DecodeSession(value, func(string) ([]byte, error) { return nil, fs.ErrNotExist })
		if origin == "" {
			t.Fatalf("no origin of %q: %v", value, err)
		}
	})
}
