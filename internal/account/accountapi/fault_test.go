package accountapi_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/account/accountapi"
	"github.com/scimbridge/scimbridge/internal/account/accounttest"
)

// faulty is a way to the service on which things go wrong, by chance with a fixed seed, but never so often in a row
// that a patient client gives up.
type faulty struct {
	next http.RoundTripper

	mu     sync.Mutex // guards what follows
	rand   *rand.Rand
	row    int // faults in a row
	faults int
}

func newFaulty(seed uint64) *faulty {
	return &faulty{
		next: accountapi.HTTPClient(nil, nil).Transport,
		rand: rand.New(rand.NewPCG(seed, 1)), //nolint:gosec // the same faults every time
	}
}

// The faults.
const (
	none = iota
	cutBefore
	cutAfter
	halfRequest
	halfAnswer
	busy
	gone
	late
	kinds
)

var errCut = errors.New("the connection was cut")

func (f *faulty) choose() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	const often, inRow = 8, 3
	if (f.row == 0 && f.rand.IntN(often) != 0) || f.rand.IntN(2) == 0 || f.row >= inRow {
		f.row = 0
		return none
	}
	f.row++
	f.faults++
	return 1 + f.rand.IntN(kinds-1)
}

func (f *faulty) RoundTrip(r *http.Request) (*http.Response, error) {
	switch f.choose() {
	case cutBefore:
		return nil, errCut
	case cutAfter: // the service has done it, and nobody learns of it
		res, err := f.next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		_, _ = io.Copy(io.Discard, res.Body)
		return nil, errors.Join(errCut, res.Body.Close())
	case halfRequest:
		if r.Body != nil && r.Body != http.NoBody && r.ContentLength > 1 {
			r = r.Clone(r.Context())
			r.Body = io.NopCloser(io.MultiReader(io.LimitReader(r.Body, r.ContentLength/2), failing{}))
		}
		return f.next.RoundTrip(r)
	case halfAnswer:
		res, err := f.next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		raw, err := io.ReadAll(res.Body)
		res.Body = io.NopCloser(io.MultiReader(bytes.NewReader(raw[:len(raw)/2]), failing{}))
		return res, err
	case busy:
		return made(http.StatusTooManyRequests, "0"), nil
	case gone:
		return made(http.StatusServiceUnavailable, "0"), nil
	case late:
		timer := time.NewTimer(2 * time.Millisecond)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	return f.next.RoundTrip(r)
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errCut }

// made is an answer of something in between, which knows nothing of our problems.
func made(status int, after string) *http.Response {
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Retry-After": {after}}, Body: io.NopCloser(strings.NewReader("<h1>no</h1>")),
	}
}

// TestRemoteOverFaults: whatever goes wrong on the way, what an account owes a bridge it does, once.
func TestRemoteOverFaults(t *testing.T) {
	t.Parallel()
	var seed, faults atomic.Uint64
	t.Run("suite", func(t *testing.T) {
		accounttest.Run(t, func(t testing.TB) accounttest.Fixture {
			k := founded(t)
			url, _ := serve(t, nil, k)
			way := newFaulty(seed.Add(1))
			t.Cleanup(func() {
				faults.Add(uint64(way.faults)) //nolint:gosec // counts up
				v, err := k.Verify(context.Background())
				if err != nil || v.Problem != "" {
					t.Errorf("activity log: %v %s", err, v.Problem)
				}
			})
			return accounttest.Fixture{Account: remote(t, url, &http.Client{Transport: way}, k), Admin: k, Owner: k.Owner.ID}
		})
	})
	t.Logf("%d faults", faults.Load())
	if faults.Load() < 500 {
		t.Error("hardly anything went wrong")
	}
}
