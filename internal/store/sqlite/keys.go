package sqlite

import (
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
)

// moment is a time as it is kept: milliseconds since 1970; 0 is no time.
func moment(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func (s *stmt) moment(column int) time.Time {
	if s.int(column) == 0 {
		return time.Time{}
	}
	return s.time(column)
}

func (t *tx) PersonKeys(user int64) (k account.PersonKeys, err error) {
	err = t.one("SELECT serial, public, sealed, sign_in, attestation, sessions_from FROM person_keys WHERE user = ?", []any{user}, func(s *stmt) {
		k = account.PersonKeys{
			Serial: int(s.int(0)), Public: s.blob(1), Sealed: s.blob(2), SignIn: s.blob(3), Attestation: s.blob(4), SessionsFrom: s.moment(5),
		}
	})
	return k, err
}

func (t *tx) PutPersonKeys(user int64, k *account.PersonKeys) error {
	_, err := t.exec("INSERT OR REPLACE INTO person_keys (user, serial, public, sealed, sign_in, attestation, sessions_from) VALUES (?, ?, ?, ?, ?, ?, ?)",
		user, k.Serial, k.Public, k.Sealed, k.SignIn, k.Attestation, moment(k.SessionsFrom))
	return err
}

func (t *tx) DeletePersonKeys(user int64) error {
	_, err := t.exec("DELETE FROM person_keys WHERE user = ?", user)
	return err
}

func (t *tx) AddDue(user int64) error {
	_, err := t.exec("INSERT OR IGNORE INTO due (user) VALUES (?)", user)
	return err
}

func (t *tx) RemoveDue(user int64) error {
	_, err := t.exec("DELETE FROM due WHERE user = ?", user)
	return err
}

func (t *tx) DueUsers(after int64, n int) ([]int64, error) {
	var list []int64
	err := t.rows("SELECT user FROM due WHERE user > ? ORDER BY user"+limit(n), []any{after}, func(s *stmt) error {
		list = append(list, s.int(0))
		return enough(len(list), n)
	})
	return list, err
}

func (t *tx) UserBySeq(seq int64) (u account.UserRow, err error) {
	err = t.one("SELECT "+userColumns+fromUsers+"WHERE u.seq = ?", []any{seq}, func(s *stmt) { scanUser(s, &u) })
	return u, err
}

func (t *tx) DueMembers(group int64) error {
	_, err := t.exec("INSERT OR IGNORE INTO due (user) SELECT m.user_seq FROM memberships m JOIN person_keys k ON k.user = m.user_seq WHERE m.group_seq = ?", group)
	return err
}

func (t *tx) KeyedMember(user int64) error {
	_, err := t.exec("INSERT OR IGNORE INTO due (user) SELECT user FROM person_keys WHERE user = ?", user)
	return err
}

func (t *tx) UnkeyedGroups(n int) ([]account.GroupRow, error) {
	list, err := t.groups(" WHERE g.managed = 1 AND g.privileged = 0 AND (g.serial = 0 OR g.rotate = 1) ORDER BY g.seq" + limit(n))
	return list[:min(n, len(list))], err
}

func (t *tx) Pending(user int64) ([]account.PendingMembership, error) {
	var list []account.PendingMembership
	err := t.rows(`SELECT g.id, g.serial, m.evidence FROM memberships m JOIN groups g ON g.seq = m.group_seq
		WHERE m.user_seq = ? AND g.managed = 1 AND g.privileged = 0 AND g.serial > m.granted AND m.granted >= 0 ORDER BY g.seq`, []any{user}, func(s *stmt) error {
		list = append(list, account.PendingMembership{Group: s.text(0), Serial: int(s.int(1)), Evidence: s.blob(2)})
		return nil
	})
	return list, err
}

func (t *tx) Granted(group, user int64) (int, error) {
	n, err := t.number("SELECT granted FROM memberships WHERE group_seq = ? AND user_seq = ?", group, user)
	return int(n), err
}

func (t *tx) SetGranted(group, user int64, serial int) error {
	_, err := t.exec("UPDATE memberships SET granted = ? WHERE group_seq = ? AND user_seq = ?", serial, group, user)
	return err
}

func (t *tx) SetEvidence(group, user int64, evidence []byte) error {
	_, err := t.exec("UPDATE memberships SET evidence = ?, granted = max(granted, 0) WHERE group_seq = ? AND user_seq = ?", evidence, group, user)
	return err
}

func (t *tx) CountGranted(group int64) (int, error) {
	n, err := t.number("SELECT count(*) FROM memberships WHERE group_seq = ? AND granted > 0", group)
	return int(n), err
}

func (t *tx) Rekeyings(after string, n int) ([]account.Rekeying, error) {
	var list []account.Rekeying
	err := t.rows(`SELECT g.id, g.serial, sum(m.granted = g.serial), count(*) FROM groups g CROSS JOIN memberships m ON m.group_seq = g.seq
		WHERE g.managed = 1 AND g.privileged = 0 AND g.outdated > 0 AND g.id > ? AND m.granted > 0 GROUP BY g.id ORDER BY g.id`+limit(n), []any{after}, func(s *stmt) error {
		list = append(list, account.Rekeying{Group: s.text(0), Serial: int(s.int(1)), Have: int(s.int(2)), Of: int(s.int(3))})
		return enough(len(list), n)
	})
	return list, err
}

func (t *tx) PutGrant(group int64, g *account.Grant) error {
	_, err := t.exec("INSERT OR REPLACE INTO grants (group_seq, holder, holder_kind, holder_serial, serial, sealed) VALUES (?, ?, ?, ?, ?, ?)",
		group, g.To.ID, string(g.To.Kind), g.To.Serial, g.Serial, g.Sealed)
	return err
}

func (t *tx) DeleteGrants(group int64, holder string, below int) error {
	if holder != "" {
		_, err := t.exec("DELETE FROM grants WHERE group_seq = ? AND holder = ?", group, holder)
		return err
	}
	_, err := t.exec("DELETE FROM grants WHERE group_seq = ? AND serial < ?", group, below)
	return err
}

func (t *tx) GrantsTo(to account.Holder, after int64, n int) (list []account.Grant, last int64, err error) {
	// A group's grants are not torn apart, so that a page may hold a few more.
	err = t.rows(`SELECT g.id, r.serial, r.sealed, r.group_seq FROM grants r JOIN groups g ON g.seq = r.group_seq
		WHERE r.holder = ? AND r.holder_kind = ? AND r.holder_serial = ? AND r.group_seq > ? ORDER BY r.group_seq, r.serial`,
		[]any{to.ID, string(to.Kind), to.Serial, after}, func(s *stmt) error {
			if group := s.int(3); group != last {
				if len(list) >= n {
					return errEnough
				}
				last = group
			}
			list = append(list, account.Grant{Group: s.text(0), Serial: int(s.int(1)), To: to, Sealed: s.blob(2)})
			return nil
		})
	return list, last, err
}

func (t *tx) GrantsOf(group int64, to account.Holder) (list []account.Grant, err error) {
	err = t.rows(`SELECT g.id, r.serial, r.sealed FROM grants r JOIN groups g ON g.seq = r.group_seq
		WHERE r.group_seq = ? AND r.holder = ? AND r.holder_kind = ? AND r.holder_serial = ? ORDER BY r.serial`,
		[]any{group, to.ID, string(to.Kind), to.Serial}, func(s *stmt) error {
			list = append(list, account.Grant{Group: s.text(0), Serial: int(s.int(1)), To: to, Sealed: s.blob(2)})
			return nil
		})
	return list, err
}

func (t *tx) DeleteGrantsTo(to account.Holder) error {
	_, err := t.exec("DELETE FROM grants WHERE holder = ? AND holder_kind = ? AND holder_serial = ?", to.ID, string(to.Kind), to.Serial)
	return err
}

func (t *tx) Attest(kind, subject string, serial int, body []byte) error {
	_, err := t.exec("INSERT OR REPLACE INTO attestations (kind, subject, serial, body) VALUES (?, ?, ?, ?)", kind, subject, serial, body)
	return err
}

func (t *tx) Attestations(kind, subject string) ([][]byte, error) {
	var list [][]byte
	err := t.rows("SELECT body FROM attestations WHERE kind = ?1 AND (?2 = '' OR subject = ?2) ORDER BY subject, serial", []any{kind, subject}, func(s *stmt) error {
		list = append(list, s.blob(0))
		return nil
	})
	return list, err
}

func (t *tx) Generations() ([]account.Generation, error) {
	var list []account.Generation
	err := t.rows("SELECT number, integration, signer, attestation, created, expires, ended, last_contact, version, client, token FROM generations ORDER BY number", nil, func(s *stmt) error {
		list = append(list, account.Generation{
			Number: int(s.int(0)), Integration: s.text(1), Signer: s.blob(2), Attestation: s.blob(3), Created: s.time(4), Expires: s.moment(5),
			Ended: s.bool(6), LastContact: s.moment(7), Version: s.text(8), Client: s.text(9), Token: s.text(10),
		})
		return nil
	})
	return list, err
}

func (t *tx) PutGeneration(g *account.Generation) error {
	_, err := t.exec(`INSERT OR REPLACE INTO generations (number, integration, signer, attestation, created, expires, ended, last_contact, version, client, token)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		g.Number, g.Integration, g.Signer, g.Attestation, g.Created.UnixMilli(), moment(g.Expires), g.Ended, moment(g.LastContact), g.Version, g.Client, g.Token)
	return err
}

func (t *tx) Call(key []byte) (digest, outcome []byte, err error) {
	err = t.one("SELECT digest, outcome FROM calls WHERE call = ?", []any{key}, func(s *stmt) { digest, outcome = s.blob(0), s.blob(1) })
	return digest, outcome, err
}

func (t *tx) PutCall(key, digest, outcome []byte, at time.Time) error {
	var kept any
	if outcome != nil {
		kept = outcome
	}
	_, err := t.exec("INSERT INTO calls (call, digest, at, outcome) VALUES (?, ?, ?, ?)", key, digest, at.UnixMilli(), kept)
	return err
}

func (t *tx) Forget(before time.Time) error {
	// Calls are numbered as they came: all before the first that is to stay.
	_, err := t.exec("DELETE FROM calls WHERE number < coalesce((SELECT number FROM calls WHERE at >= ?1 ORDER BY number LIMIT 1), (SELECT max(number) + 1 FROM calls))", before.UnixMilli())
	return err
}

func (t *tx) Head() (int64, error) {
	return t.number("SELECT coalesce(max(number), 0) FROM activity")
}
