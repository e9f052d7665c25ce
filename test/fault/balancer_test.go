package fault_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// balancer is a load balancer as people have them: it asks every backend for /ready, hands requests to those in turn that
// say yes, and to all where none does. It tries another backend only where a connection was refused. A backend that does
// not answer is given up with the requests that it has.
type balancer struct {
	backends []*backend
	turn     atomic.Uint32
	server   *httptest.Server
}

type backend struct {
	address string
	http    *http.Transport

	mu    sync.Mutex // guards what follows
	ready bool
	lost  chan struct{} // closed when the backend is given up
}

const (
	// probeEvery is how often a backend is asked, and probeTime how long it may take to answer. Load balancers leave it
	// one to five seconds.
	probeEvery = 200 * time.Millisecond
	probeTime  = 2 * time.Second
	// balancerMark is the header of answers by the balancer itself, which are to a client as a broken connection.
	balancerMark = "X-Balancer"
)

func openBalancer(t *testing.T, addresses []string) *balancer {
	t.Helper()
	b := &balancer{}
	ctx, cancel := context.WithCancel(context.Background())
	var g sync.WaitGroup
	for _, a := range addresses {
		be := &backend{address: a, http: &http.Transport{MaxIdleConnsPerHost: 64}, lost: make(chan struct{})}
		b.backends = append(b.backends, be)
		g.Go(func() { be.watch(ctx) })
	}
	proxy := &httputil.ReverseProxy{
		Transport: b,
		ErrorLog:  log.New(io.Discard, "", 0),
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetXForwarded()
			r.Out.URL.Scheme = "http"
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			w.Header().Set(balancerMark, err.Error())
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	b.server = httptest.NewServer(proxy)
	b.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(func() {
		cancel()
		g.Wait()
		b.server.Close()
		for _, be := range b.backends {
			be.http.CloseIdleConnections()
		}
	})
	return b
}

// RoundTrip hands a request to a backend.
func (b *balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	body := []byte{}
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		_ = r.Body.Close()
	}
	var last error
	for _, be := range b.inTurn() {
		res, err := be.try(r, body)
		if err == nil || !errors.Is(err, syscall.ECONNREFUSED) {
			return res, err
		}
		last = err
	}
	return nil, last
}

// inTurn are the backends in the order in which they are tried.
func (b *balancer) inTurn() []*backend {
	first := int(b.turn.Add(1)) % len(b.backends)
	all := slices.Concat(b.backends[first:], b.backends[:first])
	ready := slices.DeleteFunc(slices.Clone(all), func(be *backend) bool { return !be.isReady() })
	if len(ready) == 0 {
		return all
	}
	return ready
}

func (be *backend) isReady() bool {
	be.mu.Lock()
	defer be.mu.Unlock()
	return be.ready
}

func (be *backend) try(r *http.Request, body []byte) (*http.Response, error) {
	be.mu.Lock()
	lost := be.lost
	be.mu.Unlock()
	ctx, cancel := context.WithCancel(r.Context())
	go func() { // ends with the request
		select {
		case <-lost:
			cancel()
		case <-ctx.Done():
		}
	}()
	out := r.Clone(ctx)
	out.URL.Host, out.Body, out.ContentLength = be.address, http.NoBody, int64(len(body))
	if len(body) > 0 {
		out.Body = io.NopCloser(bytes.NewReader(body))
	}
	res, err := be.http.RoundTrip(out)
	if err != nil {
		cancel()
	}
	return res, err
}

// watch asks the backend until ctx ends.
func (be *backend) watch(ctx context.Context) {
	client := &http.Client{Timeout: probeTime, Transport: &http.Transport{DisableKeepAlives: true}}
	for tick := time.NewTicker(probeEvery); ctx.Err() == nil; {
		status := 0
		if req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+be.address+"/ready", http.NoBody); err == nil {
			if res, err := client.Do(req); err == nil {
				status = res.StatusCode
				_ = res.Body.Close()
			}
		}
		be.see(status)
		select {
		case <-tick.C:
		case <-ctx.Done():
			tick.Stop()
		}
	}
}

// see takes the answer to a question; 0: there was none.
func (be *backend) see(status int) {
	be.mu.Lock()
	defer be.mu.Unlock()
	be.ready = status == http.StatusOK
	if status == 0 {
		close(be.lost)
		be.lost = make(chan struct{})
		be.http.CloseIdleConnections()
	}
}
