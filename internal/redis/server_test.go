package redis_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/internal/redis"
)

func TestParseURL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]redis.Server{
		"redis://localhost:6379":                       {Host: "localhost", Port: 6379},
		"redis://":                                     {Host: "localhost", Port: 6379},
		"redis://cache.example.com":                    {Host: "cache.example.com", Port: 6379},
		"redis://user:p%40ss@host:16379/0":             {Host: "host", Port: 16379, Username: "user", Password: "p@ss"},
		"rediss://:password@host:6379":                 {Host: "host", Port: 6379, Password: "password", TLS: true},
		"rediss://h:p%3A%2F%3F%23@host:6380/15/":       {Host: "host", Port: 6380, Username: "h", Password: "p:/?#", TLS: true, Database: 15},
		"valkey://host/2":                              {Host: "host", Port: 6379, Database: 2},
		"valkeys://host":                               {Host: "host", Port: 6379, TLS: true},
		"redis://[2001:db8::1]:6379/1":                 {Host: "2001:db8::1", Port: 6379, Database: 1},
		"REDIS://Host":                                 {Host: "Host", Port: 6379},
		"redis://op-scim-redis.scim.svc.cluster.local": {Host: "op-scim-redis.scim.svc.cluster.local", Port: 6379},
	} {
		got, err := redis.ParseURL(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	for _, text := range []string{
		"", "localhost", "localhost:6379", "http://secret@host", "redis:secret", "redis://u:secret@host:port", "redis://u:secret@host:0", "redis://u:secret@host:65536",
		"redis://u:secret@host/one", "redis://u:secret@host/-1", "redis://u:secret@host/1/2", "redis://u:secret@host/?db=1", "redis://u:secret@host/0#x",
		"redis://u:se/cret@host:6379", "redis://u:secret%zz@host", "redis://u:secret@ho st", "redis://u:secret@host:1:2",
	} {
		_, err := redis.ParseURL(text)
		if !errors.Is(err, redis.ErrURL) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "cret@") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestPasswordIsHidden(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	s := redis.Server{Host: "host", Password: secret}
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("server", "server", s, "password", s.Password)
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%+v %#v %q %x", s, s, s.Password, s.Password), string(raw), log.String()} {
		if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
			t.Errorf("shown in %s", text)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, text := range []string{"redis://user:p%40ss@host:16379/0", "rediss://[::1]/3", "valkey://", "redis://:x@", "redis://a@b@c:1/"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := redis.ParseURL(text)
		if err != nil {
			if !errors.Is(err, redis.ErrURL) {
				t.Errorf("%v", err)
			}
			return
		}
		if err := s.Check(); err != nil {
			t.Fatalf("taken although %v", err)
		}
		if _, _, err := net.SplitHostPort(s.Address()); err != nil {
			t.Errorf("address %q: %v", s.Address(), err)
		}
		// Written anew it means the same.
		u := url.URL{Scheme: "redis", Host: s.Address(), Path: fmt.Sprint("/", s.Database), User: url.UserPassword(s.Username, string(s.Password))}
		if s.TLS {
			u.Scheme = "rediss"
		}
		again, err := redis.ParseURL(u.String())
		if err != nil || again != s {
			t.Errorf("%q became %+v, %v", text, again, err)
		}
	})
}
