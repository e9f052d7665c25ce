package keyset_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/internal/keyset"
)

func kit(t testing.TB) keyset.Kit {
	t.Helper()
	return keyset.Kit{AccountName: "Acme: Rockets & Söhne", Account: account, URL: "https://account.example.com", User: user, Email: email, Root: keys(t, 1).Signer(), SecretKey: secretKey(t)}
}

func TestKit(t *testing.T) {
	t.Parallel()
	k := kit(t)
	text := k.Text()
	for name, in := range map[string]string{
		"as it is": text, "from Windows": strings.ReplaceAll(text, "\n", "\r\n"), "with a note": text + "\nThe password is the usual one.\n",
		"typed in": strings.Replace(text, k.SecretKey.Reveal(), strings.ToLower(k.SecretKey.Reveal()), 1),
	} {
		got, err := keyset.ParseKit(in)
		if err != nil || got != k {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	k.URL = "" // the account has no service of its own
	if got, err := keyset.ParseKit(k.Text()); err != nil || got != k {
		t.Errorf("without address: %+v, %v", got, err)
	}
	// A name that tries to be another line.
	evil := kit(t)
	evil.AccountName = "Acme\nAddress: https://evil.example\u2028Account id: x"
	got, err := keyset.ParseKit(evil.Text())
	if err != nil || got.URL != kit(t).URL || got.Account != account {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestParseKitRefuses(t *testing.T) {
	t.Parallel()
	text := kit(t).Text()
	without := func(name string) string {
		var out []string
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, name+":") {
				out = append(out, line)
			}
		}
		return strings.Join(out, "")
	}
	for name, c := range map[string]struct{ text, reason string }{
		"empty":            {"", "first line"},
		"another file":     {"Dear Ann", "first line"},
		"another version":  {strings.Replace(text, "kit 1", "kit 12", 1), "first line"},
		"no account":       {without("Account"), "missing: Account"},
		"no account id":    {without("Account id"), "missing: Account id"},
		"no root":          {without("Trust root"), "missing: Trust root"},
		"half a root":      {strings.Replace(text, kit(t).Root.String()[20:], "", 1), "trust root is not complete"},
		"no user":          {without("User id"), "missing: User id"},
		"no e-mail":        {without("E-mail"), "missing: E-mail"},
		"no Secret Key":    {without("Secret Key"), "missing: Secret Key"},
		"nothing":          {"Emergency kit 1", "missing: Account, Account id, E-mail, User id, Trust root, Secret Key"},
		"half a key":       {strings.Replace(text, kit(t).SecretKey.Reveal()[20:], "", 1), "Secret Key is not complete"},
		"another account":  {strings.Replace(text, account, user, 1), "that of another account"},
		"two addresses":    {text + "Address: https://evil.example\n", `"Address" stands twice`},
		"invalid UTF-8":    {text + "\xff", "first line"},
		"a very long text": {text + strings.Repeat("x", 70<<10), "first line"},
	} {
		_, err := keyset.ParseKit(c.text)
		if !errors.Is(err, keyset.ErrKit) || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s: %v, want %q", name, err, c.reason)
		}
	}
}

func FuzzParseKit(f *testing.F) {
	f.Add(kit(f).Text())
	f.Add("Emergency kit 1\nAccount: x")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := keyset.ParseKit(text)
		if err != nil {
			return
		}
		if again, err := keyset.ParseKit(k.Text()); err != nil || again != k {
			t.Fatalf("%+v is read as %+v: %v", k, again, err)
		}
	})
}
