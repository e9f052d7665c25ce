package accountapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/tracing"
)

const (
	// retryFor is how long a call is repeated by itself: a restart of the service behind a load balancer goes unnoticed,
	// and an identity provider, who waits for 30 to 60 s, does not give up in between.
	retryFor   = 4 * time.Second
	firstPause = 50 * time.Millisecond
	// tryFor is how long one try may take, the question for changes excepted.
	tryFor = 30 * time.Second
	// maxAnswer bounds what is read of an answer, in bytes: a page of people with large profiles.
	maxAnswer = 256 << 20

	poolSize = 64 // connections kept to the service; more are opened under load
)

// HTTPClient makes a client for an account service: HTTP/2 where there is TLS, and connections for as many calls at
// once as identity providers make. Both may be nil: the system's certificates, and no proxy.
func HTTPClient(config *tls.Config, proxy func(*http.Request) (*url.URL, error)) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy: proxy, TLSClientConfig: config, ForceAttemptHTTP2: true,
			MaxIdleConns: poolSize, MaxIdleConnsPerHost: poolSize, IdleConnTimeout: 90 * time.Second,
			TLSHandshakeTimeout: 10 * time.Second, ExpectContinueTimeout: time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// line is the way to an account service, whoever uses it.
type line struct {
	base   *url.URL
	http   *http.Client
	clock  func() time.Time
	pause  time.Duration // before the first repetition
	tracer *tracing.Tracer
	calls  *calls // nil: they are not counted
}

func newLine(address string, client *http.Client, clock func() time.Time) (line, error) {
	base, err := serviceURL(address)
	if client == nil {
		client = HTTPClient(nil, nil)
	}
	if clock == nil {
		clock = time.Now
	}
	return line{base: base, http: client, clock: clock, pause: firstPause}, err
}

// exchange is one call, however often it has to be tried.
type exchange struct {
	method, path string
	query        url.Values
	head         http.Header
	body         []byte        // nil: none
	timeout      time.Duration // of one try; 0: tryFor
}

// temporary is why a try is worth repeating, and how long the service wants to be left alone.
type temporary struct {
	err   error
	after time.Duration
}

func (e *temporary) Error() string { return e.err.Error() }
func (e *temporary) Unwrap() error { return e.err }

// try makes one try and reads the whole answer into out. What is worth repeating is a *temporary.
func (l *line) try(ctx context.Context, c exchange, token string, out any) error {
	begin, route, head := time.Now(), routeOf(c.path), make(http.Header)
	within, span := l.tracer.Call(ctx, head, c.method, route)
	status, err := l.send(within, c, head, token, out)
	span.Returned(status)
	l.calls.note(ctx, c.method+" "+route, err, time.Since(begin))
	return err
}

// send is try, and returns the answer's status as well; 0 where none has come.
func (l *line) send(ctx context.Context, c exchange, head http.Header, token string, out any) (int, error) {
	timeout := c.timeout
	if timeout == 0 {
		timeout = tryFor
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	u := l.base.JoinPath()
	u.Path, u.RawQuery = c.path, c.query.Encode()
	var body io.Reader
	if c.body != nil {
		body = bytes.NewReader(c.body)
	}
	req, err := http.NewRequestWithContext(ctx, c.method, u.String(), body)
	if err != nil {
		return 0, err
	}
	req.Header = head
	for name, values := range c.head {
		req.Header[name] = values
	}
	if c.body != nil {
		req.Header.Set(headerContentType, jsonType)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	caller := account.CallerFrom(ctx)
	if caller.RequestID != "" {
		req.Header.Set(headerRequestID, caller.RequestID)
	}
	if caller.Fence != (account.Fence{}) {
		req.Header.Set(headerLease, formatFence(caller.Fence))
	}
	res, err := l.http.Do(req)
	if err != nil {
		var unknown *tls.CertificateVerificationError
		if errors.As(err, &unknown) || errors.As(err, new(x509.UnknownAuthorityError)) {
			return 0, fmt.Errorf("%w: the service's certificate is not trusted: %w", account.ErrUnavailable, err)
		}
		return 0, &temporary{err: err}
	}
	defer res.Body.Close() //nolint:errcheck // read only
	if res.StatusCode/100 != 2 {
		return res.StatusCode, refused(res)
	}
	return res.StatusCode, answer(res, out)
}

// answer reads an answer, whole.
func answer(res *http.Response, out any) error {
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return &temporary{err: fmt.Errorf("the answer was cut off: %w", err)}
	case len(raw) > maxAnswer:
		return fmt.Errorf("the account service's answer has more than %d bytes", maxAnswer)
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return &temporary{err: fmt.Errorf("the account service's answer cannot be read: %w", err)}
	}
	return nil
}

// refused reads what an answer that is no success says.
func refused(res *http.Response) error {
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxProblem))
	var p problem
	known := err == nil && res.Header.Get(headerContentType) == problemType && json.Unmarshal(raw, &p) == nil && p.Code != ""
	if known {
		err = restore(&p)
	} else {
		err = fmt.Errorf("the account service has answered %s", res.Status)
	}
	seconds, _ := strconv.Atoi(res.Header.Get("Retry-After"))
	after := time.Duration(max(seconds, 0)) * time.Second
	if held := (*account.HeldError)(nil); errors.As(err, &held) {
		held.Retry = after
	}
	again := &temporary{err, after}
	switch res.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusGatewayTimeout:
		return again
	case http.StatusServiceUnavailable:
		if !known || p.Code == codeTimeout || errors.Is(err, account.ErrUnavailable) {
			return again
		}
	case http.StatusBadRequest:
		if p.Code == codeBodyCut { // on the way there
			return again
		}
	default:
		if !known { // of something in between, or cut off
			return again
		}
	}
	return err
}

// repeat tries until it succeeds, it is pointless, or time is up; then the error is account.ErrUnavailable.
func (l *line) repeat(ctx context.Context, try func() error) error {
	end := time.Now().Add(retryFor)
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(end) {
		end = deadline
	}
	for pause := l.pause; ; pause *= 2 {
		err := try()
		var again *temporary
		if !errors.As(err, &again) {
			return err
		}
		// Half of the pause is by chance, so that many who were cut off at once do not all come back at once.
		wait := max(pause/2+rand.N(pause/2+1), again.after)
		if ctx.Err() != nil || time.Until(end) < wait {
			return unavailable(again.err)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return unavailable(again.err)
		}
	}
}

// unavailable says that the account cannot be reached, and why.
func unavailable(err error) error {
	if errors.Is(err, account.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", account.ErrUnavailable, err)
}
