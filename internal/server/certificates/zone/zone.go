// Package zone writes TXT records into DNS zones, through the HTTP API of whoever hosts them: Google Cloud DNS, Azure DNS,
// Cloudflare and Amazon Route 53. It is for the challenge DNS-01 of ACME (RFC 8555 §8.4), which is proof of a domain by a
// record that is there for a minute.
//
// The official client libraries of Google and Azure would make the whole program half as large again, for the four requests
// that are needed of each; so the requests are our own. Signing in is golang.org/x/oauth2's, and for Route 53 AWS's.
//
// A zone is found by its name at the host and not by asking the DNS, which inside a company's network may answer
// differently from outside.
package zone

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Provider writes records into the zones that somebody hosts.
type Provider interface {
	// Add writes a TXT record of name (without a dot at its end), beside those that are there. It returns the name servers
	// that are going to serve it; none where the provider has said that they already do. It returns ErrNoZone where the
	// provider hosts no zone that name belongs to.
	Add(ctx context.Context, name, value string) (nameServers []string, err error)
	// Remove takes the record away again, and leaves those beside it. One that is not there is no error.
	Remove(ctx context.Context, name, value string) error
}

// ErrNoZone means that the credentials show no zone that a name belongs to.
var ErrNoZone = errors.New("no zone")

const (
	// ttl is how long resolvers may keep the record, in seconds: the shortest that all four take.
	ttl = 60
	// patience bounds one request.
	patience = 30 * time.Second
	// poll is how often a provider is asked whether its name servers have a change.
	poll = 2 * time.Second
	// largest answer that is read, in bytes: a zone's name servers and one record set are a few hundred.
	largest = 1 << 20
	// tries is how often a change is begun anew because somebody else has changed the same records meanwhile.
	tries = 5
)

// parents are the names of the zones that a name may be in, the nearest first. Who delegates the challenge's own name has a
// zone for it alone.
func parents(name string) []string {
	var list []string
	for strings.Contains(name, ".") {
		list = append(list, name)
		_, name, _ = strings.Cut(name, ".")
	}
	return list
}

// noZone is the error for a name whose zone was looked for in vain.
func noZone(name, where string) error {
	list := parents(name)
	return fmt.Errorf("%w of %s is to be seen in %s with these credentials: looked for %s. See that it is hosted there, and what the credentials may read",
		ErrNoZone, name, where, strings.Join(list, ", "))
}

// quoted is a TXT value as the APIs want it: one string of a zone file (RFC 1035 §5.1). Challenges are base64url.
func quoted(value string) string { return `"` + value + `"` }

// refusal is an answer other than success.
type refusal struct {
	status int
	detail string
}

func (r *refusal) Error() string { return fmt.Sprintf("status %d: %s", r.status, r.detail) }

// refused tells whether an error is an answer of one of these statuses.
func refused(err error, statuses ...int) bool {
	var r *refusal
	if !errors.As(err, &r) {
		return false
	}
	for _, s := range statuses {
		if r.status == s {
			return true
		}
	}
	return false
}

// rest speaks JSON with an API.
type rest struct {
	client *http.Client
	base   string
	header http.Header
	detail func(body []byte) string // what an answer says of an error
}

// do sends a request and reads the answer into out, unless that is nil.
func (r *rest) do(ctx context.Context, method, path string, in, out any, headers ...string) error {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(raw)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, body)
	if err != nil {
		return err
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	raw, err := answer(r.client, req, r.detail)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("%s %s: the answer is not what is documented: %w", method, req.URL.Path, err)
	}
	return nil
}

// answer sends a request and returns the body of a success.
func answer(client *http.Client, req *http.Request, detail func([]byte) string) ([]byte, error) {
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() //nolint:errcheck // read only
	raw, err := io.ReadAll(io.LimitReader(res.Body, largest))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", req.Method, req.URL.Path, err)
	}
	if res.StatusCode >= http.StatusOK && res.StatusCode < http.StatusMultipleChoices {
		return raw, nil
	}
	text := detail(raw)
	if text == "" {
		text = http.StatusText(res.StatusCode)
	}
	return nil, fmt.Errorf("%s %s: %w", req.Method, req.URL.Path, &refusal{res.StatusCode, text})
}

// errorMember reads the form of error that Google and Azure share: {"error":{"message":"…"}}.
func errorMember(body []byte) string {
	var a struct {
		Error struct {
			Code    any    `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &a) != nil {
		return ""
	}
	if code, ok := a.Error.Code.(string); ok && code != "" {
		return code + ": " + a.Error.Message
	}
	return a.Error.Message
}

// until asks again and again until it is told that something is so.
func until(ctx context.Context, every time.Duration, so func() (bool, error)) error {
	for {
		ok, err := so()
		if ok || err != nil {
			return err
		}
		pause := time.NewTimer(every)
		select {
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		case <-pause.C:
		}
	}
}
