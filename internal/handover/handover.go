// Package handover lets replicas unlock each other, where the administrator wants that: one that is locked asks for the key
// of the scimsession, one that is not seals it to the keys that the other has drawn at its start, and both leave what they
// have to say in the Redis that they share, for a minute at most. Neither believes Redis; what asks and answers are is
// specified in package keyset.
//
// The package knows where asks and answers lie and when to look for them. What the price is stands in the threat model:
// whoever has the scimsession, and can write to the Redis while a replica is unlocked, needs no token.
package handover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/scimbridge/scimbridge/internal/bridge"
	"github.com/scimbridge/scimbridge/internal/keyset"
	"github.com/scimbridge/scimbridge/internal/redis"
)

const (
	// every is how often a replica looks whether somebody asks, or has answered. It costs Redis a command.
	every = time.Second
	// askEvery is how often an ask is put there anew, should it have got lost or another one have taken its place.
	askEvery = 5 * time.Second
	// slots are what the fingerprints of start-up keys begin with. An ask lies in the slot of its keys, so that those who
	// answer find all with one command and there are never more.
	slots = "abcdefghijklmnopqrstuvwxyz234567"
)

// Config is what New needs.
type Config struct {
	Lock  *bridge.Lock
	Redis *redis.Conn
	Clock func() time.Time
	Rand  io.Reader
	Log   *slog.Logger
}

// Exchange is one replica's part: it asks while it is locked, and answers from then on.
type Exchange struct {
	Config
	startUp  *keyset.Keyset    // nil once nothing is asked for any more
	asked    time.Time         // last
	asks     map[int]bool      // by generation, what was asked for
	answered map[string]string // by slot, the ask that was answered last
	trouble  string            // that was logged last
}

// New makes an Exchange, which begins with Run.
func New(c Config) (*Exchange, error) {
	seed, err := keyset.NewSeed(c.Rand)
	if err != nil {
		return nil, err
	}
	startUp, err := seed.Keyset()
	if err != nil {
		return nil, err
	}
	return &Exchange{Config: c, startUp: startUp, asks: map[int]bool{}, answered: map[string]string{}}, nil
}

// Run asks and answers until ctx ends. While Redis is away there is nobody to ask, and the token unlocks as ever.
func (e *Exchange) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for ctx.Err() == nil {
		err := errors.Join(e.ask(ctx), e.answer(ctx))
		if ctx.Err() == nil {
			e.tell(ctx, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// tell logs what goes wrong, not each time that it does. That Redis is away is told by its connection.
func (e *Exchange) tell(ctx context.Context, err error) {
	if err == nil || errors.Is(err, redis.ErrAway) || err.Error() == e.trouble {
		return
	}
	e.trouble = err.Error()
	e.Log.WarnContext(ctx, "what replicas leave for each other is not as it should be; the bearer token unlocks them as ever", "error", err)
}

func (e *Exchange) askKey(generation int, slot string) string {
	return e.Redis.Key(fmt.Sprintf("unlock:ask:%d:%s", generation, slot))
}

func (e *Exchange) answerKey(generation int, startUp keyset.Public) string {
	return e.Redis.Key(fmt.Sprintf("unlock:answer:%d:%s", generation, startUp.Fingerprint()))
}

// ask fetches what was answered, and asks for what is still wanted.
func (e *Exchange) ask(ctx context.Context) error {
	wanted := e.Lock.Wanted()
	if len(wanted) == 0 {
		return e.leave(ctx)
	}
	for _, generation := range wanted {
		if taken, err := e.fetch(ctx, generation); taken || err != nil {
			return err
		}
	}
	if now := e.Clock(); now.Sub(e.asked).Abs() >= askEvery {
		for _, generation := range wanted {
			if err := e.put(ctx, generation); err != nil {
				return err
			}
		}
		e.asked = now
	}
	return nil
}

// leave ends the asking: the private keys are forgotten, so that what was sealed to them opens nowhere any more.
func (e *Exchange) leave(ctx context.Context) error {
	if e.startUp == nil {
		return nil
	}
	public := e.startUp.Public()
	e.startUp = nil
	for generation := range e.asks {
		if err := e.remove(ctx, generation, public); err != nil {
			return err // they end by themselves
		}
	}
	return nil
}

// remove takes away an ask and its answer. Another's ask may have taken the slot: that one comes again.
func (e *Exchange) remove(ctx context.Context, generation int, startUp keyset.Public) error {
	delete(e.asks, generation)
	keys := []string{e.askKey(generation, startUp.Fingerprint()[:1]), e.answerKey(generation, startUp)}
	return e.Redis.Use(ctx, func(ctx context.Context, r rueidis.Client) error {
		return r.Do(ctx, r.B().Del().Key(keys...).Build()).Error()
	})
}

// fetch opens the lock with an answer, if there is one.
func (e *Exchange) fetch(ctx context.Context, generation int) (taken bool, err error) {
	answerKey := e.answerKey(generation, e.startUp.Public())
	var answer []byte
	err = e.Redis.Use(ctx, func(ctx context.Context, r rueidis.Client) (err error) {
		answer, err = r.Do(ctx, r.B().Get().Key(answerKey).Build()).AsBytes()
		return err
	})
	if rueidis.IsRedisNil(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err = e.Lock.Take(answer, e.startUp); err != nil {
		err = fmt.Errorf("what was handed over: %w", err)
	} else {
		taken = true
		e.Log.InfoContext(ctx, "another replica has handed the key of the scimsession over", "generation", generation, "keys", e.startUp.Public().Fingerprint())
	}
	return taken, errors.Join(err, e.remove(ctx, generation, e.startUp.Public()))
}

// put asks for the key of a generation.
func (e *Exchange) put(ctx context.Context, generation int) error {
	ask, err := e.Lock.Ask(generation, e.startUp)
	if err != nil {
		return err
	}
	e.asks[generation] = true
	key := e.askKey(generation, e.startUp.Public().Fingerprint()[:1])
	return e.Redis.Use(ctx, func(ctx context.Context, r rueidis.Client) error {
		return r.Do(ctx, r.B().Set().Key(key).Value(rueidis.BinaryString(ask)).Px(keyset.HandOverLife).Build()).Error()
	})
}

// answer hands the keys of what has been opened over to all who ask for them.
func (e *Exchange) answer(ctx context.Context) error {
	var all error
	for _, held := range e.Lock.Held() {
		keys := make([]string, 0, len(slots))
		for _, slot := range strings.Split(slots, "") {
			keys = append(keys, e.askKey(held.Generation(), slot))
		}
		var asks []rueidis.RedisMessage
		if err := e.Redis.Use(ctx, func(ctx context.Context, r rueidis.Client) (err error) {
			asks, err = r.Do(ctx, r.B().Mget().Key(keys...).Build()).ToArray()
			return err
		}); err != nil {
			return err
		}
		for i := range asks {
			ask, err := asks[i].ToString()
			if err != nil || i >= len(keys) || e.answered[keys[i]] == ask {
				continue // nobody asks there, or it has been done
			}
			if err := e.handOver(ctx, held, ask); errors.Is(err, redis.ErrAway) {
				return err
			} else if err != nil {
				all = errors.Join(all, fmt.Errorf("an ask: %w", err))
			}
			e.answered[keys[i]] = ask
		}
	}
	return all
}

// handOver answers an ask. Other replicas may have done so before: one answer is enough.
func (e *Exchange) handOver(ctx context.Context, held *keyset.Secrets, ask string) error {
	answer, to, err := held.HandOver([]byte(ask), e.Clock())
	if err != nil {
		return err
	}
	err = e.Redis.Use(ctx, func(ctx context.Context, r rueidis.Client) error {
		return r.Do(ctx, r.B().Set().Key(e.answerKey(held.Generation(), to)).Value(rueidis.BinaryString(answer)).Nx().Px(keyset.HandOverLife).Build()).Error()
	})
	if rueidis.IsRedisNil(err) {
		return nil
	}
	if err == nil {
		e.Log.InfoContext(ctx, "handed the key of the scimsession over to a replica", "generation", held.Generation(), "keys", to.Fingerprint())
	}
	return err
}
