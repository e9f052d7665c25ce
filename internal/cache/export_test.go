package cache

import "context"

// Position is up to which entry of the activity log the account has been followed.
func (c *Cache) Position() int64 { return c.marks.stamp().at }

// Told tells whether notes reach the other replicas now.
func (c *Cache) Told(ctx context.Context) bool {
	_, err := c.shared.tell(ctx, c.current(), nil)
	return err == nil
}

// Moments tells whether Redis has not been asked for every question.
func (c *Cache) Moments() bool { return c.shared.until.Load() > 0 }

// Crowd has every question belong to a crowd.
func (c *Cache) Crowd() { c.shared.few = 0 }
