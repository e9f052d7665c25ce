package owner

import (
	"context"
	"errors"
	"fmt"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/keyset"
)

// AddOwner makes an active person an owner, whose confirmed keys it verifies: from then on that person may do all that
// this one may. ErrPerson.
func (o *Owner) AddOwner(ctx context.Context, a Account, user account.User) (account.User, error) {
	if err := o.learn(ctx, a); err != nil {
		return user, err
	}
	keys, err := a.KeysOf(ctx, user.ID)
	if err != nil {
		return user, err
	}
	public, err := o.verified(user.ID, keys)
	if err != nil {
		return user, err
	}
	grant, err := o.grant(o.group.Group, o.group.Serial, o.groupKeys, account.Holder{Kind: account.UserHolder, ID: user.ID, Serial: keys.Serial}, public)
	if err != nil {
		return user, err
	}
	return a.AddOwner(ctx, account.Ownership{
		User: user.ID, Serial: keys.Serial, Grant: grant, Evidence: o.membership(o.group.Group, user.ID),
		Attestation: o.attest(keyset.AdministratorClaim{Account: o.account, User: user.ID, Serial: keys.Serial, Public: public}),
	})
}

// Recovery. A person who has lost the password or the Secret Key has lost the keys with it: nobody can give them back.
// The person gets a link again, made by an owner instead of the bridge and handed over by the owner in person or by
// telephone, makes new keys with it, and the owner confirms them as a bridge would, and grants anew what the person
// had. The link's key comes from the seed of the owners' group, so that any owner can do the second half.

// recoveryGeneration is the number of the owners' invitation key.
const recoveryGeneration = 1

func (o *Owner) recoveryInvitation(user, email string, number int) (keyset.Invitation, error) {
	k, err := o.groupKeys.Seed().InvitationKey(o.account, o.group.Group, recoveryGeneration)
	if err != nil {
		return keyset.Invitation{}, err
	}
	i, err := k.Invitation(recoveryGeneration, keyset.Invited{Account: o.account, User: user, Email: email, Number: number})
	return i.Pinned(o.root), err
}

// Recover lets a person make new keys, and returns the link for it, for the owner to hand over. Until Readmit the person
// is shut out, and nothing of what he or she had is lost.
func (o *Owner) Recover(ctx context.Context, a Account, user account.User) (keyset.Invitation, error) {
	last, err := a.Invitation(ctx, user.ID)
	if err != nil && !errors.Is(err, account.ErrNotFound) {
		return keyset.Invitation{}, err
	}
	i, err := o.recoveryInvitation(user.ID, user.Email, last.Number+1)
	if err != nil {
		return i, err
	}
	commitment := i.Commitment()
	return i, a.Recover(ctx, user.ID, account.Opening{Number: i.Number(), Generation: account.OwnersInvitation, Commitment: commitment[:]})
}

// Readmit confirms the new keys of a person who has accepted the link of Recover: it verifies that they come from the
// holder of the link, signs them and grants what the person had; an owner becomes one again. keyset.ErrProof: they do
// not, and nothing was done. account.ErrState where the person has not accepted.
func (o *Owner) Readmit(ctx context.Context, a Account, user account.User) error {
	if err := o.learn(ctx, a); err != nil {
		return err
	}
	c, err := a.Candidate(ctx, user.ID)
	if err != nil {
		return err
	}
	if c.State != account.Accepted || c.Generation != account.OwnersInvitation {
		return fmt.Errorf("%w: the person has not accepted the link of a recovery; the person is %s", account.ErrState, c.State)
	}
	public, err := o.proven(user.ID, c)
	if err != nil {
		return err
	}
	owner, err := o.isOwner(ctx, a, user.ID)
	if err != nil {
		return err
	}
	to := account.Holder{Kind: account.UserHolder, ID: user.ID, Serial: c.Keys.Serial}
	confirmation := account.Confirmation{Number: c.Number, Attestation: o.attest(keyset.PersonClaim{
		Account: o.account, User: user.ID, Serial: c.Keys.Serial, Email: c.Email, Public: public,
	})}
	for _, p := range c.Pending {
		if !o.belongs(p, user.ID) {
			confirmation.Refused = append(confirmation.Refused, p.Group)
			continue
		}
		k, err := o.Group(ctx, a, p.Group, p.Serial)
		if err != nil {
			return fmt.Errorf("group %s: %w", p.Group, err)
		}
		grant, err := o.grant(p.Group, p.Serial, k, to, public)
		if err != nil {
			return err
		}
		confirmation.Grants = append(confirmation.Grants, grant)
	}
	if err := a.Confirm(ctx, user.ID, confirmation); err != nil || !owner {
		return err
	}
	_, err = o.AddOwner(ctx, a, user)
	return err
}

// proven verifies that proposed keys come from the holder of the link of a recovery.
func (o *Owner) proven(user string, c account.Candidate) (keyset.Public, error) {
	public, err := keyset.ParsePublic(c.Keys.Public)
	if err != nil {
		return public, fmt.Errorf("%w: %w", ErrPerson, err)
	}
	i, err := o.recoveryInvitation(user, c.Email, c.Number)
	if err != nil {
		return public, err
	}
	if err := i.Check(c.Email, public, c.Proof); err != nil {
		return public, err
	}
	return public, public.Signer().Verify(keyset.PossessionClaim{
		Account: o.account, User: user, Email: c.Email, Number: c.Number, Public: public,
	}, c.Possession)
}

// belongs tells whether somebody who may has signed a membership.
func (o *Owner) belongs(p account.PendingMembership, user string) bool {
	var signer keyset.Signer
	const signature = 64 // bytes; what follows is a bridge's own mark
	if len(p.Evidence) < len(signer)+signature || copy(signer[:], p.Evidence) < len(signer) || !o.trust.MaySign(signer) {
		return false
	}
	return signer.Verify(keyset.MembershipClaim{Account: o.account, Group: p.Group, User: user}, p.Evidence[len(signer):len(signer)+signature]) == nil
}

// isOwner tells whether the owner group's list has a user, and one of the user's keys is signed as an administrator's:
// the list alone makes nobody an owner.
func (o *Owner) isOwner(ctx context.Context, a Account, user string) (bool, error) {
	statements, err := a.Trust(ctx)
	if err != nil {
		return false, err
	}
	signed := false
	for _, raw := range statements {
		at, err := keyset.ParseAttestation(raw)
		if err != nil {
			return false, err
		}
		c, ok := at.Claim.(keyset.AdministratorClaim)
		signed = signed || ok && c.Account == o.account && c.User == user && o.trust.Administrator(at.Signer) && at.Signer.Verify(c, at.Signature) == nil
	}
	if !signed {
		return false, nil
	}
	for after := ""; ; {
		page, err := a.AllMembers(ctx, o.group.Group, after, pageSize)
		if err != nil {
			return false, err
		}
		for _, m := range page {
			after = m.UserID
			if m.UserID == user {
				return true, nil
			}
		}
		if len(page) < pageSize {
			return false, nil
		}
	}
}
