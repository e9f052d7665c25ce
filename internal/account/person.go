package account

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// What a person does with an account: signing in, and reading his or her own keys and those of the groups.

// SignIn is what is needed to let a person sign in.
type SignIn struct {
	UserID string
	Key    []byte // public key that the challenge is checked with
	Keys   int    // serial of the person's keys
}

// SignIn finds the key that a person signs in with, by id or sign-in name. ErrNotFound for whoever may not sign in.
func (s *Service) SignIn(ctx context.Context, idOrName string) (SignIn, error) {
	var in SignIn
	err := s.store.View(ctx, func(tx Tx) error {
		row, err := tx.UserByID(idOrName)
		if errors.Is(err, ErrNotFound) {
			row, err = tx.UserByName(Fold(idOrName))
		}
		if err != nil {
			return err
		}
		if row.State != Active || row.Released {
			return ErrNotFound
		}
		keys, err := tx.PersonKeys(row.Seq)
		in = SignIn{row.ID, keys.SignIn, keys.Serial}
		return err
	})
	return in, err
}

// SessionHolds tells whether a person's session that began at a time still counts. ErrState where it has ended.
func (s *Service) SessionHolds(ctx context.Context, user string, began time.Time) error {
	return s.store.View(ctx, func(tx Tx) error {
		_, _, err := signedIn(tx, user, began)
		return err
	})
}

func signedIn(tx Tx, user string, began time.Time) (UserRow, PersonKeys, error) {
	row, err := tx.UserByID(user)
	if err != nil {
		return row, PersonKeys{}, err
	}
	keys, err := tx.PersonKeys(row.Seq)
	if err == nil && (row.State != Active || row.Released || began.Before(keys.SessionsFrom)) {
		err = fmt.Errorf("%w: the person is suspended, or has been since", ErrState)
	}
	return row, keys, err
}

// Own is what a person reads of himself or herself.
type Own struct {
	ID, Name, UserName string
	// SignInName is what the person signs in with; another name than UserName while that waits to be confirmed.
	SignInName string
	Keys       PersonKeys
	Groups     []OwnGroup
}

// OwnGroup is a group whose key the person has been handed.
type OwnGroup struct {
	ID, Name    string
	Attestation [][]byte // of the group's keys, the newest last
	Grants      []Grant  // to the person, the newest last
}

// Own reads a person's keys and grants within a session that began at a time. ErrState where the session has ended.
func (s *Service) Own(ctx context.Context, user string, began time.Time) (Own, error) {
	var own Own
	err := s.store.View(ctx, func(tx Tx) error {
		row, keys, err := signedIn(tx, user, began)
		if err != nil {
			return err
		}
		own = Own{ID: row.ID, Name: row.Name, UserName: row.UserName, SignInName: row.SignInName, Keys: keys}
		groups, err := tx.Memberships(row.Seq)
		if err != nil {
			return err
		}
		for _, seq := range groups {
			g, err := ownGroup(tx, seq, Holder{UserHolder, row.ID, keys.Serial})
			if err != nil {
				return err
			}
			if len(g.Grants) > 0 {
				own.Groups = append(own.Groups, g)
			}
		}
		return nil
	})
	return own, err
}

// ConfirmOwnName settles the change of a person's user name to one that he or she has seen, within a session that began at
// a time: from now on the person signs in with it, and the old one is free. The same call again changes nothing. ErrState
// where the session has ended or no change waits, ErrRevision where it is another name that waits.
func (s *Service) ConfirmOwnName(ctx context.Context, user string, began time.Time, name string) error {
	_, err := s.change(ctx, "user.confirmname", user, func(tx Tx, row *UserRow) error {
		if _, _, err := signedIn(tx, user, began); err != nil {
			return err
		}
		switch {
		case name == row.UserName && name == row.SignInName: // the answer was lost on the way
			return nil
		case row.SignInName == row.UserName:
			return errNoNameWaits
		case name != row.UserName:
			return fmt.Errorf("%w: it is another address that waits to be confirmed", ErrRevision)
		}
		row.SignInName = row.UserName
		return nil
	})
	return err
}

// errNoNameWaits means that a user name is settled.
var errNoNameWaits = fmt.Errorf("%w: no change of user name waits to be confirmed", ErrState)

func ownGroup(tx Tx, seq int64, to Holder) (OwnGroup, error) {
	row, err := tx.GroupBySeq(seq)
	if err != nil {
		return OwnGroup{}, err
	}
	g := OwnGroup{ID: row.ID, Name: row.Name}
	kind := attestedGroup
	if row.Privileged {
		kind = attestedTrust
	}
	if g.Attestation, err = tx.Attestations(kind, row.ID); err != nil {
		return g, err
	}
	g.Grants, err = tx.GrantsOf(seq, to)
	return g, err
}

const (
	settingSessions = "session.key" // seals sessions, in hexadecimal
	sessionKeySize  = 32            // bytes
)

// SessionKey is the secret that sessions at this account are sealed with, the same for every process that serves it.
func (s *Service) SessionKey(ctx context.Context) ([]byte, error) {
	var text string
	read := func(tx Tx) (err error) {
		text, err = tx.Setting(settingSessions)
		return err
	}
	if err := s.store.View(ctx, read); err != nil {
		return nil, err
	}
	if text == "" {
		key := make([]byte, sessionKeySize)
		_, _ = rand.Read(key) // never fails
		if err := s.store.Update(ctx, func(tx Tx) error {
			if err := read(tx); err != nil || text != "" { // somebody else was faster
				return err
			}
			text = hex.EncodeToString(key)
			return tx.SetSetting(settingSessions, text)
		}); err != nil {
			return nil, err
		}
	}
	return hex.DecodeString(text)
}
