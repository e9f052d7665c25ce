package owner

import (
	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/internal/person"
)

// Founding is what Found takes.
type Founding struct {
	AccountName string
	Name        string // of the owner
	UserName    string // of the owner, an e-mail address
	URL         string // of the account service; empty: it has none
	Password    string
}

// Found makes what a new account with keys is founded with: the owner's keys, in whom trust begins, those of the
// groups that every account has, and the grants that let the owner open them. The account is not there before
// account.Service.Found has kept it; put the kit away before that. It takes half a second. person.ErrPassword.
func Found(f Founding, from Source) (account.Founding, keyset.Kit, *Owner, error) {
	none := func(err error) (account.Founding, keyset.Kit, *Owner, error) {
		return account.Founding{}, keyset.Kit{}, nil, err
	}
	ids := make([]string, 2+len(account.PrivilegedGroups()))
	for i := range ids {
		var err error
		if ids[i], err = account.NewID(from.Clock(), from.Rand); err != nil {
			return none(err)
		}
	}
	o := &Owner{Source: from, account: ids[0], user: ids[1], serial: 1}
	secrets, keys, err := person.NewSecrets(o.account, o.user, o.serial, f.Password, from.Rand)
	if err != nil {
		return none(err)
	}
	o.keys, o.root = secrets.Keys, secrets.Keys.Signer()
	keys.Attestation = o.attest(keyset.AdministratorClaim{Account: o.account, User: o.user, Serial: o.serial, Public: o.keys.Public()})
	made := &account.FoundingKeys{Account: o.account, Root: o.root[:], OwnerID: o.user, Owner: keys}
	for i := range made.Groups {
		if made.Groups[i], err = o.foundGroup(ids[2+i], i == 0); err != nil {
			return none(err)
		}
	}
	statements := [][]byte{keys.Attestation}
	for _, g := range made.Groups {
		statements = append(statements, g.Key.Attestation)
	}
	kit := keyset.Kit{
		AccountName: f.AccountName, Account: o.account, URL: f.URL, User: o.user, Email: f.UserName, Root: o.root, SecretKey: secrets.Secret,
	}
	if o.trust, err = person.Trust(kit, statements); err != nil {
		return none(err)
	}
	return account.Founding{Name: f.AccountName, Owner: f.Name, UserName: f.UserName, Keys: made}, kit, o, nil
}

// foundGroup makes the key of a group that every account has. That of the owners comes first and is granted to the
// owner; those of the others are granted to the owners.
func (o *Owner) foundGroup(id string, owners bool) (account.FoundingGroup, error) {
	const first = 1
	g := account.FoundingGroup{ID: id, Key: account.GroupKey{Serial: first}}
	k, err := o.newKeys()
	if err != nil {
		return g, err
	}
	to, public := account.Holder{Kind: account.UserHolder, ID: o.user, Serial: o.serial}, o.keys.Public()
	if owners {
		o.group, o.groupKeys = keyset.OwnersClaim{Account: o.account, Group: id, Serial: first, Public: k.Public()}, k
		g.Key.Attestation = o.attest(o.group)
	} else {
		to, public = o.owners(), o.groupKeys.Public()
		g.Key.Attestation = o.attest(keyset.GroupKeyClaim{Account: o.account, Group: id, Serial: first, Public: k.Public()})
	}
	grant, err := o.grant(id, first, k, to, public)
	g.Key.Grants = []account.Grant{grant}
	return g, err
}

func (o *Owner) owners() account.Holder {
	return account.Holder{Kind: account.GroupHolder, ID: o.group.Group, Serial: o.group.Serial}
}

func (o *Owner) newKeys() (*keyset.Keyset, error) {
	seed, err := keyset.NewSeed(o.Rand)
	if err != nil {
		return nil, err
	}
	return seed.Keyset()
}
