package certificates

import (
	"context"
	"log/slog"
	"maps"
	"slices"

	"go.uber.org/zap/zapcore"
)

// traced lets certmagic's log, which is zap's, go to the bridge's at level trace. What people need to know is logged by
// ACME.event.
type traced struct {
	log    *slog.Logger
	level  slog.Level
	fields []zapcore.Field
}

var _ zapcore.Core = traced{}

// Enabled implements zapcore.Core.
func (t traced) Enabled(zapcore.Level) bool { return t.log.Enabled(context.Background(), t.level) }

// With implements zapcore.Core.
func (t traced) With(fields []zapcore.Field) zapcore.Core {
	t.fields = slices.Concat(t.fields, fields)
	return t
}

// Check implements zapcore.Core.
func (t traced) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if t.Enabled(e.Level) {
		return c.AddCore(e, t)
	}
	return c
}

// Write implements zapcore.Core.
func (t traced) Write(e zapcore.Entry, fields []zapcore.Field) error {
	all := zapcore.NewMapObjectEncoder()
	for _, f := range slices.Concat(t.fields, fields) {
		f.AddTo(all)
	}
	attrs := []slog.Attr{slog.String("says", e.LoggerName), slog.String("as", e.Level.String())}
	for _, name := range slices.Sorted(maps.Keys(all.Fields)) {
		attrs = append(attrs, slog.Any(name, all.Fields[name]))
	}
	t.log.LogAttrs(context.Background(), t.level, "acme: "+e.Message, attrs...)
	return nil
}

// Sync implements zapcore.Core.
func (traced) Sync() error { return nil }
