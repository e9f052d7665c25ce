package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Outcome is what became of a requirement.
type Outcome string

const (
	// Pass means that the server does what is asked.
	Pass Outcome = "pass"
	// Fail means that it does not.
	Fail Outcome = "fail"
	// NotApplicable means that the question does not arise or cannot be answered from outside.
	NotApplicable Outcome = "n/a"
	// Error means that no answer could be had, such as when the connection broke.
	Error Outcome = "error"
)

// Row is one requirement with its outcome. The JSON names stay.
type Row struct {
	ID      string  `json:"id"`
	RFC     string  `json:"rfc"`
	Section string  `json:"section"`
	Level   Level   `json:"level"`
	Counts  Level   `json:"countsAs"` // MUST, SHOULD or MAY
	Summary string  `json:"summary"`
	Outcome Outcome `json:"outcome"`
	Detail  string  `json:"detail,omitempty"` // why it failed and what was sent and received, or why it is not applicable
}

// Check tries one requirement.
func (c *Client) Check(ctx context.Context, r Requirement) Row {
	row := Row{
		ID: r.ID, RFC: r.RFC, Section: r.Section, Level: r.Level, Counts: r.Level.Counts(),
		Summary: r.Summary, Outcome: Pass,
	}
	err := r.Check(ctx, c)
	switch {
	case err == nil:
		return row
	case errors.Is(err, ErrNotApplicable):
		row.Outcome = NotApplicable
		row.Detail = strings.TrimPrefix(err.Error(), ErrNotApplicable.Error()+": ")
	case errors.Is(err, ErrFailed):
		row.Outcome = Fail
		row.Detail = strings.TrimPrefix(err.Error(), ErrFailed.Error()+": ")
	default:
		row.Outcome = Error
		row.Detail = err.Error()
	}
	row.Detail = c.redact(row.Detail)
	return row
}

// Run checks all requirements and clears up. The error is of NewClient, or the context's after an interrupt; then
// the report holds the rows so far, and the error names what could not be deleted.
func Run(ctx context.Context, cfg Config) (Report, error) {
	report := Report{URL: cfg.BaseURL, Started: time.Now().UTC()}
	c, err := NewClient(ctx, cfg)
	if err != nil {
		return report, err
	}
	all := Requirements()
	rows := make([]*Row, len(all))
	done := 0
	for _, i := range order(all) {
		if ctx.Err() != nil {
			break
		}
		row := c.Check(ctx, all[i])
		if ctx.Err() != nil {
			break // what was interrupted says nothing
		}
		rows[i] = &row
		done++
		if cfg.Progress != nil {
			cfg.Progress(done, len(all))
		}
	}
	report.Left = c.Close(ctx)
	for _, row := range rows {
		if row != nil {
			report.Rows = append(report.Rows, *row)
		}
	}
	report.Seconds = time.Since(report.Started).Seconds()
	report.Totals = totals(report.Rows)
	if err := ctx.Err(); err != nil && len(report.Left) > 0 {
		return report, fmt.Errorf("%w; delete by hand: %s", err, strings.Join(report.Left, " "))
	}
	return report, ctx.Err()
}

// order returns the indexes of the requirements, those that look back at the whole run last.
func order(all []Requirement) []int {
	var first, last []int
	for i, r := range all {
		if retrospective(r.ID) {
			last = append(last, i)
		} else {
			first = append(first, i)
		}
	}
	return slices.Concat(first, last)
}

// retrospective tells which requirements rest on the audit.
func retrospective(id string) bool {
	return slices.Contains([]string{
		"RFC7643-3-41", "RFC7643-3.1-48", "RFC7643-3.1-51", "RFC7643-4.1-81", "RFC7643-8-123",
		"RFC7644-3.1-132", "RFC7644-3.2-138", "RFC7644-3.12-327", "RFC7644-3.12-328", "RFC7644-3.12-329",
		"RFC7644-3.12-331", "RFC7644-3.12-332",
	}, id)
}
