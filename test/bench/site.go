package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// clients is how many requests are under way at once.
const clients = 8

// site is a bridge and a floor with the same number of people.
type site struct {
	people        int
	bridge, floor *exec.Cmd
	account       *exec.Cmd // the account service; nil where the bridge has the account in it. Then there is no floor
	scim, token   string
	floorURL      string
	ids, floorIDs []string
	groups        map[int][2]string // size → ids of the group at the bridge and at the floor
	seeded        int64             // RSS in bytes after the people were made
	results       map[string]*result
	created       atomic.Int64
	http          *http.Client
}

// result gathers the slices of one measurement.
type result struct {
	Requests, FloorRequests int
	Bridge                  time.Duration // of CPU, that of the bridge where the account is apart
	Elapsed                 time.Duration
	CPU, FloorCPU           time.Duration
	latencies               []time.Duration
}

// groupSizes are those measured; one that is larger than the site is left out.
var groupSizes = []int{10, 5000, 50_000}

// newApart makes a site with bridge and account service as two processes, over TLS.
func newApart(dir string, people int) (*site, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	a := &apart{dir: dir}
	if err := a.start(context.Background()); err != nil {
		a.stop()
		return nil, err
	}
	s := a.scim
	s.people, s.groups, s.results, s.bridge, s.account = people, map[int][2]string{}, map[string]*result{}, a.bridge, a.account
	return s, s.seed()
}

func newSite(dir string, people int) (*site, error) {
	s := &site{people: people, groups: map[int][2]string{}, results: map[string]*result{}, http: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: enough}, Timeout: time.Minute,
	}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	var ready struct{ SCIM, Token string }
	line, cmd, err := start("bin/scimbridge", "dev", "--data", dir+"/data", "--listen", "127.0.0.1:0", "--json")
	if err != nil {
		return nil, err
	}
	s.bridge = cmd
	if err := json.Unmarshal([]byte(line), &ready); err != nil {
		return nil, err
	}
	s.scim, s.token = ready.SCIM, ready.Token
	floor := dir + "/floor"
	if out, err := exec.Command("go", "build", "-o", floor, "./test/bench/floor").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("floor: %w\n%s", err, out)
	}
	if line, s.floor, err = start(floor, dir+"/floor.db"); err != nil {
		return nil, err
	}
	s.floorURL = strings.TrimSpace(line)
	return s, s.seed()
}

// start runs a program that prints one line when it is ready.
func start(name string, args ...string) (string, *exec.Cmd, error) {
	cmd := exec.Command(name, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", nil, fmt.Errorf("%s ended before it was ready: %w", name, err)
	}
	return line, cmd, nil
}

func (s *site) stop() {
	for _, c := range []*exec.Cmd{s.bridge, s.floor, s.account} {
		if c != nil {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	}
}

// do sends a request and returns the body; a status that is no success is an error.
func (s *site) do(method, url, body string) ([]byte, error) {
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, url, r)
	if err != nil {
		return nil, err
	}
	if strings.Contains(url, "/scim/v2") {
		req.Header.Set("Authorization", "Bearer "+s.token)
		req.Header.Set("Content-Type", "application/scim+json")
	}
	res, err := s.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %d %.200s", method, url, res.StatusCode, text)
	}
	return text, err
}

func userName(i int) string { return fmt.Sprintf("person%07d@example.com", i) }

// person is about 0.8 KiB, as identity providers send.
func person(i int) string {
	return fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],`+
		`"userName":%q,"externalId":"00u%07d","name":{"formatted":"Given%d Family%d","givenName":"Given%d","familyName":"Family%d"},`+
		`"displayName":"Given%d Family%d","title":"Engineer","preferredLanguage":"en-US","locale":"en-US","timezone":"Europe/Berlin","active":true,`+
		`"emails":[{"value":%q,"type":"work","primary":true}],"phoneNumbers":[{"value":"+1-201-555-%07d","type":"work"}],`+
		`"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"%07d","department":"Research","organization":"Example","costCenter":"4711"}}`,
		userName(i), i, i, i, i, i, i, i, userName(i), i, i)
}

// parallel runs a task n times by all clients.
func parallel(n int, task func(i int) error) error { return parallelBy(clients, n, task) }

// parallelBy runs a task n times, so many at once.
func parallelBy(width, n int, task func(i int) error) error {
	var next atomic.Int64
	var first error
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range width {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := task(i); err != nil {
					mu.Lock()
					first = err
					mu.Unlock()
					next.Store(int64(n))
					return
				}
			}
		})
	}
	wg.Wait()
	return first
}

func (s *site) seed() error {
	if err := s.fill(); err != nil {
		return err
	}
	// The links of invitations are made afterwards, and are not what is measured.
	return wait("the end of what follows the preload", func() (bool, error) {
		progress("waiting until %d people have their links", s.people)
		const look, idle = 500 * time.Millisecond, 20 * time.Millisecond
		before := s.spent()
		time.Sleep(look)
		return s.spent()-before <= idle, nil
	})
}

// spent is the CPU time of all processes of the site.
func (s *site) spent() (sum time.Duration) {
	for _, c := range []*exec.Cmd{s.bridge, s.floor, s.account} {
		if c != nil {
			sum += cpuTime(c.Process.Pid)
		}
	}
	return sum
}

// fill makes people and groups.
func (s *site) fill() error {
	s.ids, s.floorIDs = make([]string, s.people), make([]string, s.people)
	var done atomic.Int64
	err := parallel(s.people, func(i int) error {
		if n := done.Add(1); n%1000 == 0 {
			progress("preloading %d of %d people", n, s.people)
		}
		text, err := s.do("POST", s.scim+"/Users", person(i))
		if err != nil {
			return err
		}
		var u struct{ ID string }
		if err := json.Unmarshal(text, &u); err != nil {
			return err
		}
		s.ids[i] = u.ID
		if s.floor != nil {
			text, err = s.do("POST", s.floorURL+"/create/"+userName(i), "")
			s.floorIDs[i] = string(text)
		}
		return err
	})
	if err != nil {
		return err
	}
	s.created.Store(int64(s.people))
	s.seeded = rss(s.bridge.Process.Pid)
	// Half of the people are in one group at every size, so that what is read and answered for a person is the same.
	for _, size := range slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(groupSizes), s.people/2)))) {
		if size > s.people {
			continue
		}
		if err := s.seedGroup(size); err != nil {
			return err
		}
	}
	return nil
}

func (s *site) seedGroup(size int) error {
	progress("making a group of %d", size)
	text, err := s.do("POST", s.scim+"/Groups", fmt.Sprintf(`{"displayName":"group of %d"}`, size))
	if err != nil {
		return err
	}
	var g struct{ ID string }
	if err := json.Unmarshal(text, &g); err != nil {
		return err
	}
	for part := range slices.Chunk(s.ids[:size], 1000) {
		var b bytes.Buffer
		for i, id := range part {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"value":%q}`, id)
		}
		if _, err := s.do("PATCH", s.scim+"/Groups/"+g.ID, `{"Operations":[{"op":"add","path":"members","value":[`+b.String()+`]}]}`); err != nil {
			return err
		}
	}
	s.groups[size] = [2]string{g.ID, ""}
	if s.floor == nil {
		return nil
	}
	floor, err := s.do("POST", s.floorURL+"/group/g"+strconv.Itoa(size), "")
	if err != nil {
		return err
	}
	s.groups[size] = [2]string{g.ID, string(floor)}
	return parallel(size, func(i int) error {
		_, err := s.do("POST", s.floorURL+"/member/"+string(floor)+"/add/"+s.floorIDs[i], "")
		return err
	})
}

// operation is one kind of request, at the bridge and at the floor.
type operation struct {
	name          string
	target        float64 // CPU ms per request to aim at; 0: none
	group         int     // needs the group of this size
	bridge, floor func(s *site, i int) error
	// everybody asks the bridge once about each person before anything is measured, as an identity provider's first
	// cycle does; nil: it makes no difference.
	everybody func(s *site, person int) error
}

// removes tells whether the i-th change of a group removes somebody: as many people as there are clients are added
// and then removed, so that the group keeps its size.
func removes(i int) bool { return (i/clients)%2 == 1 }

func get(s *site, url string) error { _, err := s.do("GET", url, ""); return err }

func operations() []operation {
	pick := func(s *site) int { return rand.IntN(s.people) } //nolint:gosec // a load, not a secret
	byID := func(s *site, i int) error { return get(s, s.scim+"/Users/"+s.ids[i]) }
	byName := func(s *site, i int) error {
		return get(s, s.scim+"/Users?filter=userName+eq+%22"+userName(i)+"%22")
	}
	byExternalID := func(s *site, i int) error {
		return get(s, fmt.Sprintf("%s/Users?filter=externalId+eq+%%2200u%07d%%22", s.scim, i))
	}
	anybody := func(about func(s *site, person int) error) func(s *site, i int) error {
		return func(s *site, _ int) error { return about(s, pick(s)) }
	}
	list := []operation{
		{
			"read by id", 0.06, 0, anybody(byID),
			func(s *site, _ int) error { return get(s, s.floorURL+"/read/"+s.floorIDs[pick(s)]) }, byID,
		},
		{
			"look-up by userName", 0.08, 0, anybody(byName),
			func(s *site, _ int) error { return get(s, s.floorURL+"/name/"+userName(pick(s))) }, byName,
		},
		{
			"look-up by externalId", 0.08, 0, anybody(byExternalID),
			func(s *site, _ int) error { return get(s, s.floorURL+"/external/"+userName(pick(s))) }, byExternalID,
		},
		{
			"page of 100, first", 0.35, 0,
			func(s *site, _ int) error { return get(s, s.scim+"/Users?count=100") },
			func(s *site, _ int) error { return get(s, s.floorURL+"/list/0") }, nil,
		},
		{
			"page of 100, deep", 0.35, 0,
			func(s *site, _ int) error {
				return get(s, fmt.Sprintf("%s/Users?count=100&startIndex=%d", s.scim, s.people-150))
			},
			func(s *site, _ int) error { return get(s, fmt.Sprintf("%s/list/%d", s.floorURL, s.people-151)) }, nil,
		},
		{
			"PATCH active", 0, 0,
			func(s *site, i int) error {
				_, err := s.do("PATCH", s.scim+"/Users/"+s.ids[(i/2)%s.people], fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Replace","path":"active","value":%v}]}`, i%2 == 1))
				return err
			},
			func(s *site, i int) error {
				_, err := s.do("POST", fmt.Sprintf("%s/active/%s/%v", s.floorURL, s.floorIDs[(i/2)%s.people], i%2 == 1), "")
				return err
			}, nil,
		},
	}
	for _, size := range groupSizes {
		target := 0.0
		if size == 5000 {
			target = 0.3
		}
		list = append(list, operation{
			fmt.Sprintf("one member of %d", size), target, size,
			func(s *site, i int) error {
				body := `{"Operations":[{"op":"Add","path":"members","value":[{"value":"%s"}]}]}`
				if removes(i) {
					body = `{"Operations":[{"op":"Remove","path":"members[value eq \"%s\"]"}]}`
				}
				_, err := s.do("PATCH", s.scim+"/Groups/"+s.groups[size][0], fmt.Sprintf(body, s.ids[s.people-1-i%clients]))
				return err
			},
			func(s *site, i int) error {
				kind := "add"
				if removes(i) {
					kind = "remove"
				}
				_, err := s.do("POST", s.floorURL+"/member/"+s.groups[size][1]+"/"+kind+"/"+s.floorIDs[s.people-1-i%clients], "")
				return err
			}, nil,
		})
	}
	// Last, since it makes the sites larger.
	return append(list, operation{
		"create", 0.25, 0,
		func(s *site, _ int) error {
			_, err := s.do("POST", s.scim+"/Users", person(int(s.created.Add(1))))
			return err
		},
		func(s *site, _ int) error {
			_, err := s.do("POST", s.floorURL+"/create/"+userName(int(s.created.Add(1))), "")
			return err
		}, nil,
	})
}

// measure runs one slice at the bridge and one at the floor.
func (s *site) measure(op operation, slice time.Duration) error {
	if op.group > s.people {
		return nil
	}
	r := s.results[op.name]
	if r == nil {
		r = &result{}
		s.results[op.name] = r
	}
	service := time.Duration(0)
	if s.account != nil {
		service = -cpuTime(s.account.Process.Pid)
	}
	n, cpu, elapsed, lat, err := run(s.bridge.Process.Pid, clients, slice, func(i int) error { return op.bridge(s, i) })
	if err != nil {
		return err
	}
	r.Bridge += cpu
	if s.account != nil {
		cpu += service + cpuTime(s.account.Process.Pid)
	}
	r.Requests, r.CPU, r.Elapsed, r.latencies = r.Requests+n, r.CPU+cpu, r.Elapsed+elapsed, append(r.latencies, lat...)
	if s.floor == nil {
		return nil
	}
	n, cpu, _, _, err = run(s.floor.Process.Pid, clients, slice, func(i int) error { return op.floor(s, i) })
	r.FloorRequests, r.FloorCPU = r.FloorRequests+n, r.FloorCPU+cpu
	return err
}

// run sends requests by so many clients for a while and returns how many, and what they cost the process.
func run(pid, width int, slice time.Duration, request func(i int) error) (n int, cpu, elapsed time.Duration, lat []time.Duration, err error) {
	var mu sync.Mutex
	var next atomic.Int64
	var wg sync.WaitGroup
	before, begin := cpuTime(pid), time.Now()
	end := begin.Add(slice)
	for range width {
		wg.Go(func() {
			var mine []time.Duration
			var failed error
			for failed == nil && time.Now().Before(end) {
				t := time.Now()
				failed = request(int(next.Add(1)) - 1)
				mine = append(mine, time.Since(t))
			}
			mu.Lock()
			lat = append(lat, mine...)
			if failed != nil {
				err = failed
			}
			mu.Unlock()
		})
	}
	wg.Wait()
	return len(lat), cpuTime(pid) - before, time.Since(begin), lat, err
}

// listAll reads everybody by pages, as an import does.
func (s *site) listAll() error {
	progress("listing everybody")
	for start := 1; ; start += 100 {
		text, err := s.do("GET", fmt.Sprintf("%s/Users?startIndex=%d&count=100", s.scim, start), "")
		if err != nil {
			return err
		}
		if bytes.Contains(text, []byte(`"Resources":[]`)) {
			return nil
		}
	}
}

// clockTick is the unit of /proc/PID/stat, which Linux fixes at 10 ms for programs.
const clockTick = 10 * time.Millisecond

func cpuTime(pid int) time.Duration {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	const user, system = 11, 12
	u, _ := strconv.Atoi(fields[user])
	sys, _ := strconv.Atoi(fields[system])
	return time.Duration(u+sys) * clockTick
}

// rss is a process's memory in bytes.
func rss(pid int) int64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.SplitSeq(string(raw), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}
