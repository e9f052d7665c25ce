package cache

import (
	"hash/maphash"
	"sync"

	"github.com/scimbridge/scimbridge/internal/account"
)

// thing is what a copy may depend on: one user, one group, how a group looks from its members, what users or groups are
// found by.
type thing struct {
	kind thingKind
	id   string // "" for userNames and groupNames
}

type thingKind byte

// The kinds of a thing.
const (
	aUser      thingKind = 'u'
	aGroup     thingKind = 'g'
	asMembers  thingKind = 'm' // the group as it is named in its members
	userNames  thingKind = 'U'
	groupNames thingKind = 'G'
)

func theUser(id string) thing   { return thing{aUser, id} }
func theGroup(id string) thing  { return thing{aGroup, id} }
func membersOf(id string) thing { return thing{asMembers, id} }

var (
	theUserNames  = thing{kind: userNames}
	theGroupNames = thing{kind: groupNames}
)

var seed = maphash.MakeSeed()

// number is what a thing is noted under.
func (t thing) number() uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	_ = h.WriteByte(byte(t.kind))
	_, _ = h.WriteString(t.id)
	return h.Sum64()
}

// noteID is a place in the notes that replicas leave one another, 0 before the first. See shared.
type noteID uint64

// stamp says how far this process had followed the account when a copy was about to be read.
type stamp struct {
	tick uint64 // counts what this process has noted
	at   int64  // entry of the activity log
	note noteID
	// shared: the copy is another process's, whose ticks say nothing here.
	shared bool
}

// mark is when something happened last to the things of a place, by each of the three counts.
type mark struct {
	tick uint64
	at   int64
	note noteID
	// untold is the tick of the last change of one's own of which it was not known where it stands in the activity log and
	// among the notes, so that the stamps of others' copies say nothing about it; 0: none.
	untold uint64
}

// places is how many marks there are, in 1 MB. A thing's place is that of others too, by chance: when 32,000 things have
// changed since a copy was made, it is two to one that the copy is dropped though it is right.
const places = 1 << 15

// marks is what has happened to which things, in the order in which this process has come to know of it.
type marks struct {
	mu      sync.RWMutex
	now     stamp // how far everything has been followed
	floor   stamp // copies with older stamps are dropped
	settled uint64
	last    []mark
}

func newMarks() *marks { return &marks{last: make([]mark, places)} }

// of is the mark of a thing.
func (m *marks) of(t thing) *mark { return &m.last[t.number()%places] }

// stamp is for a copy that is about to be read.
func (m *marks) stamp() stamp {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.now
}

// start begins at an entry of the activity log: what happened before is not known.
func (m *marks) start(at int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now.at = at
	m.clear()
}

// clear drops all copies.
func (m *marks) clear() {
	m.now.tick++
	m.floor = m.now
}

// add notes that something has happened, as edit says.
func (m *marks) add(things []thing, edit func(*mark)) {
	m.now.tick++
	for _, t := range things {
		k := m.of(t)
		k.tick = m.now.tick
		edit(k)
	}
}

// wrote notes a change of one's own, and returns its tick. What others' copies show of it cannot be told from their stamps,
// until told or settle says where it stands.
func (m *marks) wrote(things []thing) (tick uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(things, func(k *mark) { k.untold = k.tick })
	return m.now.tick
}

// told notes where a change of one's own stands among the notes. Whose note came later than another change's tick came
// later than that change, so that one note will do for all of before.
func (m *marks) told(things []thing, tick uint64, id noteID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range things {
		k := m.of(t)
		k.note = max(k.note, id)
		if k.untold == tick {
			k.untold = 0
		}
	}
}

// read notes another replica's change, and that the notes have been followed up to it. A change of one's own may stand
// after it already: see told.
func (m *marks) read(things []thing, id noteID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(things, func(k *mark) { k.note = max(k.note, id) })
	m.now.note = id
}

// follow notes what the feed tells after an entry; false where it has been followed from there in the meantime.
func (m *marks) follow(after int64, f account.Feed) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if after != m.now.at {
		return false
	}
	m.now.at = f.Last
	if f.Last < after { // the account was restored from a backup
		m.clear()
	}
	for i := range f.Changes {
		c := &f.Changes[i]
		if c.Everything {
			m.clear()
			m.floor.at = max(m.floor.at, c.Number)
			continue
		}
		m.add(thingsOf(c), func(k *mark) { k.at = max(k.at, c.Number) })
	}
	return true
}

// settle notes that the feed has been followed to its end since a tick: whatever this process had changed by then has its
// number.
func (m *marks) settle(tick uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settled = max(m.settled, tick)
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
		list = append(list, theUserNames)
	}
	if c.GroupNames {
		list = append(list, theGroupNames)
	}
	return list
}

// fresh tells whether nothing has happened to any of the things since a stamp.
func (m *marks) fresh(s stamp, things ...thing) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if s.shared {
		// Ahead of what is known here is a copy of a moment ago, or one from before the account was restored.
		if s.at > m.now.at || s.at < m.floor.at || s.note < m.floor.note {
			return false
		}
	} else if s.tick < m.floor.tick {
		return false
	}
	for _, t := range things {
		k := m.of(t)
		if !s.shared && k.tick > s.tick || s.shared && (k.untold > m.settled || k.at > s.at || k.note > s.note) {
			return false
		}
	}
	return true
}
