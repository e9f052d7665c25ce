package person_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"

	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/internal/person"
)

func group(t testing.TB, serial int) person.GroupKey {
	t.Helper()
	seed, err := keyset.NewSeed(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k, err := seed.Keyset()
	if err != nil {
		t.Fatal(err)
	}
	return person.GroupKey{ID: "group", Name: "Crew", Serial: serial, Public: k.Public(), Keys: k}
}

// TestSealed: what is sealed to a group opens with its key, and only as what it was sealed as.
func TestSealed(t *testing.T) {
	t.Parallel()
	crew, text := group(t, 2), []byte("the lobster is in the kitchen")
	raw, err := person.Seal("account", crew, text)
	if err != nil {
		t.Fatal(err)
	}
	s, err := person.ParseSealed(raw)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Open(crew.Keys); err != nil || !bytes.Equal(got, text) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := s.Open(group(t, 2).Keys); !errors.Is(err, keyset.ErrSealed) {
		t.Errorf("with another group's key: %v", err)
	}
	for name, change := range map[string]func(*person.Sealed){
		"another account": func(s *person.Sealed) { s.Account = "other" },
		"another group":   func(s *person.Sealed) { s.Group = "other" },
		"another serial":  func(s *person.Sealed) { s.Serial = 1 },
		"a flipped bit":   func(s *person.Sealed) { s.Sealed = append([]byte{}, s.Sealed...); s.Sealed[40] ^= 1 },
	} {
		moved := s
		change(&moved)
		if _, err := moved.Open(crew.Keys); !errors.Is(err, keyset.ErrSealed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for n := range raw {
		if _, err := person.ParseSealed(raw[:n]); n < len(raw)-1 && !errors.Is(err, person.ErrSealed) {
			t.Fatalf("cut after %d bytes: %v", n, err)
		}
	}
	if err := crew.Prove([]byte("something")); err != nil {
		t.Error(err)
	}
}

func FuzzParseSealed(f *testing.F) {
	raw, err := person.Seal("account", group(f, 1), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"format":"scimbridge sealed","version":2}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := person.ParseSealed(raw)
		if err == nil && (s.Format == "" || s.Version != 1) {
			t.Fatalf("%+v", s)
		}
	})
}
