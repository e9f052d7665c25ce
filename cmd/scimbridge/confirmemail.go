package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/person"
)

// confirmEmailVerb lets a person confirm the address that the identity provider has changed.
type confirmEmailVerb struct {
	where
	kitFlags
	Yes bool `name:"yes" help:"Confirm without asking."`
}

// Run signs in, shows the address that waits, and confirms it.
func (v *confirmEmailVerb) Run(ctx context.Context, e *environment) error {
	dir, err := v.folder()
	if err != nil {
		return err
	}
	kit, password, err := v.kitFor(dir, v.databaseSettings).read(e)
	if err != nil {
		return err
	}
	if kit.URL == "" {
		return errors.New("the kit names no address of an account service, where you could sign in. An administrator confirms the change on the machine of the account: scimbridge account confirm-user-name PERSON")
	}
	a, err := visit(kit.URL)
	if err != nil {
		return err
	}
	defer a.Close()
	m, err := person.Enter(ctx, a, kit, password)
	if err != nil {
		return signInProblem(err)
	}
	now, next := m.Names()
	if next == "" {
		return v.report(e, now, "", "No new address waits to be confirmed: you sign in as %s.\n", now)
	}
	fmt.Fprintf(e.stderr, "Your address %s is to become %s.\n", printable(now), printable(next))
	if yes, asked := v.asked(e); !yes {
		if asked {
			return v.report(e, now, next, "Nothing was changed: you go on signing in as %s.\n", now)
		}
		return errors.New("nothing was changed: confirm it with --yes, or on a terminal. If the new address is not yours, tell your administrator")
	}
	if err := m.ConfirmName(ctx, a); err != nil {
		if errors.Is(err, account.ErrRevision) || errors.Is(err, account.ErrState) {
			err = fmt.Errorf("%w. Nothing was changed: run the command again, and look at the address", err)
		}
		return err
	}
	return v.report(e, next, "", "Confirmed. You sign in as %s from now on, with the same password and kit; the old address is given up.\n", next)
}

func (v *confirmEmailVerb) asked(e *environment) (yes, asked bool) {
	if v.Yes {
		return true, true
	}
	return e.confirm("Is it yours, and is this right?")
}

// report says how things stand.
func (v *confirmEmailVerb) report(e *environment, name, waits, text, about string) error {
	if v.JSON {
		return printJSON(e, struct {
			SignInName string `json:"signInName"`
			Waits      string `json:"waits,omitempty"`
		}{name, waits})
	}
	_, err := fmt.Fprintf(e.stdout, text, printable(about))
	return err
}
