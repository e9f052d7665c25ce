package account

import (
	"errors"
	"time"
)

// The words of admission. Nobody gets into an account by a row alone: a person makes keys, the bridge verifies that they
// are this person's, and hands over the keys of the groups that the person is in. The account keeps all of it as
// opaque bytes and can neither open nor make any of it.

// HolderKind says whose keys a grant is sealed to.
type HolderKind string

// The kinds of holder.
const (
	UserHolder        HolderKind = "user"
	GroupHolder       HolderKind = "group"
	IntegrationHolder HolderKind = "integration"
)

// Holder names the keyset that a grant is sealed to.
type Holder struct {
	Kind   HolderKind
	ID     string
	Serial int // which of the holder's keysets; an integration's is its generation
}

// Grant is a group's key, sealed to a holder.
type Grant struct {
	Group  string // id
	Serial int    // which of the group's keys
	To     Holder
	Sealed []byte
}

// GroupKey is a new key of a group.
type GroupKey struct {
	Serial      int    // one more than that of the key before, from 1
	Attestation []byte // signed statement of its public half
	Grants      []Grant
}

// PersonKeys are a person's keys as the account keeps them.
type PersonKeys struct {
	Serial      int    // grows with every new keyset of the person, from 1
	Public      []byte // public halves
	Sealed      []byte // the seed under the person's account unlock key
	SignIn      []byte // public key that the person signs in with
	Attestation []byte // signed statement that the keys are this person's; empty: not confirmed
	// SessionsFrom is when sessions began to count: older ones have ended.
	SessionsFrom time.Time
}

// InvitationState is where a person's invitation stands.
type InvitationState string

// The states of an invitation.
const (
	InvitationDue       InvitationState = "DUE"       // the bridge has to make the link
	InvitationOpen      InvitationState = "OPEN"      // the link works
	InvitationAccepted  InvitationState = "ACCEPTED"  // the person has proposed keys
	InvitationConfirmed InvitationState = "CONFIRMED" // the person is in
	InvitationRefused   InvitationState = "REFUSED"   // the proposed keys are not those of the holder of the link
	InvitationExpired   InvitationState = "EXPIRED"
	InvitationCancelled InvitationState = "CANCELLED"
)

// InvitationRow is a person's invitation. A person has one at a time; Number counts them.
type InvitationRow struct {
	UserID     string // filled when read
	Name       string // of the user; filled when read
	Language   string // of the user; filled when read
	Number     int
	State      InvitationState
	Email      string // that the link is bound to
	Evidence   []byte // of who asked for this address; see Invitation
	Generation int    // of the key that the link was made with; 0: not made yet
	Commitment []byte // to what the holder of the link presents
	Link       string // only where the account is to deliver it
	Sent       time.Time
	Expires    time.Time
	Reason     string // why it was refused or cancelled
	Proposal   *Proposal
}

// Proposal is what a person offers when accepting.
type Proposal struct {
	Keys       PersonKeys // without Attestation
	Possession []byte     // signature with the new keys
	Proof      []byte     // made with the link, for the bridge to check
	At         time.Time
}

// Opening makes a due invitation's link work.
type Opening struct {
	User       string // id
	Number     int
	Generation int    // of the invitation key
	Commitment []byte // 32 bytes: SHA-256 of what the holder of the link presents
	Link       string // for the account to deliver; empty: the caller delivers it
}

// Due is what waits for the bridge.
type Due struct {
	Invitations []InvitationRow // to be made, or made and to be sent by the bridge
	Groups      []Group         // managed groups that need a key, or a new one
	People      []Candidate     // with proposed keys, or in groups whose keys they have not been handed
}

// Empty tells whether nothing waits.
func (d *Due) Empty() bool { return len(d.Invitations)+len(d.Groups)+len(d.People) == 0 }

// Candidate is a person who waits for the bridge: to be confirmed, or for keys of groups.
type Candidate struct {
	UserID     string
	Name       string
	State      State
	Email      string // that the keys were proposed or confirmed for
	Number     int    // of the invitation; see Proposal
	Generation int    // of the key of the invitation
	Keys       PersonKeys
	Possession []byte
	Proof      []byte
	Pending    []PendingMembership
}

// PendingMembership is a membership whose grant is missing or of an older key.
type PendingMembership struct {
	Group    string // id
	Serial   int    // of the group's key
	Evidence []byte // signed by who made the membership
}

// Confirmation admits a person, or hands keys of groups over to somebody who is in.
type Confirmation struct {
	Number      int    // of the invitation, when confirming
	Attestation []byte // that the keys are this person's; empty: only grants
	Grants      []Grant
	// Refused are groups whose membership nobody who may has signed. They are not asked for again.
	Refused []string
	// Withheld are groups whose key whoever confirms does not hold. They are asked for again.
	Withheld []string
}

// Generation is one set of the integration's credentials.
type Generation struct {
	Number      int
	Integration string // id
	Token       string // key id of the bearer token, by which lost credentials with the same number are told apart; "": not known
	Signer      []byte // public key that the bridge signs in with; 32 bytes
	Attestation []byte // by an administrator
	Created     time.Time
	Expires     time.Time // zero: not until it is replaced
	Ended       bool      // deactivated, or replaced without an overlap
	// What the bridge said of itself when it was last heard.
	LastContact time.Time
	Version     string
	Client      string // the identity provider
}

// Valid tells whether credentials of this generation count at a time.
func (g *Generation) Valid(now time.Time) bool {
	return !g.Ended && (g.Expires.IsZero() || now.Before(g.Expires))
}

// Policy is what an account's administrators decide for everybody.
type Policy struct {
	// Domains are those that e-mail addresses must be of; empty: any.
	Domains []string `json:"domains"`
	// ImmediateNames lets a new user name hold at once, without the person's confirmation.
	ImmediateNames bool `json:"immediateNames"`
	// RotateOnRemove makes a group's key anew whenever somebody who had it is removed.
	RotateOnRemove bool `json:"rotateOnRemove"`
	// Guard says what happens when the integration takes away more than usual; empty is GuardObserve.
	Guard GuardMode `json:"guard"`
}

// Sentinels of admission.
var (
	// ErrNoKeys means that the account was founded without keys, or that the person has none.
	ErrNoKeys = errors.New("there are no keys")
	// ErrInvitation means that a link is not, or no longer, one that can be accepted.
	ErrInvitation = errors.New("the invitation is not open")
	// ErrAccess means that who asks does not hold the link.
	ErrAccess = errors.New("this is not the link of the invitation")
	// ErrGeneration means that credentials have been replaced or the integration was deactivated.
	ErrGeneration = errors.New("the integration's credentials have been replaced or deactivated")
)
