package account

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An invitation is due from the moment that somebody is to be let in; the bridge makes the link, since it alone knows
// the key; the person accepts with keys of his or her own; the bridge confirms. What the account keeps of the link is
// a commitment that it can compare with, and nothing that a proof could be made of.

// invitationLife is how long a link works. The original's is as long.
const invitationLife = 5 * 24 * time.Hour

// settle keeps what hangs on a person's state: the invitation, the list of who waits for the bridge, and sessions.
// old is nil for somebody new. evidence is of who asked for the address; nil where nobody has said anything new.
func (s *Service) settle(ctx context.Context, tx Tx, old, row *UserRow, evidence []byte) error {
	keyed, err := s.keyed(tx)
	if err != nil || !keyed {
		return err
	}
	if old == nil { // also who is not to be invited yet has evidence to keep
		state := InvitationDue
		if row.State != Invited {
			state = InvitationCancelled
		}
		return tx.PutInvitation(row.Seq, &InvitationRow{Number: 1, State: state, Email: row.Email, Evidence: evidence})
	}
	before := old.State
	moved := old.Email != row.Email
	if moved && row.State == InviteSuspended && !row.Accepted {
		return s.moveInvitation(tx, row, evidence)
	}
	switch {
	case row.State == Invited && (before != Invited || moved):
		has, err := hasKeys(tx, row.Seq)
		if err != nil {
			return err
		}
		if has {
			return interruptRecovery(tx, row)
		}
		return s.inviteAnew(tx, row, evidence)
	case row.State == Active && (before == Invited || before == Accepted): // a recovery has been called off
		return errors.Join(s.closeInvitation(ctx, tx, row, InvitationCancelled, "the person keeps the keys of before"), tx.AddDue(row.Seq))
	case row.State == Accepted && before != Accepted:
		return tx.AddDue(row.Seq)
	case row.State == InviteSuspended && before == Accepted:
		return tx.RemoveDue(row.Seq) // what was proposed is kept
	case row.State != Invited && before == Invited:
		return s.closeInvitation(ctx, tx, row, InvitationCancelled, "the person was suspended")
	}
	if before == Active && row.State != Active {
		keys, err := tx.PersonKeys(row.Seq)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		keys.SessionsFrom = s.now()
		if err := tx.PutPersonKeys(row.Seq, &keys); err != nil {
			return err
		}
	}
	if row.State == Deleted && before != Deleted {
		return errors.Join(tx.DeletePersonKeys(row.Seq), tx.RemoveDue(row.Seq), s.closeInvitation(ctx, tx, row, InvitationCancelled, "the person was deleted"))
	}
	return nil
}

// inviteAnew makes a new invitation due; the link of the one before is dead. The evidence of the address stays where
// there is no new one.
func (s *Service) inviteAnew(tx Tx, row *UserRow, evidence []byte) error {
	was, err := tx.Invitation(row.Seq)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if len(evidence) == 0 {
		evidence = was.Evidence
	}
	if err := tx.RemoveDue(row.Seq); err != nil {
		return err
	}
	return tx.PutInvitation(row.Seq, &InvitationRow{Number: was.Number + 1, State: InvitationDue, Email: row.Email, Evidence: evidence})
}

// hasKeys tells whether somebody has keys already. Such a person makes new ones only with a link of an owner: a bridge's
// would let in whoever the identity provider gives the address to.
func hasKeys(tx Tx, user int64) (bool, error) {
	_, err := tx.PersonKeys(user)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// interruptRecovery ends the link with which somebody who has keys was to make new ones, and leaves it to an owner to make
// another.
func interruptRecovery(tx Tx, row *UserRow) error {
	was, err := tx.Invitation(row.Seq)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return errors.Join(tx.RemoveDue(row.Seq), tx.PutInvitation(row.Seq, &InvitationRow{
		Number: max(was.Number, 1), State: InvitationExpired, Email: row.Email, Evidence: was.Evidence, Generation: OwnersInvitation,
		Commitment: was.Commitment, Reason: "the person has been suspended or has another address since; an owner begins the recovery anew",
	}))
}

// moveInvitation keeps another address for an invitation that waits for the person to be let in again.
func (s *Service) moveInvitation(tx Tx, row *UserRow, evidence []byte) error {
	was, err := tx.Invitation(row.Seq)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return tx.PutInvitation(row.Seq, &InvitationRow{Number: max(was.Number, 1), State: InvitationCancelled, Email: row.Email, Evidence: evidence, Reason: was.Reason})
}

// closeInvitation ends an invitation: the link is dead, and what was proposed is gone. The commitment stays, so that who
// holds the link learns why.
func (s *Service) closeInvitation(ctx context.Context, tx Tx, row *UserRow, end InvitationState, reason string) error {
	i, err := tx.Invitation(row.Seq)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return tx.PutInvitation(row.Seq, &InvitationRow{Number: i.Number, State: end, Email: i.Email, Evidence: i.Evidence, Generation: i.Generation, Commitment: i.Commitment, Sent: i.Sent, Reason: reason})
}

// OpenInvitations makes links of due invitations work, and returns the users whose link does then. Those left out were
// withdrawn or made anew in the meantime. The same call again changes nothing.
func (s *Service) OpenInvitations(ctx context.Context, list []Opening) ([]string, error) {
	for i := range list {
		o := &list[i]
		if len(o.Commitment) != sha256.Size || o.Number < 1 || o.Generation < 1 {
			return nil, &InvalidError{"invitation", "has no number, generation or commitment"}
		}
		if err := field("link", o.Link, maxLink); err != nil {
			return nil, err
		}
	}
	var open, changed []string
	err := s.update(ctx, "invitation.open", "account", "", func(tx Tx) error {
		open, changed = open[:0], changed[:0]
		expires := s.now().Add(invitationLife)
		for i := range list {
			now, works, err := tx.OpenInvitation(&list[i], expires)
			if err != nil {
				return err
			}
			if works {
				open = append(open, list[i].User)
			}
			if now {
				changed = append(changed, list[i].User)
			}
		}
		for part := range slices.Chunk(changed, namedMembers) {
			if err := s.enter(ctx, tx, "invitation.open", "account", "", strings.Join(part, " ")); err != nil {
				return err
			}
		}
		return nil
	})
	return open, err
}

// maxLink bounds a link in bytes: an address, three names and a secret.
const maxLink = 2 << 10

func invitationOf(tx Tx, user string) (UserRow, InvitationRow, error) {
	row, err := tx.UserByID(user)
	if err != nil {
		return row, InvitationRow{}, err
	}
	i, err := tx.Invitation(row.Seq)
	return row, i, err
}

// InvitationSent notes that the mail with the link has been handed over to a mail server.
func (s *Service) InvitationSent(ctx context.Context, user string, number int) error {
	return s.update(ctx, "invitation.send", "user", user, func(tx Tx) error {
		row, i, err := invitationOf(tx, user)
		if err != nil || i.Number != number || !i.Sent.IsZero() {
			return err
		}
		i.Sent = s.now()
		if err := tx.PutInvitation(row.Seq, &i); err != nil {
			return err
		}
		return s.enter(ctx, tx, "invitation.send", "user", user, strconv.Itoa(number))
	})
}

// Joining is what the holder of a link is shown before accepting.
type Joining struct {
	Account     string    `json:"account"` // id
	AccountName string    `json:"accountName"`
	UserID      string    `json:"userId"`
	Name        string    `json:"name"`
	Email       string    `json:"email"`
	Expires     time.Time `json:"expires"`
	// Root is the public key of the owner in whom trust begins. The person compares it with the fingerprint in the link, and
	// believes no other from now on.
	Root []byte `json:"root"`
	// Serial is that of the keys that the person is going to make: 1, or more after a recovery.
	Serial int `json:"serial"`
}

// Join shows an open invitation to the holder of its link. ErrAccess, ErrInvitation.
func (s *Service) Join(ctx context.Context, user string, number int, access []byte) (Joining, error) {
	var j Joining
	err := s.store.View(ctx, func(tx Tx) error {
		row, i, err := s.opened(tx, user, number, access)
		if err != nil {
			return err
		}
		j = Joining{UserID: row.ID, Name: row.Name, Email: i.Email, Expires: i.Expires}
		if j.Serial, err = nextSerial(tx, row.Seq); err != nil {
			return err
		}
		root, err := tx.Setting(settingRoot)
		if err != nil {
			return err
		}
		if j.Root, err = hex.DecodeString(root); err != nil {
			return err
		}
		if j.Account, err = tx.Setting(settingID); err != nil {
			return err
		}
		j.AccountName, err = tx.Setting(settingName)
		return err
	})
	return j, err
}

// nextSerial is that of the keys that a person makes next.
func nextSerial(tx Tx, user int64) (int, error) {
	keys, err := tx.PersonKeys(user)
	if errors.Is(err, ErrNotFound) {
		return 1, nil
	}
	return keys.Serial + 1, err
}

// opened finds the open invitation whose link somebody holds. Who does not hold it does not learn whether there is one.
func (s *Service) opened(tx Tx, user string, number int, access []byte) (UserRow, InvitationRow, error) {
	row, i, err := invitationOf(tx, user)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return row, i, err
	}
	sum := sha256.Sum256(access)
	if err != nil || i.Number != number || subtle.ConstantTimeCompare(sum[:], i.Commitment) != 1 {
		return row, i, ErrAccess
	}
	switch {
	case i.State == InvitationExpired, i.State == InvitationOpen && !s.now().Before(i.Expires):
		return row, i, fmt.Errorf("%w: it has expired; ask your administrator for a new one", ErrInvitation)
	case i.State == InvitationAccepted, i.State == InvitationConfirmed:
		return row, i, fmt.Errorf("%w: it has been accepted", ErrInvitation)
	case i.State != InvitationOpen || row.State != Invited:
		return row, i, fmt.Errorf("%w: it has been withdrawn; ask your administrator", ErrInvitation)
	}
	return row, i, nil
}

// Accept takes the keys that the holder of a link proposes. The same call again changes nothing. ErrAccess,
// ErrInvitation, ErrInvalid.
func (s *Service) Accept(ctx context.Context, user string, number int, access []byte, p Proposal) error {
	if len(p.Keys.Public) == 0 || len(p.Keys.Sealed) == 0 || len(p.Keys.SignIn) == 0 || len(p.Proof) == 0 || len(p.Possession) == 0 {
		return &InvalidError{"keys", "are incomplete"}
	}
	for _, b := range [][]byte{p.Keys.Public, p.Keys.Sealed, p.Keys.SignIn, p.Proof, p.Possession} {
		if len(b) > maxKeys {
			return &InvalidError{"keys", "are too long"}
		}
	}
	return s.update(ctx, "user.accept", "user", user, func(tx Tx) error {
		row, i, err := s.opened(tx, user, number, access)
		if errors.Is(err, ErrInvitation) && i.State == InvitationAccepted && i.Proposal != nil && string(i.Proposal.Keys.Public) == string(p.Keys.Public) {
			return nil
		}
		if err != nil {
			return err
		}
		p.At = s.now()
		if p.Keys.Serial, err = nextSerial(tx, row.Seq); err != nil {
			return err
		}
		if p.Keys.Serial > 1 {
			if err := s.proposedAnew(tx, row.Seq); err != nil {
				return err
			}
		}
		i.State, i.Proposal, i.Link = InvitationAccepted, &p, ""
		if err := tx.PutInvitation(row.Seq, &i); err != nil {
			return err
		}
		accepted := row
		accepted.State = Accepted
		s.touch(&accepted)
		if err := tx.UpdateUser(&row, &accepted); err != nil {
			return err
		}
		if i.Generation == OwnersInvitation {
			return s.enter(ctx, tx, "user.accept", "user", user, strconv.Itoa(number))
		}
		return errors.Join(tx.AddDue(row.Seq), s.enter(ctx, tx, "user.accept", "user", user, strconv.Itoa(number)))
	})
}

// maxKeys bounds each part of what a person proposes, in bytes; a public keyset is the largest with some 1,250.
const maxKeys = 4 << 10

// Resend makes a person's invitation due again, with a new link. ErrNotFound; ErrState where the person is not invited.
func (s *Service) Resend(ctx context.Context, user string) error {
	return s.update(ctx, "invitation.resend", "user", user, func(tx Tx) error {
		row, i, err := invitationOf(tx, user)
		if errors.Is(err, ErrNotFound) && row.ID != "" {
			return ErrNoKeys
		}
		if err != nil {
			return err
		}
		refused := row.State == Accepted && i.State == InvitationRefused
		has, err := hasKeys(tx, row.Seq)
		switch {
		case err != nil:
			return err
		case row.State != Invited && !refused:
			return fmt.Errorf("%w: only who is invited and has not accepted gets a new link; this person is %s. Who has lost password or kit is let in again by an owner: scimbridge account recover PERSON", ErrState, row.State)
		case has:
			return fmt.Errorf("%w: this person has keys and is being recovered, which is an owner's to do and no bridge's. An owner makes a new link: scimbridge account recover PERSON", ErrState)
		}
		if refused { // what was proposed is not the person's; the person begins anew
			again := row
			again.State = Invited
			s.touch(&again)
			if err := tx.UpdateUser(&row, &again); err != nil {
				return err
			}
		}
		return errors.Join(s.inviteAnew(tx, &row, nil), s.enter(ctx, tx, "invitation.resend", "user", user, strconv.Itoa(i.Number+1)))
	})
}

// RefuseAcceptance notes that the keys a person proposed are not those of the holder of the link; of an invitation that
// is due or open, that nobody who may has asked for its address, or that it cannot be delivered: its link is dead. The
// person stays as he or she is, and is not asked for again.
func (s *Service) RefuseAcceptance(ctx context.Context, user string, number int, reason string) error {
	if err := field("reason", reason, maxKey); err != nil {
		return err
	}
	return s.update(ctx, "user.confirm", "user", user, func(tx Tx) error {
		row, i, err := invitationOf(tx, user)
		if err != nil {
			return err
		}
		if i.Number != number {
			return nil // overtaken
		}
		if i.Generation == OwnersInvitation && CallerFrom(ctx).Kind == Integration {
			return fmt.Errorf("%w: an owner judges this person's keys", ErrState)
		}
		verb := "invitation.refused"
		switch i.State {
		case InvitationAccepted:
			verb = "user.confirm.refused"
		case InvitationDue, InvitationOpen:
		default:
			return tx.RemoveDue(row.Seq) // decided
		}
		i.State, i.Reason = InvitationRefused, reason
		return errors.Join(tx.PutInvitation(row.Seq, &i), tx.RemoveDue(row.Seq), s.enter(ctx, tx, verb, "user", user, reason))
	})
}

// testify keeps evidence of an address that came after the invitation, as it does for somebody who was taken back.
func testify(tx Tx, row *UserRow, evidence []byte) error {
	if len(evidence) == 0 || row.State != Invited {
		return nil
	}
	i, err := tx.Invitation(row.Seq)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil || i.Generation == OwnersInvitation || string(i.Evidence) == string(evidence) || i.State != InvitationDue && (i.State != InvitationRefused || i.Proposal != nil) {
		return err
	}
	i.State, i.Evidence, i.Reason = InvitationDue, evidence, ""
	return tx.PutInvitation(row.Seq, &i)
}

// Invitations lists invitations in any of the states, strictly after a user.
func (s *Service) Invitations(ctx context.Context, states []InvitationState, after string, limit int) ([]InvitationRow, error) {
	var list []InvitationRow
	err := s.store.View(ctx, func(tx Tx) error {
		begin := int64(0)
		if after != "" {
			row, err := tx.UserByID(after)
			if err != nil {
				return err
			}
			begin = row.Seq
		}
		var err error
		list, err = tx.Invitations(states, begin, limit)
		return err
	})
	return list, err
}

// Outbox lists open invitations whose link the account is to deliver and has not delivered.
func (s *Service) Outbox(ctx context.Context, limit int) ([]InvitationRow, error) {
	var list []InvitationRow
	err := s.store.View(ctx, func(tx Tx) (err error) {
		list, err = tx.Unsent(true, limit)
		return err
	})
	return list, err
}

// sweepEvery is how often invitations are looked at whose time may be over: an administrator sees it in time.
const sweepEvery = time.Minute

// Housekeep ends invitations whose time is over and forgets old calls, until ctx ends. Several processes may do so.
func (s *Service) Housekeep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for round := 0; ; round++ {
		err := s.Sweep(ctx)
		if round%60 == 0 {
			err = errors.Join(err, s.ForgetCalls(ctx))
		}
		if err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "housekeeping", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// sweepPage is how many expired invitations are ended by one change.
const sweepPage = 500

// Sweep ends invitations whose time is over.
func (s *Service) Sweep(ctx context.Context) error {
	for {
		var expired []int64
		if err := s.store.View(ctx, func(tx Tx) (err error) {
			expired, err = tx.Expired(s.now(), sweepPage)
			return err
		}); err != nil || len(expired) == 0 {
			return err
		}
		if err := s.store.Update(ctx, func(tx Tx) error {
			for _, seq := range expired {
				if err := s.expire(ctx, tx, seq); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
}

func (s *Service) expire(ctx context.Context, tx Tx, seq int64) error {
	i, err := tx.Invitation(seq)
	if err != nil || i.State != InvitationOpen || s.now().Before(i.Expires) {
		return err
	}
	i.State, i.Link, i.Reason = InvitationExpired, "", "nobody accepted it in time"
	return errors.Join(tx.PutInvitation(seq, &i), s.enter(ctx, tx, "invitation.expire", "user", i.UserID, strconv.Itoa(i.Number)))
}
