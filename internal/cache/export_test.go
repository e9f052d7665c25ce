package cache

// Position is up to which entry of the activity log the account has been followed.
func (c *Cache) Position() int64 { return c.marks.position() }
