package keyset_test

import (
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/internal/keyset"
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
