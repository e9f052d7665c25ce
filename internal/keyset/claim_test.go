package keyset_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/internal/keyset"
)

// claims has one of each kind.
func claims(t testing.TB) []keyset.Claim {
	t.Helper()
	p := keys(t, 50).Public()
	return []keyset.Claim{
		keyset.AdministratorClaim{Account: account, User: user, Serial: 1, Public: p},
		keyset.GenerationClaim{Account: account, Integration: integration, Generation: 1, Public: p},
		keyset.PersonClaim{Account: account, User: user, Serial: 1, Email: email, Public: p},
		keyset.GroupKeyClaim{Account: account, Group: group, Serial: 1, Public: p},
		keyset.OwnersClaim{Account: account, Group: group, Serial: 1, Public: p},
		keyset.MembershipClaim{Account: account, Group: group, User: user},
		keyset.ChallengeClaim{Host: "account.example.com", Account: account, Subject: user, Serial: 1, Nonce: []byte("nonce")},
		keyset.PossessionClaim{Account: account, User: user, Email: email, Number: 1, Public: p},
	}
}

// TestSignaturesMeanOneThing signs each kind of claim, and variants of one, and verifies each with all signatures.
func TestSignaturesMeanOneThing(t *testing.T) {
	t.Parallel()
	k, other := keys(t, 1), keys(t, 2)
	p, q := keys(t, 50).Public(), other.Public()
	all := append(claims(t),
		keyset.PersonClaim{Account: account, User: user, Serial: 2, Email: email, Public: p},
		keyset.PersonClaim{Account: account, User: user, Serial: 1, Email: "ann.example@example.com", Public: p},
		keyset.PersonClaim{Account: account, User: user, Serial: 1, Email: email, Public: q},
		keyset.PersonClaim{Account: account, User: group, Serial: 1, Email: email, Public: p},
		keyset.PersonClaim{Account: account + "u", User: user[1:], Serial: 1, Email: email, Public: p},
		keyset.MembershipClaim{Account: account, Group: user, User: group},
		keyset.ChallengeClaim{Host: "account.example.com", Account: account, Subject: user, Serial: 1, Nonce: []byte("another")},
	)
	for i, signed := range all {
		signature := k.Sign(signed)
		for j, c := range all {
			err := k.Signer().Verify(c, signature)
			if (err == nil) != (i == j) || err != nil && !errors.Is(err, keyset.ErrSignature) {
				t.Errorf("signature of %T %d for %T %d: %v", signed, i, c, j, err)
			}
		}
		if err := other.Signer().Verify(signed, signature); !errors.Is(err, keyset.ErrSignature) {
			t.Errorf("%T of another signer: %v", signed, err)
		}
		for _, bad := range [][]byte{nil, signature[:63], append(bytes.Clone(signature), 0)} {
			if err := k.Signer().Verify(signed, bad); !errors.Is(err, keyset.ErrSignature) {
				t.Errorf("%T, %d bytes: %v", signed, len(bad), err)
			}
		}
	}
}

func attest(k *keyset.Keyset, c keyset.Claim) keyset.Attestation {
	return keyset.Attestation{Claim: c, Signer: k.Signer(), Signature: k.Sign(c)}
}

func TestAttestation(t *testing.T) {
	t.Parallel()
	k := keys(t, 1)
	for _, c := range claims(t) {
		t.Run(fmt.Sprintf("%T", c), func(t *testing.T) {
			t.Parallel()
			want := attest(k, c)
			raw := keyset.EncodeAttestation(want)
			got, err := keyset.ParseAttestation(raw)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b keyset.Public) bool { return a == b })); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for i := range raw {
				b := bytes.Clone(raw)
				b[i] ^= 1 << (i % 8)
				if a, err := keyset.ParseAttestation(b); err == nil && a.Signer.Verify(a.Claim, a.Signature) == nil {
					t.Fatalf("verifies with a bit of byte %d flipped", i)
				}
				if _, err := keyset.ParseAttestation(raw[:i]); !errors.Is(err, keyset.ErrAttestation) {
					t.Fatalf("cut to %d bytes: %v", i, err)
				}
			}
			if _, err := keyset.ParseAttestation(append(raw, 0)); !errors.Is(err, keyset.ErrAttestation) {
				t.Errorf("a trailing byte: %v", err)
			}
		})
	}
}

func TestParseAttestationRefuses(t *testing.T) {
	t.Parallel()
	k := keys(t, 1)
	p := k.Public()
	for name, a := range map[string]keyset.Attestation{
		"no account":    attest(k, keyset.AdministratorClaim{User: user, Serial: 1, Public: p}),
		"no user":       attest(k, keyset.AdministratorClaim{Account: account, Serial: 1, Public: p}),
		"serial 0":      attest(k, keyset.AdministratorClaim{Account: account, User: user, Public: p}),
		"serial -1":     attest(k, keyset.AdministratorClaim{Account: account, User: user, Serial: -1, Public: p}),
		"serial 2^31":   attest(k, keyset.AdministratorClaim{Account: account, User: user, Serial: 1 << 31, Public: p}),
		"no keys":       attest(k, keyset.AdministratorClaim{Account: account, User: user, Serial: 1}),
		"no nonce":      attest(k, keyset.ChallengeClaim{Host: "h", Account: account, Subject: user, Serial: 1}),
		"no signer":     {Claim: keyset.MembershipClaim{Account: account, Group: group, User: user}, Signature: make([]byte, 64)},
		"no signature":  {Claim: keyset.MembershipClaim{Account: account, Group: group, User: user}, Signer: k.Signer()},
		"a long name":   attest(k, keyset.MembershipClaim{Account: account, Group: string(make([]byte, 20<<10)), User: user}),
		"no group name": attest(k, keyset.MembershipClaim{Account: account, User: user}),
	} {
		if _, err := keyset.ParseAttestation(keyset.EncodeAttestation(a)); !errors.Is(err, keyset.ErrAttestation) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseAttestation(f *testing.F) {
	for _, c := range claims(f) {
		f.Add(keyset.EncodeAttestation(attest(keys(f, 1), c)))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := keyset.ParseAttestation(raw)
		if err == nil && !bytes.Equal(keyset.EncodeAttestation(a), raw) {
			t.Fatal("read as something else")
		}
	})
}
