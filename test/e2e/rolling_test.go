package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/redis/redistest"
	"github.com/scimbridge/scimbridge/test/program"
)

// balancer sends requests to bridges that are ready, one after the other, as one in front of a real site would: it asks each
// for /ready, and a read that finds nobody listening it sends to another one. A write is sent once.
type balancer struct {
	transport *http.Transport
	backends  []*backend
	next      atomic.Uint64
	retried   atomic.Int64 // reads
}

// backend is a place behind a balancer. Who sits there changes.
type backend struct {
	url string
	in  atomic.Bool // requests are sent there
}

// askEvery is how often the balancer asks.
const askEvery = 200 * time.Millisecond

func newBalancer(t *testing.T, members []*member) *balancer {
	t.Helper()
	b := &balancer{transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute}}
	ctx, cancel := context.WithCancel(t.Context())
	var g sync.WaitGroup
	for _, m := range members {
		at := &backend{url: m.url}
		b.backends = append(b.backends, at)
		g.Go(func() { at.watch(ctx) })
	}
	t.Cleanup(func() {
		cancel()
		g.Wait()
		b.transport.CloseIdleConnections()
	})
	return b
}

// watch asks until ctx ends. One that is locked would be unlocked by its first request; here another replica is to be first.
func (b *backend) watch(ctx context.Context) {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		in := false
		if req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+"/ready", http.NoBody); err == nil {
			if res, err := client.Do(req); err == nil {
				text, err := io.ReadAll(res.Body)
				in = err == nil && res.StatusCode == http.StatusOK && strings.TrimSpace(string(text)) != "locked"
				_ = res.Body.Close()
			}
		}
		b.in.Store(in)
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// RoundTrip implements http.RoundTripper: the host of the request does not matter.
func (b *balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	start := b.next.Add(1)
	err := errors.New("no bridge is ready")
	for i := range uint64(len(b.backends)) {
		at := b.backends[(start+i)%uint64(len(b.backends))]
		if !at.in.Load() {
			continue
		}
		out := r.Clone(r.Context())
		out.URL.Scheme, out.URL.Host, _ = strings.Cut(at.url, "://")
		var res *http.Response
		if res, err = b.transport.RoundTrip(out); err == nil || r.Method != http.MethodGet {
			return res, err
		}
		b.retried.Add(1)
	}
	return nil, err
}

// provider is an identity provider that never rests: each of its workers looks people up, makes new ones and changes them.
type provider struct {
	scim   program.Process // for its token
	client *http.Client
	pace   <-chan time.Time // a request for each

	mu     sync.Mutex // guards what follows
	sent   int
	writes int
	failed []string
	made   []string // ids
}

func (p *provider) send(method, path, body string, want int) string {
	<-p.pace
	req, err := http.NewRequest(method, "http://balancer/scim/v2"+path, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.scim.Token)
	req.Header.Set("Content-Type", "application/scim+json")
	res, err := p.client.Do(req)
	var text []byte
	if err == nil {
		text, err = io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err == nil && res.StatusCode != want {
			err = fmt.Errorf("%s %s", res.Status, text)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent++
	if method != http.MethodGet {
		p.writes++
	}
	if err != nil {
		p.failed = append(p.failed, fmt.Sprintf("%s %s: %v", method, path, err))
		return ""
	}
	return string(text)
}

// work goes on until ctx ends, and finishes what it has begun.
func (p *provider) work(ctx context.Context, worker int) {
	for n := 0; ctx.Err() == nil; n++ {
		name := fmt.Sprintf("w%d-%d@example.com", worker, n)
		p.send(http.MethodGet, "/Users?filter=userName+eq+%22"+name+"%22", "", http.StatusOK)
		var made struct{ ID string }
		if err := json.Unmarshal([]byte(p.send(http.MethodPost, "/Users", `{"userName":"`+name+`"}`, http.StatusCreated)), &made); err != nil {
			continue // it has failed
		}
		p.mu.Lock()
		p.made = append(p.made, made.ID)
		p.mu.Unlock()
		p.send(http.MethodGet, "/Users/"+made.ID, "", http.StatusOK)
		p.send(http.MethodPatch, "/Users/"+made.ID, `{"Operations":[{"op":"replace","path":"displayName","value":"Number `+fmt.Sprint(n)+`"}]}`, http.StatusOK)
		p.send(http.MethodGet, "/Users?count=10", "", http.StatusOK)
		p.send(http.MethodGet, "/Groups?count=10", "", http.StatusOK)
	}
}

// TestRollingRestart restarts three bridges, one after the other, under the eyes of a balancer that asks for /ready, while reads
// and writes come at some 300 a second. None fails, and what was answered with success is there afterwards.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	const (
		perSecond = 300
		workers   = 12
	)
	f := newFleet(t, redistest.Start(t, redistest.Options{}), "OP_SHARE_UNLOCK=1")
	f.serveAccount()
	members := []*member{f.join(""), f.join(""), f.join("")}
	if code := members[0].lists(f.token); code != http.StatusOK {
		t.Fatal(code)
	}
	b := newBalancer(t, members)
	all := func() bool {
		for _, at := range b.backends {
			if !at.in.Load() {
				return false
			}
		}
		return true
	}
	comes(t, "everybody's turn", all)

	pace := time.NewTicker(time.Second / perSecond)
	defer pace.Stop()
	p := &provider{scim: program.Process{Token: f.token}, client: &http.Client{Transport: b, Timeout: time.Minute}, pace: pace.C}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var g sync.WaitGroup
	begin := time.Now()
	for i := range workers {
		g.Go(func() { p.work(ctx, i) })
	}
	sent := func() int {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.sent
	}
	for i, m := range members {
		before := sent()
		comes(t, "some requests", func() bool { return sent() > before+perSecond/2 })
		m.Stop()
		if b.backends[i].in.Load() {
			t.Errorf("bridge %d has ended, and the balancer does not know it", i+1)
		}
		var env []string
		if i == 2 {
			env = append(env, "OP_UNLOCK_TOKEN_FILE="+f.at("token"))
		}
		members[i] = f.join(strings.TrimPrefix(m.url, "http://"), env...)
		comes(t, "the turn of who replaces it", all)
		if handed := strings.Contains(members[i].Log(), "another replica has handed the key of the scimsession over"); handed != (i < 2) {
			t.Errorf("bridge %d was unlocked by another one: %v", i+1, handed)
		}
	}
	before := sent()
	comes(t, "some requests", func() bool { return sent() > before+perSecond/2 })
	stop()
	g.Wait()
	took := time.Since(begin)

	t.Logf("%d requests in %.1f s, %.0f a second, %d of them writes; %d failed, %d reads were sent to another one", p.sent, took.Seconds(), float64(p.sent)/took.Seconds(), p.writes, len(p.failed), b.retried.Load())
	for i, text := range p.failed {
		if i == 10 {
			break
		}
		t.Error(text)
	}
	// The owner is listed too.
	_, list := ask(t, members[0].url+"/scim/v2/Users?count=1", f.token)
	if want := fmt.Sprintf(`"totalResults":%d`, len(p.made)+1); !strings.Contains(list, want) {
		t.Errorf("%d people were made: %s", len(p.made), list)
	}
	comes(t, "one bridge with the lease", func() bool {
		holders := 0
		for _, m := range members {
			if _, text := ask(t, m.url+"/metrics", monitorToken); strings.Contains(text, "\nscimbridge_lease_held 1\n") {
				holders++
			}
		}
		return holders == 1
	})
}
