package accountapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"syscall"

	"github.com/scimbridge/scimbridge/internal/account"
)

// ErrNobody means that no process serves the socket.
var ErrNobody = errors.New("no process serves this account")

// Client is an administrator who speaks to a running account.
type Client struct{ http http.Client }

// Dial connects to a socket. ErrNobody; any other error means that somebody may serve it, who cannot be spoken to.
func Dial(ctx context.Context, path string) (*Client, error) {
	c := &Client{}
	c.http.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}
	if _, err := c.Describe(ctx); err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
			return nil, ErrNobody
		}
		return nil, fmt.Errorf("administrator's socket %s: %w", path, err)
	}
	return c, nil
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (c *Client) post(ctx context.Context, act string, in arguments) (*http.Response, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://account/v1/"+act, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode == http.StatusOK {
		return res, nil
	}
	defer res.Body.Close() //nolint:errcheck // read only
	var f failure
	if err := json.NewDecoder(res.Body).Decode(&f); err != nil {
		return nil, fmt.Errorf("%s: %s", act, res.Status)
	}
	return nil, &remoteError{f}
}

// remoteError is an error of the running account, with the sentinel it wrapped there.
type remoteError struct{ failure }

func (e *remoteError) Error() string { return e.failure.Error }
func (e *remoteError) Unwrap() error { return kinds[e.Kind] }

func call[T any](ctx context.Context, c *Client, act string, in arguments) (out T, err error) {
	res, err := c.post(ctx, act, in)
	if err != nil {
		return out, err
	}
	defer res.Body.Close() //nolint:errcheck // read only
	err = json.NewDecoder(res.Body).Decode(&out)
	return out, err
}

// The acts of Administrator, each as it is described there.

// Describe names the account.
func (c *Client) Describe(ctx context.Context) (account.Info, error) {
	return call[account.Info](ctx, c, "describe", arguments{})
}

// People lists users in every state.
func (c *Client) People(ctx context.Context, after string, limit int) ([]account.User, error) {
	return call[[]account.User](ctx, c, "people", arguments{After: after, Limit: limit})
}

// Person finds a user.
func (c *Client) Person(ctx context.Context, idOrName string) (account.User, error) {
	return call[account.User](ctx, c, "person", arguments{ID: idOrName})
}

// AllGroups lists groups of every kind.
func (c *Client) AllGroups(ctx context.Context, after string, limit int) ([]account.Group, error) {
	return call[[]account.Group](ctx, c, "groups", arguments{After: after, Limit: limit})
}

// Rekeyings lists the groups whose newest key has not reached all of their members yet.
func (c *Client) Rekeyings(ctx context.Context, after string, limit int) ([]account.Rekeying, error) {
	return call[[]account.Rekeying](ctx, c, "rekeyings", arguments{After: after, Limit: limit})
}

// SetState sets a user's state.
func (c *Client) SetState(ctx context.Context, id string, s account.State) (account.User, error) {
	return call[account.User](ctx, c, "set-state", arguments{ID: id, State: s})
}

// Protect marks a user.
func (c *Client) Protect(ctx context.Context, id, reason string) (account.User, error) {
	return call[account.User](ctx, c, "protect", arguments{ID: id, Reason: reason})
}

// ConfirmUserName settles a change of user name.
func (c *Client) ConfirmUserName(ctx context.Context, id string) (account.User, error) {
	return call[account.User](ctx, c, "confirm-user-name", arguments{ID: id})
}

// Adopt hands a group to the integration.
func (c *Client) Adopt(ctx context.Context, group string) (account.Group, error) {
	return call[account.Group](ctx, c, "adopt", arguments{ID: group})
}

// Activity lists the activity log.
func (c *Client) Activity(ctx context.Context, after int64, limit int) ([]account.Entry, error) {
	return call[[]account.Entry](ctx, c, "activity", arguments{Number: after, Limit: limit})
}

// Verify checks the activity log's chain.
func (c *Client) Verify(ctx context.Context) (account.Verification, error) {
	return call[account.Verification](ctx, c, "verify", arguments{})
}

// Backup writes a copy.
func (c *Client) Backup(ctx context.Context, path string) error {
	_, err := call[any](ctx, c, "backup", arguments{Path: path})
	return err
}

// Export writes people, groups and activity as JSON lines.
func (c *Client) Export(ctx context.Context, w io.Writer) error {
	res, err := c.post(ctx, "export", arguments{})
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // read only
	_, err = io.Copy(w, res.Body)
	return err
}

// NextGeneration begins a new generation of credentials.
func (c *Client) NextGeneration(ctx context.Context, g account.Generation) (int, error) {
	return call[int](ctx, c, "next-generation", arguments{}.with(g))
}

// with puts a value among the arguments.
func (in arguments) with(value any) arguments {
	raw, err := json.Marshal(value)
	if err != nil { // unreachable: the types of package account are JSON
		panic(err)
	}
	in.Value = raw
	return in
}

// do is a call without an answer.
func (c *Client) do(ctx context.Context, act string, in arguments) error {
	_, err := call[any](ctx, c, act, in)
	return err
}

// Invitations lists invitations.
func (c *Client) Invitations(ctx context.Context, states []account.InvitationState, after string, limit int) ([]account.InvitationRow, error) {
	return call[[]account.InvitationRow](ctx, c, "invitations", arguments{After: after, Limit: limit}.with(states))
}

// Outbox lists links that nobody has delivered.
func (c *Client) Outbox(ctx context.Context, limit int) ([]account.InvitationRow, error) {
	return call[[]account.InvitationRow](ctx, c, "outbox", arguments{Limit: limit})
}

// Resend makes a person's invitation due again.
func (c *Client) Resend(ctx context.Context, user string) error {
	return c.do(ctx, "resend", arguments{ID: user})
}

// Policy reads the policy.
func (c *Client) Policy(ctx context.Context) (account.Policy, error) {
	return call[account.Policy](ctx, c, "policy", arguments{})
}

// SetPolicy decides for everybody.
func (c *Client) SetPolicy(ctx context.Context, p account.Policy) error {
	return c.do(ctx, "set-policy", arguments{}.with(p))
}

// Generations lists the integration's credentials.
func (c *Client) Generations(ctx context.Context) ([]account.Generation, error) {
	return call[[]account.Generation](ctx, c, "generations", arguments{})
}

// Deactivate ends all credentials.
func (c *Client) Deactivate(ctx context.Context, cancel bool) error {
	return c.do(ctx, "deactivate", arguments{}.with(cancel))
}

// HeldChanges lists what the guard holds back.
func (c *Client) HeldChanges(ctx context.Context) ([]account.Held, error) {
	return call[[]account.Held](ctx, c, "held", arguments{})
}

// Approve makes what the guard holds back.
func (c *Client) Approve(ctx context.Context) (int, error) {
	return call[int](ctx, c, "approve", arguments{})
}

// Dismiss forgets what the guard holds back.
func (c *Client) Dismiss(ctx context.Context) (int, error) {
	return call[int](ctx, c, "dismiss", arguments{})
}

// KeysOf reads a user's keys.
func (c *Client) KeysOf(ctx context.Context, user string) (account.PersonKeys, error) {
	return call[account.PersonKeys](ctx, c, "keys-of", arguments{ID: user})
}

// AllMembers lists the members of a group of any kind.
func (c *Client) AllMembers(ctx context.Context, group, after string, limit int) ([]account.Member, error) {
	return call[[]account.Member](ctx, c, "members", arguments{ID: group, After: after, Limit: limit})
}

// Trust lists the statements by which signatures are judged.
func (c *Client) Trust(ctx context.Context) ([][]byte, error) {
	return call[[][]byte](ctx, c, "trust", arguments{})
}

// GroupKeys lists the statements of a group's keys.
func (c *Client) GroupKeys(ctx context.Context, group string) ([][]byte, error) {
	return call[[][]byte](ctx, c, "group-keys", arguments{ID: group})
}

// GrantsOf lists the grants of one group to a holder.
func (c *Client) GrantsOf(ctx context.Context, group string, to account.Holder) ([]account.Grant, error) {
	return call[[]account.Grant](ctx, c, "grants-of", arguments{ID: group}.with(to))
}

// AddGeneration begins a new generation of credentials.
func (c *Client) AddGeneration(ctx context.Context, n account.NewGeneration) error {
	return c.do(ctx, "add-generation", arguments{}.with(n))
}

// HandOver adopts a group with its key.
func (c *Client) HandOver(ctx context.Context, h account.Handover) (account.Group, error) {
	return call[account.Group](ctx, c, "hand-over", arguments{}.with(h))
}

// AddOwner makes an owner.
func (c *Client) AddOwner(ctx context.Context, o account.Ownership) (account.User, error) {
	return call[account.User](ctx, c, "add-owner", arguments{}.with(o))
}

// Recover lets a person make new keys.
func (c *Client) Recover(ctx context.Context, user string, o account.Opening) error {
	return c.do(ctx, "recover", arguments{ID: user}.with(o))
}

// Invitation reads a person's invitation.
func (c *Client) Invitation(ctx context.Context, user string) (account.InvitationRow, error) {
	return call[account.InvitationRow](ctx, c, "invitation", arguments{ID: user})
}

// Candidate reads what a person waits for.
func (c *Client) Candidate(ctx context.Context, user string) (account.Candidate, error) {
	return call[account.Candidate](ctx, c, "candidate", arguments{ID: user})
}

// Confirm admits a person.
func (c *Client) Confirm(ctx context.Context, user string, confirmation account.Confirmation) error {
	return c.do(ctx, "confirm", arguments{ID: user}.with(confirmation))
}
