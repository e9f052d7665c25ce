package keyset_test

import (
	"fmt"
	"testing"

	"github.com/scimbridge/scimbridge/internal/keyset"
)

const (
	account     = "accountaccountaccountaccou"
	integration = "integrationintegrationinte"
	user        = "useruseruseruseruseruserus"
	group       = "groupgroupgroupgroupgroupg"
	email       = "Ann.Example@example.com"
)

var (
	groupKey = keyset.Key{Kind: keyset.GroupKey, ID: group, Serial: 2}
	userKey  = keyset.Key{Kind: keyset.UserKey, ID: user, Serial: 1}
	invited  = keyset.Invited{Account: account, User: user, Email: email, Number: 1}
)

// counting is a source of known bytes, so that what is made of them is the same every time.
type counting byte

func (c *counting) Read(p []byte) (int, error) {
	for i := range p {
		*c++
		p[i] = byte(*c)
	}
	return len(p), nil
}

func seed(t testing.TB, start byte) keyset.Seed {
	t.Helper()
	c := counting(start)
	s, err := keyset.NewSeed(&c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func keys(t testing.TB, start byte) *keyset.Keyset {
	t.Helper()
	k, err := seed(t, start).Keyset()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func granted(t testing.TB, grantor *keyset.Keyset, s keyset.Seed, to keyset.Public) []byte {
	t.Helper()
	raw, err := grantor.Grant(account, groupKey, s, userKey, to)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// grants hands keysets over at once.
func grants(t testing.TB, grantor *keyset.Keyset, list []keyset.Subject, to keyset.Public) [][]byte {
	t.Helper()
	r, err := to.Recipient()
	if err != nil {
		t.Fatal(err)
	}
	made, err := grantor.Grants(account, list, userKey, r)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// siblings are the keysets of groups, to be handed over at once: that of groupKey, and those of others.
func siblings(t testing.TB, n int) []keyset.Subject {
	t.Helper()
	list := []keyset.Subject{{Key: groupKey, Seed: seed(t, 3)}}
	for i := 1; i < n; i++ {
		list = append(list, keyset.Subject{Key: keyset.Key{Kind: keyset.GroupKey, ID: fmt.Sprintf("%026d", i), Serial: groupKey.Serial}, Seed: seed(t, byte(3+i))})
	}
	return list
}

func anybody(keyset.Signer) bool { return true }

func invitationKey(t testing.TB, start byte, generation int) keyset.InvitationKey {
	t.Helper()
	k, err := seed(t, start).InvitationKey(account, integration, generation)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func invitation(t testing.TB, number int) keyset.Invitation {
	t.Helper()
	who := invited
	who.Number = number
	i, err := invitationKey(t, 7, 1).Invitation(1, who)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func secretKey(t testing.TB) keyset.SecretKey {
	t.Helper()
	c := counting(9)
	k, err := keyset.NewSecretKey(account, &c)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
