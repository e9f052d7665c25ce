package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/internal/redis"
	"github.com/scimbridge/scimbridge/internal/server"
)

// redisSettings name the Redis that the bridges of one account share. OP_REDIS_URL alone, or the others: as the original
// has it.
type redisSettings struct {
	RedisURL          string `name:"redis-url" env:"OP_REDIS_URL" placeholder:"URL" help:"Redis or Valkey that the bridges of an account share: redis://user:password@host:6379/0, or rediss:// for TLS. No other OP_REDIS_ variable counts beside it. None of them set: the bridge keeps in memory what it would share."`
	RedisHost         string `name:"redis-host" env:"OP_REDIS_HOST" placeholder:"HOST" help:"Its host, instead of a URL. Not set beside others of these: redis."`
	RedisPort         string `name:"redis-port" env:"OP_REDIS_PORT" placeholder:"PORT" help:"Its port. Not set: 6379."`
	RedisUsername     string `name:"redis-username" env:"OP_REDIS_USERNAME" placeholder:"NAME" help:"User name at it. Not set: the server's default user."`
	RedisPassword     string `name:"redis-password" env:"OP_REDIS_PASSWORD" placeholder:"PASSWORD" help:"Password for it, by the variable only."`
	RedisPasswordFile string `name:"redis-password-file" env:"OP_REDIS_PASSWORD_FILE" placeholder:"FILE" help:"File with the password for it."`
	RedisTLS          bool   `name:"redis-enable-ssl" env:"OP_REDIS_ENABLE_SSL,OP_REDIS_SSL_ENABLED" help:"Speak TLS to it."`
	RedisInsecure     bool   `name:"redis-insecure-ssl" env:"OP_REDIS_INSECURE_SSL" help:"With TLS: take any certificate, such as one it has signed itself. Whoever stands between can then read everything."`
}

// defaultRedisHost is the host that the original's documents give.
const defaultRedisHost = "redis"

// redisServer is the server that the settings name; nil where they name none. What has no effect is told in warnings.
func (r *redisSettings) redisServer() (s *redis.Server, warnings []string, err error) {
	var others []string
	for _, o := range []struct {
		name string
		set  bool
	}{
		{"OP_REDIS_HOST", r.RedisHost != ""},
		{"OP_REDIS_PORT", r.RedisPort != ""},
		{"OP_REDIS_USERNAME", r.RedisUsername != ""},
		{"OP_REDIS_PASSWORD", r.RedisPassword != ""},
		{"OP_REDIS_PASSWORD_FILE", r.RedisPasswordFile != ""},
		{"OP_REDIS_ENABLE_SSL", r.RedisTLS},
		{"OP_REDIS_INSECURE_SSL", r.RedisInsecure},
	} {
		if o.set {
			others = append(others, o.name)
		}
	}
	switch {
	case r.RedisURL != "":
		found, err := redis.ParseURL(r.RedisURL)
		if err != nil {
			return nil, nil, fmt.Errorf("OP_REDIS_URL: %w. It is not shown, since a password may stand in it", err)
		}
		if len(others) > 0 {
			warnings = append(warnings, strings.Join(others, ", ")+": no effect beside OP_REDIS_URL, which counts alone")
		}
		return &found, warnings, nil
	case len(others) == 0:
		return nil, nil, nil
	}
	s = &redis.Server{Host: r.RedisHost, Port: redis.DefaultPort, Username: r.RedisUsername, TLS: r.RedisTLS, Insecure: r.RedisTLS && r.RedisInsecure}
	if s.Host == "" {
		s.Host = defaultRedisHost
	}
	if r.RedisPort != "" {
		if s.Port, err = strconv.Atoi(r.RedisPort); err != nil {
			next := "Set one from 1 to 65535, or leave it out for 6379"
			if strings.HasPrefix(r.RedisPort, "tcp://") {
				next = "Kubernetes sets it by itself where a service is called op-redis: put enableServiceLinks: false into the pod's specification, or name the service otherwise"
			}
			return nil, nil, fmt.Errorf("OP_REDIS_PORT: %q is no port. %s", r.RedisPort, next)
		}
	}
	if err := s.Check(); err != nil {
		return nil, nil, fmt.Errorf("OP_REDIS_HOST, OP_REDIS_PORT (%s): %w. Set a host like redis.example.com and a port like 6379", s.Address(), err)
	}
	if s.Password, err = r.redisPassword(); err != nil {
		return nil, nil, err
	}
	if r.RedisInsecure && !r.RedisTLS {
		warnings = append(warnings, "OP_REDIS_INSECURE_SSL has no effect without OP_REDIS_ENABLE_SSL")
	}
	if s.Insecure {
		warnings = append(warnings, "OP_REDIS_INSECURE_SSL: the certificate of the Redis server is not looked at, so that whoever stands between can read and change everything")
	}
	return s, warnings, nil
}

func (r *redisSettings) redisPassword() (redis.Password, error) {
	switch {
	case r.RedisPasswordFile == "":
		return redis.Password(r.RedisPassword), nil
	case r.RedisPassword != "":
		return "", errors.New("OP_REDIS_PASSWORD and OP_REDIS_PASSWORD_FILE are both set. Unset one of them")
	}
	text, err := passwordFile("OP_REDIS_PASSWORD_FILE", r.RedisPasswordFile)
	return redis.Password(text), err
}

// redisOnCommandLine refuses a password at the beginning of a command line. What stands before the @ is one, whether or
// not somebody has forgotten the colon.
func redisOnCommandLine(args []string) error {
	name, value, ok := strings.Cut(args[0], "=")
	if !ok && len(args) > 1 {
		value = args[1]
	}
	if name == "--redis-password" || name == "--redis-url" && strings.Contains(value, "@") {
		return fmt.Errorf("%s: the password stands on the command line, where every process of this machine can read it. Put it into OP_REDIS_URL, OP_REDIS_PASSWORD or the file of OP_REDIS_PASSWORD_FILE", name)
	}
	return nil
}

// shownRedisURL is OP_REDIS_URL without user and password: those who forget the colon have the password as the user.
func shownRedisURL(text string) string {
	s, err := redis.ParseURL(text)
	if err != nil {
		return "[not shown]"
	}
	scheme := "redis"
	if s.TLS {
		scheme = "rediss"
	}
	return fmt.Sprintf("%s://%s/%d", scheme, s.Address(), s.Database)
}

// connectRedis makes the connection to the Redis that the settings name; nil where they name none. It is made in the
// background once it runs.
func (a *assembly) connectRedis() (*redis.Conn, error) {
	s, warnings, err := a.redisServer()
	if err != nil || s == nil {
		return nil, err
	}
	for _, w := range warnings {
		a.log.Warn(w)
	}
	h := a.session.Header()
	return redis.New(redis.Config{Server: *s, Account: h.Account, Integration: h.Integration, Clock: clock, Log: a.log}), nil
}

// redisCheck is the report on the Redis that is shared; nothing that works is missing where there is none.
func redisCheck(c *redis.Conn) server.Check {
	return func(context.Context) server.Report {
		r := server.Report{Source: "RedisCache", Time: clock(), State: server.Healthy}
		if c == nil {
			r.Detail = "in memory only: no Redis is named (OP_REDIS_URL)"
			return r
		}
		s := c.State()
		since := s.Since.UTC().Format(time.RFC3339)
		switch {
		case s.Up:
			r.Detail = c.Address() + ", since " + since
		case s.Err == nil:
			r.State, r.Detail = server.Starting, "connecting to "+c.Address()
		default:
			r.State, r.Detail = server.Unhealthy, c.Address()+" cannot be used since "+since+"; the bridge goes on without it: "+s.Err.Error()
		}
		return r
	}
}
