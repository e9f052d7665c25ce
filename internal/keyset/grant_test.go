package keyset_test

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/scimbridge/scimbridge/internal/keyset"
)

func TestGrant(t *testing.T) {
	t.Parallel()
	grantor, me := keys(t, 1), keys(t, 2)
	raw := granted(t, grantor, seed(t, 3), me.Public())
	if again := granted(t, grantor, seed(t, 3), me.Public()); bytes.Equal(raw, again) {
		t.Error("sealed twice the same")
	}
	var asked []keyset.Signer
	got, err := me.OpenGrant(raw, account, groupKey, userKey, func(s keyset.Signer) bool {
		asked = append(asked, s)
		return true
	})
	if err != nil || !got.Equal(seed(t, 3)) {
		t.Errorf("another seed: %v", err)
	}
	if len(asked) != 1 || asked[0] != grantor.Signer() {
		t.Errorf("asked about %v", asked)
	}
	if s, err := keyset.GrantSigner(raw); err != nil || s != grantor.Signer() {
		t.Errorf("signer %s: %v", s, err)
	}
}

func TestGrantRefuses(t *testing.T) {
	t.Parallel()
	k, p := keys(t, 1), keys(t, 2).Public()
	for name, c := range map[string]struct {
		account string
		subject keyset.Key
		seed    keyset.Seed
		to      keyset.Key
		public  keyset.Public
		want    error
	}{
		"no seed":         {account, groupKey, keyset.Seed{}, userKey, p, keyset.ErrSeed},
		"no public key":   {account, groupKey, seed(t, 3), userKey, keyset.Public{}, keyset.ErrPublic},
		"no account":      {"", groupKey, seed(t, 3), userKey, p, keyset.ErrGrant},
		"no subject":      {account, keyset.Key{}, seed(t, 3), userKey, p, keyset.ErrGrant},
		"serial 0":        {account, groupKey, seed(t, 3), keyset.Key{Kind: keyset.UserKey, ID: user}, p, keyset.ErrGrant},
		"serial 2^31":     {account, keyset.Key{Kind: keyset.GroupKey, ID: group, Serial: 1 << 31}, seed(t, 3), userKey, p, keyset.ErrGrant},
		"an unknown kind": {account, keyset.Key{Kind: "vault", ID: group, Serial: 1}, seed(t, 3), userKey, p, keyset.ErrGrant},
	} {
		if _, err := k.Grant(c.account, c.subject, c.seed, c.to, c.public); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// TestGrantsAreWholeOrNothing flips a bit of every byte of a grant, and cuts it everywhere.
func TestGrantsAreWholeOrNothing(t *testing.T) {
	t.Parallel()
	grantor, me := keys(t, 1), keys(t, 2)
	raw := granted(t, grantor, seed(t, 3), me.Public())
	open := func(b []byte) error {
		_, err := me.OpenGrant(b, account, groupKey, userKey, anybody)
		return err
	}
	for i := range raw {
		b := bytes.Clone(raw)
		b[i] ^= 1 << (i % 8)
		if err := open(b); !errors.Is(err, keyset.ErrGrant) && !errors.Is(err, keyset.ErrSignature) {
			t.Fatalf("a bit of byte %d flipped: %v", i, err)
		}
		if err := open(raw[:i]); !errors.Is(err, keyset.ErrGrant) {
			t.Fatalf("cut to %d bytes: %v", i, err)
		}
		if _, err := keyset.GrantSigner(raw[:i]); !errors.Is(err, keyset.ErrGrant) {
			t.Fatalf("signer of a grant cut to %d bytes: %v", i, err)
		}
	}
	if err := open(append(raw, 0)); !errors.Is(err, keyset.ErrGrant) {
		t.Errorf("a trailing byte: %v", err)
	}
}

// TestGrantsAreForOne opens a grant with what it was made for, and with anything else.
func TestGrantsAreForOne(t *testing.T) {
	t.Parallel()
	grantor, me := keys(t, 1), keys(t, 2)
	key := rapid.Custom(func(t *rapid.T) keyset.Key {
		return keyset.Key{
			Kind:   rapid.SampledFrom([]keyset.Kind{keyset.UserKey, keyset.GroupKey, keyset.IntegrationKey}).Draw(t, "kind"),
			ID:     rapid.SampledFrom([]string{"a", "aa", "b", "\x00", "aaa"}).Draw(t, "id"),
			Serial: rapid.IntRange(1, 3).Draw(t, "serial"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		subject, to := key.Draw(t, "subject"), key.Draw(t, "to")
		raw, err := grantor.Grant("a", subject, me.Seed(), to, me.Public())
		if err != nil {
			t.Fatal(err)
		}
		asSubject, asTo := key.Draw(t, "as subject"), key.Draw(t, "as recipient")
		in := rapid.SampledFrom([]string{"a", "aa"}).Draw(t, "account")
		_, err = me.OpenGrant(raw, in, asSubject, asTo, anybody)
		same := in == "a" && asSubject == subject && asTo == to
		if (err == nil) != same || err != nil && !errors.Is(err, keyset.ErrGrant) {
			t.Fatalf("%v", err)
		}
	})
}

func FuzzOpenGrant(f *testing.F) {
	var v keysVector // a grant that is the same in every process of the fuzzer
	golden(f, "keys1.json", nil, &v)
	me, raw := keys(f, 1), v.Grant
	f.Add(raw)
	f.Add(raw[:100])
	f.Fuzz(func(t *testing.T, in []byte) {
		if _, err := me.OpenGrant(in, account, groupKey, userKey, anybody); err == nil && !bytes.Equal(in, raw) {
			t.Fatal("another grant opens")
		}
		again, err := keyset.ReprintGrant(in)
		if err == nil && !bytes.Equal(again, in) {
			t.Fatal("read as something else")
		}
	})
}
