package account

import (
	"context"
	"time"
)

// Store holds an account's rows. It knows uniqueness and references and no other rule. Its errors wrap ErrNotFound,
// ErrUserNameTaken, ErrIDTaken or ErrUnavailable; all others are bugs.
type Store interface {
	// View reads. All methods of Tx see one state, which was committed.
	View(ctx context.Context, read func(Tx) error) error
	// Update changes, all or nothing, and returns when the change is durable. Changes happen one after another. The
	// function must have no effect but on Tx, since it may be run more than once.
	Update(ctx context.Context, change func(Tx) error) error
	// Backup writes a consistent copy to a path that does not exist, beside everything else that goes on.
	// errors.ErrUnsupported where that is for the database's own tools to do.
	Backup(ctx context.Context, path string) error
	Close() error
}

// UserRow is a user with its place in the order of creation.
type UserRow struct {
	Seq int64
	User
	Accepted bool // accepted before being suspended, and comes back as ACCEPTED
}

// Visible tells whether the integration sees the user.
func (u *UserRow) Visible() bool { return !u.Released && u.State != Deleted }

// GroupRow is a group with its place in the order of creation. Group.Members counts all memberships.
type GroupRow struct {
	Seq int64
	Group
	ThroughSCIM int // how many of the memberships came through SCIM
	// Outdated is how many members hold a grant of an older key than the present one. While there are some, grants of
	// older keys stay.
	Outdated int
}

// Visible tells whether the integration sees the group.
func (g *GroupRow) Visible() bool { return g.Managed && !g.Privileged }

// Scope says which rows a listing holds.
type Scope int

// The scopes.
const (
	VisibleOnly Scope = iota // what the integration sees
	Everything
)

// Tx is a store at work. Names to be compared come folded.
type Tx interface {
	Setting(key string) (string, error) // "" where there is none
	SetSetting(key, value string) error

	UserByID(id string) (UserRow, error)
	UserID(seq int64) (string, error)
	// UserByName finds the user, not deleted, whose user name or sign-in name this is.
	UserByName(folded string) (UserRow, error)
	InsertUser(u *UserRow) error // sets Seq
	UpdateUser(old, u *UserRow) error
	Users(q Query, s Scope) ([]UserRow, int, *Position, error)
	// CountActive counts the active members of a group.
	CountActive(group int64) (int, error)

	GroupByID(id string) (GroupRow, error)
	GroupsByName(folded string) ([]GroupRow, error)
	InsertGroup(g *GroupRow) error // sets Seq
	UpdateGroup(g *GroupRow) error
	DeleteGroup(seq int64) error
	Groups(q Query, s Scope) ([]GroupRow, int, *Position, error)

	// FindUsers maps ids to sequence numbers; ids of nobody, or of somebody whom the integration does not see, are
	// not in it.
	FindUsers(ids []string) (map[string]int64, error)
	// GroupsOf lists the visible groups of users, by sequence number.
	GroupsOf(users []int64) (map[int64][]GroupRef, error)
	// MemberSeqs lists the members of a group that came from a source, from Both included, or from any with "".
	MemberSeqs(group int64, from Source) ([]int64, error)
	// AddMembers adds those who are not in yet. Claimed are those who were in from the other source, and now are from
	// Both. evidence, by sequence number, is kept with those of both who have some.
	AddMembers(group int64, users []int64, from Source, evidence map[int64][]byte) (added, claimed []int64, err error)
	// RemoveMembers removes those who are in from that source alone. Yielded are those who were in from Both, and now
	// are from the other source alone.
	RemoveMembers(group int64, users []int64, from Source) (removed, yielded []int64, err error)
	// Memberships lists the groups that a user is in, of every kind.
	Memberships(user int64) ([]int64, error)
	GroupBySeq(seq int64) (GroupRow, error)
	// Members lists members as MemberSeqs does, in the order in which the users were made, strictly after one.
	Members(group int64, after string, limit int, from Source) ([]Member, error)

	KeyTx

	// Log appends an entry; the store numbers it and links it into the chain with its commit.
	Log(e Entry) error
	Entries(after int64, limit int) ([]Entry, error)
	Links(after int64, limit int) ([]Link, error)
	// Head is the number of the last entry; 0 where there is none.
	Head() (int64, error)
}

// KeyTx is what a Tx knows of keys, invitations and credentials.
type KeyTx interface {
	Invitation(user int64) (InvitationRow, error)
	PutInvitation(user int64, i *InvitationRow) error
	// OpenInvitation opens the invitation with the opening's number if it is due, and tells whether it did, and whether
	// it is open with the opening's commitment now.
	OpenInvitation(o *Opening, expires time.Time) (changed, open bool, err error)
	// Invitations lists those in any of the states, by sequence number of the user, strictly after one.
	Invitations(states []InvitationState, after int64, limit int) ([]InvitationRow, error)
	// Unsent lists invitations that are open and not sent, with a link to deliver or without one.
	Unsent(withLink bool, limit int) ([]InvitationRow, error)
	// Backlog counts what waits, without what the guard says.
	Backlog() (Backlog, error)
	// Expired lists users whose invitation is open and ended before a time.
	Expired(before time.Time, limit int) ([]int64, error)

	PersonKeys(user int64) (PersonKeys, error)
	PutPersonKeys(user int64, k *PersonKeys) error
	DeletePersonKeys(user int64) error

	// AddDue marks a user as waiting for the bridge. Twice is once.
	AddDue(user int64) error
	RemoveDue(user int64) error
	// DueUsers lists the users that wait, by sequence number, strictly after one.
	DueUsers(after int64, limit int) ([]int64, error)
	// UserBySeq finds a user by sequence number.
	UserBySeq(seq int64) (UserRow, error)
	// DueMembers marks the members of a group who have keys as waiting.
	DueMembers(group int64) error
	// KeyedMember marks a user as waiting if the user has keys.
	KeyedMember(user int64) error
	// UnkeyedGroups lists groups that the integration sees and that have no key or want a new one.
	UnkeyedGroups(limit int) ([]GroupRow, error)

	// Pending lists the memberships of a user in groups with a key that the integration manages, and for which the
	// user has no grant of the group's present key, but for those that were refused.
	Pending(user int64) ([]PendingMembership, error)
	// Granted is the serial of the newest grant to a member: 0 none, RefusedGrant refused; ErrNotFound for who is no member.
	Granted(group, user int64) (int, error)
	SetGranted(group, user int64, serial int) error
	// SetEvidence keeps the signed statement of a membership that is there, in the place of the one before. One that was
	// refused waits for its grant again.
	SetEvidence(group, user int64, evidence []byte) error
	// CountGranted counts the members of a group who have a grant of any of its keys.
	CountGranted(group int64) (int, error)
	// Rekeyings lists groups with outdated members that the integration sees, by id, strictly after one.
	Rekeyings(after string, limit int) ([]Rekeying, error)
	PutGrant(group int64, g *Grant) error
	// DeleteGrants removes a holder's grants of a group; with "" everybody's of serials below one.
	DeleteGrants(group int64, holder string, below int) error
	// GrantsTo lists grants of groups, of every serial, to a holder, by sequence number of the group, strictly after one. It
	// names the last of them.
	GrantsTo(to Holder, after int64, limit int) (grants []Grant, last int64, err error)
	// GrantsOf lists the grants of one group to a holder, by serial.
	GrantsOf(group int64, to Holder) ([]Grant, error)
	// DeleteGrantsTo removes all grants to a holder.
	DeleteGrantsTo(to Holder) error

	// Attest keeps a signed statement; the same kind, subject and serial replaces.
	Attest(kind, subject string, serial int, body []byte) error
	// Attestations lists statements of a kind, of one subject or with "" of all, by subject and serial.
	Attestations(kind, subject string) ([][]byte, error)

	// Generations lists the integration's credentials by number.
	Generations() ([]Generation, error)
	PutGeneration(g *Generation) error

	// GuardCount adds n to what is counted of a kind and subject in a minute, and returns the sum of the minutes after
	// another.
	GuardCount(kind, subject string, minute, after int64, n int) (int, error)
	// PutHeld keeps a held change; the same kind and subject replaces, and its users are joined.
	PutHeld(h *Held) error
	// Held lists the held changes, the oldest first.
	Held() ([]Held, error)
	DeleteHeld(h *Held) error

	// Lease reads a lease, with what is left of it by the database's own clock; the zero value where there is none.
	Lease(name string) (LeaseRow, error)
	// PutLease keeps a lease, which ends a while from now by the database's own clock.
	PutLease(name string, l Lease, life time.Duration) error

	// Call finds a call that was carried out, by its key: the digest of what was asked for, and what was kept of the outcome.
	// ErrNotFound.
	Call(key []byte) (digest, outcome []byte, err error)
	// PutCall remembers a call within the change that it makes. outcome may be nil.
	PutCall(key, digest, outcome []byte, at time.Time) error
	// Forget removes calls of before a time.
	Forget(before time.Time) error
}

// RefusedGrant is in the place of a serial where a membership has been refused by the bridge.
const RefusedGrant = -1
