package person_test

import (
	"crypto/rand"
	"errors"
	"testing"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/internal/person"
)

// TestJoiningBelievesTheLink: nobody makes keys for an account whose root of trust is not the one that the link names.
func TestJoiningBelievesTheLink(t *testing.T) {
	t.Parallel()
	seed, err := keyset.NewSeed(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := seed.InvitationKey("acme", "integration", 1)
	if err != nil {
		t.Fatal(err)
	}
	i, err := key.Invitation(1, keyset.Invited{Account: "acme", User: "ann", Email: "ann@example.com", Number: 1})
	if err != nil {
		t.Fatal(err)
	}
	root, thief := group(t, 1).Keys.Signer(), group(t, 1).Keys.Signer()
	shown := func(root keyset.Signer) account.Joining {
		return account.Joining{Account: "acme", AccountName: "Acme", UserID: "ann", Email: "ann@example.com", Root: root[:], Serial: 1}
	}
	elsewhere, another := shown(root), shown(root)
	elsewhere.Account, another.UserID = "other", "ben"
	none := shown(root)
	none.Root = nil
	for name, tt := range map[string]struct {
		link  keyset.Invitation
		shown account.Joining
		want  error
	}{
		"the root of the link":              {i.Pinned(root), shown(root), nil},
		"another root":                      {i.Pinned(root), shown(thief), person.ErrLinkRoot},
		"no root":                           {i.Pinned(root), none, person.ErrRoot},
		"another account":                   {i.Pinned(root), elsewhere, person.ErrLink},
		"another person":                    {i.Pinned(root), another, person.ErrLink},
		"a link of before names no root":    {i, shown(thief), nil},
		"… and even so there has to be one": {i, none, person.ErrRoot},
	} {
		if err := person.Judge(tt.link, tt.shown); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	if _, kit, err := person.Accept(i.Pinned(root), shown(thief), "https://account.example.com", "correct horse", rand.Reader); !errors.Is(err, person.ErrLinkRoot) || kit != (keyset.Kit{}) {
		t.Errorf("keys for another root: %v", err)
	}
	if _, kit, err := person.Accept(i.Pinned(root), shown(root), "https://account.example.com", "correct horse", rand.Reader); err != nil || kit.Root != root {
		t.Errorf("keys for the right one: %v", err)
	}
}
