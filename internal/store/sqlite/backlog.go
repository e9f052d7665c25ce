package sqlite

import "github.com/scimbridge/scimbridge/internal/account"

func (t *tx) Backlog() (account.Backlog, error) {
	b := account.Backlog{Invitations: map[account.InvitationState]int{}}
	if err := t.rows("SELECT state, count(*) FROM invitations WHERE state <> 'CONFIRMED' GROUP BY state", nil, func(s *stmt) error {
		b.Invitations[account.InvitationState(s.text(0))] = int(s.int(1))
		return nil
	}); err != nil {
		return b, err
	}
	// Of those who have accepted, few at any time, those who are due: CROSS JOIN keeps the order. Left to itself SQLite counts
	// the unsent by another index, and reads every open invitation for it.
	err := t.one(`SELECT count(*), coalesce(min(i.proposed), 0), (SELECT count(*) FROM due) - count(*),
		(SELECT count(*) FROM invitations INDEXED BY invitations_unsent WHERE state = 'OPEN' AND sent = 0 AND link = '')
			+ (SELECT count(*) FROM invitations INDEXED BY invitations_outbox WHERE state = 'OPEN' AND sent = 0 AND link <> ''),
		(SELECT count(*) FROM groups WHERE managed = 1 AND privileged = 0 AND (serial = 0 OR rotate = 1))
		FROM invitations i CROSS JOIN due d ON d.user = i.user WHERE i.state = 'ACCEPTED' AND i.state <> 'CONFIRMED'`, nil, func(s *stmt) {
		b.Accepted, b.Since, b.Keys, b.Unsent, b.Groups = int(s.int(0)), s.moment(1), int(s.int(2)), int(s.int(3)), int(s.int(4))
	})
	return b, err
}
