package conformance

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// remember notes what an answer says has been created or deleted.
func (c *Client) remember(a answer) {
	path, _, _ := strings.Cut(a.call.path, "?")
	switch {
	case a.call.method == http.MethodDelete && a.status < 300:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.created = slices.DeleteFunc(c.created, func(s string) bool { return s == path })
	case a.call.method == http.MethodPost && path == "/Bulk":
		for _, op := range objects(a.body, "Operations") {
			if !strings.EqualFold(text(op["method"]), http.MethodPost) || bulkStatus(op) != http.StatusCreated {
				continue
			}
			if made, ok := c.relative(text(op["location"])); ok {
				c.track(made)
			}
		}
	case a.call.method == http.MethodPost && a.status == http.StatusCreated:
		if id := text(a.body["id"]); id != "" {
			c.track(strings.TrimRight(path, "/") + "/" + url.PathEscape(id))
		} else if made, ok := c.relative(a.header.Get("Location")); ok {
			c.track(made)
		}
	}
}

func (c *Client) track(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.created, path) {
		c.created = append(c.created, path)
	}
}

// closeLimit bounds the clearing up after a run, also after an interrupted one.
const closeLimit = 2 * time.Minute

// Close deletes everything that was made through the client, and returns the paths of what could not be deleted.
// It goes on when ctx is cancelled, since an interrupt is the very moment when it is needed. It may be called twice.
func (c *Client) Close(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
	defer cancel()
	c.sweep(ctx)
	c.mu.Lock()
	groups, others := split(c.created, func(s string) bool { return strings.HasPrefix(s, "/Groups/") })
	c.mu.Unlock()
	c.deleteAll(ctx, groups) // first, so that their members go with them
	c.deleteAll(ctx, others)

	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.created)
}

// sweep looks for what carries the run's id without having been remembered: an interrupt may have lost an answer.
// Whether a name is ours is decided here, since a server that ignores filters would list everybody.
func (c *Client) sweep(ctx context.Context) {
	for endpoint, name := range map[string]string{"/Users": "userName", "/Groups": "displayName"} {
		query := url.Values{"filter": {name + ` sw "` + c.prefix() + `"`}, "attributes": {name}, "count": {"1000"}}
		a, err := c.send(ctx, call{method: http.MethodGet, path: endpoint + "?" + query.Encode()}, nil)
		if err != nil || a.status != http.StatusOK {
			continue
		}
		for _, r := range objects(a.body, "Resources") {
			if id := text(r["id"]); id != "" && strings.HasPrefix(strings.ToLower(text(r[name])), c.prefix()) {
				c.track(endpoint + "/" + url.PathEscape(id))
			}
		}
	}
}

func (c *Client) deleteAll(ctx context.Context, paths []string) {
	var g errgroup.Group
	g.SetLimit(parallel)
	for _, path := range paths {
		g.Go(func() error {
			a, err := c.send(ctx, call{method: http.MethodDelete, path: path}, nil)
			if err == nil && (a.status == http.StatusNotFound || a.status == http.StatusGone) {
				c.forget(path)
			}
			return nil
		})
	}
	_ = g.Wait() // what is left says what failed
}

func (c *Client) forget(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.created = slices.DeleteFunc(c.created, func(s string) bool { return s == path })
}

func split(all []string, first func(string) bool) (yes, no []string) {
	for _, s := range slices.Backward(all) {
		if first(s) {
			yes = append(yes, s)
		} else {
			no = append(no, s)
		}
	}
	return yes, no
}
