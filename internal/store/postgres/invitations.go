package postgres

import (
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/internal/account"
)

const (
	invitationColumns = `i.number, i.state, i.email, i.generation, i.commitment, i.link, i.sent, i.expires, i.reason,
	i.proposed, i.public, i.sealed, i.sign_in, i.possession, i.proof, u.id, u.name, u.language, i.evidence`
	fromInvitations = "SELECT " + invitationColumns + " FROM invitations i JOIN users u ON u.account = $1 AND u.seq = i.user_seq WHERE i.account = $1 AND "
)

func scanInvitation(r pgx.Rows) (i account.InvitationRow, err error) {
	p := account.Proposal{Keys: account.PersonKeys{Serial: 1}}
	err = r.Scan(&i.Number, (*text)(&i.State), (*text)(&i.Email), &i.Generation, (*blob)(&i.Commitment), (*text)(&i.Link), (*moment)(&i.Sent), (*moment)(&i.Expires), (*text)(&i.Reason),
		(*moment)(&p.At), (*blob)(&p.Keys.Public), (*blob)(&p.Keys.Sealed), (*blob)(&p.Keys.SignIn), (*blob)(&p.Possession), (*blob)(&p.Proof),
		(*text)(&i.UserID), (*text)(&i.Name), (*text)(&i.Language), (*blob)(&i.Evidence))
	if !p.At.IsZero() {
		i.Proposal = &p
	}
	return i, err
}

func (t *tx) invitations(query string, args ...any) ([]account.InvitationRow, error) {
	var list []account.InvitationRow
	err := t.rows(query, args, func(r pgx.Rows) error {
		i, err := scanInvitation(r)
		list = append(list, i)
		return err
	})
	return list, err
}

func (t *tx) Invitation(user int64) (account.InvitationRow, error) {
	list, err := t.invitations(fromInvitations+"i.user_seq = $2", user)
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
	_, err := t.exec(`INSERT INTO invitations (account, user_seq, number, state, email, generation, commitment, link, sent, expires, reason,
		proposed, public, sealed, sign_in, possession, proof, evidence) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
		ON CONFLICT (account, user_seq) DO UPDATE SET number = excluded.number, state = excluded.state, email = excluded.email, generation = excluded.generation,
		commitment = excluded.commitment, link = excluded.link, sent = excluded.sent, expires = excluded.expires, reason = excluded.reason, proposed = excluded.proposed,
		public = excluded.public, sealed = excluded.sealed, sign_in = excluded.sign_in, possession = excluded.possession, proof = excluded.proof, evidence = excluded.evidence`,
		user, i.Number, encode(string(i.State)), encode(i.Email), i.Generation, bytesOf(i.Commitment), encode(i.Link), momentOf(i.Sent), momentOf(i.Expires), encode(i.Reason),
		momentOf(p.At), bytesOf(p.Keys.Public), bytesOf(p.Keys.Sealed), bytesOf(p.Keys.SignIn), bytesOf(p.Possession), bytesOf(p.Proof), bytesOf(i.Evidence))
	return err
}

func (t *tx) OpenInvitation(o *account.Opening, expires time.Time) (changed, open bool, err error) {
	n, err := t.exec(`UPDATE invitations SET state = 'OPEN', generation = $2, commitment = $3, link = $4, expires = $5
		WHERE account = $1 AND user_seq = (SELECT seq FROM users WHERE account = $1 AND id = $6) AND number = $7 AND state = 'DUE'`,
		o.Generation, bytesOf(o.Commitment), encode(o.Link), expires.UnixMilli(), encode(o.User), o.Number)
	if n > 0 || err != nil {
		return n > 0, n > 0, err
	}
	same, err := t.number(`SELECT count(*) FROM invitations WHERE account = $1 AND user_seq = (SELECT seq FROM users WHERE account = $1 AND id = $2)
		AND number = $3 AND state = 'OPEN' AND commitment = $4`, encode(o.User), o.Number, bytesOf(o.Commitment))
	return false, same > 0, err
}

func (t *tx) Invitations(states []account.InvitationState, after int64, n int) ([]account.InvitationRow, error) {
	if len(states) == 1 && states[0] != account.InvitationConfirmed {
		return t.invitations(fromInvitations+"i.state = $2 AND i.state <> 'CONFIRMED' AND i.user_seq > $3 ORDER BY i.user_seq"+limit(n), encode(string(states[0])), after)
	}
	list := make([]string, len(states))
	for i, s := range states {
		list[i] = encode(string(s))
	}
	return t.invitations(fromInvitations+"i.state = ANY($2::text[]) AND i.user_seq > $3 ORDER BY i.user_seq"+limit(n), list, after)
}

func (t *tx) Unsent(withLink bool, n int) ([]account.InvitationRow, error) {
	if withLink {
		return t.invitations(fromInvitations + "i.state = 'OPEN' AND i.sent = 0 AND i.link <> '' ORDER BY i.user_seq" + limit(n))
	}
	return t.invitations(fromInvitations + "i.state = 'OPEN' AND i.sent = 0 AND i.link = '' ORDER BY i.user_seq" + limit(n))
}

func (t *tx) Expired(before time.Time, n int) ([]int64, error) {
	return t.seqs("SELECT user_seq FROM invitations WHERE account = $1 AND state = 'OPEN' AND expires <= $2 ORDER BY expires"+limit(n), before.UnixMilli())
}
