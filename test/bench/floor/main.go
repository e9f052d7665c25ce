// Command floor is what SCIM is measured against. "floor redis URL" is what answers from copies are measured against: the
// same HTTP server, which gets a key from Redis for each request. Otherwise it is the same HTTP server, the same calls of the same account and the same
// watchers, with no SCIM in between. A request's path names the call; the answer is a fixed text or the stored profile.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/scimbridge/scimbridge/internal/account"
	"github.com/scimbridge/scimbridge/internal/store/sqlite"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func run(path string) error {
	if path == "redis" {
		return redis(os.Args[2])
	}
	debug.SetGCPercent(300) // as the bridge does
	store, err := sqlite.Open(context.Background(), path)
	if err != nil {
		return err
	}
	service := account.New(account.Config{Store: store})
	k, err := found(account.WithCaller(context.Background(), account.Caller{Kind: account.Integration}), service)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", l.Addr())
	return (&http.Server{Handler: handler(service, k), ReadHeaderTimeout: time.Minute}).Serve(l)
}

// profile is as large as the one that the bridge stores for the people of the benchmark.
var profile = make([]byte, 760)

func handler(a *account.Service, k *keys) http.Handler {
	mux := http.NewServeMux()
	change := func(pattern string, h http.HandlerFunc) { // the account asks more of the integration than of others
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			h(w, r.WithContext(account.WithCaller(r.Context(), account.Caller{Kind: account.Integration})))
		})
	}
	answer := func(w http.ResponseWriter, body []byte, err error) {
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	}
	mux.HandleFunc("GET /read/{id}", func(w http.ResponseWriter, r *http.Request) {
		u, err := a.User(r.Context(), r.PathValue("id"))
		answer(w, u.Profile, err)
	})
	find := func(field account.Field) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			page, err := a.Users(r.Context(), account.Query{Terms: []account.Term{{Field: field, Op: account.Eq, Value: r.PathValue("value")}}, Limit: 100, Groups: true})
			if err == nil && len(page.Users) != 1 {
				err = fmt.Errorf("%d found", len(page.Users))
			}
			if err != nil {
				answer(w, nil, err)
				return
			}
			answer(w, page.Users[0].Profile, nil)
		}
	}
	mux.HandleFunc("GET /name/{value}", find(account.ByUserName))
	mux.HandleFunc("GET /external/{value}", find(account.ByExternalID))
	mux.HandleFunc("GET /list/{offset}", func(w http.ResponseWriter, r *http.Request) {
		offset, _ := strconv.Atoi(r.PathValue("offset"))
		page, err := a.Users(r.Context(), account.Query{Offset: offset, Limit: 100, Groups: true})
		body := make([]byte, 0, 100*len(profile))
		for _, u := range page.Users {
			body = append(body, u.Profile...)
		}
		answer(w, body, err)
	})
	change("POST /create/{name}", func(w http.ResponseWriter, r *http.Request) {
		id, err := account.NewID(time.Now(), rand.Reader)
		if err != nil {
			answer(w, nil, err)
			return
		}
		name := r.PathValue("name")
		u, err := a.Invite(r.Context(), account.Invitation{ID: id, Person: account.Person{UserName: name, Email: name, Name: name, ExternalID: name, Profile: profile}, Evidence: k.invitee(id, name)})
		answer(w, []byte(u.ID), err)
	})
	change("POST /active/{id}/{active}", func(w http.ResponseWriter, r *http.Request) {
		active := r.PathValue("active") == "true"
		u, err := a.ChangeUser(r.Context(), r.PathValue("id"), account.UserChange{Active: &active})
		answer(w, u.Profile, err)
	})
	change("POST /group/{name}", func(w http.ResponseWriter, r *http.Request) {
		id, err := account.NewID(time.Now(), rand.Reader)
		if err != nil {
			answer(w, nil, err)
			return
		}
		_, err = a.CreateGroup(r.Context(), account.NewGroup{ID: id, Name: r.PathValue("name")})
		answer(w, []byte(id), err)
	})
	change("POST /member/{group}/{kind}/{id}", func(w http.ResponseWriter, r *http.Request) {
		kind := account.Add
		if r.PathValue("kind") == "remove" {
			kind = account.Remove
		}
		group, user := r.PathValue("group"), r.PathValue("id")
		step := account.MemberStep{Kind: kind, Users: []string{user}}
		if kind == account.Add {
			step.Evidence = k.member(group, user)
		}
		_, err := a.ChangeGroup(r.Context(), group, account.GroupChange{Steps: []account.MemberStep{step}, Show: 1000})
		answer(w, []byte("ok"), err)
	})
	return mux
}
