package cache

import (
	"context"

	"github.com/scimbridge/scimbridge/internal/account"
)

// Every change is noted when it returns, whatever it returns: a call that has failed may have been carried out.

// wrote notes a change of one's own, here and for the other replicas.
func (c *Cache) wrote(ctx context.Context, things ...thing) {
	tick := c.marks.wrote(things)
	ks := c.current()
	if c.shared == nil || ks == nil {
		return
	}
	id, err := c.shared.tell(ctx, ks, things)
	if err != nil {
		c.Log.DebugContext(ctx, "a change was not told to the other replicas; they hear of it by the feed", "error", err)
		return
	}
	c.marks.told(things, tick, id)
}

// Invite makes a user or takes one back.
func (c *Cache) Invite(ctx context.Context, i account.Invitation) (account.User, error) {
	u, err := c.Account.Invite(ctx, i)
	things := []thing{theUser(i.ID), theUserNames}
	if u.ID != i.ID && u.ID != "" { // who was let go has come back
		things = append(things, theUser(u.ID))
	}
	c.wrote(ctx, things...)
	return u, err
}

// ChangeUser changes a user.
func (c *Cache) ChangeUser(ctx context.Context, id string, ch account.UserChange) (account.User, error) {
	u, err := c.Account.ChangeUser(ctx, id, ch)
	if ch.Person != nil {
		c.wrote(ctx, theUser(id), theUserNames)
	} else {
		c.wrote(ctx, theUser(id))
	}
	return u, err
}

// ReleaseUser lets go of a user, who leaves all groups.
func (c *Cache) ReleaseUser(ctx context.Context, id string, ifRevision int64) error {
	groups := []thing{theUser(id), theUserNames}
	if u, err := c.User(ctx, id); err == nil {
		for _, g := range u.Groups {
			groups = append(groups, theGroup(g.ID))
		}
	}
	err := c.Account.ReleaseUser(ctx, id, ifRevision)
	c.wrote(ctx, groups...)
	return err
}

// CreateGroup makes a group.
func (c *Cache) CreateGroup(ctx context.Context, g account.NewGroup) (account.GroupResult, error) {
	res, err := c.Account.CreateGroup(ctx, g)
	c.wrote(ctx, append(users(g.Members), theGroup(g.ID), membersOf(g.ID), theGroupNames)...)
	return res, err
}

// ChangeGroup changes a group.
func (c *Cache) ChangeGroup(ctx context.Context, id string, ch account.GroupChange) (account.GroupResult, error) {
	res, err := c.Account.ChangeGroup(ctx, id, ch)
	things := []thing{theGroup(id)}
	if ch.Name != nil || ch.ExternalID != nil || ch.Profile != nil {
		things = append(things, membersOf(id), theGroupNames)
	}
	for _, s := range ch.Steps {
		things = append(things, users(s.Users)...)
		if s.Kind == account.Replace { // who is removed is not named, but is a member as far as copies know
			things = append(things, membersOf(id))
		}
	}
	c.wrote(ctx, things...)
	return res, err
}

// DeleteGroup deletes or releases a group.
func (c *Cache) DeleteGroup(ctx context.Context, id string, ifRevision int64) error {
	err := c.Account.DeleteGroup(ctx, id, ifRevision)
	c.wrote(ctx, theGroup(id), membersOf(id), theGroupNames)
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
	return d.Account.User(ctx, id)
}

// Users asks the account.
func (d Direct) Users(ctx context.Context, q account.Query) (account.UserPage, error) {
	return d.Account.Users(ctx, q)
}

// Group asks the account.
func (d Direct) Group(ctx context.Context, id string) (account.Group, error) {
	return d.Account.Group(ctx, id)
}

// Groups asks the account.
func (d Direct) Groups(ctx context.Context, q account.Query) (account.GroupPage, error) {
	return d.Account.Groups(ctx, q)
}
