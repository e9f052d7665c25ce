package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scimbridge/scimbridge/test/program"
)

// What the cost at the edge is measured with.
const (
	cyclePeople = 10_000 // of an Entra cycle
	cycleGroups = 100
	importPage  = 100 // of an Okta import
	everybody   = 100_000
)

// edge is a bridge apart from its account, with a Redis beside it.
type edge struct {
	*apart
	redis     *exec.Cmd
	redisURL  string
	metricsAt string // file with the token of the account service's metrics
}

// variant is how a bridge keeps copies.
type variant struct {
	name string
	env  func(e *edge) []string
}

var variants = []variant{
	{"no copies", func(*edge) []string { return []string{"OP_CACHE_MEMORY=0"} }},
	{"copies in memory", func(*edge) []string { return nil }},
	{"copies in memory and Redis", func(e *edge) []string { return []string{"OP_REDIS_URL=" + e.redisURL} }},
}

// edges measures what clients' habits cost the account, and what small containers carry, and prints it as Markdown.
func edges(ctx context.Context, dir string, people int, minutes float64, w io.Writer) error {
	e := &edge{apart: &apart{dir: dir}}
	defer e.end()
	if err := e.begin(ctx); err != nil {
		return err
	}
	fmt.Fprintf(w, "%s; bridge and account service as two processes over TLS, account in SQLite.\n\n", machine())
	if err := e.people(min(cyclePeople, people)); err != nil {
		return err
	}
	if err := e.cycles(w); err != nil {
		return err
	}
	if err := e.lookups(w); err != nil {
		return err
	}
	if err := e.people(people); err != nil {
		return err
	}
	if err := e.imports(w); err != nil {
		return err
	}
	if err := e.twoBridges(w); err != nil {
		return err
	}
	return e.smallest(minutes, w)
}

func (e *edge) begin(ctx context.Context) error {
	address, err := program.Address()
	if err != nil {
		return err
	}
	_, port, _ := strings.Cut(address, ":")
	e.redisURL = "redis://" + address
	e.redis = exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", e.dir)
	if err := e.redis.Start(); err != nil {
		return fmt.Errorf("redis-server: %w (make packages installs it)", err)
	}
	e.metricsAt = filepath.Join(e.dir, "metrics-token")
	if err := os.WriteFile(e.metricsAt, []byte("bench-of-the-metrics-0123456789\n"), 0o600); err != nil {
		return err
	}
	e.serviceArgs = []string{"--metrics-token-file", e.metricsAt}
	return e.start(ctx)
}

func (e *edge) end() {
	e.stop()
	if e.redis != nil && e.redis.Process != nil {
		_ = e.redis.Process.Kill()
		_ = e.redis.Wait()
	}
}

// people brings the account to a number of people, with groups once there are enough.
func (e *edge) people(n int) error {
	s := e.scim
	for from := len(s.ids); from < n; from = len(s.ids) {
		const step = 1000
		progress("preloading %d of %d people", from, n)
		ids := make([]string, min(step, n-from))
		if err := parallel(len(ids), func(i int) error {
			text, err := s.do("POST", s.scim+"/Users", person(from+i))
			if err == nil {
				ids[i], err = idOf(text)
			}
			return err
		}); err != nil {
			return err
		}
		s.ids = append(s.ids, ids...)
	}
	s.people = n
	for len(e.groups) < cycleGroups {
		const size = 20
		i := len(e.groups)
		id, err := e.makeGroup(fmt.Sprintf("team %d", i), s.ids[i*size%n:i*size%n+size])
		if err != nil {
			return err
		}
		e.groups = append(e.groups, id)
	}
	if n < crowd {
		return nil
	}
	id, err := e.makeGroup("crowd", s.ids[:crowd])
	e.groups = append(e.groups, id)
	return err
}

// use starts the bridge anew with a variant.
func (e *edge) use(v variant, more ...string) error {
	if e.bridge != nil {
		_ = e.bridge.Process.Kill()
		_ = e.bridge.Wait()
	}
	e.bridgeEnv = append(v.env(e), more...)
	return e.startBridge()
}

// calls is how many requests the account service has answered.
func (e *edge) calls() (int, error) {
	token, err := os.ReadFile(e.metricsAt)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequest("GET", e.url+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	client, err := e.trusting()
	if err != nil {
		return 0, err
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close() //nolint:errcheck // read only
	sum := 0
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if line := lines.Text(); strings.HasPrefix(line, "scimbridge_account_requests_total{") && !strings.Contains(line, "/metrics") {
			n, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
			if err != nil {
				return 0, err
			}
			sum += int(n)
		}
	}
	return sum, nil
}

// spent measures what some work costs: calls of the account, time, CPU of bridge and account service.
func (e *edge) spent(work func() error) (calls int, elapsed, bridge, service time.Duration, err error) {
	before, err := e.calls()
	if err != nil {
		return 0, 0, 0, 0, err
	}
	b, s, begin := cpuTime(e.bridge.Process.Pid), cpuTime(e.account.Process.Pid), time.Now()
	if err := work(); err != nil {
		return 0, 0, 0, 0, err
	}
	elapsed = time.Since(begin)
	bridge, service = cpuTime(e.bridge.Process.Pid)-b, cpuTime(e.account.Process.Pid)-s
	after, err := e.calls()
	return after - before, elapsed, bridge, service, err
}

// cycle is what Entra ID asks when nothing has changed: each person by the matching attribute, each group by its name and
// by its id without members.
func (e *edge) cycle() error {
	s := e.scim
	if err := parallel(s.people, func(i int) error {
		return get(s, fmt.Sprintf("%s/Users?filter=externalId+eq+%%2200u%07d%%22", s.scim, i))
	}); err != nil {
		return err
	}
	return parallel(cycleGroups, func(i int) error {
		if err := get(s, fmt.Sprintf("%s/Groups?excludedAttributes=members&filter=displayName+eq+%%22team%%20%d%%22", s.scim, i)); err != nil {
			return err
		}
		return get(s, s.scim+"/Groups/"+e.groups[i]+"?excludedAttributes=members")
	})
}

func (e *edge) cycles(w io.Writer) error {
	fmt.Fprintf(w, "Entra cycles over %d unchanged people and %d groups:\n\n", e.scim.people, cycleGroups)
	fmt.Fprintln(w, "| bridge | cycle | calls of the account | of those without copies | seconds | CPU of the bridge | of the account |")
	fmt.Fprintln(w, "| --- | --- | ---: | ---: | ---: | ---: | ---: |")
	without := 0
	for _, v := range variants {
		if err := e.use(v); err != nil {
			return err
		}
		for n := range 3 {
			progress("%s, cycle %d", v.name, n+1)
			calls, elapsed, bridge, service, err := e.spent(e.cycle)
			if err != nil {
				return err
			}
			if without == 0 {
				without = calls
			}
			fmt.Fprintf(w, "| %s | %d | %d | %.1f %% | %.1f | %.2f s | %.2f s |\n", v.name, n+1, calls, 100*float64(calls)/float64(without), elapsed.Seconds(), bridge.Seconds(), service.Seconds())
		}
	}
	// Another replica finds what the last one has left in Redis.
	if err := e.use(variants[2]); err != nil {
		return err
	}
	calls, elapsed, bridge, service, err := e.spent(e.cycle)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "| … started anew, with what is in Redis | 1 | %d | %.1f %% | %.1f | %.2f s | %.2f s |\n\n", calls, 100*float64(calls)/float64(without), elapsed.Seconds(), bridge.Seconds(), service.Seconds())
	return nil
}

// lookups compares look-ups through copies with a server that does nothing but ask Redis.
func (e *edge) lookups(w io.Writer) error {
	floor := filepath.Join(e.dir, "floor")
	if out, err := exec.Command("go", "build", "-o", floor, "./test/bench/floor").CombinedOutput(); err != nil {
		return fmt.Errorf("floor: %w\n%s", err, out)
	}
	line, server, err := start(floor, "redis", e.redisURL)
	if err != nil {
		return err
	}
	defer func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	}()
	floorURL, s := strings.TrimSpace(line), e.scim
	lookup := func(int) error {
		return get(s, s.scim+"/Users?filter=userName+eq+%22"+userName(rand.IntN(s.people))+"%22") //nolint:gosec // a load
	}
	const slices, slice = 6, time.Second
	fmt.Fprintf(w, "Look-ups by userName among %d people, %d connections:\n\n", s.people, clients)
	fmt.Fprintln(w, "| bridge | req/s | p50 ms | p99 ms | CPU of the bridge, ms/req | floor: HTTP and a Redis GET | floor ÷ ours |")
	fmt.Fprintln(w, "| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
	for _, v := range variants {
		if err := e.use(v); err != nil {
			return err
		}
		if err := parallel(s.people, func(i int) error { return get(s, s.scim+"/Users?filter=userName+eq+%22"+userName(i)+"%22") }); err != nil {
			return err
		}
		var ours, floors result
		for range slices {
			progress("look-ups, %s", v.name)
			if err := ours.slice(e.bridge.Process.Pid, slice, lookup); err != nil {
				return err
			}
			if err := floors.slice(server.Process.Pid, slice, func(int) error { return get(s, floorURL+"/"+userName(rand.IntN(s.people))) }); err != nil { //nolint:gosec // a load
				return err
			}
		}
		cpu, bare := ms(ours.CPU)/float64(ours.Requests), ms(floors.CPU)/float64(floors.Requests)
		fmt.Fprintf(w, "| %s | %.0f | %.2f | %.2f | %.3f | %.3f | %.2f |\n", v.name, float64(ours.Requests)/ours.Elapsed.Seconds(), ours.at(.5), ours.at(.99), cpu, bare, bare/cpu)
	}
	fmt.Fprintln(w)
	return nil
}

// slice runs a load for a while and adds what came of it.
func (r *result) slice(pid int, d time.Duration, request func(i int) error) error {
	n, cpu, elapsed, lat, err := run(pid, clients, d, request)
	r.Requests, r.CPU, r.Elapsed, r.latencies = r.Requests+n, r.CPU+cpu, r.Elapsed+elapsed, append(r.latencies, lat...)
	return err
}

func (r *result) at(part float64) float64 {
	slices.Sort(r.latencies)
	return ms(r.latencies[int(part*float64(len(r.latencies)-1))])
}

func (e *edge) imports(w io.Writer) error {
	fmt.Fprintf(w, "An Okta import of %d people, %d a page:\n\n", e.scim.people, importPage)
	fmt.Fprintln(w, "| bridge | calls of the account | seconds | CPU of the bridge | of the account |")
	fmt.Fprintln(w, "| --- | ---: | ---: | ---: | ---: |")
	for _, v := range variants {
		if err := e.use(v); err != nil {
			return err
		}
		calls, elapsed, bridge, service, err := e.spent(e.scim.listAll)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "| %s | %d | %.1f | %.2f s | %.2f s |\n", v.name, calls, elapsed.Seconds(), bridge.Seconds(), service.Seconds())
	}
	fmt.Fprintln(w)
	return nil
}

// mixed is one request of what identity providers send over a day, most of it look-ups.
func (e *edge) mixed(base string, i int) error {
	s, n := e.scim, rand.IntN(e.scim.people) //nolint:gosec // a load
	send := func(method, path, body string) error {
		_, err := s.do(method, base+path, body)
		return err
	}
	switch k := i % 50; {
	case k < 28:
		return send("GET", "/Users?filter=userName+eq+%22"+userName(n)+"%22", "")
	case k < 33:
		return send("GET", fmt.Sprintf("/Users?filter=externalId+eq+%%2200u%07d%%22", n), "")
	case k < 36:
		return send("GET", fmt.Sprintf("/Users?filter=userName+eq+%%22nobody%d@example.com%%22", n), "")
	case k < 40:
		return send("GET", "/Users/"+s.ids[n], "")
	case k < 44:
		return send("GET", "/Groups/"+e.groups[n%cycleGroups]+"?excludedAttributes=members", "")
	case k < 47:
		return send("PATCH", "/Users/"+s.ids[n], fmt.Sprintf(`{"Operations":[{"op":"Replace","path":"title","value":"Title %d"}]}`, i))
	case k < 48:
		return send("PATCH", "/Users/"+s.ids[n], fmt.Sprintf(`{"Operations":[{"op":"Replace","path":"active","value":%v}]}`, i%2 == 0))
	}
	op := `{"Operations":[{"op":"Add","path":"members","value":[{"value":"%s"}]}]}`
	if i%2 == 0 {
		op = `{"Operations":[{"op":"Remove","path":"members[value eq \"%s\"]"}]}`
	}
	return send("PATCH", "/Groups/"+e.groups[len(e.groups)-1], fmt.Sprintf(op, s.ids[n]))
}

// enough is for how many connections two bridges are compared with one: one that has used up its share of a processor
// stands still for most of a tenth of a second, and clients that wait for it must not be all that there are.
const enough = 4 * clients

// twoBridges compares two bridges, each held to a quarter of a processor, with one.
func (e *edge) twoBridges(w io.Writer) error {
	const quarter, seconds = 0.25, 20
	if err := e.use(variants[2]); err != nil {
		return err
	}
	address, err := program.Address()
	if err != nil {
		return err
	}
	second, err := e.bridgeAt(address)
	if err != nil {
		return err
	}
	defer func() {
		_ = second.Process.Kill()
		_ = second.Wait()
	}()
	bases := []string{e.scim.scim, "http://" + address + "/scim/v2"}
	for n, base := range bases { // as after an identity provider's first cycle
		progress("two bridges, copies of bridge %d", n+1)
		if err := parallel(e.scim.people, func(i int) error {
			return errors.Join(get(e.scim, base+"/Users?filter=userName+eq+%22"+userName(i)+"%22"),
				get(e.scim, fmt.Sprintf("%s/Users?filter=externalId+eq+%%2200u%07d%%22", base, i)))
		}); err != nil {
			return err
		}
	}
	group, err := hold("scimbridge-bench-1", quarter, 0, e.bridge.Process.Pid)
	if err != nil {
		return err
	}
	defer group.release()
	other, err := hold("scimbridge-bench-2", quarter, 0, second.Process.Pid)
	if err != nil {
		return err
	}
	defer other.release()
	type carried struct{ rate, bridges, service float64 }
	rate := func(bases []string) (c carried, err error) {
		bridges := func() time.Duration { return cpuTime(e.bridge.Process.Pid) + cpuTime(second.Process.Pid) }
		service, before := cpuTime(e.account.Process.Pid), bridges()
		n, _, elapsed, _, err := run(e.bridge.Process.Pid, enough, seconds*time.Second, func(i int) error { return e.mixed(bases[i%len(bases)], i) })
		share := func(d time.Duration) float64 { return d.Seconds() / elapsed.Seconds() }
		return carried{float64(n) / elapsed.Seconds(), share(bridges() - before), share(cpuTime(e.account.Process.Pid) - service)}, err
	}
	for _, warm := range []bool{true, false} {
		progress("two bridges, warm-up %v", warm)
		one, err := rate(bases[:1])
		if err != nil {
			return err
		}
		two, err := rate(bases)
		if err != nil {
			return err
		}
		if !warm {
			fmt.Fprintf(w, "Mixed load on bridges that are held to %.2f CPU each, %d connections, %d people:\n\n| bridges | req/s | CPU of the bridges | of the account service |\n| --- | ---: | ---: | ---: |\n", quarter, enough, e.scim.people)
			fmt.Fprintf(w, "| one | %.0f | %.2f | %.2f |\n| two | %.0f | %.2f | %.2f |\n| two ÷ one (asked: 1.7) | %.2f | | |\n\n", one.rate, one.bridges, one.service, two.rate, two.bridges, two.service, two.rate/one.rate)
		}
	}
	return nil
}

// smallest sends what Entra ID's gallery demands to a bridge in the smallest container.
func (e *edge) smallest(minutes float64, w io.Writer) error {
	const cpus, memory, perSecond = 0.125, 512 << 20, 25
	if err := e.use(variants[2]); err != nil {
		return err
	}
	group, err := hold("scimbridge-bench-1", cpus, memory, e.bridge.Process.Pid)
	if err != nil {
		return err
	}
	defer group.release()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var r result
	var refused atomic.Int64
	var first error
	begin, total := time.Now(), int(minutes*60*perSecond)
	peak := int64(0)
	for i := range total {
		due := begin.Add(time.Duration(i) * time.Second / perSecond)
		time.Sleep(time.Until(due))
		if i%perSecond == 0 {
			peak = max(peak, rss(e.bridge.Process.Pid))
			progress("the smallest container: %d of %d requests", i, total)
		}
		wg.Go(func() {
			err := e.mixed(e.scim.scim, i)
			took := time.Since(due) // also what it waited for
			mu.Lock()
			defer mu.Unlock()
			r.latencies = append(r.latencies, took)
			if err != nil {
				refused.Add(1)
				first = errors.Join(first, err)
			}
		})
	}
	wg.Wait()
	fmt.Fprintf(w, "The smallest container (%.3f CPU, %d MB; bridge alone, with Redis), %d people, a group of %d, %d requests a second for %.1f minutes:\n\n", cpus, memory>>20, e.scim.people, crowd, perSecond, minutes)
	fmt.Fprintln(w, "| requests | refused | p50 ms | p99 ms | longest ms | RSS at most | asked |\n| ---: | ---: | ---: | ---: | ---: | ---: | --- |")
	fmt.Fprintf(w, "| %d | %d | %.1f | %.1f | %.0f | %.0f MB | none refused, p99 < 250 ms, RSS < 96 MB |\n\n", total, refused.Load(), r.at(.5), r.at(.99), r.at(1), float64(peak)/1e6)
	if first != nil {
		fmt.Fprintln(w, "First refusal:", strings.SplitN(first.Error(), "\n", 2)[0])
	}
	return nil
}

// control is a control group that holds processes to a share of a processor, and of memory.
type control struct{ folders []string }

// hold puts a process into a control group; memory 0: as much as it wants.
func hold(name string, cpus float64, memory int64, pid int) (*control, error) {
	const period = 100_000 // µs, the kernel's own
	quota := int(cpus * period)
	c := &control{}
	put := func(folder string, files map[string]string) error {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("control group (root is needed): %w", err)
		}
		c.folders = append(c.folders, folder)
		for _, name := range slices.Sorted(func(yield func(string) bool) {
			for name := range files {
				if !yield(name) {
					return
				}
			}
		}) {
			if err := os.WriteFile(filepath.Join(folder, name), []byte(files[name]), 0o644); err != nil {
				return fmt.Errorf("control group: %w", err)
			}
		}
		return os.WriteFile(filepath.Join(folder, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644)
	}
	const root = "/sys/fs/cgroup"
	if _, err := os.Stat(root + "/cgroup.controllers"); err == nil { // version 2
		files := map[string]string{"cpu.max": fmt.Sprintf("%d %d", quota, period)}
		if memory > 0 {
			files["memory.max"] = strconv.FormatInt(memory, 10)
		}
		return c, put(filepath.Join(root, name), files)
	}
	if memory > 0 {
		if err := put(filepath.Join(root, "memory", name), map[string]string{"memory.limit_in_bytes": strconv.FormatInt(memory, 10)}); err != nil {
			return c, err
		}
	}
	return c, put(filepath.Join(root, "cpu", name), map[string]string{"cpu.cfs_period_us": strconv.Itoa(period), "cpu.cfs_quota_us": strconv.Itoa(quota)})
}

// release ends the group. What is still in it goes to the root.
func (c *control) release() {
	for _, folder := range c.folders {
		if raw, err := os.ReadFile(filepath.Join(folder, "cgroup.procs")); err == nil {
			for _, pid := range strings.Fields(string(raw)) {
				_ = os.WriteFile(filepath.Join(filepath.Dir(folder), "cgroup.procs"), []byte(pid), 0o644) // it may have ended
			}
		}
		_ = os.Remove(folder)
	}
}
