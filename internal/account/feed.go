package account

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Change is what one entry of the activity log means to whoever keeps copies of users and groups as the integration
// sees them.
type Change struct {
	Number int64    // of the entry
	Users  []string // ids of users who may read otherwise than before
	Group  string   // id of a group that may read otherwise than before; "" none
	// UserNames: a user may be found by another user name, address or external id than before.
	UserNames bool
	// GroupNames: a group may be found by another name or external id, and its members may be in it by another name, or
	// no more.
	GroupNames bool
	Everything bool // more than can be named here
}

// Feed is what has changed.
type Feed struct {
	Changes []Change // oldest first; those that concern no copy are left out
	// Last is the number of the last entry that was looked at. Below the one that was asked for, the account has been
	// restored from a backup, and no copy is worth anything.
	Last int64
}

// Changes waits for entries after a number, and returns what up to limit of them mean; when ctx ends first, none, without
// an error. With limit 0 it waits for nothing and says where the log ends.
func (s *Service) Changes(ctx context.Context, after int64, limit int) (Feed, error) {
	head, err := s.follow(ctx, after, func(head int64) bool { return head != after || limit == 0 })
	if err != nil || head <= after || limit == 0 {
		return Feed{Last: head}, err
	}
	feed := Feed{Last: after}
	err = s.store.View(context.WithoutCancel(ctx), func(tx Tx) error {
		list, err := tx.Entries(after, limit)
		feed = Feed{Last: after}
		for i := range list {
			feed.Last = list[i].Number
			if c, some := list[i].change(); some {
				feed.Changes = append(feed.Changes, c)
			}
		}
		return err
	})
	return feed, err
}

// quiet are what happens to users and leaves alone whatever they are found by.
var quiet = []string{"user.suspend", "user.reactivate", "user.accept", "user.confirm", "user.protect"}

// change is what an entry means for copies; false: nothing.
func (e *Entry) change() (c Change, some bool) {
	c.Number = e.Number
	switch {
	case strings.HasSuffix(e.Verb, ".refused"), strings.HasPrefix(e.Verb, "guard."), e.Verb == "group.grant", e.Object == "account", e.Object == "integration":
		return c, false
	case e.Object == "user":
		c.Users, c.UserNames = []string{e.ObjectID}, !slices.Contains(quiet, e.Verb)
	case e.Verb == "group.members.add", e.Verb == "group.members.remove":
		c.Group, c.Users = e.ObjectID, strings.Fields(e.Detail)
	case e.Verb == "group.key":
		c.Group = e.ObjectID
	case slices.Contains([]string{"group.create", "group.change", "group.rename", "group.delete", "group.release"}, e.Verb):
		c.Group, c.GroupNames = e.ObjectID, true
	default: // a group that comes into sight: its members are in it and nothing has named them
		c.Everything = true
	}
	return c, true
}

// follow returns the number of the activity log's last entry as soon as it will do, or when ctx ends, then without an
// error: as it was seen last, and where it was never seen, the number given.
func (s *Service) follow(ctx context.Context, head int64, do func(head int64) bool) (int64, error) {
	tick := time.NewTicker(otherProcesses)
	defer tick.Stop()
	for {
		next := s.bell.next() // before looking, so that nothing falls in between
		var now int64
		err := s.store.View(ctx, func(tx Tx) (err error) {
			now, err = tx.Head()
			return err
		})
		if err == nil {
			head = now
		}
		if ctx.Err() != nil {
			return head, nil
		}
		if err != nil || do(head) {
			return head, err
		}
		select {
		case <-next:
		case <-tick.C:
		case <-ctx.Done():
			return head, nil
		}
	}
}
