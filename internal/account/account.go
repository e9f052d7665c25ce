// Package account holds the words for what people are provisioned into, and the rules of the native account.
//
// An account has users, groups and memberships, and an activity log of everything that happened to them.
// A User is invited, accepts, becomes active, is suspended and comes back; it is never destroyed by anything an
// identity provider can send. A Group is managed by the integration or it is none of the integration's business.
//
// Service is the native account: every rule a person would call a rule (the state table, who is protected, which
// group may be touched, what a returning person gets back) lives there, over a Store that knows rows only.
//
// This package knows nothing of SCIM, HTTP or keys. The profile of a user or a group is kept verbatim for the
// bridge and never interpreted.
package account

import (
	"errors"
	"time"
)

// State is where a user stands in the account's life cycle.
type State string

// The states of a user. SCIM calls INVITED, ACCEPTED and ACTIVE "active".
const (
	Invited         State = "INVITED"          // an invitation is open
	Accepted        State = "ACCEPTED"         // the person has proposed keys and waits to be confirmed
	Active          State = "ACTIVE"           // confirmed
	Suspended       State = "SUSPENDED"        // was active; no access, nothing lost
	InviteSuspended State = "INVITE_SUSPENDED" // was invited or accepted; the link is dead
	Deleted         State = "DELETED"          // by an administrator or by retention policy only
)

// Live tells whether the state is one that SCIM calls active.
func (s State) Live() bool { return s == Invited || s == Accepted || s == Active }

// User is a person of the account.
type User struct {
	ID string // 26 characters, lower-case base32
	Person
	SignInName string // the name the person signs in with; differs from UserName while a change awaits confirmation
	State      State
	Managed    bool   // the integration made this user or has changed it
	Protection string // why nobody may suspend or release this user through the integration; empty: not protected
	Released   bool   // the identity provider has let go: SCIM shows the user no more
	// ProfileStale is true when a typed field was changed without the profile, so that the field wins.
	ProfileStale bool
	Revision     int64 // grows with every change
	Created      time.Time
	Modified     time.Time // moves with Revision, never otherwise
	Groups       []GroupRef
}

// Person is what the identity provider says of a user: what Invite takes and UserChange replaces.
type Person struct {
	UserName   string   // unique among the not deleted, compared case-folded and NFC
	Email      string   // where mail goes; UserName where the identity provider named no other
	Addresses  []string // further e-mail addresses, for look-up only
	Name       string   // display name
	Language   string   // BCP 47, as sent
	ExternalID string   // the identity provider's key; compared exactly, not unique
	Profile    []byte   // opaque to the account
}

// GroupRef names a group a user is in, as far as the integration may see it.
type GroupRef struct {
	ID   string
	Name string
}

// Group is a set of users that shares access.
type Group struct {
	ID         string // 26 characters, lower-case base32
	Name       string // not unique on the account's side
	ExternalID string
	Profile    []byte // opaque to the account
	Managed    bool
	Mode       GroupMode
	Privileged bool // Owners, Administrators, Recovery, Provision Managers: invisible to the integration
	Revision   int64
	Created    time.Time
	Modified   time.Time
	Members    int  // how many of the memberships the integration may see
	Serial     int  // of the group's key; 0: it has none
	Rotate     bool // a new key is wanted, since somebody who had the present one was removed
}

// GroupMode says whose list of members is the truth.
type GroupMode string

// The modes of a managed group.
const (
	Exclusive GroupMode = "EXCLUSIVE" // made through the integration: the identity provider's list is the truth
	Additive  GroupMode = "ADDITIVE"  // adopted: only memberships that came through the integration are shown and removed
)

// Source says who made a membership.
type Source string

// The sources of a membership. Who is in an adopted group by hand and is added through the integration as well is in
// from Both, and stays in by hand when the integration removes its own.
const (
	SCIM   Source = "SCIM"
	Manual Source = "MANUAL"
	Both   Source = "BOTH"
)

// Member is one membership seen from its group.
type Member struct {
	UserID string
	Name   string // the user's display name
	Source Source
}

// Field names what an index of the account can answer.
type Field string

// The fields of a Term and of an order. Text is compared case-folded and NFC, but ID and ExternalID exactly.
const (
	ByID         Field = "id"
	ByUserName   Field = "userName"   // users
	ByEmail      Field = "email"      // users: Email or any of Addresses; not an order
	ByExternalID Field = "externalId" // users and groups
	ByName       Field = "name"       // users and groups
	ByActive     Field = "active"     // users: "true" or "false"; not an order
	ByModified   Field = "modified"   // users and groups: RFC 3339
	ByCreated    Field = "created"    // users and groups: RFC 3339
	ByMember     Field = "member"     // groups: the id of a member; not an order
	BySequence   Field = ""           // the order of creation, the default order
)

// Op is a comparison that an index can answer.
type Op string

// The comparisons. Prefix is for text fields, the ranges for text and time.
const (
	Eq     Op = "eq"
	Prefix Op = "prefix"
	Gt     Op = "gt"
	Ge     Op = "ge"
	Lt     Op = "lt"
	Le     Op = "le"
)

// Term is one condition of a Query.
type Term struct {
	Field Field
	Op    Op
	Value string
}

// Query asks for users or groups. All Terms must hold. Only what the integration may see is ever returned:
// no released or deleted users, no privileged or unmanaged groups.
type Query struct {
	Terms      []Term
	Order      Field
	Descending bool
	After      *Position // strictly after this row of the order; excludes Offset
	Offset     int       // rows to pass over
	Limit      int       // at most so many rows; 0: none, only Total
	NoTotal    bool      // Total is not wanted
	Groups     bool      // fill User.Groups
}

// Position is a row's place in an order.
type Position struct {
	Key string // the row's value of the order's field, as the store compares it; for BySequence the sequence number
	ID  string
}

// UserPage is an answer to a Query for users.
type UserPage struct {
	Users []User
	Total int       // of all that match, whatever Offset and Limit; -1 when not wanted
	Next  *Position // of the last row when more follow, else nil
}

// GroupPage is an answer to a Query for groups.
type GroupPage struct {
	Groups []Group
	Total  int
	Next   *Position
}

// Invitation is what Invite takes.
type Invitation struct {
	// ID is the id the new user gets, chosen by the caller so that a repeated call is recognised.
	ID string
	Person
	Inactive bool // a suspended invitation: no mail, no link
	// Evidence is what proves later on that the user is to be invited at this address; see MemberStep.
	Evidence []byte
}

// UserChange is what ChangeUser takes; nil fields stay as they are.
type UserChange struct {
	IfRevision int64   // refuse with ErrRevision unless the user stands at this revision; 0: whatever it is
	Person     *Person // replaces all of it
	Active     *bool   // see the state table
	Evidence   []byte  // as in Invitation, for the address of Person
}

// NewGroup is what CreateGroup takes.
type NewGroup struct {
	ID         string // chosen by the caller, as in Invitation
	Name       string
	ExternalID string
	Profile    []byte
	Members    []string // user ids; unknown ones are skipped and named in GroupResult
	Evidence   [][]byte // as in MemberStep
	Strict     bool     // as in GroupChange
}

// GroupChange is what ChangeGroup takes. Members are changed in the order of Steps, all in one transaction.
type GroupChange struct {
	IfRevision int64
	Name       *string
	ExternalID *string
	Profile    []byte // nil: keep
	Steps      []MemberStep
	// Strict refuses with an *UnknownMembersError, changing nothing, where a step adds a user that is not there.
	Strict bool
	// Show asks for the members in the result where the group then has so many at most: they are read within the
	// change, when everything about the group is at hand.
	Show int
}

// MemberStep is one change of a group's members. Adding who is in and removing who is not changes nothing.
type MemberStep struct {
	Kind  StepKind
	Users []string
	// Evidence is, for each of Users, what proves later on that the membership was made by who may make it; nil where
	// the account admits nobody by keys. The account keeps it and does not judge it.
	Evidence [][]byte
}

// StepKind says what a MemberStep does.
type StepKind int

// The kinds of a MemberStep.
const (
	Add StepKind = iota
	Remove
	Replace // the list becomes exactly Users; an empty list removes all
)

// GroupResult is the outcome of CreateGroup and ChangeGroup.
type GroupResult struct {
	Group   Group
	Unknown []string // ids that name no user and were skipped
	Changed bool
	Shown   bool     // Members is filled
	Members []Member // that the integration may see; see GroupChange.Show
}

// Info describes an account to its bridge.
type Info struct {
	ID    string
	Name  string
	Guard GuardState
	Root  []byte // public key of the owner in whom trust begins; empty: the account admits nobody by keys
}

// Sentinels. Those with a struct below wrap the sentinel, so that errors.Is finds it.
var (
	ErrNotFound      = errors.New("not found")
	ErrUserNameTaken = errors.New("user name is taken")
	ErrGroupName     = errors.New("group name is taken")
	ErrRevision      = errors.New("changed by somebody else in the meantime")
	ErrProtected     = errors.New("protected")
	ErrNotManaged    = errors.New("not managed by the integration")
	ErrPendingName   = errors.New("user name can only be changed after the person is confirmed")
	ErrInvalid       = errors.New("invalid")
	ErrIDTaken       = errors.New("id is taken")
	ErrUnknownMember = errors.New("unknown members")
	ErrUnavailable   = errors.New("account is unavailable")
	ErrState         = errors.New("state does not allow this")
)

// TakenError says who holds a name.
type TakenError struct {
	Kind    error // ErrUserNameTaken or ErrGroupName
	ID      string
	Managed bool // of the group that holds the name
	Several bool // more than one group holds it
}

func (e *TakenError) Error() string { return e.Kind.Error() + " by " + e.ID }
func (e *TakenError) Unwrap() error { return e.Kind }

// ProtectedError says why a user may not be suspended or released.
type ProtectedError struct{ Reason string }

func (e *ProtectedError) Error() string { return "protected: " + e.Reason }
func (e *ProtectedError) Unwrap() error { return ErrProtected }

// InvalidError names the field that is wrong.
type InvalidError struct{ Field, Reason string }

func (e *InvalidError) Error() string { return e.Field + ": " + e.Reason }
func (e *InvalidError) Unwrap() error { return ErrInvalid }

// UnknownMembersError names the ids that are no users.
type UnknownMembersError struct{ IDs []string }

func (e *UnknownMembersError) Error() string { return ErrUnknownMember.Error() }
func (e *UnknownMembersError) Unwrap() error { return ErrUnknownMember }
