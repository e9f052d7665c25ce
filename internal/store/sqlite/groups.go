package sqlite

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/scimbridge/scimbridge/internal/account"
)

const groupColumns = `g.seq, g.id, g.name, g.external_id, g.profile, g.managed, g.mode, g.privileged, g.members, g.through_scim,
	g.revision, g.created, g.modified, g.serial, g.rotate, g.outdated`

func scanGroup(s *stmt) account.GroupRow {
	g := account.GroupRow{Seq: s.int(0), ThroughSCIM: int(s.int(9))}
	g.ID, g.Name, g.ExternalID, g.Profile = s.text(1), s.text(2), s.text(3), s.blob(4)
	g.Managed, g.Mode, g.Privileged, g.Members = s.bool(5), account.GroupMode(s.text(6)), s.bool(7), int(s.int(8))
	g.Revision, g.Created, g.Modified = s.int(10), s.time(11), s.time(12)
	g.Serial, g.Rotate, g.Outdated = int(s.int(13)), s.bool(14), int(s.int(15))
	return g
}

func (t *tx) groups(rest string, args ...any) (list []account.GroupRow, err error) {
	err = t.rows("SELECT "+groupColumns+" FROM groups g"+rest, args, func(s *stmt) error {
		list = append(list, scanGroup(s))
		return nil
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
	return first(t.groups(" WHERE g.id = ?", id))
}

func (t *tx) GroupBySeq(seq int64) (account.GroupRow, error) {
	return first(t.groups(" WHERE g.seq = ?", seq))
}

func (t *tx) GroupsByName(folded string) ([]account.GroupRow, error) {
	return t.groups(" WHERE g.name_key = ? ORDER BY g.seq", folded)
}

func (t *tx) InsertGroup(g *account.GroupRow) error {
	seq, err := t.insert(`INSERT INTO groups (id, name, name_key, external_id, profile, managed, mode, privileged, members, through_scim, revision, created, modified, serial, rotate, outdated)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		g.ID, g.Name, account.Fold(g.Name), g.ExternalID, g.Profile, g.Managed, string(g.Mode), g.Privileged, g.Members, g.ThroughSCIM,
		g.Revision, g.Created.UnixMilli(), g.Modified.UnixMilli(), g.Serial, g.Rotate, g.Outdated)
	g.Seq = seq
	return err
}

func (t *tx) UpdateGroup(g *account.GroupRow) error {
	_, err := t.exec(`UPDATE groups SET name = ?, name_key = ?, external_id = ?, profile = ?, managed = ?, mode = ?, members = ?, through_scim = ?, revision = ?, modified = ?, serial = ?, rotate = ?, outdated = ? WHERE seq = ?`,
		g.Name, account.Fold(g.Name), g.ExternalID, g.Profile, g.Managed, string(g.Mode), g.Members, g.ThroughSCIM, g.Revision, g.Modified.UnixMilli(), g.Serial, g.Rotate, g.Outdated, g.Seq)
	return err
}

func (t *tx) DeleteGroup(seq int64) error {
	_, err := t.exec("DELETE FROM groups WHERE seq = ?", seq)
	return err
}

// few is up to how many keys are looked up one by one; more go to the database as one list.
const few = 4

func (t *tx) FindUsers(ids []string) (map[string]int64, error) {
	found := make(map[string]int64, len(ids))
	if len(ids) <= few {
		for _, id := range ids {
			seq, err := t.number("SELECT seq FROM users WHERE id = ? AND visible = 1", id)
			switch {
			case err == nil:
				found[id] = seq
			case !errors.Is(err, account.ErrNotFound):
				return nil, err
			}
		}
		return found, nil
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	err = t.rows("SELECT u.id, u.seq FROM json_each(?) j CROSS JOIN users u ON u.id = j.value WHERE u.visible = 1", []any{list}, func(s *stmt) error {
		found[s.text(0)] = s.int(1)
		return nil
	})
	return found, err
}

// Groups as the integration sees them: of an adopted one, only the memberships that came through SCIM count.
const (
	groupsOfOne = `SELECT g.id, g.name FROM memberships m JOIN groups g ON g.seq = m.group_seq
		WHERE m.user_seq = ? AND g.managed = 1 AND g.privileged = 0 AND (g.mode <> 'ADDITIVE' OR m.source <> 'MANUAL') ORDER BY m.group_seq`
	membershipsOfRange = "SELECT user_seq, group_seq, source FROM memberships WHERE user_seq BETWEEN ? AND ? ORDER BY user_seq, group_seq"
	membershipsOfList  = "SELECT m.user_seq, m.group_seq, m.source FROM json_each(?) j CROSS JOIN memberships m ON m.user_seq = j.value ORDER BY m.user_seq, m.group_seq"
	groupShown         = "SELECT id, name, managed = 1 AND privileged = 0, mode FROM groups WHERE seq = ?"
)

// GroupsOf lists the visible groups of users.
func (t *tx) GroupsOf(users []int64) (map[int64][]account.GroupRef, error) {
	found := make(map[int64][]account.GroupRef, len(users))
	if len(users) == 0 {
		return found, nil
	}
	if len(users) == 1 {
		return found, t.rows(groupsOfOne, []any{users[0]}, func(s *stmt) error {
			found[users[0]] = append(found[users[0]], account.GroupRef{ID: s.text(0), Name: s.text(1)})
			return nil
		})
	}
	list, err := t.membershipsOf(users)
	if err != nil {
		return nil, err
	}
	// People of a page are in few groups: each is read once.
	groups := map[int64]shownGroup{}
	for _, m := range list {
		g, ok := groups[m.group]
		if !ok {
			if g, err = t.shownGroup(m.group); err != nil {
				return nil, err
			}
			groups[m.group] = g
		}
		if g.visible && (m.scim || !g.additive) {
			found[m.user] = append(found[m.user], g.GroupRef)
		}
	}
	return found, nil
}

type membership struct {
	user, group int64
	scim        bool // not by hand alone
}

// membershipsOf may hold those of others as well.
func (t *tx) membershipsOf(users []int64) (list []membership, err error) {
	lowest, highest := slices.Min(users), slices.Max(users)
	text, args := membershipsOfRange, []any{lowest, highest}
	if highest-lowest >= 2*int64(len(users)) {
		// Not a page in the order of creation, which would be one walk along the index.
		seqs, err := json.Marshal(users)
		if err != nil {
			return nil, err
		}
		text, args = membershipsOfList, []any{seqs}
	}
	err = t.rows(text, args, func(s *stmt) error {
		list = append(list, membership{s.int(0), s.int(1), s.source(2) != account.Manual})
		return nil
	})
	return list, err
}

type shownGroup struct {
	account.GroupRef
	visible, additive bool
}

func (t *tx) shownGroup(seq int64) (g shownGroup, err error) {
	err = t.one(groupShown, []any{seq}, func(s *stmt) {
		g = shownGroup{account.GroupRef{ID: s.text(0), Name: s.text(1)}, s.bool(2), s.text(3) == string(account.Additive)}
	})
	return g, err
}
