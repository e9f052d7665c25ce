// Package owner is what an owner of an account does with keys of his or her own: it founds the account, makes the
// integration's credentials, hands groups over to it, makes further owners and lets people who have lost their keys
// make new ones.
//
// The account service keeps what comes of it and can make none of it. Nothing that it says is believed: an owner
// verifies everything down from the root of trust that the emergency kit names, before signing or sealing. What the
// service still decides is what it asks for, that is which groups the integration is said to manage; Issue names them,
// for the owner to read, and never hands over the key of the owners' own group.
//
// The package knows no network and no files.
package owner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/internal/person"
)

// Account is what an owner needs of an account. All methods are those of account.Service.
type Account interface {
	Describe(ctx context.Context) (account.Info, error)
	Person(ctx context.Context, idOrName string) (account.User, error)
	KeysOf(ctx context.Context, user string) (account.PersonKeys, error)
	AllGroups(ctx context.Context, after string, limit int) ([]account.Group, error)
	AllMembers(ctx context.Context, group, after string, limit int) ([]account.Member, error)
	Trust(ctx context.Context) ([][]byte, error)
	GroupKeys(ctx context.Context, group string) ([][]byte, error)
	GrantsOf(ctx context.Context, group string, to account.Holder) ([]account.Grant, error)
	Generations(ctx context.Context) ([]account.Generation, error)
	AddGeneration(ctx context.Context, n account.NewGeneration) error
	HandOver(ctx context.Context, h account.Handover) (account.Group, error)
	AddOwner(ctx context.Context, o account.Ownership) (account.User, error)
	Recover(ctx context.Context, user string, o account.Opening) error
	Invitation(ctx context.Context, user string) (account.InvitationRow, error)
	Candidate(ctx context.Context, user string) (account.Candidate, error)
	Confirm(ctx context.Context, user string, c account.Confirmation) error
}

var _ Account = (*account.Service)(nil)

// Sentinels. Errors of packages person and keyset come as well.
var (
	ErrNotOwner = errors.New("these are not the keys of an owner of this account")
	ErrPerson   = errors.New("the person's keys cannot be verified")
	ErrNoKey    = errors.New("the group's key cannot be opened")
)

// Source is where an owner's program takes time and randomness from.
type Source struct {
	Clock func() time.Time
	Rand  io.Reader
}

// Owner is an owner whose keys have been unlocked. Its methods are for one at a time.
type Owner struct {
	Source
	account, user string
	serial        int
	root          keyset.Signer
	keys          *keyset.Keyset
	trust         *keyset.Trust
	group         keyset.OwnersClaim // of the group of the owners
	groupKeys     *keyset.Keyset
}

// Unlock opens an owner's keys, and with them those of the owners' group. It takes half a second.
// person.ErrForeign, person.ErrRoot, keyset.ErrUnlock, ErrNotOwner; any other of keyset's errors means that the account
// shows what nobody who may has signed.
func Unlock(ctx context.Context, a Account, kit keyset.Kit, password string, from Source) (*Owner, error) {
	info, err := a.Describe(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case info.ID != kit.Account:
		return nil, fmt.Errorf("%w: it is of the account %s, and this is %s", person.ErrForeign, kit.Account, info.ID)
	case len(info.Root) == 0:
		return nil, fmt.Errorf("%w: this account was founded without keys", account.ErrNoKeys)
	case string(info.Root) != string(kit.Root[:]):
		return nil, person.ErrRoot
	}
	mine, err := a.KeysOf(ctx, kit.User)
	if err != nil {
		return nil, fmt.Errorf("keys of %s: %w", kit.User, err)
	}
	unlock, err := keyset.Unlock(kit.Account, kit.User, password, kit.SecretKey)
	if err != nil {
		return nil, err
	}
	o := &Owner{Source: from, account: kit.Account, user: kit.User, serial: mine.Serial, root: kit.Root}
	if o.keys, err = person.Open(kit, unlock, mine); err != nil {
		return nil, err
	}
	o.trust = keyset.NewTrust(kit.Account, kit.Root)
	if err := o.learn(ctx, a); err != nil {
		return nil, err
	}
	return o, o.openOwners(ctx, a)
}

// learn learns who may sign by now.
func (o *Owner) learn(ctx context.Context, a Account) error {
	statements, err := a.Trust(ctx)
	if err != nil {
		return err
	}
	list, err := person.Attestations(statements)
	if err != nil {
		return err
	}
	return o.trust.Learn(list)
}

// openOwners opens the key of the owners' group: which group that is, an administrator has signed.
func (o *Owner) openOwners(ctx context.Context, a Account) error {
	o.group = o.trust.Owners()
	if !o.trust.Administrator(o.keys.Signer()) || o.group.Group == "" {
		return ErrNotOwner
	}
	grants, err := a.GrantsOf(ctx, o.group.Group, account.Holder{Kind: account.UserHolder, ID: o.user, Serial: o.serial})
	if err != nil {
		return err
	}
	for _, g := range grants {
		if g.Serial == o.group.Serial {
			o.groupKeys, err = person.OpenGroup(o.account, o.keys, keyset.Key{Kind: keyset.UserKey, ID: o.user, Serial: o.serial}, o.trust, g, o.trust.Administrator)
			return err
		}
	}
	return fmt.Errorf("%w: the key of the owners' group has not been granted to them", ErrNotOwner)
}

// Account is the id of the account.
func (o *Owner) Account() string { return o.account }

// Fingerprint is the root of trust in which all of the account's trust begins.
func (o *Owner) Fingerprint() string { return o.root.String() }

// Group opens a group's key through the owners' grant. ErrNoKey; what keyset says of the grant.
func (o *Owner) Group(ctx context.Context, a Account, id string, serial int) (*keyset.Keyset, error) {
	if id == o.group.Group && serial == o.group.Serial {
		return o.groupKeys, nil
	}
	if _, known := o.trust.GroupKey(id, serial); !known {
		statements, err := a.GroupKeys(ctx, id)
		if err != nil {
			return nil, err
		}
		list, err := person.Attestations(statements)
		if err != nil {
			return nil, err
		}
		if err := o.trust.Learn(list); err != nil {
			return nil, err
		}
	}
	me := account.Holder{Kind: account.GroupHolder, ID: o.group.Group, Serial: o.group.Serial}
	grants, err := a.GrantsOf(ctx, id, me)
	if err != nil {
		return nil, err
	}
	for _, g := range grants {
		if g.Serial == serial {
			return person.OpenGroup(o.account, o.groupKeys, keyOf(me), o.trust, g, o.trust.MaySign)
		}
	}
	return nil, fmt.Errorf("%w: serial %d of group %s has not been granted to the owners", ErrNoKey, serial, id)
}

// grant seals a group's key to a holder.
func (o *Owner) grant(group string, serial int, k *keyset.Keyset, to account.Holder, public keyset.Public) (account.Grant, error) {
	sealed, err := o.keys.Grant(o.account, groupKey(group, serial), k.Seed(), keyOf(to), public)
	return account.Grant{Group: group, Serial: serial, To: to, Sealed: sealed}, err
}

func groupKey(group string, serial int) keyset.Key {
	return keyset.Key{Kind: keyset.GroupKey, ID: group, Serial: serial}
}

func keyOf(h account.Holder) keyset.Key {
	return keyset.Key{Kind: keyset.Kind(h.Kind), ID: h.ID, Serial: h.Serial}
}

// attest signs a claim, as the account keeps it.
func (o *Owner) attest(c keyset.Claim) []byte {
	return keyset.EncodeAttestation(keyset.Attestation{Claim: c, Signer: o.keys.Signer(), Signature: o.keys.Sign(c)})
}
