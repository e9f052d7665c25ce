package conformance

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// Report is the outcome of a run. It marshals to JSON under names that stay.
type Report struct {
	URL     string    `json:"url"`
	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"`
	Totals  []Total   `json:"totals"`
	Rows    []Row     `json:"requirements"`
	Left    []string  `json:"left,omitempty"` // paths of what was made and could not be deleted
}

// Total counts the outcomes of what counts as one level: MUST (with DEF), SHOULD (with IOP), MAY.
type Total struct {
	Level         Level `json:"level"`
	Pass          int   `json:"pass"`
	Fail          int   `json:"fail"`
	Error         int   `json:"error"`
	NotApplicable int   `json:"notApplicable"`
}

func (t *Total) add(o Outcome) {
	switch o {
	case Pass:
		t.Pass++
	case Fail:
		t.Fail++
	case Error:
		t.Error++
	case NotApplicable:
		t.NotApplicable++
	}
}

func totals(rows []Row) []Total {
	list := []Total{{Level: Must}, {Level: Should}, {Level: May}}
	for _, row := range rows {
		for i := range list {
			if list[i].Level == row.Counts {
				list[i].add(row.Outcome)
			}
		}
	}
	return list
}

// OK tells whether no MUST has failed. One that could not be tried counts as failed.
func (r Report) OK() bool {
	for _, row := range r.Rows {
		if row.Counts == Must && (row.Outcome == Fail || row.Outcome == Error) {
			return false
		}
	}
	return len(r.Rows) > 0
}

// Layout says how a table is written.
type Layout struct {
	Width  int  // columns; 0: 100
	Colour bool // ANSI colours for the outcomes
	All    bool // every row, not only what failed
}

// WriteTable writes the report for people: what failed with its reason, MUST first; then counts by section and
// level; then the verdict.
func (r Report) WriteTable(w io.Writer, l Layout) error {
	t := &table{w: w, width: max(cmp.Or(l.Width, 100), 60), colour: l.Colour}
	r.writeRows(t, l.All)
	r.writeSections(t)
	r.writeVerdict(t)
	return t.err
}

func (r Report) writeRows(t *table, all bool) {
	for _, level := range []Level{Must, Should, May} {
		for _, row := range r.Rows {
			if row.Counts == level && (row.Outcome == Fail || row.Outcome == Error) {
				t.row(row)
			}
		}
	}
	if !all {
		return
	}
	for _, row := range r.Rows {
		if row.Outcome == Pass || row.Outcome == NotApplicable {
			t.row(row)
		}
	}
}

func (r Report) writeSections(t *table) {
	t.printf("%-24s %6s %6s %6s %6s\n", "section", "pass", "fail", "error", "n/a")
	var names []string
	counts := map[string]*Total{}
	for _, row := range r.Rows {
		name := "RFC " + row.RFC + " §" + row.Section
		if counts[name] == nil {
			counts[name] = &Total{}
			names = append(names, name)
		}
		counts[name].add(row.Outcome)
	}
	for _, name := range names {
		t.counts(name, *counts[name])
	}
	t.printf("\n")
	for _, total := range r.Totals {
		t.counts(string(total.Level), total)
	}
}

func (r Report) writeVerdict(t *table) {
	verdict := "No MUST fails."
	if !r.OK() {
		verdict = "At least one MUST fails."
	}
	t.printf("\n%s %d requirements in %.1f s against %s\n", verdict, len(r.Rows), r.Seconds, r.URL)
	t.printf("MUST counts DEF (what follows from a definition), SHOULD counts IOP (what clients in use need).\n")
	if len(r.Left) > 0 {
		t.printf("\nCould not be deleted; delete it by hand:\n")
		for _, path := range r.Left {
			t.printf("  %s\n", path)
		}
	}
}

// table writes text and keeps the first error.
type table struct {
	w      io.Writer
	width  int
	colour bool
	err    error
}

func (t *table) printf(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format, args...)
	}
}

func (t *table) counts(name string, n Total) {
	// §'s two bytes count as one column.
	t.printf("%s%*s %6d %6d %6d %6d\n", name, max(24-utf8.RuneCountInString(name), 0), "", n.Pass, n.Fail, n.Error, n.NotApplicable)
}

const indent = 8

func (t *table) row(row Row) {
	t.printf("%s %-6s %-22s ", t.mark(row.Outcome), row.Level, row.ID)
	for i, line := range wrap(row.Summary, t.width-37) {
		if i > 0 {
			t.printf("%37s", "")
		}
		t.printf("%s\n", line)
	}
	for _, line := range wrap(row.Detail, t.width-indent) {
		t.printf("%*s%s\n", indent, "", line)
	}
	if row.Detail != "" {
		t.printf("\n")
	}
}

func (t *table) mark(o Outcome) string {
	word := fmt.Sprintf("%-5s", o)
	if !t.colour {
		return word
	}
	colour := map[Outcome]string{Pass: "32", Fail: "31", Error: "35", NotApplicable: "2"}[o]
	return "\x1b[" + colour + "m" + word + "\x1b[0m"
}

// wrap breaks a text into lines of at most width characters, at spaces where there are any.
func wrap(s string, width int) []string {
	var lines []string
	var line []rune
	for word := range strings.FieldsSeq(s) {
		rest := []rune(printable(word))
		if len(line) > 0 && len(line)+1+len(rest) > width {
			lines, line = append(lines, string(line)), nil
		}
		if len(line) > 0 {
			line = append(line, ' ')
		}
		for len(line)+len(rest) > width {
			n := width - len(line)
			lines, line, rest = append(lines, string(line)+string(rest[:n])), nil, rest[n:]
		}
		line = append(line, rest...)
	}
	if len(line) > 0 {
		lines = append(lines, string(line))
	}
	return lines
}

// printable takes control characters out: what a server answered must not steer the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
