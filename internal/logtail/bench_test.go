package logtail_test

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/logtail"
)

// BenchmarkRequestLine is the line that each request costs, without and with its being kept.
func BenchmarkRequestLine(b *testing.B) {
	plain := slog.NewTextHandler(io.Discard, nil)
	tail := logtail.New(logtail.Config{Replica: "one", Redact: redact})
	for name, h := range map[string]slog.Handler{"plain": plain, "kept": tail.Text(io.Discard, slog.LevelInfo), "kept beside": tail.Tee(plain)} {
		b.Run(name, func(b *testing.B) {
			log := slog.New(h)
			for b.Loop() {
				log.LogAttrs(b.Context(), slog.LevelInfo, "request", slog.String("method", "GET"), slog.String("route", "/Users/{id}"),
					slog.Int("status", 200), slog.Duration("took", time.Millisecond), slog.Int64("bytes", 512), slog.String("request", "8d3b0c1e9c5a4f10"))
			}
		})
	}
}
