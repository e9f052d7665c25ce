package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accountapi"
)

// accountVerb looks after an account: through its socket where a process serves it, else on the database itself.
type accountVerb struct {
	Serve           accountServeVerb `cmd:"" help:"Serve the account to bridges and people far away."`
	People          peopleVerb       `cmd:"" help:"List people, in every state."`
	Show            showVerb         `cmd:"" help:"Show a person."`
	State           stateVerb        `cmd:"" help:"Set a person's state."`
	Protect         protectVerb      `cmd:"" help:"Protect a person from being suspended by the identity provider."`
	ConfirmUserName nameVerb         `cmd:"" help:"Settle a person's change of user name."`
	Groups          groupsVerb       `cmd:"" help:"List groups, also those that provisioning does not see, or show one."`
	Adopt           adoptVerb        `cmd:"" help:"Hand a group and its key over to provisioning."`
	Invitations     invitationsVerb  `cmd:"" help:"List who is invited, waits, was refused or came too late, with the reasons."`
	Outbox          outboxVerb       `cmd:"" help:"Show the links that nobody mails."`
	Resend          resendVerb       `cmd:"" help:"Invite a person anew; the links before are dead."`
	Policy          policyVerb       `cmd:"" help:"Show or set what holds for everybody."`
	Guard           guardVerb        `cmd:"" help:"Look at what the guard holds back, and approve it."`
	Integration     integrationVerb  `cmd:"" help:"Look after the integration's credentials."`
	Owner           ownerVerb        `cmd:"" help:"Look after the owners."`
	Recover         recoverVerb      `cmd:"" help:"Let a person make new keys who has lost password or emergency kit."`
	Activity        activityVerb     `cmd:"" help:"Print the activity log."`
	Verify          verifyVerb       `cmd:"" help:"Check that the activity log is whole and unaltered."`
	Backup          backupVerb       `cmd:"" help:"Write a copy of the account, beside a running process too."`
	Restore         restoreVerb      `cmd:"" help:"Put a copy in the place of the account; the process must be stopped."`
	Export          exportVerb       `cmd:"" help:"Write people, groups and activity as JSON lines to standard output."`
	Join            joinVerb         `cmd:"" help:"Accept an invitation: make keys and a Secret Key."`
	ConfirmEmail    confirmEmailVerb `cmd:"" help:"Confirm the new address that you sign in with, after the identity provider has changed it."`
	Open            openVerb         `cmd:"" help:"Open the key of a group that you are in, or a file that was sealed to it."`
	Seal            sealVerb         `cmd:"" help:"Seal standard input to a group, for its members to open."`
}

// asAdministrator says, for the activity log, that whoever types a command is an administrator.
func asAdministrator(ctx context.Context) context.Context {
	return account.WithCaller(ctx, account.Caller{Kind: account.Administrator})
}

// where names the account.
type where struct {
	Data string `name:"data" env:"OP_DATA_DIR" placeholder:"DIR" help:"Folder with the account. Not set: the folder of dev."`
	JSON bool   `name:"json" help:"Print JSON."`
	databaseSettings
}

func (w *where) folder() (string, error) { return (&devVerb{Data: w.Data}).folder() }

// with opens the account for one act.
func (w *where) with(ctx context.Context, act func(accountapi.Administrator) error) error {
	dir, err := w.folder()
	if err != nil {
		return err
	}
	return place{dir, w.databaseSettings}.administer(ctx, act)
}

// pageSize is how many rows an act asks for at once.
const pageSize = 500

type peopleVerb struct{ where }

// Run lists people.
func (v *peopleVerb) Run(ctx context.Context, e *environment) error {
	return v.with(ctx, func(a accountapi.Administrator) error {
		t := tabwriter.NewWriter(e.stdout, 0, 4, 2, ' ', 0)
		if !v.JSON {
			fmt.Fprintln(t, "ID\tUSER NAME\tNAME\tSTATE\tNOTES")
		}
		count := 0
		for after := ""; ; {
			page, err := a.People(ctx, after, pageSize)
			if err != nil {
				return err
			}
			for i := range page {
				count++
				if v.JSON {
					if err := printJSON(e, personView(&page[i])); err != nil {
						return err
					}
					continue
				}
				u := &page[i]
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", u.ID, printable(u.UserName), printable(u.Name), u.State, notes(u))
			}
			if len(page) < pageSize {
				break
			}
			after = page[len(page)-1].ID
		}
		if count == 0 && !v.JSON {
			_, err := fmt.Fprintln(e.stdout, "Nobody is in this account yet.")
			return err
		}
		return t.Flush()
	})
}

// printable keeps a name from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

func notes(u *account.User) string {
	var list []string
	if u.Protection != "" {
		list = append(list, "protected: "+printable(u.Protection))
	}
	if u.Released {
		list = append(list, "released")
	}
	if !u.Managed {
		list = append(list, "not managed")
	}
	if u.SignInName != u.UserName && u.SignInName != "" {
		list = append(list, "signs in as "+printable(u.SignInName)+" until the new name is confirmed")
	}
	return strings.Join(list, "; ")
}

// personView is a person as JSON. The profile stays out: it is the identity provider's.
func personView(u *account.User) any {
	return struct {
		ID         string             `json:"id"`
		UserName   string             `json:"userName"`
		SignInName string             `json:"signInName,omitempty"`
		Email      string             `json:"email"`
		Name       string             `json:"name"`
		ExternalID string             `json:"externalId,omitempty"`
		State      account.State      `json:"state"`
		Managed    bool               `json:"managed"`
		Released   bool               `json:"released"`
		Protection string             `json:"protection,omitempty"`
		Groups     []account.GroupRef `json:"groups,omitempty"`
		Created    time.Time          `json:"created"`
		Modified   time.Time          `json:"modified"`
	}{u.ID, u.UserName, u.SignInName, u.Email, u.Name, u.ExternalID, u.State, u.Managed, u.Released, u.Protection, u.Groups, u.Created, u.Modified}
}

func printJSON(e *environment, v any) error { return json.NewEncoder(e.stdout).Encode(v) }

type showVerb struct {
	where
	Person string `arg:"" help:"Id or user name."`
}

// Run shows a person.
func (v *showVerb) Run(ctx context.Context, e *environment) error {
	return v.with(ctx, func(a accountapi.Administrator) error {
		u, err := a.Person(ctx, v.Person)
		if err != nil {
			return personError(v.Person, err)
		}
		return v.show(e, &u)
	})
}

func (w *where) show(e *environment, u *account.User) error {
	if w.JSON {
		return printJSON(e, personView(u))
	}
	t := tabwriter.NewWriter(e.stdout, 0, 4, 2, ' ', 0)
	for _, line := range [][2]string{
		{"id", u.ID},
		{"user name", u.UserName},
		{"e-mail", u.Email},
		{"name", u.Name},
		{"external id", u.ExternalID},
		{"state", string(u.State)},
		{"notes", notes(u)},
		{"created", u.Created.Format(time.RFC3339)},
		{"modified", u.Modified.Format(time.RFC3339)},
	} {
		if line[1] != "" {
			fmt.Fprintf(t, "%s\t%s\n", line[0], printable(line[1]))
		}
	}
	for _, g := range u.Groups {
		fmt.Fprintf(t, "group\t%s  %s\n", g.ID, printable(g.Name))
	}
	return t.Flush()
}

func personError(who string, err error) error {
	if errors.Is(err, account.ErrNotFound) {
		return fmt.Errorf("there is no person %q (scimbridge account people lists them)", who)
	}
	return err
}

type stateVerb struct {
	where
	Person string `arg:"" help:"Id or user name."`
	State  string `arg:"" help:"INVITED, ACCEPTED, ACTIVE, SUSPENDED, INVITE_SUSPENDED or DELETED."`
}

// Run sets a person's state.
func (v *stateVerb) Run(ctx context.Context, e *environment) error {
	return v.with(ctx, func(a accountapi.Administrator) error {
		return v.change(ctx, e, a, v.Person, func(id string) (account.User, error) {
			return a.SetState(ctx, id, account.State(strings.ToUpper(v.State)))
		})
	})
}

func (w *where) change(ctx context.Context, e *environment, a accountapi.Administrator, who string, act func(id string) (account.User, error)) error {
	u, err := a.Person(ctx, who)
	if err != nil {
		return personError(who, err)
	}
	if u, err = act(u.ID); err != nil {
		return err
	}
	return w.show(e, &u)
}

type protectVerb struct {
	where
	Person string `arg:"" help:"Id or user name."`
	Reason string `name:"reason" default:"break-glass" help:"Why; the identity provider's administrator reads it."`
	Off    bool   `name:"off" help:"Take the protection away."`
}

// Run protects a person.
func (v *protectVerb) Run(ctx context.Context, e *environment) error {
	reason := v.Reason
	if v.Off {
		reason = ""
	}
	return v.with(ctx, func(a accountapi.Administrator) error {
		return v.change(ctx, e, a, v.Person, func(id string) (account.User, error) { return a.Protect(ctx, id, reason) })
	})
}

type nameVerb struct {
	where
	Person string `arg:"" help:"Id or user name."`
}

// Run settles a change of user name.
func (v *nameVerb) Run(ctx context.Context, e *environment) error {
	return v.with(ctx, func(a accountapi.Administrator) error {
		return v.change(ctx, e, a, v.Person, func(id string) (account.User, error) { return a.ConfirmUserName(ctx, id) })
	})
}

type adoptVerb struct {
	where
	Group string `arg:"" help:"Id or name of the group."`
	kitFlags
}

// Run adopts a group. In an account with keys the owner hands the group's key over with it.
func (v *adoptVerb) Run(ctx context.Context, e *environment) error {
	dir, err := v.folder()
	if err != nil {
		return err
	}
	return place{dir, v.databaseSettings}.administer(ctx, func(a accountapi.Administrator) error {
		g, err := groupNamed(ctx, a, v.Group)
		if err != nil {
			return err
		}
		if g.Privileged || g.Managed { // known before anybody is asked for a password
			_, err = a.Adopt(ctx, g.ID)
			return fmt.Errorf("group %s: %w", g.ID, err)
		}
		o, err := ownerOf(ctx, e, a, v.kitFor(dir, v.databaseSettings))
		if err != nil {
			return err
		}
		if o != nil {
			g, err = o.Adopt(ctx, a, g)
		} else {
			g, err = a.Adopt(ctx, g.ID)
		}
		if err != nil {
			return fmt.Errorf("group %s: %w", g.ID, ownerProblem(err))
		}
		if v.JSON {
			return printJSON(e, groupView(&g, nil))
		}
		_, err = fmt.Fprintf(e.stdout, "Provisioning now adds people to %q and removes those it has added; its other members stay.\n", printable(g.Name))
		return err
	})
}

type activityVerb struct {
	where
	After int64 `name:"after" help:"Only entries after this number."`
	Last  int64 `name:"last" help:"Only so many of the newest entries."`
}

// Run prints the log, oldest first.
func (v *activityVerb) Run(ctx context.Context, e *environment) error {
	return v.with(ctx, func(a accountapi.Administrator) error {
		after := v.After
		if v.Last > 0 {
			check, err := a.Verify(ctx)
			if err != nil {
				return err
			}
			after = max(after, check.Entries-v.Last)
		}
		for {
			page, err := a.Activity(ctx, after, pageSize)
			if err != nil {
				return err
			}
			for _, entry := range page {
				after = entry.Number
				if v.JSON {
					err = printJSON(e, entry)
				} else {
					_, err = fmt.Fprintln(e.stdout, printable(entry.String()))
				}
				if err != nil {
					return err
				}
			}
			if len(page) < pageSize {
				return nil
			}
		}
	})
}

type verifyVerb struct{ where }

// Run verifies the chain.
func (v *verifyVerb) Run(ctx context.Context, e *environment) error {
	return v.with(ctx, func(a accountapi.Administrator) error {
		check, err := a.Verify(ctx)
		if err != nil {
			return err
		}
		if v.JSON {
			if err := printJSON(e, check); err != nil {
				return err
			}
		}
		if check.Problem != "" {
			return fmt.Errorf("the activity log has been altered: %s. Compare it with a backup", check.Problem)
		}
		if v.JSON {
			return nil
		}
		_, err = fmt.Fprintf(e.stdout, "The activity log is whole: %d entries in %d links.\n", check.Entries, check.Links)
		return err
	})
}
