// Package bridge translates between SCIM and an account: an identity provider's requests become changes of the
// account, the account's people and groups become SCIM resources.
//
//	scim/...  ◀── Bridge ──▶  internal/account
//
// It is the only package that knows both vocabularies, and the place of every decision about what one means in
// terms of the other: userName is the name the person signs in with, active is the state, DELETE lets go. What the
// identity provider sent is kept as the person's profile, the canonical SCIM document without id, active, groups
// and meta, so that an answer is that document with the four spliced in; a typed field of the account wins where
// the two differ.
//
// A change is read, computed and written at the revision it was computed from; where somebody else was faster it
// is computed again. Members of a group are changed by steps and never read for it. Errors of the account become
// SCIM errors in errors.go, nowhere else.
//
// The package knows no HTTP. Lock holds what the bridge may know only after the bearer token has been presented.
package bridge

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/scim/schema"
)

// Account is what the bridge needs of whatever it provisions into. Methods return the sentinels of package account.
// Released and deleted users, privileged groups and groups that the integration does not manage are not found.
// Every method may be called twice with the same arguments: the second call finds the work done.
type Account interface {
	// Describe names the account.
	Describe(ctx context.Context) (account.Info, error)

	// User returns one user with the groups it is in, or ErrNotFound.
	User(ctx context.Context, id string) (account.User, error)
	// Users returns those that match, in a stable order.
	Users(ctx context.Context, q account.Query) (account.UserPage, error)
	// Invite makes a user, or takes a released one back; then the id is the old one. ErrUserNameTaken, ErrInvalid.
	Invite(ctx context.Context, i account.Invitation) (account.User, error)
	// ChangeUser changes a user and returns it. ErrNotFound, ErrRevision, ErrUserNameTaken, ErrProtected,
	// ErrPendingName, ErrInvalid.
	ChangeUser(ctx context.Context, id string, c account.UserChange) (account.User, error)
	// ReleaseUser lets go of a user: suspended, out of all groups, not found from now on. ifRevision 0: whatever it
	// is. ErrNotFound, ErrRevision, ErrProtected.
	ReleaseUser(ctx context.Context, id string, ifRevision int64) error

	// Group returns one group, or ErrNotFound.
	Group(ctx context.Context, id string) (account.Group, error)
	// Groups returns those that match, in a stable order.
	Groups(ctx context.Context, q account.Query) (account.GroupPage, error)
	// CreateGroup makes an exclusive group. ErrGroupName, ErrInvalid.
	CreateGroup(ctx context.Context, g account.NewGroup) (account.GroupResult, error)
	// ChangeGroup changes a group, all of it or nothing. ErrNotFound, ErrRevision, ErrGroupName, ErrInvalid,
	// ErrUnknownMember.
	ChangeGroup(ctx context.Context, id string, c account.GroupChange) (account.GroupResult, error)
	// DeleteGroup deletes a group that the integration made, and releases one that it was given.
	DeleteGroup(ctx context.Context, id string, ifRevision int64) error
	// Members lists a group's members by user id, strictly after the id given, at most limit.
	Members(ctx context.Context, group, after string, limit int) ([]account.Member, error)
}

var _ Account = (*account.Service)(nil)

// View answers what is only shown. It may lag behind the account: whatever a change is computed from, and whatever a
// precondition is judged by, is read from the Account.
type View interface {
	User(ctx context.Context, id string) (account.User, error)
	Users(ctx context.Context, q account.Query) (account.UserPage, error)
	Group(ctx context.Context, id string) (account.Group, error)
	Groups(ctx context.Context, q account.Query) (account.GroupPage, error)
}

// Config is what New needs.
type Config struct {
	Account Account
	View    View        // nil: Account
	Types   *schema.Set // the resource types User and Group with their extensions
	Lock    *Lock
	// Integration is who the bridge is in the account: what /Me answers.
	Integration   Integration
	StrictMembers bool // refuse unknown member ids instead of skipping them
	Clock         func() time.Time
	Rand          io.Reader
	Log           *slog.Logger
}

// Integration is the bridge's own identity.
type Integration struct {
	ID      string
	Name    string
	Created time.Time
}

// Bridge provides the people and groups of an account as SCIM resources. Its methods return *scim.Error for
// whatever the client can mend, and other errors for the rest.
type Bridge struct {
	account       Account
	view          View
	types         *schema.Set
	users, groups *schema.ResourceType
	lock          *Lock
	integration   Integration
	strict        bool
	clock         func() time.Time
	rand          io.Reader
	log           *slog.Logger
}

// New makes a Bridge.
func New(c Config) *Bridge {
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.View == nil {
		c.View = c.Account
	}
	return &Bridge{
		account: c.Account, view: c.View, types: c.Types, users: c.Types.User(), groups: c.Types.Group(), lock: c.Lock,
		integration: c.Integration, strict: c.StrictMembers, clock: c.Clock, rand: c.Rand, log: c.Log,
	}
}

// Types returns the resource types that the bridge serves.
func (b *Bridge) Types() *schema.Set { return b.types }

// retries is how often a change is computed anew because somebody else was faster. Each time one of the others
// got through, so that it takes as many writers of one resource at the same moment to run out of it.
const retries = 64
