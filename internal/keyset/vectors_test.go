package keyset_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/internal/keyset"
)

var update = flag.Bool("update", false, "write golden files that are missing; a format that has been written is never changed")

// golden reads a file of vectors. With -update it is written first, if there is none.
func golden(t testing.TB, name string, fresh func() any, into any) {
	t.Helper()
	path := filepath.Join("testdata", name)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && *update {
		text, err = json.MarshalIndent(fresh(), "", " ")
		if err == nil {
			text = append(text, '\n')
			err = os.WriteFile(path, text, 0o600)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		t.Fatal(err)
	}
}

type sessionVector struct {
	Token       string `json:"token"`
	Scimsession string `json:"scimsession"`
	Cursor      string `json:"cursor"` // what Derive makes for this purpose
}

func (v sessionVector) opened(t *testing.T, now time.Time) *keyset.Secrets {
	t.Helper()
	tok, err := keyset.ParseToken(v.Token)
	if err != nil {
		t.Fatal(err)
	}
	s, err := parsed(t, []byte(v.Scimsession)).Open(tok, now)
	if err != nil {
		t.Fatal(err)
	}
	cursor, err := s.Derive("cursor")
	if err != nil || hex.EncodeToString(cursor[:]) != v.Cursor {
		t.Errorf("derived %x, want %s: %v", cursor, v.Cursor, err)
	}
	return s
}

// TestSession1 opens what version 1 has written. It is not written any more.
func TestSession1(t *testing.T) {
	t.Parallel()
	var v sessionVector
	golden(t, "v1.json", nil, &v)
	s := v.opened(t, moment)
	if s.Generation() != 3 || s.Account() != account || s.Root() != (keyset.Signer{}) || s.Previous() {
		t.Errorf("generation %d of account %s", s.Generation(), s.Account())
	}
	if _, err := s.Invitation(3, invited); err != nil {
		t.Error(err)
	}
	if _, err := s.Invitation(2, invited); !errors.Is(err, keyset.ErrKeyGone) {
		t.Errorf("of the generation before: %v", err)
	}
	tok, err := keyset.ParseToken(v.Token)
	if err != nil {
		t.Fatal(err)
	}
	alterations(t, []byte(v.Scimsession), tok, moment)
}

// TestSession2 opens what version 2 has written: a file that embeds one of version 1, and one that embeds that.
func TestSession2(t *testing.T) {
	t.Parallel()
	var first sessionVector
	golden(t, "v1.json", nil, &first)
	former := []byte(first.Scimsession)
	var raw [2][]byte
	tokens := []keyset.Token{token(t, 60), token(t, 61)}
	for i := range raw {
		h := next(i + 1)
		h.Root, h.URL = keys(t, 5).Signer(), "https://account.example.com"
		raw[i] = overlapping(t, h, tokens[i], former, byte(30+i))
		former = raw[i]
	}
	vector := func(i int) sessionVector {
		return sessionVector{tokens[i].Reveal(), string(raw[i]), derived(t, raw[i], tokens[i], "cursor")}
	}
	var v [2]sessionVector
	golden(t, "v2.json", func() any { return [2]sessionVector{vector(0), vector(1)} }, &v)
	for i := range v {
		s := v[i].opened(t, moment)
		if s.Generation() != 4+i || s.Root() != keys(t, 5).Signer() || s.Keyset().Public() != keys(t, byte(70+i)).Public() {
			t.Errorf("generation %d, root %s", s.Generation(), s.Root())
		}
		if v[i] != vector(i) {
			t.Error("the same random bytes make something else than they did")
		}
	}
	at := next(1).Created.Add(time.Hour)
	if old := (sessionVector{first.Token, v[0].Scimsession, first.Cursor}).opened(t, at); !old.Previous() || old.Generation() != 3 {
		t.Errorf("the token of version 1 opens generation %d", old.Generation())
	}
	at = next(2).Created.Add(time.Hour)
	if old := (sessionVector{v[0].Token, v[1].Scimsession, v[0].Cursor}).opened(t, at); !old.Previous() || old.Generation() != 4 {
		t.Errorf("the token of generation 4 opens generation %d", old.Generation())
	}
}

// keysVector is what the keys of seeds make. Everything but what HPKE seals is the same each time.
type keysVector struct {
	Public       []byte            `json:"public"`
	Fingerprint  string            `json:"fingerprint"`
	Signer       string            `json:"signer"`
	Attestations map[string][]byte `json:"attestations"`
	Invitation   string            `json:"invitation"`
	Access       string            `json:"access"`
	Commitment   string            `json:"commitment"`
	Proof        string            `json:"proof"`
	SecretKey    string            `json:"secretKey"`
	SignIn       string            `json:"signIn"`
	SealedSeed   []byte            `json:"sealedSeed"`
	Kit          string            `json:"kit"`

	Message []byte `json:"message"` // "hello", sealed for the context "greeting"
	Grant   []byte `json:"grant"`   // of version 1, which is not written any more
}

func TestKeys1(t *testing.T) {
	t.Parallel()
	k, grantor := keys(t, 1), keys(t, 2)
	i := invitation(t, 1)
	access, commitment, proof := i.Access(), i.Commitment(), i.Proof(email, k.Public())
	sk := secretKey(t)
	u := unlocked(t, account, user, "Düsenjäger 8", sk)
	c := counting(3)
	sealedSeed, err := u.SealSeed(account, user, 1, seed(t, 5), &c)
	if err != nil {
		t.Fatal(err)
	}
	want := keysVector{
		Public: k.Public().Bytes(), Fingerprint: k.Public().Fingerprint(), Signer: k.Signer().String(), Attestations: map[string][]byte{},
		Invitation: i.Link("https://account.example.com"), Access: hex.EncodeToString(access[:]), Commitment: hex.EncodeToString(commitment[:]), Proof: hex.EncodeToString(proof[:]),
		SecretKey: sk.Reveal(), SignIn: u.Signer().String(), SealedSeed: sealedSeed, Kit: kit(t).Text(),
	}
	for _, c := range claims(t) {
		want.Attestations[fmt.Sprintf("%T", c)] = keyset.EncodeAttestation(attest(k, c))
	}
	var v keysVector
	golden(t, "keys1.json", func() any {
		fresh := want
		if fresh.Message, err = k.Public().Seal("greeting", []byte("hello")); err != nil {
			t.Fatal(err)
		}
		return fresh
	}, &v)

	if text, err := k.OpenSealed("greeting", v.Message); err != nil || string(text) != "hello" {
		t.Errorf("message %q: %v", text, err)
	}
	s, err := k.OpenGrant(v.Grant, account, groupKey, userKey, func(s keyset.Signer) bool { return s == grantor.Signer() })
	if err != nil || !s.Equal(seed(t, 3)) {
		t.Errorf("grant: %v", err)
	}
	for name, raw := range v.Attestations {
		if a, err := keyset.ParseAttestation(raw); err != nil || a.Signer.Verify(a.Claim, a.Signature) != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	v.Message, v.Grant = nil, nil
	if diff := cmp.Diff(want, v); diff != "" {
		t.Errorf("the same seeds make something else than they did (-now +then):\n%s", diff)
	}
}

// TestGrants2 opens what version 2 has written: grants that were made at once, each by itself.
func TestGrants2(t *testing.T) {
	t.Parallel()
	me, grantor, list := keys(t, 1), keys(t, 2), siblings(t, 3)
	var v [][]byte
	golden(t, "grants2.json", func() any { return grants(t, grantor, list, me.Public()) }, &v)
	if len(v) != len(list) {
		t.Fatalf("%d grants", len(v))
	}
	for i, s := range list {
		got, err := me.OpenGrant(v[i], account, s.Key, userKey, func(s keyset.Signer) bool { return s == grantor.Signer() })
		if err != nil || !got.Equal(s.Seed) {
			t.Errorf("%s: %v", s.Key, err)
		}
	}
}

// grantsOnRecord are grants of every version that has been written, of seed 3 for groupKey, by the keys of seed 2 to
// userKey's, which are those of seed 1.
func grantsOnRecord(t testing.TB) map[string][]byte {
	t.Helper()
	var one keysVector
	var two [][]byte
	golden(t, "keys1.json", nil, &one)
	golden(t, "grants2.json", nil, &two)
	return map[string][]byte{"version 1": one.Grant, "version 2": two[0]}
}
