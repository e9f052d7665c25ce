package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accountapi"
)

// invitationsVerb lists invitations.
type invitationsVerb struct {
	where
	All bool `name:"all" help:"Also those that were confirmed or withdrawn."`
}

// Run lists the invitations that are not settled, with what keeps them.
func (v *invitationsVerb) Run(ctx context.Context, e *environment) error {
	states := []account.InvitationState{
		account.InvitationDue, account.InvitationOpen, account.InvitationAccepted, account.InvitationRefused, account.InvitationExpired,
	}
	if v.All {
		states = append(states, account.InvitationConfirmed, account.InvitationCancelled)
	}
	return v.with(ctx, func(a accountapi.Administrator) error {
		t := tabwriter.NewWriter(e.stdout, 0, 4, 2, ' ', 0)
		if !v.JSON {
			fmt.Fprintln(t, "E-MAIL\tNUMBER\tSTATE\tSENT\tEXPIRES\tNOTES")
		}
		count := 0
		for after := ""; ; {
			page, err := a.Invitations(ctx, states, after, pageSize)
			if err != nil {
				return err
			}
			for i := range page {
				count++
				row := &page[i]
				after = row.UserID
				if v.JSON {
					if err := printJSON(e, invitationView(row)); err != nil {
						return err
					}
					continue
				}
				fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%s\n", printable(row.Email), row.Number, row.State, moment(row.Sent), moment(row.Expires), printable(invitationNote(row)))
			}
			if len(page) < pageSize {
				break
			}
		}
		if count == 0 && !v.JSON {
			_, err := fmt.Fprintln(e.stdout, "Nobody is waiting to get in.")
			return err
		}
		return t.Flush()
	})
}

// moment is a time as it stands in a table.
func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// invitationNote says what an invitation waits for, or why it came to nothing.
func invitationNote(i *account.InvitationRow) string {
	next := map[account.InvitationState]string{
		account.InvitationDue: "waits for the bridge to make the link", account.InvitationOpen: "waits for the person",
		account.InvitationAccepted: "waits for the bridge to confirm", account.InvitationRefused: "account resend makes a new link",
		account.InvitationExpired: "account resend makes a new link",
	}[i.State]
	if i.Generation == account.OwnersInvitation {
		switch i.State {
		case account.InvitationOpen:
			next = "recovery: waits for the person"
		case account.InvitationAccepted:
			next = "recovery: waits for an owner (account recover --confirm)"
		case account.InvitationRefused, account.InvitationExpired:
			next = "recovery: an owner makes a new link (account recover)"
		}
	}
	if i.State == account.InvitationOpen && i.Sent.IsZero() {
		next = "waits to be sent (account outbox)"
	}
	return strings.Trim(i.Reason+"; "+next, "; ")
}

// invitationView is an invitation as JSON, without what would let somebody in.
func invitationView(i *account.InvitationRow) any {
	return struct {
		UserID  string                  `json:"userId"`
		Email   string                  `json:"email"`
		Name    string                  `json:"name"`
		Number  int                     `json:"number"`
		State   account.InvitationState `json:"state"`
		Sent    time.Time               `json:"sent,omitzero"`
		Expires time.Time               `json:"expires,omitzero"`
		Reason  string                  `json:"reason,omitempty"`
		Note    string                  `json:"note,omitempty"`
	}{i.UserID, i.Email, i.Name, i.Number, i.State, i.Sent, i.Expires, i.Reason, invitationNote(i)}
}

// outboxVerb shows links that nobody mails.
type outboxVerb struct{ where }

// outboxLimit bounds what is shown at once.
const outboxLimit = 1000

// Run prints the links.
func (v *outboxVerb) Run(ctx context.Context, e *environment) error {
	return v.with(ctx, func(a accountapi.Administrator) error {
		list, err := a.Outbox(ctx, outboxLimit)
		if err != nil {
			return err
		}
		if len(list) == 0 && !v.JSON {
			_, err := fmt.Fprintln(e.stdout, "No link waits to be handed over.")
			return err
		}
		if len(list) > 0 {
			fmt.Fprintln(e.stderr, "Careful: whoever has one of these links can get in in that person's place. Hand each to its person and to nobody else, put none where others read, and set up a mail server (OP_SMTP_HOST), so that nobody has to see them.")
		}
		t := tabwriter.NewWriter(e.stdout, 0, 4, 2, ' ', 0)
		for i := range list {
			row := &list[i]
			if v.JSON {
				err = printJSON(e, struct {
					UserID  string    `json:"userId"`
					Email   string    `json:"email"`
					Number  int       `json:"number"`
					Expires time.Time `json:"expires"`
					Link    string    `json:"link"`
				}{row.UserID, row.Email, row.Number, row.Expires, row.Link})
			} else {
				_, err = fmt.Fprintf(t, "%s\t%s\t%s\n", printable(row.Email), moment(row.Expires), printable(row.Link))
			}
			if err != nil {
				return err
			}
		}
		return t.Flush()
	})
}

// resendVerb invites a person anew.
type resendVerb struct {
	where
	Person string `arg:"" help:"Id or user name."`
}

// Run makes the person's invitation due again.
func (v *resendVerb) Run(ctx context.Context, e *environment) error {
	return v.with(ctx, func(a accountapi.Administrator) error {
		u, err := a.Person(ctx, v.Person)
		if err != nil {
			return personError(v.Person, err)
		}
		if err := a.Resend(ctx, u.ID); err != nil {
			switch {
			case errors.Is(err, account.ErrNoKeys), errors.Is(err, account.ErrNotFound):
				return fmt.Errorf("%s was never invited by a link, since this account was founded without keys or the person founded it. Set the state with: scimbridge account state", v.Person)
			}
			return err
		}
		_, err = fmt.Fprintf(e.stdout, "The bridge makes a new link for %s; those before are dead.\n", printable(u.Email))
		return err
	})
}

// policyVerb shows what holds for everybody, or sets it.
type policyVerb struct {
	where
	Domains        []string `name:"domains" placeholder:"DOMAIN,…" help:"Only people with e-mail addresses of these domains are invited. \"any\": no limit."`
	ImmediateNames *bool    `name:"immediate-names" negatable:"" help:"A changed user name holds at once, without the person's confirmation."`
	RotateOnRemove *bool    `name:"rotate-on-remove" negatable:"" help:"A group gets a new key whenever somebody who had it is removed."`
	Guard          string   `name:"guard" placeholder:"observe|hold" help:"What happens when the identity provider takes away unusually much: observe reports it, hold waits for account guard approve."`
}

// Run shows the policy, after changing what is named.
func (v *policyVerb) Run(ctx context.Context, e *environment) error {
	return v.with(ctx, func(a accountapi.Administrator) error {
		p, err := a.Policy(ctx)
		if err != nil {
			return err
		}
		if v.change(&p) {
			if err := a.SetPolicy(ctx, p); err != nil {
				return fmt.Errorf("the policy stays as it is: %w (scimbridge account policy --help)", err)
			}
			if p, err = a.Policy(ctx); err != nil {
				return err
			}
		}
		if v.JSON {
			return printJSON(e, p)
		}
		domains := "any"
		if len(p.Domains) > 0 {
			domains = strings.Join(p.Domains, ", ")
		}
		t := tabwriter.NewWriter(e.stdout, 0, 4, 2, ' ', 0)
		fmt.Fprintf(t, "domains\t%s\nimmediate names\t%s\nrotate on remove\t%s\nguard\t%s\n", printable(domains), onOff(p.ImmediateNames), onOff(p.RotateOnRemove), p.Guard)
		return t.Flush()
	})
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// change carries what is named into a policy, and tells whether anything is.
func (v *policyVerb) change(p *account.Policy) bool {
	if len(v.Domains) > 0 {
		p.Domains = v.Domains
		if len(v.Domains) == 1 && strings.EqualFold(v.Domains[0], "any") {
			p.Domains = nil
		}
	}
	if v.ImmediateNames != nil {
		p.ImmediateNames = *v.ImmediateNames
	}
	if v.RotateOnRemove != nil {
		p.RotateOnRemove = *v.RotateOnRemove
	}
	if v.Guard != "" {
		p.Guard = account.GuardMode(v.Guard)
	}
	return len(v.Domains) > 0 || v.ImmediateNames != nil || v.RotateOnRemove != nil || v.Guard != ""
}
