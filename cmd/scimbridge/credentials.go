package main

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accountapi"
	"github.com/scimbridge/scimbridge/internal/keyset"
)

// credentialsVerb makes or looks at credentials.
type credentialsVerb struct {
	New     credentialsNewVerb     `cmd:"" help:"Make a scimsession and its bearer token. Those before them stop working."`
	Inspect credentialsInspectVerb `cmd:"" help:"Say what a scimsession is for. Never prints a secret."`
}

type credentialsNewVerb struct {
	Data      string `name:"data" env:"OP_DATA_DIR" placeholder:"DIR" help:"Folder with the account. One without an account gets a new one. Not set: the folder of dev."`
	Out       string `name:"out" placeholder:"FILE" help:"Where to write the scimsession. Not set: scimsession in the data folder."`
	TokenFile string `name:"token-file" placeholder:"FILE" help:"Write the token to this file instead of printing it."`
	Account   string `name:"account" default:"My account" help:"Name of a new account."`
	Owner     string `name:"owner" placeholder:"E-MAIL" help:"E-mail address of a new account's owner."`
	OwnerName string `name:"owner-name" placeholder:"NAME" help:"Name of a new account's owner."`
}

// Run makes credentials.
func (v *credentialsNewVerb) Run(ctx context.Context, e *environment) error {
	dir, err := (&devVerb{Data: v.Data}).folder()
	if err != nil {
		return err
	}
	out := v.Out
	if out == "" {
		out = sessionPath(dir)
	}
	tokens := v.tokenFiles(dir)
	if slices.ContainsFunc(tokens, func(path string) bool { return same(path, out) }) {
		return fmt.Errorf("--out and --token-file are the same file, %s. The scimsession and the token are kept apart: name two files", out)
	}
	if err := v.found(ctx, e, dir); err != nil {
		return err
	}
	return administer(ctx, dir, func(a accountapi.Administrator) error {
		token, err := issue(ctx, a, out, tokens...)
		if err != nil {
			return err
		}
		return v.report(e, out, token)
	})
}

// tokenFiles are the files that the token is written to.
func (v *credentialsNewVerb) tokenFiles(dir string) []string {
	var list []string
	if v.TokenFile != "" {
		list = append(list, v.TokenFile)
	}
	if beside := tokenPath(dir); exists(beside) && !same(beside, v.TokenFile) { // dev keeps its token beside the account
		list = append(list, beside)
	}
	return list
}

// same tells whether two paths name one file.
func same(a, b string) bool {
	a, errA := filepath.Abs(a)
	b, errB := filepath.Abs(b)
	return errA == nil && errB == nil && a == b
}

// found makes a new account where the folder has none.
func (v *credentialsNewVerb) found(ctx context.Context, e *environment, dir string) error {
	err := administer(ctx, dir, func(a accountapi.Administrator) error {
		_, err := a.Describe(ctx)
		return err
	})
	if err == nil && v.Owner != "" {
		fmt.Fprintf(e.stderr, "%s has an account already; --owner is for a new one and changes nothing.\n", dir)
	}
	if !errors.Is(err, errNoAccount) && !errors.Is(err, account.ErrNotFound) {
		return err
	}
	if v.Owner == "" {
		return fmt.Errorf("there is no account in %s yet. To make one, name its owner: --owner E-MAIL --owner-name NAME", dir)
	}
	if a, err := mail.ParseAddress(v.Owner); err != nil || a.Address != v.Owner {
		return fmt.Errorf("--owner: %q is no e-mail address. Write it as ann@example.com, and the name with --owner-name", v.Owner)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	name := v.OwnerName
	if name == "" {
		name = v.Owner
	}
	service, closeStore, err := openAccount(ctx, dir, (&logSettings{}).logger(e.stderr))
	if err != nil {
		return err
	}
	_, err = service.Found(ctx, account.Founding{Name: v.Account, Owner: name, UserName: v.Owner})
	return errors.Join(err, closeStore())
}

func (v *credentialsNewVerb) report(e *environment, out string, token keyset.Token) error {
	path, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stderr, "The scimsession is in %s. Give it to the bridge (OP_SESSION), and to nobody else.\n", path)
	fmt.Fprintln(e.stderr, "A running bridge has to be restarted with it. Credentials made before no longer work.")
	if v.TokenFile != "" {
		_, err = fmt.Fprintf(e.stderr, "The bearer token is in %s. Give it to the identity provider, and delete the file.\n", v.TokenFile)
		return err
	}
	fmt.Fprintln(e.stderr, "The bearer token, shown this once; give it to the identity provider:")
	_, err = fmt.Fprintln(e.stdout, token.Reveal())
	return err
}

type credentialsInspectVerb struct {
	Session string `arg:"" optional:"" help:"The scimsession: a path, JSON or base64. Not given: OP_SESSION." env:"OP_SESSION"`
	JSON    bool   `name:"json" help:"Print JSON."`
}

// Run says what a scimsession is for.
func (v *credentialsInspectVerb) Run(_ context.Context, e *environment) error {
	s, origin, err := session(v.Session)
	if errors.Is(err, keyset.ErrNoSession) {
		return fmt.Errorf("%s: %w. Name it: scimbridge credentials inspect FILE", origin, err)
	}
	if err != nil {
		return sessionProblem(origin, err)
	}
	h := s.Header()
	if v.JSON {
		return printJSON(e, struct {
			Account     string    `json:"account"`
			Integration string    `json:"integration"`
			Generation  int       `json:"generation"`
			URL         string    `json:"url,omitempty"`
			Created     time.Time `json:"created"`
			TokenKeyID  string    `json:"tokenKeyId"`
		}{h.Account, h.Integration, h.Generation, h.URL, h.Created, h.TokenKeyID})
	}
	t := tabwriter.NewWriter(e.stdout, 0, 4, 2, ' ', 0)
	service := h.URL
	if service == "" {
		service = "in the bridge's own process"
	}
	for _, line := range [][2]string{
		{"from", origin},
		{"account", h.Account},
		{"account service", service},
		{"integration", h.Integration},
		{"generation", fmt.Sprint(h.Generation)},
		{"created", h.Created.Format(time.RFC3339)},
		{"bearer token", "scb_" + h.TokenKeyID + "_…"},
	} {
		fmt.Fprintf(t, "%s\t%s\n", line[0], line[1])
	}
	return t.Flush()
}
