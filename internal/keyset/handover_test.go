package keyset_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/internal/keyset"
)

// opened opens a scimsession as a replica that has been given the token.
func opened(t testing.TB, raw []byte, tok keyset.Token, now time.Time) *keyset.Secrets {
	t.Helper()
	s, err := parsed(t, raw).Open(tok, now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func asked(t testing.TB, s *keyset.Session, generation int, k *keyset.Keyset, now time.Time) []byte {
	t.Helper()
	raw, err := s.Ask(generation, k, now)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func handedOver(t testing.TB, s *keyset.Secrets, ask []byte, now time.Time) []byte {
	t.Helper()
	raw, _, err := s.HandOver(ask, now)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestHandOver(t *testing.T) {
	t.Parallel()
	tok := token(t, 1)
	raw := sealed(t, header, tok, 9)
	giver, taker, startUp := opened(t, raw, tok, moment), parsed(t, raw), keys(t, 80)

	answer, to, err := giver.HandOver(asked(t, taker, 3, startUp, moment), moment.Add(time.Second))
	if err != nil || to != startUp.Public() {
		t.Fatalf("to %s: %v", to, err)
	}
	got, err := taker.OpenHandOver(answer, startUp, moment.Add(2*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if got.Previous() || got.Generation() != 3 || got.Account() != account || got.Integration() != integration || got.Keyset().Public() != giver.Keyset().Public() {
		t.Errorf("opened as generation %d of %s", got.Generation(), got.Account())
	}
	for _, purpose := range []string{"cursor", "page session"} {
		a, err1 := giver.Derive(purpose)
		b, err2 := got.Derive(purpose)
		if err := errors.Join(err1, err2); err != nil || a != b {
			t.Errorf("%s: two replicas have different keys: %v", purpose, err)
		}
	}
	// No token has been handed over: which is right, the file knows.
	if got.Verify(tok) || got.Verify(keyset.Token{}) {
		t.Error("a token is right although none has opened the file")
	}
	if bytes.Contains(answer, []byte(tok.Reveal())) || bytes.Contains(answer, []byte(hex.EncodeToString([]byte(tok.Reveal())))) {
		t.Error("the token is in what is handed over")
	}
	// Who was unlocked so, unlocks others.
	third := keys(t, 81)
	if _, err := taker.OpenHandOver(handedOver(t, got, asked(t, taker, 3, third, moment), moment), third, moment); err != nil {
		t.Error(err)
	}
}

// TestHandOverWhileCredentialsOverlap: each file has its own key and peer secret, and each key opens its own file, in the
// hands of replicas that have the newer file and of those that have the former one alone.
func TestHandOverWhileCredentialsOverlap(t *testing.T) {
	t.Parallel()
	older, newer := token(t, 1), token(t, 2)
	former := sealed(t, header, older, 9)
	both := overlapping(t, next(1), newer, former, 19)
	now := next(1).Created.Add(time.Hour)
	end := next(1).Created.Add(keyset.MaxOverlap)
	startUp := keys(t, 80)

	for at, want := range map[time.Time][]int{now: {4, 3}, end.Add(-time.Second): {4, 3}, end: {4}} {
		if diff := cmp.Diff(want, parsed(t, both).Generations(at)); diff != "" {
			t.Errorf("at %s: %s", at, diff)
		}
	}
	if diff := cmp.Diff([]int{3}, parsed(t, former).Generations(now)); diff != "" {
		t.Error(diff)
	}

	for name, c := range map[string]struct {
		giver      *keyset.Secrets
		taker      *keyset.Session
		generation int
		previous   bool
	}{
		"the newer key": {opened(t, both, newer, now), parsed(t, both), 4, false},
		"the former key, between replicas with both":     {opened(t, both, older, now), parsed(t, both), 3, true},
		"the former key, from a replica not replaced":    {opened(t, former, older, now), parsed(t, both), 3, true},
		"the former key, to a replica not replaced":      {opened(t, both, older, now), parsed(t, former), 3, false},
		"the former key, among replicas with that alone": {opened(t, former, older, now), parsed(t, former), 3, false},
	} {
		answer := handedOver(t, c.giver, asked(t, c.taker, c.generation, startUp, now), now)
		got, err := c.taker.OpenHandOver(answer, startUp, now)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.Generation() != c.generation || got.Previous() != c.previous || got.Keyset().Public() != c.giver.Keyset().Public() {
			t.Errorf("%s: opened generation %d, previous %v", name, got.Generation(), got.Previous())
		}
	}

	// The key of one generation is not given for the other's ask, and not taken for it.
	for _, c := range []struct {
		giver keyset.Token
		asks  int
	}{{newer, 3}, {older, 4}} {
		if _, _, err := opened(t, both, c.giver, now).HandOver(asked(t, parsed(t, both), c.asks, startUp, now), now); !errors.Is(err, keyset.ErrPeer) {
			t.Errorf("an ask for generation %d: %v", c.asks, err)
		}
	}
	// When the former token's time is over, so is its file's.
	late := handedOver(t, opened(t, former, older, end), asked(t, parsed(t, former), 3, startUp, end), end)
	if _, err := parsed(t, both).OpenHandOver(late, startUp, end); !errors.Is(err, keyset.ErrExpiredToken) {
		t.Errorf("the former key after its time: %v", err)
	}
	if _, err := parsed(t, both).Ask(3, startUp, end); !errors.Is(err, keyset.ErrExpiredToken) {
		t.Errorf("asking for the former key after its time: %v", err)
	}
	if _, err := parsed(t, both).Ask(2, startUp, now); !errors.Is(err, keyset.ErrHandOver) {
		t.Errorf("asking for a generation that nobody has: %v", err)
	}
}

// TestHandOverIsRefused is the table of attacks by whoever can write where replicas leave things for each other.
func TestHandOverIsRefused(t *testing.T) {
	t.Parallel()
	tok := token(t, 1)
	raw := sealed(t, header, tok, 9)
	of := func(change func(*keyset.Header), start byte) []byte {
		h := header
		change(&h)
		return sealed(t, h, tok, start)
	}
	nothing := func(*keyset.Header) {}
	twin, foreign := of(nothing, 12), of(func(h *keyset.Header) { h.Account = "anotheraccountanotheraccou" }, 9)
	elsewhere, later := of(func(h *keyset.Header) { h.Integration = "anotherintegrationanotheri" }, 9), of(func(h *keyset.Header) { h.Generation++ }, 9)
	startUp, other := keys(t, 80), keys(t, 81)
	giver, taker := opened(t, raw, tok, moment), parsed(t, raw)
	ask := asked(t, taker, 3, startUp, moment)
	answer := handedOver(t, giver, ask, moment)

	give := func(ask []byte, now time.Time) error {
		_, _, err := giver.HandOver(ask, now)
		return err
	}
	take := func(answer []byte, k *keyset.Keyset, now time.Time) error {
		return second(taker.OpenHandOver(answer, k, now))
	}
	// What another scimsession makes: its peer secret differs unless it was made of the same random bytes, as here those of
	// another account, integration and generation are.
	from := func(file []byte, generation int) []byte {
		return asked(t, parsed(t, file), generation, startUp, moment)
	}
	by := func(file []byte, generation int) []byte {
		return handedOver(t, opened(t, file, tok, moment), from(file, generation), moment)
	}
	// The file key of another scimsession under this one's peer secret: whoever has the file and not the token can get as far.
	forged := keyset.ForgeHandOver(taker, 3, startUp.Public(), moment, [32]byte{1})

	for name, c := range map[string]struct{ got, want error }{
		"control: an ask":                        {give(ask, moment), nil},
		"control: an ask, clocks apart":          {give(ask, moment.Add(-4*time.Minute)), nil},
		"control: a hand-over":                   {take(answer, startUp, moment), nil},
		"control: a hand-over, a minute on":      {take(answer, startUp, moment.Add(time.Minute)), nil},
		"ask without the scimsession":            {give(from(twin, 3), moment), keyset.ErrPeer},
		"ask with another's mac":                 {give(append(bytes.Clone(ask[:len(ask)-32]), from(twin, 3)[len(ask)-32:]...), moment), keyset.ErrPeer},
		"ask of another account":                 {give(from(foreign, 3), moment), keyset.ErrHandOver},
		"ask of another integration":             {give(from(elsewhere, 3), moment), keyset.ErrHandOver},
		"ask of another generation":              {give(from(later, 4), moment), keyset.ErrHandOver},
		"ask that was kept":                      {give(ask, moment.Add(6*time.Minute)), keyset.ErrLate},
		"ask of the day after":                   {give(ask, moment.Add(-24*time.Hour)), keyset.ErrLate},
		"ask with other start-up keys in it":     {give(bytes.Replace(ask, startUp.Public().Bytes(), other.Public().Bytes(), 1), moment), keyset.ErrPeer},
		"a hand-over as an ask":                  {give(answer, moment), keyset.ErrHandOver},
		"nothing as an ask":                      {give(nil, moment), keyset.ErrHandOver},
		"hand-over sealed to another process":    {take(handedOver(t, giver, asked(t, taker, 3, other, moment), moment), startUp, moment), keyset.ErrPeer},
		"hand-over replayed to the next process": {take(answer, other, moment), keyset.ErrPeer},
		"hand-over for a stranger, told to be mine": {
			take(keyset.Redirect(taker, handedOver(t, giver, asked(t, taker, 3, other, moment), moment), startUp.Public()), startUp, moment), keyset.ErrHandOver,
		},
		"hand-over of more than a minute ago": {take(answer, startUp, moment.Add(61*time.Second)), keyset.ErrLate},
		"hand-over from the future":           {take(answer, startUp, moment.Add(-time.Second)), keyset.ErrLate},
		"hand-over without the scimsession":   {take(by(twin, 3), startUp, moment), keyset.ErrPeer},
		"hand-over of another account":        {take(by(foreign, 3), startUp, moment), keyset.ErrHandOver},
		"hand-over of another integration":    {take(by(elsewhere, 3), startUp, moment), keyset.ErrHandOver},
		"hand-over of another generation":     {take(by(later, 4), startUp, moment), keyset.ErrHandOver},
		"a key that is not the file's":        {take(forged, startUp, moment), keyset.ErrAltered},
		"an ask as a hand-over":               {take(ask, startUp, moment), keyset.ErrHandOver},
		"nothing as a hand-over":              {take(nil, startUp, moment), keyset.ErrHandOver},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}

	// Whatever is changed or cut off, nothing is answered and nothing opens.
	for name, c := range map[string]struct {
		raw []byte
		use func([]byte) error
	}{
		"ask":       {ask, func(b []byte) error { return give(b, moment) }},
		"hand-over": {answer, func(b []byte) error { return take(b, startUp, moment) }},
	} {
		for i := range c.raw {
			for bit := range 8 {
				b := bytes.Clone(c.raw)
				b[i] ^= 1 << bit
				if c.use(b) == nil {
					t.Fatalf("%s: bit %d of byte %d is flipped unnoticed", name, bit, i)
				}
			}
			if c.use(c.raw[:i]) == nil {
				t.Fatalf("%s: cut to %d bytes unnoticed", name, i)
			}
		}
		if c.use(append(bytes.Clone(c.raw), 0)) == nil {
			t.Fatalf("%s: a byte more goes unnoticed", name)
		}
	}
}

// handOverVector is a hand-over between the files of v1.json and v2.json. What HPKE seals differs each time.
type handOverVector struct {
	At       time.Time `json:"at"`
	Ask      []byte    `json:"ask"`
	HandOver []byte    `json:"handOver"`
}

func TestHandOver1(t *testing.T) {
	t.Parallel()
	var first sessionVector
	golden(t, "v1.json", nil, &first)
	var pair [2]sessionVector
	golden(t, "v2.json", nil, &pair)
	startUp := keys(t, 80)
	at := next(1).Created.Add(time.Hour)
	fresh := func(generation int, by *keyset.Secrets) handOverVector {
		ask := asked(t, parsed(t, []byte(pair[0].Scimsession)), generation, startUp, at)
		return handOverVector{at, ask, handedOver(t, by, ask, at)}
	}
	// The key of the file of version 2, and of the one of version 1 that it embeds.
	own, former := pair[0].opened(t, at), first.opened(t, at)
	var v [2]handOverVector
	golden(t, "handover1.json", func() any { return [2]handOverVector{fresh(4, own), fresh(3, former)} }, &v)
	for i, want := range []*keyset.Secrets{own, former} {
		if again := fresh(want.Generation(), want); !bytes.Equal(again.Ask, v[i].Ask) || !v[i].At.Equal(at) {
			t.Errorf("generation %d: it is asked for with other bytes than before", want.Generation())
		}
		got, err := parsed(t, []byte(pair[0].Scimsession)).OpenHandOver(v[i].HandOver, startUp, at)
		if err != nil || got.Generation() != want.Generation() || got.Previous() != (i == 1) || got.Keyset().Public() != want.Keyset().Public() {
			t.Errorf("generation %d: %v", want.Generation(), err)
		}
	}
}

func FuzzHandOver(f *testing.F) {
	var pair [2]sessionVector
	golden(f, "v2.json", nil, &pair)
	var v [2]handOverVector // each worker of the fuzzer would seal another one
	golden(f, "handover1.json", nil, &v)
	tok, err := keyset.ParseToken(pair[0].Token)
	if err != nil {
		f.Fatal(err)
	}
	raw := []byte(pair[0].Scimsession)
	giver, taker, startUp := opened(f, raw, tok, v[0].At), parsed(f, raw), keys(f, 80)
	ask, own, former := v[0].Ask, v[0].HandOver, v[1].HandOver
	for _, in := range [][]byte{ask, own, former, {1}} {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if again, err := keyset.ReprintAsk(in); err == nil && !bytes.Equal(again, in) {
			t.Errorf("an ask has two spellings: %x", in)
		}
		if again, err := keyset.ReprintHandOver(in); err == nil && !bytes.Equal(again, in) {
			t.Errorf("a hand-over has two spellings: %x", in)
		}
		if _, _, err := giver.HandOver(in, v[0].At); err == nil && !bytes.Equal(in, ask) {
			t.Errorf("another ask is answered: %x", in)
		}
		if _, err := taker.OpenHandOver(in, startUp, v[0].At); err == nil && !bytes.Equal(in, own) && !bytes.Equal(in, former) {
			t.Errorf("another hand-over opens: %x", in)
		}
	})
}
