package fault_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// blame is what the bridges say of a part.
type blame struct {
	source, state string
	at            []*bridge // who is to say so
	or            string    // another state that is right too, as where what does not answer may be one thing or the other
}

func (b blame) String() string {
	text := strings.TrimSpace(b.source + " " + b.state)
	if len(b.at) == bridges {
		return text
	}
	for _, at := range b.at {
		text += fmt.Sprintf(" (%d)", at.n)
	}
	return text
}

// covers tells whether it is this that a bridge says.
func (b blame) covers(what string, n int) bool {
	return (what == b.source+" "+b.state || b.or != "" && what == b.source+" "+b.or) && slices.ContainsFunc(b.at, func(at *bridge) bool { return at.n == n })
}

// said is what the bridges have said while a fault lasted, each how often.
type said struct {
	mu    sync.Mutex // guards what follows
	asked map[int]int
	times map[string]map[int]int // by what they said, and their number
}

// missing are those who have not said what they are to.
func (s *said) missing(blames []blame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range blames {
		for _, at := range b.at {
			if s.times[b.source+" "+b.state][at.n] == 0 && (b.or == "" || s.times[b.source+" "+b.or][at.n] == 0) {
				return fmt.Errorf("bridge %d does not say: %s", at.n, b)
			}
		}
	}
	return nil
}

// besides are those who have kept saying something else. Now and then something is late on a busy machine.
func (s *said) besides(blames []blame) (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for what, by := range s.times {
		for n, times := range by {
			if 2*times > s.asked[n] && !slices.ContainsFunc(blames, func(b blame) bool { return b.covers(what, n) }) {
				list = append(list, fmt.Sprintf("bridge %d: %s, %d times of %d", n, strings.TrimSpace(what), times, s.asked[n]))
			}
		}
	}
	return list
}

// watch waits until the fault has been named by all who are to, and enough has happened, and returns what was named.
func (s *site) watch(ctx context.Context, f fault, counts *tally) string {
	s.t.Helper()
	var blames []blame
	if f.blames != nil {
		blames = f.blames(s)
	}
	heard, begin := &said{asked: map[int]int{}, times: map[string]map[int]int{}}, time.Now()
	err := until(ctx, func() error {
		s.listen(ctx, heard)
		if err := heard.missing(blames); err != nil {
			return err
		}
		if lasted := time.Since(begin); lasted < s.lasts {
			return fmt.Errorf("it lasts for %s only", lasted)
		}
		// While nobody answers there are few requests.
		if counts.requests.Load() < leastRequests && counts.refused.Load()+counts.broken.Load() < leastRefused && time.Since(begin) < leastTime {
			return fmt.Errorf("%d requests were made", counts.requests.Load())
		}
		return nil
	})
	if err != nil {
		s.t.Errorf("while %s lasts: %v; what was said: %v", f.name, err, heard.times)
	}
	for _, text := range heard.besides(blames) {
		if overload() > 1 {
			s.t.Logf("while %s lasts, %s", f.name, text)
		} else {
			s.t.Errorf("while %s lasts, %s", f.name, text)
		}
	}
	var words []string
	for _, b := range blames {
		words = append(words, b.String())
	}
	return strings.Join(words, ", ")
}

// listen asks every bridge how it is. What the watchers and the guard say follows from the account.
func (s *site) listen(ctx context.Context, heard *said) {
	var g sync.WaitGroup
	for _, b := range s.bridges {
		g.Go(func() {
			states, _ := s.health(ctx, b)
			heard.mu.Lock()
			defer heard.mu.Unlock()
			if ctx.Err() != nil {
				return
			}
			heard.asked[b.n]++
			for source, state := range states {
				switch source {
				case "ConfirmationWatcher", "StartProvisionWatcher", "Guard":
					continue
				}
				if state == "healthy" {
					continue
				}
				what := source + " " + state
				if heard.times[what] == nil {
					heard.times[what] = map[int]int{}
				}
				heard.times[what][b.n]++
			}
		})
	}
	g.Wait()
}
