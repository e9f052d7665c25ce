package accountapi_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accountapi"
)

// TestRoutesOfCalls: whatever route a bridge calls, its metrics know it by the pattern that the service has for it.
func TestRoutesOfCalls(t *testing.T) {
	t.Parallel()
	_, h := serve(t, nil)
	filled := strings.NewReplacer("{id}", "abcdefghijklmnopqrstuvwxyz", "{name}", account.WatchersLease, "{ref}", "a.b.1")
	for _, route := range h.Routes() {
		if _, pattern, _ := strings.Cut(route.Pattern, " "); accountapi.RouteOf(filled.Replace(pattern)) != pattern {
			t.Errorf("%s is known as %s", pattern, accountapi.RouteOf(filled.Replace(pattern)))
		}
	}
}

// TestCalls: calls are counted by what came of them, each try.
func TestCalls(t *testing.T) {
	t.Parallel()
	k := founded(t)
	url, h := serve(t, nil, k)
	r := remote(t, url, nil, k)
	if _, err := r.Describe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.User(t.Context(), "abcdefghijklmnopqrstuvwxyz"); err == nil {
		t.Fatal("there is nobody of that id")
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Group(gone, "abcdefghijklmnopqrstuvwxyz"); err == nil {
		t.Fatal("nobody waits for the answer")
	}
	h.Drain() // whoever waits for changes is sent away, and comes again until it gives up
	if _, err := r.Changes(t.Context(), 1<<40, 10); err == nil {
		t.Fatal("it ends")
	}
	all := prometheus.NewRegistry()
	all.MustRegister(r.Collectors()...)
	families, err := all.Gather()
	must(t, err)
	got := map[string]bool{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			text := ""
			for _, l := range m.GetLabel() {
				text += " " + l.GetValue()
			}
			got[f.GetName()+text] = m.GetCounter().GetValue() == 1 || m.GetHistogram().GetSampleCount() == 1
		}
	}
	const total, seconds = "scimbridge_account_calls_total ", "scimbridge_account_call_seconds "
	want := map[string]bool{ // whether it was once
		total + "POST /v1/auth/challenge ok": true, total + "POST /v1/auth/session ok": true,
		total + "GET /v1/account ok": true, total + "GET /v1/users/{id} refused": true, total + "GET /v1/groups/{id} cancelled": true, total + "GET /v1/changes failed": false,
		seconds + "POST /v1/auth/challenge": true, seconds + "POST /v1/auth/session": true,
		seconds + "GET /v1/account": true, seconds + "GET /v1/users/{id}": true, seconds + "GET /v1/groups/{id}": true, seconds + "GET /v1/changes": false,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
