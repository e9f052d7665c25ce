package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accountapi"
	"github.com/scimbridge/scimbridge/internal/mail"
	"github.com/scimbridge/scimbridge/internal/store/postgres"
	"github.com/scimbridge/scimbridge/internal/store/timed"
)

// tenants are the accounts of a database. Each is opened with the first who asks for it, and looks after itself from
// then on.
type tenants struct {
	db    *postgres.Database
	only  string                                       // the one account that is served; empty: all
	send  func(context.Context, mail.Invitation) error // nil: invitations are not mailed
	meter *timed.Meter
	log   *slog.Logger
	ctx   context.Context //nolint:containedctx // ends what the accounts do by themselves; close cancels it
	stop  context.CancelFunc

	mu    sync.Mutex // guards what follows
	open  map[string]*account.Service
	stops []func()
}

var _ accountapi.Accounts = (*tenants)(nil)

func newTenants(ctx context.Context, db *postgres.Database, only string, send func(context.Context, mail.Invitation) error, meter *timed.Meter, log *slog.Logger) *tenants {
	t := &tenants{db: db, only: only, send: send, meter: meter, log: log, open: map[string]*account.Service{}}
	t.ctx, t.stop = context.WithCancel(ctx)
	return t
}

// Account returns an account by its id. account.ErrNotFound.
func (t *tenants) Account(ctx context.Context, id string) (*account.Service, error) {
	if !account.IsID(id) || t.only != "" && id != t.only {
		return nil, account.ErrNotFound
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.open[id]; s != nil {
		return s, nil
	}
	list, err := t.db.Accounts(ctx, beforeID(id), 1)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 || list[0] != id {
		return nil, account.ErrNotFound
	}
	s := account.New(account.Config{Store: t.meter.Wrap(t.db.Account(id)), Clock: clock, Log: t.log})
	t.open[id] = s
	t.stops = append(t.stops, housekeep(t.ctx, s))
	if t.send != nil {
		t.stops = append(t.stops, deliver(t.ctx, s, t.send, t.log))
	}
	return s, nil
}

// awake opens all accounts that are there, so that their mail goes out and their invitations end though nobody asks.
func (t *tenants) awake(ctx context.Context) error {
	for after := ""; ; {
		list, err := t.db.Accounts(ctx, after, listed)
		if err != nil {
			return err
		}
		for _, id := range list {
			after = id
			if _, err := t.Account(ctx, id); err != nil && !errors.Is(err, account.ErrNotFound) {
				return err
			}
		}
		if len(list) < listed {
			return nil
		}
	}
}

// close ends what the accounts do, and waits for it.
func (t *tenants) close() {
	t.stop()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, stop := range t.stops {
		stop()
	}
}
