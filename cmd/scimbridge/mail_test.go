package main

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/internal/mail"
	"github.com/scimbridge/scimbridge/internal/owner"
)

// TestPostman: what waits is sent once, what could not be sent is tried again later, and nobody keeps others waiting.
func TestPostman(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	log := slog.New(slog.DiscardHandler)
	service, closeStore, err := openAccount(ctx, t.TempDir(), nil, log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := closeStore(); err != nil {
			t.Error(err)
		}
	}()
	f, err := foundKeys(owner.Founding{AccountName: "Acme", Name: "O", UserName: "o@example.com", Password: "correct horse"}, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.found(ctx, service, ""); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		invite(t, service, fmt.Sprintf("p%d@example.com", i))
	}
	sent := map[string]int{}
	fail := map[string]error{"p0@example.com": mail.ErrTemporary, "p1@example.com": mail.ErrRefused}
	p := &postman{service: service, log: log, later: map[letter]attempt{}, send: func(_ context.Context, i mail.Invitation) error {
		sent[i.To]++
		return fail[i.To]
	}}
	now := time.Now()
	for _, step := range []struct {
		after time.Duration
		want  map[string]int
	}{
		{0, map[string]int{"p0@example.com": 1, "p1@example.com": 1, "p2@example.com": 1}},
		{postFirst - time.Second, map[string]int{"p0@example.com": 1, "p1@example.com": 1, "p2@example.com": 1}},
		{postFirst, map[string]int{"p0@example.com": 2, "p1@example.com": 1, "p2@example.com": 1}},
		{postLast, map[string]int{"p0@example.com": 3, "p1@example.com": 2, "p2@example.com": 1}},
	} {
		if step.after == postLast {
			fail = nil
		}
		if err := p.round(ctx, now.Add(step.after)); err != nil {
			t.Fatal(err)
		}
		for to, n := range step.want {
			if sent[to] != n {
				t.Errorf("after %s: %s was tried %d times, want %d", step.after, to, sent[to], n)
			}
		}
	}
	if list, err := service.Outbox(ctx, 10); err != nil || len(list) > 0 || len(p.later) > 0 {
		t.Errorf("%d wait, %d are remembered, %v", len(list), len(p.later), err)
	}
}

// invite opens an invitation that the account is to deliver.
func invite(t *testing.T, service *account.Service, email string) {
	t.Helper()
	id, err := account.NewID(time.Now(), source().Rand)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := service.Invite(t.Context(), account.Invitation{ID: id, Person: account.Person{UserName: email, Email: email}}); err != nil {
		t.Fatal(err)
	}
	if _, err := service.OpenInvitations(t.Context(), []account.Opening{{User: id, Number: 1, Generation: 1, Commitment: make([]byte, len(keyset.Signer{})), Link: "https://account.example.com/join/x"}}); err != nil {
		t.Fatal(err)
	}
}
