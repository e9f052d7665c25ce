// Package person is what a person's own program does: it makes the keys when an invitation is accepted, unlocks them
// with password and emergency kit, and opens the keys of groups. Nothing secret leaves it but sealed.
//
// It believes nothing because an account service says so. Trust begins in the root that the emergency kit names; what
// was pinned there when the person joined, the service cannot exchange later. The joining itself believes the root that
// the link names, and where that names none, the one that it is shown.
//
// It knows no network: it is given what an account keeps, and returns what an account is to keep.
package person

import (
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/keyset"
)

// Sentinels.
var (
	ErrForeign  = errors.New("the emergency kit is of another account or person")
	ErrRoot     = errors.New("the account names another root of trust than the emergency kit")
	ErrLinkRoot = errors.New("the account shows another root of trust than the link was made for")
	ErrLink     = errors.New("the link is of another account or person than the invitation that was found")
	ErrSignIn   = errors.New("signing in was refused")
	ErrPassword = errors.New("the password is too short")
	ErrNoGroup  = errors.New("this person has not been handed the key of such a group")
	ErrKey      = errors.New("what was granted is not the group's attested key")
)

// minPassword is the least number of characters: the Secret Key keeps guessing from the outside hopeless, and this keeps
// whoever finds the kit from trying all.
const minPassword = 8

// NewPassword judges a password that is going to be used. ErrPassword.
func NewPassword(password string) error {
	if n := utf8.RuneCountInString(password); n < minPassword {
		return fmt.Errorf("%w: it has %d characters, and %d are the least. Choose a longer one", ErrPassword, n, minPassword)
	}
	return nil
}

// Secrets are what makes a person's keys.
type Secrets struct {
	Keys   *keyset.Keyset
	Unlock *keyset.UnlockKey
	Secret keyset.SecretKey
}

// NewSecrets makes the keys of a person anew, as the account keeps them: public, sealed, and to sign in with. It takes
// half a second. ErrPassword.
func NewSecrets(accountID, user string, serial int, password string, rand io.Reader) (Secrets, account.PersonKeys, error) {
	var s Secrets
	if err := NewPassword(password); err != nil {
		return s, account.PersonKeys{}, err
	}
	seed, err := keyset.NewSeed(rand)
	if err != nil {
		return s, account.PersonKeys{}, err
	}
	if s.Keys, err = seed.Keyset(); err != nil {
		return s, account.PersonKeys{}, err
	}
	if s.Secret, err = keyset.NewSecretKey(accountID, rand); err != nil {
		return s, account.PersonKeys{}, err
	}
	if s.Unlock, err = keyset.Unlock(accountID, user, password, s.Secret); err != nil {
		return s, account.PersonKeys{}, err
	}
	sealed, err := s.Unlock.SealSeed(accountID, user, serial, seed, rand)
	if err != nil {
		return s, account.PersonKeys{}, err
	}
	signIn := s.Unlock.Signer()
	return s, account.PersonKeys{Serial: serial, Public: s.Keys.Public().Bytes(), Sealed: sealed, SignIn: signIn[:]}, nil
}

// Judge tells whether what an account shows to the holder of a link is what the link was made for. ErrLink, ErrRoot,
// ErrLinkRoot.
func Judge(i keyset.Invitation, j account.Joining) error {
	switch {
	case j.Account != i.Account() || j.UserID != i.User():
		return ErrLink
	case len(j.Root) != len(keyset.Signer{}):
		return fmt.Errorf("%w: the account shows none", ErrRoot)
	case !i.Trusts(keyset.Signer(j.Root)):
		return ErrLinkRoot
	}
	return nil
}

// Accept makes the keys with which the holder of a link accepts, and the emergency kit. origin is the address of the
// account service, which the link begins with. Errors of Judge; ErrPassword.
func Accept(i keyset.Invitation, j account.Joining, origin, password string, rand io.Reader) (account.Proposal, keyset.Kit, error) {
	var p account.Proposal
	if err := Judge(i, j); err != nil {
		return p, keyset.Kit{}, err
	}
	s, keys, err := NewSecrets(j.Account, j.UserID, j.Serial, password, rand)
	if err != nil {
		return p, keyset.Kit{}, err
	}
	public := s.Keys.Public()
	proof := i.Proof(j.Email, public)
	p = account.Proposal{Keys: keys, Proof: proof[:], Possession: s.Keys.Sign(keyset.PossessionClaim{
		Account: j.Account, User: j.UserID, Email: j.Email, Number: i.Number(), Public: public,
	})}
	return p, keyset.Kit{
		AccountName: j.AccountName, Account: j.Account, URL: origin, User: j.UserID, Email: j.Email,
		Root: keyset.Signer(j.Root), SecretKey: s.Secret,
	}, nil
}

// Open opens a person's keys. ErrForeign, keyset.ErrUnlock.
func Open(kit keyset.Kit, unlock *keyset.UnlockKey, keys account.PersonKeys) (*keyset.Keyset, error) {
	seed, err := unlock.OpenSeed(kit.Account, kit.User, keys.Serial, keys.Sealed)
	if err != nil {
		return nil, err
	}
	return seed.Keyset()
}

// Attestations reads attestations as an account keeps them. keyset.ErrAttestation.
func Attestations(raw [][]byte) ([]keyset.Attestation, error) {
	list := make([]keyset.Attestation, len(raw))
	for i := range raw {
		var err error
		if list[i], err = keyset.ParseAttestation(raw[i]); err != nil {
			return nil, fmt.Errorf("attestation %d: %w", i+1, err)
		}
	}
	return list, nil
}

// Trust learns, down from the root that the kit names, who may sign in the account.
func Trust(kit keyset.Kit, statements [][]byte) (*keyset.Trust, error) {
	list, err := Attestations(statements)
	if err != nil {
		return nil, err
	}
	t := keyset.NewTrust(kit.Account, kit.Root)
	return t, t.Learn(list)
}
