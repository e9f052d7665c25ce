// Package concurrency_test sends what identity providers send in parallel: nothing is lost, doubled or half done.
package concurrency_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/scimbridge/scimbridge/test/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

type resource struct {
	ID       string
	Active   bool
	Title    string
	Members  []struct{ Value string }
	Meta     struct{ Version string }
	TotalRes int `json:"totalResults"`
}

func do(t testing.TB, p *program.Process, method, path, body string, headers ...string) (int, resource) {
	status, text, _, err := p.Do(method, path, body, headers...)
	if err != nil {
		t.Errorf("%s %s: %v", method, path, err)
	}
	var r resource
	if text != "" {
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Errorf("%s %s: %v in %s", method, path, err, text)
		}
	}
	return status, r
}

func person(t testing.TB, p *program.Process, name string) string {
	t.Helper()
	status, r := do(t, p, "POST", "/Users", fmt.Sprintf(`{"userName":%q}`, name))
	if status != 201 {
		t.Fatalf("person %s: %d", name, status)
	}
	return r.ID
}

func members(t testing.TB, p *program.Process, group string) []string {
	t.Helper()
	_, r := do(t, p, "GET", "/Groups/"+group, "")
	ids := make([]string, len(r.Members))
	for i, m := range r.Members {
		ids[i] = m.Value
	}
	slices.Sort(ids)
	return ids
}

const addMember = `{"Operations":[{"op":"Add","path":"members","value":[{"value":%q}]}]}`

func TestParallelAddsSurvive(t *testing.T) {
	t.Parallel()
	p := program.Start(t, "")
	_, g := do(t, p, "POST", "/Groups", `{"displayName":"adds"}`)
	var want []string
	for i := range 40 {
		want = append(want, person(t, p, fmt.Sprintf("add%d@example.com", i)))
	}
	var wg sync.WaitGroup
	for _, id := range want {
		wg.Go(func() {
			if status, _ := do(t, p, "PATCH", "/Groups/"+g.ID, fmt.Sprintf(addMember, id)); status/100 != 2 {
				t.Errorf("add: %d", status)
			}
		})
	}
	wg.Wait()
	slices.Sort(want)
	if got := members(t, p, g.ID); !slices.Equal(got, want) {
		t.Errorf("%d of 40 members survived", len(got))
	}
}

func TestParallelCreatesOfOneName(t *testing.T) {
	t.Parallel()
	p := program.Start(t, "")
	var made, refused atomic.Int32
	var wg sync.WaitGroup
	for i := range 20 {
		name := "Same@Example.com"
		if i%2 == 0 {
			name = "same@example.com"
		}
		wg.Go(func() {
			switch status, _ := do(t, p, "POST", "/Users", fmt.Sprintf(`{"userName":%q}`, name)); status {
			case 201:
				made.Add(1)
			case 409:
				refused.Add(1)
			default:
				t.Errorf("status %d", status)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 || refused.Load() != 19 {
		t.Errorf("%d made and %d refused, want 1 and 19", made.Load(), refused.Load())
	}
}

func TestParallelPutsWithOneVersion(t *testing.T) {
	t.Parallel()
	p := program.Start(t, "")
	_, u := do(t, p, "POST", "/Users", `{"userName":"put@example.com"}`)
	var won, lost atomic.Int32
	var winner atomic.Value
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			title := fmt.Sprint("title ", i)
			switch status, _ := do(t, p, "PUT", "/Users/"+u.ID, fmt.Sprintf(`{"userName":"put@example.com","title":%q}`, title), "If-Match", u.Meta.Version); status {
			case 200:
				won.Add(1)
				winner.Store(title)
			case 412:
				lost.Add(1)
			default:
				t.Errorf("status %d", status)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || lost.Load() != 9 {
		t.Fatalf("%d won and %d lost, want 1 and 9", won.Load(), lost.Load())
	}
	if _, now := do(t, p, "GET", "/Users/"+u.ID, ""); now.Title != winner.Load() {
		t.Errorf("title is %q, but %q was acknowledged", now.Title, winner.Load())
	}
}

// TestParallelPatchesOfDifferentAttributes loses none: each is computed anew where another was faster.
func TestParallelPatchesOfDifferentAttributes(t *testing.T) {
	t.Parallel()
	p := program.Start(t, "")
	id := person(t, p, "patch@example.com")
	names := []string{"title", "nickName", "userType", "locale", "timezone", "preferredLanguage", "displayName", "profileUrl"}
	var wg sync.WaitGroup
	for _, name := range names {
		wg.Go(func() {
			if status, _ := do(t, p, "PATCH", "/Users/"+id, fmt.Sprintf(`{"Operations":[{"op":"replace","path":%q,"value":"mine"}]}`, name)); status != 200 {
				t.Errorf("%s: %d", name, status)
			}
		})
	}
	wg.Wait()
	_, text, _, err := p.Do("GET", "/Users/"+id, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.Contains(text, fmt.Sprintf(`"%s":"mine"`, name)) {
			t.Errorf("%s is lost: %s", name, text)
		}
	}
}

// step is one change of a person's membership or state by one client.
type step struct {
	kind string // add, remove, suspend, activate
	who  int
}

// TestInterleavings lets clients change one group and its people at the same time, each in an order of its own. As
// every kind of change of one person is made by one client only, the last change of each kind that was acknowledged
// must show, whatever the others did.
func TestInterleavings(t *testing.T) {
	t.Parallel()
	p := program.Start(t, "")
	const people = 6
	var ids []string
	for i := range people {
		ids = append(ids, person(t, p, fmt.Sprintf("inter%d@example.com", i)))
	}
	_, g := do(t, p, "POST", "/Groups", `{"displayName":"interleaved"}`)
	rapid.Check(t, func(rt *rapid.T) {
		plans := make([][]step, people)
		for who := range plans {
			n := rapid.IntRange(1, 6).Draw(rt, "steps")
			for range n {
				kind := rapid.SampledFrom([]string{"add", "remove", "suspend", "activate"}).Draw(rt, "kind")
				plans[who] = append(plans[who], step{kind, who})
			}
		}
		var wg sync.WaitGroup
		for _, plan := range plans {
			wg.Go(func() {
				for _, s := range plan {
					perform(t, p, g.ID, ids[s.who], s.kind)
				}
			})
		}
		wg.Wait()
		in := members(t, p, g.ID)
		for who, plan := range plans {
			_, u := do(t, p, "GET", "/Users/"+ids[who], "")
			for _, s := range slices.Backward(plan) {
				if s.kind == "add" || s.kind == "remove" {
					if slices.Contains(in, ids[who]) != (s.kind == "add") {
						rt.Fatalf("person %d after %v: members are %v", who, plan, in)
					}
					break
				}
			}
			for _, s := range slices.Backward(plan) {
				if s.kind == "suspend" || s.kind == "activate" {
					if u.Active != (s.kind == "activate") {
						rt.Fatalf("person %d after %v: active is %v", who, plan, u.Active)
					}
					break
				}
			}
		}
	})
}

func perform(t *testing.T, p *program.Process, group, id, kind string) {
	var status int
	switch kind {
	case "add":
		status, _ = do(t, p, "PATCH", "/Groups/"+group, fmt.Sprintf(addMember, id))
	case "remove":
		status, _ = do(t, p, "PATCH", "/Groups/"+group, fmt.Sprintf(`{"Operations":[{"op":"remove","path":"members[value eq \"%s\"]"}]}`, id))
	default:
		status, _ = do(t, p, "PATCH", "/Users/"+id, fmt.Sprintf(`{"Operations":[{"op":"replace","value":{"active":%v}}]}`, kind == "activate"))
	}
	if status/100 != 2 {
		t.Errorf("%s: status %d", kind, status)
	}
}

// TestAddAgainstRemove ends in a state that one of the two orders explains, and the group still works.
func TestAddAgainstRemove(t *testing.T) {
	t.Parallel()
	p := program.Start(t, "")
	id := person(t, p, "both@example.com")
	_, g := do(t, p, "POST", "/Groups", `{"displayName":"both"}`)
	for range 25 {
		var wg sync.WaitGroup
		wg.Go(func() { perform(t, p, g.ID, id, "add") })
		wg.Go(func() { perform(t, p, g.ID, id, "remove") })
		wg.Wait()
		if n := len(members(t, p, g.ID)); n > 1 {
			t.Fatalf("%d members of one person", n)
		}
		_, text, _, err := p.Do("GET", "/Users/"+id, "")
		if err != nil {
			t.Fatal(err)
		}
		if shown := strings.Contains(text, g.ID); shown != (len(members(t, p, g.ID)) == 1) {
			t.Fatalf("the person and the group disagree: %s", text)
		}
	}
}
