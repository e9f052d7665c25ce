package main

import (
	"testing"

	"github.com/scimbridge/scimbridge/internal/bridge"
)

func TestTurn(t *testing.T) {
	t.Parallel()
	for in, want := range map[bridge.LeaseState]string{
		{}:                        "",
		{Held: true, Holder: "a"}: "", // alone
		{Held: true, Holder: "pod-1-abc", Number: 7}: "done by this replica, pod-1-abc",
		{Holder: "pod-0-xyz", Number: 8}:             "at rest here: done by the replica pod-0-xyz",
	} {
		if got := turn(in); got != want {
			t.Errorf("%+v: %q, want %q", in, got, want)
		}
	}
}
