package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Due lists what waits for the bridge, at most limit of each kind, people strictly after the user with that id.
func (s *Service) Due(ctx context.Context, after string, limit int) (Due, error) {
	var d Due
	err := s.store.View(ctx, func(tx Tx) error {
		d = Due{}
		var err error
		if d.Invitations, err = tx.Invitations([]InvitationState{InvitationDue}, 0, limit); err != nil {
			return err
		}
		unsent, err := tx.Unsent(false, limit)
		if err != nil {
			return err
		}
		d.Invitations = append(d.Invitations, unsent...)
		groups, err := tx.UnkeyedGroups(limit)
		if err != nil {
			return err
		}
		for i := range groups {
			d.Groups = append(d.Groups, groups[i].Group)
		}
		begin := int64(0)
		if after != "" {
			row, err := tx.UserByID(after)
			if err != nil {
				return err
			}
			begin = row.Seq
		}
		seqs, err := tx.DueUsers(begin, limit)
		if err != nil {
			return err
		}
		for _, seq := range seqs {
			c, err := candidate(tx, seq)
			if err != nil {
				return err
			}
			if c.Generation == OwnersInvitation { // no bridge can check it
				continue
			}
			d.People = append(d.People, c)
		}
		return nil
	})
	return d, err
}

func candidate(tx Tx, seq int64) (Candidate, error) {
	row, err := tx.UserBySeq(seq)
	if err != nil {
		return Candidate{}, err
	}
	c := Candidate{UserID: row.ID, Name: row.Name, State: row.State, Email: row.Email}
	if c.Pending, err = tx.Pending(seq); err != nil {
		return c, err
	}
	if row.State != Accepted {
		if c.Keys, err = tx.PersonKeys(seq); errors.Is(err, ErrNotFound) {
			err = nil
		}
		return c, err
	}
	i, err := tx.Invitation(seq)
	if err != nil {
		return c, err
	}
	c.Email, c.Number, c.Generation = i.Email, i.Number, i.Generation
	if p := i.Proposal; p != nil {
		c.Keys, c.Possession, c.Proof = p.Keys, p.Possession, p.Proof
		c.Keys.Serial, err = nextSerial(tx, seq)
	}
	return c, err
}

// Confirm admits a person who has accepted, or hands keys of groups over to somebody who is in; all of it or nothing.
// The grants and refusals must cover exactly the memberships that wait: ErrRevision where they have moved. The same
// call again changes nothing. ErrNotFound; ErrState where the person is neither waiting nor in.
func (s *Service) Confirm(ctx context.Context, user string, c Confirmation) error {
	return s.update(ctx, "user.confirm", "user", user, func(tx Tx) error {
		row, err := tx.UserByID(user)
		if err != nil {
			return err
		}
		if row.Released || row.State == Deleted {
			return fmt.Errorf("%w: the person has been let go", ErrState)
		}
		if err := s.admit(ctx, tx, &row, c); err != nil {
			return err
		}
		if err := s.hand(ctx, tx, &row, c); err != nil {
			return err
		}
		if len(c.Withheld) == 0 {
			return tx.RemoveDue(row.Seq)
		}
		return nil
	})
}

// admit makes an accepted person active.
func (s *Service) admit(ctx context.Context, tx Tx, row *UserRow, c Confirmation) error {
	if row.State != Accepted {
		keys, err := tx.PersonKeys(row.Seq)
		if errors.Is(err, ErrNotFound) {
			return fmt.Errorf("%w: the person has not accepted", ErrState)
		}
		if err == nil && len(c.Attestation) > 0 && string(keys.Attestation) != string(c.Attestation) && len(keys.Attestation) == 0 {
			err = ErrState
		}
		return err
	}
	i, err := tx.Invitation(row.Seq)
	if err != nil {
		return err
	}
	if len(c.Attestation) == 0 || i.Number != c.Number || i.State != InvitationAccepted || i.Proposal == nil {
		return fmt.Errorf("%w: it was another invitation that was accepted", ErrRevision)
	}
	if i.Generation == OwnersInvitation && CallerFrom(ctx).Kind == Integration {
		return fmt.Errorf("%w: an owner confirms this person", ErrState)
	}
	keys := i.Proposal.Keys
	keys.Attestation, keys.SessionsFrom = c.Attestation, s.now()
	if keys.Serial, err = nextSerial(tx, row.Seq); err != nil {
		return err
	}
	if keys.Serial > 1 { // what was sealed to the keys before opens nothing for anybody any more
		if err := tx.DeleteGrantsTo(Holder{UserHolder, row.ID, keys.Serial - 1}); err != nil {
			return err
		}
	}
	if err := tx.PutPersonKeys(row.Seq, &keys); err != nil {
		return err
	}
	if err := tx.PutInvitation(row.Seq, &InvitationRow{Number: i.Number, State: InvitationConfirmed, Email: i.Email, Evidence: i.Evidence, Generation: i.Generation, Commitment: i.Commitment, Sent: i.Sent}); err != nil {
		return err
	}
	active := *row
	active.State, active.SignInName = Active, row.UserName
	s.touch(&active)
	if err := tx.UpdateUser(row, &active); err != nil {
		return err
	}
	*row = active
	return s.enter(ctx, tx, "user.confirm", "user", row.ID, strconv.Itoa(c.Number))
}

// hand keeps the grants, and notes the memberships that are refused.
func (s *Service) hand(ctx context.Context, tx Tx, row *UserRow, c Confirmation) error {
	pending, err := tx.Pending(row.Seq)
	if err != nil {
		return err
	}
	waiting := make(map[string]int, len(pending))
	for _, p := range pending {
		waiting[p.Group] = p.Serial
	}
	var handed, refused []string
	for _, g := range c.Grants {
		if g.To.Kind != UserHolder || g.To.ID != row.ID {
			return &InvalidError{"grant", "is sealed to somebody else"}
		}
		if waiting[g.Group] != g.Serial {
			if err := alreadyHanded(tx, row.Seq, g); err != nil {
				return err
			}
			continue
		}
		delete(waiting, g.Group)
		if err := s.handOne(tx, row.Seq, g); err != nil {
			return err
		}
		handed = append(handed, g.Group)
	}
	for _, id := range c.Refused {
		if _, ok := waiting[id]; !ok {
			continue
		}
		delete(waiting, id)
		if err := refuseOne(tx, row.Seq, id); err != nil {
			return err
		}
		refused = append(refused, id)
	}
	for _, id := range c.Withheld {
		delete(waiting, id)
	}
	if len(waiting) > 0 {
		return fmt.Errorf("%w: %d memberships wait that the confirmation does not cover", ErrRevision, len(waiting))
	}
	return errors.Join(
		s.enterGroups(ctx, tx, "group.grant", row.ID, handed), s.enterGroups(ctx, tx, "group.grant.refused", row.ID, refused))
}

// enterGroups names groups that a person was handed the keys of; none, no entry.
func (s *Service) enterGroups(ctx context.Context, tx Tx, verb, user string, groups []string) error {
	for part := range slices.Chunk(groups, namedMembers) {
		if err := s.enter(ctx, tx, verb, "user", user, strings.Join(part, " ")); err != nil {
			return err
		}
	}
	return nil
}

// alreadyHanded accepts a grant that was handed over before, and refuses one that the person has no membership for.
func alreadyHanded(tx Tx, user int64, g Grant) error {
	group, err := tx.GroupByID(g.Group)
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("%w: a group is gone", ErrRevision)
	}
	if err != nil {
		return err
	}
	serial, err := tx.Granted(group.Seq, user)
	if errors.Is(err, ErrNotFound) || err == nil && serial != g.Serial {
		return fmt.Errorf("%w: a membership has moved", ErrRevision)
	}
	return err
}

func (s *Service) handOne(tx Tx, user int64, g Grant) error {
	if len(g.Sealed) == 0 || len(g.Sealed) > maxKeys {
		return &InvalidError{"grant", "is empty or too long"}
	}
	group, err := tx.GroupByID(g.Group)
	if err != nil {
		return err
	}
	was, err := tx.Granted(group.Seq, user)
	if err != nil {
		return err
	}
	if was > 0 { // of an older key
		if err := errors.Join(caughtUp(tx, &group), tx.UpdateGroup(&group)); err != nil {
			return err
		}
	}
	return errors.Join(tx.PutGrant(group.Seq, &g), tx.SetGranted(group.Seq, user, g.Serial))
}

// refuseOne notes that a membership is not to be asked for again. A key of before that the person holds does not keep
// others waiting.
func refuseOne(tx Tx, user int64, id string) error {
	group, err := tx.GroupByID(id)
	if err != nil {
		return err
	}
	was, err := tx.Granted(group.Seq, user)
	if err != nil {
		return err
	}
	if was > 0 {
		if err := errors.Join(caughtUp(tx, &group), tx.UpdateGroup(&group)); err != nil {
			return err
		}
	}
	return tx.SetGranted(group.Seq, user, RefusedGrant)
}

// KeyGroup gives a group its first key, or a new one. The same call again changes nothing; ErrRevision where somebody
// else was faster. Members who have keys wait for their grants from now on.
func (s *Service) KeyGroup(ctx context.Context, id string, k GroupKey) error {
	if k.Serial < 1 || len(k.Attestation) == 0 || len(k.Attestation) > maxKeys {
		return &InvalidError{"key", "has no number or attestation"}
	}
	return s.update(ctx, "group.key", "group", id, func(tx Tx) error {
		row, err := tx.GroupByID(id)
		if err != nil {
			return err
		}
		if row.Serial == k.Serial {
			if have, err := tx.Attestations(attestedGroup, id); err != nil || len(have) > 0 && string(have[len(have)-1]) == string(k.Attestation) {
				return err
			}
		}
		if row.Serial != k.Serial-1 {
			return fmt.Errorf("%w: the group has a key with the number %d", ErrRevision, row.Serial)
		}
		if err := s.grantAll(tx, &row, k.Serial, k.Grants); err != nil {
			return err
		}
		if row.Outdated, err = tx.CountGranted(row.Seq); err != nil {
			return err
		}
		row.Serial, row.Rotate = k.Serial, false
		return errors.Join(retire(tx, &row), tx.Attest(attestedGroup, id, k.Serial, k.Attestation), tx.UpdateGroup(&row), tx.DueMembers(row.Seq),
			s.enter(ctx, tx, "group.key", "group", id, strconv.Itoa(k.Serial)))
	})
}

// Kinds of attestations: those that everybody needs to judge signatures, and those of the keys of single groups.
const (
	attestedTrust = "trust"
	attestedGroup = "group"
)

// grantAll keeps grants of a group's key to groups and integrations.
func (s *Service) grantAll(tx Tx, row *GroupRow, serial int, grants []Grant) error {
	for i := range grants {
		g := grants[i]
		if g.Group != row.ID || g.Serial != serial || g.To.Kind == UserHolder && !row.Privileged {
			return &InvalidError{"grant", "is of another group or key, or to a person"}
		}
		if len(g.Sealed) == 0 || len(g.Sealed) > maxKeys {
			return &InvalidError{"grant", "is empty or too long"}
		}
		if err := tx.PutGrant(row.Seq, &g); err != nil {
			return err
		}
	}
	return nil
}

// Grants lists the grants of groups, of every serial, to a holder, page by page: after is the place where the page
// before ended, 0 at the beginning, and next is 0 at the end.
func (s *Service) Grants(ctx context.Context, to Holder, after int64, limit int) (list []Grant, next int64, err error) {
	err = s.store.View(ctx, func(tx Tx) (err error) {
		list, next, err = tx.GrantsTo(to, after, limit)
		return err
	})
	if len(list) < limit {
		next = 0
	}
	return list, next, err
}

// Trust lists the signed statements by which signatures are judged: of administrators, of the integration's
// generations, of the keys of privileged groups.
func (s *Service) Trust(ctx context.Context) ([][]byte, error) {
	var list [][]byte
	err := s.store.View(ctx, func(tx Tx) (err error) {
		list, err = tx.Attestations(attestedTrust, "")
		return err
	})
	return list, err
}

// GroupKeys lists the signed statements of a group's keys, the newest last.
func (s *Service) GroupKeys(ctx context.Context, group string) ([][]byte, error) {
	var list [][]byte
	err := s.store.View(ctx, func(tx Tx) (err error) {
		list, err = tx.Attestations(attestedGroup, group)
		return err
	})
	return list, err
}

// GrantsOf lists the grants of one group, of every serial, to a holder, the newest last. ErrNotFound where there is no
// such group.
func (s *Service) GrantsOf(ctx context.Context, group string, to Holder) ([]Grant, error) {
	var list []Grant
	err := s.store.View(ctx, func(tx Tx) error {
		row, err := tx.GroupByID(group)
		if err != nil {
			return err
		}
		list, err = tx.GrantsOf(row.Seq, to)
		return err
	})
	return list, err
}
