package certificates

import (
	"context"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// Redis is the connection that the replicas share.
type Redis interface {
	// Use lets f use it for a moment. An error that is not of f's own making means that it cannot be used now.
	Use(ctx context.Context, f func(context.Context, rueidis.Client) error) error
	// Key is the name under which something is kept there.
	Key(name string) string
}

// OnRedis makes shelves on a Redis server, each of them one hash: what is in it can be listed without a walk through
// everything else that is there, and it has no end, so that a server that makes room for its cache leaves it alone. Locks are
// keys of their own, with an end.
func OnRedis(r Redis) func(place string) Shelf {
	return func(place string) Shelf {
		return &redisShelf{redis: r, hash: r.Key("certificates:" + place), locks: r.Key("certificates:" + place + ":")}
	}
}

// redisShelf is a Shelf on a Redis server.
type redisShelf struct {
	redis Redis
	hash  string // the key of the hash
	locks string // what the keys of locks begin with
}

var _ Shelf = (*redisShelf)(nil)

// Get implements Shelf.
func (s *redisShelf) Get(ctx context.Context, name string) (value []byte, err error) {
	err = s.redis.Use(ctx, func(ctx context.Context, c rueidis.Client) error {
		value, err = c.Do(ctx, c.B().Hget().Key(s.hash).Field(name).Build()).AsBytes()
		if rueidis.IsRedisNil(err) {
			return fs.ErrNotExist
		}
		return err
	})
	return value, err
}

// Set implements Shelf.
func (s *redisShelf) Set(ctx context.Context, name string, value []byte) error {
	return s.redis.Use(ctx, func(ctx context.Context, c rueidis.Client) error {
		return c.Do(ctx, c.B().Hset().Key(s.hash).FieldValue().FieldValue(name, rueidis.BinaryString(value)).Build()).Error()
	})
}

// SetNew implements Shelf.
func (s *redisShelf) SetNew(ctx context.Context, values map[string][]byte) (done bool, err error) {
	var pairs []string
	for name, value := range values {
		pairs = append(pairs, name, rueidis.BinaryString(value))
	}
	if len(pairs) == 0 {
		return true, nil
	}
	return s.script(ctx, setNew, s.hash, pairs)
}

// Delete implements Shelf.
func (s *redisShelf) Delete(ctx context.Context, names ...string) error {
	return s.redis.Use(ctx, func(ctx context.Context, c rueidis.Client) error {
		return c.Do(ctx, c.B().Hdel().Key(s.hash).Field(names...).Build()).Error()
	})
}

// List implements Shelf.
func (s *redisShelf) List(ctx context.Context, prefix string) (list []string, err error) {
	var all []string
	err = s.redis.Use(ctx, func(ctx context.Context, c rueidis.Client) error {
		all, err = c.Do(ctx, c.B().Hkeys().Key(s.hash).Build()).AsStrSlice()
		return err
	})
	for _, name := range all {
		if strings.HasPrefix(name, prefix) {
			list = append(list, name)
		}
	}
	return list, err
}

// Lock implements Shelf.
func (s *redisShelf) Lock(ctx context.Context, name, holder string, life time.Duration) (bool, error) {
	return s.script(ctx, lockScript, s.locks+name, []string{holder, strconv.FormatInt(life.Milliseconds(), 10)})
}

// Unlock implements Shelf.
func (s *redisShelf) Unlock(ctx context.Context, name, holder string) error {
	_, err := s.script(ctx, unlockScript, s.locks+name, []string{holder})
	return err
}

// What has to happen in one go, or somebody else might come in between.
const (
	setNew = `for i = 1, #ARGV, 2 do
  if redis.call('HEXISTS', KEYS[1], ARGV[i]) == 1 then return 0 end
end
redis.call('HSET', KEYS[1], unpack(ARGV))
return 1`
	lockScript = `local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`
	unlockScript = `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`
)

// script runs one of them and tells whether it did what it is for.
func (s *redisShelf) script(ctx context.Context, text, key string, args []string) (done bool, err error) {
	err = s.redis.Use(ctx, func(ctx context.Context, c rueidis.Client) error {
		n, err := c.Do(ctx, c.B().Eval().Script(text).Numkeys(1).Key(key).Arg(args...).Build()).AsInt64()
		done = n == 1
		return err
	})
	return done, err
}
