package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accountapi"
	"github.com/scimbridge/scimbridge/internal/bridge"
	"github.com/scimbridge/scimbridge/internal/redis"
	"github.com/scimbridge/scimbridge/internal/server"
	"github.com/scimbridge/scimbridge/internal/server/web"
)

// checks are the components that /health reports on. The names are the original's where it has the component.
func checks(a bridge.Account, lock *bridge.Lock, r *redis.Conn, w *bridge.Watchers, started time.Time) []server.Check {
	watcher := func(source string, state func() bridge.WatcherState) server.Check {
		return func(context.Context) server.Report {
			r := watcherReport(state())
			r.Source = source
			if !lock.Open() {
				r.Time, r.State, r.Detail = clock(), "locked", "waiting for the bearer token since "+started.UTC().Format(time.RFC3339)
				return r
			}
			if text := turn(w.Lease()); text != "" {
				r.Detail = strings.TrimPrefix(r.Detail+"; "+text, "; ")
			}
			return r
		}
	}
	return []server.Check{
		func(context.Context) server.Report {
			return server.Report{Source: "SCIMServer", Time: clock(), State: server.Healthy}
		},
		redisCheck(r),
		watcher("ConfirmationWatcher", w.Confirmation),
		watcher("StartProvisionWatcher", w.Provision),
		func(ctx context.Context) server.Report {
			r := server.Report{Source: "Account", Time: clock(), State: server.Healthy}
			_, err := a.Describe(ctx)
			t, tells := a.(interface{ Trouble() error })
			switch {
			case err == nil && tells && t.Trouble() != nil:
				r.State, r.Detail = server.NoDatabase, "the account is read, and its database does not take changes: look whether its disk is full"
			case err == nil:
			case errors.Is(err, accountapi.ErrLocked):
				r.State, r.Detail = "locked", "the bridge signs in once it is unlocked"
			case errors.Is(err, account.ErrGeneration), errors.Is(err, accountapi.ErrRefused):
				r.State, r.Detail = server.Unhealthy, err.Error()
			case errors.Is(err, accountapi.ErrClock):
				r.State, r.Detail = server.ClockOff, err.Error()
			case errors.Is(err, accountapi.ErrDatabase):
				r.State, r.Detail = server.NoDatabase, "the account service answers, and cannot use its database: look at its log"
			default:
				r.State, r.Detail = server.Unhealthy, "the account cannot be reached"
			}
			return r
		},
		func(ctx context.Context) server.Report {
			r := server.Report{Source: "Guard", Time: clock(), State: server.Healthy}
			info, err := a.Describe(ctx)
			switch {
			case err != nil:
				r.State, r.Detail = server.Unhealthy, "the account cannot be reached"
			case info.Guard.Held > 0:
				r.State, r.Detail = server.Attention, fmt.Sprintf("%d changes are held back; see: scimbridge account guard", info.Guard.Held)
			case !info.Guard.Tripped.IsZero():
				r.State, r.Detail = server.Attention, "more was taken away within an hour than usual, last at "+info.Guard.Tripped.Format(time.RFC3339)+"; see: scimbridge account guard"
			}
			return r
		},
	}
}

// turn says which replica watches; empty where there is only one.
func turn(l bridge.LeaseState) string {
	switch {
	case l.Number == 0:
		return ""
	case l.Held:
		return "done by this replica, " + l.Holder
	}
	return "at rest here: done by the replica " + l.Holder
}

// shownFaults is how many people a report names.
const shownFaults = 3

// watcherReport is what a watcher says of itself, in a report's words.
func watcherReport(s bridge.WatcherState) server.Report {
	r := server.Report{Time: clock(), State: server.Healthy, Progress: rekeyingProgress(s.Rekeyings)}
	switch {
	case s.Err != nil:
		r.State, r.Detail = server.Unhealthy, s.Err.Error()
	case len(s.Faults) > 0:
		ids := slices.Sorted(maps.Keys(s.Faults))
		for i, id := range ids {
			if i == shownFaults {
				r.Detail += fmt.Sprintf("; and %d more", len(ids)-i)
				break
			}
			r.Detail += "; " + id + ": " + s.Faults[id]
		}
		r.State, r.Detail = server.Attention, strings.TrimPrefix(r.Detail, "; ")
	}
	return r
}

// rekeyingProgress says how far new keys of groups have come.
func rekeyingProgress(list []account.Rekeying) string {
	var said []string
	for i, k := range list {
		if i == shownFaults {
			said = append(said, fmt.Sprintf("and of %d groups more", len(list)-i))
			break
		}
		said = append(said, fmt.Sprintf("new key of the group %s: %s of %s", k.Group, thousands(k.Have), thousands(k.Of)))
	}
	return strings.Join(said, "; ")
}

// thousands writes a number as people read it: 3,120.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	const group = 3
	for i := len(digits) - group; i > 0; i -= group {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// missingChecks are the reports of a bridge that has no scimsession: it runs, and does not do its work.
func missingChecks() []server.Check {
	return []server.Check{
		func(context.Context) server.Report {
			return server.Report{Source: "SCIMServer", Time: clock(), State: server.Healthy}
		},
		func(context.Context) server.Report {
			return server.Report{Source: "StartProvisionWatcher", Time: clock(), State: server.Setup, Detail: "there is no scimsession; /app says what to do"}
		},
	}
}

// status is what the status page shows.
func status(ctx context.Context, s *server.Server, a bridge.Account, started time.Time) web.Status {
	st := web.Status{Version: version, Build: build, State: s.State(ctx), Started: started}
	for _, r := range s.Health.Reports(ctx) {
		st.Reports = append(st.Reports, web.Report{Source: r.Source, Healthy: r.State == server.Healthy, State: r.State, Detail: r.Detail, Progress: r.Progress, Time: r.Time})
	}
	if a == nil {
		return st
	}
	info, err := a.Describe(ctx)
	if err != nil { // what cannot be reached is not asked three more times while somebody waits for the page
		return st
	}
	st.AccountName, st.Admits = info.Name, len(info.Root) > 0
	if admission, ok := a.(bridge.Admission); ok && st.Admits {
		st.Waiting, st.More = waiting(ctx, admission)
	}
	if people, err := a.Users(ctx, account.Query{}); err == nil {
		st.People = people.Total
	}
	if groups, err := a.Groups(ctx, account.Query{}); err == nil {
		st.Groups = groups.Total
	}
	return st
}

// shownWaiting is how many people who wait the page shows.
const shownWaiting = 100

// waiting are those whose invitation has not led to anything yet; who has to do something comes first.
func waiting(ctx context.Context, a bridge.Admission) (list []web.Waiting, more bool) {
	for _, states := range [][]account.InvitationState{
		{account.InvitationRefused}, {account.InvitationExpired}, {account.InvitationAccepted}, {account.InvitationOpen}, {account.InvitationDue},
	} {
		page, err := a.Invitations(ctx, states, "", shownWaiting+1)
		if err != nil {
			return list, more
		}
		for i := range page {
			if len(list) == shownWaiting {
				return list, true
			}
			list = append(list, invitationLine(&page[i]))
		}
	}
	return list, false
}

// recoveryLine says what somebody waits for who is to make new keys with the link of an owner.
func recoveryLine(w *web.Waiting, at account.InvitationState) {
	w.Word = "Recovery"
	switch at {
	case account.InvitationOpen:
		w.Detail = "Waits for the person to use an owner's link."
	case account.InvitationAccepted:
		w.Detail = "Waits for an owner of the account to confirm the new keys (scimbridge account recover --confirm)."
	default:
		w.Wrong = true
		w.Detail += ". An owner of the account makes a new link (scimbridge account recover)."
	}
}

func invitationLine(i *account.InvitationRow) web.Waiting {
	w := web.Waiting{Name: i.Name, Email: i.Email, Detail: i.Reason}
	if w.Name == w.Email {
		w.Name = ""
	}
	if i.Generation == account.OwnersInvitation {
		recoveryLine(&w, i.State)
		return w
	}
	switch i.State {
	case account.InvitationRefused:
		w.Word, w.Wrong = "Refused", true
		w.Detail += ". An administrator of the account can send a new invitation (scimbridge account resend)."
	case account.InvitationExpired:
		w.Word, w.Wrong, w.Detail = "Expired", true, "Nobody accepted it in time. An administrator of the account can send a new one (scimbridge account resend)."
	case account.InvitationAccepted:
		w.Word, w.Detail = "Accepted", "Is about to be confirmed."
	case account.InvitationOpen:
		w.Word, w.Detail = "Sent", "Can be accepted until "+i.Expires.UTC().Format("2 January 2006, 15:04 UTC")+"."
		if i.Sent.IsZero() {
			w.Word = "Waits to be delivered"
			w.Detail += " No mail server is set up, or it has not taken the mail: an administrator of the account hands the link over (scimbridge account outbox)."
		}
	default:
		w.Word, w.Detail = "Being made", "The link is not made yet."
	}
	return w
}
