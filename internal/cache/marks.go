package cache

import (
	"hash/maphash"
	"math"
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

// number is what a thing is noted under. Two things may have the same number, which costs a copy now and then.
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

// mark is when something happened to a thing last, by each of the three counts.
type mark struct {
	tick uint64
	at   int64
	note noteID
}

// untold is in the place of an entry of the activity log whose number is not known yet.
const untold = math.MaxInt64

// maxMarks bounds the things that are noted: some 4 MB. With more, all copies of before are dropped.
const maxMarks = 1 << 16

// marks is what has happened to which things, in the order in which this process has come to know of it.
type marks struct {
	mu    sync.RWMutex
	now   stamp // how far everything has been followed
	floor stamp // copies with older stamps are dropped
	last  map[uint64]mark
}

func newMarks() *marks { return &marks{last: map[uint64]mark{}} }

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
	clear(m.last)
	m.floor = m.now
}

// add notes that something has happened, as edit says.
func (m *marks) add(things []thing, edit func(*mark)) {
	m.now.tick++
	if len(m.last)+len(things) > maxMarks {
		m.clear()
		return
	}
	for _, t := range things {
		n := t.number()
		k := m.last[n]
		k.tick = m.now.tick
		edit(&k)
		m.last[n] = k
	}
}

// wrote notes a change of one's own. What others' copies show of it cannot be told from their stamps, until its note or
// the feed says where it stands.
func (m *marks) wrote(things []thing) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(things, func(k *mark) { k.at = untold })
}

// told notes where a change of one's own stands among the notes.
func (m *marks) told(things []thing, id noteID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range things {
		n := t.number()
		if k, ok := m.last[n]; ok {
			k.note = max(k.note, id)
			if k.at == untold {
				k.at = 0
			}
			m.last[n] = k
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
		m.add(thingsOf(c), func(k *mark) { k.at = c.Number })
	}
	return true
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
		if s.at < m.floor.at || s.note < m.floor.note {
			return false
		}
	} else if s.tick < m.floor.tick {
		return false
	}
	for _, t := range things {
		k := m.last[t.number()]
		if !s.shared && k.tick > s.tick || s.shared && (k.at > s.at || k.note > s.note) {
			return false
		}
	}
	return true
}
