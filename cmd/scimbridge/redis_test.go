package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimbridge/scimbridge/internal/redis"
)

func TestRedisSettings(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		in   redisSettings
		want *redis.Server
		warn string
	}{
		"nothing":           {},
		"URL":               {in: redisSettings{RedisURL: "rediss://:p@host/2"}, want: &redis.Server{Host: "host", Port: 6379, Password: "p", Database: 2, TLS: true}},
		"URL wins":          {in: redisSettings{RedisURL: "rediss://host", RedisHost: "other", RedisPassword: "p", RedisInsecure: true}, want: &redis.Server{Host: "host", Port: 6379, TLS: true}, warn: "OP_REDIS_HOST, OP_REDIS_PASSWORD, OP_REDIS_INSECURE_SSL: no effect"},
		"host":              {in: redisSettings{RedisHost: "host"}, want: &redis.Server{Host: "host", Port: 6379}},
		"port alone":        {in: redisSettings{RedisPort: "6380"}, want: &redis.Server{Host: "redis", Port: 6380}},
		"all":               {in: redisSettings{RedisHost: "host", RedisPort: "1", RedisUsername: "u", RedisPassword: "p", RedisTLS: true}, want: &redis.Server{Host: "host", Port: 1, Username: "u", Password: "p", TLS: true}},
		"self-signed":       {in: redisSettings{RedisHost: "host", RedisTLS: true, RedisInsecure: true}, want: &redis.Server{Host: "host", Port: 6379, TLS: true, Insecure: true}, warn: "is not looked at"},
		"insecure, no TLS":  {in: redisSettings{RedisHost: "host", RedisInsecure: true}, want: &redis.Server{Host: "host", Port: 6379}, warn: "no effect without OP_REDIS_ENABLE_SSL"},
		"password file":     {in: redisSettings{RedisHost: "host", RedisPasswordFile: file}, want: &redis.Server{Host: "host", Port: 6379, Password: "from a file"}},
		"address of IPv6":   {in: redisSettings{RedisHost: "::1"}, want: &redis.Server{Host: "::1", Port: 6379}},
		"password in a URL": {in: redisSettings{RedisURL: "redis://u:p%3Aq@host"}, want: &redis.Server{Host: "host", Port: 6379, Username: "u", Password: "p:q"}},
	} {
		got, warnings, err := tt.in.redisServer()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if said := strings.Join(warnings, "\n"); (said == "") != (tt.warn == "") || !strings.Contains(said, tt.warn) {
			t.Errorf("%s: warned %q, want %q", name, said, tt.warn)
		}
	}
}
