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

// TestGrants hands several keysets over at once: one encapsulation, and each grant opens as its own group's, and
// without the others.
func TestGrants(t *testing.T) {
	t.Parallel()
	grantor, me, list := keys(t, 2), keys(t, 1), siblings(t, 4)
	made := grants(t, grantor, list, me.Public())
	for i, raw := range made {
		for j, s := range list {
			got, err := me.OpenGrant(raw, account, s.Key, userKey, anybody)
			switch {
			case i == j && (err != nil || !got.Equal(s.Seed)):
				t.Errorf("%s: another seed: %v", s.Key, err)
			case i != j && !errors.Is(err, keyset.ErrGrant):
				t.Errorf("the grant for %s opens for %s: %v", list[i].Key, s.Key, err)
			}
		}
		if !bytes.Equal(encapsulated(raw), encapsulated(made[0])) {
			t.Errorf("%s has an encapsulation of its own", list[i].Key)
		}
	}
	if again := grants(t, grantor, list, me.Public()); bytes.Equal(encapsulated(again[0]), encapsulated(made[0])) {
		t.Error("two calls share an encapsulation")
	}
	if none := grants(t, grantor, nil, me.Public()); len(none) != 0 {
		t.Errorf("%d grants of nothing", len(none))
	}
}

// TestGrantsOfTheSame asks for two different seeds in the same group's name, by mistake: both are sealed under one key,
// which must not tell anything about them.
func TestGrantsOfTheSame(t *testing.T) {
	t.Parallel()
	me, s := keys(t, 1), keyset.Subject{Key: groupKey, Seed: seed(t, 3)}
	made := grants(t, keys(t, 2), []keyset.Subject{s, s, {Key: groupKey, Seed: seed(t, 4)}}, me.Public())
	nonces := map[string]bool{}
	for _, raw := range made {
		nonces[string(sealedSeed(raw)[:12])] = true
	}
	if len(nonces) != len(made) {
		t.Errorf("%d nonces for %d grants", len(nonces), len(made))
	}
	if got, err := me.OpenGrant(made[2], account, groupKey, userKey, anybody); err != nil || !got.Equal(seed(t, 4)) {
		t.Errorf("another seed: %v", err)
	}
}

// encapsulated and sealedSeed are parts of a grant of version 2, which ends in the encapsulated key, the sealed seed and
// the signature with its length.
func encapsulated(raw []byte) []byte { return raw[len(raw)-72-60-1120 : len(raw)-72-60] }

func sealedSeed(raw []byte) []byte { return raw[len(raw)-72-60 : len(raw)-72] }

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
		r, err := c.public.Recipient()
		if err != nil {
			t.Fatal(err)
		}
		last := append(siblings(t, 2), keyset.Subject{Key: c.subject, Seed: c.seed})
		if made, err := k.Grants(c.account, last, c.to, r); !errors.Is(err, c.want) || made != nil {
			t.Errorf("%s, as the last of three: %d grants, %v, want %v", name, len(made), err, c.want)
		}
	}
	if _, err := k.Grants(account, siblings(t, 1), userKey, keyset.Recipient{}); !errors.Is(err, keyset.ErrPublic) {
		t.Errorf("no recipient: %v", err)
	}
}

// TestGrantsAreWholeOrNothing flips a bit of every byte of a grant, and cuts it everywhere.
func TestGrantsAreWholeOrNothing(t *testing.T) {
	t.Parallel()
	for version, raw := range grantsOnRecord(t) {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			wholeOrNothing(t, raw)
		})
	}
}

func wholeOrNothing(t *testing.T, raw []byte) {
	t.Helper()
	grantor, me := keys(t, 2), keys(t, 1)
	open := func(b []byte) error {
		_, err := me.OpenGrant(b, account, groupKey, userKey, anybody)
		return err
	}
	if err := open(raw); err != nil {
		t.Fatalf("as it is: %v", err)
	}
	for i := range raw {
		b := bytes.Clone(raw)
		b[i] ^= 1 << (i % 8)
		if err := open(b); !errors.Is(err, keyset.ErrGrant) && !errors.Is(err, keyset.ErrSignature) {
			t.Fatalf("a bit of byte %d flipped: %v", i, err)
		}
		// What is sealed, and what it is bound to, holds by itself: also where the grantor signs it anew.
		if again, err := keyset.Resign(b, grantor, me.Public()); err == nil && !bytes.Equal(again, raw) {
			if err := open(again); !errors.Is(err, keyset.ErrGrant) {
				t.Fatalf("a bit of byte %d flipped, and signed: %v", i, err)
			}
		}
		if err := open(raw[:i]); !errors.Is(err, keyset.ErrGrant) {
			t.Fatalf("cut to %d bytes: %v", i, err)
		}
		if _, err := keyset.GrantSigner(raw[:i]); !errors.Is(err, keyset.ErrGrant) {
			t.Fatalf("signer of a grant cut to %d bytes: %v", i, err)
		}
	}
	if err := open(append(bytes.Clone(raw), 0)); !errors.Is(err, keyset.ErrGrant) {
		t.Errorf("a trailing byte: %v", err)
	}
	for v := range 256 {
		if err := open(append([]byte{byte(v)}, raw[1:]...)); byte(v) != raw[0] && !errors.Is(err, keyset.ErrGrant) {
			t.Errorf("as version %d: %v", v, err)
		}
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
	// Grants that are the same in every process of the fuzzer.
	me, known := keys(f, 1), grantsOnRecord(f)
	for _, raw := range known {
		f.Add(raw)
		f.Add(raw[:100])
	}
	var siblings [][]byte
	golden(f, "grants2.json", nil, &siblings)
	for _, raw := range siblings[1:] {
		f.Add(raw)
		f.Add(spliced(siblings[0], raw, 60+72, 72))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if _, err := me.OpenGrant(in, account, groupKey, userKey, anybody); err == nil && !bytes.Equal(in, known["version 1"]) && !bytes.Equal(in, known["version 2"]) {
			t.Fatal("another grant opens")
		}
		again, err := keyset.ReprintGrant(in)
		if err == nil && !bytes.Equal(again, in) {
			t.Fatal("read as something else")
		}
	})
}
