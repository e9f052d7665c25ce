package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accountapi"
)

// integrationVerb looks after the integration.
type integrationVerb struct {
	Show       integrationShowVerb       `cmd:"" default:"withargs" help:"Show the integration's credentials, and who was last heard with them."`
	Deactivate integrationDeactivateVerb `cmd:"" help:"End all credentials: no bridge gets in any more."`
}

type integrationShowVerb struct{ where }

// Run lists the generations.
func (v *integrationShowVerb) Run(ctx context.Context, e *environment) error {
	return v.with(ctx, func(a accountapi.Administrator) error {
		list, err := a.Generations(ctx)
		if err != nil {
			return err
		}
		if len(list) == 0 && !v.JSON {
			_, err := fmt.Fprintln(e.stdout, "There are no credentials yet. Make some: scimbridge credentials new")
			return err
		}
		now := clock()
		t := tabwriter.NewWriter(e.stdout, 0, 4, 2, ' ', 0)
		if !v.JSON {
			fmt.Fprintln(t, "GENERATION\tSTATE\tTOKEN\tCREATED\tLAST CONTACT\tBRIDGE\tIDENTITY PROVIDER")
		}
		for i := range list {
			g := &list[i]
			if v.JSON {
				err = printJSON(e, struct {
					Generation  int       `json:"generation"`
					Integration string    `json:"integration,omitempty"`
					TokenKeyID  string    `json:"tokenKeyId,omitempty"`
					Valid       bool      `json:"valid"`
					Created     time.Time `json:"created"`
					Expires     time.Time `json:"expires,omitzero"`
					LastContact time.Time `json:"lastContact,omitzero"`
					Version     string    `json:"bridgeVersion,omitempty"`
					Client      string    `json:"identityProvider,omitempty"`
				}{g.Number, g.Integration, g.Token, g.Valid(now), g.Created, g.Expires, g.LastContact, g.Version, g.Client})
			} else {
				_, err = fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", g.Number, generationState(g, now), tokenName(g.Token), moment(g.Created), moment(g.LastContact), or(printable(g.Version), "-"), or(printable(g.Client), "-"))
			}
			if err != nil {
				return err
			}
		}
		return t.Flush()
	})
}

// tokenName names a bearer token without telling it.
func tokenName(id string) string {
	if id == "" {
		return "-"
	}
	return "scb_" + printable(id) + "_…"
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func generationState(g *account.Generation, now time.Time) string {
	switch {
	case !g.Valid(now):
		return "ended"
	case g.Expires.IsZero():
		return "valid"
	}
	return "valid until " + moment(g.Expires)
}

type integrationDeactivateVerb struct {
	where
	CancelInvitations bool `name:"cancel-invitations" xor:"invited" help:"Withdraw the invitations of those who have not accepted."`
	KeepInvitations   bool `name:"keep-invitations" xor:"invited" help:"Leave them; who accepts waits for new credentials."`
}

// Run ends all credentials, once it is said what becomes of the invited.
func (v *integrationDeactivateVerb) Run(ctx context.Context, e *environment) error {
	return v.with(ctx, func(a accountapi.Administrator) error {
		cancel := v.CancelInvitations
		if !v.CancelInvitations && !v.KeepInvitations {
			var ok bool
			if cancel, ok = e.confirm("Provisioning ends. Withdraw the invitations of those who have not accepted yet?"); !ok {
				return errors.New("nothing was done: say what becomes of those who have not accepted yet, with --cancel-invitations or --keep-invitations")
			}
		}
		if err := a.Deactivate(ctx, cancel); err != nil {
			return err
		}
		what := "Invitations stay open; who accepts waits until there are new credentials."
		if cancel {
			what = "The invitations of those who had not accepted are withdrawn."
		}
		_, err := fmt.Fprintf(e.stdout, "All credentials have ended, and the integration's keys are gone. %s New credentials: scimbridge credentials new\n", what)
		return err
	})
}

// guardVerb is for what the guard holds back.
type guardVerb struct {
	Show    guardShowVerb    `cmd:"" default:"withargs" help:"Show what the guard holds back."`
	Approve guardApproveVerb `cmd:"" help:"Make the changes that are held back, and let everything pass for an hour."`
	Dismiss guardDismissVerb `cmd:"" help:"Forget the changes that are held back: they were a mistake, which has been mended at the identity provider."`
}

type guardShowVerb struct{ where }

// Run lists the changes that wait.
func (v *guardShowVerb) Run(ctx context.Context, e *environment) error {
	return v.with(ctx, func(a accountapi.Administrator) error {
		info, err := a.Describe(ctx)
		if err != nil {
			return err
		}
		list, err := a.HeldChanges(ctx)
		if err != nil {
			return err
		}
		if v.JSON {
			return printJSON(e, struct {
				account.GuardState
				Changes []account.Held `json:"changes"`
			}{info.Guard, list})
		}
		fmt.Fprintf(e.stdout, "The guard is set to %s; last tripped: %s; changes that wait: %d.\n", info.Guard.Mode, moment(info.Guard.Tripped), len(list))
		if len(list) == 0 {
			return nil
		}
		t := tabwriter.NewWriter(e.stdout, 0, 4, 2, ' ', 0)
		fmt.Fprintln(t, "SINCE\tCHANGE\tOF\tPEOPLE")
		for i := range list {
			h := &list[i]
			people := max(len(h.Users), 1)
			fmt.Fprintf(t, "%s\t%s\t%s\t%d\n", moment(h.At), h.Kind, h.Subject, people)
		}
		return t.Flush()
	})
}

type guardApproveVerb struct{ where }

// Run makes the changes that wait.
func (v *guardApproveVerb) Run(ctx context.Context, e *environment) error {
	return v.with(ctx, func(a accountapi.Administrator) error {
		n, err := a.Approve(ctx)
		if err != nil {
			return err
		}
		if v.JSON {
			return printJSON(e, map[string]int{"made": n})
		}
		_, err = fmt.Fprintf(e.stdout, "%d changes were made. For an hour nothing is held back, so that the identity provider can finish.\n", n)
		return err
	})
}

type guardDismissVerb struct{ where }

// Run forgets the changes that wait.
func (v *guardDismissVerb) Run(ctx context.Context, e *environment) error {
	return v.with(ctx, func(a accountapi.Administrator) error {
		n, err := a.Dismiss(ctx)
		if err != nil {
			return err
		}
		if v.JSON {
			return printJSON(e, map[string]int{"dismissed": n})
		}
		_, err = fmt.Fprintf(e.stdout, "%d changes were forgotten. If the identity provider still wants them, it asks for them again.\n", n)
		return err
	})
}
