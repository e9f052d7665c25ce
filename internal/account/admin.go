package account

import (
	"context"
	"errors"
	"fmt"
)

// The administrator's acts. They see everything, also what the integration does not.

// People lists users in every state, in the order of their ids, strictly after one.
func (s *Service) People(ctx context.Context, after string, limit int) ([]User, error) {
	var list []User
	err := s.store.View(ctx, func(tx Tx) error {
		q := Query{Order: ByID, Limit: limit, NoTotal: true}
		if after != "" {
			q.After = &Position{Key: after, ID: after}
		}
		rows, _, _, err := tx.Users(q, Everything)
		list = make([]User, len(rows))
		for i := range rows {
			list[i] = rows[i].User
		}
		return err
	})
	return list, err
}

// Person finds a user by id or by user name, in whatever state.
func (s *Service) Person(ctx context.Context, idOrName string) (User, error) {
	var u User
	err := s.store.View(ctx, func(tx Tx) error {
		row, err := tx.UserByID(idOrName)
		if errors.Is(err, ErrNotFound) {
			row, err = tx.UserByName(Fold(idOrName))
		}
		if err != nil {
			return err
		}
		u, err = withGroups(tx, &row)
		return err
	})
	return u, err
}

// AllGroups lists groups of every kind, in the order of their ids, strictly after one. Members counts all.
func (s *Service) AllGroups(ctx context.Context, after string, limit int) ([]Group, error) {
	var list []Group
	err := s.store.View(ctx, func(tx Tx) error {
		q := Query{Order: ByID, Limit: limit, NoTotal: true}
		if after != "" {
			q.After = &Position{Key: after, ID: after}
		}
		rows, _, _, err := tx.Groups(q, Everything)
		list = make([]Group, len(rows))
		for i := range rows {
			list[i] = rows[i].Group
		}
		return err
	})
	return list, err
}

// change lets an administrator change a user's row.
func (s *Service) change(ctx context.Context, verb, id string, edit func(tx Tx, row *UserRow) error) (User, error) {
	var u User
	err := s.update(ctx, verb, "user", id, func(tx Tx) error {
		old, err := tx.UserByID(id)
		if err != nil {
			return err
		}
		row := old
		if err := edit(tx, &row); err != nil {
			return err
		}
		if row.State == old.State && row.Protection == old.Protection && row.SignInName == old.SignInName {
			u, err = withGroups(tx, &row)
			return err
		}
		s.touch(&row)
		if err := tx.UpdateUser(&old, &row); err != nil {
			return err
		}
		if err := s.settle(ctx, tx, &old, &row, nil); err != nil {
			return err
		}
		if err := s.enter(ctx, tx, verb, "user", id, string(row.State)); err != nil {
			return err
		}
		u, err = withGroups(tx, &row)
		return err
	})
	return u, err
}

// SetState sets a user's state. A deleted user stays deleted, and the last owner stays active.
func (s *Service) SetState(ctx context.Context, id string, st State) (User, error) {
	switch st {
	case Invited, Accepted, Active, Suspended, InviteSuspended, Deleted:
	default:
		return User{}, &InvalidError{"state", fmt.Sprintf("%q is none of INVITED, ACCEPTED, ACTIVE, SUSPENDED, INVITE_SUSPENDED and DELETED", st)}
	}
	return s.change(ctx, "user.state", id, func(tx Tx, row *UserRow) error {
		if row.State == Deleted {
			return fmt.Errorf("%w: the person is deleted for good", ErrState)
		}
		last, err := lastOwner(tx, row)
		if err != nil {
			return err
		}
		if last && st != Active {
			return &ProtectedError{"this person is the last active owner of the account"}
		}
		if err := s.keysFor(tx, row, st); err != nil {
			return err
		}
		row.State, row.Accepted = st, false
		if st == Deleted {
			return s.leaveAll(ctx, tx, row)
		}
		return nil
	})
}

// keysFor refuses states that only a person with keys can be in, in an account that admits people by keys.
func (s *Service) keysFor(tx Tx, row *UserRow, st State) error {
	keyed, err := s.keyed(tx)
	if err != nil || !keyed {
		return err
	}
	has := true
	switch st {
	case Accepted:
		i, err := tx.Invitation(row.Seq)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		has = i.Proposal != nil
	case Active, Suspended:
		if _, err := tx.PersonKeys(row.Seq); errors.Is(err, ErrNotFound) {
			has = false
		} else if err != nil {
			return err
		}
	}
	if !has {
		return fmt.Errorf("%w: nobody becomes %s without keys of his or her own; the person has to accept the invitation, and the bridge confirms it", ErrState, st)
	}
	return nil
}

// Protect marks a user as nobody's to suspend through the integration; an empty reason takes the mark away.
func (s *Service) Protect(ctx context.Context, id, reason string) (User, error) {
	if err := field("reason", reason, maxKey); err != nil {
		return User{}, err
	}
	return s.change(ctx, "user.protect", id, func(_ Tx, row *UserRow) error {
		row.Protection = reason
		return nil
	})
}

// ConfirmUserName settles a change of user name: from now on the person signs in with the new one, and the old one
// is free.
func (s *Service) ConfirmUserName(ctx context.Context, id string) (User, error) {
	return s.change(ctx, "user.confirmname", id, func(_ Tx, row *UserRow) error {
		if row.SignInName == row.UserName {
			return errNoNameWaits
		}
		row.SignInName = row.UserName
		return nil
	})
}

// MakeGroup makes a group that the integration does not manage, with members of the administrator's choice.
func (s *Service) MakeGroup(ctx context.Context, name string, members []string) (Group, error) {
	if err := checkGroup(name, "", nil); err != nil {
		return Group{}, err
	}
	var g Group
	err := s.update(ctx, "group.make", "group", "", func(tx Tx) error {
		now := s.now()
		id, err := NewID(now, s.rand)
		if err != nil {
			return err
		}
		row := GroupRow{Group: Group{ID: id, Name: name, Mode: Additive, Revision: 1, Created: now, Modified: now}}
		if err := tx.InsertGroup(&row); err != nil {
			return err
		}
		who, err := found(tx, members)
		if err != nil {
			return err
		}
		if len(who.missing) > 0 {
			return &UnknownMembersError{who.missing}
		}
		added, _, err := tx.AddMembers(row.Seq, who.seqs, Manual, nil)
		if err != nil {
			return err
		}
		row.Members = len(added)
		g = row.Group
		return errors.Join(tx.UpdateGroup(&row), s.enter(ctx, tx, "group.make", "group", id, ""),
			s.enterMembers(ctx, tx, "group.members.add", id, who, added))
	})
	return g, err
}

// Adopt hands a group over to the integration, which adds people to it and removes those it has added. ErrState in an
// account that admits people by keys: there an owner does so with HandOver, since the group's key goes with it.
func (s *Service) Adopt(ctx context.Context, group string) (Group, error) {
	var g Group
	err := s.update(ctx, "group.adopt", "group", group, func(tx Tx) error {
		row, err := s.adoptable(tx, group)
		if err != nil {
			return err
		}
		keyed, err := s.keyed(tx)
		if err != nil {
			return err
		}
		if keyed {
			return fmt.Errorf("%w: in an account with keys an owner hands the group over together with its key: scimbridge account adopt GROUP --kit FILE, with the owner's emergency kit", ErrState)
		}
		s.adopt(&row)
		g = row.Group
		return errors.Join(tx.UpdateGroup(&row), s.enter(ctx, tx, "group.adopt", "group", group, ""))
	})
	return g, err
}
