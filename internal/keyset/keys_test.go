package keyset_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/scimbridge/scimbridge/internal/keyset"
)

func TestKeyset(t *testing.T) {
	t.Parallel()
	a, b := keys(t, 1), keys(t, 2)
	if a.Public() != keys(t, 1).Public() || a.Public() == b.Public() {
		t.Error("the seed does not decide on the keys")
	}
	if !a.Seed().Equal(seed(t, 1)) || a.Seed().Equal(b.Seed()) {
		t.Error("Seed is not what the keys were made of")
	}
	if a.Signer() != a.Public().Signer() {
		t.Error("two signers")
	}
	if _, err := (keyset.Seed{}).Keyset(); !errors.Is(err, keyset.ErrSeed) {
		t.Errorf("the zero value: %v", err)
	}
	if _, err := keyset.NewSeed(strings.NewReader("short")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("too little randomness: %v", err)
	}
}

func TestParsePublic(t *testing.T) {
	t.Parallel()
	p := keys(t, 1).Public()
	raw := p.Bytes()
	again, err := keyset.ParsePublic(raw)
	if err != nil || again != p || len(raw) != 1249 {
		t.Fatalf("%d bytes: %v", len(raw), err)
	}
	// at overwrites the bytes from i on.
	at := func(i int, text string) []byte {
		b := bytes.Clone(raw)
		part, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		copy(b[i:], part)
		return b
	}
	const x25519, signing = 1 + 1184, 1 + 1216
	ff := strings.Repeat("ff", 30)
	cases := map[string][]byte{
		"nothing": {}, "zero value": keyset.Public{}.Bytes(), "trailing byte": append(bytes.Clone(raw), 0),
		"version 0": at(0, "00"), "version 2": at(0, "02"),
		"ML-KEM coefficient above q": at(1, "ffffff"),
		"X25519 with the high bit":   at(x25519+31, hex.EncodeToString([]byte{raw[x25519+31] | 0x80})),
		"X25519 above p":             at(x25519, "ee"+ff+"7f"),
		"signing key above p":        at(signing, "ef"+ff+"7f"),
		"signing key p with a sign":  at(signing, "ed"+ff+"ff"),
	}
	for i := range raw {
		cases["cut"] = raw[:i]
		if _, err := keyset.ParsePublic(raw[:i]); !errors.Is(err, keyset.ErrPublic) {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
	}
	for _, small := range keyset.SmallX25519() {
		cases["X25519 "+small] = at(x25519, small)
	}
	for _, small := range keyset.SmallEd25519() {
		cases["Ed25519 "+small] = at(signing, small)
		cases["Ed25519 with a sign "+small] = at(signing, small[:62]+map[byte]string{'0': "8", '7': "f"}[small[62]]+small[63:])
	}
	for name, in := range cases {
		if _, err := keyset.ParsePublic(in); !errors.Is(err, keyset.ErrPublic) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSmallOrder shows what the tables of small order are for.
func TestSmallOrder(t *testing.T) {
	t.Parallel()
	private, err := ecdh.X25519().NewPrivateKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range keyset.SmallX25519() {
		raw, _ := hex.DecodeString(text)
		public, err := ecdh.X25519().NewPublicKey(raw)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := private.ECDH(public); err == nil {
			t.Errorf("%s is not of small order", text)
		}
	}
	// The neutral element as key, as R, and S = 0: a signature of everything, made by nobody.
	neutral := keyset.Signer{1}
	forged := append(neutral[:], make([]byte, 32)...)
	c := keyset.MembershipClaim{Account: account, Group: group, User: user}
	if !ed25519.Verify(neutral[:], []byte("anything"), forged) {
		t.Error("the standard library has begun to refuse it")
	}
	if err := neutral.Verify(c, forged); !errors.Is(err, keyset.ErrSignature) {
		t.Errorf("a signature of nobody's: %v", err)
	}
	for _, text := range keyset.SmallEd25519() {
		raw, _ := hex.DecodeString(text)
		if _, err := keyset.ParseSigner(keyset.Signer(raw).String()); !errors.Is(err, keyset.ErrPublic) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestSigner(t *testing.T) {
	t.Parallel()
	s := keys(t, 1).Signer()
	again, err := keyset.ParseSigner(s.String())
	if err != nil || again != s || len(s.String()) != 43 {
		t.Errorf("%s: %v", s, err)
	}
	asJSON, err := json.Marshal(map[string]keyset.Signer{"root": s})
	if err != nil || string(asJSON) != `{"root":"`+s.String()+`"}` {
		t.Errorf("%s: %v", asJSON, err)
	}
	var back map[string]keyset.Signer
	if err := json.Unmarshal(asJSON, &back); err != nil || back["root"] != s {
		t.Errorf("%v: %v", back, err)
	}
	for _, bad := range []string{"", s.String()[:42], s.String() + "A", s.String() + "=", " " + s.String(), s.String()[:42] + "\n", strings.Repeat("A", 43), "*" + s.String()[1:]} {
		if _, err := keyset.ParseSigner(bad); !errors.Is(err, keyset.ErrPublic) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	a, b := keys(t, 1).Public(), keys(t, 2).Public()
	if f := a.Fingerprint(); f == b.Fingerprint() || len(f) != 29 || strings.Count(f, "-") != 5 || a.String() != f {
		t.Errorf("%s and %s", a.Fingerprint(), b.Fingerprint())
	}
}

func TestSealedMessage(t *testing.T) {
	t.Parallel()
	k, other := keys(t, 1), keys(t, 2)
	rapid.Check(t, func(t *rapid.T) {
		context, text := rapid.String().Draw(t, "context"), rapid.SliceOf(rapid.Byte()).Draw(t, "text")
		sealed, err := k.Public().Seal(context, text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := k.OpenSealed(context, sealed)
		if err != nil || !bytes.Equal(got, text) || len(sealed) != len(text)+1137 {
			t.Fatalf("%q: %v", got, err)
		}
		i := rapid.IntRange(0, len(sealed)-1).Draw(t, "position")
		damaged := bytes.Clone(sealed)
		damaged[i] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		for name, err := range map[string]error{
			"another context": second(k.OpenSealed(context+"x", sealed)),
			"other keys":      second(other.OpenSealed(context, sealed)),
			"a bit flipped":   second(k.OpenSealed(context, damaged)),
			"cut":             second(k.OpenSealed(context, sealed[:i])),
		} {
			if !errors.Is(err, keyset.ErrSealed) {
				t.Fatalf("%s: %v", name, err)
			}
		}
	})
	if _, err := (keyset.Public{}).Seal("x", nil); !errors.Is(err, keyset.ErrPublic) {
		t.Errorf("to the zero value: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func FuzzParsePublic(f *testing.F) {
	f.Add(keys(f, 1).Public().Bytes())
	f.Add(keyset.Public{}.Bytes())
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := keyset.ParsePublic(raw)
		if err != nil {
			return
		}
		if !bytes.Equal(p.Bytes(), raw) {
			t.Fatal("read as something else")
		}
		if _, err := p.Seal("", nil); err != nil {
			t.Fatalf("accepted, but nothing can be sealed to it: %v", err)
		}
	})
}
