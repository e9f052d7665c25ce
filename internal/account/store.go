package account

import "context"

// Store holds an account's rows. It knows uniqueness and references and no other rule. Its errors wrap ErrNotFound,
// ErrUserNameTaken, ErrIDTaken or ErrUnavailable; all others are bugs.
type Store interface {
	// View reads. All methods of Tx see one state, which was committed.
	View(ctx context.Context, read func(Tx) error) error
	// Update changes, all or nothing, and returns when the change is durable. Changes happen one after another. The
	// function must have no effect but on Tx, since it may be run more than once.
	Update(ctx context.Context, change func(Tx) error) error
	// Backup writes a consistent copy to a path that does not exist, beside everything else that goes on.
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
	// Both.
	AddMembers(group int64, users []int64, from Source) (added, claimed []int64, err error)
	// RemoveMembers removes those who are in from that source alone. Yielded are those who were in from Both, and now
	// are from the other source alone.
	RemoveMembers(group int64, users []int64, from Source) (removed, yielded []int64, err error)
	// Memberships lists the groups that a user is in, of every kind.
	Memberships(user int64) ([]int64, error)
	GroupBySeq(seq int64) (GroupRow, error)
	// Members lists members as MemberSeqs does, in the order in which the users were made, strictly after one.
	Members(group int64, after string, limit int, from Source) ([]Member, error)

	// Log appends an entry; the store numbers it and links it into the chain with its commit.
	Log(e Entry) error
	Entries(after int64, limit int) ([]Entry, error)
	Links(after int64, limit int) ([]Link, error)
}
