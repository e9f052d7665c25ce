package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// TargetGroup is what a balancer knows of the tasks behind it.
type TargetGroup struct {
	Port    int
	Path    string // of the health check
	Matcher string // statuses of healthy targets, such as "200,301,302" or "200-399"
}

// Balancer is an application load balancer: TLS ends here, and requests go to the targets in turn.
type Balancer struct {
	*httptest.Server
	group TargetGroup

	mu      sync.Mutex
	targets []string // addresses with port
	turn    int
}

// NewBalancer starts one without targets; it ends with Close.
func NewBalancer(g TargetGroup) *Balancer {
	b := &Balancer{group: g}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: b.next()})
			r.Out.Host = r.In.Host
			r.SetXForwarded()
			_, port, _ := net.SplitHostPort(r.In.Host)
			r.Out.Header.Set("X-Forwarded-Port", port)
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	b.Server = httptest.NewTLSServer(proxy)
	return b
}

// next is the target whose turn it is; without any, an address that refuses.
func (b *Balancer) next() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.targets) == 0 {
		return "127.0.0.1:1"
	}
	b.turn++
	return b.targets[b.turn%len(b.targets)]
}

// Healthy asks a task as the target group does.
func (b *Balancer) Healthy(ctx context.Context, t *Task) error {
	target := b.address(t)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+target+b.group.Path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "ELB-HealthChecker/2.0")
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("target %s is unhealthy: %w", target, err)
	}
	defer res.Body.Close() //nolint:errcheck // read only
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	ok, err := matches(b.group.Matcher, res.StatusCode)
	if err == nil && !ok {
		err = fmt.Errorf("target %s is unhealthy: %s answers %d, and the matcher is %s", target, b.group.Path, res.StatusCode, b.group.Matcher)
	}
	return err
}

func (b *Balancer) address(t *Task) string {
	return net.JoinHostPort(t.IP.String(), strconv.Itoa(b.group.Port))
}

// Register gives a task its share of the requests.
func (b *Balancer) Register(t *Task) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.targets = append(b.targets, b.address(t))
}

// Deregister gives it no more; those under way go on.
func (b *Balancer) Deregister(t *Task) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.targets = slices.DeleteFunc(b.targets, func(a string) bool { return a == b.address(t) })
}

// matches reads a target group's matcher.
func matches(matcher string, status int) (bool, error) {
	for part := range strings.SplitSeq(matcher, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		low, err1 := strconv.Atoi(from)
		high, err2 := strconv.Atoi(to)
		if err := errors.Join(err1, err2); err != nil {
			return false, fmt.Errorf("matcher %q: %w", matcher, err)
		}
		if low <= status && status <= high {
			return true, nil
		}
	}
	return false, nil
}
