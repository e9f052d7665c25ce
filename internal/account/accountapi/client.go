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
func (c *Client) NextGeneration(ctx context.Context) (int, error) {
	return call[int](ctx, c, "next-generation", arguments{})
}
