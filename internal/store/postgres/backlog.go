package postgres

import (
	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/internal/account"
)

func (t *tx) Backlog() (account.Backlog, error) {
	b := account.Backlog{Invitations: map[account.InvitationState]int{}}
	if err := t.rows("SELECT state, count(*) FROM invitations WHERE account = $1 AND state <> 'CONFIRMED' GROUP BY state", nil, func(r pgx.Rows) error {
		var state text
		var n int
		err := r.Scan(&state, &n)
		b.Invitations[account.InvitationState(state)] = n
		return err
	}); err != nil {
		return b, err
	}
	err := t.one(`SELECT count(*), coalesce(min(i.proposed), 0), (SELECT count(*) FROM due WHERE account = $1) - count(*),
		(SELECT count(*) FROM invitations WHERE account = $1 AND state = 'OPEN' AND sent = 0 AND link = '')
			+ (SELECT count(*) FROM invitations WHERE account = $1 AND state = 'OPEN' AND sent = 0 AND link <> ''),
		(SELECT count(*) FROM groups WHERE account = $1 AND managed AND NOT privileged AND (serial = 0 OR rotate))
		FROM invitations i JOIN due d ON d.account = $1 AND d.user_seq = i.user_seq WHERE i.account = $1 AND i.state = 'ACCEPTED' AND i.state <> 'CONFIRMED'`, nil,
		&b.Accepted, (*moment)(&b.Since), &b.Keys, &b.Unsent, &b.Groups)
	return b, err
}
