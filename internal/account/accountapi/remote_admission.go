package accountapi

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
)

// The methods of bridge.Admission, each as it is described there.

// Trust lists the statements by which signatures are judged.
func (r *Remote) Trust(ctx context.Context) ([][]byte, error) {
	return read[[][]byte](ctx, r, "/v1/trust", nil)
}

// Wait returns the number of the account's last change as soon as it is above a number, or after a while, or when ctx
// ends, then without an error.
func (r *Remote) Wait(ctx context.Context, after int64) (int64, error) {
	out, err := r.changes(ctx, after, url.Values{})
	if err != nil && ctx.Err() != nil {
		return after, nil
	}
	return max(out.Head, after), err
}

// Changes waits for what has changed after a number, but not for ever. When ctx ends before the account service has
// answered, which is asked to do so a second earlier, that is an error: nothing has been heard.
func (r *Remote) Changes(ctx context.Context, after int64, limit int) (account.Feed, error) {
	out, err := r.changes(ctx, after, url.Values{"limit": {strconv.Itoa(limit)}})
	return account.Feed{Last: out.Head, Changes: mapped(out.Changes, func(c *wireChange) account.Change { return account.Change(*c) })}, err
}

func (r *Remote) changes(ctx context.Context, after int64, query url.Values) (wireHead, error) {
	wait := longestWait
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, max(time.Until(deadline)-time.Second, 0))
	}
	query.Set("after", strconv.FormatInt(after, 10))
	query.Set("wait", strconv.Itoa(int(wait/time.Second)))
	var out wireHead
	err := r.do(ctx, exchange{method: http.MethodGet, path: "/v1/changes", timeout: wait + tryFor, query: query}, &out)
	return out, err
}

// Due lists what waits for the bridge.
func (r *Remote) Due(ctx context.Context, after string, limit int) (account.Due, error) {
	d, err := read[wireDue](ctx, r, "/v1/due", url.Values{"after": {after}, "limit": {strconv.Itoa(limit)}})
	return account.Due{
		Invitations: mapped(d.Invitations, (*wireInvitation).invitation), Groups: mapped(d.Groups, (*wireGroup).group),
		People: mapped(d.People, (*wireCandidate).candidate),
	}, err
}

// Backlog tells how much waits. errors.ErrUnsupported where the account service does not know.
func (r *Remote) Backlog(ctx context.Context) (account.Backlog, error) {
	b, err := read[wireBacklog](ctx, r, "/v1/backlog", nil)
	return account.Backlog(b), unsupported(err)
}

// unsupported makes errors.ErrUnsupported of a route that there is not yet: the account service is of an earlier version.
func unsupported(err error) error {
	var p *problemError
	if errors.As(err, &p) && p.Code == codeNoRoute {
		return errors.ErrUnsupported
	}
	return err
}

// Invitations lists invitations in any of the states.
func (r *Remote) Invitations(ctx context.Context, states []account.InvitationState, after string, limit int) ([]account.InvitationRow, error) {
	q := url.Values{"after": {after}, "limit": {strconv.Itoa(limit)}}
	for _, s := range states {
		q.Add("state", string(s))
	}
	list, err := read[[]wireInvitation](ctx, r, "/v1/invitations", q)
	return mapped(list, (*wireInvitation).invitation), err
}

// OpenInvitations makes links of due invitations work.
func (r *Remote) OpenInvitations(ctx context.Context, list []account.Opening) ([]string, error) {
	out, err := ask[wireOpened](ctx, r, "/v1/invitations/open", wireOpenings{mapped(list, func(o *account.Opening) wireOpening { return wireOpening(*o) })})
	return out.Users, err
}

// InvitationSent notes that the mail has been sent.
func (r *Remote) InvitationSent(ctx context.Context, user string, number int) error {
	path, err := at(usersPath, user, "/invitation/sent")
	if err != nil {
		return err
	}
	return r.act(ctx, path, wireNumber{number})
}

// KeyGroup gives a group a key.
func (r *Remote) KeyGroup(ctx context.Context, group string, k account.GroupKey) error {
	path, err := at(groupsPath, group, "/key")
	if err != nil {
		return err
	}
	return r.act(ctx, path, wireGroupKey{k.Serial, k.Attestation, mapped(k.Grants, fromGrant)})
}

// Rekeyings lists the groups whose newest key has not reached all of their members yet.
func (r *Remote) Rekeyings(ctx context.Context, after string, limit int) ([]account.Rekeying, error) {
	list, err := read[[]wireRekeying](ctx, r, "/v1/rekeyings", url.Values{"after": {after}, "limit": {strconv.Itoa(limit)}})
	return mapped(list, func(k *wireRekeying) account.Rekeying { return account.Rekeying(*k) }), err
}

// GrantsOf lists the grants of a group to a holder.
func (r *Remote) GrantsOf(ctx context.Context, group string, to account.Holder) ([]account.Grant, error) {
	path, err := at(groupsPath, group, "/grants")
	if err != nil {
		return nil, err
	}
	list, err := read[[]wireGrant](ctx, r, path, url.Values{"kind": {string(to.Kind)}, "holder": {to.ID}, "serial": {strconv.Itoa(to.Serial)}})
	return mapped(list, (*wireGrant).grant), err
}

// Confirm admits a person, or hands keys of groups over.
func (r *Remote) Confirm(ctx context.Context, user string, c account.Confirmation) error {
	path, err := at(usersPath, user, "/confirm")
	if err != nil {
		return err
	}
	return r.act(ctx, path, wireConfirmation{c.Number, c.Attestation, mapped(c.Grants, fromGrant), c.Refused, c.Withheld})
}

// RefuseAcceptance notes that the keys that a person proposed are not to be believed.
func (r *Remote) RefuseAcceptance(ctx context.Context, user string, number int, reason string) error {
	path, err := at(usersPath, user, "/reject")
	if err != nil {
		return err
	}
	return r.act(ctx, path, wireRefusal{number, reason})
}

// Contact notes which program drives the account for which identity provider. The generation is that of the session.
func (r *Remote) Contact(ctx context.Context, _ int, version, client string) error {
	return r.act(ctx, "/v1/contact", wireContact{version, client})
}

// TakeLease takes a lease, or prolongs it. The generation is that of the session. An account service of before there were
// leases gives none: errors.ErrUnsupported.
func (r *Remote) TakeLease(ctx context.Context, a account.LeaseAsk) (account.Lease, error) {
	l, err := ask[wireLease](ctx, r, "/v1/leases/"+url.PathEscape(a.Name), wireLeaseAsk{a.Holder, a.Life.Milliseconds()})
	return account.Lease(l), unsupported(err)
}

// ReleaseLease gives a lease back.
func (r *Remote) ReleaseLease(ctx context.Context, f account.Fence) error {
	return r.act(ctx, "/v1/leases/"+url.PathEscape(f.Name)+"/release", wireNumber{int(f.Number)})
}
