package storetest

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/internal/account"
)

// rekeyings: groups with outdated members are listed by id, a page at a time, with the grants of their members counted.
func rekeyings(t *testing.T, s account.Store) {
	rows := insert(t, s, "a", "b", "c", "d")
	var want []account.Rekeying
	for i, edit := range []func(g *account.GroupRow){
		func(*account.GroupRow) {}, func(*account.GroupRow) {}, func(g *account.GroupRow) { g.Outdated = 0 },
		func(g *account.GroupRow) { g.Managed = false }, func(g *account.GroupRow) { g.Privileged = true },
	} {
		g := group(t, "Engineers")
		g.Serial, g.Outdated = 3, 2
		edit(&g)
		g = insertGroup(t, s, g)
		update(t, s, func(tx account.Tx) error {
			_, _, err := tx.AddMembers(g.Seq, []int64{rows[0].Seq, rows[1].Seq, rows[2].Seq, rows[3].Seq}, account.SCIM, nil)
			return errors.Join(err, tx.SetGranted(g.Seq, rows[0].Seq, 3), tx.SetGranted(g.Seq, rows[1].Seq, 2), tx.SetGranted(g.Seq, rows[2].Seq, account.RefusedGrant))
		})
		if i < 2 { //nolint:mnd // those that are listed
			want = append(want, account.Rekeying{Group: g.ID, Serial: 3, Have: 1, Of: 2})
		}
	}
	slices.SortFunc(want, func(a, b account.Rekeying) int { return strings.Compare(a.Group, b.Group) })
	view(t, s, func(tx account.Tx) error {
		all, err := tx.Rekeyings("", 10)
		same(t, "groups with a new key", all, want)
		one, oneErr := tx.Rekeyings("", 1)
		same(t, "a page of them", one, want[:1])
		rest, restErr := tx.Rekeyings(one[0].Group, 10)
		same(t, "the rest", rest, want[1:])
		return errors.Join(err, oneErr, restErr)
	})
}
