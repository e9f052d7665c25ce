package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accountapi"
	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/internal/person"
)

// far is an account service far away, as a person uses it.
type far struct{ *accountapi.Person }

var _ person.Account = far{}

// visit prepares to speak to an account service.
func visit(origin string) (far, error) {
	p, err := accountapi.NewPerson(accountapi.PersonConfig{URL: origin})
	return far{p}, err
}

// joinVerb accepts an invitation.
type joinVerb struct {
	Link         string `arg:"" help:"The link of the invitation, in quotes, or - to read it from standard input."`
	Kit          string `name:"kit" placeholder:"FILE" help:"Where to write your emergency kit. Not set: printed, this once."`
	PasswordFile string `name:"password-file" placeholder:"FILE" help:"File with the password that you choose. Not set: asked for on the terminal."`
}

// Run makes keys and a Secret Key, and accepts. The part of the link after # is used here and never sent.
func (v *joinVerb) Run(ctx context.Context, e *environment) error {
	origin, invitation, err := v.link(e)
	if err != nil {
		return err
	}
	if v.Kit != "" && exists(v.Kit) {
		return fmt.Errorf("%s exists already, and a kit is nowhere else. Name a new file with --kit FILE", v.Kit)
	}
	a, err := visit(origin)
	if err != nil {
		return err
	}
	defer a.Close()
	j, err := a.Join(ctx, invitation)
	if err != nil {
		return joinProblem(err)
	}
	if err := person.Judge(invitation, j); err != nil { // before anybody thinks of a password
		return joinProblem(err)
	}
	fmt.Fprintf(e.stderr, "You are about to join %q at %s as %s. The invitation ends on %s.\n",
		printable(j.AccountName), origin, printable(j.Email), j.Expires.Local().Format(time.RFC1123))
	password, err := (kitFlags{PasswordFile: v.PasswordFile}).password(e, "Choose a password: ", true)
	if err != nil {
		return err
	}
	proposal, kit, err := person.Accept(invitation, j, origin, password, rand.Reader)
	if err != nil {
		return joinProblem(err)
	}
	return v.accept(ctx, e, a, invitation, proposal, kit)
}

func (v *joinVerb) link(e *environment) (string, keyset.Invitation, error) {
	text := v.Link
	if text == "-" {
		const longest = 64 << 10
		raw, err := io.ReadAll(io.LimitReader(e.stdin, longest))
		if err != nil {
			return "", keyset.Invitation{}, err
		}
		text = string(raw)
	}
	origin, i, err := keyset.ParseLink(strings.TrimSpace(text))
	if err != nil {
		err = fmt.Errorf("%w. Put it in quotes on the command line", err)
	}
	return origin, i, err
}

// accept puts the kit away before the account hears of the keys: without the Secret Key in it they would be lost.
func (v *joinVerb) accept(ctx context.Context, e *environment, a person.Account, i keyset.Invitation, p account.Proposal, kit keyset.Kit) error {
	if v.Kit != "" {
		out, err := reserve(v.Kit)
		if err != nil {
			return err
		}
		if err := errors.Join(out.write([]byte(kit.Text())), out.discard()); err != nil {
			return err
		}
	}
	if err := a.Accept(ctx, i, p); err != nil {
		switch {
		case v.Kit == "":
		case errors.Is(err, account.ErrAccess), errors.Is(err, account.ErrInvitation), errors.Is(err, account.ErrInvalid):
			err = errors.Join(err, os.Remove(v.Kit))
		default:
			err = fmt.Errorf("%w. Perhaps the account has got your keys all the same: keep %s, and try to sign in with it before you ask for another invitation", err, v.Kit)
		}
		return joinProblem(err)
	}
	if v.Kit == "" {
		fmt.Fprintln(e.stderr, "Your emergency kit, printed this once; keep it where only you can reach it:")
		if _, err := io.WriteString(e.stdout, kit.Text()); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(e.stderr, "Your emergency kit with the Secret Key is in %s. Print it or put it where only you can reach it.\n", v.Kit)
	}
	_, err := fmt.Fprintln(e.stderr, "Accepted. You are in as soon as the bridge has confirmed your keys, in seconds as a rule.")
	return err
}

// joinProblem says what to do about an invitation that cannot be accepted.
func joinProblem(err error) error {
	switch {
	case errors.Is(err, account.ErrAccess):
		return fmt.Errorf("%w: it is of another account, or a newer one has been sent. Use the newest link, or ask your administrator for one", err)
	case errors.Is(err, account.ErrInvitation):
		return fmt.Errorf("%w. If that was not you, tell your administrator, who can send another: scimbridge account resend PERSON", err)
	case errors.Is(err, person.ErrLink), errors.Is(err, person.ErrRoot), errors.Is(err, person.ErrLinkRoot):
		return fmt.Errorf("%w. Go no further, and tell your administrator", err)
	case errors.Is(err, account.ErrUnavailable):
		return fmt.Errorf("%w. See that you are online, and try again later", err)
	}
	return err
}
