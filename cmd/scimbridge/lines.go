package main

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/scimbridge/scimbridge/internal/bridge"
	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/internal/logtail"
	"github.com/scimbridge/scimbridge/internal/redis"
	"github.com/scimbridge/scimbridge/internal/server"
	"github.com/scimbridge/scimbridge/internal/server/web"
)

// tailed makes the log, and what keeps its last lines.
func (s *logSettings) tailed(w io.Writer) (*slog.Logger, *logtail.Tail) {
	t := logtail.New(logtail.Config{Replica: replica(), Redact: keyset.Redact})
	if s.JSONLogs || s.PrettyLogs {
		return slog.New(t.Tee(s.logger(w).Handler())), t
	}
	return slog.New(t.Text(w, s.level())), t
}

// shareLog lets replicas show each other's last lines, where they share a Redis.
func (a *assembly) shareLog(lock *bridge.Lock) {
	if a.redis == nil {
		return
	}
	a.tail.Share(a.redis, func() (int, [32]byte, error) {
		s := lock.Secrets()
		if s == nil {
			return 0, [32]byte{}, bridge.ErrLocked
		}
		key, err := s.Derive("log 1")
		return s.Generation(), key, err
	})
}

// lastLines is what the page of the log shows.
func lastLines(ctx context.Context, t *logtail.Tail, q web.LogQuery) web.Log {
	least := map[string]slog.Level{"": server.LevelTrace, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	p := t.Read(ctx, logtail.Query{Least: least[q.Level], Replica: q.Replica, Most: q.Most})
	l := web.Log{More: p.More, Replicas: p.Replicas, Shared: p.Shared, Unreadable: p.Unreadable}
	switch {
	case errors.Is(p.Err, redis.ErrAway):
		l.Problem = "Redis cannot be used now, so that only the lines of this replica are here, " + t.Replica + "."
	case p.Err != nil:
		l.Problem = "The lines of other replicas could not be read, so that only those of this one are here, " + t.Replica + "."
	}
	for _, line := range p.Lines {
		l.Lines = append(l.Lines, web.LogLine{Time: line.Time, Level: line.Level.String(), Replica: line.Replica, Text: line.Text, Missing: line.Missing})
	}
	return l
}
