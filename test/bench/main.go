// Command bench measures the real program, as a process of its own, on loopback, with its account in SQLite on disk,
// and beside it the floor: the same HTTP server and account with no SCIM in between. The figure to compare is the
// server's CPU per request, which survives a noisy machine; throughput and latencies stand beside it.
//
// Two sizes are alive at the same time and measured in turn, slice by slice, so that what the machine does meanwhile
// hits both. Everything is bounded in count and time.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

func main() {
	sizes := flag.String("sizes", "1000,10000,100000", "people, comma-separated; the last is compared with the first")
	slice := flag.Duration("slice", 700*time.Millisecond, "time of one slice of one measurement")
	slices := flag.Int("slices", 6, "slices of each measurement")
	asJSON := flag.Bool("json", false, "print JSON")
	only := flag.String("only", "", "requests: only the requests, in one process; apart: only those, in two; edge: only what clients' habits cost, and small containers; admission: only how people are admitted")
	minutes := flag.Float64("minutes", 10, "how long the smallest container has its load")
	admitted := flag.Int("admitted", 10_000, "people who are admitted")
	flag.Parse()
	for _, part := range []struct {
		name string
		open func(dir string, people int) (*site, error)
	}{{"requests", newSite}, {"apart", newApart}} {
		if *only != "" && *only != part.name {
			continue
		}
		if err := bench(part.open, *sizes, *slice, *slices, *asJSON); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		fmt.Println()
	}
	if (*only == "" || *only == "edge") && !*asJSON {
		if err := benchEdge(*minutes); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
	}
	if (*only == "" || *only == "admission") && !*asJSON {
		if err := benchAdmission(*admitted); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
	}
}

func benchEdge(minutes float64) error {
	dir, err := os.MkdirTemp("", "edge")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // nothing is lost
	return edges(context.Background(), dir, everybody, minutes, os.Stdout)
}

func benchAdmission(people int) error {
	if people <= burst {
		return fmt.Errorf("--admitted: more than %d", burst)
	}
	dir, err := os.MkdirTemp("", "admission")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // nothing is lost
	fmt.Println()
	return admission(context.Background(), dir, people, os.Stdout)
}

func bench(open func(dir string, people int) (*site, error), sizes string, slice time.Duration, slices int, asJSON bool) error {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	dir, err := os.MkdirTemp("", "scimbridge-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // nothing is lost
	go func() {
		<-interrupted
		_ = os.RemoveAll(dir)
		os.Exit(130)
	}()
	var sites []*site
	for _, text := range strings.Split(sizes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1000 {
			return fmt.Errorf("size %q: a number of at least 1000", text)
		}
		s, err := open(filepath.Join(dir, text), n)
		if err != nil {
			return err
		}
		defer s.stop()
		sites = append(sites, s)
	}
	progress("")
	r := report{Machine: machine(), Sizes: sizes, Clients: clients}
	for _, op := range operations() {
		if op.everybody != nil {
			for _, s := range sites {
				progress("%s, everybody of %d", op.name, s.people)
				if err := parallel(s.people, func(i int) error { return op.everybody(s, i) }); err != nil {
					return err
				}
			}
		}
		progress("measuring %s", op.name)
		for i := range 1 + slices {
			for _, s := range sites {
				if err := s.measure(op, slice); err != nil {
					return fmt.Errorf("%s with %d people: %w", op.name, s.people, err)
				}
				if i == 0 { // the first slice fills caches and is not counted
					delete(s.results, op.name)
				}
			}
		}
	}
	for _, s := range sites {
		r.add(s)
		if err := s.listAll(); err != nil {
			return err
		}
		r.Memory = append(r.Memory, memory{s.people, s.seeded, rss(s.bridge.Process.Pid)})
	}
	progress("")
	if asJSON {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	if sites[0].account != nil {
		r.writeApart(os.Stdout)
	} else {
		r.write(os.Stdout)
	}
	return nil
}

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "\r\033[K"+format, args...)
}

func machine() string {
	model := "unknown processor"
	if raw, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.SplitSeq(string(raw), "\n") {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d CPUs, %s, %s", model, runtime.NumCPU(), runtime.Version(), time.Now().UTC().Format(time.DateOnly))
}
