package owner

import (
	"context"
	"errors"
	"fmt"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/keyset"
)

// Adopt hands a group over to the integration: makes the group's key where it has none, signs the memberships that are
// there, and grants the key to the owners, to the integration's valid credentials and to every member whose keys can be
// verified. The others are handed it by the bridge, once they have keys. account.ErrRevision where the group has been
// changed in the meantime.
func (o *Owner) Adopt(ctx context.Context, a Account, group account.Group) (account.Group, error) {
	if err := o.learn(ctx, a); err != nil {
		return group, err
	}
	h := account.Handover{Group: group.ID}
	serial, k, err := o.keyFor(ctx, a, group, &h)
	if err != nil {
		return group, err
	}
	generations, err := a.Generations(ctx)
	if err != nil {
		return group, err
	}
	for i := range generations {
		g := &generations[i]
		if !g.Valid(o.Clock()) {
			continue
		}
		public, err := o.generationKey(g)
		if err != nil {
			return group, err
		}
		grant, err := o.grant(group.ID, serial, k, account.Holder{Kind: account.IntegrationHolder, ID: g.Integration, Serial: g.Number}, public)
		if err != nil {
			return group, err
		}
		h.Grants = append(h.Grants, grant)
	}
	if err := o.grantMembers(ctx, a, group.ID, serial, k, &h); err != nil {
		return group, err
	}
	return a.HandOver(ctx, h)
}

// keyFor opens the group's key, or makes the first one.
func (o *Owner) keyFor(ctx context.Context, a Account, group account.Group, h *account.Handover) (int, *keyset.Keyset, error) {
	if group.Serial > 0 {
		k, err := o.Group(ctx, a, group.ID, group.Serial)
		return group.Serial, k, err
	}
	const first = 1
	k, err := o.newKeys()
	if err != nil {
		return first, nil, err
	}
	grant, err := o.grant(group.ID, first, k, o.owners(), o.groupKeys.Public())
	h.Key = &account.GroupKey{Serial: first, Grants: []account.Grant{grant}, Attestation: o.attest(keyset.GroupKeyClaim{
		Account: o.account, Group: group.ID, Serial: first, Public: k.Public(),
	})}
	return first, k, err
}

// generationKey verifies the keys of a generation of the integration.
func (o *Owner) generationKey(g *account.Generation) (keyset.Public, error) {
	at, err := keyset.ParseAttestation(g.Attestation)
	if err != nil {
		return keyset.Public{}, err
	}
	c, ok := at.Claim.(keyset.GenerationClaim)
	if !ok || c.Account != o.account || c.Integration != g.Integration || c.Generation != g.Number {
		return keyset.Public{}, fmt.Errorf("generation %d: %w", g.Number, keyset.ErrAttestation)
	}
	if !o.trust.Administrator(at.Signer) {
		return keyset.Public{}, fmt.Errorf("generation %d: %w", g.Number, keyset.ErrSigner)
	}
	return c.Public, at.Signer.Verify(c, at.Signature)
}

// grantMembers signs the memberships, and grants the key to members whose keys can be verified.
func (o *Owner) grantMembers(ctx context.Context, a Account, group string, serial int, k *keyset.Keyset, h *account.Handover) error {
	for after := ""; ; {
		page, err := a.AllMembers(ctx, group, after, pageSize)
		if err != nil {
			return err
		}
		for _, m := range page {
			after = m.UserID
			h.Members = append(h.Members, account.Witness{User: m.UserID, Evidence: o.membership(group, m.UserID)})
			keys, err := a.KeysOf(ctx, m.UserID)
			if errors.Is(err, account.ErrNoKeys) {
				continue
			}
			if err != nil {
				return err
			}
			public, err := o.verified(m.UserID, keys)
			if err != nil {
				continue // the bridge looks at the person again, and says so where it finds the same
			}
			grant, err := o.grant(group, serial, k, account.Holder{Kind: account.UserHolder, ID: m.UserID, Serial: keys.Serial}, public)
			if err != nil {
				return err
			}
			h.Grants = append(h.Grants, grant)
		}
		if len(page) < pageSize {
			return nil
		}
	}
}

// membership is the evidence that a user belongs to a group, as the bridge makes it too: the signer and the signature.
func (o *Owner) membership(group, user string) []byte {
	signer := o.keys.Signer()
	return append(signer[:], o.keys.Sign(keyset.MembershipClaim{Account: o.account, Group: group, User: user})...)
}

// verified returns a person's public keys, which somebody who may must have signed. ErrPerson.
func (o *Owner) verified(user string, keys account.PersonKeys) (keyset.Public, error) {
	at, err := keyset.ParseAttestation(keys.Attestation)
	if err != nil {
		return keyset.Public{}, fmt.Errorf("%w: %w", ErrPerson, err)
	}
	var public keyset.Public
	var ok bool
	switch c := at.Claim.(type) {
	case keyset.PersonClaim:
		public, ok = c.Public, c.Account == o.account && c.User == user && c.Serial == keys.Serial && o.trust.MaySign(at.Signer)
	case keyset.AdministratorClaim:
		public, ok = c.Public, c.Account == o.account && c.User == user && c.Serial == keys.Serial && o.trust.Administrator(at.Signer)
	}
	switch {
	case !ok:
		return keyset.Public{}, fmt.Errorf("%w: it is not signed by anybody who may, or says something else", ErrPerson)
	case string(public.Bytes()) != string(keys.Public):
		return keyset.Public{}, fmt.Errorf("%w: the account shows other keys than those confirmed", ErrPerson)
	}
	if err := at.Signer.Verify(at.Claim, at.Signature); err != nil {
		return keyset.Public{}, fmt.Errorf("%w: %w", ErrPerson, err)
	}
	return public, nil
}
