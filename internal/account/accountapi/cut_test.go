package accountapi_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accountapi"
)

// cutter passes connections on and cuts them by chance: after some bytes to the service, so that it never sees the whole
// request, or after some of the answer, when what was asked for has been done.
type cutter struct {
	to   string
	cuts atomic.Int64

	mu   sync.Mutex // guards rand
	rand *rand.Rand
}

// serve serves until the test ends.
func (c *cutter) serve(t testing.TB, l net.Listener) {
	t.Helper()
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { c.pass(in) })
		}
	})
	t.Cleanup(func() {
		must(t, l.Close())
		wg.Wait()
	})
}

func (c *cutter) pass(in net.Conn) {
	defer in.Close() //nolint:errcheck // it is cut
	out, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer out.Close() //nolint:errcheck // it is cut
	c.mu.Lock()
	const most = 12_000 // bytes: some ten calls
	there, back := c.rand.Int64N(most), c.rand.Int64N(most)
	c.mu.Unlock()
	done := make(chan struct{}, 2)
	copied := func(to, from net.Conn, n int64) {
		if m, err := io.CopyN(to, from, n); err == nil && m == n {
			c.cuts.Add(1)
		}
		done <- struct{}{}
	}
	go copied(out, in, there)
	go copied(in, out, back)
	<-done // whichever ends first takes the other along
	_, _ = in.Close(), out.Close()
	<-done
}

// TestCutConnections: over connections that are cut at any byte everything is done, and nothing twice.
func TestCutConnections(t *testing.T) {
	t.Parallel()
	k := founded(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := l.Addr().String()
	// What is signed names the address that the client uses.
	url, _ := serve(t, func(c *accountapi.Config) { c.URL = "http://" + address }, k)
	c := &cutter{to: strings.TrimPrefix(url, "http://"), rand: rand.New(rand.NewPCG(7, 7))} //nolint:gosec // the same cuts every time
	c.serve(t, l)
	r := remote(t, "http://"+address, nil, k)
	made, err := r.CreateGroup(t.Context(), account.NewGroup{ID: newID(t), Name: "Engineers"})
	must(t, err)
	const workers, each = 8, 40
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				name := fmt.Sprintf("u%d-%d", w, i)
				u, err := r.Invite(t.Context(), account.Invitation{ID: newID(t), Person: account.Person{UserName: name}})
				if err == nil {
					_, err = r.ChangeGroup(t.Context(), made.Group.ID, account.GroupChange{Steps: []account.MemberStep{{Kind: account.Add, Users: []string{u.ID}}}})
				}
				if err == nil && i%2 == 0 {
					err = r.ReleaseUser(t.Context(), u.ID, u.Revision)
				}
				if err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
			}
		})
	}
	wg.Wait()
	verbs := map[string]int{}
	for after := int64(0); ; {
		list, err := k.Activity(t.Context(), after, 1000)
		must(t, err)
		for _, e := range list {
			after = e.Number
			verbs[e.Verb]++
		}
		if len(list) == 0 {
			break
		}
	}
	for verb, want := range map[string]int{"user.invite": workers * each, "group.members.add": workers * each, "user.release": workers * each / 2, "group.create": 1} {
		if verbs[verb] != want {
			t.Errorf("%s: %d times, want %d", verb, verbs[verb], want)
		}
	}
	g, err := k.Group(t.Context(), made.Group.ID)
	must(t, err)
	if g.Members != workers*each/2 || g.Revision != 1+workers*each+workers*each/2 {
		t.Errorf("the group has %d members at revision %d", g.Members, g.Revision)
	}
	if n := c.cuts.Load(); n < 20 {
		t.Errorf("%d cuts only", n)
	}
	t.Logf("%d cuts", c.cuts.Load())
}
