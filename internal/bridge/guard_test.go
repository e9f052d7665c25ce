package bridge_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/bridge"
)

// TestHeldChangesSayWhenToAskAgain: what the guard holds is 503 with the time that an administrator needs, and the same
// request succeeds once it is approved.
func TestHeldChangesSayWhenToAskAgain(t *testing.T) {
	t.Parallel()
	s := openSite(t, nil)
	ok(t, s.service.SetPolicy(t.Context(), account.Policy{Guard: account.GuardHold}))
	people := make([]string, 6)
	for i := range people {
		people[i] = s.person(fmt.Sprintf("p%d@example.com", i), "").ID
	}
	suspend := func(id string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPatch, "/Users/"+id, strings.NewReader(`{"Operations":[{"op":"replace","path":"active","value":false}]}`))
		w := httptest.NewRecorder()
		s.h.ServeHTTP(w, r.WithContext(bridge.WithRequest(r.Context(), "r1")))
		return w
	}
	for i, id := range people {
		w := suspend(id)
		switch {
		case i < 5 && w.Code != 200:
			t.Fatalf("person %d: %d %s", i, w.Code, w.Body)
		case i == 5 && (w.Code != 503 || w.Header().Get("Retry-After") != "600" || !strings.Contains(w.Body.String(), "guard approve")):
			t.Errorf("held: %d, Retry-After %q, %s", w.Code, w.Header().Get("Retry-After"), w.Body)
		}
	}
	if s.state(t, people[5]) != account.Invited {
		t.Error("the change was made all the same")
	}
	_, err := s.service.Approve(t.Context())
	ok(t, err)
	if w := suspend(people[5]); w.Code != 200 || w.Header().Get("Retry-After") != "" {
		t.Errorf("approved: %d %s", w.Code, w.Body)
	}
}
