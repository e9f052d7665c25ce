package postgres

import (
	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/internal/account"
)

const groupColumns = `g.seq, g.id, g.name, g.external_id, g.profile, g.managed, g.mode, g.privileged, g.members, g.through_scim,
	g.revision, g.created, g.modified, g.serial, g.rotate, g.outdated`

const fromGroups = "SELECT " + groupColumns + " FROM groups g"

func scanGroup(r pgx.Rows) (g account.GroupRow, err error) {
	err = r.Scan(&g.Seq, (*text)(&g.ID), (*text)(&g.Name), (*text)(&g.ExternalID), (*blob)(&g.Profile), &g.Managed, (*text)(&g.Mode), &g.Privileged, &g.Members, &g.ThroughSCIM,
		&g.Revision, (*millis)(&g.Created), (*millis)(&g.Modified), &g.Serial, &g.Rotate, &g.Outdated)
	return g, err
}

func (t *tx) groups(query string, args ...any) (list []account.GroupRow, err error) {
	err = t.rows(query, args, func(r pgx.Rows) error {
		g, err := scanGroup(r)
		list = append(list, g)
		return err
	})
	return list, err
}

func first(list []account.GroupRow, err error) (account.GroupRow, error) {
	if err == nil && len(list) == 0 {
		err = account.ErrNotFound
	}
	if err != nil {
		return account.GroupRow{}, err
	}
	return list[0], nil
}

func (t *tx) GroupByID(id string) (account.GroupRow, error) {
	return first(t.groups(fromGroups+" WHERE g.account = $1 AND g.id = $2", encode(id)))
}

func (t *tx) GroupBySeq(seq int64) (account.GroupRow, error) {
	return first(t.groups(fromGroups+" WHERE g.account = $1 AND g.seq = $2", seq))
}

func (t *tx) GroupsByName(folded string) ([]account.GroupRow, error) {
	return t.groups(fromGroups+" WHERE g.account = $1 AND g.name_key = $2 ORDER BY g.seq", indexed(folded))
}

func (t *tx) InsertGroup(g *account.GroupRow) error {
	if t.writer == nil {
		return errReading
	}
	seq := t.writer.group + 1
	_, err := t.exec(`INSERT INTO groups (account, seq, id, name, name_key, external_id, profile, managed, mode, privileged, members, through_scim, revision, created, modified,
		serial, rotate, outdated) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)`,
		seq, encode(g.ID), encode(g.Name), indexed(account.Fold(g.Name)), encode(g.ExternalID), g.Profile, g.Managed, encode(string(g.Mode)), g.Privileged, g.Members, g.ThroughSCIM,
		g.Revision, g.Created.UnixMilli(), g.Modified.UnixMilli(), g.Serial, g.Rotate, g.Outdated)
	if err == nil {
		g.Seq, t.writer.group = seq, seq
	}
	return err
}

func (t *tx) UpdateGroup(g *account.GroupRow) error {
	return t.later(`UPDATE groups SET name = $3, name_key = $4, external_id = $5, profile = $6, managed = $7, mode = $8, members = $9, through_scim = $10, revision = $11,
		modified = $12, serial = $13, rotate = $14, outdated = $15 WHERE account = $1 AND seq = $2`,
		g.Seq, encode(g.Name), indexed(account.Fold(g.Name)), encode(g.ExternalID), g.Profile, g.Managed, encode(string(g.Mode)), g.Members, g.ThroughSCIM, g.Revision,
		g.Modified.UnixMilli(), g.Serial, g.Rotate, g.Outdated)
}

func (t *tx) DeleteGroup(seq int64) error {
	t.granted.forget()
	return t.later("DELETE FROM groups WHERE account = $1 AND seq = $2", seq)
}

func (t *tx) FindUsers(ids []string) (map[string]int64, error) {
	found := make(map[string]int64, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = encode(id)
	}
	err := t.rows("SELECT id, seq FROM users WHERE account = $1 AND id = ANY($2::text[]) AND visible", []any{list}, func(r pgx.Rows) error {
		var id text
		var seq int64
		err := r.Scan(&id, &seq)
		found[string(id)] = seq
		return err
	})
	return found, err
}

// Groups as the integration sees them: of an adopted one, only the memberships that came through SCIM count. OFFSET 0
// keeps the server from beginning with all groups, which it does before it has counted its rows.
const groupsOf = `SELECT m.user_seq, s.id, s.name FROM memberships m CROSS JOIN LATERAL
	(SELECT g.id, g.name, g.mode FROM groups g WHERE g.account = $1 AND g.seq = m.group_seq AND g.managed AND NOT g.privileged OFFSET 0) s
	WHERE m.account = $1 AND m.user_seq = ANY($2::bigint[]) AND (s.mode <> 'ADDITIVE' OR m.source <> 'MANUAL')
	ORDER BY m.user_seq, m.group_seq`

// GroupsOf lists the visible groups of users.
func (t *tx) GroupsOf(users []int64) (map[int64][]account.GroupRef, error) {
	found := make(map[int64][]account.GroupRef, len(users))
	if len(users) == 0 {
		return found, nil
	}
	err := t.rows(groupsOf, []any{users}, func(r pgx.Rows) error {
		var user int64
		var g account.GroupRef
		err := r.Scan(&user, (*text)(&g.ID), (*text)(&g.Name))
		found[user] = append(found[user], g)
		return err
	})
	return found, err
}
