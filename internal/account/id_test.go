package account_test

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
)

func TestNewID(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	var ordered []string
	for ms := range 1000 {
		id, err := account.NewID(time.UnixMilli(int64(ms)<<10), rand.Reader)
		must(t, err)
		if !account.IsID(id) || seen[id] {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
		ordered = append(ordered, id)
	}
	// Digits sort before letters in ASCII, but after them in base32, so that only the letters tell the order.
	key := func(id string) string { return strings.Map(base32Order, id) }
	if !slices.IsSortedFunc(ordered, func(a, b string) int { return strings.Compare(key(a), key(b)) }) {
		t.Error("later ids do not come after earlier ones")
	}
	want := errors.New("no randomness")
	if _, err := account.NewID(time.Now(), iotest.ErrReader(want)); !errors.Is(err, want) {
		t.Errorf("error is %v", err)
	}
}

func base32Order(r rune) rune {
	if r >= '2' && r <= '7' {
		return r - '2' + 'z' + 1
	}
	return r
}

func TestIsID(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		adaID:                           true,
		"234567abcdefghijklmnopqrst":    true,
		"":                              false,
		adaID[1:]:                       false,
		adaID + "a":                     false,
		"A" + adaID[1:]:                 false,
		"1" + adaID[1:]:                 false,
		"8" + adaID[1:]:                 false,
		"\n" + adaID[1:]:                false,
		"=" + adaID[1:]:                 false,
		strings.Repeat("\u00e9", 13):    false,
		"aaaaaaaaaaaaaaaaaaaaaaaaa\x00": false,
	} {
		if got := account.IsID(text); got != want {
			t.Errorf("IsID(%q) is %t", text, got)
		}
	}
}

func TestFold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, in, want string }{
		{"nothing", "", ""},
		{"ASCII", "Ada.LOVELACE@Example.com", "ada.lovelace@example.com"},
		{"beyond ASCII", "ÉMILIE", "émilie"},
		{"decomposed", "E\u0301milie", "émilie"},
		{"full width", "Ａｄａ＠example", "ada@example"},
		{"half width with a mark of its own", "ｶﾞ", "ガ"},
		{"Kelvin sign", "\u212Aelvin", "kelvin"},
		{"spaces stay", " a  b ", " a  b "},
		{"accents stay", "résumé", "résumé"},
	} {
		if got := account.Fold(tt.in); got != tt.want {
			t.Errorf("%s: Fold(%q) is %q, want %q", tt.name, tt.in, got, tt.want)
		}
	}
}

// FuzzFold: a key is its own key, so that a value read from an index finds itself.
func FuzzFold(f *testing.F) {
	for _, s := range []string{"Ada", "İstanbul", "ΣΑΣ", "ｶﾞ", "\xff", "e\u0301\u0323", "ǅ", "\u1E9E", "A\u0345\u0301"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := account.Fold(s)
		if again := account.Fold(once); again != once {
			t.Errorf("Fold(%q) is %q, whose key is %q", s, once, again)
		}
	})
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	must(t, err)
	return b
}
