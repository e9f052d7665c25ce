// Package conformance holds what the RFCs ask of a SCIM server, as values: each Requirement has an id that stays,
// its RFC and section, a level, a sentence and a black-box check. The RFCs are 7643 (schema), 7644 (protocol),
// 9865 (cursor pagination) and 9967 (events). The same values run in a test in-process and against any server by
// URL.
//
// A check sees what any client sees: requests and answers. It makes the people and groups that it needs under names
// that carry the run's id, in the reserved domain example.com, and Close deletes them. It reads nobody else's data
// beyond what a list happens to show, and counts only what it made itself, so that a server in use can be checked.
// What a server announces that it does not do is not applicable, and so is what cannot be seen from outside; the
// reason is told.
//
// The package must not know which server it speaks to: it imports nothing of this module. Where an RFC leaves a
// choice, every choice passes; where real clients need more than an RFC says, the level is IOP.
//
// Begin with Requirements for the values, NewClient to run them one by one, and Run for all of them and a Report.
package conformance

import (
	"context"
	"errors"
	"fmt"
)

// Level tells how strongly something is asked for.
type Level string

const (
	// Must stands for MUST, SHALL, REQUIRED and their negatives.
	Must Level = "MUST"
	// Should stands for SHOULD, RECOMMENDED and their negatives.
	Should Level = "SHOULD"
	// May stands for MAY: a server that does otherwise is right, too.
	May Level = "MAY"
	// Def follows from a definition, a grammar or a table without a keyword. It counts as MUST.
	Def Level = "DEF"
	// Iop is what clients in use need, or plain hardening. It counts as SHOULD.
	Iop Level = "IOP"
)

// Counts returns what a failure at this level counts as: Must, Should or May.
func (l Level) Counts() Level {
	switch l {
	case Def:
		return Must
	case Iop:
		return Should
	default:
		return l
	}
}

// Requirement is one thing that a SCIM server owes its clients.
type Requirement struct {
	ID      string // "RFC7643-2.1-1": RFC, section, a number that is never given twice
	RFC     string // "7643"
	Section string // "2.1"; of several sections the first
	Level   Level
	Summary string

	// Check tries the server. It returns nil where the requirement is met, an error that wraps ErrFailed where it
	// is not, one that wraps ErrNotApplicable where the question does not arise, and any other error where no
	// answer could be had. It may be called again, with the same client or another, and from one goroutine at a
	// time. What it makes, Client.Close deletes.
	Check func(ctx context.Context, c *Client) error
}

var (
	// ErrFailed means that the server does not do what is asked. The text says what was sent and what came back.
	ErrFailed = errors.New("requirement not met")
	// ErrNotApplicable means that the question does not arise, or cannot be answered from outside.
	ErrNotApplicable = errors.New("not applicable")
)

// Requirements returns all of them, in the order of their numbers. The slice is the caller's.
func Requirements() []Requirement {
	var all []Requirement
	for _, part := range []func() []Requirement{
		attributeRequirements, schemasRequirements, commonRequirements, userRequirements, groupRequirements, enterpriseRequirements,
		describedRequirements,
		messageRequirements, createRequirements, listRequirements, filterRequirements, sortRequirements,
		pageRequirements, projectionRequirements, searchRequirements, putRequirements, patchRequirements,
		addRequirements, removeRequirements, replaceRequirements, deleteRequirements, bulkRequirements,
		formatRequirements, errorRequirements, versionRequirements, discoveryRequirements, securityRequirements,
		cursorRequirements, eventRequirements,
	} {
		all = append(all, part()...)
	}
	return all
}

// entry is one line of a section's table.
type entry struct {
	number  int
	level   Level
	summary string
	check   func(*probe)
}

// section makes the requirements of one section.
func section(rfc, sec string, entries ...entry) []Requirement {
	list := make([]Requirement, 0, len(entries))
	for _, e := range entries {
		list = append(list, Requirement{
			ID:      fmt.Sprintf("RFC%s-%s-%d", rfc, sec, e.number),
			RFC:     rfc,
			Section: sec,
			Level:   e.level,
			Summary: e.summary,
			Check: func(ctx context.Context, c *Client) error {
				p := &probe{ctx: ctx, c: c, trace: &trace{}}
				e.check(p)
				return p.result()
			},
		})
	}
	return list
}

// join puts the sections of a file together.
func join(sections ...[]Requirement) []Requirement {
	var all []Requirement
	for _, s := range sections {
		all = append(all, s...)
	}
	return all
}

// unseen is the check of what requests and answers do not show.
func unseen(reason string) func(*probe) {
	return func(p *probe) { p.skip("%s", reason) }
}

// Reasons of unseen checks that occur more than once.
const (
	needsTenant  = "needs a second tenant; one token shows one tenant"
	needsStore   = "not visible from outside: it concerns what the server stores or logs"
	needsTokens  = "needs tokens of other rights or ages; the check has one valid token"
	needsFailure = "needs the server to fail on purpose"
)
