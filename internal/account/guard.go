package account

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// The guard is for the day on which an identity provider, or whoever has stolen its token, suspends everybody. It counts
// what the integration takes away within a rolling hour. Above the limit it either lets it pass and says so, or holds
// it back until an administrator of the account has looked: the change is not made, the caller is told so, and what was
// held is made when it is approved. The holder of the token cannot approve.

// GuardMode says what happens above the limit.
type GuardMode string

// The modes of the guard.
const (
	GuardObserve GuardMode = "observe" // the change is made, entered, and shown in the health
	GuardHold    GuardMode = "hold"    // the change waits for an administrator
)

const (
	guardWindow = time.Hour
	// Fewer than this are never held, so that a small company can let people go.
	guardPeople = 5
	// guardShare of the active people may be suspended within the window: one in ten.
	guardShare = 10
	// guardGroup is from how many members on a group is guarded; smaller ones change by halves every day.
	guardGroup = 10
	// guardBase is how long the number of active people is taken as it was counted.
	guardBase = time.Minute
	// guardRetry is after how long whoever was held may ask again: an administrator needs minutes to look and to approve,
	// and an identity provider that asks every few seconds gives up before that.
	guardRetry = 10 * time.Minute
)

// What the guard counts.
const (
	guardSuspend = "suspend" // people, all together
	guardRemove  = "remove"  // members, by group
)

// HeldKind says what was held.
type HeldKind string

// The kinds of held changes.
const (
	HeldSuspension HeldKind = "suspend" // of the user Subject
	HeldRelease    HeldKind = "release" // of the user Subject
	HeldRemoval    HeldKind = "remove"  // of Users from the group Subject
)

// Held is a change that waits for an administrator.
type Held struct {
	Kind    HeldKind  `json:"kind"`
	Subject string    `json:"subject"` // id of the user or group
	Users   []string  `json:"users,omitempty"`
	At      time.Time `json:"at"`
}

// ErrHeld means that the guard holds a change back.
var ErrHeld = errors.New("held back by the guard")

// HeldError says what the guard holds back.
type HeldError struct {
	Held
	Reason string
	Retry  time.Duration // after how long it makes sense to ask again
}

func (e *HeldError) Error() string { return ErrHeld.Error() + ": " + e.Reason }
func (e *HeldError) Unwrap() error { return ErrHeld }

// GuardState is what the guard says of itself.
type GuardState struct {
	Mode    GuardMode `json:"mode"`
	Tripped time.Time `json:"tripped"` // when it last was above a limit, within the window; zero: it was not
	Held    int       `json:"held"`    // changes that wait
}

const (
	settingGuard    = "policy.guard"
	settingTripped  = "guard.tripped"  // milliseconds since 1970
	settingApproved = "guard.approved" // until when nothing is held
)

// active is the number of active people as it was counted a short while ago.
type active struct {
	n  int
	at time.Time
}

type activeCount struct{ atomic.Pointer[active] }

// takeaway judges one more person who is suspended or released by the integration.
func (s *Service) takeaway(ctx context.Context, tx Tx, row *UserRow, kind HeldKind) error {
	if CallerFrom(ctx).Kind != Integration || !row.State.Live() {
		return nil
	}
	n, err := s.countGuard(tx, guardSuspend, "", 1)
	if err != nil || n <= guardPeople {
		return err
	}
	base, err := s.activePeople(tx)
	if err != nil {
		return err
	}
	// Who was suspended within the window is not among the active any more, and was when it began.
	if limit := max(guardPeople, (base+n)/guardShare); n <= limit {
		return nil
	}
	return s.trip(ctx, tx, Held{Kind: kind, Subject: row.ID},
		fmt.Sprintf("%d people would be suspended within an hour, out of %d active", n, base+n-1))
}

// removal judges members whom the integration removes from a group.
func (s *Service) removal(ctx context.Context, tx Tx, row *GroupRow, who people, removed []int64) error {
	if CallerFrom(ctx).Kind != Integration || len(removed) == 0 {
		return nil
	}
	n, err := s.countGuard(tx, guardRemove, row.ID, len(removed))
	if err != nil {
		return err
	}
	before := row.Members + n // row.Members has them no more
	if before < guardGroup || n*2 <= before {
		return nil
	}
	h := Held{Kind: HeldRemoval, Subject: row.ID}
	for _, seq := range removed {
		id := who.ids[seq]
		if id == "" {
			if id, err = tx.UserID(seq); err != nil {
				return err
			}
		}
		h.Users = append(h.Users, id)
	}
	return s.trip(ctx, tx, h, fmt.Sprintf("%d of a group's %d members would be removed within an hour", n, before))
}

// countGuard adds to what was counted within the window and returns the sum.
func (s *Service) countGuard(tx Tx, kind, subject string, n int) (int, error) {
	minute := s.now().Unix() / 60
	return tx.GuardCount(kind, subject, minute, minute-int64(guardWindow/time.Minute), n)
}

func (s *Service) activePeople(tx Tx) (int, error) {
	now := s.now()
	if a := s.active.Load(); a != nil && now.Sub(a.at) < guardBase && !now.Before(a.at) {
		return a.n, nil
	}
	_, n, _, err := tx.Users(Query{Terms: []Term{{ByActive, Eq, "true"}}}, VisibleOnly)
	if err == nil {
		s.active.Store(&active{n, now})
	}
	return n, err
}

// trip notes that a limit was passed, and holds the change where the policy says so.
func (s *Service) trip(ctx context.Context, tx Tx, h Held, reason string) error {
	mode, err := tx.Setting(settingGuard)
	if err != nil {
		return err
	}
	if GuardMode(mode) == GuardHold {
		approved, err := moment(tx, settingApproved)
		if err != nil {
			return err
		}
		if !s.now().Before(approved) {
			h.At = s.now()
			return &HeldError{Held: h, Reason: reason, Retry: guardRetry}
		}
	}
	return s.tripped(ctx, tx, reason)
}

// tripped notes the moment, and enters it once in a window.
func (s *Service) tripped(ctx context.Context, tx Tx, reason string) error {
	last, err := moment(tx, settingTripped)
	if err != nil || s.now().Sub(last) < guardWindow {
		return err
	}
	s.log.WarnContext(ctx, "guard", "reason", reason)
	return errors.Join(tx.SetSetting(settingTripped, strconv.FormatInt(s.now().UnixMilli(), 10)), s.enter(ctx, tx, "guard.trip", "account", "", reason))
}

func moment(tx Tx, key string) (time.Time, error) {
	text, err := tx.Setting(key)
	if err != nil || text == "" {
		return time.Time{}, err
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	return time.UnixMilli(ms).UTC(), err
}

// keep remembers a change that was held, after it has been undone.
func (s *Service) keep(ctx context.Context, h *HeldError) error {
	return s.store.Update(ctx, func(tx Tx) error {
		return errors.Join(tx.PutHeld(&h.Held), s.tripped(ctx, tx, h.Reason), s.enter(ctx, tx, "guard.hold", heldObject(h.Kind), h.Subject, string(h.Kind)))
	})
}

func heldObject(k HeldKind) string {
	if k == HeldRemoval {
		return "group"
	}
	return "user"
}

// Guard is the state of the guard.
func (s *Service) Guard(ctx context.Context) (GuardState, error) {
	var g GuardState
	err := s.store.View(ctx, func(tx Tx) (err error) {
		g, err = s.guard(tx)
		return err
	})
	return g, err
}

func (s *Service) guard(tx Tx) (g GuardState, err error) {
	mode, err := tx.Setting(settingGuard)
	if err != nil {
		return g, err
	}
	if g.Mode = GuardMode(mode); mode == "" {
		g.Mode = GuardObserve
	}
	if g.Tripped, err = moment(tx, settingTripped); err != nil {
		return g, err
	}
	if s.now().Sub(g.Tripped) >= guardWindow {
		g.Tripped = time.Time{}
	}
	held, err := tx.Held()
	g.Held = len(held)
	return g, err
}

// HeldChanges lists the changes that wait, the oldest first.
func (s *Service) HeldChanges(ctx context.Context) ([]Held, error) {
	var list []Held
	err := s.store.View(ctx, func(tx Tx) (err error) {
		list, err = tx.Held()
		return err
	})
	return list, err
}

// Approve makes the changes that wait, and lets everything pass for an hour, so that the identity provider can finish
// what it has begun. It returns how many were made; those that have become pointless are left out.
func (s *Service) Approve(ctx context.Context) (int, error) {
	list, err := s.HeldChanges(ctx)
	if err != nil {
		return 0, err
	}
	until := strconv.FormatInt(s.now().Add(guardWindow).UnixMilli(), 10)
	if err := s.update(ctx, "guard.approve", "account", "", func(tx Tx) error {
		return errors.Join(tx.SetSetting(settingApproved, until), s.enter(ctx, tx, "guard.approve", "account", "", strconv.Itoa(len(list))))
	}); err != nil {
		return 0, err
	}
	made := 0
	for i := range list {
		h := &list[i]
		err := s.carryOut(ctx, h)
		switch {
		case err == nil:
			made++
		case errors.Is(err, ErrNotFound), errors.Is(err, ErrProtected): // overtaken
		default:
			return made, fmt.Errorf("%s of %s: %w", h.Kind, h.Subject, err)
		}
		if err := s.store.Update(ctx, func(tx Tx) error { return tx.DeleteHeld(h) }); err != nil {
			return made, err
		}
	}
	return made, nil
}

func (s *Service) carryOut(ctx context.Context, h *Held) error {
	switch h.Kind {
	case HeldSuspension:
		no := false
		_, err := s.ChangeUser(ctx, h.Subject, UserChange{Active: &no})
		return err
	case HeldRelease:
		return s.ReleaseUser(ctx, h.Subject, 0)
	default:
		_, err := s.ChangeGroup(ctx, h.Subject, GroupChange{Steps: []MemberStep{{Kind: Remove, Users: h.Users}}})
		return err
	}
}

// Dismiss forgets the changes that wait. It returns how many there were.
func (s *Service) Dismiss(ctx context.Context) (int, error) {
	n := 0
	err := s.update(ctx, "guard.dismiss", "account", "", func(tx Tx) error {
		list, err := tx.Held()
		if err != nil {
			return err
		}
		n = len(list)
		for i := range list {
			if err := tx.DeleteHeld(&list[i]); err != nil {
				return err
			}
		}
		return errors.Join(tx.SetSetting(settingTripped, ""), s.enter(ctx, tx, "guard.dismiss", "account", "", strconv.Itoa(n)))
	})
	return n, err
}

// parseGuard reads a mode.
func parseGuard(text string) (GuardMode, error) {
	switch m := GuardMode(strings.ToLower(strings.TrimSpace(text))); m {
	case "", GuardObserve:
		return GuardObserve, nil
	case GuardHold:
		return m, nil
	}
	return "", &InvalidError{"guard", fmt.Sprintf("%q is neither observe nor hold", text)}
}
