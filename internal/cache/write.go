package cache

import (
	"context"

	"github.com/scimbridge/scimbridge/internal/account"
)

// Every change is noted when it returns, whatever it returns: a call that has failed may have been carried out.

// Invite makes a user or takes one back.
func (c *Cache) Invite(ctx context.Context, i account.Invitation) (account.User, error) {
	u, err := c.account.Invite(ctx, i)
	c.marks.note(theUser(i.ID), userNames())
	if u.ID != i.ID && u.ID != "" {
		c.marks.note(theUser(u.ID))
	}
	return u, err
}

// ChangeUser changes a user.
func (c *Cache) ChangeUser(ctx context.Context, id string, ch account.UserChange) (account.User, error) {
	u, err := c.account.ChangeUser(ctx, id, ch)
	if ch.Person != nil {
		c.marks.note(theUser(id), userNames())
	} else {
		c.marks.note(theUser(id))
	}
	return u, err
}

// ReleaseUser lets go of a user, who leaves all groups.
func (c *Cache) ReleaseUser(ctx context.Context, id string, ifRevision int64) error {
	groups := []thing{theUser(id), userNames()}
	if u, err := c.User(ctx, id); err == nil {
		for _, g := range u.Groups {
			groups = append(groups, theGroup(g.ID))
		}
	}
	err := c.account.ReleaseUser(ctx, id, ifRevision)
	c.marks.note(groups...)
	return err
}

// CreateGroup makes a group.
func (c *Cache) CreateGroup(ctx context.Context, g account.NewGroup) (account.GroupResult, error) {
	res, err := c.account.CreateGroup(ctx, g)
	c.marks.note(append(users(g.Members), theGroup(g.ID), membersOf(g.ID), groupNames())...)
	return res, err
}

// ChangeGroup changes a group.
func (c *Cache) ChangeGroup(ctx context.Context, id string, ch account.GroupChange) (account.GroupResult, error) {
	res, err := c.account.ChangeGroup(ctx, id, ch)
	things := []thing{theGroup(id)}
	if ch.Name != nil || ch.ExternalID != nil || ch.Profile != nil {
		things = append(things, membersOf(id), groupNames())
	}
	for _, s := range ch.Steps {
		things = append(things, users(s.Users)...)
		if s.Kind == account.Replace { // who is removed is not named, but is a member as far as copies know
			things = append(things, membersOf(id))
		}
	}
	c.marks.note(things...)
	return res, err
}

// DeleteGroup deletes or releases a group.
func (c *Cache) DeleteGroup(ctx context.Context, id string, ifRevision int64) error {
	err := c.account.DeleteGroup(ctx, id, ifRevision)
	c.marks.note(theGroup(id), membersOf(id), groupNames())
	return err
}

func users(ids []string) []thing {
	list := make([]thing, 0, len(ids)+3)
	for _, id := range ids {
		list = append(list, theUser(id))
	}
	return list
}

// Direct is the account without its copies, for whoever computes a change from what it reads. Changes are noted.
type Direct struct{ *Cache }

// Direct returns the account without its copies.
func (c *Cache) Direct() Direct { return Direct{c} }

// User asks the account.
func (d Direct) User(ctx context.Context, id string) (account.User, error) {
	return d.account.User(ctx, id)
}

// Users asks the account.
func (d Direct) Users(ctx context.Context, q account.Query) (account.UserPage, error) {
	return d.account.Users(ctx, q)
}

// Group asks the account.
func (d Direct) Group(ctx context.Context, id string) (account.Group, error) {
	return d.account.Group(ctx, id)
}

// Groups asks the account.
func (d Direct) Groups(ctx context.Context, q account.Query) (account.GroupPage, error) {
	return d.account.Groups(ctx, q)
}
