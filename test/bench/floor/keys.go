package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/bridge"
	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/internal/owner"
)

// keys are the integration's: what the floor signs with, as a bridge does.
type keys struct{ secrets *keyset.Secrets }

// found founds an account with keys and lets a bridge's watchers work at it, so that the floor makes the same calls of
// the account: whoever is created is invited, and whoever is invited gets a link.
func found(ctx context.Context, service *account.Service) (*keys, error) {
	from := owner.Source{Clock: time.Now, Rand: rand.Reader}
	f, _, o, err := owner.Found(owner.Founding{AccountName: "floor", Name: "Owner", UserName: "owner@example.com", Password: rand.Text()}, from)
	if err != nil {
		return nil, err
	}
	if _, err := service.Found(ctx, f); err != nil {
		return nil, err
	}
	made, err := o.Issue(ctx, service, owner.Credentials{})
	if err != nil {
		return nil, err
	}
	session, err := keyset.ParseSession(made.Session)
	if err != nil {
		return nil, err
	}
	lock := bridge.NewLock(session, time.Now)
	if err := lock.Present(made.Token.Reveal()); err != nil {
		return nil, err
	}
	debug.FreeOSMemory() // stretching the password
	w := bridge.NewWatchers(bridge.WatcherConfig{
		Account: service, Lock: lock, Origin: func() string { return "http://127.0.0.1" }, Interval: time.Minute,
		Client: func() string { return "" }, Clock: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	go w.Run(ctx) // until the process ends
	return &keys{lock.Secrets()}, nil
}

func (k *keys) sign(c keyset.Claim) []byte {
	signer := k.secrets.Keyset().Signer()
	return append(signer[:], k.secrets.Keyset().Sign(c)...)
}

func (k *keys) invitee(user, email string) []byte {
	return k.sign(keyset.InviteeClaim{Account: k.secrets.Account(), User: user, Email: email})
}

func (k *keys) member(group, user string) [][]byte {
	return [][]byte{k.sign(keyset.MembershipClaim{Account: k.secrets.Account(), Group: group, User: user})}
}
