package keyset_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/keyset"
)

// counting is a source of known bytes, so that what is made of them is the same every time.
type counting byte

func (c *counting) Read(p []byte) (int, error) {
	for i := range p {
		*c++
		p[i] = byte(*c)
	}
	return len(p), nil
}

var (
	header = keyset.Header{Account: "accountaccountaccountaccou", Integration: "integrationintegrationinte", Generation: 3, URL: "", Created: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	moment = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
)

func token(t testing.TB, start byte) keyset.Token {
	t.Helper()
	c := counting(start)
	tok, err := keyset.NewToken(&c)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func sealed(t testing.TB, h keyset.Header, tok keyset.Token, start byte) []byte {
	t.Helper()
	c := counting(start)
	raw, err := keyset.Seal(h, tok, material(t, start), nil, time.Time{}, &c)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// material makes the keys that a file holds.
func material(t testing.TB, start byte) keyset.Material {
	t.Helper()
	c := counting(start + 40)
	seed, err := keyset.NewSeed(&c)
	if err != nil {
		t.Fatal(err)
	}
	key, err := seed.InvitationKey(header.Account, header.Integration, header.Generation)
	if err != nil {
		t.Fatal(err)
	}
	return keyset.Material{Seed: seed, Invitation: key}
}

// TestVectors opens what version 1 has written.
func TestVectors(t *testing.T) {
	t.Parallel()
	path := filepath.Join("testdata", "v1.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]string
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	old, err := keyset.ParseToken(v["token"])
	if err != nil {
		t.Fatal(err)
	}
	if got := derived(t, []byte(v["scimsession"]), old, "cursor"); got != v["cursor"] {
		t.Errorf("derived %s, want %s", got, v["cursor"])
	}
	if tok := token(t, 100); v["token"] != tok.Reveal() {
		t.Error("the same random bytes make another token than they did")
	}
}

func derived(t *testing.T, raw []byte, tok keyset.Token, purpose string) string {
	t.Helper()
	s, err := keyset.ParseSession(raw)
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := s.Open(tok, moment)
	if err != nil {
		t.Fatal(err)
	}
	key, err := secrets.Derive(purpose)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(key[:])
}

func TestOpen(t *testing.T) {
	t.Parallel()
	tok, other := token(t, 1), token(t, 2)
	raw := sealed(t, header, tok, 9)
	s, err := keyset.ParseSession(append(raw, '\n'))
	if err != nil {
		t.Fatal(err)
	}
	if h := s.Header(); h.Account != header.Account || h.Generation != 3 || !h.Created.Equal(header.Created) || h.TokenKeyID != tok.KeyID() {
		t.Errorf("header %+v", h)
	}
	secrets, err := s.Open(tok, moment)
	if err != nil {
		t.Fatal(err)
	}
	if !secrets.Verify(tok) || secrets.Verify(other) {
		t.Error("Verify tells the tokens apart wrongly")
	}
	if a, b := derived(t, raw, tok, "a"), derived(t, raw, tok, "b"); a == b {
		t.Error("two purposes have one key")
	}
	if a, b := derived(t, raw, tok, "a"), derived(t, sealed(t, header, tok, 77), tok, "a"); a == b {
		t.Error("two sessions have one key")
	}
	if _, err := s.Open(other, moment); !errors.Is(err, keyset.ErrWrongToken) {
		t.Errorf("another token: %v", err)
	}
	// A token with the right key id and another secret.
	text := []byte(other.Reveal())
	copy(text[4:12], tok.KeyID())
	if _, err := keyset.ParseToken(string(text)); !errors.Is(err, keyset.ErrTokenChecksum) {
		t.Errorf("a token put together: %v", err)
	}
}

// TestAlteredFilesDoNotOpen flips a bit at every position, and cuts the file everywhere.
func TestAlteredFilesDoNotOpen(t *testing.T) {
	t.Parallel()
	tok := token(t, 1)
	raw := sealed(t, header, tok, 9)
	opens := func(b []byte) error {
		s, err := keyset.ParseSession(b)
		if err != nil {
			return err
		}
		_, err = s.Open(tok, moment)
		return err
	}
	if err := opens(raw); err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		for bit := range 8 {
			b := bytes.Clone(raw)
			b[i] ^= 1 << bit
			if opens(b) == nil {
				t.Fatalf("opens with bit %d of byte %d flipped: %s", bit, i, b)
			}
		}
		if opens(raw[:i]) == nil {
			t.Fatalf("opens cut to %d bytes", i)
		}
	}
	// Members moved from another file of the same account and token.
	other := sealed(t, keyset.Header{Account: header.Account, Integration: header.Integration, Generation: 4, Created: header.Created}, tok, 33)
	var a, b map[string]any
	if json.Unmarshal(raw, &a) != nil || json.Unmarshal(other, &b) != nil {
		t.Fatal("not JSON")
	}
	for name, value := range b {
		if fmt.Sprint(a[name]) == fmt.Sprint(value) {
			continue
		}
		from, to := fmt.Sprintf("%q:%s", name, jsonOf(a[name])), fmt.Sprintf("%q:%s", name, jsonOf(value))
		moved := strings.Replace(string(raw), from, to, 1)
		if moved == string(raw) {
			t.Fatalf("%s was not moved", name)
		}
		if opens([]byte(moved)) == nil {
			t.Errorf("opens with %s of another file", name)
		}
	}
}

func jsonOf(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func TestParseSessionRefuses(t *testing.T) {
	t.Parallel()
	raw := string(sealed(t, header, token(t, 1), 9))
	for name, c := range map[string]struct {
		in   string
		want error
	}{
		"empty":           {"", keyset.ErrFormat},
		"text":            {"hello", keyset.ErrFormat},
		"another JSON":    {`{"a":1}`, keyset.ErrFormat},
		"half":            {raw[:100], keyset.ErrFormat},
		"unknown member":  {strings.Replace(raw, `"version"`, `"more":1,"version"`, 1), keyset.ErrFormat},
		"white space":     {strings.Replace(raw, `,"version"`, `, "version"`, 1), keyset.ErrAltered},
		"another order":   {strings.Replace(raw, `"version":2,"suite":"MLKEM768X25519/HKDF-SHA256/AES-256-GCM/Ed25519"`, `"suite":"MLKEM768X25519/HKDF-SHA256/AES-256-GCM/Ed25519","version":2`, 1), keyset.ErrAltered},
		"another version": {strings.Replace(raw, `"version":2`, `"version":3`, 1), keyset.ErrVersion},
		"another suite":   {strings.Replace(raw, `AES-256-GCM`, `ROT13`, 1), keyset.ErrVersion},
		"generation 0":    {strings.Replace(raw, `"generation":3`, `"generation":0`, 1), keyset.ErrAltered},
		"no date":         {strings.Replace(raw, `2026-11-24T12:00:00Z`, `yesterday`, 1), keyset.ErrAltered},
		"1Password's":     {`{"version":"2","deviceUuid":"x","encCredentials":{},"verifier":{}}`, keyset.ErrForeignSession},
		"a token":         {token(t, 1).Reveal(), keyset.ErrTokenInstead},
		"too large":       {`{"format":"` + strings.Repeat("x", 70_000) + `"}`, keyset.ErrFormat},
	} {
		_, err := keyset.ParseSession([]byte(c.in))
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), token(t, 1).Reveal()) {
			t.Errorf("%s: the error tells the token", name)
		}
	}
}

func TestParseToken(t *testing.T) {
	t.Parallel()
	tok := token(t, 5)
	text := tok.Reveal()
	again, err := keyset.ParseToken(text)
	if err != nil || again.Reveal() != text || len(text) != 62 {
		t.Fatalf("%q: %v", text, err)
	}
	for i := range text {
		for _, c := range []byte("aA0_-=z") {
			if text[i] == c {
				continue
			}
			b := []byte(text)
			b[i] = c
			if _, err := keyset.ParseToken(string(b)); err == nil {
				t.Errorf("accepted with %q at %d", c, i)
			}
		}
	}
	for _, bad := range []string{"", "scb_", text + " ", " " + text, text[:61], text + "a", strings.ToUpper(text), strings.Repeat("scb_", 20)} {
		if _, err := keyset.ParseToken(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestSecretsAreRedacted(t *testing.T) {
	t.Parallel()
	tok := token(t, 5)
	raw := sealed(t, header, tok, 9)
	s, err := keyset.ParseSession(raw)
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := s.Open(tok, moment)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "token", tok, "session", s, "secrets", secrets)
	asJSON, err := json.Marshal(map[string]any{"token": tok})
	if err != nil {
		t.Fatal(err)
	}
	secret := tok.Reveal()[13:40]
	for name, text := range map[string]string{
		"log": log.String(), "JSON": string(asJSON), "%v": fmt.Sprint(tok, s, secrets), "%+v": fmt.Sprintf("%+v %+v %+v", tok, s, secrets), "%#v": fmt.Sprintf("%#v", tok), "String": tok.String(),
	} {
		if strings.Contains(text, secret) {
			t.Errorf("%s tells the token: %s", name, text)
		}
	}
}

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

func TestRedact(t *testing.T) {
	t.Parallel()
	secret := token(t, 1).Reveal()
	for in, want := range map[string]string{
		"nothing to hide":              "nothing to hide",
		"open " + secret + ": no file": "open " + secret[:13] + "[secret]: no file",
		secret[:30] + "\n":             secret[:13] + "[secret]\n",
		"scb_aaaaaaaa_…":               "scb_aaaaaaaa_…",
	} {
		var b bytes.Buffer
		if n, err := keyset.Redact(&b).Write([]byte(in)); err != nil || n != len(in) || b.String() != want {
			t.Errorf("%q: %q, %d, %v", in, b.String(), n, err)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add(token(f, 1).Reveal())
	f.Add("scb_")
	f.Fuzz(func(t *testing.T, text string) {
		tok, err := keyset.ParseToken(text)
		if err == nil && tok.Reveal() != text {
			t.Fatalf("%q is read as %q", text, tok.Reveal())
		}
	})
}

func FuzzParseSession(f *testing.F) {
	tok := token(f, 1)
	raw := sealed(f, header, tok, 9)
	f.Add(raw)
	f.Add([]byte(`{"version":"2","deviceUuid":"x"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := keyset.ParseSession(in)
		if err != nil {
			return
		}
		if _, err := s.Open(tok, moment); err == nil && !bytes.Equal(bytes.TrimSpace(in), raw) {
			t.Fatalf("another file opens: %s", in)
		}
	})
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
