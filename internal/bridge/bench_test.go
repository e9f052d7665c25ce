package bridge_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/bridge"
	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/internal/server/scimapi"
	"github.com/scimbridge/scimbridge/internal/store/sqlite"
	"github.com/scimbridge/scimbridge/scim/schema"
)

// open makes a bridge over an account on disk, with its SCIM endpoints.
func open(tb testing.TB) (*bridge.Bridge, http.Handler) {
	tb.Helper()
	store, err := sqlite.Open(tb.Context(), filepath.Join(tb.TempDir(), "account.db"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := store.Close(); err != nil {
			tb.Error(err)
		}
	})
	a := account.New(account.Config{Store: store})
	if _, err := a.Found(tb.Context(), account.Founding{Name: "Test", Owner: "Owner One", UserName: "owner@example.com"}); err != nil {
		tb.Fatal(err)
	}
	token, err := keyset.NewToken(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	seed, err := keyset.NewSeed(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	invitation, err := seed.InvitationKey("account", "integration", 1)
	if err != nil {
		tb.Fatal(err)
	}
	raw, err := keyset.Seal(keyset.Header{Generation: 1, Created: time.Now()}, token, keyset.Material{Seed: seed, Invitation: invitation}, nil, time.Time{}, rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	session, err := keyset.ParseSession(raw)
	if err != nil {
		tb.Fatal(err)
	}
	lock := bridge.NewLock(session, time.Now)
	if err := lock.Present(token.Reveal()); err != nil {
		tb.Fatal(err)
	}
	b := bridge.New(bridge.Config{Account: a, Types: schema.Standard(), Lock: lock, Integration: bridge.Integration{ID: "itself", Name: "integration"}})
	h := scimapi.New(scimapi.Config{Provider: b, Guard: func(*http.Request, bool) error { return nil }, Log: slog.New(slog.DiscardHandler)})
	return b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.Serve(w, r, "http://example.com/scim/v2", segments(r.URL.Path))
	})
}

func segments(path string) []string {
	var out []string
	for part := range bytes.SplitSeq([]byte(path), []byte("/")) {
		if len(part) > 0 {
			out = append(out, string(part))
		}
	}
	return out
}

func benchBody(i int) string {
	return fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
		"userName":"p%d@example.com","externalId":"00u%d","name":{"formatted":"Given Family","givenName":"Given","familyName":"Family"},"displayName":"Given Family",
		"title":"Engineer","preferredLanguage":"en-US","locale":"en-US","timezone":"Europe/Berlin","active":true,
		"emails":[{"value":"p%d@example.com","type":"work","primary":true}],"phoneNumbers":[{"value":"+1-201-555-0123","type":"work"}],
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"%d","department":"Research"}}`, i, i, i, i)
}

func BenchmarkRequests(b *testing.B) {
	_, h := open(b)
	send := func(b *testing.B, method, path, body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, bytes.NewBufferString(body)))
		if w.Code/100 != 2 {
			b.Fatal(w.Code, w.Body.String())
		}
		return w
	}
	for i := range 1000 {
		send(b, "POST", "/Users", benchBody(i))
	}
	n := 1000
	for name, run := range map[string]func(b *testing.B){
		"look-up": func(b *testing.B) { send(b, "GET", "/Users?filter=userName+eq+%22p7@example.com%22", "") },
		"page":    func(b *testing.B) { send(b, "GET", "/Users?count=100", "") },
		"create":  func(b *testing.B) { n++; send(b, "POST", "/Users", benchBody(n)) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				run(b)
			}
		})
	}
}
