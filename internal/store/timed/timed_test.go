package timed_test

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/store/sqlite"
	"github.com/scimbridge/scimbridge/internal/store/storetest"
	"github.com/scimbridge/scimbridge/internal/store/timed"
)

func open(t testing.TB, m *timed.Meter) account.Store {
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "account.db"))
	if err != nil {
		t.Fatal(err)
	}
	return m.Wrap(s)
}

func TestStore(t *testing.T) {
	t.Parallel()
	m := timed.New(nil)
	storetest.Run(t, func(t testing.TB) account.Store { return open(t, m) })
}

// TestFigures: what the database cannot do is counted, and what the rules refuse is not.
func TestFigures(t *testing.T) {
	t.Parallel()
	m := timed.New(nil)
	s := open(t, m)
	refused := func(account.Tx) error { return account.ErrProtected }
	if err := s.View(t.Context(), refused); err == nil {
		t.Error("what the function says is lost")
	}
	if err := s.Update(t.Context(), refused); err == nil {
		t.Error("what the function says is lost")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_ = s.Update(t.Context(), func(account.Tx) error { return nil }) // it is closed
	all := prometheus.NewRegistry()
	all.MustRegister(m.Collectors()...)
	families, err := all.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, one := range f.GetMetric() {
			got[f.GetName()+" "+one.GetLabel()[0].GetValue()] = one.GetCounter().GetValue() + float64(one.GetHistogram().GetSampleCount())
		}
	}
	want := map[string]float64{
		"scimbridge_store_failures_total read": 0, "scimbridge_store_failures_total write": 1, "scimbridge_store_seconds read": 1, "scimbridge_store_seconds write": 2,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// BenchmarkView is what measuring adds to the shortest transaction there is.
func BenchmarkView(b *testing.B) {
	nothing := func(account.Tx) error { return nil }
	m := timed.New(nil)
	plain, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "account.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer plain.Close() //nolint:errcheck // it is thrown away
	for name, s := range map[string]account.Store{"plain": plain, "timed": m.Wrap(plain)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := s.View(b.Context(), nothing); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
