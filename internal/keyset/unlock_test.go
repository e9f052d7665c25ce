package keyset_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/scimbridge/scimbridge/internal/keyset"
)

func unlocked(t testing.TB, account, user, password string, sk keyset.SecretKey) *keyset.UnlockKey {
	t.Helper()
	u, err := keyset.Unlock(account, user, password, sk)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestUnlock(t *testing.T) {
	t.Parallel()
	const password = "Düsenjäger 8"
	sk := secretKey(t)
	u := unlocked(t, account, user, password, sk)
	c := counting(3)
	sealed, err := u.SealSeed(account, user, 1, seed(t, 5), &c)
	if err != nil || len(sealed) != 61 {
		t.Fatalf("%d bytes: %v", len(sealed), err)
	}
	got, err := u.OpenSeed(account, user, 1, sealed)
	if err != nil || !got.Equal(seed(t, 5)) {
		t.Errorf("another seed: %v", err)
	}
	challenge := keyset.ChallengeClaim{Host: "h", Account: account, Subject: user, Serial: 1, Nonce: []byte("n")}
	if err := u.Signer().Verify(challenge, u.Sign(challenge)); err != nil {
		t.Error(err)
	}

	// The same password as another keyboard writes it.
	if same := unlocked(t, account, user, " Du\u0308senja\u0308ger\u00a0\uff18\t", sk); same.Signer() != u.Signer() {
		t.Error("another spelling of the password makes another key")
	}

	other := counting(90)
	anotherKey, err := keyset.NewSecretKey(account, &other)
	if err != nil {
		t.Fatal(err)
	}
	for name, w := range map[string]*keyset.UnlockKey{
		"another password":   unlocked(t, account, user, password+"9", sk),
		"upper case":         unlocked(t, account, user, strings.ToUpper(password), sk),
		"another user":       unlocked(t, account, group, password, sk),
		"another Secret Key": unlocked(t, account, user, password, anotherKey),
	} {
		if _, err := w.OpenSeed(account, user, 1, sealed); !errors.Is(err, keyset.ErrUnlock) || w.Signer() == u.Signer() {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, err := range map[string]error{
		"another account": second(u.OpenSeed(group, user, 1, sealed)),
		"another user":    second(u.OpenSeed(account, group, 1, sealed)),
		"another serial":  second(u.OpenSeed(account, user, 2, sealed)),
		"trailing byte":   second(u.OpenSeed(account, user, 1, append(bytes.Clone(sealed), 0))),
	} {
		if !errors.Is(err, keyset.ErrUnlock) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range sealed {
		b := bytes.Clone(sealed)
		b[i] ^= 1 << (i % 8)
		if _, err := u.OpenSeed(account, user, 1, b); !errors.Is(err, keyset.ErrUnlock) {
			t.Errorf("a bit of byte %d flipped: %v", i, err)
		}
		if _, err := u.OpenSeed(account, user, 1, sealed[:i]); !errors.Is(err, keyset.ErrUnlock) {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
	}
}

func TestUnlockRefuses(t *testing.T) {
	t.Parallel()
	for _, empty := range []string{"", " ", "\u00a0\t\n"} {
		if _, err := keyset.Unlock(account, user, empty, secretKey(t)); !errors.Is(err, keyset.ErrPasswordEmpty) {
			t.Errorf("%q: %v", empty, err)
		}
	}
	for name, err := range map[string]error{
		"another account's Secret Key": second(keyset.Unlock(group, user, "password", secretKey(t))),
		"no Secret Key":                second(keyset.Unlock(account, user, "password", keyset.SecretKey{})),
	} {
		if !errors.Is(err, keyset.ErrUnlock) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := counting(1)
	if _, err := unlocked(t, account, user, "password", secretKey(t)).SealSeed(account, user, 1, keyset.Seed{}, &c); !errors.Is(err, keyset.ErrSeed) {
		t.Errorf("without a seed: %v", err)
	}
}

func TestSecretKey(t *testing.T) {
	t.Parallel()
	k := secretKey(t)
	text := k.Reveal()
	if len(text) != 40 || !strings.HasPrefix(text, "S1-") || !k.Fits(account) || k.Fits(user) {
		t.Errorf("%s", text)
	}
	rapid.Check(t, func(t *rapid.T) {
		var typed strings.Builder
		for _, c := range text {
			switch {
			case c == '-' && rapid.Bool().Draw(t, "left out"):
			case rapid.Bool().Draw(t, "lower"):
				typed.WriteString(strings.ToLower(string(c)))
			default:
				typed.WriteRune(c)
			}
		}
		got, err := keyset.ParseSecretKey(typed.String())
		if err != nil || !got.Equal(k) {
			t.Fatalf("%s: %v", typed.String(), err)
		}
	})
	for _, bad := range []string{
		"", "S1", text[:39], text + "A", text + "-", "-" + text, " " + text, strings.Replace(text, "-", " ", 1), strings.Replace(text, "-", "--", 1),
		"S2" + text[2:], text[:39] + "0", text[:39] + "O", text[:39] + "1", text[:39] + "I", text[:39] + "L", text[:39] + "l", text[:4] + "-" + text[4:],
		strings.Replace(text, "S", "\u017f", 1), // the long s, an s to those who fold case
	} {
		if _, err := keyset.ParseSecretKey(bad); !errors.Is(err, keyset.ErrSecretKey) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	short := bytes.NewReader(make([]byte, 25))
	if _, err := keyset.NewSecretKey(account, short); err == nil {
		t.Error("made of too little randomness")
	}
}

// TestSecretKeyIsEven counts the letters of many Secret Keys: none is preferred.
func TestSecretKeyIsEven(t *testing.T) {
	t.Parallel()
	counts := map[rune]int{}
	random := counting(0) // all bytes equally often
	const keys, letters = 2480, 31
	for range keys {
		k, err := keyset.NewSecretKey(account, &random)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range strings.ReplaceAll(k.Reveal(), "-", "")[8:] {
			counts[c]++
		}
	}
	for c, n := range counts {
		if n != keys*26/letters {
			t.Errorf("%c: %d", c, n)
		}
	}
	if len(counts) != letters {
		t.Errorf("%d letters", len(counts))
	}
}

func FuzzParseSecretKey(f *testing.F) {
	f.Add(secretKey(f).Reveal())
	f.Add(strings.ToLower(strings.ReplaceAll(secretKey(f).Reveal(), "-", "")))
	f.Fuzz(func(t *testing.T, text string) {
		k, err := keyset.ParseSecretKey(text)
		if err != nil {
			return
		}
		plain := func(s string) string { return strings.ReplaceAll(strings.ToUpper(s), "-", "") }
		if again, err := keyset.ParseSecretKey(k.Reveal()); err != nil || !again.Equal(k) || plain(text) != plain(k.Reveal()) {
			t.Fatalf("%q is read as %q: %v", text, k.Reveal(), err)
		}
	})
}
