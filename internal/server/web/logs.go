package web

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	// shownLines is how many lines the page of the log shows, what a browser on a phone still scrolls well.
	shownLines = 300
	// downloadLines is how many lines a download has at most: some 3 MB.
	downloadLines = 10_000
)

// LogQuery says which lines of the log are wanted.
type LogQuery struct {
	Level   string // the name of one of levels
	Replica string // empty: of all
	Most    int    // the newest
}

// Log is what the log of all replicas has.
type Log struct {
	Lines      []LogLine // newest first
	More       bool      // there are older ones
	Replicas   []string  // that have logged
	Shared     bool      // replicas share what they log
	Problem    string    // why only this replica's lines are here
	Unreadable int       // entries in what is shared that no replica wrote
}

// LogLine is a line of the log.
type LogLine struct {
	Time    time.Time
	Level   string
	Replica string
	Text    string
	Missing int // instead of a text: so many lines of the replica are missing
}

// Class is the line's level as the style knows it.
func (l LogLine) Class() string {
	switch {
	case l.Missing > 0:
		return "gap"
	case strings.HasPrefix(l.Level, "ERROR"):
		return "error"
	case strings.HasPrefix(l.Level, "WARN"):
		return "warn"
	}
	return "plain"
}

// Level is a choice of lines.
type Level struct{ Name, Word string }

// levels are the choices. The empty name is everything that is logged.
var levels = []Level{{"", "Everything"}, {"info", "Info and worse"}, {"warn", "Warnings and errors"}, {"error", "Errors"}}

// logPage is what the page of the log shows.
type logPage struct {
	Log
	Query  LogQuery
	Levels []Level
}

// Choices are the replicas to choose from, the chosen one among them even if it is silent.
func (p logPage) Choices() []string {
	for _, r := range p.Replicas {
		if r == p.Query.Replica {
			return p.Replicas
		}
	}
	if p.Query.Replica == "" {
		return p.Replicas
	}
	return append([]string{p.Query.Replica}, p.Replicas...)
}

// maxReplicaName bounds what is repeated of a replica's name, in bytes.
const maxReplicaName = 80

// logQuery reads the choices; whatever is none of them is everything.
func logQuery(r *http.Request, most int) LogQuery {
	q := LogQuery{Most: most}
	for _, l := range levels {
		if r.URL.Query().Get("level") == l.Name {
			q.Level = l.Name
		}
	}
	if name := r.URL.Query().Get("replica"); len(name) <= maxReplicaName {
		q.Replica = name
	}
	return q
}

func (h *Handler) logs(w http.ResponseWriter, r *http.Request) {
	if !h.signedIn(r) {
		http.Redirect(w, r, "/app/login", http.StatusSeeOther)
		return
	}
	q := logQuery(r, shownLines)
	h.render(w, r, http.StatusOK, "logs", "Log", true, logPage{h.Lines(r.Context(), q), q, levels})
}

// download hands the lines out as text, the oldest first, as the log has them and with the replica's name.
func (h *Handler) download(w http.ResponseWriter, r *http.Request) {
	if !h.signedIn(r) {
		http.Redirect(w, r, "/app/login", http.StatusSeeOther)
		return
	}
	l := h.Lines(r.Context(), logQuery(r, downloadLines))
	var text strings.Builder
	note := func(format string, a ...any) { fmt.Fprintf(&text, "# "+format+"\n", a...) }
	if l.Problem != "" {
		note("%s", l.Problem)
	}
	if l.Unreadable > 0 {
		note("%d entries could not be read.", l.Unreadable)
	}
	if l.More {
		note("There are older lines than these.")
	}
	for i := len(l.Lines) - 1; i >= 0; i-- {
		line := l.Lines[i]
		if line.Missing > 0 {
			note("%d lines of %s are missing.", line.Missing, line.Replica)
			continue
		}
		fmt.Fprintf(&text, "time=%s level=%s replica=%s %s\n", line.Time.UTC().Format("2006-01-02T15:04:05.000Z"), line.Level, line.Replica, line.Text)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="scimbridge-log-`+h.Clock().UTC().Format("20060102T150405Z")+`.txt"`)
	_, _ = w.Write([]byte(text.String()))
}
