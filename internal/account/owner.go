package account

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
)

// What owners do. They sign and seal with keys that the account does not have; the account keeps what they bring, all
// of an act or nothing.

// OwnersInvitation is in the place of an invitation's generation where an owner has made the link: no bridge can check
// what is proposed with it, and only an owner confirms it.
const OwnersInvitation = -1

// KeysOf reads a user's keys, sealed as the account keeps them. ErrNotFound; ErrNoKeys for who has none.
func (s *Service) KeysOf(ctx context.Context, user string) (PersonKeys, error) {
	var keys PersonKeys
	err := s.store.View(ctx, func(tx Tx) error {
		row, err := tx.UserByID(user)
		if err != nil {
			return err
		}
		if keys, err = tx.PersonKeys(row.Seq); errors.Is(err, ErrNotFound) {
			err = ErrNoKeys
		}
		return err
	})
	return keys, err
}

// Invitation reads a person's invitation. ErrNotFound.
func (s *Service) Invitation(ctx context.Context, user string) (InvitationRow, error) {
	var i InvitationRow
	err := s.store.View(ctx, func(tx Tx) (err error) {
		_, i, err = invitationOf(tx, user)
		return err
	})
	return i, err
}

// Candidate reads what one person waits for, whether or not it is the bridge's to do.
func (s *Service) Candidate(ctx context.Context, user string) (Candidate, error) {
	var c Candidate
	err := s.store.View(ctx, func(tx Tx) error {
		row, err := tx.UserByID(user)
		if err != nil {
			return err
		}
		c, err = candidate(tx, row.Seq)
		return err
	})
	return c, err
}

// AllMembers lists the members of a group of any kind, in the order in which the users were made, strictly after one.
func (s *Service) AllMembers(ctx context.Context, group, after string, limit int) ([]Member, error) {
	var list []Member
	err := s.store.View(ctx, func(tx Tx) error {
		row, err := tx.GroupByID(group)
		if err != nil {
			return err
		}
		list, err = tx.Members(row.Seq, after, limit, "")
		return err
	})
	return list, err
}

// Handover is what HandOver takes.
type Handover struct {
	Group string
	// Members have their membership signed. It must be all of the group's members that are shown.
	Members []Witness
	// Key is the group's first key; nil where it has one.
	Key *GroupKey
	// Grants of the present key: to valid generations of the integration, and to members who have keys.
	Grants []Grant
}

// Witness is the signed statement that somebody is a member.
type Witness struct {
	User     string
	Evidence []byte
}

// HandOver adopts a group in an account that admits people by keys: with the group's key, which its members, the owners
// and the integration are granted, and with the memberships signed that are there. ErrRevision where the group has
// been changed in the meantime.
func (s *Service) HandOver(ctx context.Context, h Handover) (Group, error) {
	var g Group
	err := s.update(ctx, "group.adopt", "group", h.Group, func(tx Tx) error {
		row, err := s.adoptable(tx, h.Group)
		if err != nil {
			return err
		}
		if err := s.witness(tx, &row, h.Members); err != nil {
			return err
		}
		if err := s.firstKey(tx, &row, h.Key); err != nil {
			return err
		}
		if err := s.handedOver(tx, &row, h.Grants); err != nil {
			return err
		}
		s.adopt(&row)
		g = row.Group
		return errors.Join(tx.UpdateGroup(&row), s.dueMembers(tx, &row, h.Grants), s.enter(ctx, tx, "group.adopt", "group", h.Group, strconv.Itoa(row.Serial)))
	})
	return g, err
}

// adoptable finds a group that may be handed over to the integration.
func (s *Service) adoptable(tx Tx, group string) (GroupRow, error) {
	row, err := tx.GroupByID(group)
	switch {
	case err != nil:
		return row, err
	case row.Privileged:
		return row, &ProtectedError{"the group is one of the account's own and cannot be handed over"}
	case row.Managed:
		return row, fmt.Errorf("%w: provisioning manages the group already", ErrState)
	}
	return row, nil
}

func (s *Service) adopt(row *GroupRow) {
	row.Managed, row.Mode = true, Additive
	row.Revision++
	row.Modified = s.after(row.Modified)
}

// witness keeps the signed statements of the memberships that are there, which must be as many.
func (s *Service) witness(tx Tx, row *GroupRow, members []Witness) error {
	seqs, err := tx.MemberSeqs(row.Seq, "")
	if err != nil {
		return err
	}
	in := make(map[string]int64, len(seqs))
	for _, seq := range seqs {
		id, err := tx.UserID(seq)
		if err != nil {
			return err
		}
		in[id] = seq
	}
	for _, m := range members {
		seq, ok := in[m.User]
		if !ok {
			return fmt.Errorf("%w: somebody has left the group", ErrRevision)
		}
		if len(m.Evidence) == 0 || len(m.Evidence) > maxKeys {
			return &InvalidError{"evidence", "is empty or too long"}
		}
		if err := tx.SetEvidence(row.Seq, seq, m.Evidence); err != nil {
			return err
		}
		delete(in, m.User)
	}
	if len(in) > 0 {
		return fmt.Errorf("%w: somebody has joined the group", ErrRevision)
	}
	return nil
}

// firstKey gives a group a key where it has none.
func (s *Service) firstKey(tx Tx, row *GroupRow, k *GroupKey) error {
	switch {
	case k == nil && row.Serial == 0:
		return &InvalidError{"key", "is missing, and the group has none"}
	case k == nil:
		return nil
	case row.Serial != 0 || k.Serial != 1:
		return fmt.Errorf("%w: the group has a key with the number %d", ErrRevision, row.Serial)
	case len(k.Attestation) == 0 || len(k.Attestation) > maxKeys:
		return &InvalidError{"key", "has no attestation"}
	}
	row.Serial = 1
	return errors.Join(s.grantAll(tx, row, 1, k.Grants), tx.Attest(attestedGroup, row.ID, 1, k.Attestation))
}

// handedOver keeps grants of the present key to the integration and to members.
func (s *Service) handedOver(tx Tx, row *GroupRow, grants []Grant) error {
	for i := range grants {
		g := grants[i]
		if g.Group != row.ID || g.Serial != row.Serial || len(g.Sealed) == 0 || len(g.Sealed) > maxKeys {
			return &InvalidError{"grant", "is of another group or key, empty or too long"}
		}
		if g.To.Kind != UserHolder {
			if err := tx.PutGrant(row.Seq, &g); err != nil {
				return err
			}
			continue
		}
		member, err := tx.UserByID(g.To.ID)
		if err != nil {
			return err
		}
		if err := keysAre(tx, member.Seq, g.To.Serial); err != nil {
			return err
		}
		was, err := tx.Granted(row.Seq, member.Seq)
		if err != nil {
			return err
		}
		if was > 0 && was < row.Serial {
			if err := caughtUp(tx, row); err != nil {
				return err
			}
		}
		if err := errors.Join(tx.PutGrant(row.Seq, &g), tx.SetGranted(row.Seq, member.Seq, g.Serial)); err != nil {
			return err
		}
	}
	return nil
}

// dueMembers lets the members wait for the bridge who have keys and were not granted the group's.
func (s *Service) dueMembers(tx Tx, row *GroupRow, grants []Grant) error {
	if err := tx.DueMembers(row.Seq); err != nil {
		return err
	}
	for i := range grants {
		if grants[i].To.Kind != UserHolder {
			continue
		}
		member, err := tx.UserByID(grants[i].To.ID)
		if err != nil {
			return err
		}
		pending, err := tx.Pending(member.Seq)
		if err != nil {
			return err
		}
		if len(pending) == 0 && member.State != Accepted {
			if err := tx.RemoveDue(member.Seq); err != nil {
				return err
			}
		}
	}
	return nil
}

// keysAre refuses where a user's keys are no longer those that something was sealed to.
func keysAre(tx Tx, user int64, serial int) error {
	keys, err := tx.PersonKeys(user)
	if errors.Is(err, ErrNotFound) {
		return ErrNoKeys
	}
	if err == nil && keys.Serial != serial {
		err = fmt.Errorf("%w: the person has new keys", ErrRevision)
	}
	return err
}

// Ownership is what AddOwner takes.
type Ownership struct {
	User        string
	Serial      int    // of the user's keys
	Attestation []byte // that the keys are those of somebody who may sign for the account
	Evidence    []byte // of the membership of Owners
	Grant       Grant  // of the key of Owners
}

// AddOwner makes an active user an owner, or hands the key of Owners to an owner who has new keys. The same call again
// changes nothing. ErrState where the user is not active, ErrRevision where the user has other keys.
func (s *Service) AddOwner(ctx context.Context, o Ownership) (User, error) {
	var u User
	if len(o.Attestation) == 0 || len(o.Attestation) > maxKeys || len(o.Evidence) == 0 || len(o.Evidence) > maxKeys || len(o.Grant.Sealed) == 0 || len(o.Grant.Sealed) > maxKeys {
		return u, &InvalidError{"owner", "has no attestation, evidence or grant"}
	}
	err := s.update(ctx, "owner.add", "user", o.User, func(tx Tx) error {
		row, err := tx.UserByID(o.User)
		if err != nil {
			return err
		}
		if row.State != Active || row.Released {
			return fmt.Errorf("%w: only who is active can be an owner; this person is %s", ErrState, row.State)
		}
		if err := keysAre(tx, row.Seq, o.Serial); err != nil {
			return err
		}
		id, err := tx.Setting(settingOwners)
		if err != nil {
			return err
		}
		owners, err := tx.GroupByID(id)
		if err != nil {
			return err
		}
		if o.Grant.Group != owners.ID || o.Grant.Serial != owners.Serial || o.Grant.To != (Holder{UserHolder, row.ID, o.Serial}) {
			return &InvalidError{"grant", "is not of the present key of Owners, or sealed to somebody else"}
		}
		added, _, err := tx.AddMembers(owners.Seq, []int64{row.Seq}, Manual, map[int64][]byte{row.Seq: o.Evidence})
		if err != nil {
			return err
		}
		owners.Members += len(added)
		if len(added) > 0 {
			owners.Revision++
			owners.Modified = s.after(owners.Modified)
		}
		if err := errors.Join(tx.UpdateGroup(&owners), tx.SetEvidence(owners.Seq, row.Seq, o.Evidence), tx.PutGrant(owners.Seq, &o.Grant),
			tx.SetGranted(owners.Seq, row.Seq, o.Grant.Serial), tx.Attest(attestedTrust, row.ID, o.Serial, o.Attestation)); err != nil {
			return err
		}
		u, err = withGroups(tx, &row)
		return errors.Join(err, s.enter(ctx, tx, "owner.add", "user", row.ID, strconv.Itoa(o.Serial)))
	})
	return u, err
}

// Recover lets a person who has lost the password or the Secret Key make new keys: he or she is invited anew by a link
// that an owner has made and delivers. What the person had stays until an owner confirms the new keys; setting the
// state back to ACTIVE calls it off. The same call again changes nothing. ErrState where the person is not active, or
// is the last owner who is.
func (s *Service) Recover(ctx context.Context, user string, o Opening) error {
	if len(o.Commitment) != sha256.Size || o.Number < 1 || o.Generation != OwnersInvitation || o.Link != "" {
		return &InvalidError{"invitation", "is not one of an owner"}
	}
	return s.update(ctx, "user.recover", "user", user, func(tx Tx) error {
		row, err := tx.UserByID(user)
		if err != nil {
			return err
		}
		i, err := tx.Invitation(row.Seq)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if i.State == InvitationOpen && i.Generation == OwnersInvitation && i.Number == o.Number && string(i.Commitment) == string(o.Commitment) {
			return nil
		}
		if i.Number != o.Number-1 {
			return fmt.Errorf("%w: the person's last invitation has the number %d", ErrRevision, i.Number)
		}
		again := row.State == Invited || row.State == Accepted // a recovery that has begun, of who has keys
		if row.State != Active && !again || row.Released {
			return fmt.Errorf("%w: only who is active can be recovered; this person is %s", ErrState, row.State)
		}
		keys, err := tx.PersonKeys(row.Seq)
		if errors.Is(err, ErrNotFound) {
			return ErrNoKeys
		}
		if err != nil {
			return err
		}
		last, err := lastOwner(tx, &row)
		if err != nil {
			return err
		}
		if last {
			return &ProtectedError{"this person is the last active owner of the account, and nobody else could confirm the new keys"}
		}
		invited := row
		invited.State = Invited
		s.touch(&invited)
		if err := tx.UpdateUser(&row, &invited); err != nil {
			return err
		}
		keys.SessionsFrom = s.now()
		return errors.Join(tx.PutPersonKeys(row.Seq, &keys), tx.RemoveDue(row.Seq), tx.PutInvitation(row.Seq, &InvitationRow{
			Number: o.Number, State: InvitationOpen, Email: row.Email, Evidence: i.Evidence, Generation: OwnersInvitation, Commitment: o.Commitment,
			Sent:    s.now(), // by the owner: nobody else has the link
			Expires: s.now().Add(invitationLife),
		}), s.enter(ctx, tx, "user.recover", "user", user, strconv.Itoa(o.Number)))
	})
}

// proposedAnew prepares the handing over of every key to new keys of a person: what was granted counts no more.
func (s *Service) proposedAnew(tx Tx, user int64) error {
	groups, err := tx.Memberships(user)
	if err != nil {
		return err
	}
	for _, seq := range groups {
		was, err := tx.Granted(seq, user)
		if err != nil {
			return err
		}
		if was <= 0 {
			continue
		}
		row, err := tx.GroupBySeq(seq)
		if err != nil {
			return err
		}
		if was < row.Serial {
			if err := errors.Join(caughtUp(tx, &row), tx.UpdateGroup(&row)); err != nil {
				return err
			}
		}
		if err := tx.SetGranted(seq, user, 0); err != nil {
			return err
		}
	}
	return nil
}
