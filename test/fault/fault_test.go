// Package fault_test breaks what a site of three bridges is made of, one part after another and several together, while an
// identity provider goes on working: processes are killed, and stand still; the network between them is cut, silent or
// slow; a disk is full; a clock is wrong. What was acknowledged is true afterwards, and what was not says so; health names
// what is broken, and when it is no more everything is as before, without help.
//
// The table that the test prints counts, for each fault, the requests that clients made from its beginning until everything
// was as before; those refused (503, 429) and those broken (no answer, or the balancer's own); what was acknowledged and is
// lost; what is there or was done twice; answers that were true only earlier, and the longest time until one was not any more;
// writes without an answer that came about after a later one was acknowledged; the time from the end of the fault until all
// bridges, the balancer and all clients were well; and what the bridges said meanwhile, (2): the second one only.
package fault_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/scimbridge/scimbridge/test/program"
)

// TestMain has the program built with a clock that can be wrong.
func TestMain(m *testing.M) {
	if err := os.Setenv("GOFLAGS", strings.TrimSpace(os.Getenv("GOFLAGS")+" -tags=skewed")); err != nil {
		panic(err)
	}
	os.Exit(program.Main(m))
}

const (
	// recoverIn is how long everything may take to be as before once a fault is over.
	recoverIn = 15 * time.Second
	// patience is how long the test waits for what should come about, so that it can say how long it took.
	patience = 2 * time.Minute
)

// fault is something that breaks, and is mended.
type fault struct {
	name       string
	begin, end func(*site)
	// blames are what health is to name while it lasts, and nothing else; nil: nothing.
	blames func(*site) []blame
	// quiet: no client is to notice.
	quiet bool
	// redis: it is about Redis, so that replicas may hear of one another's changes by the account's feed only.
	redis bool
}

// row is a line of the table.
type row struct {
	fault                                          string
	requests, refused, broken, lost, doubled, late int64
	stale                                          int64
	longest                                        time.Duration
	recovered                                      time.Duration
	named                                          string
}

// table collects rows of sites that run at the same time.
type table struct {
	mu   sync.Mutex // guards rows
	rows []row
}

func (t *table) add(r row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows = append(t.rows, r)
}

func (t *table) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "fault\trequests\trefused\tbroken\tlost\tdoubled\tstale\tlate\trecovered\tnamed by")
	for _, r := range t.rows {
		stale := fmt.Sprint(r.stale)
		if r.stale > 0 {
			stale += fmt.Sprintf(" (%.2f s)", r.longest.Seconds())
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%s\t%d\t%.1f s\t%s\n", r.fault, r.requests, r.refused, r.broken, r.lost, r.doubled, stale, r.late, r.recovered.Seconds(), r.named)
	}
	_ = w.Flush() // into memory
	return text.String()
}

// TestFaults runs each fault once for some seconds; with SCIMBRIDGE_SOAK=1 longer, and then several at once by chance.
func TestFaults(t *testing.T) {
	t.Parallel()
	all := &table{}
	t.Run("site", func(t *testing.T) {
		soak := os.Getenv("SCIMBRIDGE_SOAK") != ""
		for name, faults := range sites(soak) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				run(t, faults, soak, all)
			})
		}
	})
	t.Log("\n" + all.String())
}

// run lets a site live through faults.
func run(t *testing.T, faults []fault, soak bool, all *table) {
	ctx := t.Context()
	s := openSite(t)
	if soak {
		s.lasts = soakTime
	}
	s.prepare(ctx)
	stop := s.begin(ctx)
	defer stop()
	if err := s.recover(ctx, time.Now()); err != nil {
		t.Fatal("the site does not begin: ", err)
	}
	for n, f := range faults {
		if !t.Run(f.name, func(t *testing.T) {
			s.t = t
			all.add(s.round(t, f, n))
		}) {
			return
		}
	}
}

// prepare makes whom the test itself changes.
func (s *site) prepare(ctx context.Context) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s.probed = person{name: "probe@example.com"}
	must(s.t, until(ctx, func() error {
		status, text, err := s.ask(ctx, s.bridges[0], http.MethodPost, "/scim/v2/Users", body(`{"userName":%q}`, s.probed.name))
		var u struct{ ID string }
		if err == nil {
			err = answer{status, []byte(text)}.decode(&u)
		}
		if err == nil && u.ID == "" {
			err = fmt.Errorf("%d %s", status, text)
		}
		s.probed.id = u.ID
		return err
	}))
}

// overload is how many times more the machine has to do than these tests are laid out for, 1 if not more. Then everything
// takes longer, and what does not answer in time is not broken.
func overload() float64 {
	const each = 2 // that want to run, for a processor
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 1
	}
	first, _, _ := strings.Cut(string(raw), " ")
	load, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return 1
	}
	return max(1, load/float64(runtime.NumCPU()*each))
}

// recover waits until everything is as it should be since a time.
func (s *site) recover(ctx context.Context, since time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	reason := ""
	return until(ctx, func() error {
		err := s.recovered(ctx, since)
		if after := time.Since(since); err != nil && err.Error() != reason && after > recoverIn/2 {
			reason = err.Error()
			s.t.Logf("after %s: %s", after.Round(time.Millisecond), reason)
		}
		return err
	})
}

// A fault lasts until it has been named, and so many requests were made, or refused, or so much time has passed. Long ones
// outlast leases, and everybody's patience with one another.
const (
	soakTime      = 40 * time.Second
	leastRequests = 60
	leastRefused  = 2 * workers
	leastTime     = 6 * time.Second
)

func (s *site) round(t *testing.T, f fault, n int) row {
	ctx := t.Context()
	j, err := s.newcomer(ctx, n)
	must(t, err)
	counts, untold := &tally{}, s.untold()
	s.tally.Store(counts)
	f.begin(s)
	accepted := make(chan error, 1)
	within, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	go func() { accepted <- s.accept(within, j) }()
	named := s.watch(within, f, counts)
	healed := time.Now()
	f.end(s)
	if mending := time.Since(healed); mending > recoverIn/2 {
		t.Logf("mending took %s", mending.Round(time.Millisecond))
	}
	err = s.recover(ctx, healed)
	took := time.Since(healed)
	defer func() {
		for _, text := range counts.complaints() {
			t.Error(text)
		}
	}()
	must(t, err)
	if most := time.Duration(float64(recoverIn) * overload()); took > most {
		t.Errorf("everything is as before after %s, and not within %s", took.Round(time.Millisecond), most.Round(time.Millisecond))
	}
	must(t, <-accepted)
	s.joined = append(s.joined, j)

	s.gate.Lock()
	defer s.gate.Unlock()
	tr, err := s.check(ctx)
	must(t, err)
	for _, p := range tr.problems {
		t.Error(p)
	}
	stale, longest := counts.stales()
	excused := f.redis || s.untold() > untold
	for _, text := range stale {
		if excused {
			t.Log("stale: ", text)
		} else {
			t.Error("stale, though the bridges could tell one another: ", text)
		}
	}
	r := row{
		fault: f.name, requests: counts.requests.Load(), refused: counts.refused.Load(), broken: counts.broken.Load(), stale: int64(len(stale)),
		lost: int64(tr.lost), doubled: int64(tr.doubled), late: int64(tr.late) + counts.late.Load(), longest: longest, recovered: took, named: named,
	}
	if f.quiet && r.refused+r.broken > 0 && overload() == 1 {
		t.Errorf("%d requests were refused and %d broken by a fault that nobody is to notice", r.refused, r.broken)
	}
	return r
}
