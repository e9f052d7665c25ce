// Package kill_test kills the program while many clients write, again and again: whatever was acknowledged is there
// afterwards, nothing is half there, and the activity log's chain holds.
package kill_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/scimbridge/scimbridge/test/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

const (
	writes  = 2000 // that a round would make if it were not killed
	clients = 16
)

// written is what a client knows of one person that it made.
type written struct {
	id      string
	suspend bool // acknowledged
	member  bool // acknowledged
}

// TestKill runs 3 rounds, and 20 with SCIMBRIDGE_SOAK=1.
func TestKill(t *testing.T) {
	t.Parallel()
	rounds := 3
	if os.Getenv("SCIMBRIDGE_SOAK") != "" {
		rounds = 20
	}
	dir := filepath.Join(t.TempDir(), "data")
	for round := range rounds {
		t.Run(fmt.Sprint(round), func(t *testing.T) { kill(t, dir, round) })
	}
}

func kill(t *testing.T, dir string, round int) {
	p := program.Start(t, dir)
	group := create(t, p, "/Groups", fmt.Sprintf(`{"displayName":"round %d"}`, round))
	known := map[string]*written{}
	var mu sync.Mutex
	var acknowledged atomic.Int64
	killAt := int64(1 + rand.IntN(writes-1)) //nolint:gosec // a random point, not a secret
	var killed sync.Once
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := range writes / clients {
				name := fmt.Sprintf("r%d.c%d.n%d@example.com", round, c, i)
				w, ok := write(p, group, name)
				mu.Lock()
				if w != nil {
					known[name] = w
				}
				mu.Unlock()
				if acknowledged.Add(1) >= killAt {
					killed.Do(p.Kill)
				}
				if !ok {
					return
				}
			}
		})
	}
	wg.Wait()
	killed.Do(p.Kill)
	if len(known) == 0 {
		t.Fatal("nothing was acknowledged before the kill")
	}

	p = program.Start(t, dir)
	members := memberIDs(t, p, group)
	for name, w := range known {
		verify(t, p, name, w, members)
	}
	everybodyWhole(t, p)
	out, errs, code := program.Run(t, "account", "verify", "--data", dir)
	if code != 0 {
		t.Errorf("verify: %s%s", out, errs)
	}
	p.Stop()
	if out, errs, code := program.Run(t, "account", "verify", "--data", dir); code != 0 {
		t.Errorf("verify of the closed account: %s%s", out, errs)
	}
	t.Logf("killed after %d writes, %d people acknowledged", killAt, len(known))
}

// write makes a person, suspends every third, puts every second into the group. ok is false when the process is gone.
func write(p *program.Process, group, name string) (w *written, ok bool) {
	status, body, _, err := p.Do("POST", "/Users", fmt.Sprintf(`{"userName":%q,"displayName":%q,"externalId":%q}`, name, name, name))
	if err != nil || status != 201 {
		return nil, false
	}
	var u struct{ ID string }
	if json.Unmarshal([]byte(body), &u) != nil {
		return nil, false
	}
	w = &written{id: u.ID}
	if strings.HasSuffix(name, "0@example.com") {
		status, _, _, err := p.Do("PATCH", "/Users/"+u.ID, `{"Operations":[{"op":"replace","path":"active","value":false}]}`)
		if err != nil || status != 200 {
			return w, false
		}
		w.suspend = true
	}
	if strings.HasSuffix(name, "1@example.com") {
		status, _, _, err := p.Do("PATCH", "/Groups/"+group, fmt.Sprintf(`{"Operations":[{"op":"add","path":"members","value":[{"value":%q}]}]}`, u.ID))
		if err != nil || status/100 != 2 {
			return w, false
		}
		w.member = true
	}
	return w, true
}

func create(t *testing.T, p *program.Process, path, body string) string {
	t.Helper()
	status, text, _, err := p.Do("POST", path, body)
	if err != nil || status != 201 {
		t.Fatalf("POST %s: %d %s %v", path, status, text, err)
	}
	var r struct{ ID string }
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	return r.ID
}

func memberIDs(t *testing.T, p *program.Process, group string) map[string]bool {
	t.Helper()
	status, text, _, err := p.Do("GET", "/Groups/"+group, "")
	if err != nil || status != 200 {
		t.Fatalf("GET group: %d %v", status, err)
	}
	var g struct{ Members []struct{ Value string } }
	if err := json.Unmarshal([]byte(text), &g); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, m := range g.Members {
		ids[m.Value] = true
	}
	return ids
}

func verify(t *testing.T, p *program.Process, name string, w *written, members map[string]bool) {
	t.Helper()
	status, text, _, err := p.Do("GET", "/Users/"+w.id, "")
	if err != nil || status != 200 {
		t.Errorf("%s was acknowledged and is gone: %d %v", name, status, err)
		return
	}
	var u struct {
		UserName, DisplayName, ExternalID string
		Active                            bool
	}
	if err := json.Unmarshal([]byte(text), &u); err != nil || u.UserName != name || u.DisplayName != name || u.ExternalID != name {
		t.Errorf("%s is not whole: %s %v", name, text, err)
	}
	if w.suspend && u.Active {
		t.Errorf("%s: the suspension was acknowledged and is gone", name)
	}
	if w.member && !members[w.id] {
		t.Errorf("%s: the membership was acknowledged and is gone", name)
	}
}

// everybodyWhole reads all people by pages: each is whole and found by its indexes, and the total is right.
func everybodyWhole(t *testing.T, p *program.Process) {
	t.Helper()
	seen := 0
	for {
		status, text, _, err := p.Do("GET", fmt.Sprintf("/Users?startIndex=%d&count=1000", seen+1), "")
		if err != nil || status != 200 {
			t.Fatalf("list: %d %v", status, err)
		}
		var page struct {
			TotalResults int
			Resources    []struct{ ID, UserName, DisplayName string }
		}
		if err := json.Unmarshal([]byte(text), &page); err != nil {
			t.Fatal(err)
		}
		for i, u := range page.Resources {
			if u.ID == "" || u.UserName == "" || u.DisplayName == "" {
				t.Errorf("somebody is half there: %+v", u)
			}
			if i%100 == 0 {
				_, found, _, err := p.Do("GET", "/Users?filter=userName+eq+%22"+u.UserName+"%22&attributes=id", "")
				if err != nil || !strings.Contains(found, u.ID) {
					t.Errorf("%s is not found by user name: %s %v", u.ID, found, err)
				}
			}
		}
		if seen += len(page.Resources); len(page.Resources) == 0 {
			if seen != page.TotalResults {
				t.Errorf("%d people listed, but the total is %d", seen, page.TotalResults)
			}
			return
		}
	}
}
