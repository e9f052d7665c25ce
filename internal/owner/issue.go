package owner

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/keyset"
)

// Credentials is what Issue takes.
type Credentials struct {
	URL      string        // of the account service; empty: in the bridge's own process
	Overlap  time.Duration // how long those before go on working
	Previous []byte        // the scimsession before, where they do
}

// Issued is what Issue makes.
type Issued struct {
	Session    []byte
	Token      keyset.Token
	Generation int
	// Groups names the groups whose keys the integration has, in the account's words.
	Groups []string
}

// provisionManagers is the group of those who provision: it stands last in account.PrivilegedGroups.
const provisionManagers = "Provision Managers"

// Issue makes the next generation of the integration's credentials: keys of its own, which the owner signs, and the keys
// of Provision Managers and of every group that provisioning manages, which the owner hands over. keyset.ErrOverlap and
// keyset.ErrPrevious for an overlap that cannot be; account.ErrRevision where something has changed in the meantime.
func (o *Owner) Issue(ctx context.Context, a Account, c Credentials) (Issued, error) {
	var out Issued
	before, err := a.Generations(ctx)
	if err != nil {
		return out, err
	}
	out.Generation = 1
	integration, err := account.NewID(o.Clock(), o.Rand)
	if err != nil {
		return out, err
	}
	if len(before) > 0 {
		last := before[len(before)-1]
		out.Generation = last.Number + 1
		if last.Integration != "" {
			integration = last.Integration
		}
	}
	k, err := o.newKeys()
	if err != nil {
		return out, err
	}
	if err := o.seal(&out, integration, k.Seed(), c); err != nil {
		return out, err
	}
	signer := k.Signer()
	n := account.NewGeneration{
		Generation: account.Generation{Number: out.Generation, Integration: integration, Token: out.Token.KeyID(), Signer: signer[:], Attestation: o.attest(keyset.GenerationClaim{
			Account: o.account, Integration: integration, Generation: out.Generation, Public: k.Public(),
		})},
		Overlap: c.Overlap,
	}
	to := account.Holder{Kind: account.IntegrationHolder, ID: integration, Serial: out.Generation}
	if n.Grants, out.Groups, err = o.handTo(ctx, a, to, k.Public()); err != nil {
		return out, err
	}
	return out, a.AddGeneration(ctx, n)
}

// seal makes token and scimsession.
func (o *Owner) seal(out *Issued, integration string, seed keyset.Seed, c Credentials) error {
	var err error
	if out.Token, err = keyset.NewToken(o.Rand); err != nil {
		return err
	}
	m := keyset.Material{Seed: seed}
	if m.Invitation, err = o.groupKeys.Seed().InvitationKey(o.account, integration, out.Generation); err != nil {
		return err
	}
	if out.Generation > 1 {
		if m.PreviousInvitation, err = o.groupKeys.Seed().InvitationKey(o.account, integration, out.Generation-1); err != nil {
			return err
		}
	}
	now := o.Clock()
	var previous []byte
	if c.Overlap > 0 {
		previous = c.Previous
		if previous == nil {
			return fmt.Errorf("%w: none was given", keyset.ErrPrevious)
		}
	}
	out.Session, err = keyset.Seal(keyset.Header{
		Account: o.account, Integration: integration, Generation: out.Generation, URL: c.URL, Created: now, Root: o.root,
	}, out.Token, m, previous, now.Add(c.Overlap), o.Rand)
	return err
}

const pageSize = 500

// handTo grants the keys of the groups that the integration is to have.
func (o *Owner) handTo(ctx context.Context, a Account, to account.Holder, public keyset.Public) (grants []account.Grant, names []string, err error) {
	for after := ""; ; {
		page, err := a.AllGroups(ctx, after, pageSize)
		if err != nil {
			return nil, nil, err
		}
		for i := range page {
			g := &page[i]
			after = g.ID
			provisioning := g.Privileged && g.Name == provisionManagers
			// The owners' key opens everything: whatever the account calls that group, it is not handed over.
			if g.ID == o.group.Group || g.Serial == 0 || !provisioning && (g.Privileged || !g.Managed) {
				continue
			}
			k, err := o.Group(ctx, a, g.ID, g.Serial)
			if err != nil {
				return nil, nil, fmt.Errorf("group %s: %w", g.ID, err)
			}
			grant, err := o.grant(g.ID, g.Serial, k, to, public)
			if err != nil {
				return nil, nil, err
			}
			grants, names = append(grants, grant), append(names, g.Name)
		}
		if len(page) < pageSize {
			slices.Sort(names)
			return grants, names, nil
		}
	}
}
