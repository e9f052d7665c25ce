package keyset_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/internal/keyset"
)

// TestSecretsAreRedacted prints whatever holds a secret in every way that there is.
func TestSecretsAreRedacted(t *testing.T) {
	t.Parallel()
	tok := token(t, 5)
	session := parsed(t, sealed(t, header, tok, 9))
	secrets, err := session.Open(tok, moment)
	if err != nil {
		t.Fatal(err)
	}
	i := invitation(t, 1)
	_, linkSecret, _ := strings.Cut(i.Link("https://h"), "#")
	raw := make([]byte, 32)
	c := counting(1)
	if _, err := c.Read(raw); err != nil {
		t.Fatal(err)
	}
	peer := session.Peer()
	tells := []string{ // in hexadecimal, as numbers, as text
		tok.Reveal()[13:40], linkSecret[:20], secretKey(t).Reveal()[10:], hex.EncodeToString(raw[:8]), strings.Trim(fmt.Sprint(raw[:8]), "[]"),
		strings.Trim(fmt.Sprint(peer[:8]), "[]"), hex.EncodeToString([]byte(tok.Reveal()[13:20])), strings.Trim(fmt.Sprintf("%#v", raw[:4]), "[]byte{}"),
	}
	for name, v := range map[string]any{
		"Token": tok, "Seed": seed(t, 1), "Keyset": keys(t, 1), "InvitationKey": invitationKey(t, 7, 1), "Invitation": i,
		"SecretKey": secretKey(t), "UnlockKey": unlocked(t, account, user, "password", secretKey(t)), "Kit": kit(t),
		"Material": keyset.Material{Seed: seed(t, 1)}, "Subject": keyset.Subject{Key: groupKey, Seed: seed(t, 1)}, "Session": session, "Secrets": secrets,
	} {
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("json", "v", v)
		slog.New(slog.NewTextHandler(&log, nil)).Info("text", "v", v)
		asJSON, err := json.Marshal(map[string]any{"v": v})
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{"log": log.String(), "JSON": string(asJSON)}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%c"} {
			out[verb] = fmt.Sprintf(verb, v)
			out["slice of "+verb] = fmt.Sprintf(verb, []any{v})
		}
		for how, text := range out {
			for _, secret := range tells {
				if strings.Contains(strings.ToLower(text), strings.ToLower(secret)) {
					t.Errorf("%s of %s tells a secret: %s", how, name, text)
				}
			}
		}
		switch v.(type) {
		case keyset.Kit, keyset.Material, keyset.Subject: // not all of them is secret
			continue
		}
		shown := fmt.Sprint(v)
		if got := fmt.Sprintf("%d%x%#v", v, v, v); got != strings.Repeat(shown, 3) {
			t.Errorf("%s is shown as %s", name, got)
		}
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	secret := token(t, 1).Reveal()
	for in, want := range map[string]string{
		"nothing to hide":              "nothing to hide",
		"open " + secret + ": no file": "open " + secret[:13] + "[secret]: no file",
		secret[:30] + "\n":             secret[:13] + "[secret]\n",
		"scb_aaaaaaaa_…":               "scb_aaaaaaaa_…",
	} {
		var b bytes.Buffer
		if n, err := keyset.Redact(&b).Write([]byte(in)); err != nil || n != len(in) || b.String() != want {
			t.Errorf("%q: %q, %d, %v", in, b.String(), n, err)
		}
	}
}
