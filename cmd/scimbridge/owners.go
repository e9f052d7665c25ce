package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accountapi"
	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/internal/owner"
)

// ownerVerb looks after the owners.
type ownerVerb struct {
	Add ownerAddVerb `cmd:"" help:"Make a person who is in an owner, who may then do all that you may."`
}

// asOwner unlocks an owner's keys for one act.
func (w *where) asOwner(ctx context.Context, e *environment, k kitFlags, act func(accountapi.Administrator, *owner.Owner) error) error {
	dir, err := w.folder()
	if err != nil {
		return err
	}
	return place{dir, w.databaseSettings}.administer(ctx, func(a accountapi.Administrator) error {
		info, err := a.Describe(ctx)
		if err != nil {
			return err
		}
		if len(info.Root) == 0 {
			return errors.New("this account was founded without keys: nobody has any to hand over. Accounts that \"scimbridge credentials new\" makes now have them")
		}
		o, err := unlockOwner(ctx, e, a, k.kitFor(dir, w.databaseSettings))
		if err != nil {
			return err
		}
		return act(a, o)
	})
}

type ownerAddVerb struct {
	where
	Person string `arg:"" help:"Id or user name."`
	kitFlags
}

// Run makes an owner of a person whose keys are verified.
func (v *ownerAddVerb) Run(ctx context.Context, e *environment) error {
	return v.asOwner(ctx, e, v.kitFlags, func(a accountapi.Administrator, o *owner.Owner) error {
		u, err := a.Person(ctx, v.Person)
		if err != nil {
			return personError(v.Person, err)
		}
		if u, err = o.AddOwner(ctx, a, u); err != nil {
			return ownerProblem(err)
		}
		if v.JSON {
			return v.show(e, &u)
		}
		keys, err := a.KeysOf(ctx, u.ID)
		if err != nil {
			return err
		}
		public, err := keyset.ParsePublic(keys.Public)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(e.stdout, "%s is an owner now, with the keys %s. Each of you can recover the other.\n", printable(u.UserName), public.Fingerprint())
		return err
	})
}

// ownerProblem says what to do about an owner's act that was refused.
func ownerProblem(err error) error {
	switch {
	case errors.Is(err, owner.ErrPerson):
		return fmt.Errorf("%w. Nothing was done: the account's data has been tampered with, or the person has not been confirmed", err)
	case errors.Is(err, keyset.ErrProof):
		return fmt.Errorf("%w. Nothing was done. Begin anew: scimbridge account recover PERSON", err)
	case errors.Is(err, account.ErrNoKeys):
		return fmt.Errorf("%w: the person has to accept an invitation and be confirmed first", err)
	case errors.Is(err, account.ErrRevision):
		return fmt.Errorf("%w. Nothing was done. Run the command again", err)
	}
	return keysProblem(err)
}

// recoverVerb lets somebody in again who has lost password or Secret Key.
type recoverVerb struct {
	where
	Person string `arg:"" help:"Id or user name."`
	kitFlags
	Confirm bool   `name:"confirm" help:"The second half: confirm the keys that the person has made with the link."`
	URL     string `name:"url" placeholder:"URL" help:"Address of the account service, for the link. Not set: the one in your kit."`
}

// Run makes a link with which the person makes new keys, or confirms them.
func (v *recoverVerb) Run(ctx context.Context, e *environment) error {
	origin, err := serviceURL(v.URL)
	if err != nil {
		return err
	}
	if origin == "" && !v.Confirm {
		if origin, err = v.kitURL(); err != nil {
			return err
		}
	}
	return v.asOwner(ctx, e, v.kitFlags, func(a accountapi.Administrator, o *owner.Owner) error {
		u, err := a.Person(ctx, v.Person)
		if err != nil {
			return personError(v.Person, err)
		}
		if v.Confirm {
			if err := o.Readmit(ctx, a, u); err != nil {
				return ownerProblem(err)
			}
			_, err = fmt.Fprintf(e.stdout, "%s is in again, with new keys and all groups of before. The old password and kit open nothing any more.\n", printable(u.UserName))
			return err
		}
		i, err := o.Recover(ctx, a, u)
		if err != nil {
			return ownerProblem(err)
		}
		fmt.Fprintf(e.stderr, "Give this link to %s yourself, and be sure that it is really that person: whoever has it gets in. The person joins with it (scimbridge account join LINK); then confirm: scimbridge account recover %s --confirm. To call it off: scimbridge account state %s ACTIVE\n",
			printable(u.Name), u.ID, u.ID)
		_, err = fmt.Fprintln(e.stdout, i.Link(origin))
		return err
	})
}

// kitURL is the address in the owner's kit.
func (v *recoverVerb) kitURL() (string, error) {
	dir, err := v.folder()
	if err != nil {
		return "", err
	}
	k := v.kitFor(dir, v.databaseSettings)
	kit, err := k.kit()
	if err == nil && kit.URL == "" {
		err = errors.New("the kit names no address of an account service, and the link has to begin with one. Name it with --url https://account.example.com")
	}
	return kit.URL, err
}
