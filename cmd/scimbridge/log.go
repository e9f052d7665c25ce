package main

import (
	"context"
	"io"
	"log/slog"
	"os"

	"github.com/lmittmann/tint"
	"golang.org/x/term"

	"github.com/scimbridge/scimbridge/internal/server"
)

// level is what is logged at least. At info people and groups are named by id only.
func (s *logSettings) level() slog.Level {
	switch {
	case s.Trace:
		return server.LevelTrace
	case s.Debug:
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// logger makes the log: text, in colour on request, JSON on request.
func (s *logSettings) logger(w io.Writer) *slog.Logger {
	level := s.level()
	switch {
	case s.JSONLogs:
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: jsonNames}))
	case s.PrettyLogs:
		return slog.New(tint.NewTextHandler(w, &tint.Options{Level: level}))
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// jsonNames gives the members the names that the original documents: time, level, message.
func jsonNames(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.MessageKey {
		a.Key = "message"
	}
	return a
}

// announce logs which setting came from where, and which variables have no effect.
func (e *environment) announce(log *slog.Logger) {
	for _, s := range e.settings {
		log.LogAttrs(context.Background(), slog.LevelInfo, "setting", slog.String("name", s.name),
			slog.String("value", s.value), slog.String("from", s.source))
	}
	for _, w := range e.warnings {
		log.Warn(w)
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
