package storetest

import (
	"errors"
	"fmt"
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

// calls: a call is remembered with the change that it makes, or not at all, and forgotten when its time is over.
func calls(t *testing.T, s account.Store) {
	find := func(key string) (digest, outcome []byte, err error) {
		_ = s.View(t.Context(), func(tx account.Tx) error {
			digest, outcome, err = tx.Call([]byte(key))
			return nil
		})
		return digest, outcome, err
	}
	_, _, err := find("nothing")
	wantError(t, err, account.ErrNotFound)
	forget := func(before int) {
		t.Helper()
		update(t, s, func(tx account.Tx) error { return tx.Forget(moment(before)) })
	}
	forget(1_000_000) // of no calls
	put := func(key string, at int) {
		t.Helper()
		update(t, s, func(tx account.Tx) error {
			return tx.PutCall([]byte(key), []byte("digest "+key), []byte("outcome "+key), moment(at))
		})
	}
	for i := range 5 {
		put(fmt.Sprint(i), i*1000)
	}
	update(t, s, func(tx account.Tx) error { return tx.PutCall([]byte{0, 255}, []byte{}, nil, moment(5000)) })
	digest, outcome, err := find("3")
	must(t, err)
	same(t, "call", []string{string(digest), string(outcome)}, []string{"digest 3", "outcome 3"})
	if _, outcome, err = find("\x00\xff"); err != nil || outcome != nil {
		t.Errorf("a call of which nothing is kept: %q %v", outcome, err)
	}
	why := errors.New("thought better of it")
	wantError(t, s.Update(t.Context(), func(tx account.Tx) error {
		return errors.Join(tx.PutCall([]byte("undone"), []byte("d"), nil, moment(0)), why)
	}), why)
	_, _, err = find("undone")
	wantError(t, err, account.ErrNotFound)
	forget(3000)
	for i := range 5 {
		_, _, err := find(fmt.Sprint(i))
		if gone := errors.Is(err, account.ErrNotFound); gone != (i < 3) || err != nil && !gone {
			t.Errorf("call %d of 5, three of them old: %v", i, err)
		}
	}
	put("1", 6000) // the key of one that is forgotten
	forget(7000)
	for _, key := range []string{"1", "4", "\x00\xff"} {
		if _, _, err := find(key); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("call %q when all are old: %v", key, err)
		}
	}
	put("1", 8000)
}
