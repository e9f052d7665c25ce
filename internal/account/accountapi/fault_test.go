package accountapi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accountapi"
	"github.com/scimbridge/scimbridge/internal/account/accounttest"
	"github.com/scimbridge/scimbridge/internal/keyset"
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

// TestAdmissionOverFaults: people are invited, accept and are confirmed once, whatever goes wrong on the way, and hold
// the keys of their group at the end.
func TestAdmissionOverFaults(t *testing.T) {
	t.Parallel()
	k := founded(t)
	url, _ := serve(t, nil, k)
	way := &http.Client{Transport: newFaulty(99)}
	r := remote(t, url, way, k)
	ctx := t.Context()
	made, err := r.CreateGroup(ctx, account.NewGroup{ID: newID(t), Name: "Engineers"})
	must(t, err)
	must(t, k.NewGroupKey(ctx, made.Group.ID))
	const people = 25
	for i := range people {
		name := fmt.Sprintf("u%d@example.com", i)
		u, err := r.Invite(ctx, account.Invitation{ID: newID(t), Person: account.Person{UserName: name, Email: name}})
		must(t, err)
		_, err = r.ChangeGroup(ctx, made.Group.ID, account.GroupChange{Steps: []account.MemberStep{{Kind: account.Add, Users: []string{u.ID}}}})
		must(t, err)
		link, err := k.Invitations.Invitation(k.Newest, keyset.Invited{Account: k.ID, User: u.ID, Email: name, Number: 1})
		must(t, err)
		commitment := link.Commitment()
		open, err := r.OpenInvitations(ctx, []account.Opening{{User: u.ID, Number: 1, Generation: k.Newest, Commitment: commitment[:]}})
		must(t, err)
		if len(open) != 1 {
			t.Error("the invitation is not open")
		}
		must(t, r.InvitationSent(ctx, u.ID, 1))
		p, err := accountapi.NewPerson(accountapi.PersonConfig{URL: url, HTTP: way})
		must(t, err)
		j, err := p.Join(ctx, link)
		must(t, err)
		keys, proposal, err := k.Propose(link, j.Email)
		must(t, err)
		must(t, p.Accept(ctx, link, proposal))
		due, err := r.Due(ctx, "", 10)
		must(t, err)
		if len(due.People) != 1 {
			t.Fatalf("%d people wait", len(due.People))
		}
		c, err := k.Confirmation(&due.People[0])
		must(t, err)
		must(t, r.Confirm(ctx, u.ID, c))
		must(t, p.SignIn(ctx, k.ID, name, func(c keyset.ChallengeClaim) ([]byte, error) { return keys.Unlock.Sign(c), nil }))
		own, err := p.Own(ctx)
		must(t, err)
		if len(own.Groups) != 1 || len(own.Groups[0].Grants) != 1 {
			t.Fatalf("%s has %+v", name, own.Groups)
		}
	}
	verbs := entries(t, k)
	for _, verb := range []string{"user.invite", "invitation.open", "invitation.send", "user.accept", "user.confirm", "group.grant", "group.members.add"} {
		if verbs[verb] != people {
			t.Errorf("%s: %d times, want %d", verb, verbs[verb], people)
		}
	}
}

// entries counts those of the activity log by verb.
func entries(t testing.TB, k *accounttest.Keyed) map[string]int {
	t.Helper()
	verbs := map[string]int{}
	for after := int64(0); ; {
		list, err := k.Activity(t.Context(), after, 1000)
		must(t, err)
		for _, e := range list {
			after = e.Number
			verbs[e.Verb]++
		}
		if len(list) == 0 {
			return verbs
		}
	}
}
