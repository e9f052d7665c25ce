package keyset_test

import (
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/rand"
	"strconv"
	"testing"

	"github.com/scimbridge/scimbridge/internal/keyset"
)

// BenchmarkFloor is what a grant that is made by itself cannot cost less than: one HPKE seal to a key as it is stored, and one Ed25519
// signature of what comes out.
func BenchmarkFloor(b *testing.B) {
	private, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		b.Fatal(err)
	}
	public := private.PublicKey().Bytes()
	_, sign, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	seed, info := make([]byte, 32), make([]byte, 64)
	for b.Loop() {
		kem, err := hpke.MLKEM768X25519().NewPublicKey(public)
		if err != nil {
			b.Fatal(err)
		}
		sealed, err := hpke.Seal(kem, hpke.HKDFSHA256(), hpke.AES256GCM(), info, seed)
		if err != nil {
			b.Fatal(err)
		}
		ed25519.Sign(sign, sealed)
	}
}

func BenchmarkGrant(b *testing.B) {
	grantor, to := keys(b, 1), keys(b, 2)
	s := seed(b, 3)
	for b.Loop() {
		if _, err := grantor.Grant(account, groupKey, s, userKey, to.Public()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGrants is what the bridge does to confirm somebody with so many groups: it reads the person's keys once and
// encapsulates once. ns/grant is to be compared with BenchmarkFloor.
func BenchmarkGrants(b *testing.B) {
	grantor, stored := keys(b, 1), keys(b, 2).Public().Bytes()
	for _, n := range []int{1, 5, 50} {
		list := siblings(b, n)
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for b.Loop() {
				to, err := keyset.ParseRecipient(stored)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := grantor.Grants(account, list, userKey, to); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/grant")
		})
	}
}

func BenchmarkOpenGrant(b *testing.B) {
	grantor, me := keys(b, 1), keys(b, 2)
	raw := granted(b, grantor, seed(b, 3), me.Public())
	for b.Loop() {
		if _, err := me.OpenGrant(raw, account, groupKey, userKey, anybody); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParsePublic(b *testing.B) {
	raw := keys(b, 1).Public().Bytes()
	for b.Loop() {
		if _, err := keyset.ParsePublic(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkKeyset(b *testing.B) {
	s := seed(b, 1)
	for b.Loop() {
		if _, err := s.Keyset(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	i := invitation(b, 1)
	p := keys(b, 1).Public()
	proof := i.Proof(email, p)
	for b.Loop() {
		if err := i.Check(email, p, proof[:]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	k := keys(b, 1)
	c := keyset.MembershipClaim{Account: account, Group: group, User: user}
	signature := k.Sign(c)
	for b.Loop() {
		if err := k.Signer().Verify(c, signature); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnlock(b *testing.B) {
	sk := secretKey(b)
	for b.Loop() {
		if _, err := keyset.Unlock(account, user, "correct horse", sk); err != nil {
			b.Fatal(err)
		}
	}
}
