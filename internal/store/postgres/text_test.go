package postgres_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/scimbridge/scimbridge/internal/store/postgres"
)

func FuzzEncode(f *testing.F) {
	for _, s := range []string{"", "a", "\x00", "\x01", "\x01\x01", "\x00\x01\x02", "é", "\xff", "\xc3\x28", "\ud7ff", "\U0010ffff", "a\x00\xff"} {
		f.Add(s, "a")
		f.Add(s, s+"\x00")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := postgres.Encode(a), postgres.Encode(b)
		if !utf8.ValidString(x) || strings.ContainsRune(x, 0) {
			t.Fatalf("%q is kept as %q", a, x)
		}
		if back := postgres.Decode(x); back != a {
			t.Fatalf("%q comes back as %q", a, back)
		}
		if i := postgres.Indexed(a); len(i) > 2000 || !utf8.ValidString(i) || (i == postgres.Indexed(b)) != (a == b) {
			t.Fatalf("%q is indexed as %q", a, i)
		}
		if !utf8.ValidString(a) || !utf8.ValidString(b) {
			return
		}
		if strings.Compare(a, b) != strings.Compare(x, y) {
			t.Fatalf("%q and %q are kept in another order", a, b)
		}
		if end, ok := postgres.AfterPrefix(x); ok && a != "" {
			if !utf8.ValidString(end) || (y >= x && y < end) != strings.HasPrefix(b, a) {
				t.Fatalf("%q begins with %q: from %q to %q", b, a, x, end)
			}
		}
	})
}

func TestLongKeys(t *testing.T) {
	t.Parallel()
	a, b := strings.Repeat("é", 2000)+"a", strings.Repeat("é", 2000)+"b"
	if x, y := postgres.Indexed(a), postgres.Indexed(b); x == y || len(x) > 2000 || !utf8.ValidString(x) {
		t.Errorf("%d bytes, %d bytes", len(x), len(y))
	}
}
