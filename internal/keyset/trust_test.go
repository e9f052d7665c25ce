package keyset_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/scimbridge/scimbridge/internal/keyset"
)

func administrator(k *keyset.Keyset) keyset.Claim {
	return keyset.AdministratorClaim{Account: account, User: user, Serial: 1, Public: k.Public()}
}

func generation(k *keyset.Keyset) keyset.Claim {
	return keyset.GenerationClaim{Account: account, Integration: integration, Generation: 1, Public: k.Public()}
}

func keyOf(serial int, k *keyset.Keyset) keyset.Claim {
	return keyset.GroupKeyClaim{Account: account, Group: group, Serial: serial, Public: k.Public()}
}

// TestTrust learns a chain in any order: root, administrator, administrator, generation, group keys.
func TestTrust(t *testing.T) {
	t.Parallel()
	root, second, third, integration, groups := keys(t, 1), keys(t, 2), keys(t, 3), keys(t, 4), keys(t, 5)
	list := []keyset.Attestation{
		attest(root, administrator(second)),
		attest(second, administrator(third)),
		attest(third, generation(integration)),
		attest(integration, keyOf(1, groups)),
		attest(second, keyOf(2, third)),
	}
	rapid.Check(t, func(t *rapid.T) {
		trust := keyset.NewTrust(account, root.Signer())
		order := rapid.Permutation(list).Draw(t, "order")
		if err := trust.Learn(order); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			k                         *keyset.Keyset
			administrator, generation bool
		}{
			"root": {root, true, false}, "second": {second, true, false}, "third": {third, true, false},
			"integration": {integration, false, true}, "group": {groups, false, false},
		} {
			s := c.k.Signer()
			if trust.Administrator(s) != c.administrator || trust.Generation(s) != c.generation || trust.MaySign(s) != (c.administrator || c.generation) {
				t.Errorf("%s: administrator %v, generation %v, may sign %v", name, trust.Administrator(s), trust.Generation(s), trust.MaySign(s))
			}
		}
		if p, ok := trust.GroupKey(group, 1); !ok || p != groups.Public() {
			t.Error("the group's key is not known")
		}
		if p, ok := trust.GroupKey(group, 2); !ok || p != third.Public() {
			t.Error("the group's second key is not known")
		}
		if _, ok := trust.GroupKey(group, 3); ok {
			t.Error("a third key is known")
		}
	})
}

func TestTrustRefuses(t *testing.T) {
	t.Parallel()
	root, admin, stranger, accomplice, integration := keys(t, 1), keys(t, 2), keys(t, 3), keys(t, 4), keys(t, 5)
	good := []keyset.Attestation{attest(root, administrator(admin)), attest(root, generation(integration))}
	forged := attest(stranger, administrator(stranger))
	forged.Signer = root.Signer()
	foreign := administrator(stranger).(keyset.AdministratorClaim)
	foreign.Account = group
	for name, c := range map[string]struct {
		list []keyset.Attestation
		want error
		text string
	}{
		"names itself":                      {[]keyset.Attestation{attest(stranger, administrator(stranger))}, keyset.ErrSigner, "attestation 3"},
		"name each other":                   {[]keyset.Attestation{attest(stranger, administrator(accomplice)), attest(accomplice, administrator(stranger))}, keyset.ErrSigner, "administrator " + user},
		"named by an integration":           {[]keyset.Attestation{attest(integration, administrator(stranger))}, keyset.ErrSigner, "attestation 3"},
		"generation named by one":           {[]keyset.Attestation{attest(integration, generation(stranger))}, keyset.ErrSigner, "generation 1"},
		"the root's name, not signed by it": {[]keyset.Attestation{forged}, keyset.ErrSignature, "attestation 3"},
		"another account's":                 {[]keyset.Attestation{attest(root, foreign)}, keyset.ErrAttestation, "attestation 3"},
		"a person":                          {[]keyset.Attestation{attest(root, keyset.PersonClaim{Account: account, User: user, Serial: 1, Email: email, Public: stranger.Public()})}, keyset.ErrAttestation, "PersonClaim"},
		"no claim":                          {[]keyset.Attestation{{Signer: root.Signer(), Signature: make([]byte, 64)}}, keyset.ErrAttestation, "attestation 3"},
		"no keys":                           {[]keyset.Attestation{attest(root, keyset.AdministratorClaim{Account: account, User: user, Serial: 1})}, keyset.ErrAttestation, "attestation 3"},
		"a group's key by a stranger":       {[]keyset.Attestation{attest(stranger, keyOf(1, stranger))}, keyset.ErrSigner, "key of group " + group},
		"two keys for one serial":           {[]keyset.Attestation{attest(root, keyOf(1, admin)), attest(admin, keyOf(1, stranger))}, keyset.ErrDisputed, "serial 1"},
	} {
		trust := keyset.NewTrust(account, root.Signer())
		err := trust.Learn(slices.Concat(good, c.list))
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if trust.MaySign(stranger.Signer()) || trust.MaySign(accomplice.Signer()) || trust.MaySign(keyset.Signer{}) {
			t.Errorf("%s: the stranger may sign", name)
		}
		if _, ok := trust.GroupKey(group, 1); ok {
			t.Errorf("%s: a group's key is known", name)
		}
		if !trust.Administrator(admin.Signer()) || !trust.Generation(integration.Signer()) {
			t.Errorf("%s: the others have not been taken", name)
		}
	}
	nobody := keyset.NewTrust(account, keyset.Signer{})
	if nobody.MaySign(keyset.Signer{}) || nobody.Administrator(keyset.Signer{}) {
		t.Error("without a root somebody may sign")
	}
}

// TestTrustAcrossCalls learns a link after what hangs on it: that has to be brought again.
func TestTrustAcrossCalls(t *testing.T) {
	t.Parallel()
	root, admin, integration := keys(t, 1), keys(t, 2), keys(t, 3)
	trust := keyset.NewTrust(account, root.Signer())
	late := []keyset.Attestation{attest(admin, generation(integration))}
	if err := trust.Learn(late); !errors.Is(err, keyset.ErrSigner) {
		t.Errorf("before its signer is known: %v", err)
	}
	if err := trust.Learn([]keyset.Attestation{attest(root, administrator(admin))}); err != nil {
		t.Fatal(err)
	}
	if trust.Generation(integration.Signer()) {
		t.Error("what was refused is remembered")
	}
	if err := trust.Learn(late); err != nil || !trust.Generation(integration.Signer()) {
		t.Errorf("after its signer is known: %v", err)
	}
}

func TestTrustAtOnce(t *testing.T) {
	t.Parallel()
	root, admin := keys(t, 1), keys(t, 2)
	trust := keyset.NewTrust(account, root.Signer())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := trust.Learn([]keyset.Attestation{attest(root, administrator(admin)), attest(admin, keyOf(1, admin))}); err != nil {
				t.Error(err)
			}
			if _, ok := trust.GroupKey(group, 1); !ok || !trust.MaySign(admin.Signer()) {
				t.Error("what has been learnt is not known")
			}
		})
	}
	wg.Wait()
}

func owners(g string, serial int, k *keyset.Keyset) keyset.Claim {
	return keyset.OwnersClaim{Account: account, Group: g, Serial: serial, Public: k.Public()}
}

// TestTrustOwners: which keys are the owners' does not depend on the order in which the account service hands the
// attestations out, and an integration has no say in it.
func TestTrustOwners(t *testing.T) {
	t.Parallel()
	root, bridge, first, second, other := keys(t, 1), keys(t, 2), keys(t, 3), keys(t, 4), keys(t, 5)
	good := []keyset.Attestation{attest(root, generation(bridge)), attest(root, owners(group, 1, first)), attest(root, owners(group, 2, second))}
	is := func(serial int, k *keyset.Keyset) keyset.OwnersClaim {
		return owners(group, serial, k).(keyset.OwnersClaim)
	}
	for name, c := range map[string]struct {
		more []keyset.Attestation
		want keyset.OwnersClaim
		key  bool // whether the group's second key is known
	}{
		"as they are":                          {nil, is(2, second), true},
		"said again of a group":                {[]keyset.Attestation{attest(root, keyOf(2, second))}, is(2, second), true},
		"an integration names another key":     {[]keyset.Attestation{attest(bridge, keyOf(2, other))}, is(2, second), true},
		"an integration names the next one":    {[]keyset.Attestation{attest(bridge, keyOf(3, other))}, is(2, second), true},
		"an integration says who owners are":   {[]keyset.Attestation{attest(bridge, owners(group, 3, other))}, is(2, second), true},
		"two keys of the newest serial":        {[]keyset.Attestation{attest(root, owners(group, 2, other))}, keyset.OwnersClaim{}, false},
		"two keys of a serial before":          {[]keyset.Attestation{attest(root, owners(group, 1, other))}, is(2, second), true},
		"two groups are said to be the owners": {[]keyset.Attestation{attest(root, owners(user, 9, other))}, keyset.OwnersClaim{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				trust := keyset.NewTrust(account, root.Signer())
				_ = trust.Learn(rapid.Permutation(slices.Concat(good, c.more)).Draw(t, "order"))
				if got := trust.Owners(); got != c.want {
					t.Errorf("serial %d of group %s, want %d of %s", got.Serial, got.Group, c.want.Serial, c.want.Group)
				}
				if p, ok := trust.GroupKey(group, 2); ok != c.key || ok && p != second.Public() {
					t.Errorf("the key of the owners' group: %v, want %v", ok, c.key)
				}
				if _, ok := trust.GroupKey(group, 3); ok {
					t.Error("an integration has made a key of the owners")
				}
			})
		})
	}
}
