package sqlite

import (
	"encoding/json"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
)

const (
	invitationColumns = `i.number, i.state, i.email, i.generation, i.commitment, i.link, i.sent, i.expires, i.reason,
	i.proposed, i.public, i.sealed, i.sign_in, i.possession, i.proof, u.id, u.name, u.language, i.evidence`
	fromInvitations = " FROM invitations i JOIN users u ON u.seq = i.user "
)

func scanInvitation(s *stmt) account.InvitationRow {
	i := account.InvitationRow{
		Number: int(s.int(0)), State: account.InvitationState(s.text(1)), Email: s.text(2), Generation: int(s.int(3)), Commitment: s.blob(4),
		Link: s.text(5), Sent: s.moment(6), Expires: s.moment(7), Reason: s.text(8), UserID: s.text(15), Name: s.text(16), Language: s.text(17), Evidence: s.blob(18),
	}
	if s.int(9) != 0 {
		i.Proposal = &account.Proposal{
			Keys: account.PersonKeys{Serial: 1, Public: s.blob(10), Sealed: s.blob(11), SignIn: s.blob(12)}, Possession: s.blob(13), Proof: s.blob(14), At: s.time(9),
		}
	}
	return i
}

func (t *tx) invitations(n int, rest string, args ...any) ([]account.InvitationRow, error) {
	var list []account.InvitationRow
	err := t.rows("SELECT "+invitationColumns+fromInvitations+rest+limit(n), args, func(s *stmt) error {
		list = append(list, scanInvitation(s))
		return enough(len(list), n)
	})
	return list, err
}

func (t *tx) Invitation(user int64) (account.InvitationRow, error) {
	list, err := t.invitations(1, "WHERE i.user = ?", user)
	if err == nil && len(list) == 0 {
		err = account.ErrNotFound
	}
	if err != nil {
		return account.InvitationRow{}, err
	}
	return list[0], nil
}

func (t *tx) PutInvitation(user int64, i *account.InvitationRow) error {
	p := i.Proposal
	if p == nil {
		p = &account.Proposal{}
	}
	_, err := t.exec(`INSERT OR REPLACE INTO invitations (user, number, state, email, evidence, generation, commitment, link, sent, expires, reason,
		proposed, public, sealed, sign_in, possession, proof) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		user, i.Number, string(i.State), i.Email, i.Evidence, i.Generation, i.Commitment, i.Link, moment(i.Sent), moment(i.Expires), i.Reason,
		moment(p.At), p.Keys.Public, p.Keys.Sealed, p.Keys.SignIn, p.Possession, p.Proof)
	return err
}

func (t *tx) OpenInvitation(o *account.Opening, expires time.Time) (changed, open bool, err error) {
	n, err := t.exec(`UPDATE invitations SET state = 'OPEN', generation = ?, commitment = ?, link = ?, expires = ?
		WHERE user = (SELECT seq FROM users WHERE id = ?) AND number = ? AND state = 'DUE'`,
		o.Generation, o.Commitment, o.Link, expires.UnixMilli(), o.User, o.Number)
	if n > 0 || err != nil {
		return n > 0, n > 0, err
	}
	same, err := t.number("SELECT count(*) FROM invitations WHERE user = (SELECT seq FROM users WHERE id = ?) AND number = ? AND state = 'OPEN' AND commitment = ?",
		o.User, o.Number, o.Commitment)
	return false, same > 0, err
}

func (t *tx) Invitations(states []account.InvitationState, after int64, n int) ([]account.InvitationRow, error) {
	if len(states) == 1 && states[0] != account.InvitationConfirmed {
		return t.invitations(n, "WHERE i.state = ? AND i.state <> 'CONFIRMED' AND i.user > ? ORDER BY i.user", string(states[0]), after)
	}
	list, err := json.Marshal(states)
	if err != nil {
		return nil, err
	}
	return t.invitations(n, "WHERE i.state IN (SELECT value FROM json_each(?)) AND i.user > ? ORDER BY i.user", list, after)
}

func (t *tx) Unsent(withLink bool, n int) ([]account.InvitationRow, error) {
	if withLink {
		return t.invitations(n, "WHERE i.state = 'OPEN' AND i.sent = 0 AND i.link <> '' ORDER BY i.user")
	}
	return t.invitations(n, "WHERE i.state = 'OPEN' AND i.sent = 0 AND i.link = '' ORDER BY i.user")
}

func (t *tx) Expired(before time.Time, n int) ([]int64, error) {
	var list []int64
	err := t.rows("SELECT user FROM invitations WHERE state = 'OPEN' AND expires <= ? ORDER BY expires"+limit(n), []any{before.UnixMilli()}, func(s *stmt) error {
		list = append(list, s.int(0))
		return enough(len(list), n)
	})
	return list, err
}
