package server

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/scimbridge/scimbridge/internal/server/scimapi"
	"github.com/scimbridge/scimbridge/scim"
)

const (
	// reportLife is how long a report counts, as the original documents it.
	reportLife = 10 * time.Minute
	// healthTime bounds the look at the components for /health. A component that has not answered by then is not well, and
	// monitors wait five seconds or more to hear so.
	healthTime = 3 * time.Second
)

// Report is what a component says of itself.
type Report struct {
	Source   string
	Detail   string // for people; may be empty when healthy
	Progress string // of long work that is under way, without names; empty: of none
	Time     time.Time
	State    string // Healthy, or a word for what is wrong
}

// The states of a report. The original documents the first only.
const (
	Healthy    = "healthy"
	Unhealthy  = "unhealthy"
	Starting   = "starting"
	Attention  = "attention"   // the component works, and somebody waits whom it cannot help
	NoDatabase = "no database" // the component answers, and what it needs does not
	ClockOff   = "clock off"   // the clock here is too far from the component's
)

// Check asks a component. It returns soon after ctx has ended.
type Check func(ctx context.Context) Report

// Health collects the reports of the components.
type Health struct {
	Version string // 1.2.3
	Build   string // 102031: major, two digits each of minor and patch, one digit of the build
	Checks  []Check
	Clock   func() time.Time
	Log     *slog.Logger // takes note of what a component's state becomes; nil: nobody does

	mu   sync.Mutex        // guards said
	said map[string]string // the state that the log has last, by source
}

// Reports asks all components at once, for a while at most.
func (h *Health) Reports(ctx context.Context) []Report {
	asker := ctx
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	reports := make([]Report, len(h.Checks))
	var g sync.WaitGroup
	for i, check := range h.Checks {
		g.Go(func() { reports[i] = check(ctx) })
	}
	g.Wait()
	if !errors.Is(asker.Err(), context.Canceled) { // who has gone away has ended the checks, and nothing is wrong
		h.note(ctx, reports)
	}
	return reports
}

// note logs a component's state when it is asked for the first time, and whenever it is another than before: alarms that
// know no more of a bridge than its log are made of these lines. They are few, however often somebody asks.
func (h *Health) note(ctx context.Context, reports []Report) {
	if h.Log == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.said == nil {
		h.said = map[string]string{}
	}
	for _, r := range reports {
		if h.said[r.Source] == r.State {
			continue
		}
		h.said[r.Source] = r.State
		level := slog.LevelWarn
		if r.State == Healthy {
			level = slog.LevelInfo
		}
		h.Log.Log(ctx, level, "health", "source", r.Source, "state", r.State)
	}
}

// document is the documented answer of /health; its member names are an interface to monitors.
type document struct {
	Build       string   `json:"build"`
	Version     string   `json:"version"`
	Reports     []report `json:"reports"`
	RetrievedAt string   `json:"retrievedAt"`
}

type report struct {
	Source   string `json:"source"`
	Time     string `json:"time"`
	Expires  string `json:"expires"`
	State    string `json:"state"`
	Progress string `json:"progress,omitempty"` // ours: the original documents the others
}

// answer writes the reports: 200 when all are healthy, else 503.
func (h *Health) answer(w http.ResponseWriter, r *http.Request) {
	doc := document{Build: h.Build, Version: h.Version, Reports: []report{}, RetrievedAt: stamp(h.Clock())}
	status := http.StatusOK
	for _, rep := range h.Reports(r.Context()) {
		if rep.State != Healthy {
			status = http.StatusServiceUnavailable
		}
		doc.Reports = append(doc.Reports, report{rep.Source, stamp(rep.Time), stamp(rep.Time.Add(reportLife)), rep.State, rep.Progress})
	}
	body, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		scimapi.WriteError(w, r, scim.Errorf(500, "", "The health report could not be written."))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
