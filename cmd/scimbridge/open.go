package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accountapi"
	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/internal/owner"
	"github.com/scimbridge/scimbridge/internal/person"
)

// openVerb opens the key of a group.
type openVerb struct {
	where
	Group string `name:"group" required:"" placeholder:"NAME|ID" help:"The group."`
	kitFlags
	File string `arg:"" optional:"" help:"A file that was sealed to the group, or - for standard input: it is opened to standard output. Not given: it is only shown that you hold the key."`
}

// Run signs in, opens the group's key, verifies it down from the root that the kit names, and uses it.
func (v *openVerb) Run(ctx context.Context, e *environment) error {
	sealed, err := v.sealed(e)
	if err != nil {
		return err
	}
	dir, err := v.folder()
	if err != nil {
		return err
	}
	kit, password, err := v.kitFor(dir, v.databaseSettings).read(e)
	if err != nil {
		return err
	}
	name := v.Group
	if sealed.Serial > 0 && sealed.Account != kit.Account {
		return fmt.Errorf("the file was sealed in the account %s, and the kit is of %s. Use a kit of that account", sealed.Account, kit.Account)
	}
	var k person.GroupKey
	if kit.URL != "" {
		k, err = memberGroup(ctx, kit, password, name, sealed.Serial)
	} else {
		err = place{dir, v.databaseSettings}.administer(ctx, func(a accountapi.Administrator) (err error) {
			k, err = ownerGroup(ctx, a, kit, password, name, sealed.Serial)
			return err
		})
	}
	if err != nil {
		return signInProblem(err)
	}
	if v.File == "" {
		return v.prove(e, k)
	}
	if sealed.Group != k.ID {
		return fmt.Errorf("the file was sealed to the group %s, and %q is %s. Name that group with --group", sealed.Group, printable(k.Name), k.ID)
	}
	text, err := sealed.Open(k.Keys)
	if err != nil {
		return fmt.Errorf("%w. Ask for the file again", err)
	}
	_, err = e.stdout.Write(text)
	return err
}

// maxSealed bounds what is sealed and opened, which is held in memory.
const maxSealed = 64 << 20

// sealed reads the file, if one is named.
func (v *openVerb) sealed(e *environment) (person.Sealed, error) {
	if v.File == "" {
		return person.Sealed{}, nil
	}
	in := e.stdin
	if v.File != "-" {
		f, err := os.Open(v.File)
		if err != nil {
			return person.Sealed{}, err
		}
		defer f.Close() //nolint:errcheck // read only
		in = f
	}
	raw, err := io.ReadAll(io.LimitReader(in, 2*maxSealed))
	if err != nil {
		return person.Sealed{}, err
	}
	s, err := person.ParseSealed(raw)
	if err != nil {
		err = fmt.Errorf("%w. Name one that \"scimbridge account seal\" wrote, unchanged", err)
	}
	return s, err
}

func (v *openVerb) prove(e *environment, k person.GroupKey) error {
	if err := k.Prove([]byte(rand.Text())); err != nil {
		return err
	}
	if v.JSON {
		return printJSON(e, struct {
			Group       string `json:"group"`
			Name        string `json:"name"`
			Serial      int    `json:"serial"`
			Fingerprint string `json:"fingerprint"`
		}{k.ID, k.Name, k.Serial, k.Public.Fingerprint()})
	}
	_, err := fmt.Fprintf(e.stdout, "You hold the key of the group %q: what was sealed to it has been opened.\ngroup  %s\nkey    %d  %s\n", printable(k.Name), k.ID, k.Serial, k.Public.Fingerprint())
	return err
}

// memberGroup opens a group's key as one of its members, over the network.
func memberGroup(ctx context.Context, kit keyset.Kit, password, name string, serial int) (person.GroupKey, error) {
	a, err := visit(kit.URL)
	if err != nil {
		return person.GroupKey{}, err
	}
	defer a.Close()
	m, err := person.Enter(ctx, a, kit, password)
	if err != nil {
		return person.GroupKey{}, err
	}
	return m.Group(name, serial)
}

// ownerGroup opens a group's key as an owner, on the machine of the account: owners can open every group's.
func ownerGroup(ctx context.Context, a accountapi.Administrator, kit keyset.Kit, password, name string, serial int) (person.GroupKey, error) {
	o, err := owner.Unlock(ctx, a, kit, password, source())
	if err != nil {
		return person.GroupKey{}, err
	}
	g, err := groupNamed(ctx, a, name)
	if err != nil {
		return person.GroupKey{}, err
	}
	if serial == 0 {
		serial = g.Serial
	}
	if serial == 0 {
		return person.GroupKey{}, fmt.Errorf("%w: %q has none yet", person.ErrNoGroup, name)
	}
	k, err := o.Group(ctx, a, g.ID, serial)
	if err != nil {
		return person.GroupKey{}, err
	}
	return person.GroupKey{ID: g.ID, Name: g.Name, Serial: serial, Public: k.Public(), Keys: k}, nil
}

// groupNamed finds a group of any kind by id or by name.
func groupNamed(ctx context.Context, a accountapi.Administrator, name string) (account.Group, error) {
	var all []account.Group
	for after := ""; ; {
		page, err := a.AllGroups(ctx, after, pageSize)
		if err != nil {
			return account.Group{}, err
		}
		all = append(all, page...)
		if len(page) < pageSize {
			break
		}
		after = page[len(page)-1].ID
	}
	g, err := person.GroupNamed(all, name)
	if err != nil {
		err = fmt.Errorf("there is no group %q, or several (scimbridge account groups lists them)", name)
	}
	return g, err
}

// signInProblem says what to do where somebody does not get in, or not at a group's key.
func signInProblem(err error) error {
	switch {
	case errors.Is(err, person.ErrNoGroup):
		return fmt.Errorf("%w. Only members get it, from the bridge, once they are confirmed", err)
	case errors.Is(err, account.ErrUnavailable):
		return fmt.Errorf("%w. See that you are online, and try again later", err)
	case errors.Is(err, person.ErrSignIn):
		return fmt.Errorf("%w. Type the password again, and see that the kit is the newest; who is not confirmed yet, or is suspended, cannot sign in", err)
	}
	return keysProblem(err)
}

// sealVerb seals a text to a group.
type sealVerb struct {
	where
	Group string `name:"group" required:"" placeholder:"NAME|ID" help:"The group whose members can open it."`
	kitFlags
}

// Run encrypts standard input to a group's attested key. With a kit, trust begins in the root that the kit names, and
// the sealing person is one of the group; without, on the machine of the account, in the root that the account names.
func (v *sealVerb) Run(ctx context.Context, e *environment) error {
	var id string
	var k person.GroupKey
	var err error
	if v.Kit != "" {
		var kit keyset.Kit
		var password string
		if kit, password, err = v.read(e); err != nil {
			return err
		}
		id = kit.Account
		if kit.URL == "" {
			err = v.with(ctx, func(a accountapi.Administrator) (err error) {
				k, err = ownerGroup(ctx, a, kit, password, v.Group, 0)
				return err
			})
		} else {
			k, err = memberGroup(ctx, kit, password, v.Group, 0)
		}
	} else {
		err = v.with(ctx, func(a accountapi.Administrator) (err error) {
			id, k, err = attestedGroup(ctx, a, v.Group)
			return err
		})
	}
	if err != nil {
		return signInProblem(err)
	}
	text, err := io.ReadAll(io.LimitReader(e.stdin, maxSealed+1))
	if err != nil {
		return err
	}
	if len(text) > maxSealed {
		return fmt.Errorf("there is more than %d MiB to be sealed. Seal a key to the group, and encrypt with that", maxSealed>>20)
	}
	sealed, err := person.Seal(id, k, text)
	if err != nil {
		return err
	}
	_, err = e.stdout.Write(sealed)
	return err
}

// attestedGroup verifies a group's newest public key down from the root that the account names.
func attestedGroup(ctx context.Context, a accountapi.Administrator, name string) (string, person.GroupKey, error) {
	info, err := a.Describe(ctx)
	if err != nil {
		return "", person.GroupKey{}, err
	}
	g, err := groupNamed(ctx, a, name)
	if err != nil {
		return "", person.GroupKey{}, err
	}
	if len(info.Root) != len(keyset.Signer{}) || g.Serial == 0 {
		return "", person.GroupKey{}, fmt.Errorf("%w: %q has none yet", person.ErrNoGroup, name)
	}
	statements, err := a.Trust(ctx)
	if err != nil {
		return "", person.GroupKey{}, err
	}
	own, err := a.GroupKeys(ctx, g.ID)
	if err != nil {
		return "", person.GroupKey{}, err
	}
	trust, err := person.Trust(keyset.Kit{Account: info.ID, Root: keyset.Signer(info.Root)}, append(statements, own...))
	if err != nil {
		return "", person.GroupKey{}, err
	}
	public, ok := trust.GroupKey(g.ID, g.Serial)
	if !ok {
		return "", person.GroupKey{}, fmt.Errorf("%w: group %s, serial %d", person.ErrKey, g.ID, g.Serial)
	}
	return info.ID, person.GroupKey{ID: g.ID, Name: g.Name, Serial: g.Serial, Public: public}, nil
}
