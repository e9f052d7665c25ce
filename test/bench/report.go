package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

type report struct {
	Machine string   `json:"machine"`
	Sizes   string   `json:"sizes"`
	Clients int      `json:"clients"`
	Rows    []row    `json:"rows"`
	Memory  []memory `json:"memory"`
}

type row struct {
	Operation string  `json:"operation"`
	People    int     `json:"people"`
	PerSecond float64 `json:"requestsPerSecond"`
	P50       float64 `json:"p50Ms"`
	P99       float64 `json:"p99Ms"`
	CPU       float64 `json:"cpuMsPerRequest"`
	Bridge    float64 `json:"bridgeCpuMsPerRequest"` // of CPU
	FloorCPU  float64 `json:"floorCpuMsPerRequest,omitempty"`
	Ratio     float64 `json:"floorToBridge,omitempty"` // 1: SCIM costs nothing
	Target    float64 `json:"targetCpuMs,omitempty"`
}

type memory struct {
	People     int   `json:"people"`
	Seeded     int64 `json:"rssAfterPreload"`
	AfterPages int64 `json:"rssAfterListing"`
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (r *report) add(s *site) {
	for _, op := range operations() {
		res := s.results[op.name]
		if res == nil || res.Requests == 0 || res.FloorRequests == 0 && s.floor != nil {
			continue
		}
		slices.Sort(res.latencies)
		at := func(part float64) float64 { return ms(res.latencies[int(part*float64(len(res.latencies)-1))]) }
		row := row{
			Operation: op.name, People: s.people, PerSecond: float64(res.Requests) / res.Elapsed.Seconds(), P50: at(.5), P99: at(.99),
			CPU: ms(res.CPU) / float64(res.Requests), Bridge: ms(res.Bridge) / float64(res.Requests), Target: op.target,
		}
		if s.floor != nil {
			row.FloorCPU = ms(res.FloorCPU) / float64(res.FloorRequests)
			row.Ratio = row.FloorCPU / row.CPU
		}
		r.Rows = append(r.Rows, row)
	}
}

// write prints the tables in Markdown.
func (r *report) write(w io.Writer) {
	fmt.Fprintf(w, "%s; %d connections; CPU is the server's, user and system.\n\n", r.Machine, r.Clients)
	fmt.Fprintln(w, "| operation | people | req/s | p50 ms | p99 ms | CPU ms/req | floor | floor ÷ ours | aim | met |")
	fmt.Fprintln(w, "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |")
	for _, op := range operations() {
		for _, row := range r.Rows {
			if row.Operation != op.name {
				continue
			}
			aim, met := "", ""
			if row.Target > 0 {
				aim, met = fmt.Sprintf("≤ %.2f", row.Target), "no"
				if row.CPU <= row.Target {
					met = "yes"
				}
			}
			fmt.Fprintf(w, "| %s | %d | %.0f | %.2f | %.2f | %.3f | %.3f | %.2f | %s | %s |\n",
				row.Operation, row.People, row.PerSecond, row.P50, row.P99, row.CPU, row.FloorCPU, row.Ratio, aim, met)
		}
	}
	r.growth(w)
	fmt.Fprintln(w, "\n| people | RSS after preload | RSS after a full listing by pages |")
	fmt.Fprintln(w, "| ---: | ---: | ---: |")
	for _, m := range r.Memory {
		fmt.Fprintf(w, "| %d | %.0f MB | %.0f MB |\n", m.People, float64(m.Seeded)/1e6, float64(m.AfterPages)/1e6)
	}
}

// writeApart prints the tables of sites whose account is apart.
func (r *report) writeApart(w io.Writer) {
	fmt.Fprintf(w, "%s; %d connections; bridge and account service as two processes over TLS; CPU is user and system of both.\n\n", r.Machine, r.Clients)
	fmt.Fprintln(w, "| operation | people | req/s | p50 ms | p99 ms | CPU ms/req | of it the bridge |")
	fmt.Fprintln(w, "| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
	for _, op := range operations() {
		for _, row := range r.Rows {
			if row.Operation == op.name {
				fmt.Fprintf(w, "| %s | %d | %.0f | %.2f | %.2f | %.3f | %.3f |\n", row.Operation, row.People, row.PerSecond, row.P50, row.P99, row.CPU, row.Bridge)
			}
		}
	}
	fmt.Fprintln(w, "\n| people | RSS of the bridge after preload | after a full listing by pages |")
	fmt.Fprintln(w, "| ---: | ---: | ---: |")
	for _, m := range r.Memory {
		fmt.Fprintf(w, "| %d | %.0f MB | %.0f MB |\n", m.People, float64(m.Seeded)/1e6, float64(m.AfterPages)/1e6)
	}
}

// growth compares the largest size with the smallest, and the largest group with the smallest.
func (r *report) growth(w io.Writer) {
	first, last := r.Rows[0].People, r.Rows[len(r.Rows)-1].People
	cpu := map[string]map[int]float64{}
	for _, row := range r.Rows {
		if cpu[row.Operation] == nil {
			cpu[row.Operation] = map[int]float64{}
		}
		cpu[row.Operation][row.People] = row.CPU
	}
	fmt.Fprintf(w, "\n| operation | CPU at %d ÷ CPU at %d |\n| --- | ---: |\n", last, first)
	for _, op := range operations() {
		a, b := cpu[op.name][first], cpu[op.name][last]
		if a > 0 && b > 0 {
			fmt.Fprintf(w, "| %s | %.2f |\n", op.name, b/a)
		}
	}
	small, large := cpu["one member of 10"][last], cpu["one member of 50000"][last]
	if small > 0 && large > 0 {
		fmt.Fprintf(w, "| one member of 50,000 ÷ one of 10 | %.2f |\n", large/small)
	}
}
