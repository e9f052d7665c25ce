package postgres

import (
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/internal/account"
)

func (t *tx) PersonKeys(user int64) (k account.PersonKeys, err error) {
	err = t.one("SELECT serial, public, sealed, sign_in, attestation, sessions_from FROM person_keys WHERE account = $1 AND user_seq = $2", []any{user},
		&k.Serial, (*blob)(&k.Public), (*blob)(&k.Sealed), (*blob)(&k.SignIn), (*blob)(&k.Attestation), (*moment)(&k.SessionsFrom))
	return k, err
}

func (t *tx) PutPersonKeys(user int64, k *account.PersonKeys) error {
	_, err := t.exec(`INSERT INTO person_keys (account, user_seq, serial, public, sealed, sign_in, attestation, sessions_from) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (account, user_seq) DO UPDATE SET serial = excluded.serial, public = excluded.public, sealed = excluded.sealed, sign_in = excluded.sign_in,
		attestation = excluded.attestation, sessions_from = excluded.sessions_from`,
		user, k.Serial, bytesOf(k.Public), bytesOf(k.Sealed), bytesOf(k.SignIn), bytesOf(k.Attestation), momentOf(k.SessionsFrom))
	return err
}

func (t *tx) DeletePersonKeys(user int64) error {
	return t.later("DELETE FROM person_keys WHERE account = $1 AND user_seq = $2", user)
}

func (t *tx) AddDue(user int64) error {
	_, err := t.exec("INSERT INTO due (account, user_seq) VALUES ($1, $2) ON CONFLICT DO NOTHING", user)
	return err
}

func (t *tx) RemoveDue(user int64) error {
	return t.later("DELETE FROM due WHERE account = $1 AND user_seq = $2", user)
}

func (t *tx) DueUsers(after int64, n int) ([]int64, error) {
	return t.seqs("SELECT user_seq FROM due WHERE account = $1 AND user_seq > $2 ORDER BY user_seq"+limit(n), after)
}

func (t *tx) DueMembers(group int64) error {
	return t.later(`INSERT INTO due (account, user_seq) SELECT $1, m.user_seq FROM memberships m JOIN person_keys k ON k.account = $1 AND k.user_seq = m.user_seq
		WHERE m.account = $1 AND m.group_seq = $2 ON CONFLICT DO NOTHING`, group)
}

func (t *tx) KeyedMember(user int64) error {
	return t.later("INSERT INTO due (account, user_seq) SELECT $1, k.user_seq FROM person_keys k WHERE k.account = $1 AND k.user_seq = $2 ON CONFLICT DO NOTHING", user)
}

func (t *tx) UnkeyedGroups(n int) ([]account.GroupRow, error) {
	return t.groups(fromGroups + " WHERE g.account = $1 AND g.managed AND NOT g.privileged AND (g.serial = 0 OR g.rotate) ORDER BY g.seq" + limit(n))
}

func (t *tx) Pending(user int64) ([]account.PendingMembership, error) {
	var list []account.PendingMembership
	err := t.rows(`SELECT g.id, g.serial, m.evidence FROM memberships m JOIN groups g ON g.account = $1 AND g.seq = m.group_seq
		WHERE m.account = $1 AND m.user_seq = $2 AND g.managed AND NOT g.privileged AND g.serial > m.granted AND m.granted >= 0 ORDER BY g.seq`, []any{user}, func(r pgx.Rows) error {
		var p account.PendingMembership
		err := r.Scan((*text)(&p.Group), &p.Serial, (*blob)(&p.Evidence))
		list = append(list, p)
		return err
	})
	return list, err
}

func (t *tx) Granted(group, user int64) (int, error) {
	if t.group != group {
		t.granted.forget()
		t.group = group
	}
	return t.granted.get(user, func(from int64, n int, put func(int64, int)) error {
		return t.rows("SELECT user_seq, granted FROM memberships WHERE account = $1 AND group_seq = $2 AND user_seq >= $3 ORDER BY user_seq"+limit(n), []any{group, from}, func(r pgx.Rows) error {
			var user int64
			var serial int
			err := r.Scan(&user, &serial)
			put(user, serial)
			return err
		})
	})
}

func (t *tx) SetGranted(group, user int64, serial int) error {
	t.granted.forget()
	return t.later("UPDATE memberships SET granted = $4 WHERE account = $1 AND group_seq = $2 AND user_seq = $3", group, user, serial)
}

func (t *tx) SetEvidence(group, user int64, evidence []byte) error {
	t.granted.forget()
	return t.later("UPDATE memberships SET evidence = $4, granted = greatest(granted, 0) WHERE account = $1 AND group_seq = $2 AND user_seq = $3", group, user, bytesOf(evidence))
}

func (t *tx) CountGranted(group int64) (int, error) {
	n, err := t.number("SELECT count(*) FROM memberships WHERE account = $1 AND group_seq = $2 AND granted > 0", group)
	return int(n), err
}

func (t *tx) Rekeyings(after string, n int) ([]account.Rekeying, error) {
	var list []account.Rekeying
	err := t.rows(`SELECT g.id, g.serial, count(*) FILTER (WHERE m.granted = g.serial), count(*) FROM groups g JOIN memberships m ON m.account = $1 AND m.group_seq = g.seq
		WHERE g.account = $1 AND g.managed AND NOT g.privileged AND g.outdated > 0 AND g.id > $2 AND m.granted > 0 GROUP BY g.id, g.serial ORDER BY g.id`+limit(n), []any{encode(after)}, func(r pgx.Rows) error {
		var k account.Rekeying
		err := r.Scan((*text)(&k.Group), &k.Serial, &k.Have, &k.Of)
		list = append(list, k)
		return err
	})
	return list, err
}

func (t *tx) PutGrant(group int64, g *account.Grant) error {
	_, err := t.exec(`INSERT INTO grants (account, group_seq, holder, holder_kind, holder_serial, serial, sealed) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (account, group_seq, holder, holder_kind, holder_serial, serial) DO UPDATE SET sealed = excluded.sealed`,
		group, encode(g.To.ID), encode(string(g.To.Kind)), g.To.Serial, g.Serial, bytesOf(g.Sealed))
	return err
}

func (t *tx) DeleteGrants(group int64, holder string, below int) error {
	if holder != "" {
		return t.later("DELETE FROM grants WHERE account = $1 AND group_seq = $2 AND holder = $3", group, encode(holder))
	}
	return t.later("DELETE FROM grants WHERE account = $1 AND group_seq = $2 AND serial < $3", group, below)
}

func (t *tx) GrantsTo(to account.Holder, after int64, n int) (list []account.Grant, last int64, err error) {
	// A group's grants are not torn apart, so that a page may hold a few more.
	err = t.rows(`SELECT g.id, r.serial, r.sealed, r.group_seq FROM grants r JOIN groups g ON g.account = $1 AND g.seq = r.group_seq
		WHERE r.account = $1 AND r.holder = $2 AND r.holder_kind = $3 AND r.holder_serial = $4 AND r.group_seq > $5
		AND r.group_seq <= coalesce((SELECT max(p.group_seq) FROM (SELECT q.group_seq FROM grants q
			WHERE q.account = $1 AND q.holder = $2 AND q.holder_kind = $3 AND q.holder_serial = $4 AND q.group_seq > $5
			ORDER BY q.group_seq`+limit(n)+`) p), 0) ORDER BY r.group_seq, r.serial`,
		[]any{encode(to.ID), encode(string(to.Kind)), to.Serial, after}, func(r pgx.Rows) error {
			g := account.Grant{To: to}
			err := r.Scan((*text)(&g.Group), &g.Serial, (*blob)(&g.Sealed), &last)
			list = append(list, g)
			return err
		})
	return list, last, err
}

func (t *tx) GrantsOf(group int64, to account.Holder) (list []account.Grant, err error) {
	err = t.rows(`SELECT g.id, r.serial, r.sealed FROM grants r JOIN groups g ON g.account = $1 AND g.seq = r.group_seq
		WHERE r.account = $1 AND r.group_seq = $2 AND r.holder = $3 AND r.holder_kind = $4 AND r.holder_serial = $5 ORDER BY r.serial`,
		[]any{group, encode(to.ID), encode(string(to.Kind)), to.Serial}, func(r pgx.Rows) error {
			g := account.Grant{To: to}
			err := r.Scan((*text)(&g.Group), &g.Serial, (*blob)(&g.Sealed))
			list = append(list, g)
			return err
		})
	return list, err
}

func (t *tx) DeleteGrantsTo(to account.Holder) error {
	return t.later("DELETE FROM grants WHERE account = $1 AND holder = $2 AND holder_kind = $3 AND holder_serial = $4", encode(to.ID), encode(string(to.Kind)), to.Serial)
}

func (t *tx) Attest(kind, subject string, serial int, body []byte) error {
	return t.later(`INSERT INTO attestations (account, kind, subject, serial, body) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (account, kind, subject, serial) DO UPDATE SET body = excluded.body`, encode(kind), encode(subject), serial, bytesOf(body))
}

func (t *tx) Attestations(kind, subject string) ([][]byte, error) {
	var list [][]byte
	err := t.rows("SELECT body FROM attestations WHERE account = $1 AND kind = $2 AND ($3::text = '' OR subject = $3) ORDER BY subject, serial",
		[]any{encode(kind), encode(subject)}, func(r pgx.Rows) error {
			var b blob
			err := r.Scan(&b)
			list = append(list, b)
			return err
		})
	return list, err
}

func (t *tx) Generations() ([]account.Generation, error) {
	var list []account.Generation
	err := t.rows(`SELECT number, integration, signer, attestation, created, expires, ended, last_contact, version, client, token FROM generations
		WHERE account = $1 ORDER BY number`, nil, func(r pgx.Rows) error {
		var g account.Generation
		err := r.Scan(&g.Number, (*text)(&g.Integration), (*blob)(&g.Signer), (*blob)(&g.Attestation), (*millis)(&g.Created), (*moment)(&g.Expires),
			&g.Ended, (*moment)(&g.LastContact), (*text)(&g.Version), (*text)(&g.Client), (*text)(&g.Token))
		list = append(list, g)
		return err
	})
	return list, err
}

func (t *tx) PutGeneration(g *account.Generation) error {
	return t.later(`INSERT INTO generations (account, number, integration, signer, attestation, created, expires, ended, last_contact, version, client, token)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT (account, number) DO UPDATE SET integration = excluded.integration, signer = excluded.signer, attestation = excluded.attestation, created = excluded.created,
		expires = excluded.expires, ended = excluded.ended, last_contact = excluded.last_contact, version = excluded.version, client = excluded.client,
		token = excluded.token`,
		g.Number, encode(g.Integration), bytesOf(g.Signer), bytesOf(g.Attestation), g.Created.UnixMilli(), momentOf(g.Expires), g.Ended, momentOf(g.LastContact),
		encode(g.Version), encode(g.Client), encode(g.Token))
}

func (t *tx) Call(key []byte) (digest, outcome []byte, err error) {
	err = t.one("SELECT digest, outcome FROM calls WHERE account = $1 AND call = $2", []any{key}, (*blob)(&digest), (*blob)(&outcome))
	return digest, outcome, err
}

func (t *tx) PutCall(key, digest, outcome []byte, at time.Time) error {
	return t.later("INSERT INTO calls (account, call, digest, at, outcome) VALUES ($1, $2, $3, $4, $5)", key, bytesOf(digest), at.UnixMilli(), outcome)
}

func (t *tx) Forget(before time.Time) error {
	return t.later("DELETE FROM calls WHERE account = $1 AND at < $2", before.UnixMilli())
}
