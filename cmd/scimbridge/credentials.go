package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accountapi"
	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/internal/owner"
	"github.com/scimbridge/scimbridge/internal/person"
)

// credentialsVerb makes or looks at credentials.
type credentialsVerb struct {
	New     credentialsNewVerb     `cmd:"" help:"Make a scimsession and its bearer token. Those before them stop working."`
	Inspect credentialsInspectVerb `cmd:"" help:"Say what a scimsession is for. Never prints a secret."`
}

type credentialsNewVerb struct {
	Data      string `name:"data" env:"OP_DATA_DIR" placeholder:"DIR" help:"Folder with the account. One without an account gets a new one. Not set: the folder of dev."`
	Out       string `name:"out" placeholder:"FILE" help:"Where to write the scimsession. Not set: scimsession in the data folder; for an account in a database it has to be named."`
	TokenFile string `name:"token-file" placeholder:"FILE" help:"Write the token to this file instead of printing it."`
	Account   string `name:"account" default:"My account" help:"Name of a new account."`
	Owner     string `name:"owner" placeholder:"E-MAIL" help:"E-mail address of a new account's owner."`
	OwnerName string `name:"owner-name" placeholder:"NAME" help:"Name of a new account's owner."`

	Kit          string `name:"kit" placeholder:"FILE" help:"The owner's emergency kit: of a new account, where to write it; of one that is there, which to use. Not set: shown once on the terminal; the one in a data folder that dev has made."`
	PasswordFile string `name:"password-file" placeholder:"FILE" help:"File with the owner's password. Not set: asked for on the terminal."`

	URL      string        `name:"url" placeholder:"URL" help:"Address of the account service that the bridge is to speak to. Not set: the account is in the bridge's own process."`
	Overlap  time.Duration `name:"overlap" placeholder:"24h" help:"How long the credentials before go on working beside the new ones; at most 24h. Not set: they end at once."`
	Previous string        `name:"previous" placeholder:"FILE" help:"The scimsession before, for an overlap. Not set: the file that the new one replaces."`
	Another  bool          `name:"another" help:"Make a further account in the database, beside those that are there."`
	databaseSettings
}

func (v *credentialsNewVerb) place(dir string) place { return place{dir, v.databaseSettings} }

// Run makes credentials.
func (v *credentialsNewVerb) Run(ctx context.Context, e *environment) error {
	dir, err := (&devVerb{Data: v.Data}).folder()
	if err != nil {
		return err
	}
	out, tokens := v.Out, v.tokenFiles(dir)
	switch {
	case out != "":
	case v.DatabaseURL != "" && v.Data == "": // the folder of dev has the scimsession of dev's account
		return errors.New("the account is in a database: name the file to write the scimsession to with --out FILE")
	default:
		out = sessionPath(dir)
	}
	if slices.ContainsFunc(tokens, func(path string) bool { return same(path, out) }) {
		return fmt.Errorf("--out and --token-file are the same file, %s. The scimsession and the token are kept apart: name two files", out)
	}
	c, err := v.credentials(out)
	if err != nil {
		return err
	}
	o, err := v.found(ctx, e, dir)
	if err != nil {
		return err
	}
	return v.after(dir, o).administer(ctx, func(a accountapi.Administrator) error {
		if o == nil {
			if o, err = ownerOf(ctx, e, a, v.kit(dir)); err != nil {
				return err
			}
		}
		if o == nil && (c.Overlap > 0 || c.URL != "") {
			return errors.New("--overlap and --url need an account with keys, and this one was founded without. Leave them out")
		}
		made, err := issue(ctx, a, o, c, out, tokens...)
		if err != nil {
			return credentialsProblem(err)
		}
		return v.report(e, out, made, o != nil)
	})
}

// after is the place of the account once it has been founded: in a database with others, it is the owner's.
func (v *credentialsNewVerb) after(dir string, o *owner.Owner) place {
	p := v.place(dir)
	if o != nil && p.inDatabase() {
		p.AccountID = o.Account()
	}
	return p
}

// credentials checks what is asked for.
func (v *credentialsNewVerb) credentials(out string) (owner.Credentials, error) {
	c := owner.Credentials{Overlap: v.Overlap}
	var err error
	if c.URL, err = serviceURL(v.URL); err != nil {
		return c, err
	}
	if v.Overlap == 0 {
		return c, nil
	}
	if v.Overlap < 0 || v.Overlap > keyset.MaxOverlap {
		return c, fmt.Errorf("--overlap: %w. Write it as 24h or 30m", keyset.ErrOverlap)
	}
	path := v.Previous
	if path == "" {
		path = out
	}
	if c.Previous, err = os.ReadFile(path); err != nil {
		return c, fmt.Errorf("--overlap needs the scimsession before: %w. Name it with --previous FILE", err)
	}
	return c, nil
}

// serviceURL is the address of an account service as it stands in a scimsession and in links: scheme, host and port.
func serviceURL(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return "", errors.New("--url is the address of the account service and nothing more. Write it as https://account.example.com")
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme != "https" && (u.Scheme != "http" || u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback())) {
		return "", errors.New("--url: secrets travel to the account service by https only, but for one on this machine. Write it as https://account.example.com")
	}
	return u.Scheme + "://" + u.Host, nil
}

// credentialsProblem says what to do about credentials that were not made.
func credentialsProblem(err error) error {
	switch {
	case errors.Is(err, keyset.ErrPrevious), errors.Is(err, keyset.ErrTokenInstead), errors.Is(err, keyset.ErrFormat), errors.Is(err, keyset.ErrAltered):
		return fmt.Errorf("no credentials were made, those before still work: %w. Name the newest scimsession with --previous FILE, or leave --overlap out", err)
	case errors.Is(err, account.ErrRevision):
		return fmt.Errorf("no credentials were made, those before still work: %w. Run the command again", err)
	}
	return keysProblem(err)
}

// kit is what the owner signs in with. That of dev is the owner's of the account in the folder only.
func (v *credentialsNewVerb) kit(dir string) kitFlags {
	return kitFlags{v.Kit, v.PasswordFile}.kitFor(dir, v.databaseSettings)
}

// tokenFiles are the files that the token is written to.
func (v *credentialsNewVerb) tokenFiles(dir string) []string {
	var list []string
	if v.TokenFile != "" {
		list = append(list, v.TokenFile)
	}
	if beside := tokenPath(dir); v.DatabaseURL == "" && exists(beside) && !same(beside, v.TokenFile) { // dev keeps its token beside the account
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

// found makes a new account where the folder has none, and returns its owner, unlocked.
func (v *credentialsNewVerb) found(ctx context.Context, e *environment, dir string) (*owner.Owner, error) {
	err := v.place(dir).administer(ctx, func(a accountapi.Administrator) error {
		_, err := a.Describe(ctx)
		return err
	})
	if v.Another && v.DatabaseURL != "" {
		err = errEmptyDatabase // whatever else is in it
	}
	if err == nil && v.Owner != "" {
		fmt.Fprintf(e.stderr, "%s has an account already; --owner is for a new one and changes nothing.\n", dir)
	}
	if !errors.Is(err, errNoAccount) && !errors.Is(err, account.ErrNotFound) {
		return nil, err
	}
	if v.Owner == "" {
		if v.DatabaseURL != "" {
			return nil, fmt.Errorf("%w. To make one, name its owner: --owner E-MAIL --owner-name NAME", errEmptyDatabase)
		}
		return nil, fmt.Errorf("there is no account in %s yet. To make one, name its owner: --owner E-MAIL --owner-name NAME", dir)
	}
	if a, err := mail.ParseAddress(v.Owner); err != nil || a.Address != v.Owner {
		return nil, fmt.Errorf("--owner: %q is no e-mail address. Write it as ann@example.com, and the name with --owner-name", v.Owner)
	}
	if v.Kit == "" && !e.terminal {
		return nil, errors.New("a new account's owner gets an emergency kit, without which nobody can ever open the account. Name the file to write it to with --kit FILE")
	}
	f := owner.Founding{AccountName: v.Account, Name: v.OwnerName, UserName: v.Owner}
	if f.Name == "" {
		f.Name = v.Owner
	}
	if f.URL, err = serviceURL(v.URL); err != nil {
		return nil, err
	}
	if f.Password, err = (kitFlags{PasswordFile: v.PasswordFile}).password(e, "A password for "+printable(v.Owner)+", the account's owner: ", true); err != nil {
		return nil, err
	}
	return v.make(ctx, e, dir, f)
}

func (v *credentialsNewVerb) make(ctx context.Context, e *environment, dir string, f owner.Founding) (*owner.Owner, error) {
	if err := person.NewPassword(f.Password); err != nil {
		return nil, err
	}
	if !v.place(dir).inDatabase() { // in a container whose root is read-only there is no folder to make
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	made, err := foundKeys(f, v.Kit)
	if err != nil {
		return nil, err
	}
	service, closeStore, err := v.place(dir).create(ctx, made.kit.Account, (&logSettings{}).logger(e.stderr))
	if err == nil {
		err = errors.Join(made.found(ctx, service, v.Kit), closeStore())
	}
	if err != nil {
		return nil, err
	}
	if v.Kit == "" {
		_, err = fmt.Fprintf(e.stderr, "The owner's emergency kit, shown this once:\n\n%s\n", made.kit.Text())
	} else {
		_, err = fmt.Fprintf(e.stderr, "The owner's emergency kit is in %s. Print it and put it away: without it nobody can ever open the account.\n", v.Kit)
	}
	return made.owner, err
}

func (v *credentialsNewVerb) report(e *environment, out string, made owner.Issued, keyed bool) error {
	path, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stderr, "The scimsession is in %s. Give it to the bridge (OP_SESSION), and to nobody else.\n", path)
	before := "Credentials made before no longer work."
	if v.Overlap > 0 {
		before = fmt.Sprintf("The token before goes on working for %s.", v.Overlap)
	}
	fmt.Fprintln(e.stderr, "A running bridge has to be restarted with it.", before)
	if keyed {
		fmt.Fprintf(e.stderr, "It holds the keys of these groups and of no others: %s.\n", printable(strings.Join(made.Groups, ", ")))
	}
	if v.TokenFile != "" {
		_, err = fmt.Fprintf(e.stderr, "The bearer token is in %s. Give it to the identity provider, and delete the file.\n", v.TokenFile)
		return err
	}
	fmt.Fprintln(e.stderr, "The bearer token, shown this once; give it to the identity provider:")
	_, err = fmt.Fprintln(e.stdout, made.Token.Reveal())
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
			FormerKeyID string    `json:"formerTokenKeyId,omitempty"`
			FormerUntil time.Time `json:"formerTokenUntil,omitzero"`
		}{h.Account, h.Integration, h.Generation, h.URL, h.Created, h.TokenKeyID, h.PreviousKeyID, h.PreviousUntil})
	}
	t := tabwriter.NewWriter(e.stdout, 0, 4, 2, ' ', 0)
	service := h.URL
	if service == "" {
		service = "in the bridge's own process"
	}
	former := ""
	if h.PreviousKeyID != "" {
		former = "scb_" + h.PreviousKeyID + "_…, until " + h.PreviousUntil.Format(time.RFC3339)
	}
	for _, line := range [][2]string{
		{"from", origin},
		{"account", h.Account},
		{"account service", service},
		{"integration", h.Integration},
		{"generation", fmt.Sprint(h.Generation)},
		{"created", h.Created.Format(time.RFC3339)},
		{"bearer token", "scb_" + h.TokenKeyID + "_…"},
		{"former token", former},
	} {
		if line[1] != "" {
			fmt.Fprintf(t, "%s\t%s\n", line[0], line[1])
		}
	}
	return t.Flush()
}
