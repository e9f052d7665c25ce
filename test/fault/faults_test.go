package fault_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// The faults, and what the bridges are to say of each.

// by is what bridges say of a part.
func by(source, state string) func(*site) []blame {
	return func(s *site) []blame { return []blame{{source: source, state: state, at: s.bridges}} }
}

// victims are blames of what is particular to the bridges that a fault is about.
func victims(source, state string) func(*site) []blame {
	return func(s *site) []blame { return []blame{{source: source, state: state, at: s.victims}} }
}

var (
	nothing     = func(*site) {}
	accountAway = by("Account", "unhealthy")
	redisAway   = by("RedisCache", "unhealthy")
	bridgeAway  = victims(silent, "")
	// A database that does not answer looks like an account service that does not, until that says otherwise.
	databaseAway = func(s *site) []blame {
		return []blame{{source: "Account", state: "no database", or: "unhealthy", at: s.bridges}}
	}
)

const (
	// slow is how much longer a slow network takes, each way: as between continents.
	slow = 100 * time.Millisecond
	// deaf is so slow that Redis is done without.
	deaf = 2 * time.Second
	// tolerable is how wrong a clock may be, and intolerable how wrong it may not.
	tolerable, intolerable = "4m30s", "1h"
)

// onLink is trouble on one of the links.
func onLink(of func(*site) *link, tr trouble) (begin, end func(*site)) {
	return func(s *site) { of(s).set(tr) }, func(s *site) { of(s).set(trouble{}) }
}

func toRedis(s *site) *link    { return s.toRedis }
func toAccount(s *site) *link  { return s.toAccount }
func toPostgres(s *site) *link { return s.toPostgres }

// linkFaults are all that can be wrong with a link.
func linkFaults(what string, of func(*site) *link, blames func(*site) []blame, delay time.Duration, quiet bool) []fault {
	var list []fault
	for _, f := range []struct {
		name string
		trouble
	}{
		{"cut off", trouble{cut: true}}, {"silent", trouble{hole: true}}, {"far away", trouble{delay: delay}},
	} {
		begin, end := onLink(of, f.trouble)
		one := fault{redis: what == "redis", name: what + " " + f.name, begin: begin, end: end, blames: blames, quiet: quiet}
		if f.delay != 0 && f.delay != deaf { // only slower
			one.blames, one.quiet = nil, true
		}
		list = append(list, one)
	}
	return list
}

// choose makes a bridge the victim: the one that makes links and confirms people, since it has most to hand over.
func (s *site) choose() *bridge {
	b := s.holder(s.t.Context())
	if b == nil {
		b = s.bridges[0]
	}
	s.victims = []*bridge{b}
	return b
}

func (s *site) killBridge() { s.choose().process.Kill() }
func (s *site) stopBridge() { s.signal(s.choose().process.PID(), syscall.SIGSTOP) }
func (s *site) resumeBridge() {
	for _, b := range s.victims {
		s.signal(b.process.PID(), syscall.SIGCONT)
	}
}

func (s *site) startBridges() {
	for _, b := range s.victims {
		s.startBridge(b, "")
	}
}

func (s *site) stopAccount()    { s.signal(s.account.PID(), syscall.SIGSTOP) }
func (s *site) resumeAccount()  { s.signal(s.account.PID(), syscall.SIGCONT) }
func (s *site) killAccount()    { s.account.Kill() }
func (s *site) restartAccount() { s.startAccount("") }
func (s *site) killPostgres()   { must(s.t, s.postgres.Kill()) }
func (s *site) startPostgres()  { must(s.t, s.postgres.Start()) }
func (s *site) holdPostgres()   { must(s.t, s.postgres.Hold()) }
func (s *site) resumePostgres() { must(s.t, s.postgres.Resume()) }

// killAll is a power cut.
func (s *site) killAll() {
	s.victims = s.bridges
	var g sync.WaitGroup
	for _, b := range s.bridges {
		g.Go(b.process.Kill)
	}
	g.Go(s.account.Kill)
	g.Go(s.redis.Kill)
	g.Go(s.killPostgres)
	g.Wait()
}

func (s *site) startAll() {
	s.startPostgres()
	s.redis.Start()
	s.startAccount("")
	s.startBridges()
}

// wait waits until something succeeds.
func (s *site) wait(try func() error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	must(s.t, until(ctx, try))
}

// roll replaces one bridge after another, as a rolling update does, which waits for the new one each time.
func (s *site) roll() {
	for i, b := range s.bridges {
		b.process.Stop()
		s.startBridge(b, "")
		s.wait(func() error {
			if !s.balancer.backends[i].isReady() {
				return fmt.Errorf("bridge %d is not ready", b.n)
			}
			return nil
		})
	}
}

// fill fills the disk of PostgreSQL, and keeps it full while the fault lasts.
func (s *site) fill() {
	must(s.t, s.postgres.Fill())
	s.filling = s.every(func() { must(s.t, s.postgres.Fill()) })
}

// fillLog fills the disk, and has PostgreSQL begin with another file of its write-ahead log, for which there is no room: it
// gives up.
func (s *site) fillLog() {
	c, err := pgx.Connect(s.t.Context(), s.postgres.URL("postgres"))
	must(s.t, err)
	s.fill()
	for range 3 { // files that are there already
		_, err = c.Exec(s.t.Context(), "SELECT pg_logical_emit_message(true, 'fault', 'x'), pg_switch_wal()")
		if err != nil {
			break
		}
	}
	_ = c.Close(s.t.Context()) // the server is gone, or about to be
}

// free gives the room back. A server that has given up is started again by whoever runs it.
func (s *site) free() {
	s.filling()
	must(s.t, s.postgres.Free())
	if !s.postgres.Running() {
		s.startPostgres()
	}
}

// every does something at short intervals until the function that is returned is called.
func (s *site) every(do func()) func() {
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(50 * time.Millisecond); ; {
			select {
			case <-tick.C:
				do()
			case <-end:
				tick.Stop()
				return
			}
		}
	}()
	return func() {
		close(end)
		<-done
	}
}

// skewBridge starts a bridge again on a machine whose clock is wrong.
func skewBridge(offset string) func(*site) {
	return func(s *site) {
		b := s.choose()
		b.process.Stop()
		s.startBridge(b, offset)
		s.wait(func() error {
			_, clock := s.health(s.t.Context(), b)
			if off := time.Until(clock); clock.IsZero() || off.Abs() < time.Minute {
				return fmt.Errorf("the clock of bridge %d is right: %s", b.n, clock)
			}
			return nil
		})
	}
}

func skewAccount(offset string) func(*site) {
	return func(s *site) {
		s.account.Stop()
		s.startAccount(offset)
		s.wait(func() error {
			res, err := http.Get("http://" + s.accountAddress + "/ready") //nolint:noctx // on this machine
			if err == nil {
				err = res.Body.Close()
			}
			return err
		})
	}
}

func (s *site) mendBridge() {
	for _, b := range s.victims {
		b.process.Stop()
	}
	s.startBridges()
}

func (s *site) mendAccount() {
	s.account.Stop()
	s.startAccount("")
}

// together is several faults at once, with all that each is blamed on.
func together(faults ...fault) fault {
	var names []string
	for _, f := range faults {
		names = append(names, f.name)
	}
	return fault{
		name:  strings.Join(names, " + "),
		redis: slices.ContainsFunc(faults, func(f fault) bool { return f.redis }),
		begin: func(s *site) { each(s, faults, func(f fault) { f.begin(s) }) },
		end:   func(s *site) { each(s, faults, func(f fault) { f.end(s) }) },
		blames: func(s *site) (list []blame) {
			for _, f := range faults {
				if f.blames != nil {
					list = append(list, f.blames(s)...)
				}
			}
			var mute []*bridge
			for _, b := range list {
				if b.source == silent {
					mute = append(mute, b.at...)
				}
			}
			for i, b := range list {
				if b.source != silent { // who is silent says nothing of others
					list[i].at = slices.DeleteFunc(slices.Clone(b.at), func(b *bridge) bool { return slices.Contains(mute, b) })
				}
			}
			return list
		},
	}
}

func each(s *site, faults []fault, do func(fault)) {
	var g sync.WaitGroup
	for _, f := range faults {
		g.Go(func() { do(f) })
	}
	g.Wait()
}

// list are the single faults, by what they are about.
type list struct {
	nothing                           fault
	redis, bridges, account, postgres []fault
	oneCut                            fault
}

func faults() list {
	return list{
		nothing: fault{name: "nothing", begin: nothing, end: nothing, quiet: true},
		redis: append([]fault{
			{redis: true, name: "redis killed", begin: func(s *site) { s.redis.Kill() }, end: func(s *site) { s.redis.Start() }, blames: redisAway, quiet: true},
			{redis: true, name: "redis stopped", begin: func(s *site) { s.redis.Hold() }, end: func(s *site) { s.redis.Resume() }, blames: redisAway, quiet: true},
		}, linkFaults("redis", toRedis, redisAway, deaf, true)...),
		bridges: []fault{
			{name: "bridge killed", begin: (*site).killBridge, end: (*site).startBridges, blames: bridgeAway},
			{name: "bridge stopped", begin: (*site).stopBridge, end: (*site).resumeBridge, blames: bridgeAway},
		},
		oneCut: fault{
			name: "one bridge cut off", begin: func(s *site) { s.toAccount.set(trouble{cut: true, of: s.choose().process.PID()}) },
			end: func(s *site) { s.toAccount.set(trouble{}) }, blames: victims("Account", "unhealthy"),
		},
		account: append([]fault{
			{name: "account killed", begin: (*site).killAccount, end: (*site).restartAccount, blames: accountAway},
			{name: "account stopped", begin: (*site).stopAccount, end: (*site).resumeAccount, blames: accountAway},
		}, linkFaults("account", toAccount, accountAway, slow, false)...),
		postgres: append([]fault{
			{name: "postgres killed", begin: (*site).killPostgres, end: (*site).startPostgres, blames: databaseAway},
			{name: "postgres stopped", begin: (*site).holdPostgres, end: (*site).resumePostgres, blames: databaseAway},
			{name: "disk full", begin: (*site).fill, end: (*site).free, blames: databaseAway},
		}, linkFaults("postgres", toPostgres, databaseAway, slow/4, false)...),
	}
}

// sites are the faults by the site that lives through them, one after another.
func sites(soak bool) map[string][]fault {
	f := faults()
	all := map[string][]fault{
		"bridges": slices.Concat([]fault{f.nothing}, f.bridges, []fault{
			{name: "rolling restart", begin: (*site).roll, end: nothing, quiet: true},
			f.oneCut,
			{name: "clock of a bridge 4.5 min ahead", begin: skewBridge(tolerable), end: (*site).mendBridge, quiet: true},
			{name: "clock of a bridge 1 h behind", begin: skewBridge("-" + intolerable), end: (*site).mendBridge, blames: victims("Account", "clock off")},
		}, f.redis),
		"account": slices.Concat(f.account, []fault{
			{name: "clock of the account 4.5 min behind", begin: skewAccount("-" + tolerable), end: (*site).mendAccount},
			{name: "clock of the account 1 h ahead", begin: skewAccount(intolerable), end: (*site).mendAccount, blames: by("Account", "clock off")},
		}),
		"postgres": append(f.postgres, fault{name: "disk full, and the log", begin: (*site).fillLog, end: (*site).free, blames: databaseAway}),
		"together": {
			together(f.redis[0], f.bridges[0]),
			together(f.account[0], f.postgres[0]),
			together(f.redis[1], f.oneCut),
			{redis: true, name: "power cut", begin: (*site).killAll, end: (*site).startAll, blames: bridgeAway},
		},
	}
	if soak {
		const rounds = 15
		for range rounds {
			all["by chance"] = append(all["by chance"], f.byChance())
		}
	}
	return all
}

// byChance is two to four faults at once.
func (l list) byChance() fault {
	about := [][]fault{l.redis, l.bridges, l.account, l.postgres}
	rand.Shuffle(len(about), func(i, j int) { about[i], about[j] = about[j], about[i] })
	var some []fault
	for _, of := range about[:2+rand.IntN(len(about)-1)] { //nolint:gosec // not a secret
		some = append(some, of[rand.IntN(len(of))]) //nolint:gosec // likewise
	}
	return together(some...)
}
