// Package bucket is a token bucket for each of many, which replicas share through Redis: whoever has taken all from one finds
// it empty at the others. Who takes is known to Redis by a MAC only.
//
// It decides nothing for itself: while Redis is away its answer is an error, and whoever asks falls back on what it has counted
// alone.
package bucket

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/scimbridge/scimbridge/internal/redis"
)

// Config is what New needs.
type Config struct {
	Redis *redis.Conn
	// Name tells these buckets from others.
	Name string
	// Key is the secret under which the names of those who take are hidden; all replicas have the same.
	Key [32]byte
	// Size is how much a full bucket holds, and Pause how long it takes until one more is in it.
	Size  int
	Pause time.Duration
}

// Shared are buckets in Redis. A full one costs nothing there.
type Shared struct{ Config }

// New makes buckets.
func New(c Config) *Shared { return &Shared{c} }

// take is the generic cell rate algorithm: all that is kept of a bucket is when it will be full again, by the server's clock,
// in milliseconds since 1970, and no longer than until then; anything else that stands there counts as a full one. It returns how
// long to wait, 0 for something taken.
var take = rueidis.NewLuaScript(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local size, pause = tonumber(ARGV[1]), tonumber(ARGV[2])
local full = tonumber(redis.call('GET', KEYS[1]) or now)
if not (full and full >= now and full <= now + size * pause) then
  full = now
end
full = full + pause
local wait = full - size * pause - now
if wait > 0 then
  return wait
end
redis.call('SET', KEYS[1], string.format('%d', full), 'PX', string.format('%d', full - now))
return 0
`)

// Take takes one from somebody's bucket. Where there is none left it says how long to wait for it. The errors are redis.Conn's.
func (s *Shared) Take(ctx context.Context, who string) (wait time.Duration, ok bool, err error) {
	err = s.Redis.Use(ctx, func(ctx context.Context, r rueidis.Client) error {
		ms, err := take.Exec(ctx, r, []string{s.key(who)}, []string{strconv.Itoa(s.Size), strconv.FormatInt(s.Pause.Milliseconds(), 10)}).AsInt64()
		wait = time.Duration(ms) * time.Millisecond
		return err
	})
	return wait, err == nil && wait == 0, err
}

// nameSize is how many bytes of the MAC name a bucket: enough for two never to meet.
const nameSize = 16

func (s *Shared) key(who string) string {
	m := hmac.New(sha256.New, s.Key[:])
	m.Write([]byte(s.Name + "\x00" + who))
	return s.Redis.Key(s.Name + ":" + base64.RawURLEncoding.EncodeToString(m.Sum(nil)[:nameSize]))
}
