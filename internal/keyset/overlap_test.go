package keyset_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/internal/keyset"
)

// next is the header of a later generation than header's.
func next(by int) keyset.Header {
	h := header
	h.Generation += by
	h.Created = h.Created.AddDate(0, 0, by)
	return h
}

// overlapping seals the generation after a former file's, with both tokens working for a day.
func overlapping(t testing.TB, h keyset.Header, tok keyset.Token, former []byte, start byte) []byte {
	t.Helper()
	c := counting(start)
	m := keyset.Material{Seed: seed(t, start+40), Invitation: invitationKey(t, start, h.Generation), PreviousInvitation: invitationKey(t, start, h.Generation-1)}
	raw, err := keyset.Seal(h, tok, m, former, h.Created.Add(keyset.MaxOverlap), &c)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func parsed(t testing.TB, raw []byte) *keyset.Session {
	t.Helper()
	s, err := keyset.ParseSession(raw)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOverlap(t *testing.T) {
	t.Parallel()
	older, newer := token(t, 1), token(t, 2)
	former := sealed(t, header, older, 9)
	h := next(1)
	h.Root = keys(t, 5).Signer()
	h.URL = "https://account.example.com"
	raw := overlapping(t, h, newer, append(former, '\n'), 19)
	s := parsed(t, raw)

	want := h
	want.TokenKeyID, want.PreviousKeyID, want.PreviousUntil = newer.KeyID(), older.KeyID(), h.Created.Add(24*time.Hour)
	if diff := cmp.Diff(want, s.Header()); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	now := h.Created.Add(time.Hour)
	got, err := s.Open(newer, now)
	if err != nil {
		t.Fatal(err)
	}
	if got.Previous() || got.Generation() != 4 || got.Root() != h.Root || got.URL() != h.URL || got.Account() != account || got.Integration() != integration {
		t.Errorf("the new token opens %v, generation %d", got.Previous(), got.Generation())
	}
	if got.Keyset().Public() != keys(t, 59).Public() {
		t.Error("the keys are not those that were sealed")
	}
	old, err := s.Open(older, now)
	if err != nil {
		t.Fatal(err)
	}
	if !old.Previous() || old.Generation() != 3 || old.Root() != (keyset.Signer{}) || !old.Verify(older) || old.Verify(newer) || got.Verify(older) {
		t.Errorf("the old token opens %v, generation %d", old.Previous(), old.Generation())
	}
	if old.Keyset().Public() == got.Keyset().Public() {
		t.Error("two generations have the same keys")
	}
	if s.Peer() == parsed(t, former).Peer() {
		t.Error("two files have the same peer secret")
	}
	if peer, ok := s.FormerPeer(); !ok || peer != parsed(t, former).Peer() {
		t.Error("the former file's peer secret is not to be had")
	}
	if _, ok := parsed(t, former).FormerPeer(); ok {
		t.Error("a file that embeds none has a former peer secret")
	}

	for _, at := range []time.Time{h.Created.Add(keyset.MaxOverlap), h.Created.Add(100 * time.Hour)} {
		if _, err := s.Open(older, at); !errors.Is(err, keyset.ErrExpiredToken) {
			t.Errorf("the old token at %s: %v", at, err)
		}
		if _, err := s.Open(newer, at); err != nil {
			t.Errorf("the new token at %s: %v", at, err)
		}
	}
	if _, err := s.Open(older, h.Created.Add(keyset.MaxOverlap-time.Second)); err != nil {
		t.Errorf("a second before the end: %v", err)
	}
	if _, err := s.Open(token(t, 3), now); !errors.Is(err, keyset.ErrWrongToken) {
		t.Errorf("a third token: %v", err)
	}
	// The key id of the old token with another secret learns nothing, not even that it has expired.
	if _, err := s.Open(withKeyID(t, older, token(t, 3)), h.Created.Add(100*time.Hour)); !errors.Is(err, keyset.ErrWrongToken) {
		t.Errorf("the old key id: %v", err)
	}
}

// TestOverlapOfOverlap embeds a file that embeds one: the oldest token ends at once.
func TestOverlapOfOverlap(t *testing.T) {
	t.Parallel()
	tokens := []keyset.Token{token(t, 1), token(t, 2), token(t, 3)}
	first := sealed(t, header, tokens[0], 9)
	second := overlapping(t, next(1), tokens[1], first, 19)
	third := overlapping(t, next(2), tokens[2], second, 29)
	now := next(2).Created.Add(time.Minute)
	s := parsed(t, third)
	for i, want := range []error{keyset.ErrWrongToken, nil, nil} {
		secrets, err := s.Open(tokens[i], now)
		if !errors.Is(err, want) {
			t.Errorf("token %d: %v, want %v", i+1, err, want)
		}
		if err == nil && secrets.Generation() != 3+i {
			t.Errorf("token %d opens generation %d", i+1, secrets.Generation())
		}
	}
	for name, raw := range map[string][]byte{"one embedded": second, "two generations on": third} {
		if n := base64.StdEncoding.EncodedLen(len(raw)); n > 4096 {
			t.Errorf("%s: %d bytes as base64, which do not fit into a parameter of AWS SSM", name, n)
		}
	}
}

func TestSealRefuses(t *testing.T) {
	t.Parallel()
	former := sealed(t, header, token(t, 1), 9)
	at := next(1).Created
	foreign := header
	foreign.Account = "anotheraccountanotheraccou"
	elsewhere := header
	elsewhere.Integration = "anotherintegrationanotheri"
	whole := keyset.Material{Seed: seed(t, 1), Invitation: invitationKey(t, 1, 4)}
	for name, c := range map[string]struct {
		header   keyset.Header
		token    keyset.Token
		material keyset.Material
		previous []byte
		until    time.Time
		want     error
	}{
		"no seed":                  {next(1), token(t, 2), keyset.Material{Invitation: whole.Invitation}, nil, time.Time{}, keyset.ErrSeed},
		"no invitation key":        {next(1), token(t, 2), keyset.Material{Seed: whole.Seed}, nil, time.Time{}, keyset.ErrKeyGone},
		"a day and a second":       {next(1), token(t, 2), whole, former, at.Add(keyset.MaxOverlap + time.Second), keyset.ErrOverlap},
		"over before it begins":    {next(1), token(t, 2), whole, former, at, keyset.ErrOverlap},
		"the same generation":      {header, token(t, 2), whole, former, at, keyset.ErrPrevious},
		"a later generation":       {header, token(t, 2), whole, sealed(t, next(1), token(t, 1), 9), at, keyset.ErrPrevious},
		"the same token":           {next(1), token(t, 1), whole, former, at.Add(time.Hour), keyset.ErrPrevious},
		"another account's":        {next(1), token(t, 2), whole, sealed(t, foreign, token(t, 1), 9), at.Add(time.Hour), keyset.ErrPrevious},
		"another integration's":    {next(1), token(t, 2), whole, sealed(t, elsewhere, token(t, 1), 9), at.Add(time.Hour), keyset.ErrPrevious},
		"no scimsession":           {next(1), token(t, 2), whole, []byte("hello"), at.Add(time.Hour), keyset.ErrFormat},
		"the token in its place":   {next(1), token(t, 2), whole, []byte(token(t, 1).Reveal()), at.Add(time.Hour), keyset.ErrTokenInstead},
		"damaged":                  {next(1), token(t, 2), whole, former[:len(former)-1], at.Add(time.Hour), keyset.ErrFormat},
		"no generation":            {keyset.Header{Account: account, Created: at}, token(t, 2), whole, nil, time.Time{}, keyset.ErrHeader},
		"a root that is no signer": {keyset.Header{Account: account, Generation: 1, Created: at, Root: keyset.Signer{1}}, token(t, 2), whole, nil, time.Time{}, keyset.ErrHeader},
	} {
		c2 := counting(1)
		if _, err := keyset.Seal(c.header, c.token, c.material, c.previous, c.until, &c2); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// TestEmbeddedFileIsBound exchanges and removes what is embedded, and lengthens its time.
func TestEmbeddedFileIsBound(t *testing.T) {
	t.Parallel()
	older, newer := token(t, 1), token(t, 2)
	first, other := sealed(t, header, older, 9), sealed(t, header, older, 12)
	raw := string(overlapping(t, next(1), newer, first, 19))
	now := next(1).Created.Add(time.Hour)
	encode := base64.RawURLEncoding.EncodeToString
	open := func(text string, tok keyset.Token) error {
		s, err := keyset.ParseSession([]byte(text))
		if err != nil {
			return err
		}
		_, err = s.Open(tok, now)
		return err
	}
	for name, c := range map[string]struct {
		text  string
		token keyset.Token
		want  error
	}{
		"as it is, new token":                           {raw, newer, nil},
		"as it is, old token":                           {raw, older, nil},
		"another file embedded":                         {strings.Replace(raw, encode(first), encode(other), 1), newer, keyset.ErrAltered},
		"with a line break":                             {strings.Replace(raw, encode(first), encode(append(bytes.Clone(first), '\n')), 1), newer, keyset.ErrAltered},
		"the embedded file left out":                    {strings.Replace(raw, encode(first), "", 1), older, keyset.ErrWrongToken},
		"left out, for the new token":                   {strings.Replace(raw, encode(first), "", 1), newer, nil},
		"another end":                                   {strings.Replace(raw, "2026-11-26T12:00:00Z", "2026-11-26T11:00:00Z", 1), newer, keyset.ErrWrongToken},
		"another end, which the old token cannot check": {strings.Replace(raw, "2026-11-26T12:00:00Z", "2026-11-26T11:00:00Z", 1), older, nil},
		"an end more than a day on":                     {strings.Replace(raw, "2026-11-26T12:00:00Z", "2026-11-27T12:00:00Z", 1), older, keyset.ErrAltered},
		"no end":                                        {strings.Replace(raw, "2026-11-26T12:00:00Z", "", 1), older, keyset.ErrAltered},
	} {
		if err := open(c.text, c.token); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestSecretsInvitation(t *testing.T) {
	t.Parallel()
	tok := token(t, 2)
	s, err := parsed(t, overlapping(t, next(1), tok, sealed(t, header, token(t, 1), 9), 19)).Open(tok, next(1).Created)
	if err != nil {
		t.Fatal(err)
	}
	for generation, want := range map[int]error{2: keyset.ErrKeyGone, 3: nil, 4: nil, 5: keyset.ErrKeyGone} {
		got, err := s.Invitation(generation, invited)
		if !errors.Is(err, want) {
			t.Errorf("generation %d: %v, want %v", generation, err, want)
		}
		if err != nil {
			continue
		}
		again, err := invitationKey(t, 19, generation).Invitation(generation, invited)
		if err != nil || got != again {
			t.Errorf("generation %d makes another invitation than its key: %v", generation, err)
		}
	}
	alone, err := parsed(t, sealed(t, header, tok, 9)).Open(tok, moment)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := alone.Invitation(2, invited); !errors.Is(err, keyset.ErrKeyGone) {
		t.Errorf("without a previous key: %v", err)
	}
}

// withKeyID puts the key id of one token before the secret of another.
func withKeyID(t testing.TB, id, secret keyset.Token) keyset.Token {
	t.Helper()
	body := id.Reveal()[:13] + secret.Reveal()[13:56]
	tok, err := keyset.ParseToken(body + keyset.Checksum(body))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}
