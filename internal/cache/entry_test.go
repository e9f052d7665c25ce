package cache

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/scimbridge/scimbridge/internal/account"
)

func anID(t *rapid.T) string {
	if rapid.Bool().Draw(t, "an id of ours") {
		id, err := account.NewID(time.UnixMilli(rapid.Int64Range(0, 1<<45).Draw(t, "ms")), bytes.NewReader(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "random")))
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	return rapid.SampledFrom([]string{"", "x", "zzzzzzzzzzzzzzzzzzzzzzzzzz", "sixteen letters.", "abcdefghijklmnopqrstuvwxyz"}).Draw(t, "other")
}

func aTime(t *rapid.T) time.Time {
	return time.UnixMilli(rapid.Int64Range(-1, 1<<45).Draw(t, "time")).UTC()
}

// TestCopies: what is read from a copy is what was put into it.
func TestCopies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string) string { return rapid.String().Draw(t, name) }
		u := account.User{
			ID: anID(t), SignInName: text("sign-in"), State: account.State(text("state")), Managed: rapid.Bool().Draw(t, "managed"),
			Protection: text("protection"), Released: rapid.Bool().Draw(t, "released"), ProfileStale: rapid.Bool().Draw(t, "stale"),
			Revision: rapid.Int64().Draw(t, "revision"), Created: aTime(t), Modified: aTime(t),
			Person: account.Person{
				UserName: text("name"), Email: text("email"), Name: text("display"), Language: text("language"), ExternalID: text("external"),
				Addresses: rapid.SliceOfN(rapid.String(), 0, 3).Draw(t, "addresses"), Profile: rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(t, "profile"),
			},
		}
		for range rapid.IntRange(0, 3).Draw(t, "groups") {
			u.Groups = append(u.Groups, account.GroupRef{ID: anID(t), Name: text("group")})
		}
		if len(u.Addresses) == 0 {
			u.Addresses = nil
		}
		if len(u.Profile) == 0 {
			u.Profile = nil
		}
		block, err := unpack(pack(nil, appendUser(nil, &u)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := newReader(block).user()
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(u, got); d != "" {
			t.Fatal(d)
		}
		g := account.Group{
			ID: u.ID, Name: u.Name, ExternalID: u.ExternalID, Profile: u.Profile, Managed: u.Managed, Mode: account.Additive, Privileged: u.Released,
			Revision: u.Revision, Created: u.Created, Modified: u.Modified, Members: rapid.IntRange(0, 1<<30).Draw(t, "members"),
			Serial: rapid.IntRange(0, 1<<30).Draw(t, "serial"), Rotate: u.ProfileStale,
		}
		if block, err = unpack(pack(nil, appendGroup(nil, &g))); err != nil {
			t.Fatal(err)
		}
		group, err := newReader(block).group()
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(g, group); d != "" {
			t.Fatal(d)
		}
	})
}

func TestNothingThere(t *testing.T) {
	if block, err := unpack(pack(nil, nil)); err != nil || len(block) != 0 {
		t.Errorf("%q, %v", block, err)
	}
	for _, content := range [][]byte{nil, {format}, {plain + 1}, {format, 0xff, 0xff, 0xff, 0xff, 0xff}, {format, 1}} {
		if _, err := unpack(content); err == nil {
			t.Errorf("%x is read", content)
		}
	}
}

// FuzzCopy reads what somebody else may have written: it must never be more than an error.
func FuzzCopy(f *testing.F) {
	u := account.User{ID: "agrbdoq3xhtazlr4wa6cv56zpa", Person: account.Person{UserName: "ann@example.com", Profile: []byte(`{"userName":"ann@example.com"}`)}}
	u.Groups = []account.GroupRef{{ID: u.ID, Name: "Engineering"}}
	g := account.Group{ID: u.ID, Name: "Engineering"}
	for _, block := range [][]byte{appendUser(nil, &u), appendGroup(nil, &g), appendIDs(nil, []string{u.ID, "x"})} {
		f.Add(pack(nil, block), block)
	}
	f.Fuzz(func(t *testing.T, content, block []byte) {
		if b, err := unpack(content); err == nil && len(b) > 0 {
			_, _ = newReader(b).user()
		}
		if u, err := newReader(block).user(); err == nil {
			again, err := newReader(appendUser(nil, &u)).user()
			if d := cmp.Diff(u, again); err != nil || d != "" {
				t.Errorf("%v %s", err, d)
			}
		}
		_, _ = newReader(block).group()
		_, _ = newReader(block).ids()
	})
}
