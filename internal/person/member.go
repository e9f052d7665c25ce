package person

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/keyset"
)

// Account is what a person's program needs of an account, which is far away as a rule.
type Account interface {
	// Join shows an invitation to the holder of its link. account.ErrAccess, account.ErrInvitation. Nothing of the
	// link's secret is sent.
	Join(ctx context.Context, i keyset.Invitation) (account.Joining, error)
	// Accept proposes keys. The same call again changes nothing. Errors as of Join; account.ErrInvalid.
	Accept(ctx context.Context, i keyset.Invitation, p account.Proposal) error
	// SignIn begins a session, in which the methods below may be called. account.ErrNotFound, account.ErrState or another
	// error for whoever may not sign in.
	SignIn(ctx context.Context, accountID, user string, sign func(keyset.ChallengeClaim) ([]byte, error)) error
	// Own reads the person's own keys, and the grants of the groups that he or she is in.
	Own(ctx context.Context) (account.Own, error)
	// ConfirmName settles the change of the person's own user name to one that he or she has seen. account.ErrState where
	// none waits, account.ErrRevision where it is another one.
	ConfirmName(ctx context.Context, name string) error
	// Standing reads the account's name and root, and the statements by which the keys of groups are judged.
	Standing(ctx context.Context) (account.Info, [][]byte, error)
}

// Member is a person who has signed in and whose keys are open.
type Member struct {
	kit    keyset.Kit
	keys   *keyset.Keyset
	serial int
	trust  *keyset.Trust
	groups []account.OwnGroup
	// The names that the person signs in with, and that the identity provider has named; other than that while it waits to
	// be confirmed.
	signIn, userName string
}

// Enter signs a person in with kit and password, and opens the person's keys. It takes half a second. ErrForeign,
// ErrRoot, ErrSignIn, keyset.ErrUnlock; what keyset says of statements that nobody who may has signed.
func Enter(ctx context.Context, a Account, kit keyset.Kit, password string) (*Member, error) {
	unlock, err := keyset.Unlock(kit.Account, kit.User, password, kit.SecretKey)
	if err != nil {
		return nil, err
	}
	if err := a.SignIn(ctx, kit.Account, kit.User, signs(kit, unlock)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignIn, err)
	}
	info, statements, err := a.Standing(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case info.ID != kit.Account:
		return nil, fmt.Errorf("%w: it is of the account %s, and this is %s", ErrForeign, kit.Account, info.ID)
	case string(info.Root) != string(kit.Root[:]):
		return nil, ErrRoot
	}
	m := &Member{kit: kit}
	if m.trust, err = Trust(kit, statements); err != nil {
		return nil, err
	}
	own, err := a.Own(ctx)
	if err != nil {
		return nil, err
	}
	if m.keys, err = Open(kit, unlock, own.Keys); err != nil {
		return nil, err
	}
	m.serial, m.groups, m.signIn, m.userName = own.Keys.Serial, own.Groups, own.SignInName, own.UserName
	return m, nil
}

// Names are what the person signs in with, and the new one that waits to be confirmed; "" where none does.
func (m *Member) Names() (now, waits string) {
	if m.signIn == m.userName || m.signIn == "" {
		return m.userName, ""
	}
	return m.signIn, m.userName
}

// ConfirmName confirms the name that Names shows to be waiting. account.ErrState, account.ErrRevision.
func (m *Member) ConfirmName(ctx context.Context, a Account) error {
	return a.ConfirmName(ctx, m.userName)
}

// signs answers challenges for the kit's person in the kit's account, and no others.
func signs(kit keyset.Kit, unlock *keyset.UnlockKey) func(keyset.ChallengeClaim) ([]byte, error) {
	return func(c keyset.ChallengeClaim) ([]byte, error) {
		if c.Account != kit.Account || c.Subject != kit.User {
			return nil, fmt.Errorf("%w: the account service asks for the signature of somebody else", ErrForeign)
		}
		return unlock.Sign(c), nil
	}
}

// GroupKey is the key of a group as somebody has opened or verified it.
type GroupKey struct {
	ID, Name string
	Serial   int
	Public   keyset.Public
	Keys     *keyset.Keyset // nil where it was verified only
}

// Group opens the key of a group, by id or by name: the newest one that the person was granted with serial 0. The grant
// must be signed by somebody who may, and the key must be the one attested. ErrNoGroup, ErrKey, or what keyset says of
// the grant.
func (m *Member) Group(name string, serial int) (GroupKey, error) {
	g, err := named(m.groups, name, func(g *account.OwnGroup) (string, string) { return g.ID, g.Name })
	if err != nil {
		return GroupKey{}, err
	}
	at := len(g.Grants) - 1
	if serial > 0 {
		at = slices.IndexFunc(g.Grants, func(g account.Grant) bool { return g.Serial == serial })
	}
	if at < 0 {
		return GroupKey{}, fmt.Errorf("%w: %q", ErrNoGroup, name)
	}
	list, err := Attestations(g.Attestation)
	if err != nil {
		return GroupKey{}, err
	}
	if err := m.trust.Learn(list); err != nil {
		return GroupKey{}, err
	}
	me := keyset.Key{Kind: keyset.UserKey, ID: m.kit.User, Serial: m.serial}
	k, err := OpenGroup(m.kit.Account, m.keys, me, m.trust, g.Grants[at], m.trust.MaySign)
	if err != nil {
		return GroupKey{}, err
	}
	return GroupKey{g.ID, g.Name, g.Grants[at].Serial, k.Public(), k}, nil
}

// named finds the one thing of a list that has an id or, as the only one, a name. ErrNoGroup.
func named[T any](list []T, name string, of func(*T) (id, name string)) (found T, err error) {
	hits := 0
	for i := range list {
		id, called := of(&list[i])
		if id == name {
			return list[i], nil
		}
		if account.Fold(called) == account.Fold(name) {
			found = list[i]
			hits++
		}
	}
	switch hits {
	case 0:
		return found, fmt.Errorf("%w: %q", ErrNoGroup, name)
	case 1:
		return found, nil
	}
	return found, fmt.Errorf("%w: %d are called %q; name it by its id", ErrNoGroup, hits, name)
}

// GroupNamed finds a group by id or by name. ErrNoGroup.
func GroupNamed(list []account.Group, name string) (account.Group, error) {
	return named(list, name, func(g *account.Group) (string, string) { return g.ID, g.Name })
}

// OpenGroup opens a grant of a group's key, which must be the one attested. may says whose grants count.
func OpenGroup(accountID string, keys *keyset.Keyset, me keyset.Key, trust *keyset.Trust, g account.Grant, may func(keyset.Signer) bool) (*keyset.Keyset, error) {
	seed, err := keys.OpenGrant(g.Sealed, accountID, keyset.Key{Kind: keyset.GroupKey, ID: g.Group, Serial: g.Serial}, me, may)
	if err != nil {
		return nil, err
	}
	k, err := seed.Keyset()
	if err != nil {
		return nil, err
	}
	if want, ok := trust.GroupKey(g.Group, g.Serial); !ok || want != k.Public() {
		return nil, fmt.Errorf("%w: group %s, serial %d", ErrKey, g.Group, g.Serial)
	}
	return k, nil
}

// Prove proves to whoever runs it that the key that was opened is the key to which the group's messages are sealed.
func (g GroupKey) Prove(random []byte) error {
	const context = "scimbridge proof 1"
	sealed, err := g.Public.Seal(context, random)
	if err != nil {
		return err
	}
	text, err := g.Keys.OpenSealed(context, sealed)
	if err == nil && string(text) != string(random) {
		err = errors.New("what was sealed came out as something else") // unreachable: AES-GCM would not have opened
	}
	return err
}
