package keyset_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/keyset"
)

var (
	header = keyset.Header{Account: account, Integration: integration, Generation: 3, Created: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	moment = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
)

func sealed(t testing.TB, h keyset.Header, tok keyset.Token, start byte) []byte {
	t.Helper()
	c := counting(start)
	raw, err := keyset.Seal(h, tok, material(t, start), nil, time.Time{}, &c)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// material makes the keys that a file of the header's generation holds.
func material(t testing.TB, start byte) keyset.Material {
	t.Helper()
	return keyset.Material{Seed: seed(t, start+40), Invitation: invitationKey(t, start, header.Generation)}
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

// TestPeerKeys: all who have a file have the same, for each purpose another one.
func TestPeerKeys(t *testing.T) {
	t.Parallel()
	var v [2]sessionVector
	golden(t, "v2.json", nil, &v)
	key := func(i int, purpose string) string {
		k, err := parsed(t, []byte(v[i].Scimsession)).PeerKey(purpose)
		if err != nil {
			t.Fatal(err)
		}
		return hex.EncodeToString(k[:])
	}
	const want = "e02dcc45c5022996fb9d00d2a010ba41b27b5b8a11c942bc28a1934fc558b00d"
	if got := key(0, "sources 1"); got != want {
		t.Errorf("the key of a file that was written is %s, and was %s", got, want)
	}
	if key(0, "sources 1") == key(1, "sources 1") || key(0, "sources 1") == key(0, "sources 2") {
		t.Error("two files or two purposes have one key")
	}
}

func TestAlteredFilesDoNotOpen(t *testing.T) {
	t.Parallel()
	tok := token(t, 1)
	raw := sealed(t, header, tok, 9)
	t.Run("alone", func(t *testing.T) {
		t.Parallel()
		alterations(t, raw, tok, moment)
	})
	t.Run("with a former one", func(t *testing.T) {
		t.Parallel()
		alterations(t, overlapping(t, next(1), token(t, 2), raw, 19), token(t, 2), moment)
	})
	// Each member from another file of the same account and token.
	h := next(1)
	h.URL, h.Root = "https://account.example.com", keys(t, 1).Signer()
	other := overlapping(t, h, tok, sealed(t, header, token(t, 2), 9), 33)
	var members map[string]any
	if err := json.Unmarshal(other, &members); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"generation", "url", "created", "peer", "root", "former", "until", "salt", "key", "payload", "previous"} {
		s, err := keyset.ParseSession(moved(t, raw, other, name))
		if err == nil {
			_, err = s.Open(tok, moment)
		}
		// previous is bound by former.
		if err == nil || !errors.Is(err, keyset.ErrWrongToken) && !errors.Is(err, keyset.ErrAltered) {
			t.Errorf("with %s of another file: %v", name, err)
		}
		delete(members, name)
	}
	for name := range members {
		switch name {
		case "format", "version", "suite", "account", "integration", "token": // the same in both
		default:
			t.Errorf("%s is moved by no test", name)
		}
	}
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

func FuzzParseSession(f *testing.F) {
	tok := token(f, 1)
	raw := sealed(f, header, tok, 9)
	f.Add(raw)
	f.Add(overlapping(f, next(1), token(f, 2), raw, 19))
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
