package keyset_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/keyset"
)

// alterations flips every bit of a scimsession and cuts it everywhere: the token opens none of them.
func alterations(t *testing.T, raw []byte, tok keyset.Token, now time.Time) {
	t.Helper()
	opens := func(b []byte) bool {
		s, err := keyset.ParseSession(b)
		if err != nil {
			return false
		}
		_, err = s.Open(tok, now)
		return err == nil
	}
	if !opens(raw) {
		t.Fatal("does not open as it is")
	}
	for i := range raw {
		for bit := range 8 {
			b := bytes.Clone(raw)
			b[i] ^= 1 << bit
			if opens(b) {
				t.Fatalf("opens with bit %d of byte %d flipped: %s", bit, i, b)
			}
		}
		if opens(raw[:i]) {
			t.Fatalf("opens cut to %d bytes", i)
		}
	}
}

// moved puts members of one scimsession into another.
func moved(t testing.TB, into, from []byte, names ...string) []byte {
	t.Helper()
	var a, b map[string]any
	if json.Unmarshal(into, &a) != nil || json.Unmarshal(from, &b) != nil {
		t.Fatal("not JSON")
	}
	for _, name := range names {
		into = replaced(t, into, jsonOf(name)+":"+jsonOf(a[name]), jsonOf(name)+":"+jsonOf(b[name]))
	}
	return into
}

// replaced changes what a text must hold.
func replaced(t testing.TB, in []byte, from, to string) []byte {
	t.Helper()
	out := strings.Replace(string(in), from, to, 1)
	if out == string(in) {
		t.Fatalf("%q was not replaced", from)
	}
	return []byte(out)
}

// spliced puts a part of one text into another of the same form. The part begins and ends so many bytes before the end.
func spliced(into, from []byte, begin, end int) []byte {
	return slices.Concat(into[:len(into)-begin], from[len(from)-begin:len(from)-end], into[len(into)-end:])
}

func jsonOf(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}
