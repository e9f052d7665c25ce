package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/account/accountapi"
	"github.com/scimbridge/scimbridge/internal/bridge"
	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/internal/owner"
)

// scriptSite is what the commands of a script know of its site.
type scriptSite struct{ service *account.Service }

// siteCommand is "site DIR E-MAIL…" in a script: it founds an account in a folder, serves it as an account service and
// its socket do, runs a bridge's watchers on it, invites people at those addresses and puts them into the managed group
// Crew, the first of them also into Legacy, which nobody has handed over. The owner's kit is DIR-kit, the password is in the file password. $URL is the service's address, $SESSION the
// scimsession and $TOKEN_FILE its token. Everything ends with the script.
func siteCommand(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o700))
	password, err := passwordFile("password", ts.MkAbs("password"))
	ts.Check(err)
	// Where the service listens has to be known before its handler is made.
	var mu sync.Mutex
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		h := handler
		mu.Unlock()
		h.ServeHTTP(w, r)
	}))
	ts.Defer(server.Close)

	ctx, cancel := context.WithCancel(asAdministrator(context.Background()))
	log := slog.New(slog.DiscardHandler)
	made, err := foundKeys(owner.Founding{AccountName: "Acme", Name: "Olivia Owner", UserName: "olivia@example.com", URL: server.URL, Password: password}, dir+"-kit")
	ts.Check(err)
	service, closeStore, err := openAccount(ctx, dir, nil, log)
	ts.Check(err)
	ts.Check(made.found(ctx, service, dir+"-kit"))
	ts.Value(scriptSite{}).(*scriptSite).service = service
	api, err := accountapi.New(accountapi.Config{Accounts: accountapi.Single(made.kit.Account, service), URL: server.URL, Version: version, Log: log})
	ts.Check(err)
	mu.Lock()
	handler = api
	mu.Unlock()
	socket, err := accountapi.Listen(socketPath(dir), service, log)
	ts.Check(err)

	issued, err := issue(ctx, service, made.owner, owner.Credentials{URL: server.URL}, sessionPath(dir), tokenPath(dir))
	ts.Check(err)
	session, err := keyset.ParseSession(issued.Session)
	ts.Check(err)
	lock := bridge.NewLock(session, time.Now)
	ts.Check(lock.Present(issued.Token.Reveal()))
	watchers := bridge.NewWatchers(bridge.WatcherConfig{
		Account: service, Lock: lock, Origin: func() string { return server.URL }, Interval: time.Second, Version: version,
		Client: func() string { return "Okta" }, Clock: time.Now, Log: log,
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		watchers.Run(ctx)
	}()
	ts.Defer(func() {
		cancel()
		<-done
		ts.Check(socket.Close())
		ts.Check(closeStore())
	})
	ts.Setenv("URL", server.URL)
	ts.Check(inviteAll(ctx, service, lock.Secrets(), args[1:]))
	for _, email := range args[1:] {
		link, err := linkOf(ctx, service, email)
		ts.Check(err)
		name, _, _ := strings.Cut(email, "@")
		ts.Setenv("LINK_"+name, link)
	}
}

// inviteAll does what an identity provider asks a bridge for.
func inviteAll(ctx context.Context, service *account.Service, s *keyset.Secrets, emails []string) error {
	evidence := func(c keyset.Claim) []byte {
		signer := s.Keyset().Signer()
		return append(signer[:], s.Keyset().Sign(c)...)
	}
	group, err := account.NewID(time.Now(), source().Rand)
	if err != nil {
		return err
	}
	crew := account.NewGroup{ID: group, Name: "Crew"}
	for _, email := range emails {
		id, err := account.NewID(time.Now(), source().Rand)
		if err != nil {
			return err
		}
		if _, err := service.Invite(ctx, account.Invitation{
			ID: id, Person: account.Person{UserName: email, Email: email, Name: email},
			Evidence: evidence(keyset.InviteeClaim{Account: s.Account(), User: id, Email: email}),
		}); err != nil {
			return err
		}
		crew.Members = append(crew.Members, id)
		crew.Evidence = append(crew.Evidence, evidence(keyset.MembershipClaim{Account: s.Account(), Group: group, User: id}))
	}
	if _, err = service.CreateGroup(ctx, crew); err == nil {
		_, err = service.MakeGroup(ctx, "Legacy", crew.Members[:min(len(crew.Members), 1)])
	}
	return err
}

// linkOf waits for the link that the bridge makes.
func linkOf(ctx context.Context, service *account.Service, email string) (string, error) {
	for range 1000 {
		list, err := service.Outbox(ctx, 100)
		if err != nil {
			return "", err
		}
		for i := range list {
			if list[i].Email == email && list[i].Link != "" {
				return list[i].Link, nil
			}
		}
		pause := time.NewTimer(10 * time.Millisecond)
		<-pause.C
	}
	return "", fmt.Errorf("the bridge has made no link for %s", email)
}

// becomesCommand is "becomes DIR PERSON STATE" in a script: it waits until the account's process says so.
func becomesCommand(ts *testscript.TestScript, _ bool, args []string) {
	ctx := context.Background()
	var state account.State
	for range 1000 {
		ts.Check(place{dir: ts.MkAbs(args[0])}.administer(ctx, func(a accountapi.Administrator) error {
			u, err := a.Person(ctx, args[1])
			state = u.State
			return err
		}))
		if string(state) == args[2] {
			return
		}
		pause := time.NewTimer(10 * time.Millisecond)
		<-pause.C
	}
	ts.Fatalf("%s is %s and does not become %s", args[1], state, args[2])
}

// renamesCommand is "renames PERSON E-MAIL" in a script: the identity provider gives a person another address.
func renamesCommand(ts *testscript.TestScript, _ bool, args []string) {
	ctx := account.WithCaller(context.Background(), account.Caller{Kind: account.Integration})
	service := ts.Value(scriptSite{}).(*scriptSite).service
	u, err := service.Person(ctx, args[0])
	ts.Check(err)
	u.UserName, u.Email = args[1], args[1]
	_, err = service.ChangeUser(ctx, u.ID, account.UserChange{Person: &u.Person})
	ts.Check(err)
}

// liarCommand is "liar" in a script: it serves what the site serves, at $LIAR, but for another root of trust, which it shows
// to whoever joins.
func liarCommand(ts *testscript.TestScript, _ bool, _ []string) {
	to, err := url.Parse(ts.Getenv("URL"))
	ts.Check(err)
	_, kit, _, err := owner.Found(owner.Founding{AccountName: "Acme", Name: "Thief", UserName: "thief@example.com", Password: "correct horse"}, source())
	ts.Check(err)
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ModifyResponse = func(r *http.Response) error {
		if !strings.HasPrefix(r.Request.URL.Path, "/v1/join/") || r.Request.Method != http.MethodGet {
			return nil
		}
		var j account.Joining
		if err := json.NewDecoder(r.Body).Decode(&j); err != nil {
			return err
		}
		j.Root = kit.Root[:]
		raw, err := json.Marshal(j)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
		r.Header.Set("Content-Length", strconv.Itoa(len(raw)))
		return err
	}
	server := httptest.NewServer(proxy)
	ts.Defer(server.Close)
	ts.Setenv("LIAR", server.URL)
}

// keylessCommand is "keyless DIR" in a script: it makes an account without keys, as there were before there were any, with the
// group Legacy in it.
func keylessCommand(ts *testscript.TestScript, _ bool, args []string) {
	ctx, dir := asAdministrator(context.Background()), ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o700))
	service, closeStore, err := openAccount(ctx, dir, nil, slog.New(slog.DiscardHandler))
	ts.Check(err)
	_, err = service.Found(ctx, account.Founding{Name: "Acme", Owner: "Olivia Owner", UserName: "olivia@example.com"})
	ts.Check(err)
	_, err = service.MakeGroup(ctx, "Legacy", nil)
	ts.Check(errors.Join(err, closeStore()))
}
