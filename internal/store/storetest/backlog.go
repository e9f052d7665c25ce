package storetest

import (
	"fmt"
	"testing"

	"github.com/scimbridge/scimbridge/internal/account"
)

func backlog(t *testing.T, s account.Store) {
	read := func() (b account.Backlog) {
		view(t, s, func(tx account.Tx) (err error) {
			b, err = tx.Backlog()
			return err
		})
		return b
	}
	same(t, "of an empty store", read(), account.Backlog{Invitations: map[account.InvitationState]int{}})
	var people []account.UserRow
	for i := range 12 {
		people = append(people, user(t, fmt.Sprintf("p%d@example.com", i)))
	}
	keyed, rotating, bare, unmanaged := group(t, "keyed"), group(t, "rotating"), group(t, "bare"), group(t, "unmanaged")
	keyed.Serial, rotating.Serial, rotating.Rotate, unmanaged.Managed = 1, 1, true, false
	update(t, s, func(tx account.Tx) error {
		for i := range people {
			if err := tx.InsertUser(&people[i]); err != nil {
				return err
			}
		}
		for _, g := range []*account.GroupRow{&keyed, &rotating, &bare, &unmanaged} {
			if err := tx.InsertGroup(g); err != nil {
				return err
			}
			if err := tx.UpdateGroup(g); err != nil {
				return err
			}
		}
		for i, row := range []account.InvitationRow{
			0:  {State: account.InvitationDue},
			1:  {State: account.InvitationDue},
			2:  {State: account.InvitationOpen, Link: "to be mailed by the account"},
			3:  {State: account.InvitationOpen},
			4:  {State: account.InvitationOpen, Sent: moment(1)},
			5:  {State: account.InvitationRefused},
			6:  {State: account.InvitationExpired},
			7:  {State: account.InvitationConfirmed},
			8:  {State: account.InvitationConfirmed},
			9:  {State: account.InvitationAccepted, Proposal: &account.Proposal{At: moment(300)}},
			10: {State: account.InvitationAccepted, Proposal: &account.Proposal{At: moment(200)}},
			11: {State: account.InvitationAccepted, Proposal: &account.Proposal{At: moment(100)}}, // waits for an owner, or is suspended
		} {
			row.Number = 1
			if err := tx.PutInvitation(people[i].Seq, &row); err != nil {
				return err
			}
		}
		for _, i := range []int{8, 9, 10} {
			if err := tx.AddDue(people[i].Seq); err != nil {
				return err
			}
		}
		return nil
	})
	same(t, "what waits", read(), account.Backlog{
		Invitations: map[account.InvitationState]int{
			account.InvitationDue: 2, account.InvitationOpen: 3, account.InvitationRefused: 1, account.InvitationExpired: 1, account.InvitationAccepted: 3,
		},
		Unsent: 2, Accepted: 2, Since: moment(200), Keys: 1, Groups: 2,
	})
}
