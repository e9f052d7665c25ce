package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/mail"
)

// figures are the numbers of a collector, by name and values of labels.
func figures(t *testing.T, list ...prometheus.Collector) map[string]float64 {
	t.Helper()
	all := prometheus.NewPedanticRegistry()
	all.MustRegister(list...)
	families, err := all.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return got
}

func TestAccountFigures(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	b := account.Backlog{
		Invitations: map[account.InvitationState]int{
			account.InvitationDue: 1, account.InvitationOpen: 5, account.InvitationRefused: 3, account.InvitationExpired: 4, account.InvitationCancelled: 9,
		},
		Unsent: 2, Accepted: 6, Since: now.Add(-90 * time.Second), Keys: 7, Groups: 8, Guard: account.GuardState{Tripped: now, Held: 10},
	}
	want := map[string]float64{
		"scimbridge_people_waiting confirmation": 6, "scimbridge_people_waiting keys": 7, "scimbridge_confirmation_wait_seconds": 90,
		"scimbridge_invitations due": 1, "scimbridge_invitations unsent": 2, "scimbridge_invitations sent": 3, "scimbridge_invitations refused": 3, "scimbridge_invitations expired": 4,
		"scimbridge_groups_waiting": 8, "scimbridge_guard_tripped": 1, "scimbridge_guard_held_changes": 10,
	}
	clock := func() time.Time { return now }
	if diff := cmp.Diff(want, figures(t, &accountFigures{fixed{b, nil}, clock})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	b.Since = now.Add(time.Minute) // the account's clock is ahead
	if got := figures(t, &accountFigures{fixed{b, nil}, clock})["scimbridge_confirmation_wait_seconds"]; got != 0 {
		t.Errorf("somebody has waited for %v s", got)
	}
	if got := figures(t, &accountFigures{fixed{b, errors.ErrUnsupported}, clock}); len(got) != 0 {
		t.Errorf("of an account that does not say: %v", got)
	}
}

// fixed is an account that says one thing.
type fixed struct {
	backlog account.Backlog
	err     error
}

// Backlog implements backlogged.
func (f fixed) Backlog(context.Context) (account.Backlog, error) { return f.backlog, f.err }

func TestMailMeter(t *testing.T) {
	t.Parallel()
	m := newMailMeter()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		ctx context.Context //nolint:containedctx // of one call
		err error
	}{
		{t.Context(), nil},
		{t.Context(), mail.ErrAddress},
		{t.Context(), mail.ErrRefused},
		{t.Context(), errors.New("connection refused")},
		{gone, context.Canceled}, // the process ends: it is tried again by the next one
	} {
		if err := m.wrap(func(context.Context, mail.Invitation) error { return tt.err })(tt.ctx, mail.Invitation{}); !errors.Is(err, tt.err) {
			t.Errorf("%v has become %v", tt.err, err)
		}
	}
	want := map[string]float64{"scimbridge_mails_total sent": 1, "scimbridge_mails_total undeliverable": 2, "scimbridge_mails_total failed": 1}
	if diff := cmp.Diff(want, figures(t, m.Collectors()...)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
