package keyset_test

import (
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/scimbridge/scimbridge/internal/keyset"
)

func TestInvitation(t *testing.T) {
	t.Parallel()
	i := invitation(t, 12)
	if i.Account() != account || i.User() != user || i.Number() != 12 || i.Ref() != account+"."+user+".12" {
		t.Errorf("ref %s", i.Ref())
	}
	access := i.Access()
	if i.Commitment() != sha256.Sum256(access[:]) {
		t.Error("the commitment is not the hash of what is shown")
	}
	p := keys(t, 1).Public()
	proof := i.Proof(email, p)
	if proof == access || proof == i.Commitment() {
		t.Error("two purposes have one value")
	}
	if err := i.Check(email, p, proof[:]); err != nil {
		t.Error(err)
	}
	link := i.Link("https://account.example.com")
	origin, again, err := keyset.ParseLink(link)
	if err != nil || origin != "https://account.example.com" || again != i {
		t.Errorf("%s: %v", origin, err)
	}
	if i.Link("https://account.example.com/") != link {
		t.Error("a slash at the end of the origin makes another link")
	}
}

// TestLinksNameTheRoot: a link with a fingerprint of the account's root is believed of that root alone, in that account
// alone; one without is believed of any.
func TestLinksNameTheRoot(t *testing.T) {
	t.Parallel()
	root, other := keys(t, 5).Signer(), keys(t, 6).Signer()
	i := invitation(t, 1)
	pinned := i.Pinned(root)
	link := pinned.Link("https://account.example.com")
	if want := i.Link("https://account.example.com"); !strings.HasPrefix(link, want+".") || len(link) != len(want)+23 {
		t.Errorf("the link is %d characters longer", len(link)-len(want))
	}
	_, again, err := keyset.ParseLink(link)
	if err != nil || again != pinned || !again.Pins() || !again.Trusts(root) || again.Trusts(other) || again.Trusts(keyset.Signer{}) {
		t.Errorf("pins %t, trusts the root %t, another one %t: %v", again.Pins(), again.Trusts(root), again.Trusts(other), err)
	}
	if again.Access() != i.Access() || again.Proof(email, keys(t, 1).Public()) != i.Proof(email, keys(t, 1).Public()) {
		t.Error("the root changes what the secret makes")
	}
	if i.Pins() || !i.Trusts(root) || !i.Trusts(other) || pinned.Pinned(keyset.Signer{}) != i {
		t.Error("a link without a root is not believed of every root")
	}
	elsewhere, err := invitationKey(t, 7, 1).Invitation(1, keyset.Invited{Account: group, User: user, Email: email, Number: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, fragment, _ := strings.Cut(elsewhere.Pinned(root).Link("https://h"), "#")
	if strings.HasSuffix(link, fragment[len(fragment)-23:]) {
		t.Error("the same root of another account looks the same")
	}
	// The vector of what has been written once.
	var v struct {
		Root string `json:"root"`
		Link string `json:"link"`
	}
	fresh := map[string]string{"root": root.String(), "link": link}
	golden(t, "link2.json", func() any { return fresh }, &v)
	if v.Root != fresh["root"] || v.Link != link {
		t.Errorf("the same root makes %s, and did make %s", link, v.Link)
	}
}

// TestInvitationsDiffer makes invitations that differ in one thing each.
func TestInvitationsDiffer(t *testing.T) {
	t.Parallel()
	make1 := func(k keyset.InvitationKey, generation int, who keyset.Invited) string {
		i, err := k.Invitation(generation, who)
		if err != nil {
			t.Fatal(err)
		}
		_, secret, _ := strings.Cut(i.Link("https://h"), "#")
		return secret
	}
	change := func(f func(*keyset.Invited)) keyset.Invited {
		who := invited
		f(&who)
		return who
	}
	k := invitationKey(t, 7, 1)
	all := []string{
		make1(k, 1, invited), make1(k, 2, invited), make1(invitationKey(t, 7, 2), 1, invited), make1(invitationKey(t, 8, 1), 1, invited),
		make1(k, 1, change(func(w *keyset.Invited) { w.Account = user })), make1(k, 1, change(func(w *keyset.Invited) { w.User = account })),
		make1(k, 1, change(func(w *keyset.Invited) { w.Email = "ann.example@example.com" })), make1(k, 1, change(func(w *keyset.Invited) { w.Number = 2 })),
	}
	slices.Sort(all)
	if n := len(slices.Compact(slices.Clone(all))); n != len(all) {
		t.Errorf("%d of %d differ", n, len(all))
	}
	if !k.Equal(invitationKey(t, 7, 1)) || k.Equal(invitationKey(t, 7, 2)) {
		t.Error("Equal tells the keys apart wrongly")
	}
	if _, err := (keyset.Seed{}).InvitationKey(account, integration, 1); !errors.Is(err, keyset.ErrSeed) {
		t.Errorf("without a seed: %v", err)
	}
	for name, c := range map[string]struct {
		key        keyset.InvitationKey
		generation int
		who        keyset.Invited
		want       error
	}{
		"no key":               {keyset.InvitationKey{}, 1, invited, keyset.ErrKeyGone},
		"generation 0":         {k, 0, invited, keyset.ErrInvitation},
		"number 0":             {k, 1, change(func(w *keyset.Invited) { w.Number = 0 }), keyset.ErrInvitation},
		"no user":              {k, 1, change(func(w *keyset.Invited) { w.User = "" }), keyset.ErrInvitation},
		"no address":           {k, 1, change(func(w *keyset.Invited) { w.Email = "" }), keyset.ErrInvitation},
		"an id with a dot":     {k, 1, change(func(w *keyset.Invited) { w.User = "a.b" }), keyset.ErrInvitation},
		"an id with a slash":   {k, 1, change(func(w *keyset.Invited) { w.Account = "a/b" }), keyset.ErrInvitation},
		"an id of 65 letters":  {k, 1, change(func(w *keyset.Invited) { w.User = strings.Repeat("a", 65) }), keyset.ErrInvitation},
		"an id with an umlaut": {k, 1, change(func(w *keyset.Invited) { w.User = "ä" }), keyset.ErrInvitation},
	} {
		if _, err := c.key.Invitation(c.generation, c.who); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestParseLinkRefuses(t *testing.T) {
	t.Parallel()
	link := invitation(t, 1).Link("https://account.example.com")
	page, secret, _ := strings.Cut(link, "#")
	pinned := invitation(t, 1).Pinned(keys(t, 5).Signer()).Link("https://account.example.com")
	for name, c := range map[string]struct{ text, reason string }{
		"empty":                  {"", "no address"},
		"the fragment cut off":   {page, "the part after # is missing"},
		"nothing after #":        {page + "#", "the part after # is missing"},
		"half of it":             {link[:len(link)-20], "has 23 of 43"},
		"a dot after it":         {link + ".", "has 44 of 66"},
		"half of the root":       {pinned[:len(pinned)-11], "has 55 of 66"},
		"more than the root":     {pinned + "A", "not as it was sent"},
		"two roots":              {pinned + pinned[len(pinned)-23:], "not as it was sent"},
		"no root":                {link + "." + strings.Repeat("A", 22), "not as it was sent"},
		"another spelling of it": {pinned[:len(pinned)-1] + "B", "not as it was sent"},
		"no secret":              {page + "#" + pinned[len(pinned)-23:], "the part after # is missing"},
		"a foreign character":    {link[:len(link)-1] + "*", "not as it was sent"},
		"another last character": {page + "#" + secret[:42] + "B", "not as it was sent"},
		"a line break":           {page + "#" + secret[:20] + "\n" + secret[20:], "not as it was sent"},
		"http":                   {strings.Replace(link, "https", "http", 1), "https://"},
		"another scheme":         {strings.Replace(link, "https", "ftp", 1), "https://"},
		"upper case":             {strings.Replace(link, "https", "HTTPS", 1), "not as it was sent"},
		"no host":                {strings.Replace(link, "account.example.com", "", 1), "no address"},
		"only a port":            {strings.Replace(link, "account.example.com", ":443", 1), "no address"},
		"a port that is none":    {strings.Replace(link, "account.example.com", "h:x", 1), "no address"},
		"an empty port":          {strings.Replace(link, "account.example.com", "h:", 1), "no address"},
		"a name and a password":  {strings.Replace(link, "https://", "https://a:b@", 1), "no address"},
		"another path":           {strings.Replace(link, "/join/", "/accept/", 1), "its path"},
		"a path before it":       {strings.Replace(link, "/join/", "/a/join/", 1), "its path"},
		"number 0":               {strings.Replace(link, ".1#", ".0#", 1), "its path"},
		"number 01":              {strings.Replace(link, ".1#", ".01#", 1), "its path"},
		"number +1":              {strings.Replace(link, ".1#", ".+1#", 1), "its path"},
		"a number too great":     {strings.Replace(link, ".1#", ".4294967297#", 1), "its path"},
		"a slash at the end":     {strings.Replace(link, ".1#", ".1/#", 1), "its path"},
		"a query":                {strings.Replace(link, ".1#", ".1?utm_source=mail#", 1), "not as it was sent"},
		"an escaped letter":      {strings.Replace(link, "/join/a", "/join/%61", 1), "not as it was sent"},
		"white space before it":  {" " + link, "no address"},
	} {
		_, i, err := keyset.ParseLink(c.text)
		if !errors.Is(err, keyset.ErrLink) || !strings.Contains(err.Error(), c.reason) || i != (keyset.Invitation{}) {
			t.Errorf("%s: %v, want %q", name, err, c.reason)
		}
		if err != nil && strings.Contains(err.Error(), secret[:20]) {
			t.Errorf("%s: the error tells the secret", name)
		}
	}
	for _, origin := range []string{"http://localhost:8080", "http://127.0.0.1", "http://[::1]:80", "https://[2001:db8::1]", "https://h:8443"} {
		if got, _, err := keyset.ParseLink(invitation(t, 1).Link(origin)); err != nil || got != origin {
			t.Errorf("%s: %s, %v", origin, got, err)
		}
	}
	for _, origin := range []string{"http://localhost.example.com", "http://10.0.0.1", "http://127.0.0.1.example.com"} {
		if _, _, err := keyset.ParseLink(invitation(t, 1).Link(origin)); !errors.Is(err, keyset.ErrLink) {
			t.Errorf("%s: %v", origin, err)
		}
	}
}

// TestProofsAreOfOneThing: a proof holds for what it was made with.
func TestProofsAreOfOneThing(t *testing.T) {
	t.Parallel()
	k := invitationKey(t, 7, 1)
	publics := []keyset.Public{keys(t, 1).Public(), keys(t, 2).Public()}
	rapid.Check(t, func(t *rapid.T) {
		type with struct {
			number, public int
			email          string
		}
		draw := rapid.Custom(func(t *rapid.T) with {
			return with{rapid.IntRange(1, 3).Draw(t, "number"), rapid.IntRange(0, 1).Draw(t, "keys"), rapid.SampledFrom([]string{"a@b", "A@b", "a@b "}).Draw(t, "email")}
		})
		make1 := func(w with) keyset.Invitation {
			i, err := k.Invitation(1, keyset.Invited{Account: account, User: user, Email: w.email, Number: w.number})
			if err != nil {
				t.Fatal(err)
			}
			return i
		}
		a, b := draw.Draw(t, "made"), draw.Draw(t, "checked")
		proof := make1(a).Proof(a.email, publics[a.public])
		err := make1(b).Check(b.email, publics[b.public], proof[:])
		if (err == nil) != (a == b) || err != nil && !errors.Is(err, keyset.ErrProof) {
			t.Fatal(err)
		}
	})
}

func FuzzParseLink(f *testing.F) {
	f.Add(invitation(f, 1).Link("https://account.example.com"))
	f.Add(invitation(f, 1).Link("http://[::1]:80"))
	f.Add(invitation(f, 1).Pinned(keys(f, 5).Signer()).Link("https://account.example.com"))
	f.Add("https://account.example.com/join/a.b.1")
	f.Fuzz(func(t *testing.T, text string) {
		origin, i, err := keyset.ParseLink(text)
		if err == nil && i.Link(origin) != text {
			t.Fatalf("%q is read as %q", text, i.Link(origin))
		}
	})
}
