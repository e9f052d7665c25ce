package bridge

import (
	"context"

	"github.com/scimbridge/scimbridge/internal/account"
)

// Admission is what the bridge needs, beyond Account, of an account that admits people by keys. Methods return the
// sentinels of package account. Every method may be called twice with the same arguments: the second call finds the
// work done. Nothing that it returns is believed without a signature or a proof.
type Admission interface {
	// Describe names the account and its trust root.
	Describe(ctx context.Context) (account.Info, error)
	// Trust lists the signed statements by which signatures are judged.
	Trust(ctx context.Context) ([][]byte, error)
	// Wait returns the number of the account's last change as soon as it is above a number, or after a while.
	Wait(ctx context.Context, after int64) (int64, error)
	// Due lists what waits for the bridge, at most limit of each kind, people strictly after a user's id.
	Due(ctx context.Context, after string, limit int) (account.Due, error)
	// Invitations lists invitations in any of the states, strictly after a user's id, at most limit. It is for people to
	// look at.
	Invitations(ctx context.Context, states []account.InvitationState, after string, limit int) ([]account.InvitationRow, error)
	// OpenInvitations makes links of due invitations work, and returns the users whose link does then; the others'
	// were withdrawn or made anew in the meantime.
	OpenInvitations(ctx context.Context, list []account.Opening) ([]string, error)
	// InvitationSent notes that the bridge has sent the mail with the link.
	InvitationSent(ctx context.Context, user string, number int) error
	// KeyGroup gives a group its first key, or a new one. ErrRevision where somebody else was faster.
	KeyGroup(ctx context.Context, group string, k account.GroupKey) error
	// Rekeyings lists the groups whose newest key has not reached all of their members yet, by id, strictly after one.
	Rekeyings(ctx context.Context, after string, limit int) ([]account.Rekeying, error)
	// GrantsOf lists the grants of one group, of every serial, to a holder, the newest last.
	GrantsOf(ctx context.Context, group string, to account.Holder) ([]account.Grant, error)
	// Confirm admits a person, or hands keys of groups over. ErrRevision where memberships have moved, ErrState where
	// the person is not to be confirmed any more.
	Confirm(ctx context.Context, user string, c account.Confirmation) error
	// RefuseAcceptance notes that the keys that a person proposed are not those of the holder of the link.
	RefuseAcceptance(ctx context.Context, user string, number int, reason string) error
	// Contact notes which program drives the account for which identity provider.
	Contact(ctx context.Context, generation int, version, client string) error
}

var _ Admission = (*account.Service)(nil)

// Leases is what the bridge needs of an account by which several bridges agree who of them does what one at a time is to
// do. What a bridge does under a lease carries its number (account.Caller.Fence), and is ErrFenced where another has it
// by now.
type Leases interface {
	// TakeLease takes a lease, or prolongs it, and returns how it stands: who asked has it if it is the holder.
	// errors.ErrUnsupported where the account gives none.
	TakeLease(ctx context.Context, a account.LeaseAsk) (account.Lease, error)
	// ReleaseLease gives a lease back. One that another has by now stays as it is.
	ReleaseLease(ctx context.Context, f account.Fence) error
}

var _ Leases = (*account.Service)(nil)
