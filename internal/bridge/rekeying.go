package bridge

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
)

// A group whose key is replaced hands the new one over person by person, which takes minutes for a large group. How far
// that has come the account counts, so that a bridge which was killed, and another one, know it as well.

const (
	// measureEvery is how often it is looked, and said in the log, how far new keys have come.
	measureEvery = 10 * time.Second
	// measurePage is how many groups are asked for at once.
	measurePage = 500
)

// measureSometimes measures when people begin to wait for a new key, and then at intervals.
func (w *Watchers) measureSometimes(ctx context.Context, people []account.Candidate) error {
	underWay, at := w.confirm.rekeyed()
	if len(underWay) > 0 && w.Clock().Sub(at) < measureEvery || len(underWay) == 0 && !slices.ContainsFunc(people, rekeys) {
		return nil
	}
	return w.measure(ctx)
}

// rekeys tells whether somebody may be waiting for a group's new key: first keys are never handed over anew.
func rekeys(c account.Candidate) bool {
	return slices.ContainsFunc(c.Pending, func(p account.PendingMembership) bool { return p.Serial > 1 })
}

// measure looks how far new keys have come, and says so.
func (w *Watchers) measure(ctx context.Context) error {
	var list []account.Rekeying
	for after := ""; ; {
		page, err := w.Account.Rekeyings(ctx, after, measurePage)
		if err != nil {
			return err
		}
		list = append(list, page...)
		if len(page) < measurePage {
			break
		}
		after = page[len(page)-1].Group
	}
	before, _ := w.confirm.rekeyed()
	now, have, of := w.Clock(), 0, 0
	for _, k := range list {
		have, of = have+k.Have, of+k.Of
	}
	said := true
	switch {
	case len(list) == 0 && len(before) > 0:
		w.sayRekeyed(ctx, "new keys of groups have reached everybody", before)
	case len(list) > 0 && len(before) == 0:
		w.sayRekeyed(ctx, "new keys of groups are being handed over", list, slog.Int("have", have), slog.Int("of", of))
	case !slices.Equal(before, list) && w.confirm.quiet(now):
		w.sayRekeyed(ctx, "new keys of groups are still being handed over", list, slog.Int("have", have), slog.Int("of", of))
	default:
		said = false
	}
	w.confirm.measure(list, now, said)
	return nil
}

// sayRekeyed writes a line of the log, which names the group where it is one.
func (w *Watchers) sayRekeyed(ctx context.Context, what string, list []account.Rekeying, more ...slog.Attr) {
	attrs := []slog.Attr{slog.Int("groups", len(list))}
	if len(list) == 1 {
		attrs = []slog.Attr{slog.String("group", list[0].Group), slog.Int("serial", list[0].Serial)}
	}
	w.Log.LogAttrs(ctx, slog.LevelInfo, what, append(attrs, more...)...)
}

// rekeyed are the groups that were found with a new key under way, and when.
func (l *watcher) rekeyed() ([]account.Rekeying, time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rekeyings, l.measured
}

// quiet tells whether the log has not said for a while how far new keys have come.
func (l *watcher) quiet(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return now.Sub(l.said) >= measureEvery
}

// measure keeps what was found, and whether the log has said so.
func (l *watcher) measure(list []account.Rekeying, now time.Time, said bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rekeyings, l.measured = list, now
	if said {
		l.said = now
	}
}
