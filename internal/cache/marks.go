package cache

import (
	"hash/maphash"
	"sync"

	"github.com/scimbridge/scimbridge/internal/account"
)

// thing is what a copy may depend on: one user, one group, how a group looks from its members, what users or groups are
// found by. Two things may have the same number, which costs a copy now and then.
type thing uint64

var seed = maphash.MakeSeed()

func thingOf(kind byte, id string) thing {
	var h maphash.Hash
	h.SetSeed(seed)
	_ = h.WriteByte(kind)
	_, _ = h.WriteString(id)
	return thing(h.Sum64())
}

func theUser(id string) thing   { return thingOf('u', id) }
func theGroup(id string) thing  { return thingOf('g', id) }
func membersOf(id string) thing { return thingOf('m', id) } // the group as it is named in its members
func userNames() thing          { return thingOf('U', "") }
func groupNames() thing         { return thingOf('G', "") }

// maxMarks bounds the things that are noted: some 5 MB. With more, all copies of before are dropped.
const maxMarks = 1 << 17

// marks is what has happened to which things, in the order in which this process has come to know of it.
type marks struct {
	mu    sync.RWMutex
	now   uint64 // counts what has happened
	floor uint64 // copies with older stamps are dropped
	last  map[thing]uint64
	at    int64 // up to which entry of the activity log the account has been followed
}

func newMarks() *marks { return &marks{last: map[thing]uint64{}} }

// stamp is for a copy that is about to be read.
func (m *marks) stamp() uint64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.now
}

// position is how far the account has been followed.
func (m *marks) position() int64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.at
}

// note says that something may have changed. It happens after everything that was stamped before.
func (m *marks) note(things ...thing) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(things...)
}

func (m *marks) add(things ...thing) {
	m.now++
	if len(m.last)+len(things) > maxMarks {
		m.clear()
		return
	}
	for _, t := range things {
		m.last[t] = m.now
	}
}

// clear drops all copies. The caller has counted.
func (m *marks) clear() {
	clear(m.last)
	m.floor = m.now
}

// follow notes what the feed tells.
func (m *marks) follow(f account.Feed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f.Last < m.at { // the account was restored from a backup
		m.now++
		m.clear()
	}
	for i := range f.Changes {
		c := &f.Changes[i]
		if c.Everything {
			m.now++
			m.clear()
			continue
		}
		m.add(thingsOf(c)...)
	}
	m.at = f.Last
}

func thingsOf(c *account.Change) []thing {
	list := make([]thing, 0, len(c.Users)+4)
	for _, id := range c.Users {
		list = append(list, theUser(id))
	}
	if c.Group != "" {
		list = append(list, theGroup(c.Group))
		if c.GroupNames {
			list = append(list, membersOf(c.Group))
		}
	}
	if c.UserNames {
		list = append(list, userNames())
	}
	if c.GroupNames {
		list = append(list, groupNames())
	}
	return list
}

// fresh tells whether nothing has happened to any of the things since a stamp.
func (m *marks) fresh(stamp uint64, things ...thing) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if stamp < m.floor {
		return false
	}
	for _, t := range things {
		if m.last[t] > stamp {
			return false
		}
	}
	return true
}
